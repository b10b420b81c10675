//! What metadata files say about an org; `crate::metadata` reads them.
//!
//! Promised: a broken file is a problem with its line; one of another kind is named.

use super::fact::{Facts, Kind, Place, Slot, Source};
use super::problem::Problem;
use crate::metadata::{self, Broken, Component, File, Located};
use crate::report::finding::Severity;

/// Reads a file; the error says why it is none of the known ones.
pub(super) fn read(source: &Source<'_>, facts: &mut Facts) -> Result<(), String> {
    match metadata::file::read(source.name, source.text) {
        Ok(File::Channel(channel)) => {
            facts.recognize(Kind::MessagingChannel, channel.component.place.clone());
            facts.channels.push(channel);
        }
        Ok(File::Component(component)) => keep(source, component, facts),
        Err(Broken::Malformed { place, message, .. }) => {
            let problem = Problem::at(Severity::Error, &place, message);
            facts.problems.push(problem.help("export the file again"));
        }
        Err(Broken::Unknown { root, .. }) => {
            let known = metadata::Kind::ALL.map(metadata::Kind::name).join(", ");
            let root = super::id::quoted(&root);
            return Err(format!("XML with the root element {root}; read are {known}"));
        }
        Err(broken @ Broken::TooLarge { .. }) => return Err(broken.to_string()),
    }
    Ok(())
}

fn keep(source: &Source<'_>, component: Component, facts: &mut Facts) {
    use metadata::Kind as Of;
    let (kind, list) = match component.kind {
        Of::LiveChatButton => (Kind::LiveChatButton, &mut facts.button_components),
        Of::LiveChatDeployment => (Kind::LiveChatDeployment, &mut facts.deployment_components),
        Of::EmbeddedServiceConfig => (Kind::EmbeddedServiceConfig, &mut facts.configs),
        Of::EmbeddedServiceLiveAgent => {
            live_agent(source, &component, facts);
            (Kind::EmbeddedServiceLiveAgent, &mut facts.live_agents)
        }
        Of::ServiceChannel => (Kind::ServiceChannel, &mut facts.routing),
        Of::QueueRoutingConfig | Of::MessagingChannel => {
            (Kind::QueueRoutingConfig, &mut facts.routing)
        }
    };
    let place = component.place.clone();
    list.push(component);
    facts.recognize(kind, place);
}

fn live_agent(source: &Source<'_>, component: &Component, facts: &mut Facts) {
    if let Some(address) = component.get("liveAgentChatUrl") {
        facts.value(Slot::LiveAgentBaseUrl, address.clone());
    }
    if let Some(json) = component.get("prechatJson").filter(|json| !json.value.is_empty()) {
        let button = component.get("liveChatButton").map(|name| name.value.clone());
        prechat(source, json, button.as_deref(), facts);
    }
}

fn prechat(source: &Source<'_>, json: &Located, button: Option<&str>, facts: &mut Facts) {
    let place: &Place = &json.place;
    match super::literal::document(&json.value) {
        Ok(node) => {
            let mut inner = Facts::default();
            super::cognigy::read(source, &node, &mut inner);
            // Places inside of the text are those of the element.
            for mut document in inner.documents {
                document.place = place.clone();
                document.details.fill(place.clone());
                document.component = button.map(str::to_owned);
                facts.recognize(Kind::Prechat, place.clone());
                facts.documents.push(document);
            }
        }
        Err(broken) => {
            let message = format!("prechatJson cannot be read: {}", broken.problem);
            facts.problems.push(Problem::at(Severity::Warning, place, message));
        }
    }
}
