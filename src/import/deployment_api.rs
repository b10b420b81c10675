//! Pre-chat that a page sets by the legacy Deployment API: chains of `liveagent.addCustomDetail(…)`
//! and `liveagent.findOrCreate(…)`, and the fields it fills into an Embedded Service form.
//!
//! Promised: values are never kept; what is no plain text or switch in a call counts as not given.

use std::ops::Range;

use super::cognigy;
use super::fact::{Facts, Source};
use super::limits::MAX_CALLS;
use super::literal;
use super::snippet::{blanks, occurrences, report};
use crate::mapping::node::{Broken, Member, Node, Value};

const DETAIL: &str = "liveagent.addCustomDetail";
const RECORD: &str = "liveagent.findOrCreate";
const FORM: &str = "settings.prepopulatedPrechatFields";
/// What `is` looks for.
pub(super) const MARKS: [&str; 3] = [DETAIL, RECORD, FORM];
/// Form fields whose entity Salesforce's own form gives them.
const STANDARD: [(&str, &str); 4] =
    [("FirstName", "Contact"), ("LastName", "Contact"), ("Email", "Contact"), ("Subject", "Case")];

/// A call, its place and its arguments.
struct Call {
    name: String,
    at: usize,
    arguments: Vec<Node>,
}

impl Call {
    fn text(&self, index: usize) -> Option<&str> {
        self.arguments.get(index).and_then(Node::text).filter(|text| !text.trim().is_empty())
    }

    fn switch(&self, index: usize) -> bool {
        self.arguments.get(index).is_some_and(|node| node.value == Value::Bool(true))
    }
}

/// Records and details in the shape of the REST API.
#[derive(Default)]
struct Document {
    entities: Vec<(String, usize, Entity)>,
    details: Vec<Node>,
}

#[derive(Default)]
struct Entity {
    settings: Vec<Member>,
    fields: Vec<Node>,
}

/// Reads the calls of one page.
pub(super) fn read(source: &Source<'_>, facts: &mut Facts) {
    let mut document = Document::default();
    let mut first = None;
    for name in [DETAIL, RECORD] {
        for (start, end) in occurrences(source.text, name) {
            let calls = match chain(source.text, start, end) {
                Ok(calls) => calls,
                Err(broken) => {
                    report(source, name, &broken, facts);
                    break;
                }
            };
            first = Some(first.map_or(start, |known: usize| known.min(start)));
            match name {
                DETAIL => document.detail(&calls),
                _ => document.record(&calls),
            }
        }
    }
    form(source, &mut document, &mut first, facts);
    let Some(first) = first else { return };
    let entities = document.entities.into_iter().map(|(name, at, entity)| {
        let mut members = vec![member("entityName", text(&name, at))];
        members.extend(entity.settings);
        members.push(member("entityFieldsMaps", list(entity.fields, at)));
        map(members, at)
    });
    let entities = list(entities.collect(), first);
    let details = list(document.details, first);
    cognigy::document(source, first, Some(&entities), Some(&details), &[], facts);
}

/// The calls from here on that are chained by dots.
fn chain(source: &str, start: usize, end: usize) -> Result<Vec<Call>, Broken> {
    let mut calls = Vec::new();
    let (mut name, mut name_at, mut at) = (String::new(), start, end);
    while calls.len() < MAX_CALLS {
        let open = at + blanks(&source[at..]);
        if !source[open..].starts_with('(') {
            break;
        }
        let (arguments, close) = literal::arguments(source, open)?;
        calls.push(Call { name, at: name_at, arguments });
        let dot = close + blanks(&source[close..]);
        if !source[dot..].starts_with('.') {
            break;
        }
        name_at = dot + 1 + blanks(&source[dot + 1..]);
        let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        name = source[name_at..].chars().take_while(word).collect();
        at = name_at + name.len();
    }
    Ok(calls)
}

impl Document {
    fn entity(&mut self, name: &str, at: usize) -> &mut Entity {
        let known = self.entities.iter().position(|(known, _, _)| known == name);
        let index = known.unwrap_or(self.entities.len());
        if known.is_none() {
            self.entities.push((name.to_owned(), at, Entity::default()));
        }
        &mut self.entities[index].2
    }

    /// `addCustomDetail(label, value, displayToAgent).map(…).saveToTranscript(…)`
    fn detail(&mut self, calls: &[Call]) {
        let Some((call, more)) = calls.split_first() else { return };
        let Some(label) = call.text(0) else { return };
        let (mut maps, mut transcript) = (Vec::new(), Vec::new());
        for step in more {
            match (step.name.as_str(), step.text(0), step.text(1)) {
                ("map", Some(entity), Some(field)) => {
                    let target = [("entityName", entity), ("fieldName", field)];
                    let target = target.map(|(key, value)| member(key, text(value, step.at)));
                    maps.push(map(target.to_vec(), step.at));
                    let field = field_map(field, label, step, 2);
                    self.entity(entity, step.at).fields.push(field);
                }
                ("saveToTranscript", Some(field), _) => transcript.push(text(field, step.at)),
                _ => {}
            }
        }
        // Agents see a detail unless the third argument says otherwise.
        let hidden = call.arguments.get(2).is_some_and(|node| node.value == Value::Bool(false));
        self.details.push(detail(label, call.at, maps, transcript, !hidden));
    }

    /// `findOrCreate(entity).map(field, label, …).saveToTranscript(…).linkToEntity(…)`
    fn record(&mut self, calls: &[Call]) {
        let Some((call, more)) = calls.split_first() else { return };
        let Some(name) = call.text(0) else { return };
        let entity = self.entity(name, call.at);
        for step in more {
            let mut set = |key, value: Node| entity.settings.push(member(key, value));
            match (step.name.as_str(), step.text(0), step.text(1)) {
                ("map", Some(field), Some(label)) => {
                    entity.fields.push(field_map(field, label, step, 2));
                }
                ("saveToTranscript", Some(field), _) => {
                    set("saveToTranscript", text(field, step.at));
                }
                ("linkToEntity", Some(to), Some(field)) => {
                    set("linkToEntityName", text(to, step.at));
                    set("linkToEntityField", text(field, step.at));
                }
                ("showOnCreate", _, _) => set("showOnCreate", switch(true, step.at)),
                _ => {}
            }
        }
    }
}

/// `settings.prepopulatedPrechatFields = { FirstName: … }`: the names are fields of the form.
fn form(
    source: &Source<'_>,
    document: &mut Document,
    first: &mut Option<usize>,
    facts: &mut Facts,
) {
    let Some((start, end)) = occurrences(source.text, FORM).pop() else { return };
    let equals = end + blanks(&source.text[end..]);
    let follows = &source.text[equals..];
    if !follows.starts_with('=') || follows.starts_with("==") {
        return;
    }
    let fields = match literal::value(source.text, equals + 1) {
        Ok(fields) => fields,
        Err(broken) => return report(source, FORM, &broken, facts),
    };
    let members = fields.members().unwrap_or_default();
    for (name, at) in members.iter().map(|m| (m.key.as_str(), m.key_span.start)) {
        let entity = STANDARD.iter().find(|(field, _)| *field == name).map(|(_, entity)| *entity);
        let target = |entity: &str| {
            let target = [("entityName", entity), ("fieldName", name)];
            map(target.map(|(key, value)| member(key, text(value, at))).to_vec(), at)
        };
        let maps = entity.into_iter().map(target).collect();
        document.details.push(detail(name, at, maps, Vec::new(), true));
        *first = Some(first.map_or(start, |known| known.min(start)));
    }
}

fn detail(label: &str, at: usize, maps: Vec<Node>, transcript: Vec<Node>, shown: bool) -> Node {
    let members = vec![
        member("label", text(label, at)),
        member("value", text("", at)),
        member("entityMaps", list(maps, at)),
        member("transcriptFields", list(transcript, at)),
        member("displayToAgent", switch(shown, at)),
    ];
    map(members, at)
}

/// Find, exact match and create are three switches from this argument on.
fn field_map(field: &str, label: &str, call: &Call, from: usize) -> Node {
    let names = [("fieldName", field), ("label", label)];
    let mut members = names.map(|(key, value)| member(key, text(value, call.at))).to_vec();
    for (i, key) in ["doFind", "isExactMatch", "doCreate"].into_iter().enumerate() {
        members.push(member(key, switch(call.switch(from + i), call.at)));
    }
    map(members, call.at)
}

fn node(value: Value, at: usize) -> Node {
    let span: Range<usize> = at..at;
    Node { span, value }
}

fn text(text: &str, at: usize) -> Node {
    node(Value::Text(text.to_owned()), at)
}

fn switch(on: bool, at: usize) -> Node {
    node(Value::Bool(on), at)
}

fn list(items: Vec<Node>, at: usize) -> Node {
    node(Value::List(items), at)
}

fn map(members: Vec<Member>, at: usize) -> Node {
    node(Value::Map(members), at)
}

fn member(key: &str, node: Node) -> Member {
    Member { key: key.to_owned(), key_span: node.span.clone(), node }
}
