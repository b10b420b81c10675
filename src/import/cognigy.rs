//! Reads exported JSON: handover providers (legacy and MIAW), the code snippet of a custom client,
//! and pre-chat anywhere inside of nodes and flows.
//!
//! Promised: field names are accepted in any spelling that keeps their letters; templates count as
//! nothing. Values of pre-chat are replaced as soon as they are read.

use super::fact::{ButtonId, Document, Facts, Kind, Place, Slot, Source};
use super::literal;
use super::object::{Object, fold};
use super::problem::Problem;
use crate::mapping::node::{Node, Value};
use crate::mapping::{self, script};
use crate::report::finding::Severity;

const ORG: &[&str] = &["organizationid", "organisationid", "orgid"];
const LEGACY_BASE: &[&str] =
    &["liveagentbaseurl", "baseliveagenturl", "liveagenturl", "endpointdomain"];
const DEPLOYMENT: &[&str] = &["deploymentid"];
const BUTTON: &[&str] = &["buttonid", "livechatbuttonid"];
const API_VERSION: &[&str] = &["apiversion"];
const MIAW_BASE: &[&str] = &["scrt2url", "scrturl", "baseurl", "url"];
const DEVELOPER: &[&str] = &["embeddedservicedevelopername", "esdevelopername", "developername"];
const CAPABILITIES: &[&str] = &["capabilitiesversion"];
const ATTRIBUTES: &[&str] = &["conversationroutingattributes", "routingattributes"];
const ENTITIES: &str = "prechatentities";
const DETAILS: &str = "prechatdetails";
/// What a platform writes before the two names: nothing in the REST API and in the editors, the
/// provider in a handover node, the occasion too in a question node.
const PREFIXES: [&str; 4] =
    ["", "salesforce", "escalateanswershandoversalesforce", "escalateintentshandoversalesforce"];
const BOTH: &[&str] = &["prechatentitiesanddetails", "prechatentitiesdetails", "prechat"];
const NAME: &[&str] = &["name", "label", "referencename"];

/// Reads a JSON document; `false` when nothing in it is known.
pub(super) fn read(source: &Source<'_>, root: &Node, facts: &mut Facts) -> bool {
    let before = facts.recognized.len();
    walk(source, root, facts);
    // Lists alone are details or entities, as the provider page's two fields hold them.
    if facts.recognized.len() == before {
        let (entities, details) = alone(root);
        if entities.is_some() || details.is_some() {
            document(source, root.span.start, entities, details, &[], facts);
        }
    }
    facts.recognized.len() > before
}

fn walk(source: &Source<'_>, node: &Node, facts: &mut Facts) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| walk(source, item, facts)),
        Value::Map(members) => {
            object(source, node, facts);
            // What a pre-chat document holds was read with it.
            let inside = members.iter().filter(|m| {
                let name = fold(&m.key);
                !name.ends_with(ENTITIES) && !name.ends_with(DETAILS)
            });
            inside.for_each(|m| walk(source, &m.node, facts));
        }
        _ => {}
    }
}

fn object(source: &Source<'_>, node: &Node, facts: &mut Facts) {
    let Some(object) = Object::of(node, source) else { return };
    let place = source.place(node.span.start);
    let org = object.text(ORG);
    let starts =
        |names, prefix: &str| object.text(names).is_some_and(|text| text.value.starts_with(prefix));
    let is_legacy = starts(DEPLOYMENT, "572")
        || org.is_some() && (object.text(LEGACY_BASE).is_some() || starts(BUTTON, "573"));
    let is_miaw =
        object.text(DEVELOPER).is_some() && (org.is_some() || object.text(CAPABILITIES).is_some());
    if is_legacy {
        facts.recognize(Kind::LegacyProvider, place.clone());
        legacy(&object, None, facts);
    } else if starts(BUTTON, "573") {
        facts.recognize(Kind::ButtonOverride, place.clone());
        legacy(&object, None, facts);
    }
    if is_miaw {
        let provider = object.text(CAPABILITIES).is_some() || object.member(&["baseurl"]).is_some();
        let kind = if provider { Kind::MiawProvider } else { Kind::MiawCodeSnippet };
        facts.recognize(kind, place);
        miaw(source, &object, is_legacy, facts);
    }
    prechat(source, node, &object, facts);
}

/// The settings of the legacy side in one object.
pub(super) fn legacy(object: &Object<'_>, config: Option<String>, facts: &mut Facts) {
    let names = [ORG, LEGACY_BASE, DEPLOYMENT, BUTTON, API_VERSION, &["baseurl"]].concat();
    object.report_twice(&names, facts);
    let base = object.text(LEGACY_BASE).or_else(|| {
        let own = object.text(&["baseurl", "url"])?;
        own.value.contains("salesforceliveagent.com").then_some(own)
    });
    let values = [
        (Slot::LiveAgentBaseUrl, base),
        (Slot::OrganizationId, object.text(ORG)),
        (Slot::DeploymentId, object.text(DEPLOYMENT)),
        (Slot::ApiVersion, object.text(API_VERSION)),
    ];
    for (slot, value) in values {
        value.into_iter().for_each(|value| facts.value(slot, value));
    }
    if let Some(id) = object.text(BUTTON) {
        let name = object.text(NAME).map(|name| name.value);
        facts.buttons.push(ButtonId { id, name, config });
    }
}

fn miaw(source: &Source<'_>, object: &Object<'_>, also_legacy: bool, facts: &mut Facts) {
    let names = [ORG, MIAW_BASE, DEVELOPER, CAPABILITIES].concat();
    if !also_legacy {
        object.report_twice(&names, facts);
    }
    let base = object.text(MIAW_BASE);
    facts.domains.extend(base.iter().map(|base| base.value.clone()));
    let values = [
        (Slot::BaseUrl, base),
        (Slot::OrganizationId, object.text(ORG)),
        (Slot::DeveloperName, object.text(DEVELOPER)),
        (Slot::CapabilitiesVersion, object.text(CAPABILITIES)),
    ];
    for (slot, value) in values {
        value.into_iter().for_each(|value| facts.value(slot, value));
    }
    let Some(attributes) = object.member(ATTRIBUTES) else { return };
    let place = attributes.node.span.start;
    // The editor keeps the object as a text in some exports.
    let inner = attributes.node.text().and_then(|text| literal::document(text).ok());
    let keys = inner.as_ref().unwrap_or(&attributes.node).members().unwrap_or_default();
    facts.attribute_keys.extend(keys.iter().map(|m| source.located(&m.key, place)));
}

fn prechat(source: &Source<'_>, node: &Node, object: &Object<'_>, facts: &mut Facts) {
    let button = object.text(BUTTON).map(|id| id.value);
    let button = button.as_slice();
    let mut any = false;
    for prefix in PREFIXES {
        let names = [ENTITIES, DETAILS].map(|name| format!("{prefix}{name}"));
        object.report_twice(&names.each_ref().map(String::as_str), facts);
        let found = names.map(|name| object.member(&[&name]).map(|m| unpack(&m.node)));
        if let [entities, details] = &found
            && found.iter().any(Option::is_some)
        {
            any = true;
            document(source, node.span.start, entities.as_ref(), details.as_ref(), button, facts);
        }
    }
    if any {
        return;
    }
    let text = object.member(BOTH).and_then(|m| Some((m, m.node.text()?)));
    let Some((member, inner)) = text.and_then(|(m, t)| Some((m, literal::document(t).ok()?)))
    else {
        return;
    };
    let both = Object::of(&inner, source);
    let part = |name| both.and_then(|b| b.member(&[name])).map(|m| &m.node);
    let (entities, details) = match (part(ENTITIES), part(DETAILS)) {
        (None, None) => alone(&inner),
        found => found,
    };
    if entities.is_some() || details.is_some() {
        document(source, member.node.span.start, entities, details, button, facts);
    }
}

/// A list as it is, or the list that a text holds, or one made of a single object.
fn unpack(node: &Node) -> Node {
    let inner = node.text().and_then(|text| literal::document(text).ok());
    match inner {
        // Places inside of a text are unknown; the text's own place stands for them.
        Some(inner) => Node { span: node.span.clone(), value: inner.value },
        None => node.clone(),
    }
}

/// Which of the two a list without a name is.
fn alone(node: &Node) -> (Option<&Node>, Option<&Node>) {
    let Value::List(items) = &node.value else { return (None, None) };
    let has = |key: &str| !items.is_empty() && items.iter().all(|item| item.get(key).is_some());
    match (has("entityName"), has("label") && items.iter().any(is_detail)) {
        (true, _) => (Some(node), None),
        (_, true) => (None, Some(node)),
        _ => (None, None),
    }
}

fn is_detail(item: &Node) -> bool {
    let marks = ["transcriptFields", "entityMaps", "entityFieldMaps", "displayToAgent"];
    marks.iter().any(|mark| item.get(mark).is_some())
}

/// Keeps a pre-chat document. Each value is replaced by one that tells nothing.
pub(super) fn document(
    source: &Source<'_>,
    at: usize,
    entities: Option<&Node>,
    details: Option<&Node>,
    buttons: &[String],
    facts: &mut Facts,
) {
    let place = source.place(at);
    let json = |node: Option<&Node>| node.map_or_else(|| "[]".to_owned(), Node::to_json);
    let text =
        format!("{{\"prechatEntities\":{},\"prechatDetails\":{}}}", json(entities), json(details));
    let mut prechat = match mapping::read(&text) {
        Ok(prechat) => prechat,
        Err(error) => {
            let message = format!("pre-chat cannot be read: {}", error.problem);
            facts.problems.push(Problem::at(Severity::Error, &place, message));
            return;
        }
    };
    if prechat.entities.is_empty() && prechat.details.is_empty() {
        return;
    }
    facts.recognize(Kind::Prechat, place.clone());
    let places: Vec<Place> = (0..prechat.details.len())
        .map(|i| item(details, i).map_or_else(|| place.clone(), |n| source.place(n.span.start)))
        .map(|own| if own.line < place.line { place.clone() } else { own })
        .collect();
    for (i, detail) in prechat.details.iter_mut().enumerate() {
        broken_template(detail, &places[i], facts);
        let value = Value::Text(format!("value {i}"));
        detail.value = Some(Node { span: 0..0, value });
    }
    let buttons = buttons.to_vec();
    facts.documents.push(Document { place, buttons, component: None, prechat, details: places });
}

fn item(details: Option<&Node>, index: usize) -> Option<&Node> {
    match &details?.value {
        Value::List(items) => items.get(index),
        Value::Map(_) => details,
        _ => None,
    }
}

fn broken_template(detail: &mapping::prechat::Detail, place: &Place, facts: &mut Facts) {
    let text = detail.value.as_ref().and_then(Node::text);
    if text.and_then(script::find).is_some_and(|script| script.unbalanced) {
        let message = "the value holds a `{{` that is never closed";
        facts.problems.push(Problem::at(Severity::Warning, place, message));
    }
}
