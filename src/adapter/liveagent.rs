//! The real Live Agent service: what a client sends is passed on, what it answers is passed back,
//! *verbatim* under the service's own key or *re-keyed* under one of ours.
//!
//! Promised: method, path, query, body bytes and headers go through untouched, but for the hop's
//! own headers and what `docs/protocol-differences.md` lists; nothing is sent twice. Verbatim,
//! nothing is stored; re-keyed, the pair of keys is, before its chat begins. Kept in memory,
//! bounded and under a hash of the key: how far each chat is and where it lives.
//!
//! When the service does not answer: polls are held for the rest of their time and answered 204, so
//! that clients neither spin nor give the chat up; everything else is answered 500. A host that is
//! gone for long has lost its chats ([`health`]); they end, and never continue elsewhere.

pub mod health;
mod hop;
mod observer;
mod pairs;
mod pass;
mod passing;
mod rekey;
mod switch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use uuid::Uuid;

use super::transport::Transport;
use crate::chat::agent::EndReason;
use crate::chat::ids::ChatId;
use crate::chat::visitor::Routed;
use crate::clock::Clock;
use crate::store::{Loaded, Store, StoreError};
use crate::wire::liveagent::message::ChatEnded;
use crate::wire::liveagent::{
    AFFINITY, Message, MessagesPayload, NO_AFFINITY, SEQUENCE, SESSION_KEY, SessionId,
};
use health::{Health, HostHealth};
use observer::Observer;
use pairs::Pairs;
pub use pairs::{Behind, Pair, Turn, is_pair};
pub use pass::{CALL_WAIT, POLL_WAIT, UPLOAD_WAIT};
pub use passing::{Passing, PassingId};
use rekey::Names;
use switch::Moved;

/// Chats that are observed at once; past it the oldest are forgotten.
const OBSERVED_MAX: usize = 50_000;

/// The relay.
pub struct LiveAgent {
    transport: Arc<dyn Transport>,
    clock: Clock,
    observer: Observer,
    health: Health,
    moved: Moved,
    pairs: Pairs,
}

/// A request to pass on.
#[derive(Clone, Debug)]
pub struct Forward<'a> {
    /// The tenant's id, for the log.
    pub tenant: &'a str,
    /// Where to, as configured: the address without `/chat/rest`.
    pub base: &'a str,
    /// Path and query below it.
    pub path: String,
    /// As the client sent it.
    pub method: &'a Method,
    /// As the client sent them.
    pub headers: &'a HeaderMap,
    /// Whether the header of the session's key stays here.
    pub withhold_key: bool,
    /// Whether headers that a proxy in front of the bridge added go along.
    pub forwarding: bool,
    /// The session's key as the client knows it.
    pub key: Option<&'a str>,
    /// What it is, as far as waiting and looking go.
    pub kind: Kind,
    /// As the client sent it.
    pub body: Bytes,
    /// The session behind a key of ours; `None` for one of Salesforce's own.
    pub pair: Option<Rekeyed<'a>>,
    /// The decision that it begins a chat by.
    pub routed: Option<Routed>,
}

/// A session under two keys.
#[derive(Clone)]
pub struct Rekeyed<'a> {
    /// The pair.
    pub pair: &'a Arc<Pair>,
    /// The key that the client sent.
    pub own_key: String,
    /// A further key of ours for the same chat, should the service give a new one.
    pub next_key: String,
    /// Where clients send files for this tenant.
    pub upload_url: String,
}

impl std::fmt::Debug for Rekeyed<'_> {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rekeyed").field("pair", &self.pair).finish_non_exhaustive()
    }
}

/// What a request is, as far as waiting and looking go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `System/SessionId`.
    Start,
    /// `System/Messages`.
    Poll {
        /// How long it is held when the service does not answer.
        hold: Duration,
    },
    /// A noun without a session.
    Visitor,
    /// The visitor's own words, in which no id is looked for.
    Words,
    /// `DELETE System/SessionId`, which carries the key in its path.
    Delete,
    /// A file that an agent asked for.
    Upload,
    /// Everything else.
    Other,
}

/// What became of a request.
#[derive(Debug)]
pub enum Passed {
    /// The service answered.
    Answer(Response<axum::body::Body>),
    /// It did not. A poll has been held for its time.
    Unanswered,
    /// It has been gone for so long that its chats are over.
    Lost,
}

/// Why a session could not be opened for a key of ours.
#[derive(Debug)]
pub enum Unopened {
    /// The service answered this instead.
    Answered(Response<axum::body::Body>),
    /// The service did not answer, or its answer is not understood.
    Unanswered,
    /// Too many chats, or the pair could not be stored.
    NotKept,
    /// The chat began at another node meanwhile.
    Elsewhere,
}

impl LiveAgent {
    /// A relay over `transport` that keeps pairs of keys in `store`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Clock, store: Arc<dyn Store>) -> Self {
        Self {
            transport,
            clock,
            observer: Observer::new(OBSERVED_MAX),
            health: Health::default(),
            moved: Moved::default(),
            pairs: Pairs::new(store),
        }
    }

    /// How the hosts are that were asked so far.
    #[must_use]
    pub fn health(&self) -> Vec<HostHealth> {
        self.health.all()
    }

    /// How many relayed chats of each tenant go on, as far as this process remembers them.
    #[must_use]
    pub fn running(&self) -> BTreeMap<String, u64> {
        self.observer.running(self.clock.now().mono)
    }

    /// The same chats one by one, in the order of their ids.
    #[must_use]
    pub fn passing(&self) -> BTreeMap<PassingId, Passing> {
        self.observer.passing(self.clock.now().mono)
    }

    /// A relayed chat that this process remembers, running or not.
    #[must_use]
    pub fn find(&self, id: PassingId) -> Option<Passing> {
        self.observer.find(id)
    }

    /// Takes the pair of an earlier process up; false when the stored chat is a translated one.
    pub fn take_up(&self, id: Uuid, loaded: &Loaded) -> bool {
        self.pairs.take_up(id, loaded, self.clock.now())
    }

    /// A re-keyed chat that was taken in this epoch or before is another node's now.
    pub fn let_go(&self, chat: ChatId, epoch: u64) {
        self.pairs.let_go(chat, epoch);
    }

    /// Whether a re-keyed chat is this process's.
    #[must_use]
    pub fn holds(&self, chat: ChatId) -> bool {
        self.pairs.holds(chat)
    }

    /// Ends the records of re-keyed chats that nobody used for an hour; answers how many.
    pub async fn expire(&self) -> usize {
        self.pairs.expire(self.clock.now()).await
    }

    /// What stands behind a key of ours.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn behind(&self, tenant: &str, chat: ChatId) -> Result<Behind, StoreError> {
        self.pairs.find(tenant, chat, self.clock.now()).await
    }

    /// Remembers that a key of ours leads to a translated chat.
    pub fn is_translated(&self, chat: ChatId) {
        self.pairs.is_translated(chat);
    }

    /// Waits until no other request begins the same chat.
    pub async fn turn(&self, chat: ChatId) -> Turn<'_> {
        self.pairs.turn(chat).await
    }

    /// Waits until a chat turns out to be relayed.
    pub async fn appears(&self, chat: ChatId) -> Arc<Pair> {
        self.pairs.appears(chat).await
    }

    /// Opens a session of the real service for a chat of a key of ours and stores the pair.
    ///
    /// # Errors
    /// What the service said instead; or that nothing came of it.
    pub async fn open(&self, init: &Forward<'_>, chat: ChatId) -> Result<Arc<Pair>, Unopened> {
        if !self.pairs.has_room() {
            return Err(Unopened::NotKept);
        }
        let mut headers = init.headers.clone();
        for name in [SESSION_KEY, SEQUENCE, header::CONTENT_TYPE.as_str()] {
            headers.remove(name);
        }
        let none = HeaderValue::from_static(NO_AFFINITY);
        headers.insert(HeaderName::from_static(AFFINITY), none);
        let start = Forward {
            path: "/chat/rest/System/SessionId".to_owned(),
            method: &Method::GET,
            headers: &headers,
            key: None,
            kind: Kind::Start,
            body: Bytes::new(),
            pair: None,
            // The service's own key is not the one that the chat is known by.
            routed: None,
            ..init.clone()
        };
        let (Passed::Answer(response), base) = self.pass_to(&start).await else {
            return Err(Unopened::Unanswered);
        };
        if response.status() != StatusCode::OK {
            return Err(Unopened::Answered(response));
        }
        let whole = hop::look(response.into_body()).await.map_err(|_| Unopened::Unanswered)?;
        let session: SessionId = serde_json::from_slice(&whole).map_err(|error| {
            tracing::warn!(tenant = init.tenant, %error, "the SessionId answer is not understood");
            Unopened::Unanswered
        })?;
        let names = Names { key: session.key, id: session.id, affinity: session.affinity_token };
        if names.key.is_empty() || names.id.is_empty() {
            return Err(Unopened::Unanswered);
        }
        // What we told the client at SessionId; it may have been another process that did.
        let told = init.headers.get(AFFINITY).and_then(|told| told.to_str().ok()).map(str::trim);
        let told = told.filter(|told| !told.is_empty() && *told != NO_AFFINITY);
        let opening = pairs::Opening { tenant: init.tenant, names, told, base: &base };
        let opened = self.pairs.open(chat, opening, &self.clock).await;
        if let Some(key) = init.key {
            self.observer.started(key, None, init.routed.clone());
            self.observer.used(key, Some(chat), init.tenant, self.clock.now().mono);
        }
        opened.map_err(|error| match error {
            StoreError::AlreadyThere { .. } | StoreError::Fenced { .. } => Unopened::Elsewhere,
            error => {
                tracing::error!(tenant = init.tenant, %chat, %error, "a relayed chat was not stored");
                Unopened::NotKept
            }
        })
    }

    /// Passes the file on that the agent of a re-keyed chat asked for, to where the agent's request
    /// said; `None` for `forward` when the tenant has no legacy service any more.
    pub async fn upload(
        &self,
        forward: Option<Forward<'_>>,
        rekeyed: Rekeyed<'_>,
        query: Option<&str>,
    ) -> Passed {
        let url = rekeyed.pair.upload().and_then(|url| url::Url::parse(&url).ok());
        let (Some(forward), Some(mut url)) = (forward, url) else { return Passed::Unanswered };
        let own = url.query().map(|own| format!("{own}&")).unwrap_or_default();
        url.set_query(Some(&format!("{own}{}", query.unwrap_or_default())));
        let base = url.origin().ascii_serialization();
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let (kind, pair) = (Kind::Upload, Some(rekeyed));
        self.pass(Forward { base: &base, path, kind, pair, ..forward }).await
    }

    /// Whether the client of this key was told by us that its chat is over.
    #[must_use]
    pub fn is_told(&self, key: &str) -> bool {
        self.observer.is_told(key)
    }

    /// The end of a chat that is known to be running, for the next poll of its client; once.
    #[must_use]
    pub fn farewell(&self, key: &str) -> Option<MessagesPayload> {
        let (sequence, offset) = self.observer.end(key)?;
        Some(ended(sequence + 1, offset.map(|offset| offset.saturating_add(1))))
    }

    /// The same for a poll that the service was holding, or whose pair is stored: both show that
    /// the chat is running even when it was not observed; then its `ack` tells how far it is.
    #[must_use]
    pub fn farewell_held(&self, key: &str, ack: Option<i64>) -> Option<MessagesPayload> {
        if self.observer.knows(key) {
            return self.farewell(key);
        }
        let last = ack.filter(|ack| (-1..i64::MAX).contains(ack)).unwrap_or(-1);
        self.observer.remember_end(key);
        Some(ended(last + 1, None))
    }

    /// Whether the end of a re-keyed chat is still to be told; from now on it is stored as over.
    pub async fn ends(&self, pair: &Pair) -> bool {
        let running = !pair.ended();
        if let Err(error) = self.pairs.end(pair, self.clock.now()).await {
            tracing::warn!(chat = %pair.chat, %error, "the end of a relayed chat was not stored");
        }
        running
    }
}

impl std::fmt::Debug for LiveAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveAgent").finish_non_exhaustive()
    }
}

/// The request as it goes to `base`.
fn request(forward: &Forward<'_>, base: &str) -> Option<Request<Bytes>> {
    let mut request = Request::new(forward.body.clone());
    *request.method_mut() = forward.method.clone();
    let mut headers = forward.headers.clone();
    hop::strip(&mut headers, &[]);
    if !forward.forwarding {
        hop::strip_forwarding(&mut headers);
    }
    if forward.withhold_key && forward.pair.is_none() {
        headers.remove(SESSION_KEY);
    }
    // What is looked at must be readable.
    if pass::looks_at(forward) {
        headers.remove(header::ACCEPT_ENCODING);
    }
    let mut path = forward.path.clone();
    if let Some(rekeyed) = &forward.pair {
        let (ours, theirs) = rekeyed.names();
        let swap = rekey::Swap { ours: &ours, theirs: &theirs };
        swap.headers(&mut headers);
        path = swap.path(&path, forward.kind == Kind::Delete);
        let body = match forward.kind {
            Kind::Words => forward.body.clone(),
            Kind::Upload => swap.form(&forward.body),
            _ => swap.request(&forward.body),
        };
        *request.body_mut() = body;
    }
    *request.uri_mut() = format!("{base}{path}").parse().ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

impl Rekeyed<'_> {
    fn names(&self) -> (Names, Names) {
        let (id, affinity) = (self.pair.chat.to_string(), self.pair.told_affinity());
        (Names { key: self.own_key.clone(), id, affinity }, self.pair.names())
    }
}

/// `agent`: the reason every client knows for an end that is not its own.
fn ended(sequence: i64, offset: Option<i64>) -> MessagesPayload {
    let reason = EndReason::Agent.as_str().to_owned();
    let body = ChatEnded { reason, attached_records: Vec::new() };
    MessagesPayload { messages: vec![Message::new(&body)], sequence: Some(sequence), offset }
}
