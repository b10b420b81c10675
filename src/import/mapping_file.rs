//! Composes a mapping file from the pre-chat that was found, held against the channel's metadata.
//!
//! Promised: the file loads; each rule tells its ground; keys that the channel declares are written
//! exactly as it spells them, with its maximum length. Keys are chosen by the same function that
//! serves live chats, so nothing differs from what the built-in rules do unless a note says so.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::buttons::SOURCE_BUTTON;
use super::fact::{Document, Place};
use super::id;
use super::object::fold;
use super::problem::Problem;
use crate::mapping::file::Mapping;
use crate::mapping::keys::{self, LANGUAGE, STANDARD_KEYS};
use crate::mapping::limits::DEFAULT_KEY_LEN;
use crate::mapping::node::{Node, Value};
use crate::mapping::prechat::{Detail, Prechat};
use crate::mapping::translation::{Context, Ground};
use crate::mapping::{apply, script};
use crate::metadata::{Channel, Fit, Parameter};
use crate::report::finding::Severity;

/// The longest URL parameter Cognigy's Copilot page asks for.
const COPILOT_LEN: usize = 255;

/// An attribute key that the channel must declare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// The key: the parameter's channel variable.
    pub key: String,
    /// What feeds it.
    pub source: String,
    /// Why this key.
    pub ground: String,
    /// Where the channel declares it.
    pub declared: Option<Place>,
    /// The flow variable the channel maps it to.
    pub flow_variable: Option<String>,
    /// The parameter's maximum length.
    pub max_len: Option<usize>,
    /// Where it was found.
    pub place: Place,
    /// The rule's selector; none where a built-in rule or a constant does it.
    #[serde(skip)]
    selector: Option<Selector>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Selector {
    Field(String, String),
    Label(String),
    Transcript(String),
}

/// All attributes of some documents, in the order of their first appearance.
pub(super) fn attributes<'d>(
    documents: impl Iterator<Item = &'d Document>,
    channel: Option<&Channel>,
    problems: &mut Vec<Problem>,
) -> Vec<Attribute> {
    let mut list: Vec<Attribute> = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for document in documents {
        for (detail, key, ground, place) in placed(document) {
            let source = describe(&detail);
            let key_of_rule = format!("{:?}", selector(&detail)).to_lowercase();
            if selector(&detail).is_none() || !seen.insert(key_of_rule) {
                continue;
            }
            let mut attribute = attribute(&detail, source, key, ground, place);
            if let Some(channel) = channel {
                declare(&mut attribute, &detail, channel, &list);
            }
            make_free(&mut attribute, &list, problems);
            warn(&attribute, &detail, problems);
            list.push(attribute);
        }
        problems.extend(unplaced(document));
    }
    list
}

impl Attribute {
    /// What feeds which key: two buttons that agree in this for every field need one file only.
    pub(super) fn meaning(&self) -> (String, String) {
        (
            format!("{:?}", self.selector).to_lowercase() + &self.source.to_lowercase(),
            self.key.clone(),
        )
    }
}

/// The attribute that carries the button, when there are several.
pub(super) fn source_button(channel: Option<&Channel>, place: &Place) -> Attribute {
    let parameter = channel.and_then(|c| c.parameter(SOURCE_BUTTON));
    Attribute {
        key: SOURCE_BUTTON.to_owned(),
        source: "the button's id".to_owned(),
        ground: "several buttons share one deployment".to_owned(),
        declared: parameter.map(|p| p.key.place.clone()),
        flow_variable: parameter.and_then(|p| p.flow_variable.clone()),
        max_len: None,
        place: place.clone(),
        selector: None,
    }
}

/// Each detail with the key and the ground that the built-in rules give it.
fn placed(document: &Document) -> Vec<(Detail, String, Ground, Place)> {
    let prechat = with_details(document);
    let translation = apply(&Mapping::default(), &prechat, &Context::default());
    let found = prechat.details.iter().enumerate().filter_map(|(i, detail)| {
        let field = translation.fields.iter().find(|field| field.path == detail.path)?;
        let place = document.details.get(i).unwrap_or(&document.place).clone();
        Some((detail.clone(), field.key.clone()?, field.ground, place))
    });
    found.collect()
}

/// A page that declares entities alone gets its details from a form: one for each field.
pub(super) fn with_details(document: &Document) -> Prechat {
    let mut prechat = document.prechat.clone();
    if !prechat.details.is_empty() {
        return prechat;
    }
    for entity in &document.prechat.entities {
        for field in &entity.fields {
            let target = crate::mapping::prechat::Target {
                entity: entity.name.clone(),
                field: field.field.clone(),
            };
            let value = Value::Text(format!("value {}", field.path));
            prechat.details.push(Detail {
                label: field.label.clone(),
                value: Some(Node { span: 0..0, value }),
                targets: vec![target],
                transcript_fields: Vec::new(),
                display_to_agent: true,
                path: field.path.clone(),
            });
        }
    }
    prechat
}

fn selector(detail: &Detail) -> Option<Selector> {
    if let Some(target) = detail.targets.first() {
        return Some(Selector::Field(target.entity.clone(), target.field.clone()));
    }
    let transcript = detail.transcript_fields.iter().find(|f| !f.eq_ignore_ascii_case("body"));
    match (&detail.label, transcript) {
        (Some(label), _) if script::find(label).is_none() => Some(Selector::Label(label.clone())),
        (_, Some(field)) => Some(Selector::Transcript(field.clone())),
        _ => None,
    }
}

fn describe(detail: &Detail) -> String {
    match selector(detail) {
        Some(Selector::Field(entity, field)) => format!("{entity}.{field}"),
        Some(Selector::Label(label)) => format!("label {}", id::quoted(&label)),
        Some(Selector::Transcript(field)) => format!("transcript field {field}"),
        None => detail.path.clone(),
    }
}

fn attribute(
    detail: &Detail,
    source: String,
    key: String,
    ground: Ground,
    place: Place,
) -> Attribute {
    let copilot = keys::documented("Copilot__c") == Some(key.as_str());
    let standard = STANDARD_KEYS.contains(&key.as_str());
    let ground = match ground {
        Ground::Standard => "standard parameter (K2, built in)",
        Ground::EntityField => "entity and field (K3)",
        Ground::TranscriptField if copilot => "Cognigy's documented channel variable",
        Ground::TranscriptField => "transcript field (K4)",
        _ => "label (K5)",
    };
    Attribute {
        source,
        ground: ground.to_owned(),
        declared: None,
        flow_variable: copilot.then(|| "copilotUrl".to_owned()),
        max_len: copilot.then_some(COPILOT_LEN),
        place,
        selector: if standard { None } else { selector(detail) },
        key,
    }
}

/// Takes the channel's own spelling, length and flow variable where it declares the key.
fn declare(attribute: &mut Attribute, detail: &Detail, channel: &Channel, taken: &[Attribute]) {
    if STANDARD_KEYS.contains(&attribute.key.as_str()) {
        let found = channel.parameter(&attribute.key).filter(|p| p.standard);
        attribute.declared = found.map(|p| p.key.place.clone());
        attribute.flow_variable = found.and_then(|p| p.flow_variable.clone());
        return;
    }
    let usable = |p: &Parameter| {
        let free = !taken.iter().any(|other| other.key == p.key.value);
        free && legal(&p.key.value) && p.key.value != LANGUAGE
    };
    let names = detail.label.iter().chain(detail.targets.iter().map(|t| &t.field));
    let names = names.chain(&detail.transcript_fields).map(String::as_str);
    let Some(fit) = channel.fit(&attribute.key, names, &usable) else { return };
    let parameter = fit.parameter();
    let place = &parameter.key.place;
    attribute.ground = match fit {
        Fit::Exact(_) => format!("{}; declared by the channel ({place})", attribute.ground),
        Fit::Alike(_) => format!(
            "the channel spells it {} ({place}), the built-in rules {}",
            parameter.key.value, attribute.key
        ),
    };
    attribute.key.clone_from(&parameter.key.value);
    attribute.declared = Some(place.clone());
    attribute.max_len = parameter.max_len.or(attribute.max_len);
    attribute.flow_variable = parameter.flow_variable.clone().or(attribute.flow_variable.take());
}

fn legal(key: &str) -> bool {
    keys::objection(key, MAX_KEY_LEN).is_none()
}

/// The longest key a mapping file may allow.
const MAX_KEY_LEN: usize = 200;

/// Two sources under one key would overwrite each other.
fn make_free(attribute: &mut Attribute, taken: &[Attribute], problems: &mut Vec<Problem>) {
    let built_in = attribute.selector.is_none();
    let same = |key: &str| taken.iter().find(|other| other.key == key);
    let Some(other) = same(&attribute.key).filter(|_| !built_in) else { return };
    let numbers = 2..=taken.len() + 2;
    let free = numbers
        .map(|n| keys::numbered(&attribute.key, n, DEFAULT_KEY_LEN))
        .find(|key| same(key).is_none());
    let Some(free) = free else { return };
    let message = format!(
        "{} and {} ({}) would both be {}; this one is {free}",
        attribute.source, other.source, other.place, attribute.key
    );
    let problem = Problem::at(Severity::Warning, &attribute.place, message);
    problems.push(problem.help("give one of the two rules another key if they differ in meaning"));
    attribute.key = free;
    attribute.declared = None;
    attribute.flow_variable = None;
    attribute.max_len = None;
}

fn warn(attribute: &Attribute, detail: &Detail, problems: &mut Vec<Problem>) {
    const SECRETS: [&str; 5] = ["token", "password", "secret", "creditcard", "iban"];
    let name = fold(detail.label.as_deref().unwrap_or(&attribute.source));
    if SECRETS.iter().any(|word| name.contains(word)) {
        let message = format!("{} looks like a secret and would reach the flow", attribute.source);
        let problem = Problem::at(Severity::Warning, &attribute.place, message);
        problems.push(problem.help("drop = true with a reason, or an identity token instead"));
    }
}

fn unplaced(document: &Document) -> Vec<Problem> {
    let each = document.prechat.details.iter().enumerate().filter_map(|(i, detail)| {
        let template = detail.label.as_deref().and_then(script::find).is_some();
        let place = document.details.get(i).unwrap_or(&document.place);
        let message = match (selector(detail), template) {
            (None, true) => "the label is a template, so no rule can name it",
            (None, false) => "neither label nor entity field nor transcript field",
            _ => return None,
        };
        Some(Problem::at(Severity::Warning, place, format!("{}: {message}", detail.path)))
    });
    each.collect()
}

/// Channel variables that no mapping file can name.
pub(super) fn illegal(channel: &Channel) -> Vec<Problem> {
    let wrong = channel.parameters.iter().filter(|p| !p.standard && !legal(&p.key.value));
    let each = wrong.map(|p| {
        let name = id::quoted(&p.key.value);
        let message = format!("the channel variable {name} is not a legal attribute key");
        let expected = "letters, digits and single underscores, a letter first";
        Problem::at(Severity::Warning, &p.key.place, message).help(format!("use {expected}"))
    });
    each.collect()
}

/// A basic string of TOML.
pub(super) fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The file's text.
pub(super) fn compose(head: &str, buttons: &[String], attributes: &[Attribute]) -> String {
    let longest = attributes.iter().map(|a| a.key.len()).max().unwrap_or(0);
    let max_key_len = longest.clamp(DEFAULT_KEY_LEN, MAX_KEY_LEN);
    let mut out = format!(
        "# {}, made from exports. Every rule says why it is there.\nversion = 1\n",
        head.replace(char::is_control, " ")
    );
    if !buttons.is_empty() {
        let ids: Vec<String> = buttons.iter().map(|id| quote(id)).collect();
        // Writing to a String cannot fail, here and below.
        let _ = write!(out, "\n[match]\nbuttons = [{}]\n", ids.join(", "));
    }
    out.push_str("\n[defaults]\noverflow = \"first_message\"\nunmapped = \"generate\"\n");
    if max_key_len > DEFAULT_KEY_LEN {
        let _ = writeln!(out, "max_key_len = {max_key_len}");
    }
    let standard: Vec<&Attribute> =
        attributes.iter().filter(|a| STANDARD_KEYS.contains(&a.key.as_str())).collect();
    if !standard.is_empty() {
        out.push_str("\n# Standard parameters need no rule:\n");
    }
    for attribute in standard {
        let place = place(&attribute.place);
        let _ = writeln!(out, "#   {} -> {} ({place})", attribute.source, attribute.key);
    }
    for attribute in attributes {
        match &attribute.selector {
            Some(selector) => rule(&mut out, attribute, selector),
            None if attribute.key == SOURCE_BUTTON => {
                let _ = write!(
                    out,
                    "\n[[constant]]\nto = {}\nvalue = \"{{button_id}}\"\nnote = {}\n",
                    quote(&attribute.key),
                    quote(&attribute.ground)
                );
            }
            None => {}
        }
    }
    out
}

fn place(place: &Place) -> String {
    format!("{}:{}", place.file.replace(char::is_control, " "), place.line)
}

fn rule(out: &mut String, attribute: &Attribute, selector: &Selector) {
    let _ = writeln!(out, "\n# {}\n[[rule]]", place(&attribute.place));
    let _ = match selector {
        Selector::Field(entity, field) => {
            writeln!(out, "entity = {}\nfield = {}", quote(entity), quote(field))
        }
        Selector::Label(label) => writeln!(out, "label = {}", quote(label)),
        Selector::Transcript(field) => writeln!(out, "transcript_field = {}", quote(field)),
    };
    let _ = writeln!(out, "to = {}", quote(&attribute.key));
    if let Some(variable) = &attribute.flow_variable {
        let _ = writeln!(out, "flow_variable = {}", quote(variable));
    }
    if let Some(max_len) = attribute.max_len {
        let _ = writeln!(out, "max_len = {max_len}");
    }
    let declared = match attribute.declared {
        Some(_) => "",
        None => "; the channel does not declare it yet",
    };
    let _ = writeln!(out, "note = {}", quote(&format!("{}{declared}", attribute.ground)));
}
