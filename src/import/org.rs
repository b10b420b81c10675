//! Settles what all files together say about one org.
//!
//! Promised: two files that contradict each other are a problem that names both places; the first
//! one is kept so that the rest can be shown.

use std::collections::BTreeMap;

use super::fact::{Facts, Located, Slot};
use super::id;
use super::problem::Problem;
use crate::metadata::{self, Channel, Component};
use crate::report::finding::Severity;

/// The settled settings.
#[derive(Default)]
pub(super) struct Org {
    slots: BTreeMap<Slot, Located>,
    /// Is the deployment's developer name of a web snippet alone?
    pub(super) web_only: bool,
}

impl Org {
    pub(super) fn get(&self, slot: Slot) -> Option<&Located> {
        self.slots.get(&slot)
    }

    pub(super) fn text(&self, slot: Slot) -> Option<&str> {
        self.get(slot).map(|located| located.value.as_str())
    }

    /// Does any file speak of the legacy side?
    pub(super) fn has_legacy(&self) -> bool {
        self.get(Slot::LiveAgentBaseUrl).is_some() || self.get(Slot::DeploymentId).is_some()
    }
}

/// Brings every value to one form and finds contradictions.
pub(super) fn settle(facts: &mut Facts) -> Org {
    let mut org = Org::default();
    let values = std::mem::take(&mut facts.values);
    for (slot, value) in &values {
        let plain = match plain(*slot, &value.value) {
            Ok(plain) => plain,
            Err(message) => {
                let message = format!("{}: {message}", slot.label());
                facts.problems.push(Problem::at(Severity::Error, &value.place, message));
                continue;
            }
        };
        let Some(first) = org.get(*slot) else {
            let located = Located { value: plain, place: value.place.clone() };
            org.slots.insert(*slot, located);
            continue;
        };
        if first.value != plain {
            let message =
                format!("{} is {plain} here and {} in {}", slot.label(), first.value, first.place);
            let problem = Problem::at(Severity::Error, &value.place, message);
            facts.problems.push(problem.help(conflict_help(*slot)));
        }
    }
    facts.values = values;
    developer_name(&mut org, facts);
    twice(facts);
    org
}

fn conflict_help(slot: Slot) -> &'static str {
    match slot {
        Slot::OrganizationId => "import the files of one org at a time, each into a tenant",
        Slot::DeploymentId | Slot::DeveloperName | Slot::WebDeveloperName => {
            "a tenant has one deployment: import the files of each into a tenant of its own"
        }
        _ => "find out which one is right and leave the other file out",
    }
}

fn plain(slot: Slot, text: &str) -> Result<String, String> {
    match slot {
        Slot::OrganizationId => id::salesforce(text, "00D"),
        Slot::DeploymentId => id::salesforce(text, "572"),
        Slot::LiveAgentBaseUrl => id::base_url(text, true),
        Slot::BaseUrl => id::base_url(text, false),
        Slot::DeveloperName | Slot::WebDeveloperName if id::developer_name(text) => {
            Ok(text.to_owned())
        }
        Slot::DeveloperName | Slot::WebDeveloperName => {
            Err(format!("{} is a label, not a developer name", id::quoted(text)))
        }
        Slot::ApiVersion | Slot::CapabilitiesVersion => {
            let digits = text.strip_suffix(".0").unwrap_or(text);
            let fits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| digits.to_owned())
                .ok_or_else(|| format!("{} is not a version", id::quoted(text)))
        }
    }
}

/// The bridge needs a deployment of type Custom Client; a web snippet names one of type Web.
fn developer_name(org: &mut Org, facts: &mut Facts) {
    if org.get(Slot::DeveloperName).is_none() {
        let mut api = facts.configs.iter().filter(|c| is_custom_client(c));
        if let (Some(config), None) = (api.next(), api.next()) {
            let value = config.developer_name.clone();
            if id::developer_name(&value) {
                let located = Located { value, place: config.place.clone() };
                org.slots.insert(Slot::DeveloperName, located);
            }
        }
    }
    let web = org.get(Slot::WebDeveloperName).cloned();
    match (org.get(Slot::DeveloperName), web) {
        (Some(own), Some(web)) if own.value != web.value => {
            let message = format!(
                "the web snippet's deployment {} is not used; {} ({}) is",
                web.value, own.value, own.place
            );
            facts.problems.push(Problem::at(Severity::Note, &web.place, message));
        }
        (None, Some(web)) => {
            let message = format!("{} is the deployment of a web snippet", web.value);
            let problem = Problem::at(Severity::Warning, &web.place, message);
            facts.problems.push(problem.help(
                "the bridge needs a deployment of type Custom Client: create one on the same \
                 channel, publish it, and import its code snippet",
            ));
            org.slots.insert(Slot::DeveloperName, web);
            org.web_only = true;
        }
        _ => {}
    }
}

fn is_custom_client(config: &Component) -> bool {
    config.get("deploymentType").is_some_and(|t| t.value.eq_ignore_ascii_case("api"))
}

/// One component in two files that say different things.
fn twice(facts: &mut Facts) {
    let channels: Vec<&Component> = facts.channels.iter().map(|c| &c.component).collect();
    let kinds: [Vec<&Component>; 5] = [
        facts.button_components.iter().collect(),
        facts.deployment_components.iter().collect(),
        facts.live_agents.iter().collect(),
        facts.configs.iter().collect(),
        channels,
    ];
    let mut problems = Vec::new();
    for components in kinds {
        for (i, component) in components.iter().enumerate() {
            let name = &component.developer_name;
            let earlier = components[..i].iter().find(|c| c.developer_name == *name);
            if let Some(earlier) = earlier.filter(|e| !same(e, component)) {
                let message =
                    format!("{} is already in {}, and differs", id::quoted(name), earlier.place);
                let problem = Problem::at(Severity::Error, &component.place, message);
                problems.push(problem.help("leave the older export out"));
            }
        }
    }
    facts.problems.extend(problems);
}

fn same(a: &Component, b: &Component) -> bool {
    let plain = |c: &Component| -> Vec<(String, String)> {
        c.settings.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect()
    };
    plain(a) == plain(b)
}

/// The channel of the tenant's deployment.
pub(super) fn channel<'f>(facts: &'f Facts, org: &Org) -> Option<&'f Channel> {
    let deployment = org.text(Slot::DeveloperName).unwrap_or_default();
    metadata::channel::of_deployment(&facts.channels, &facts.configs, deployment)
}

/// The metadata of the tenant's deployment, if it says that the type is wrong.
pub(super) fn wrong_type<'f>(facts: &'f Facts, org: &Org) -> Option<&'f Located> {
    let deployment = org.text(Slot::DeveloperName)?;
    let config = facts.configs.iter().find(|c| c.developer_name == deployment)?;
    config.get("deploymentType").filter(|_| !is_custom_client(config))
}
