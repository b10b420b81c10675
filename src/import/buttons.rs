//! The button table: each legacy button, what it is called, and where its chats should go.
//!
//! Promised: a button's id and its metadata are put together only on a ground that is told.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fact::{ButtonId, Facts, Place, Slot};
use super::id;
use super::object::fold;
use super::org::Org;
use super::problem::Problem;
use super::settings::{self, Setting};
use crate::metadata::{Channel, Component};
use crate::report::finding::Severity;

/// The attribute that tells the flow which button a chat came from.
pub(super) const SOURCE_BUTTON: &str = "sourceButton";

/// One line of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Button {
    /// Its id, if a snippet, provider or node names it.
    pub id: Option<String>,
    /// The provider's, the node's or the button's own label.
    pub name: Option<String>,
    /// The developer name in its metadata.
    pub developer_name: Option<String>,
    /// Why id and metadata are taken to be of one button.
    pub joined_by: Option<String>,
    /// Whether chats may queue.
    pub queue: Option<String>,
    /// The skills legacy routed by.
    pub skills: Vec<String>,
    /// How long an agent's answer and a visitor's silence may take.
    pub timeouts: Vec<String>,
    /// Where its chats should go.
    pub target: String,
    /// The mapping file of its chats, when pre-chat was found.
    pub mapping: Option<String>,
    /// Setting by setting what becomes of it.
    pub settings: Vec<Setting>,
    /// Where it is named.
    pub places: Vec<Place>,
}

impl Button {
    /// The button as people call it.
    #[must_use]
    pub fn title(&self) -> &str {
        let names = [&self.name, &self.developer_name, &self.id];
        names.into_iter().flatten().next().map_or("button", String::as_str)
    }
}

/// Makes the table.
pub(super) fn table(facts: &mut Facts, org: &Org, channel: Option<&Channel>) -> Vec<Button> {
    let mut by_id: BTreeMap<String, Vec<&ButtonId>> = BTreeMap::new();
    let mut problems = Vec::new();
    for button in &facts.buttons {
        match id::salesforce(&button.id.value, "573") {
            Ok(id) => by_id.entry(id).or_default().push(button),
            Err(message) => {
                let message = format!("button id: {message}");
                problems.push(Problem::at(Severity::Error, &button.id.place, message));
            }
        }
    }
    let several = by_id.len() > 1;
    let only = by_id.len() == 1 && facts.button_components.len() == 1;
    let mut used: Vec<&str> = Vec::new();
    let mut table = Vec::new();
    for (id, named) in &by_id {
        let joined = join(facts, named, only).filter(|(c, _)| !used.contains(&&*c.developer_name));
        used.extend(joined.as_ref().map(|(c, _)| c.developer_name.as_str()));
        let mut button = Button {
            id: Some(id.clone()),
            name: named.iter().find_map(|b| b.name.clone()),
            places: named.iter().map(|b| b.id.place.clone()).collect(),
            ..Button::default()
        };
        if let Some((component, ground)) = joined {
            describe(&mut button, component, facts, channel);
            button.joined_by = Some(ground);
        }
        button.target = target(org, channel, several.then_some(id.as_str()));
        table.push(button);
    }
    let left = facts.button_components.iter().filter(|c| !used.contains(&&*c.developer_name));
    for component in left {
        let mut button = Button::default();
        describe(&mut button, component, facts, channel);
        button.target = target(org, channel, None);
        table.push(button);
    }
    facts.problems.extend(problems);
    table
}

/// The metadata of a button id, and the ground for it.
fn join<'f>(facts: &'f Facts, named: &[&ButtonId], only: bool) -> Option<(&'f Component, String)> {
    let component = |name: &str| facts.button_components.iter().find(|c| c.developer_name == name);
    for config in named.iter().filter_map(|b| b.config.as_deref()) {
        let agent = facts
            .live_agents
            .iter()
            .find(|a| a.get("embeddedServiceConfig").is_some_and(|c| c.value == config));
        let found = agent.and_then(|a| Some((a, component(&a.get("liveChatButton")?.value)?)));
        if let Some((agent, component)) = found {
            let ground = format!("the snippet's {config} names the button in {}", agent.place);
            return Some((component, ground));
        }
    }
    for name in named.iter().filter_map(|b| b.name.as_deref()).map(fold) {
        let alike = facts.button_components.iter().find(|c| {
            let label = c.get("label").map(|label| fold(&label.value));
            !name.is_empty() && (fold(&c.developer_name) == name || label.as_ref() == Some(&name))
        });
        if let Some(component) = alike {
            return Some((component, "equal names".to_owned()));
        }
    }
    let first = facts.button_components.first().filter(|_| only)?;
    Some((first, "the only id and the only button".to_owned()))
}

fn describe(button: &mut Button, component: &Component, facts: &Facts, channel: Option<&Channel>) {
    let text = |name: &str| component.get(name).map(|located| id::plain(&located.value));
    button.developer_name = Some(component.developer_name.clone());
    button.name = button.name.take().or_else(|| text("label"));
    button.queue = text("enableQueue").map(|on| match on.as_str() {
        "true" => match (text("overallQueueLength"), text("perAgentQueueLength")) {
            (Some(all), Some(each)) => format!("at most {all}, {each} per agent"),
            (Some(all), None) => format!("at most {all}"),
            (None, Some(each)) => format!("{each} per agent"),
            (None, None) => "on".to_owned(),
        },
        _ => "off".to_owned(),
    });
    let skills = component.settings.iter().filter(|(key, _)| key == "skills.skill");
    button.skills = skills.map(|(_, skill)| id::plain(&skill.value)).collect();
    let timeouts = [
        ("pushTimeOut", "agent answers within"),
        ("chasitorIdleTimeout", "visitor silent for"),
        ("chasitorIdleTimeoutWarning", "warned after"),
    ];
    let timeouts = timeouts.into_iter().filter_map(|(key, label)| Some((label, text(key)?)));
    button.timeouts = timeouts.map(|(label, value)| format!("{label} {value} s")).collect();
    button.places.push(component.place.clone());
    button.settings = settings::button(component, channel);
    let agents = facts.live_agents.iter().filter(|a| {
        a.get("liveChatButton").is_some_and(|name| name.value == component.developer_name)
    });
    button.settings.extend(agents.flat_map(|agent| settings::live_agent(agent, channel)));
}

fn target(org: &Org, channel: Option<&Channel>, id: Option<&str>) -> String {
    let Some(name) = org.text(Slot::DeveloperName) else {
        return "no MIAW deployment is known yet".to_owned();
    };
    let mut target = format!("deployment {name}");
    if let Some(flow) = channel.and_then(|c| c.component.get("sessionHandlerFlow")) {
        target = format!("{target}, flow {}", id::plain(&flow.value));
    }
    match id {
        Some(id) => format!("{target}; the flow decides on {SOURCE_BUTTON} = {id}"),
        None => target,
    }
}
