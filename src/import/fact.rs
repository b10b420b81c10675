//! What recognised files say, each statement with its place.
//!
//! Promised: nothing here is a visitor's value; pre-chat documents are kept with their values
//! replaced, and routing attributes by name only.

use std::fmt;

use serde::Serialize;

use super::problem::Problem;
use crate::mapping::Prechat;
use crate::metadata::{Channel, Component};
pub use crate::metadata::{Located, Place};

/// One file as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name for messages; its last part names the component of a metadata file.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

/// A source with its line starts, so that places are found fast.
pub(super) struct Source<'i> {
    pub(super) name: &'i str,
    pub(super) text: &'i str,
    newlines: Vec<usize>,
}

impl<'i> Source<'i> {
    pub(super) fn new(input: &'i Input) -> Self {
        let newlines = input.text.match_indices('\n').map(|(i, _)| i).collect();
        Self { name: &input.name, text: &input.text, newlines }
    }

    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.newlines.partition_point(|newline| *newline < at) + 1;
        Place { file: self.name.to_owned(), line }
    }

    pub(super) fn located(&self, value: &str, at: usize) -> Located {
        Located { value: value.trim().to_owned(), place: self.place(at) }
    }
}

/// A setting of the tenant that exactly one value may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The org's id.
    OrganizationId,
    /// The Chat API endpoint.
    LiveAgentBaseUrl,
    /// The version the legacy client asks for.
    ApiVersion,
    /// The legacy deployment.
    DeploymentId,
    /// MIAW's address.
    BaseUrl,
    /// The deployment of a custom client, or of a provider page.
    DeveloperName,
    /// The deployment of a web snippet; a deployment of type Custom Client goes before it.
    WebDeveloperName,
    /// The version the MIAW client asks for.
    CapabilitiesVersion,
}

impl Slot {
    /// The setting as people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OrganizationId => "organization id",
            Self::LiveAgentBaseUrl => "Live Agent base URL",
            Self::ApiVersion => "API version",
            Self::DeploymentId => "deployment id",
            Self::BaseUrl => "MIAW base URL",
            Self::DeveloperName => "Embedded Service developer name",
            Self::WebDeveloperName => "Embedded Service developer name of a web snippet",
            Self::CapabilitiesVersion => "capabilities version",
        }
    }
}

/// What a file was recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `embedded_svc.init(…)`
    EmbeddedServiceSnippet,
    /// `liveagent.init(…)` or a button's code.
    DeploymentSnippet,
    /// `embeddedservice_bootstrap.init(…)`
    MiawSnippet,
    /// The code snippet of a custom client.
    MiawCodeSnippet,
    /// Settings of a legacy handover provider.
    LegacyProvider,
    /// Settings of a MIAW handover provider.
    MiawProvider,
    /// Pre-chat entities or details in an export.
    Prechat,
    /// A node that overrides the provider's button.
    ButtonOverride,
    /// `LiveChatButton`
    LiveChatButton,
    /// `LiveChatDeployment`
    LiveChatDeployment,
    /// `EmbeddedServiceConfig`
    EmbeddedServiceConfig,
    /// `EmbeddedServiceLiveAgent`
    EmbeddedServiceLiveAgent,
    /// `MessagingChannel`
    MessagingChannel,
    /// `QueueRoutingConfig`
    QueueRoutingConfig,
    /// `ServiceChannel`
    ServiceChannel,
}

impl Kind {
    /// The kind as people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::EmbeddedServiceSnippet => "Embedded Service snippet (legacy)",
            Self::DeploymentSnippet => "deployment or button code (legacy)",
            Self::MiawSnippet => "MIAW web snippet",
            Self::MiawCodeSnippet => "MIAW custom-client code snippet",
            Self::LegacyProvider => "legacy handover provider",
            Self::MiawProvider => "MIAW handover provider",
            Self::Prechat => "pre-chat entities and details",
            Self::ButtonOverride => "node with a button of its own",
            Self::LiveChatButton => "LiveChatButton metadata",
            Self::LiveChatDeployment => "LiveChatDeployment metadata",
            Self::EmbeddedServiceConfig => "EmbeddedServiceConfig metadata",
            Self::EmbeddedServiceLiveAgent => "EmbeddedServiceLiveAgent metadata",
            Self::MessagingChannel => "MessagingChannel metadata",
            Self::QueueRoutingConfig => "QueueRoutingConfig metadata",
            Self::ServiceChannel => "ServiceChannel metadata",
        }
    }
}

/// A file, or a part of one, that was recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Recognized {
    /// Where it begins.
    #[serde(flatten)]
    pub place: Place,
    /// As what.
    pub kind: Kind,
}

/// A button that a snippet, a provider or a node names by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ButtonId {
    pub(super) id: Located,
    /// The name of the provider or node.
    pub(super) name: Option<String>,
    /// The Embedded Service configuration whose snippet names it.
    pub(super) config: Option<String>,
}

/// A pre-chat document, its values replaced.
pub(super) struct Document {
    pub(super) place: Place,
    /// The ids of the buttons whose chats it belongs to, as written; none when nothing tells.
    pub(super) buttons: Vec<String>,
    /// The developer name of its button, where that is all that is known.
    pub(super) component: Option<String>,
    pub(super) prechat: Prechat,
    /// Where each detail stands.
    pub(super) details: Vec<Place>,
}

/// Everything that was read.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) recognized: Vec<Recognized>,
    pub(super) values: Vec<(Slot, Located)>,
    pub(super) buttons: Vec<ButtonId>,
    pub(super) button_components: Vec<Component>,
    pub(super) deployment_components: Vec<Component>,
    pub(super) live_agents: Vec<Component>,
    pub(super) configs: Vec<Component>,
    pub(super) channels: Vec<Channel>,
    /// Routing configurations and service channels.
    pub(super) routing: Vec<Component>,
    pub(super) documents: Vec<Document>,
    /// Attribute keys that the MIAW side already uses.
    pub(super) attribute_keys: Vec<Located>,
    /// The org's own domain, for the tenant's name.
    pub(super) domains: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl Facts {
    pub(super) fn recognize(&mut self, kind: Kind, place: Place) {
        self.recognized.push(Recognized { place, kind });
    }

    /// Keeps a value; an empty one says nothing.
    pub(super) fn value(&mut self, slot: Slot, value: Located) {
        if !value.value.is_empty() {
            self.values.push((slot, value));
        }
    }
}
