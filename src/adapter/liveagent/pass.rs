//! One request to the real service and back: asked, judged, looked at.
//!
//! Promised: a request is sent once, except that one which was answered `SwitchServer` alone is
//! sent to the new host, at most [`SWITCHES_MAX`] times; the head of every answer is waited for no
//! longer than its kind allows.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri, header};

use super::health::{Evidence, Gate, judge};
use super::{Forward, Kind, LiveAgent, Passed, Rekeyed, hop, rekey, request, switch};
use crate::adapter::transport::{LongLived, TransportError};
use crate::wire::liveagent::{MessagesPayload, ResyncSession, SessionId};

/// The wait for the head of an answer to a poll: past the 40 s that the service announces.
pub const POLL_WAIT: Duration = Duration::from_secs(75);
/// The wait for the head of the answer to a file, which is large.
pub const UPLOAD_WAIT: Duration = Duration::from_secs(60);
/// The wait for the head of any other answer.
pub const CALL_WAIT: Duration = Duration::from_secs(15);
/// How often one request follows the service to another host.
const SWITCHES_MAX: u32 = 2;

/// Whether the answer is read before it passes on.
pub(super) fn looks_at(forward: &Forward<'_>) -> bool {
    let read = matches!(forward.kind, Kind::Start | Kind::Poll { .. } | Kind::Visitor);
    read || forward.pair.is_some() && forward.kind != Kind::Upload
}

/// What came of asking a host once.
enum Asked {
    Done(Response<Body>),
    /// The service lives elsewhere, and nothing else was said.
    Elsewhere(switch::Told),
}

impl LiveAgent {
    /// Passes a request on.
    pub async fn pass(&self, forward: Forward<'_>) -> Passed {
        self.pass_to(&forward).await.0
    }

    /// The same, and where it went in the end.
    pub(super) async fn pass_to(&self, forward: &Forward<'_>) -> (Passed, String) {
        let hold_until = match forward.kind {
            Kind::Poll { hold } => Some(self.clock.now().mono.plus(hold)),
            _ => None,
        };
        let mut forward = forward.clone();
        let mut base = self.base(&forward);
        for _ in 0..=SWITCHES_MAX {
            match self.ask(&forward, &base).await {
                Ok(Asked::Done(response)) => return (Passed::Answer(response), base),
                Ok(Asked::Elsewhere(told)) => {
                    base = self.follows(&forward, &base, &told).await;
                    forward.path = acknowledged(&forward.path, told.sequence);
                }
                Err(cause) => {
                    let lost = self.is_lost(&forward, &base);
                    if !lost && let Some(until) = hold_until {
                        self.clock.until(until).await;
                    }
                    tracing::debug!(tenant = forward.tenant, cause, "not answered");
                    return (if lost { Passed::Lost } else { Passed::Unanswered }, base);
                }
            }
        }
        tracing::warn!(tenant = forward.tenant, "the legacy service sends us from host to host");
        if let Some(until) = hold_until {
            self.clock.until(until).await;
        }
        (Passed::Unanswered, base)
    }

    /// Where the chat lives, or where the tenant's service went.
    fn base(&self, forward: &Forward<'_>) -> String {
        let chats = match (&forward.pair, forward.key) {
            _ if forward.kind == Kind::Upload => Some(forward.base.to_owned()),
            (Some(rekeyed), _) => Some(rekeyed.pair.base()),
            (None, Some(key)) => self.observer.host(key).or_else(|| Some(forward.base.to_owned())),
            (None, None) => self.moved.to(forward.tenant, forward.base),
        };
        chats.unwrap_or_else(|| forward.base.to_owned())
    }

    fn is_lost(&self, forward: &Forward<'_>, base: &str) -> bool {
        let now = self.clock.now().mono;
        forward.key.is_some() && self.health.has_lost_chats(forward.tenant, &host(base), now)
    }

    async fn ask(&self, forward: &Forward<'_>, base: &str) -> Result<Asked, String> {
        let (tenant, name) = (forward.tenant, host(base));
        if self.health.gate(tenant, &name, self.clock.now().mono) == Gate::Shut {
            return Err(format!("{name} is gone"));
        }
        let Some(mut request) = request(forward, base) else {
            return Err("the address of the request is not valid".to_owned());
        };
        request.extensions_mut().insert(LongLived);
        let wait = match forward.kind {
            Kind::Poll { .. } => POLL_WAIT,
            Kind::Upload => UPLOAD_WAIT,
            _ => CALL_WAIT,
        };
        match self.transport.send(request, wait).await {
            Ok(response) => {
                let starts = forward.kind == Kind::Start;
                // A session must also read as one: any web page answers 200.
                if !starts || response.status() != StatusCode::OK {
                    let evidence = judge(response.status(), starts);
                    self.health.saw(tenant, &name, self.clock.now(), &evidence);
                }
                Ok(self.look(forward, base, response).await)
            }
            Err(TransportError { cause, .. }) => {
                let evidence = Evidence::Silent(cause.clone());
                self.health.saw(tenant, &name, self.clock.now(), &evidence);
                if base != forward.base && forward.key.is_none() {
                    self.moved.forget(tenant);
                }
                Err(cause)
            }
        }
    }

    /// Reads what must be read of an answer, and passes the others on as they come.
    async fn look(&self, forward: &Forward<'_>, base: &str, response: Response<Body>) -> Asked {
        let (mut parts, body) = response.into_parts();
        hop::strip(&mut parts.headers, &[header::CONTENT_LENGTH]);
        if parts.status == StatusCode::FORBIDDEN
            && let Some(key) = forward.key
        {
            self.observer.forget(key);
        }
        if parts.status.is_success()
            && let Some(key) = forward.key
        {
            match forward.kind {
                Kind::Delete => self.observer.forget(key),
                _ => self.uses(forward, key),
            }
        }
        let rekeyed = forward.pair.as_ref();
        if !looks_at(forward) || parts.status != StatusCode::OK && rekeyed.is_none() {
            return Asked::Done(Response::from_parts(parts, body));
        }
        let whole = match hop::look(body).await {
            Ok(whole) => whole,
            Err(body) => return Asked::Done(Response::from_parts(parts, body)),
        };
        let mut told = whole.clone();
        if parts.status == StatusCode::OK
            && let Some(switch) = switch::take(&whole)
        {
            let Some(rest) = switch.rest.clone() else { return Asked::Elsewhere(switch) };
            self.follows(forward, base, &switch).await;
            told = rest;
        }
        self.observe(forward, base, parts.status, &told);
        if let Some(rekeyed) = rekeyed {
            told = self.rekeyed(forward, rekeyed, parts.status, &told).await;
        }
        if told.len() != whole.len() && parts.headers.contains_key(header::CONTENT_LENGTH) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(told.len()));
        }
        Asked::Done(Response::from_parts(parts, Body::from(told)))
    }

    fn uses(&self, forward: &Forward<'_>, key: &str) {
        let chat = forward.pair.as_ref().map(|rekeyed| rekeyed.pair.chat);
        self.observer.used(key, chat, forward.tenant, self.clock.now().mono);
    }

    fn observe(&self, forward: &Forward<'_>, base: &str, status: StatusCode, body: &[u8]) {
        if status != StatusCode::OK {
            return;
        }
        match (forward.kind, forward.key) {
            (Kind::Start, _) => {
                let session = serde_json::from_slice::<SessionId>(body);
                let evidence = session.as_ref().map_or(Evidence::Refused(status), |session| {
                    let elsewhere = (base != forward.base).then(|| base.to_owned());
                    self.observer.started(&session.key, elsewhere, forward.routed.clone());
                    Evidence::Served
                });
                self.health.saw(forward.tenant, &host(base), self.clock.now(), &evidence);
            }
            (Kind::Poll { .. }, Some(key)) => {
                if let Ok(payload) = serde_json::from_slice::<MessagesPayload>(body) {
                    self.observer.answered(key, &payload);
                    self.uses(forward, key);
                }
            }
            _ => {}
        }
    }

    /// An answer of the real service in the names that the client knows.
    async fn rekeyed(
        &self,
        forward: &Forward<'_>,
        rekeyed: &Rekeyed<'_>,
        status: StatusCode,
        body: &[u8],
    ) -> Bytes {
        let polls = matches!(forward.kind, Kind::Poll { .. });
        let pair = rekeyed.pair;
        let (ours, theirs) = rekeyed.names();
        let mut told = body.to_vec();
        if polls && let Some((url, place)) = rekey::upload_url(body) {
            match switch::allowed(&url, forward.base) {
                Some(_) => {
                    keep(pair, self.pairs.uploads_to(pair, &url).await);
                    let own = serde_json::to_vec(&rekeyed.upload_url).unwrap_or_default();
                    told.splice(place, own);
                }
                None => tracing::warn!(
                    tenant = forward.tenant,
                    "an upload address is not of the legacy service and is not relayed"
                ),
            }
        }
        if forward.path.contains("/ResyncSession")
            && let Ok(renewed) = serde_json::from_slice::<ResyncSession>(body)
            && renewed.is_valid
            && renewed.key != theirs.key
        {
            keep(pair, self.pairs.renew(pair, &renewed.key).await);
            told = rekey::replace_key(&told, &renewed.key, &rekeyed.next_key);
            self.observer.renamed(&ours.key, &rekeyed.next_key);
        }
        let payload = serde_json::from_slice::<MessagesPayload>(body).ok().filter(|_| polls);
        let over = payload.is_some_and(|payload| {
            payload.messages.iter().any(|m| matches!(&*m.kind, "ChatEnded" | "ChatRequestFail"))
        });
        let deleted = forward.kind == Kind::Delete && status == StatusCode::OK;
        if over || deleted || polls && status == StatusCode::FORBIDDEN {
            self.ends(pair).await;
        }
        Bytes::from(rekey::Swap { ours: &ours, theirs: &theirs }.answer(&told))
    }

    /// Remembers where the service says a chat, or a tenant, lives now; answers where to ask.
    async fn follows(&self, forward: &Forward<'_>, base: &str, told: &switch::Told) -> String {
        let tenant = forward.tenant;
        let Some(to) = switch::base_of(&told.new_url, forward.base) else {
            tracing::warn!(tenant, "SwitchServer names a host that is not of the legacy service");
            return base.to_owned();
        };
        tracing::info!(tenant, host = host(&to), "the legacy service is on another host");
        match (&forward.pair, forward.key) {
            (Some(rekeyed), _) => {
                let pair = rekeyed.pair;
                keep(pair, self.pairs.moves(pair, &to).await);
            }
            (None, Some(key)) => self.observer.moves(key, &to),
            (None, None) => self.moved.remember(tenant, forward.base, &to),
        }
        to
    }
}

fn keep(pair: &super::Pair, written: Result<(), crate::store::StoreError>) {
    if let Err(error) = written {
        tracing::error!(chat = %pair.chat, %error, "a relayed chat's record was not stored");
    }
}

/// The host of a base address, with its port.
fn host(base: &str) -> String {
    let uri = base.parse::<Uri>().ok();
    uri.and_then(|uri| uri.authority().map(ToString::to_string)).unwrap_or_default()
}

/// The same poll, once its client has seen everything up to `sequence`.
fn acknowledged(path: &str, sequence: Option<i64>) -> String {
    let (Some((path, query)), Some(sequence)) = (path.split_once('?'), sequence) else {
        return path.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some(("ack", _)) => format!("ack={sequence}"),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}
