//! What a key of ours leads to: a session of the real service, or a translated chat.
//!
//! Promised: where a chat goes is decided once, by the first ChasitorInit that names it, and stored
//! before that is answered; a retry opens no second session. A poll that comes earlier waits for
//! the decision. Not promised: the query of `System/SessionId`, which nobody remembers.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use tokio::sync::Semaphore;

use super::call::{Call, Noun};
use super::key::OwnKey;
use super::placed::Relayed;
use super::{Decided, Facade, body, chat, legacy, reply, route, upload};
use crate::adapter::liveagent::{Behind, Forward, Pair, Passed, Rekeyed, Unopened};
use crate::chat::visitor::Routed;
use crate::router::decide::{Decision, Draw, Route, whatever_button};
use crate::store::StoreError;
use crate::time::Wall;
use crate::wire::liveagent::request::{ChasitorInit, MultiNoun};

/// Files that are passed on at once.
const UPLOADS_MAX: usize = 16;
static UPLOADS: Semaphore = Semaphore::const_new(UPLOADS_MAX);

/// A request that carries a key of ours.
pub(super) async fn answer(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    body: Body,
) -> Response<Body> {
    if call.tenant.legacy.is_none() {
        return route::translated(facade, call, own, body).await;
    }
    let begins =
        call.method == Method::POST && matches!(call.noun, Some(Noun::ChasitorInit | Noun::Batch));
    if begins {
        let _turn = facade.relay.turn(own.chat).await;
        return match facade.relay.behind(&call.tenant.id, own.chat).await {
            Ok(Behind::Nothing) => begin(facade, call, own, body).await,
            behind => known(facade, call, own, behind, body).await,
        };
    }
    let behind = facade.relay.behind(&call.tenant.id, own.chat).await;
    let polls = call.noun == Some(Noun::Messages);
    if polls && matches!(behind, Ok(Behind::Nothing)) && !chat::stale(facade, own) {
        return tokio::select! {
            biased;
            pair = facade.relay.appears(own.chat) => {
                let empty = Body::empty();
                known(facade, call, own, Ok(Behind::Pair(pair)), empty).await
            }
            answer = route::translated(facade, call, own, body) => answer,
        };
    }
    known(facade, call, own, behind, body).await
}

async fn known(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    behind: Result<Behind, StoreError>,
    body: Body,
) -> Response<Body> {
    match behind {
        Ok(Behind::Pair(pair)) => {
            let mut answer = legacy::relayed(facade, call, own, &pair, body).await;
            if answer.status().is_success() {
                answer.extensions_mut().insert(Relayed);
            }
            answer
        }
        Ok(Behind::Chat | Behind::Nothing) => route::translated(facade, call, own, body).await,
        Err(error) => {
            if !matches!(error, StoreError::Fenced { .. }) {
                tracing::error!(chat = %own.chat, %error, "where a chat lives cannot be looked up");
            }
            reply::untaken(reply::failed())
        }
    }
}

/// The first request of a chat: decided by its button.
async fn begin(facade: &Facade, call: &Call<'_>, own: OwnKey, body: Body) -> Response<Body> {
    let bytes = match body::read(body, &facade.config.limits).await {
        Ok(bytes) => bytes,
        Err(refusal) => return *refusal,
    };
    let init = init(call, &bytes);
    if let Some(init) = init.as_ref().filter(|_| !chat::stale(facade, own)) {
        let at = facade.clock.now().wall;
        let Decision { route, because } = decide(facade, call, own, init, at);
        match route {
            Route::Legacy => {
                let (tenant, chat) = (call.tenant.id.clone(), own.chat);
                let decided = Decided { tenant, chat, at, route, because };
                return open(facade, call, own, decided.routed(), bytes).await;
            }
            Route::Refused => return reply::refused(&because, at),
            Route::Miaw => {}
        }
    }
    let answer = route::translated(facade, call, own, Body::from(bytes)).await;
    if init.is_some() && answer.status() == StatusCode::OK {
        facade.relay.is_translated(own.chat);
    }
    answer
}

/// What the request asks a chat with; `None` when it asks for none.
fn init(call: &Call<'_>, bytes: &Bytes) -> Option<ChasitorInit> {
    let text = body::decode(bytes);
    if call.noun != Some(Noun::Batch) {
        // One that cannot be read is refused by whoever answers it.
        return serde_json::from_str(&text).ok();
    }
    let batch: MultiNoun = serde_json::from_str(&text).ok()?;
    let init = batch.nouns.iter().find(|one| one.noun.as_deref() == Some("ChasitorInit"))?;
    serde_json::from_str(&init.body()).ok()
}

/// Decided by the button, and told unless that was done at SessionId.
fn decide(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    init: &ChasitorInit,
    at: Wall,
) -> Decision {
    let button = init.button_id.as_deref().filter(|id| !id.is_empty());
    let button = button.or_else(|| init.button_overrides.first().map(String::as_str));
    let draw = Draw::of(&call.tenant.id, &own.chat.to_string());
    let decision = facade.cutover.decide(call.tenant, button, at, draw);
    let latch = facade.cutover.latch(call.tenant, at);
    let open = whatever_button(&facade.cutover.of(call.tenant), at, latch, draw).is_none();
    if open || decision.route != Route::Miaw {
        let (tenant, because) = (call.tenant.id.clone(), decision.because.clone());
        let (chat, route) = (own.chat, decision.route);
        facade.decisions.decided(Decided { tenant, chat, at, route, because });
    }
    decision
}

async fn open(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    routed: Routed,
    bytes: Bytes,
) -> Response<Body> {
    let Some(forward) = legacy::forward(facade, call, bytes.clone()) else {
        return reply::gone();
    };
    let forward = Forward { routed: Some(routed), ..forward };
    match facade.relay.open(&forward, own.chat).await {
        Ok(pair) => legacy::relayed(facade, call, own, &pair, Body::from(bytes)).await,
        Err(Unopened::Answered(answer)) => answer,
        Err(Unopened::Unanswered | Unopened::NotKept) => reply::failed(),
        Err(Unopened::Elsewhere) => reply::untaken(reply::failed()),
    }
}

/// The pair of a request, and what its client knows the session by.
pub(super) fn rekeyed<'p>(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    pair: &'p std::sync::Arc<Pair>,
) -> Rekeyed<'p> {
    let tenant = &call.tenant.id;
    Rekeyed {
        pair,
        own_key: call.key().unwrap_or_default().to_owned(),
        next_key: facade.keys.mint(tenant, own.chat, facade.clock.now().wall),
        upload_url: format!("{}/t/{tenant}/chat/rest/upload", origin(call)),
    }
}

/// The address by which the client reached us. TLS is taken for granted unless a proxy says
/// otherwise or the client is on this machine.
fn origin(call: &Call<'_>) -> String {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let host = header(header::HOST.as_str()).unwrap_or("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let scheme = match header("x-forwarded-proto") {
        Some("http") => "http",
        Some(_) => "https",
        None if matches!(name, "localhost" | "127.0.0.1" | "[::1]") => "http",
        None => "https",
    };
    format!("{scheme}://{host}")
}

/// A file that an agent asked for. Of a re-keyed chat `chatKey` names it and `fileToken` is the
/// service's to judge; any other is a translated chat's.
pub(super) async fn upload(facade: &Facade, call: &Call<'_>, body: Body) -> Response<Body> {
    let chat = call.parameter("chatKey").and_then(|key| upload::chat_of(&key));
    let relayed = call.tenant.legacy.is_some() && call.method == Method::POST;
    let Some(chat) = chat.filter(|_| relayed) else {
        return upload::answer(facade, call, body).await;
    };
    let pair = match facade.relay.behind(&call.tenant.id, chat).await {
        Ok(Behind::Pair(pair)) => pair,
        Ok(_) => return upload::answer(facade, call, body).await,
        Err(_) => return reply::untaken(reply::failed()),
    };
    let Ok(_one) = UPLOADS.try_acquire() else { return reply::failed() };
    let mut limits = facade.config.limits;
    limits.request_body_bytes = upload::body_bytes_max(&limits);
    let bytes = match body::read(body, &limits).await {
        Ok(bytes) => bytes,
        Err(refusal) => return *refusal,
    };
    let issued = facade.clock.now().wall;
    let rekeyed = rekeyed(facade, call, OwnKey { chat, issued }, &pair);
    match facade.relay.upload(legacy::forward(facade, call, bytes), rekeyed, call.query()).await {
        Passed::Answer(answer) => answer,
        Passed::Unanswered | Passed::Lost => reply::failed(),
    }
}
