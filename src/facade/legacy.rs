//! Sessions of the real service: passed on while it lives, ended when it goes.
//!
//! Promised: after the removal a key that is not ours is answered 403 for ever, except that a chat
//! which this process knows to be running is told `ChatEnded` once, best effort; of a re-keyed chat
//! the store knows it. A poll that is held at the removal is cut.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::call::{Call, Noun};
use super::key::{OwnKey, Owner};
use super::{Facade, body, relayed, reply};
use crate::adapter::liveagent::{Forward, Kind, Pair, Passed, Rekeyed};
use crate::chat::visitor::Routed;
use crate::router::decide::legacy_lives;
use crate::shadow::Relayed;
use crate::time::Wall;
use crate::wire::liveagent::MessagesPayload;

/// The instant from which the real service is taken to be gone, for chats in progress too.
fn ends(facade: &Facade, call: &Call<'_>) -> Wall {
    facade.cutover.of(call.tenant).legacy_ends()
}

/// Whether the real service answers for chats of this tenant at `wall`.
fn lives(facade: &Facade, call: &Call<'_>, wall: Wall) -> bool {
    let latch = facade.cutover.latch(call.tenant, wall);
    call.tenant.legacy.is_some() && legacy_lives(&facade.cutover.of(call.tenant), wall, latch)
}

/// A request with a key that is not ours.
pub(super) async fn answer(
    facade: &Facade,
    call: &Call<'_>,
    key: &str,
    body: Body,
) -> Response<Body> {
    in_session(facade, call, key, None, body).await
}

/// A request with a key of ours, for a session of the real service.
pub(super) async fn relayed(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    pair: &Arc<Pair>,
    body: Body,
) -> Response<Body> {
    let key = call.key().unwrap_or_default();
    let rekeyed = relayed::rekeyed(facade, call, own, pair);
    in_session(facade, call, key, Some(rekeyed), body).await
}

async fn in_session(
    facade: &Facade,
    call: &Call<'_>,
    key: &str,
    rekeyed: Option<Rekeyed<'_>>,
    body: Body,
) -> Response<Body> {
    let polls = call.noun == Some(Noun::Messages) && call.method == Method::GET;
    let pair = rekeyed.as_ref().map(|rekeyed| rekeyed.pair.clone());
    if facade.relay.is_told(key) {
        return reply::gone();
    }
    if !lives(facade, call, facade.clock.now().wall) {
        return farewell(facade, call, key, pair.as_deref(), polls).await;
    }
    let Some(forward) = forward(facade, call, Bytes::new()) else { return reply::gone() };
    let body = match body::read(body, &facade.config.limits).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let forward = Forward { body, pair: rekeyed, ..forward };
    let passed = if polls {
        tokio::select! {
            biased;
            passed = facade.relay.pass(forward) => passed,
            () = facade.clock.until_wall(ends(facade, call)) => {
                // Remembered at once: setting the clock back must not bring the chat back.
                let _ = facade.cutover.latch(call.tenant, facade.clock.now().wall);
                Passed::Lost
            }
        }
    } else {
        facade.relay.pass(forward).await
    };
    match passed {
        Passed::Answer(mut answer) => {
            answer.extensions_mut().insert(Relayed);
            answer
        }
        Passed::Unanswered if polls => reply::nothing(),
        Passed::Unanswered => reply::failed(),
        Passed::Lost if polls => {
            if let Some(pair) = &pair {
                facade.relay.ends(pair).await;
            }
            told(facade.relay.farewell_held(key, call.integer("ack")))
        }
        Passed::Lost => reply::gone(),
    }
}

/// The end of a chat whose service is gone, for its client's next poll; once.
async fn farewell(
    facade: &Facade,
    call: &Call<'_>,
    key: &str,
    pair: Option<&Pair>,
    polls: bool,
) -> Response<Body> {
    if !polls {
        return reply::gone();
    }
    let running = match pair {
        Some(pair) => facade.relay.ends(pair).await,
        None => false,
    };
    if running {
        return told(facade.relay.farewell_held(key, call.integer("ack")));
    }
    told(facade.relay.farewell(key))
}

fn told(ended: Option<MessagesPayload>) -> Response<Body> {
    ended.map_or_else(reply::gone, |ended| reply::json(StatusCode::OK, &ended))
}

/// A request without a session, passed on as it is; `routed` says why when it begins a chat.
pub(super) async fn pass(
    facade: &Facade,
    call: &Call<'_>,
    routed: Option<Routed>,
    body: Body,
) -> Response<Body> {
    let Some(forward) = forward(facade, call, Bytes::new()) else { return reply::gone() };
    let body = match body::read(body, &facade.config.limits).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    match facade.relay.pass(Forward { body, routed, ..forward }).await {
        Passed::Answer(answer) => answer,
        Passed::Unanswered | Passed::Lost => match call.noun {
            Some(Noun::Messages) => reply::nothing(),
            _ => reply::failed(),
        },
    }
}

/// A request as it is passed on; `None` for a tenant without a legacy service.
pub(super) fn forward<'a>(facade: &Facade, call: &'a Call<'_>, body: Bytes) -> Option<Forward<'a>> {
    let legacy = call.tenant.legacy.as_ref()?;
    let kind = match call.noun {
        Some(Noun::SessionId) if call.method == Method::GET => Kind::Start,
        Some(Noun::SessionId) => Kind::Delete,
        Some(Noun::Messages) => Kind::Poll { hold: call.tenant.behaviour.poll_hold },
        Some(Noun::Lookup(_) | Noun::Script(_)) => Kind::Visitor,
        Some(Noun::ChatMessage) => Kind::Words,
        Some(Noun::Upload) => Kind::Upload,
        _ => Kind::Other,
    };
    let foreign = |key| facade.keys.owner(&call.tenant.id, key) == Owner::Foreign;
    Some(Forward {
        tenant: &call.tenant.id,
        base: &legacy.live_agent_base_url,
        path: call.path_and_query(),
        method: call.method,
        headers: call.headers,
        // A key of ours never leaves, also where a noun needs none.
        withhold_key: call.header_key().is_some_and(|key| !foreign(key)),
        forwarding: call.tenant.behaviour.forwarding_headers,
        key: call.key().filter(|_| kind != Kind::Start),
        kind,
        body,
        pair: None,
        routed: None,
    })
}
