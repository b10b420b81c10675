//! Who answers a request: the real service, a chat of ours, or the facade itself.
//!
//! Promised: a chat stays where its key says, or where its first ChasitorInit went; only these,
//! `SessionId` and nouns without a session are decided by the calendar.

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::buttons::{self, Backend};
use super::call::{Call, Noun};
use super::key::{OwnKey, Owner};
use super::reply::{self, Refusal};
use super::{Decided, Facade, chat, jsonp, legacy, relayed, visitor};
use crate::chat::ids::ChatId;
use crate::random;
use crate::router::decide::{Decision, Draw, Route, whatever_button};
use crate::wire::liveagent;

pub(super) async fn answer(facade: &Facade, call: &Call<'_>, body: Body) -> Response<Body> {
    if call.noun == Some(Noun::Upload) {
        return relayed::upload(facade, call, body).await;
    }
    let new = call.noun == Some(Noun::SessionId) && call.method == Method::GET;
    let owner = match call.key() {
        _ if new => None,
        None => None,
        Some(key) => Some((key, facade.keys.owner(&call.tenant.id, key))),
    };
    match owner {
        Some((key, Owner::Foreign)) => legacy::answer(facade, call, key, body).await,
        Some((_, Owner::Forged)) => reply::gone(),
        Some((_, Owner::Ours(own))) => relayed::answer(facade, call, own, body).await,
        None => without_session(facade, call, new, body).await,
    }
}

/// A request of a translated chat.
pub(super) async fn translated(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    body: Body,
) -> Response<Body> {
    match checked(facade, call) {
        Ok(noun) => match alone(facade, call, noun).await {
            Some(answer) => answer,
            None => chat::answer(facade, call, noun, own, body).await,
        },
        Err(refusal) => *refusal,
    }
}

async fn without_session(
    facade: &Facade,
    call: &Call<'_>,
    new: bool,
    body: Body,
) -> Response<Body> {
    if new {
        let (limits, now) = (&facade.config.limits, facade.clock.now().mono);
        return match checked(facade, call) {
            Ok(_) if !facade.gate.may_begin(&call.tenant.id, call.peer, limits, now) => {
                reply::too_many("Too many new sessions")
            }
            Ok(_) => session_id(facade, call, body).await,
            Err(refusal) => *refusal,
        };
    }
    match buttons::backend(facade, call) {
        Backend::Legacy => return legacy::pass(facade, call, None, body).await,
        Backend::Both(ours) if checked(facade, call).is_ok() => {
            return buttons::both(facade, call, &ours, body).await;
        }
        Backend::Both(_) | Backend::Ours => {}
    }
    match checked(facade, call) {
        Ok(noun) => alone(facade, call, noun).await.unwrap_or_else(reply::gone),
        Err(refusal) => *refusal,
    }
}

/// A new chat: decided, told, then passed on or given a key of ours. What depends on the button is
/// decided when that is known, and a key of ours keeps it open.
async fn session_id(facade: &Facade, call: &Call<'_>, body: Body) -> Response<Body> {
    let chat = ChatId(random::uuid());
    let at = facade.clock.now().wall;
    let draw = Draw::of(&call.tenant.id, &chat.to_string());
    let latch = facade.cutover.latch(call.tenant, at);
    let plan = facade.cutover.of(call.tenant);
    let Some(Decision { route, because }) = whatever_button(&plan, at, latch, draw) else {
        return chat::session_id(facade, call, OwnKey { chat, issued: at });
    };
    let tenant = call.tenant.id.clone();
    let decided = Decided { tenant, chat, at, route, because: because.clone() };
    let routed = decided.routed();
    facade.decisions.decided(decided);
    match route {
        Route::Legacy => legacy::pass(facade, call, Some(routed), body).await,
        Route::Miaw => chat::session_id(facade, call, OwnKey { chat, issued: at }),
        Route::Refused => reply::refused(&because, at),
    }
}

/// What the facade answers by itself, with or without a session.
async fn alone(facade: &Facade, call: &Call<'_>, noun: Noun) -> Option<Response<Body>> {
    Some(match noun {
        Noun::Lookup(noun) => visitor::answer(facade, call, noun).await,
        Noun::Script(script) => jsonp::answer(facade, call, script).await,
        Noun::AcknowledgedAlone if call.key().is_none() => reply::ok(),
        _ => return None,
    })
}

/// What is refused before anything else is looked at.
fn checked(facade: &Facade, call: &Call<'_>) -> Result<Noun, Refusal> {
    let Some(noun) = call.noun else {
        return Err(Box::new(reply::text(StatusCode::NOT_FOUND, "No such resource")));
    };
    if !noun.allows(call.method) {
        return Err(Box::new(wrong_method(noun.methods())));
    }
    let required = facade.strictness.version_required && call.tenant.behaviour.version_required;
    if required && noun.wants_version() && !call.has_version() {
        return Err(Box::new(reply::text(StatusCode::BAD_REQUEST, liveagent::NO_VERSION)));
    }
    Ok(noun)
}

/// The noun is known, and not by this method.
pub(super) fn wrong_method(allowed: &'static str) -> Response<Body> {
    let mut refusal = reply::text(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    refusal
}
