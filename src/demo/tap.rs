//! Looks at what passes the bridge on both sides and tells it as wire rows: kinds, never contents.
//!
//! Promised: what passes is not changed. Polls that bring nothing are left out. Which chat a MIAW
//! call belongs to is known by its conversation id; a token is fetched before there is one, so it
//! counts for the chat that began last.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tower::ServiceExt as _;

use super::events::{Decision, Event, Events, Party, Row};
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
    /// The letter of the chat that this request starts, once it is decided about.
    static STARTED: Arc<OnceLock<String>>;
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
    fn row(&self, chat: Option<String>, from: Party, to: Party, what: impl Into<String>) {
        let at = self.clock.now().wall.to_string();
        self.events.send(Event::Wire(Row { number: 0, chat, at, from, to, what: what.into() }));
    }
}

impl Decisions for Teller {
    fn decided(&self, decided: Decided) {
        let letter = self.events.next_letter();
        // Outside of a request there is nobody to tell the letter to.
        let _ = STARTED.try_with(|started| started.set(letter.clone()));
        if decided.route == Route::Miaw {
            self.letters.learn(&decided.chat.conversation().to_string(), &letter);
        }
        self.row(Some(letter.clone()), Party::Client, Party::Bridge, "GET SessionId");
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
    bridge: Router,
    tell: &Teller,
    request: Request<Body>,
) -> Response<Body> {
    let noun = noun(request.uri());
    let (method, key) = (request.method().clone(), key(request.headers()));
    let polls = noun == "Messages";
    let starts = method == Method::GET && noun == "SessionId";
    let letter = key.as_deref().and_then(|key| tell.letters.of(key));
    if !polls && !starts {
        if noun == "ChasitorInit" {
            tell.letters.began(letter.as_ref());
        }
        tell.row(letter.clone(), Party::Client, Party::Bridge, format!("{method} {noun}"));
    }
    let started = Arc::new(OnceLock::new());
    let answer = STARTED.scope(started.clone(), bridge.oneshot(request)).await;
    let mut answer = answer.unwrap_or_else(|never| match never {});
    let status = answer.status();
    if starts && let Some(letter) = started.get() {
        if let Ok(value) = HeaderValue::from_str(letter) {
            answer.headers_mut().insert(LETTER, value);
        }
        return looked_at(answer, |body| {
            if let Ok(session) = serde_json::from_slice::<SessionId>(body) {
                tell.letters.learn(&session.key, letter);
            }
        })
        .await;
    }
    if polls && status == StatusCode::OK {
        return looked_at(answer, |body| {
            tell.row(letter, Party::Bridge, Party::Client, kinds(body));
        })
        .await;
    }
    if !status.is_success() {
        tell.row(letter, Party::Bridge, Party::Client, format!("{} {noun}", status.as_u16()));
    }
    answer
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
        let letter = known.or_else(|| STARTED.try_with(|s| s.get().cloned()).ok().flatten());
        let polls = noun == "Messages";
        if !polls {
            let what = format!("{} {noun}", request.method());
            self.tell.row(letter.clone(), Party::Bridge, Party::Legacy, what);
        }
        let answer = self.inner.send(request, within).await?;
        match answer.status() {
            StatusCode::OK if polls => Ok(looked_at(answer, |body| {
                self.tell.row(letter, Party::Legacy, Party::Bridge, kinds(body));
            })
            .await),
            status => {
                if !status.is_success() {
                    let what = format!("{} {noun}", status.as_u16());
                    self.tell.row(letter, Party::Legacy, Party::Bridge, what);
                }
                Ok(answer)
            }
        }
    }

    async fn to_miaw(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let call = Call::of(&request);
        let letter = match &call.conversation {
            Some(conversation) => self.tell.letters.of(conversation),
            None => self.tell.letters.newest(),
        };
        self.tell.row(letter.clone(), Party::Bridge, Party::Miaw, call.what.clone());
        let answer = self.inner.send(request, within).await?;
        let status = answer.status();
        if !status.is_success() {
            let what = format!("{} {}", status.as_u16(), call.what);
            self.tell.row(letter, Party::Miaw, Party::Bridge, what);
        } else if call.streams {
            return Ok(self.listened_to(answer));
        }
        Ok(answer)
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
                    tell.row(letter, Party::Miaw, Party::Bridge, event.event.clone());
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
    Some(headers.get(SESSION_KEY)?.to_str().ok()?.to_owned())
}

/// The kinds of the messages of a poll's answer.
fn kinds(body: &Bytes) -> String {
    match serde_json::from_slice::<MessagesPayload>(body) {
        Ok(payload) => {
            let kinds: Vec<&str> = payload.messages.iter().map(|m| m.kind.as_str()).collect();
            kinds.join(", ")
        }
        Err(_) => "Messages".to_owned(),
    }
}

/// The answer as it was, once its body has been looked at.
async fn looked_at(answer: Response<Body>, look: impl FnOnce(&Bytes)) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    match axum::body::to_bytes(body, LOOKED_AT_BYTES).await {
        Ok(bytes) => {
            look(&bytes);
            Response::from_parts(parts, Body::from(bytes))
        }
        // Cut in the middle: the other side must not take it for whole.
        Err(error) => Response::from_parts(
            parts,
            Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])),
        ),
    }
}
