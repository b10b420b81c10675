//! The legacy Live Agent service as its clients know it.
//!
//! Promised: statuses, texts and numbering of the real service, each open point a knob. Not
//! promised: hosted pages, the agent's side of the API.
#![expect(clippy::result_large_err, reason = "a refusal is the response itself")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use self::knobs::Knobs;
use self::nouns::{Effect, Unreadable};
use self::session::{Order, Phase, Session};
use super::desk::{Desk, Speaker};
use super::faults::{self, MAX_BODY_BYTES};
use crate::clock::Clock;
use crate::wire::liveagent::message::{ChasitorSessionData, ReconnectSession, SwitchServer};
use crate::wire::liveagent::{
    AFFINITY, API_VERSION, INTERNAL_ERROR, INVALID_AFFINITY, MessagesPayload, NO_AFFINITY,
    NO_VERSION, OK, ResyncSession, SEQUENCE, SESSION_INVALID, SESSION_KEY, SessionId, out_of_sync,
};

mod human;
pub(super) mod knobs;
mod nouns;
mod poll;
mod session;
mod upload;
mod visitor;

const KNOBS_PATH: &str = "/emulator/liveagent/knobs";
/// The most sessions at a time; beyond it new ones meet 503.
const MAX_SESSIONS: usize = 20_000;

#[derive(Default)]
struct Inner {
    knobs: Knobs,
    sessions: HashMap<String, Session>,
}

/// The service.
pub(super) struct LiveAgent {
    clock: Clock,
    desk: Arc<Desk>,
    inner: Mutex<Inner>,
}

pub(super) fn router(service: Arc<LiveAgent>) -> Router {
    Router::new()
        .route(KNOBS_PATH, faults::knobs_route::<LiveAgent>())
        .fallback(dispatch)
        .layer(from_fn_with_state(service.clone(), gate))
        .with_state(service)
}

impl faults::Adjustable for LiveAgent {
    type Knobs = Knobs;

    fn knobs(&self) -> Knobs {
        self.lock().knobs.clone()
    }

    fn adjust(&self, knobs: Knobs) {
        self.set(|now| *now = knobs);
    }
}

/// Faults first, then what the real service asks of every request.
async fn gate(State(service): State<Arc<LiveAgent>>, request: Request, next: Next) -> Response {
    if request.uri().path() == KNOBS_PATH {
        return next.run(request).await;
    }
    let operation = match request.uri().path() {
        upload::SERVLET => "FileUpload".to_owned(),
        path => split(path).map_or("", |(_, noun, _)| noun).to_owned(),
    };
    let fault = faults::take(&mut service.lock().knobs.faults, &operation);
    faults::apply(fault, &service.clock, request, next).await
}

/// Prefix, noun and rest of `/chat/rest/<Prefix>/<Noun>[/<rest>]`.
fn split(path: &str) -> Option<(&str, &str, &str)> {
    let (prefix, rest) = path.strip_prefix("/chat/rest/")?.split_once('/')?;
    let (noun, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((prefix, noun, rest))
}

async fn dispatch(State(service): State<Arc<LiveAgent>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path() == upload::SERVLET && parts.method == Method::POST {
        let query = query(parts.uri.query().unwrap_or_default());
        return match to_bytes(body, MAX_BODY_BYTES).await {
            Ok(body) => service.upload(&query, &body),
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        };
    }
    let Some((prefix, noun, rest)) = split(parts.uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if header(&parts.headers, API_VERSION).is_none() {
        return text(StatusCode::BAD_REQUEST, NO_VERSION);
    }
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let query = query(parts.uri.query().unwrap_or_default());
    let headers = &parts.headers;
    match (&parts.method, prefix, noun, rest) {
        (&Method::GET, "System", "SessionId", "") => service.open_session(),
        (&Method::DELETE, "System", "SessionId", key) => service.delete_session(key),
        (&Method::GET, "System", "Messages", "") => service.poll(headers, &query).await,
        (&Method::GET, "System", "ReconnectSession", "") => service.reconnect(headers, &query),
        (&Method::GET, "System", "ResyncSession", _) => service.resync(headers),
        (&Method::GET, "Visitor", noun, "") => {
            let knobs = service.lock().knobs.clone();
            if let Some(new_url) = elsewhere(&knobs, headers) {
                return json(&MessagesPayload::single(&SwitchServer { new_url }));
            }
            match visitor::answer(noun, &query, &knobs) {
                Some(payload) => json(&payload),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
        // One client resyncs by GET with a body.
        (&Method::POST, ..) | (&Method::GET, "Chasitor", "ChasitorResyncState", "") => {
            service.post(prefix, noun, headers, &body)
        }
        (_, prefix, noun, _) if is_known(prefix, noun) => {
            StatusCode::METHOD_NOT_ALLOWED.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn is_known(prefix: &str, noun: &str) -> bool {
    let gets = ["SessionId", "Messages", "ReconnectSession", "ResyncSession"];
    (prefix == "System" && gets.contains(&noun))
        || !matches!(nouns::read(prefix, noun, b"{}"), Err(Unreadable::NoSuchNoun))
}

/// Where the service says it lives, for a request that came to another host.
fn elsewhere(knobs: &Knobs, headers: &HeaderMap) -> Option<String> {
    let new_url = knobs.switch_server.clone()?;
    let host = header(headers, HOST.as_str()).unwrap_or_default();
    let there = new_url.split_once("://").map_or("", |(_, rest)| rest);
    let there = there.split('/').next().unwrap_or_default();
    (there != host).then_some(new_url)
}

/// The address by which a request came.
fn origin(headers: &HeaderMap) -> String {
    let host = header(headers, HOST.as_str()).unwrap_or("localhost");
    let local = host.starts_with("127.0.0.1") || host.starts_with("localhost");
    format!("{}://{host}", if local { "http" } else { "https" })
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn query(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn text(status: StatusCode, text: &str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain;charset=UTF-8")], text.to_owned()).into_response()
}

fn json<B: Serialize>(body: &B) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json;charset=UTF-8")], text).into_response()
}

fn forbidden() -> Response {
    text(StatusCode::FORBIDDEN, SESSION_INVALID)
}

impl LiveAgent {
    pub(super) fn new(clock: Clock, desk: Arc<Desk>) -> Self {
        Self { clock, desk, inner: Mutex::default() }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        let inner = &mut *self.lock();
        change(&mut inner.knobs);
        if std::mem::take(&mut inner.knobs.expire) {
            inner.sessions.drain().for_each(|(_, session)| session.wake());
        }
        if std::mem::take(&mut inner.knobs.handover) {
            for session in inner.sessions.values_mut() {
                session.moved = true;
                session.wake();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_session(self: &Arc<Self>) -> Response {
        let now = self.clock.now();
        let answer = {
            let mut inner = self.lock();
            if inner.knobs.gone_at.is_some_and(|gone| now.wall >= gone) {
                return StatusCode::NOT_FOUND.into_response();
            }
            if inner.sessions.len() >= MAX_SESSIONS {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            let session = Session::new(now);
            let answer = SessionId {
                key: session.key.clone(),
                id: session.id.clone(),
                client_poll_timeout: inner.knobs.client_poll_timeout_seconds,
                affinity_token: session.affinity.clone(),
            };
            inner.sessions.insert(session.id.clone(), session);
            answer
        };
        tokio::spawn(self.clone().expire(answer.id.clone()));
        json(&answer)
    }

    /// Ends a session that nobody polls.
    async fn expire(self: Arc<Self>, id: String) {
        loop {
            let deadline = {
                let now = self.clock.now();
                let mut inner = self.lock();
                let Some(session) = inner.sessions.get(&id) else { return };
                let deadline = session.expires(&inner.knobs, now);
                if now.mono >= deadline {
                    inner.sessions.remove(&id);
                    break;
                }
                deadline
            };
            self.clock.until(deadline).await;
        }
        self.desk.ended(&id, Speaker::System);
    }

    fn delete_session(&self, key: &str) -> Response {
        let key = percent_decode_str(key).decode_utf8_lossy();
        let id = key.split('!').next().unwrap_or_default().to_owned();
        {
            let mut inner = self.lock();
            if inner.sessions.get(&id).is_none_or(|session| session.key != *key) {
                return forbidden();
            }
            if let Some(session) = inner.sessions.remove(&id) {
                session.wake();
            }
        }
        self.desk.ended(&id, Speaker::Visitor);
        text(StatusCode::OK, OK)
    }

    /// The session a request names, or the answer that refuses it.
    fn session<'i>(
        &self,
        inner: &'i mut Inner,
        headers: &HeaderMap,
        affinity_free: bool,
    ) -> Result<(&'i mut Session, &'i Knobs), Response> {
        let now = self.clock.now();
        let Inner { knobs, sessions } = inner;
        let key = header(headers, SESSION_KEY).unwrap_or_default();
        let id = key.split('!').next().unwrap_or_default();
        let Some(session) = sessions.get_mut(id) else { return Err(forbidden()) };
        if session.key != key || now.mono >= session.expires(knobs, now) {
            return Err(forbidden());
        }
        if affinity_free {
            return Ok((session, knobs));
        }
        if session.moved {
            return Err(StatusCode::SERVICE_UNAVAILABLE.into_response());
        }
        if knobs.check_affinity {
            match header(headers, AFFINITY) {
                None | Some("" | NO_AFFINITY) => return Err(forbidden()),
                Some(token) if token != session.affinity => {
                    return Err(text(StatusCode::SERVICE_UNAVAILABLE, INVALID_AFFINITY));
                }
                Some(_) => {}
            }
        }
        Ok((session, knobs))
    }

    fn reconnect(&self, headers: &HeaderMap, query: &[(String, String)]) -> Response {
        let mut inner = self.lock();
        let (session, knobs) = match self.session(&mut inner, headers, true) {
            Ok(found) => found,
            Err(refusal) => return refusal,
        };
        if knobs.reconnect_only_after_503 && !session.moved {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        let offset = query.iter().find(|(name, _)| name == "ReconnectSession.offset");
        let offset = offset.and_then(|(_, value)| value.parse().ok()).unwrap_or_default();
        let chat_messages = session.transcript.clone();
        session.reconnect(offset, &ChasitorSessionData { chat_messages, ..Default::default() });
        let affinity_token = session.affinity.clone();
        json(&MessagesPayload::single(&ReconnectSession { reset_sequence: true, affinity_token }))
    }

    fn resync(&self, headers: &HeaderMap) -> Response {
        let now = self.clock.now();
        let mut inner = self.lock();
        match self.session(&mut inner, headers, true) {
            Ok((session, _)) => {
                session.renew_key(now);
                let (key, affinity_token) = (session.key.clone(), session.affinity.clone());
                json(&ResyncSession { is_valid: true, key, affinity_token })
            }
            Err(refusal) => refusal,
        }
    }

    fn post(
        self: &Arc<Self>,
        prefix: &str,
        noun: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        let post = match nouns::read(prefix, noun, body) {
            Ok(post) => post,
            Err(Unreadable::NoSuchNoun) => return StatusCode::NOT_FOUND.into_response(),
            Err(Unreadable::Text(message)) => return text(StatusCode::BAD_REQUEST, message),
            Err(Unreadable::Json(details)) => {
                return (StatusCode::BAD_REQUEST, json(&details)).into_response();
            }
        };
        if nouns::sessionless(prefix, noun) {
            return text(StatusCode::OK, OK);
        }
        let mut effects = Vec::new();
        let id = {
            let now = self.clock.now();
            let mut inner = self.lock();
            let (session, knobs) = match self.session(&mut inner, headers, false) {
                Ok(found) => found,
                Err(refusal) => return refusal,
            };
            let sequence = header(headers, SEQUENCE).and_then(|text| text.parse::<i64>().ok());
            if let Some(sequence) = sequence {
                match session.order(sequence, noun, body, knobs.strict_sequence) {
                    Order::Repeated => return text(StatusCode::OK, OK),
                    Order::OutOfSync { last } => {
                        return text(StatusCode::CONFLICT, &out_of_sync(sequence, last));
                    }
                    Order::Next => session.accept_post(sequence, noun, body),
                }
            }
            if let Some(refusal) = refused(session.phase, noun, knobs) {
                return refusal;
            }
            session.origin = origin(headers);
            session.apply(post, knobs, now, &mut effects);
            session.id.clone()
        };
        let begun = effects.iter().any(|effect| matches!(effect, Effect::Opened(_)));
        self.perform(&id, effects);
        if begun {
            self.play(&id);
        }
        text(StatusCode::OK, OK)
    }

    fn perform(&self, id: &str, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Opened(chat) => self.desk.opened(chat),
                Effect::Said { line, text } => self.desk.visitor_said(id, &line, &text),
                Effect::Typing(on) => self.desk.visitor_typing(id, on),
                Effect::Ended(by) => self.desk.ended(id, by),
            }
        }
    }
}

/// What a session's phase forbids.
fn refused(phase: Phase, noun: &str, knobs: &Knobs) -> Option<Response> {
    match (phase, noun) {
        (Phase::Ended, _) => Some(forbidden()),
        (Phase::Created, "ChasitorInit") => None,
        (_, "ChasitorInit") => Some(text(StatusCode::BAD_REQUEST, "Chat already requested")),
        // The guide warns of this for anything before ChasitorInit.
        (Phase::Created, _) => Some(text(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR)),
        (Phase::Waiting, "ChatEnd" | "ChatCancel" | "ChasitorResyncState") => None,
        (Phase::Waiting, _) if knobs.early_post_500 => {
            Some(text(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR))
        }
        _ => None,
    }
}
