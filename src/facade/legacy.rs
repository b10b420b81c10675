//! Sessions of the real service: passed on while it lives, ended when it goes.
//!
//! Promised: after the removal a key that is not ours is answered 403 for ever, except that a chat
//! which this process knows to be running is told `ChatEnded` once, best effort. A poll that is
//! held at the removal is cut.

use axum::body::Body;
use http::{Method, Response};

use super::call::{Call, Noun};
use super::{Facade, body, reply};
use crate::adapter::liveagent::{Forward, Kind};
use crate::router::decide::legacy_lives;
use crate::time::Wall;

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
    let polls = call.noun == Some(Noun::Messages) && call.method == Method::GET;
    if !lives(facade, call, facade.clock.now().wall) {
        let ended = polls.then(|| facade.relay.farewell(key)).flatten();
        return ended.map_or_else(reply::gone, |ended| reply::json(http::StatusCode::OK, &ended));
    }
    if !polls {
        return pass(facade, call, body).await;
    }
    tokio::select! {
        biased;
        answer = pass(facade, call, body) => answer,
        () = facade.clock.until_wall(ends(facade, call)) => {
            // Remembered at once: setting the clock back must not bring the chat back.
            let _ = facade.cutover.latch(call.tenant, facade.clock.now().wall);
            let ended = facade.relay.farewell_held(key, call.integer("ack"));
            ended.map_or_else(reply::gone, |ended| reply::json(http::StatusCode::OK, &ended))
        }
    }
}

/// Passes a request on as it is.
pub(super) async fn pass(facade: &Facade, call: &Call<'_>, body: Body) -> Response<Body> {
    let Some(legacy) = &call.tenant.legacy else { return reply::gone() };
    let body = match body::read(body, &facade.config.limits).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let kind = match call.noun {
        Some(Noun::SessionId) if call.method == Method::GET => Kind::Start,
        Some(Noun::Messages) => Kind::Poll { hold: call.tenant.behaviour.poll_hold },
        _ => Kind::Other,
    };
    let forward = Forward {
        tenant: &call.tenant.id,
        url: format!("{}{}", legacy.live_agent_base_url, call.path_and_query()),
        method: call.method,
        headers: call.headers,
        key: call.key(),
        kind,
        body,
    };
    match facade.relay.pass(forward).await {
        Some(answer) => answer,
        None if matches!(kind, Kind::Poll { .. }) => reply::nothing(),
        None => reply::failed(),
    }
}
