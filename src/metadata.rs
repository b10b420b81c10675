//! Salesforce metadata as files: channels, deployments, buttons, routing. The only reader of them;
//! dry run, import and `mapping suggest` all use it.
//!
//! Promised: pure; files are read as they are deployed and nothing is guessed; every statement has
//! its file and line; a root element that is not known is refused by name. Not promised: that the
//! files describe the org of today.

use std::fmt;

use serde::Serialize;

pub mod channel;
pub mod file;

pub use channel::{Channel, Fit, Parameter};
pub use file::{Broken, File};

/// Where something was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A text and its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Located {
    /// What stands there.
    pub value: String,
    /// Where.
    pub place: Place,
}

/// The kinds of metadata that are read, by their root elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A messaging channel.
    #[default]
    MessagingChannel,
    /// A legacy button.
    LiveChatButton,
    /// A legacy deployment.
    LiveChatDeployment,
    /// A deployment, of MIAW or of Embedded Service.
    EmbeddedServiceConfig,
    /// What ties an Embedded Service deployment to its legacy button.
    EmbeddedServiceLiveAgent,
    /// How a queue's work counts and is pushed.
    QueueRoutingConfig,
    /// What kind of work Omni-Channel routes.
    ServiceChannel,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::MessagingChannel,
        Self::LiveChatButton,
        Self::LiveChatDeployment,
        Self::EmbeddedServiceConfig,
        Self::EmbeddedServiceLiveAgent,
        Self::QueueRoutingConfig,
        Self::ServiceChannel,
    ];

    /// The root element's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessagingChannel => "MessagingChannel",
            Self::LiveChatButton => "LiveChatButton",
            Self::LiveChatDeployment => "LiveChatDeployment",
            Self::EmbeddedServiceConfig => "EmbeddedServiceConfig",
            Self::EmbeddedServiceLiveAgent => "EmbeddedServiceLiveAgent",
            Self::QueueRoutingConfig => "QueueRoutingConfig",
            Self::ServiceChannel => "ServiceChannel",
        }
    }
}

/// One metadata file: its simple settings, in file order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// `fullName`, or the file's name without its extensions.
    pub developer_name: String,
    /// Where it begins.
    pub place: Place,
    /// Element name and text; an element inside of a list is named `skills.skill`.
    pub settings: Vec<(String, Located)>,
}

impl Component {
    /// The first setting of exactly this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Located> {
        self.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The texts of every setting of this name, inside of lists too, joined by `, `.
    #[must_use]
    pub fn joined(&self, name: &str) -> Option<String> {
        let named = |key: &str| {
            let (list, item) = key.split_once('.').unwrap_or((key, key));
            list == name || item == name
        };
        let all = self.settings.iter().filter(|(key, _)| named(key));
        let texts: Vec<&str> =
            all.map(|(_, found)| found.value.as_str()).filter(|text| !text.is_empty()).collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// A whole number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.value.parse().ok()
    }
}

/// What several metadata files say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `MessagingChannel` files and JSON lists.
    pub channels: Vec<Channel>,
    /// All others.
    pub components: Vec<Component>,
}

impl Metadata {
    /// Reads one more file.
    ///
    /// # Errors
    /// Says what was wrong, where and what was expected.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), String> {
        match file::read(name, text).map_err(|broken| broken.to_string())? {
            File::Channel(channel) => self.channels.push(channel),
            File::Component(component) => self.components.push(component),
        }
        Ok(())
    }

    /// The components of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(move |component| component.kind == kind)
    }

    /// Legacy buttons and deployments.
    pub fn legacy(&self) -> impl Iterator<Item = &Component> {
        let legacy = [Kind::LiveChatButton, Kind::LiveChatDeployment];
        self.components.iter().filter(move |component| legacy.contains(&component.kind))
    }

    /// The channel behind a deployment.
    #[must_use]
    pub fn channel_of(&self, deployment: &str) -> Option<&Channel> {
        channel::of_deployment(&self.channels, &self.components, deployment)
    }
}

/// Letters and digits in lower case: what is left when spelling does not count.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
