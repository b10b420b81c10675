//! The real Live Agent service, verbatim: what a client sends is passed on, what it answers is
//! streamed back.
//!
//! Promised: method, path, query, body bytes and headers go through untouched, but for the hop's
//! own headers and `Host`; nothing is stored and nothing is sent twice. Kept in memory, bounded and
//! under a hash of the key: how far each chat is, so that its client can be told of the end at the
//! removal.
//!
//! When the service does not answer: polls are held for the rest of their time and answered 204, so
//! that clients neither spin nor give the chat up; everything else is answered 500.

mod observer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};

use super::transport::{LongLived, Transport, TransportError};
use crate::chat::agent::EndReason;
use crate::clock::Clock;
use crate::time::Mono;
use crate::wire::liveagent::message::ChatEnded;
use crate::wire::liveagent::{Message, MessagesPayload};
use observer::{Observer, Tap};

/// The wait for the head of an answer to a poll: past the 40 s that the service announces.
const POLL_WAIT: Duration = Duration::from_secs(75);
/// The wait for the head of any other answer.
const CALL_WAIT: Duration = Duration::from_secs(15);
/// A tenant's unreachable service is logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// Chats that are observed at once; past it the oldest are forgotten.
const OBSERVED_MAX: usize = 50_000;
/// The largest answer that is looked at while it passes.
const OBSERVED_BODY_BYTES: usize = 256 * 1024;

/// Headers that belong to one connection, or that the next hop sets itself.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
];
/// The same, without a constant of their own.
const KEEP_ALIVE: [&str; 2] = ["keep-alive", "proxy-connection"];

/// The relay.
pub struct LiveAgent {
    transport: Arc<dyn Transport>,
    clock: Clock,
    observer: Arc<Observer>,
    complained: Mutex<HashMap<String, Mono>>,
}

/// A request to pass on.
#[derive(Clone, Debug)]
pub struct Forward<'a> {
    /// The tenant's id, for the log.
    pub tenant: &'a str,
    /// Where to: the whole address.
    pub url: String,
    /// As the client sent it.
    pub method: &'a Method,
    /// As the client sent them.
    pub headers: &'a HeaderMap,
    /// The session's key, for the observer.
    pub key: Option<&'a str>,
    /// What it is, as far as waiting goes.
    pub kind: Kind,
    /// As the client sent it.
    pub body: Bytes,
}

/// What a request is, as far as waiting and observing go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `System/SessionId`.
    Start,
    /// `System/Messages`.
    Poll {
        /// How long it is held when the service does not answer.
        hold: Duration,
    },
    /// Everything else.
    Other,
}

impl LiveAgent {
    /// A relay over `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Clock) -> Self {
        let observer = Arc::new(Observer::new(OBSERVED_MAX));
        Self { transport, clock, observer, complained: Mutex::default() }
    }

    /// Passes a request on; `None` when no answer came. A poll has then been held for its time.
    pub async fn pass(&self, forward: Forward<'_>) -> Option<Response<Body>> {
        let hold_until = match forward.kind {
            Kind::Poll { hold } => Some(self.clock.now().mono.plus(hold)),
            _ => None,
        };
        let wait = if hold_until.is_some() { POLL_WAIT } else { CALL_WAIT };
        let asked = match request(&forward) {
            Ok(request) => self.transport.send(request, wait).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(response) => Some(self.answer(&forward, response)),
            Err(error) => {
                self.complain(forward.tenant, &error);
                if let Some(until) = hold_until {
                    self.clock.until(until).await;
                }
                None
            }
        }
    }

    /// The end of a chat that is known to be running, for the next poll of its client; once.
    #[must_use]
    pub fn farewell(&self, key: &str) -> Option<MessagesPayload> {
        let (sequence, offset) = self.observer.end(key)?;
        Some(ended(sequence + 1, offset.map(|offset| offset.saturating_add(1))))
    }

    /// The same for a poll that the service was holding, which shows that its chat is running even
    /// when it was not observed; then its `ack` tells how far it is.
    #[must_use]
    pub fn farewell_held(&self, key: &str, ack: Option<i64>) -> Option<MessagesPayload> {
        if self.observer.knows(key) {
            return self.farewell(key);
        }
        let last = ack.filter(|ack| (-1..i64::MAX).contains(ack)).unwrap_or(-1);
        self.observer.remember_end(key);
        Some(ended(last + 1, None))
    }

    fn answer(&self, forward: &Forward<'_>, response: Response<Body>) -> Response<Body> {
        let (mut parts, body) = response.into_parts();
        strip(&mut parts.headers, &[header::CONTENT_LENGTH]);
        let observed = match (forward.kind, forward.key) {
            (Kind::Start, _) => Some(Tap::start(self.observer.clone())),
            (Kind::Poll { .. }, Some(key)) => Some(Tap::poll(self.observer.clone(), key)),
            _ => None,
        };
        if parts.status == StatusCode::FORBIDDEN
            && let Some(key) = forward.key
        {
            self.observer.forget(key);
        }
        let body = match observed.filter(|_| parts.status == StatusCode::OK) {
            Some(tap) => Body::new(tap.around(body, OBSERVED_BODY_BYTES)),
            None => body,
        };
        Response::from_parts(parts, body)
    }

    fn complain(&self, tenant: &str, error: &TransportError) {
        let now = self.clock.now().mono;
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.get(tenant).is_some_and(|at| now.since(*at) < COMPLAIN_EVERY) {
            return;
        }
        complained.insert(tenant.to_owned(), now);
        let (cause, sent) = (&error.cause, error.sent);
        tracing::warn!(tenant, sent, "the legacy Live Agent service does not answer: {cause}");
    }
}

impl std::fmt::Debug for LiveAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveAgent").finish_non_exhaustive()
    }
}

fn request(forward: &Forward<'_>) -> Result<Request<Bytes>, TransportError> {
    let mut request = Request::new(forward.body.clone());
    *request.method_mut() = forward.method.clone();
    *request.uri_mut() = forward.url.parse().map_err(|_| TransportError {
        sent: false,
        cause: "the address of the request is not valid".to_owned(),
    })?;
    let mut headers = forward.headers.clone();
    strip(&mut headers, &[]);
    *request.headers_mut() = headers;
    request.extensions_mut().insert(LongLived);
    Ok(request)
}

/// Removes what belongs to one hop, also what `Connection` names; keeps `spared`.
fn strip(headers: &mut HeaderMap, spared: &[HeaderName]) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named).filter(|name| !spared.contains(name)) {
        headers.remove(name);
    }
    for name in KEEP_ALIVE {
        headers.remove(name);
    }
}

/// `agent`: the reason every client knows for an end that is not its own.
fn ended(sequence: i64, offset: Option<i64>) -> MessagesPayload {
    let reason = EndReason::Agent.as_str().to_owned();
    let body = ChatEnded { reason, attached_records: Vec::new() };
    MessagesPayload { messages: vec![Message::new(&body)], sequence: Some(sequence), offset }
}
