//! Who answers a question about buttons: for each of them the backend that most of its new chats
//! go to.
//!
//! Promised: a question about buttons of both backends is put to both and answered once, in the
//! order asked. What Salesforce does not answer of its part is answered as not available.

use std::collections::HashSet;

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use super::call::{Call, Lookup, Noun, Script};
use super::{Facade, jsonp, legacy, reply, visitor};
use crate::availability::button_of;
use crate::router::decide::{Because, Draw, Route};
use crate::wire::liveagent::{Message, MessagesPayload};

/// Who answers.
pub(super) enum Backend {
    Legacy,
    Ours,
    /// Salesforce for all buttons but these.
    Both(HashSet<String>),
}

/// Which backend a request without a session is for.
pub(super) fn backend(facade: &Facade, call: &Call<'_>) -> Backend {
    let ids = ids(call);
    let ours: HashSet<String> =
        ids.iter().filter(|id| !goes_to_legacy(facade, call, button(id))).cloned().collect();
    match ids.len() {
        0 if goes_to_legacy(facade, call, None) => Backend::Legacy,
        0 => Backend::Ours,
        _ if ours.is_empty() => Backend::Legacy,
        _ if ids.iter().all(|id| ours.contains(id)) => Backend::Ours,
        _ => Backend::Both(ours),
    }
}

/// Whether most chats that start now at a button go to legacy, and always the same answer. A
/// brown-out refuses chats and nothing else.
fn goes_to_legacy(facade: &Facade, call: &Call<'_>, button: Option<&str>) -> bool {
    let at = facade.clock.now().wall;
    let decision = facade.cutover.decide(call.tenant, button, at, Draw::MIDDLE);
    decision.route == Route::Legacy || matches!(decision.because, Because::BrownOut { .. })
}

/// The button of an id; an agent's own id has none.
fn button(id: &str) -> Option<&str> {
    Some(button_of(id)).filter(|id| id.starts_with("573"))
}

/// The ids that are asked about.
fn ids(call: &Call<'_>) -> Vec<String> {
    let of = |noun| call.list(parameter(noun));
    match call.noun {
        Some(Noun::Lookup(noun) | Noun::Script(Script::One(noun))) => of(noun),
        Some(Noun::Script(Script::Many)) => {
            [of(Lookup::Settings), of(Lookup::Availability)].concat()
        }
        _ => Vec::new(),
    }
}

const fn parameter(noun: Lookup) -> &'static str {
    match noun {
        Lookup::Availability => "Availability.ids",
        Lookup::Settings => "Settings.buttonIds",
        _ => "",
    }
}

/// Asks Salesforce, and puts our part in its place.
pub(super) async fn both(
    facade: &Facade,
    call: &Call<'_>,
    ours: &HashSet<String>,
    body: Body,
) -> Response<Body> {
    // An answer that is looked into must not be compressed.
    let mut headers: HeaderMap = call.headers.clone();
    headers.remove(header::ACCEPT_ENCODING);
    let asked = call.with_headers(&headers);
    let answer = legacy::pass(facade, &asked, None, body).await;
    let text = read(answer, facade.config.limits.response_body_bytes).await;
    let theirs = text.as_deref().and_then(payload);
    let mut messages = theirs.map(|theirs| theirs.messages).unwrap_or_default();
    for noun in [Lookup::Availability, Lookup::Settings] {
        if !call.list(parameter(noun)).is_empty()
            && let Some(own) = visitor::message(facade, call, noun).await
        {
            merge(&mut messages, own, &call.list(parameter(noun)), ours);
        }
    }
    let payload = MessagesPayload { messages, sequence: None, offset: None };
    match call.noun {
        Some(Noun::Script(_)) => jsonp::calling(call, &payload),
        _ => reply::json(StatusCode::OK, &payload),
    }
}

/// The text of a good answer.
async fn read(answer: Response<Body>, limit: usize) -> Option<String> {
    if answer.status() != StatusCode::OK {
        return None;
    }
    let body = Limited::new(answer.into_body(), limit).collect().await.ok()?.to_bytes();
    String::from_utf8(body.to_vec()).ok()
}

/// The object in an answer, which may be a call of a function.
fn payload(text: &str) -> Option<MessagesPayload> {
    let (from, to) = (text.find('{')?, text.rfind('}')?);
    serde_json::from_str(text.get(from..=to)?).ok()
}

/// Our entries in the place of theirs, in the order asked. What else they name, as invitations,
/// follows.
fn merge(messages: &mut Vec<Message>, own: Message, ids: &[String], ours: &HashSet<String>) {
    let list = if own.kind == "Availability" { "results" } else { "buttons" };
    let at = messages.iter().position(|message| message.kind == own.kind);
    let theirs = at.and_then(|at| messages[at].body.get(list)?.as_array().cloned());
    let theirs = theirs.unwrap_or_default();
    let mine = own.body.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let of = |entries: &[Value], id: &str| entries.iter().find(|e| e["id"] == id).cloned();
    let mut entries: Vec<Value> = Vec::new();
    for id in ids {
        let known = if ours.contains(id) { of(&mine, id) } else { of(&theirs, id) };
        // Absent means not available.
        entries.push(known.unwrap_or_else(|| json!({ "id": id })));
    }
    let named = |entry: &Value| ids.iter().any(|id| entry["id"] == id.as_str());
    entries.extend(theirs.into_iter().filter(|entry| !named(entry)));
    let mut merged = match at {
        Some(at) => messages.remove(at),
        None => own,
    };
    merged.body[list] = Value::Array(entries);
    messages.insert(at.unwrap_or(0), merged);
}
