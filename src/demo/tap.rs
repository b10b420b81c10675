//! Looks at what passes the bridge on both sides and tells it as wire rows: the rows say what kind
//! of message it was; what was in it is kept beside them.
//!
//! Promised: what passes is not changed. Polls that bring nothing are left out. Which chat a MIAW
//! call belongs to is known by its conversation id, or by a token used for one before; the token is
//! fetched earlier, so that call counts for the chat that began last.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use super::bridge::Running;
use super::events::{Decision, Event, Events, Party, Phase, Raw, Row};
use super::raw;
use crate::adapter::transport::reqwest::Reqwest;
use crate::adapter::transport::{Transport, TransportError};
use crate::clock::Clock;
use crate::facade::{Decided, Decisions};
use crate::router::decide::Route;
use crate::wire::liveagent::{MessagesPayload, SESSION_KEY, SessionId};
use crate::wire::miaw::{BASE, SSE_PATH};
use crate::wire::sse::SseParser;

/// The header of a `SessionId` answer that names the chat's letter.
pub(super) const LETTER: &str = "x-demo-chat";
/// The longest answer that is looked at.
const LOOKED_AT_BYTES: usize = 1024 * 1024;
/// Keys and conversations whose letters are remembered.
const KNOWN_MAX: usize = 2_000;

tokio::task_local! {
    /// What becomes known while a request starts a chat.
    static STARTED: Arc<Started>;
}

/// A request that may start a chat.
#[derive(Default)]
struct Started {
    request: String,
    /// The letter of the chat, once it is decided about.
    letter: OnceLock<String>,
    /// The row of the request.
    row: OnceLock<u64>,
}

/// Which letter a session key, a session id or a conversation belongs to.
#[derive(Default)]
pub(super) struct Letters {
    known: Mutex<HashMap<String, String>>,
    newest: Mutex<Option<String>>,
}

impl Letters {
    fn learn(&self, id: &str, letter: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN_MAX {
            known.insert(id.to_owned(), letter.to_owned());
        }
    }

    fn of(&self, id: &str) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn began(&self, letter: Option<&String>) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = letter.cloned();
    }

    fn newest(&self) -> Option<String> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a tap needs to tell of anything.
#[derive(Clone)]
pub(super) struct Teller {
    pub(super) clock: Clock,
    pub(super) events: Arc<Events>,
    pub(super) letters: Arc<Letters>,
}

impl Teller {
    fn row(
        &self,
        chat: Option<String>,
        (from, to): (Party, Party),
        what: impl Into<String>,
        raw: Raw,
    ) -> u64 {
        let at = self.clock.now().wall.to_string();
        let what = what.into();
        let row = Row { number: 0, chat, at, from, to, what, route: None, status: None };
        self.events.row(row, raw)
    }

    /// Something that happened to the bridge itself.
    pub(super) fn note(&self, what: impl Into<String>) {
        self.row(None, (Party::Bridge, Party::Bridge), what, Raw::default());
    }

    /// What a poll brought, and what it means for the chat.
    fn polled(
        &self,
        chat: Option<String>,
        way: (Party, Party),
        request: &str,
        answer: &Looked<'_>,
    ) {
        let kinds = kinds(answer.body);
        if let Some(chat) = &chat {
            for kind in &kinds {
                match kind.as_str() {
                    "ChatEstablished" => self.events.chat_is(chat, Phase::Active),
                    "ChatEnded" | "ChatRequestFail" => self.events.chat_is(chat, Phase::Ended),
                    _ => {}
                }
            }
        }
        let raw = Raw { request: Some(request.to_owned()), answer: Some(answer.text()) };
        let what = if kinds.is_empty() { "Messages".to_owned() } else { kinds.join(", ") };
        self.row(chat, way, what, raw);
    }
}

impl Decisions for Teller {
    fn decided(&self, decided: Decided) {
        let letter = self.events.next_letter();
        // Outside of a request there is nobody to tell the letter to.
        let asked = STARTED.try_with(|started| {
            let _ = started.letter.set(letter.clone());
            let request = Some(started.request.clone());
            let way = (Party::Client, Party::Bridge);
            let raw = Raw { request, answer: None };
            let _ = started.row.set(self.row(Some(letter.clone()), way, "GET SessionId", raw));
        });
        debug_assert!(asked.is_ok(), "a decision outside of a request");
        if decided.route == Route::Miaw {
            self.letters.learn(&decided.chat.conversation().to_string(), &letter);
        }
        self.events.row(
            Row {
                number: 0,
                chat: Some(letter.clone()),
                at: decided.at.to_string(),
                from: Party::Bridge,
                to: Party::Bridge,
                what: decided.because.to_string(),
                route: Some(decided.route.code().to_owned()),
                status: None,
            },
            Raw::default(),
        );
        self.events.send(Event::Decision(Decision {
            chat: letter,
            at: decided.at.to_string(),
            route: decided.route.code().to_owned(),
            because: decided.because.to_string(),
            code: decided.because.code().to_owned(),
        }));
    }
}

/// A request to the facade, answered and looked at.
pub(super) async fn through(
    bridge: Option<Arc<Running>>,
    tell: &Teller,
    request: Request<Body>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LOOKED_AT_BYTES).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "the demo takes less").into_response();
    };
    let seen = Asked::of(&head, &body, tell);
    let started = Arc::new(Started { request: seen.text.clone(), ..Started::default() });
    if seen.noun == "ChasitorInit" {
        tell.letters.began(seen.letter.as_ref());
    }
    let row = seen.row(tell);
    let request = Request::from_parts(head, Body::from(body));
    let answer = match bridge {
        Some(bridge) => answered(&bridge, started.clone(), request).await,
        None => None,
    };
    let Some(answer) = answer else {
        // What a load balancer answers while nobody is behind it.
        let gone = (StatusCode::BAD_GATEWAY, "the bridge is not running").into_response();
        if let Some(row) = row {
            tell.events.answered(row, StatusCode::BAD_GATEWAY.as_u16(), "nobody there".to_owned());
        }
        return gone;
    };
    looked_at(answer, |answer| seen.answered(tell, &started, row, answer)).await
}

/// The answer of the bridge, whose tasks are its own: when it is killed there is none.
async fn answered(
    bridge: &Running,
    started: Arc<Started>,
    request: Request<Body>,
) -> Option<Response<Body>> {
    let task = STARTED.scope(started, bridge.router.clone().oneshot(request));
    // A client that goes away takes its request with it.
    let answer = AbortOnDropHandle::new(bridge.handle.spawn(task)).await.ok()?;
    Some(answer.unwrap_or_else(|never| match never {}))
}

/// A request to the facade, as far as rows show it.
struct Asked {
    method: Method,
    noun: String,
    letter: Option<String>,
    text: String,
}

impl Asked {
    fn of(head: &http::request::Parts, body: &Bytes, tell: &Teller) -> Self {
        Self {
            method: head.method.clone(),
            noun: noun(&head.uri),
            letter: key(&head.headers).and_then(|key| tell.letters.of(&key)),
            text: raw::request(head, body),
        }
    }

    fn polls(&self) -> bool {
        self.noun == "Messages"
    }

    fn starts(&self) -> bool {
        self.method == Method::GET && self.noun == "SessionId"
    }

    /// The row of the request; polls have one only when they bring something, and what starts a
    /// chat once it is known which.
    fn row(&self, tell: &Teller) -> Option<u64> {
        if self.polls() || self.starts() || self.method == Method::OPTIONS {
            return None;
        }
        let raw = Raw { request: Some(self.text.clone()), answer: None };
        let what = format!("{} {}", self.method, self.noun);
        Some(tell.row(self.letter.clone(), (Party::Client, Party::Bridge), what, raw))
    }

    fn answered(
        &self,
        tell: &Teller,
        started: &Started,
        row: Option<u64>,
        answer: &mut Looked<'_>,
    ) {
        if let Some(letter) = started.letter.get() {
            if let Ok(value) = HeaderValue::from_str(letter) {
                answer.headers.insert(LETTER, value);
            }
            if let Ok(session) = serde_json::from_slice::<SessionId>(answer.body) {
                tell.letters.learn(&session.key, letter);
            }
        }
        if let Some(row) = row.or(started.row.get().copied()) {
            tell.events.answered(row, answer.status.as_u16(), answer.text());
        }
        let back = (Party::Bridge, Party::Client);
        if self.polls() && answer.status == StatusCode::OK {
            tell.polled(self.letter.clone(), back, &self.text, answer);
        } else if !answer.status.is_success() {
            let what = format!("{} {}", answer.status.as_u16(), self.noun);
            let raw = Raw { request: Some(self.text.clone()), answer: Some(answer.text()) };
            tell.row(self.letter.clone(), back, what, raw);
        }
    }
}

/// The production transport, with a look at what goes through.
pub(super) struct Tap {
    inner: Reqwest,
    legacy: String,
    tell: Teller,
}

impl Tap {
    pub(super) fn new(inner: Reqwest, legacy: SocketAddr, tell: Teller) -> Self {
        Self { inner, legacy: legacy.to_string(), tell }
    }

    async fn to_legacy(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let noun = noun(request.uri());
        let known = key(request.headers()).and_then(|key| self.tell.letters.of(&key));
        let letter = known.or_else(|| STARTED.try_with(|s| s.letter.get().cloned()).ok().flatten());
        let (request, text) = as_text(request);
        let polls = noun == "Messages";
        let forth = (Party::Bridge, Party::Legacy);
        let row = (!polls).then(|| {
            let raw = Raw { request: Some(text.clone()), answer: None };
            self.tell.row(letter.clone(), forth, format!("{} {noun}", request.method()), raw)
        });
        let answer = self.inner.send(request, within).await?;
        let back = (Party::Legacy, Party::Bridge);
        Ok(looked_at(answer, |answer| {
            if let Some(row) = row {
                self.tell.events.answered(row, answer.status.as_u16(), answer.text());
            }
            if polls && answer.status == StatusCode::OK {
                self.tell.polled(letter, back, &text, answer);
            } else if !answer.status.is_success() {
                let what = format!("{} {noun}", answer.status.as_u16());
                let raw = Raw { request: Some(text), answer: Some(answer.text()) };
                self.tell.row(letter, back, what, raw);
            }
        })
        .await)
    }

    async fn to_miaw(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let call = Call::of(&request);
        let token = header(request.headers(), AUTHORIZATION.as_str());
        let known = |id: &Option<String>| id.as_deref().and_then(|id| self.tell.letters.of(id));
        let letter = known(&call.conversation).or_else(|| known(&token));
        let letter = letter.or_else(|| self.tell.letters.newest());
        if let (Some(token), Some(letter), Some(_)) = (&token, &letter, &call.conversation) {
            self.tell.letters.learn(token, letter);
        }
        let (request, text) = as_text(request);
        let raw = Raw { request: Some(text.clone()), answer: None };
        let forth = (Party::Bridge, Party::Miaw);
        let row = self.tell.row(letter.clone(), forth, call.what.clone(), raw);
        let answer = self.inner.send(request, within).await?;
        let status = answer.status();
        if call.streams && status.is_success() {
            let head = raw::answer(status, answer.headers(), &[]);
            self.tell.events.answered(row, status.as_u16(), head);
            return Ok(self.listened_to(answer));
        }
        Ok(looked_at(answer, |answer| {
            self.tell.events.answered(row, status.as_u16(), answer.text());
            if !status.is_success() {
                let what = format!("{} {}", status.as_u16(), call.what);
                let raw = Raw { request: Some(text), answer: Some(answer.text()) };
                self.tell.row(letter, (Party::Miaw, Party::Bridge), what, raw);
            }
        })
        .await)
    }

    /// Tells of every event of the stream as it passes.
    fn listened_to(&self, answer: Response<Body>) -> Response<Body> {
        let tell = self.tell.clone();
        let mut parser = SseParser::new();
        answer.map(|body| {
            Body::from_stream(body.into_data_stream().inspect(move |chunk| {
                let events = chunk.as_ref().map(|bytes| parser.push(bytes));
                let Ok(Ok(events)) = events else { return };
                for event in events.iter().filter(|event| event.event != "ping") {
                    let letter = conversation_in(&event.data).and_then(|id| tell.letters.of(&id));
                    let text = format!("event: {}\ndata: {}", event.event, event.data);
                    let raw = Raw { request: None, answer: Some(text) };
                    tell.row(letter, (Party::Miaw, Party::Bridge), event.event.clone(), raw);
                }
            }))
        })
    }
}

#[async_trait]
impl Transport for Tap {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        if request.uri().authority().is_some_and(|to| to.as_str() == self.legacy) {
            self.to_legacy(request, within).await
        } else {
            self.to_miaw(request, within).await
        }
    }
}

/// A MIAW call, as far as a row shows it.
struct Call {
    what: String,
    conversation: Option<String>,
    streams: bool,
}

impl Call {
    fn of(request: &Request<Bytes>) -> Self {
        let path = request.uri().path();
        if path == SSE_PATH {
            return Self { what: "GET event stream".to_owned(), conversation: None, streams: true };
        }
        let parts: Vec<&str> =
            path.strip_prefix(BASE).unwrap_or(path).trim_matches('/').split('/').collect();
        let (what, conversation) = match parts.as_slice() {
            ["conversation"] => {
                let body = std::str::from_utf8(request.body()).unwrap_or_default();
                ("conversation".to_owned(), conversation_in(body))
            }
            ["conversation", id] => ("conversation".to_owned(), Some((*id).to_owned())),
            ["conversation", id, rest @ ..] => (rest.join("/"), Some((*id).to_owned())),
            ["authorization", .., last] => ((*last).to_owned(), None),
            other => (other.join("/"), None),
        };
        Self { what: format!("{} {what}", request.method()), conversation, streams: false }
    }
}

/// The conversation that a body or an event is about.
fn conversation_in(json: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    Some(json.get("conversationId")?.as_str()?.to_owned())
}

/// The last part of a legacy path, without a key that may follow it.
fn noun(uri: &Uri) -> String {
    let path = uri.path();
    let after = path.split_once("/rest/").map_or(path, |(_, after)| after);
    let noun = after.split('/').nth(1).unwrap_or(after);
    noun.chars().filter(char::is_ascii_alphanumeric).take(40).collect()
}

fn key(headers: &HeaderMap) -> Option<String> {
    header(headers, SESSION_KEY)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The kinds of the messages of a poll's answer.
fn kinds(body: &[u8]) -> Vec<String> {
    let payload = serde_json::from_slice::<MessagesPayload>(body);
    payload.map(|it| it.messages.into_iter().map(|m| m.kind).collect()).unwrap_or_default()
}

/// The request again, and how it is shown.
fn as_text(request: Request<Bytes>) -> (Request<Bytes>, String) {
    let (head, body) = request.into_parts();
    let text = raw::request(&head, &body);
    (Request::from_parts(head, body), text)
}

/// An answer that is looked at.
struct Looked<'a> {
    status: StatusCode,
    headers: &'a mut HeaderMap,
    body: &'a [u8],
}

impl Looked<'_> {
    fn text(&self) -> String {
        raw::answer(self.status, self.headers, self.body)
    }
}

/// The answer as it was, once its body has been looked at.
async fn looked_at(answer: Response<Body>, look: impl FnOnce(&mut Looked<'_>)) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    match axum::body::to_bytes(body, LOOKED_AT_BYTES).await {
        Ok(bytes) => {
            let (status, headers) = (parts.status, &mut parts.headers);
            look(&mut Looked { status, headers, body: &bytes });
            Response::from_parts(parts, Body::from(bytes))
        }
        // Cut in the middle: the other side must not take it for whole.
        Err(error) => Response::from_parts(
            parts,
            Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])),
        ),
    }
}
