//! Requests of a translated chat: read, handed to the chat, answered.
//!
//! Promised: no request waits longer than its safety timeout, whatever the chat does.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Response, StatusCode, header};

use super::call::{Call, Noun};
use super::key::OwnKey;
use super::receipted::receipted;
use super::reply::{self, Refusal, Scene, Upload};
use super::{Facade, body};
use crate::adapter::{Answer, Receipt};
use crate::chat::Reply;
use crate::chat::agent::{AgentEvent, FileStep};
use crate::chat::visitor::{Post, VisitorCommand};
use crate::wire::liveagent::{self, ResyncSession};

/// A `fileToken` is good for this long: longer than any chat.
const UPLOAD_GOOD_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// A POST that the chat has not answered for this long is answered 500.
pub(super) const POST_WAIT: Duration = Duration::from_secs(10);
/// A poll that the chat has not answered this long after its hold is answered 204: its chat waits
/// for the store, and clients give up after 25 s (client-hazards).
pub(super) const POLL_GRACE: Duration = Duration::from_millis(500);

/// One request of a chat of ours; its noun and method are known to fit.
pub(super) async fn answer(
    facade: &Facade,
    call: &Call<'_>,
    noun: Noun,
    own: OwnKey,
    body: Body,
) -> Response<Body> {
    if let Some(refusal) = facade.affinity.refusal(call, noun, own.chat) {
        return *refusal;
    }
    match noun {
        Noun::Messages => poll(facade, call, own).await,
        Noun::ReconnectSession | Noun::ResyncSession => reconnect(facade, call, noun, own).await,
        Noun::SessionId => {
            let body = body::fingerprint(&[b"DELETE SessionId"]);
            let end = vec![(body, VisitorCommand::End)];
            post(facade, call, own, None, end).await
        }
        _ if call.method == Method::GET => reply::ok(),
        noun => match read(facade, call, noun, body).await {
            Ok(commands) => post(facade, call, own, call.sequence(), commands).await,
            Err(refusal) => *refusal,
        },
    }
}

async fn read(
    facade: &Facade,
    call: &Call<'_>,
    noun: Noun,
    body: Body,
) -> Result<Vec<(u64, VisitorCommand)>, Refusal> {
    let bytes = body::read(body, &facade.config.limits).await?;
    let commands = body::commands(call.tenant, &facade.translate, noun, &body::decode(&bytes))?;
    let noun = format!("{noun:?}");
    if commands.len() == 1 {
        let fingerprint = body::fingerprint(&[noun.as_bytes(), &bytes]);
        return Ok(commands.into_iter().map(|command| (fingerprint, command)).collect());
    }
    // Only the first of a batch carries its number; the others are told apart by number and place.
    let number = call.sequence().unwrap_or_default().to_be_bytes();
    let numbered = commands.into_iter().enumerate().map(|(at, command)| {
        let place = (at as u64).to_be_bytes();
        (body::fingerprint(&[noun.as_bytes(), &bytes, &number, &place]), command)
    });
    Ok(numbered.collect())
}

/// Hands commands to the chat one after the other; the first that is refused is the answer.
async fn post(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    sequence: Option<u64>,
    commands: Vec<(u64, VisitorCommand)>,
) -> Response<Body> {
    let mut receipts = Vec::new();
    for (at, (fingerprint, command)) in commands.into_iter().enumerate() {
        if matches!(command, VisitorCommand::Begin(_)) && stale(facade, own) {
            return reply::gone();
        }
        let begins = match &command {
            VisitorCommand::Begin(begin) => Some(begin.button_id.clone()),
            _ => None,
        };
        let post = Post { sequence: sequence.filter(|_| at == 0), fingerprint, command };
        let ends = matches!(post.command, VisitorCommand::End);
        let asked = facade.chats.post(&call.tenant.id, own.chat, post);
        let Ok(answer) = tokio::time::timeout(POST_WAIT, asked).await else {
            if let Some(button) = &begins {
                facade.availability.not_started(call.tenant, button, own.chat);
            }
            tracing::warn!(tenant = %call.tenant.id, chat = %own.chat, "a chat did not answer");
            return unanswered(call);
        };
        match (begins, &answer.reply) {
            (Some(button), Reply::Ok) => {
                facade.availability.asked(call.tenant, &button, own.chat);
            }
            (Some(button), Reply::Overloaded | Reply::Dropped) => {
                facade.availability.not_started(call.tenant, &button, own.chat);
            }
            (None, Reply::Ok) if ends => facade.availability.left(own.chat),
            _ => {}
        }
        receipts.extend(answer.receipt);
        if answer.reply != Reply::Ok {
            return given(facade, call, own, &answer.reply, receipts);
        }
    }
    given(facade, call, own, &Reply::Ok, receipts)
}

/// Whether a key is too old to begin a chat with: one key begins one chat, also after that chat was
/// forgotten.
pub(super) fn stale(facade: &Facade, own: OwnKey) -> bool {
    let age = facade.clock.now().wall.millis_since(own.issued);
    age > 1_000 * facade.config.limits.waiting_session_seconds as i64
}

async fn poll(facade: &Facade, call: &Call<'_>, own: OwnKey) -> Response<Body> {
    let (ack, early) = (call.integer("ack"), !stale(facade, own));
    facade.availability.polled(own.chat);
    let asked = facade.chats.poll(&call.tenant.id, own.chat, ack, early);
    let wait = call.tenant.behaviour.poll_hold.saturating_add(POLL_GRACE);
    match tokio::time::timeout(wait, asked).await {
        Ok(Answer { reply, receipt }) => {
            given(facade, call, own, &reply, receipt.into_iter().collect())
        }
        Err(_) => reply::nothing(),
    }
}

async fn reconnect(facade: &Facade, call: &Call<'_>, noun: Noun, own: OwnKey) -> Response<Body> {
    let offset = call.integer("ReconnectSession.offset");
    let asked = facade.chats.reconnect(&call.tenant.id, own.chat, offset);
    let Ok(Answer { reply, receipt }) = tokio::time::timeout(POST_WAIT, asked).await else {
        return unanswered(call);
    };
    let receipts = receipt.into_iter().collect();
    if noun == Noun::ReconnectSession || !matches!(reply, Reply::Reconnected | Reply::Gone) {
        return given(facade, call, own, &reply, receipts);
    }
    // The noun's older form would give a new key; ours stays good.
    let answer = ResyncSession {
        is_valid: reply == Reply::Reconnected,
        key: call.key().unwrap_or_default().to_owned(),
        affinity_token: facade.affinity.token(own.chat),
    };
    receipted(reply::json(StatusCode::OK, &answer), receipts)
}

fn given(
    facade: &Facade,
    call: &Call<'_>,
    own: OwnKey,
    reply: &Reply,
    receipts: Vec<Receipt>,
) -> Response<Body> {
    let now = facade.clock.now().wall;
    if let Reply::Messages(payload) = reply {
        payload.messages.iter().for_each(|event| facade.availability.told(own.chat, event));
    }
    let (behaviour, affinity) = (&call.tenant.behaviour, &facade.affinity);
    let upload = upload(facade, call, own, reply);
    let scene = Scene { chat: own.chat, behaviour, affinity, now, upload };
    receipted(scene.answer(reply), receipts)
}

/// The servlet for the visitor's file, when one is asked for: by the name that the client used.
fn upload(facade: &Facade, call: &Call<'_>, own: OwnKey, reply: &Reply) -> Upload {
    let asked = AgentEvent::FileTransfer(FileStep::Requested);
    let Reply::Messages(payload) = reply else { return Upload::default() };
    if !payload.messages.contains(&asked) {
        return Upload::default();
    }
    let until = facade.clock.now().wall.plus_millis(UPLOAD_GOOD_MILLIS);
    let told = &call.tenant.behaviour.content.upload_url;
    let address = told.clone().unwrap_or_else(|| {
        let host = call.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let proto = call.headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
        let scheme = if proto == Some("http") { "http" } else { "https" };
        let tenant = &call.tenant.id;
        format!("{scheme}://{}/t/{tenant}/chat/upload", host.unwrap_or_default())
    });
    Upload { address, token: facade.keys.file_token(&call.tenant.id, own.chat, until) }
}

/// The chat did not answer in time.
fn unanswered(call: &Call<'_>) -> Response<Body> {
    match call.tenant.behaviour.failure_is_503 {
        true => reply::moved(),
        false => reply::failed(),
    }
}

/// The answer to `System/SessionId` for a chat of ours.
pub(super) fn session_id(facade: &Facade, call: &Call<'_>, own: OwnKey) -> Response<Body> {
    let session = liveagent::SessionId {
        key: facade.keys.mint(&call.tenant.id, own.chat, own.issued),
        id: own.chat.to_string(),
        client_poll_timeout: i64::from(call.tenant.behaviour.client_poll_timeout_s),
        affinity_token: facade.affinity.token(own.chat),
    };
    reply::json(StatusCode::OK, &session)
}
