//! Reads pasted HTML and JavaScript: the legacy Embedded Service snippet, the deployment and button
//! code, the MIAW web snippet, and the pre-chat that such pages set.
//!
//! Promised: calls inside comments are not read. Not promised: values that the page computes.

use super::fact::{ButtonId, Facts, Kind, Located, Slot, Source};
use super::limits::{MAX_CALLS, MAX_COMMENT_BYTES};
use super::literal;
use super::object::Object;
use super::problem::Problem;
use super::{cognigy, deployment_api};
use crate::mapping::node::{Broken, Node, Value};
use crate::report::finding::Severity;

/// A call or an assignment that is looked for, and what reads it.
type Reader = fn(&Source<'_>, usize, usize, &mut Facts) -> Result<(), Broken>;

const CALLS: [(&str, Reader); 6] = [
    ("embedded_svc.init", embedded_service),
    ("liveagent.init", deployment),
    ("liveagent.showWhenOnline", button),
    ("liveagent.showWhenOffline", button),
    ("liveagent.startChat", button),
    ("embeddedservice_bootstrap.init", miaw),
];
const HIDDEN_FIELDS: &str = "prechatAPI.setHiddenPrechatFields";
const FORM_DETAILS: &str = "settings.extraPrechatFormDetails";
const FORM_INFO: &str = "settings.extraPrechatInfo";

/// Does the text hold one of the calls?
pub(super) fn is(text: &str) -> bool {
    let marks = [HIDDEN_FIELDS, FORM_DETAILS, FORM_INFO];
    let names = CALLS.iter().map(|(name, _)| *name).chain(marks).chain(deployment_api::MARKS);
    names.into_iter().any(|name| text.contains(name))
}

pub(super) fn read(source: &Source<'_>, facts: &mut Facts) {
    for (name, reader) in CALLS {
        for (start, end) in occurrences(source.text, name) {
            let open = end + blanks(&source.text[end..]);
            if !source.text[open..].starts_with('(') {
                continue;
            }
            if let Err(broken) = reader(source, start, open, facts) {
                report(source, name, &broken, facts);
                break;
            }
        }
    }
    hidden_fields(source, facts);
    let before = facts.documents.len();
    prechat(source, facts);
    deployment_api::read(source, facts);
    // A page's pre-chat belongs to the buttons that the page names.
    let buttons = facts.buttons.iter().filter(|b| b.id.place.file == source.name);
    let buttons: Vec<String> = buttons.map(|b| b.id.value.clone()).collect();
    facts.documents[before..].iter_mut().for_each(|d| d.buttons.clone_from(&buttons));
}

pub(super) fn report(source: &Source<'_>, name: &str, broken: &Broken, facts: &mut Facts) {
    let message = format!("`{name}` cannot be read: {}", broken.problem);
    let problem = Problem::at(Severity::Error, &source.place(broken.at), message);
    facts.problems.push(problem.help("export the snippet again and paste all of it"));
}

pub(super) fn blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Where `name` begins and ends, outside of comments.
pub(super) fn occurrences(text: &str, name: &str) -> Vec<(usize, usize)> {
    let found = text.match_indices(name).map(|(at, _)| at).take(MAX_CALLS);
    found.filter(|at| !commented(before(text, *at))).map(|at| (at, at + name.len())).collect()
}

/// The text before a place, as far as a comment around it may begin.
fn before(text: &str, at: usize) -> &str {
    let mut from = at.saturating_sub(MAX_COMMENT_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..at]
}

/// Is the end of this text inside a comment? A `//` after a colon belongs to an address.
fn commented(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let slashes = line.match_indices("//").any(|(at, _)| !line[..at].ends_with(':'));
    let block = before.rfind("/*").is_some_and(|open| !before[open..].contains("*/"));
    slashes || block
}

fn text(arguments: &[Node], fits: impl Fn(&str) -> bool) -> Option<(usize, &Node)> {
    arguments.iter().enumerate().find(|(_, node)| node.text().is_some_and(&fits))
}

fn located(source: &Source<'_>, node: &Node) -> Located {
    source.located(node.text().unwrap_or_default(), node.span.start)
}

fn embedded_service(
    source: &Source<'_>,
    start: usize,
    open: usize,
    facts: &mut Facts,
) -> Result<(), Broken> {
    let (arguments, _) = literal::arguments(source.text, open)?;
    facts.recognize(Kind::EmbeddedServiceSnippet, source.place(start));
    facts.domains.extend(arguments.first().and_then(Node::text).map(str::to_owned));
    let org = text(&arguments, |t| t.starts_with("00D"));
    if let Some((_, node)) = org {
        facts.value(Slot::OrganizationId, located(source, node));
    }
    let after = org.and_then(|(i, _)| arguments.get(i + 1)).and_then(Node::text);
    let config = after.map(str::to_owned);
    let settings = arguments.iter().rev().find_map(|node| Object::of(node, source));
    let Some(settings) = settings else {
        let problem = "the object with deploymentId and buttonId is missing".to_owned();
        return Err(Broken { at: start, problem });
    };
    cognigy::legacy(&settings, config, facts);
    Ok(())
}

fn deployment(
    source: &Source<'_>,
    start: usize,
    open: usize,
    facts: &mut Facts,
) -> Result<(), Broken> {
    let (arguments, _) = literal::arguments(source.text, open)?;
    facts.recognize(Kind::DeploymentSnippet, source.place(start));
    let [address, deployment, org, ..] = arguments.as_slice() else {
        let problem = "address, deployment id and organization id are expected".to_owned();
        return Err(Broken { at: start, problem });
    };
    let slots = [
        (Slot::LiveAgentBaseUrl, address),
        (Slot::DeploymentId, deployment),
        (Slot::OrganizationId, org),
    ];
    for (slot, node) in slots.into_iter().filter(|(_, node)| node.text().is_some()) {
        facts.value(slot, located(source, node));
    }
    Ok(())
}

fn button(source: &Source<'_>, start: usize, open: usize, facts: &mut Facts) -> Result<(), Broken> {
    let (arguments, _) = literal::arguments(source.text, open)?;
    if let Some(node) = arguments.first().filter(|node| node.text().is_some()) {
        facts.recognize(Kind::DeploymentSnippet, source.place(start));
        facts.buttons.push(ButtonId { id: located(source, node), name: None, config: None });
    }
    Ok(())
}

fn miaw(source: &Source<'_>, start: usize, open: usize, facts: &mut Facts) -> Result<(), Broken> {
    let (arguments, _) = literal::arguments(source.text, open)?;
    facts.recognize(Kind::MiawSnippet, source.place(start));
    if let Some(org) = arguments.first().filter(|node| node.text().is_some()) {
        facts.value(Slot::OrganizationId, located(source, org));
    }
    if let Some(name) = arguments.get(1).filter(|node| node.text().is_some()) {
        facts.value(Slot::WebDeveloperName, located(source, name));
    }
    let settings = arguments.iter().rev().find_map(|node| Object::of(node, source));
    let address = settings.and_then(|object| object.text(&["scrt2url", "scrturl"]));
    let Some(address) = address else {
        let problem = "the object with scrt2URL is missing".to_owned();
        return Err(Broken { at: start, problem });
    };
    facts.domains.push(address.value.clone());
    facts.value(Slot::BaseUrl, address);
    Ok(())
}

/// The names of hidden pre-chat fields are attribute keys.
fn hidden_fields(source: &Source<'_>, facts: &mut Facts) {
    for (start, end) in occurrences(source.text, HIDDEN_FIELDS) {
        let open = end + blanks(&source.text[end..]);
        match literal::arguments(source.text, open) {
            Ok((arguments, _)) => {
                facts.recognize(Kind::MiawSnippet, source.place(start));
                let members = arguments.iter().filter_map(Node::members).flatten();
                let keys = members.map(|m| source.located(&m.key, m.key_span.start));
                facts.attribute_keys.extend(keys);
            }
            Err(broken) => report(source, HIDDEN_FIELDS, &broken, facts),
        }
    }
}

/// Pre-chat that the page sets beside its form.
fn prechat(source: &Source<'_>, facts: &mut Facts) {
    let details = assigned(source, FORM_DETAILS, facts);
    let info = assigned(source, FORM_INFO, facts);
    if details.is_some() || info.is_some() {
        let place = details.as_ref().or(info.as_ref()).map_or(0, |node| node.span.start);
        cognigy::document(source, place, info.as_ref(), details.as_ref(), &[], facts);
    }
}

/// The last list assigned to this name.
fn assigned(source: &Source<'_>, name: &str, facts: &mut Facts) -> Option<Node> {
    let (_, end) = occurrences(source.text, name).pop()?;
    let equals = end + blanks(&source.text[end..]);
    if !source.text[equals..].starts_with('=') {
        return None;
    }
    match literal::value(source.text, equals + 1) {
        Ok(node) => matches!(node.value, Value::List(_)).then_some(node),
        Err(broken) => {
            report(source, name, &broken, facts);
            None
        }
    }
}
