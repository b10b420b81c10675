//! What people still have to do, with minutes.
//!
//! Promised: a step is ticked off only where a file shows that it is done. Minutes are estimates
//! for somebody who knows Salesforce's Setup; waiting is not counted unless the step says so.

use std::collections::BTreeSet;

use serde::Serialize;

use super::buttons::Button;
use super::fact::{Facts, Slot};
use super::id;
use super::mapping_file::{self, Attribute};
use super::org::{self, Org};
use super::settings::{Fate, Setting};
use super::tenant_file::Missing;
use crate::mapping::apply;
use crate::mapping::file::Mapping;
use crate::mapping::keys::STANDARD_KEYS;
use crate::mapping::translation::Context;
use crate::metadata::{Channel, Metadata};
use crate::report::finding::Severity;
use crate::report::platform;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The heading it stands under.
    pub group: &'static str,
    /// What to do.
    pub text: String,
    /// How long it takes.
    pub minutes: u32,
    /// Is it shown to be done?
    pub done: bool,
    /// What shows it, or why it is needed.
    pub ground: Option<String>,
}

const EXPORTS: &str = "Complete the tenant file";
const ORG: &str = "Prepare the org";
const PARAMETERS: &str = "Declare parameters on the channel";
const FLOW: &str = "Rebuild in the flow what legacy pre-chat did";
const BUTTONS: &str = "Move settings of buttons and deployments";
const CUTOVER: &str = "Switch over";

struct Steps(Vec<Step>);

impl Steps {
    fn open(&mut self, group: &'static str, minutes: u32, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Step { group, text, minutes, done: false, ground: None });
    }

    /// A step that a file may show to be done.
    fn seen(&mut self, group: &'static str, minutes: u32, text: &str, ground: Option<String>) {
        let (done, text) = (ground.is_some(), text.to_owned());
        self.0.push(Step { group, text, minutes, done, ground });
    }

    fn because(&mut self, ground: String) {
        if let Some(step) = self.0.last_mut() {
            step.ground = Some(ground);
        }
    }
}

/// What the list is made of.
pub(super) struct Known<'k> {
    pub(super) facts: &'k Facts,
    pub(super) org: &'k Org,
    pub(super) channel: Option<&'k Channel>,
    pub(super) attributes: &'k [Attribute],
    pub(super) buttons: &'k [Button],
    pub(super) deployments: &'k [Setting],
    pub(super) missing: &'k [Missing],
    pub(super) mapping: &'k Mapping,
    pub(super) base_url: &'k str,
}

/// The whole list.
pub(super) fn list(known: &Known<'_>) -> Vec<Step> {
    let mut steps = Steps(Vec::new());
    for missing in known.missing {
        steps.open(EXPORTS, 5, format!("Add {}: {}", missing.key, missing.source));
    }
    checklist(&mut steps, known);
    parameters(&mut steps, known);
    flow(&mut steps, known);
    buttons(&mut steps, known);
    let config = "liveagent-bridge check --config bridge.toml";
    steps.open(CUTOVER, 5, format!("Run `{config}`"));
    let prechat = "liveagent-bridge dry-run --config bridge.toml --prechat SAMPLE…";
    steps.open(CUTOVER, 30, format!("Run `{prechat}` with real samples and have it signed"));
    let field = "the client's Live Agent Base URL field";
    steps.open(CUTOVER, 5, format!("Paste `{}` into {field}", known.base_url));
    steps.open(CUTOVER, 15, "Have one chat from start to end with an agent in a sandbox");
    steps.0
}

/// The list of org prerequisites, in the order in which they build on each other.
fn checklist(steps: &mut Steps, known: &Known<'_>) {
    let channel = known.channel;
    let setting = |name: &str| channel.and_then(|c| c.component.get(name));
    steps.open(ORG, 10, "Digital Engagement licence for the org and permission for each agent");
    steps.open(ORG, 5, "Omni-Channel is on");
    steps.open(ORG, 10, "A service channel on Messaging Session (or Case)");
    let queue = setting("sessionHandlerQueue").filter(|q| !q.value.is_empty());
    let text = "A queue that supports Messaging User, Messaging Session and Chat Session, with \
                members";
    steps.open(ORG, 10, text);
    if let Some(queue) = queue {
        steps.because(format!("look at {} ({})", id::plain(&queue.value), queue.place));
    }
    let text = "An Omni-Channel flow with the text input recordId and Route Work, activated";
    steps.open(ORG, 45, text);
    if let Some(flow) = setting("sessionHandlerFlow") {
        steps.because(format!("look at {} ({})", id::plain(&flow.value), flow.place));
    }
    let by_flow = setting("sessionHandlerType")
        .filter(|kind| kind.value.eq_ignore_ascii_case("flow"))
        .map(|kind| format!("{}", kind.place));
    steps.seen(ORG, 5, "The channel routes by Omni-Flow, else no attribute arrives", by_flow);
    let fallback = queue.map(|q| format!("{} ({})", id::plain(&q.value), q.place));
    steps.seen(ORG, 5, "The channel has a fallback queue", fallback);
    let routing = Metadata { components: known.facts.routing.clone(), ..Metadata::default() };
    let heavy = platform::capacity(&routing).into_iter();
    for finding in heavy.filter(|finding| finding.severity != Severity::Note) {
        steps.open(ORG, 5, finding.todo);
        steps.because(format!("{}: {}", finding.path, finding.message));
    }
    steps.open(ORG, 2, "The channel is active (it is inactive when made)");
    let text = "An Embedded Service deployment of type Custom Client on this channel";
    match org::wrong_type(known.facts, known.org) {
        Some(kind) => {
            steps.open(ORG, 15, text);
            steps.because(format!("its type is {} ({})", id::plain(&kind.value), kind.place));
        }
        None => {
            let name = known.org.get(Slot::DeveloperName).filter(|_| !known.org.web_only);
            steps.seen(ORG, 15, text, name.map(|n| format!("{} ({})", n.value, n.place)));
        }
    }
    steps.open(ORG, 12, "The deployment is published (takes up to 10 minutes to take effect)");
    steps.open(ORG, 5, "An agent is online in Omni-Channel and takes a test chat");
    let guest = channel.is_some_and(|c| {
        let is = |name: &str, value: &str| c.embedded.get(name).is_some_and(|v| v.value == value);
        is("authMode", "UnAuth") && !is("isSynchronousChatEnabled", "true")
    });
    if guest {
        steps.open(ORG, 2, "Turn on session-based chat: it is the closest to legacy for guests");
    }
}

fn parameters(steps: &mut Steps, known: &Known<'_>) {
    for attribute in known.attributes {
        let key = &attribute.key;
        let text = if STANDARD_KEYS.contains(&key.as_str()) {
            format!("Standard parameter for {key}, mapped to a flow variable")
        } else {
            let most = attribute.max_len.map(|n| format!(", at most {n}")).unwrap_or_default();
            let variable = attribute.flow_variable.as_deref().unwrap_or(key);
            format!(
                "Custom parameter with channel variable exactly {key} (String{most}), mapped to \
                 the flow variable {variable}"
            )
        };
        let mapped = attribute.flow_variable.is_some();
        let declared = attribute.declared.as_ref().filter(|_| mapped);
        steps.seen(PARAMETERS, 5, &text, declared.map(|place| format!("declared in {place}")));
        if let (Some(place), false) = (&attribute.declared, mapped) {
            steps.because(format!("declared in {place}, but mapped to no flow variable"));
        }
    }
    let Some(channel) = known.channel else { return };
    let fed = |key: &str| {
        known.attributes.iter().any(|a| a.key == key)
            || known.facts.attribute_keys.iter().any(|k| k.value == key)
    };
    for parameter in channel.parameters.iter().filter(|p| !p.standard && !fed(&p.key.value)) {
        let key = id::plain(&parameter.key.value);
        steps.open(PARAMETERS, 3, format!("Decide about {key}: no pre-chat found here feeds it"));
        steps.because(format!("declared in {}", parameter.key.place));
    }
    for parameter in channel.parameters.iter().filter(|p| p.is_not_text()) {
        let (key, kind) = (id::plain(&parameter.key.value), id::plain(&parameter.data_type));
        steps.open(PARAMETERS, 5, format!("Convert {key} in the flow: it is a {kind}, text comes"));
        steps.because(format!("declared in {}", parameter.key.place));
    }
}

/// Records, links and transcript fields: what the translation reports as lost, once each.
fn flow(steps: &mut Steps, known: &Known<'_>) {
    let mut said: BTreeSet<String> = BTreeSet::new();
    for document in &known.facts.documents {
        let prechat = mapping_file::with_details(document);
        let button_id = document.buttons.first().cloned().unwrap_or_default();
        let context = Context { button_id, ..Context::default() };
        let translation = apply(known.mapping, &prechat, &context);
        for finding in &translation.findings {
            let code = finding.code.entry();
            let lost = ["PC10", "PC12", "CP1"].iter().any(|family| code.id.starts_with(family));
            let text = format!("{}: {}", code.id, finding.todo);
            if lost && !finding.todo.is_empty() && said.insert(text.clone()) {
                steps.open(FLOW, minutes(code.id), text);
                steps.because(format!("{} ({})", finding.message, document.place));
            }
        }
    }
}

const fn minutes(code: &str) -> u32 {
    match code.as_bytes() {
        [b'C', b'P', ..] => 40,
        [b'P', b'C', b'1', b'0', b'1', ..] => 20,
        _ => 10,
    }
}

fn buttons(steps: &mut Steps, known: &Known<'_>) {
    let mut said: BTreeSet<(String, String)> = BTreeSet::new();
    for button in known.buttons {
        if button.id.is_none() {
            let text = format!("Find the id of button {}", id::quoted(button.title()));
            steps.open(BUTTONS, 3, text);
        }
        if button.developer_name.is_none() && !known.facts.button_components.is_empty() {
            let text = format!("Find the metadata of button {}", id::quoted(button.title()));
            steps.open(BUTTONS, 3, text);
        }
    }
    let of_buttons = known.buttons.iter().flat_map(|button| &button.settings);
    for setting in of_buttons.chain(known.deployments) {
        let minutes = match setting.fate {
            Fate::Changed => 10,
            Fate::Lost => 5,
            Fate::Carried | Fate::NoEquivalent => continue,
        };
        let told = (setting.name.clone(), setting.value.clone());
        if setting.is_mapped() || !said.insert(told) {
            continue;
        }
        let verb = if setting.fate == Fate::Lost { "Accept the loss of" } else { "Move" };
        let text = format!("{verb} {} = {}: {}", setting.name, setting.value, setting.miaw);
        steps.open(BUTTONS, minutes, text);
        steps.because(setting.place.to_string());
    }
}
