//! Requests of chats that may be at another node: found, passed on, or waited for.
//!
//! Promised: a client never learns which node it asked. While a chat changes its owner a poll stays
//! parked and a POST waits for up to [`POST_WAIT`], then both are answered as if the chat had not
//! answered: 204, and 500 (or 503 where the tenant opted in). What is asked again is asked with the
//! same bytes, and of the same node as the same request ([`passed`]). An answer of another node
//! counts as written when the client's connection took it, as on one node. A node whose lease is in
//! doubt answers nothing from memory. Not here: sessions of the real service under its own key,
//! which any node relays.

mod asking;
mod passed;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::asking::Asking;
use self::passed::{Entered, Passage, Passages};
use super::call::{Call, Noun};
use super::chat::{POLL_GRACE, POST_WAIT};
use super::key::Owner;
use super::live::Live;
use super::{Asked, Facade, body, reply};
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::cluster::forward::not_here;
use crate::cluster::{Cluster, Place, told};
use crate::time::Mono;

/// The pause before a chat is looked for again.
const AGAIN: Duration = Duration::from_millis(100);
/// A POST that another node has not answered for so long is asked again: on the way it may have
/// vanished without a sign, and who has it knows it again.
const TRY_FOR: Duration = Duration::from_secs(3);
/// The largest upload that is passed on.
const UPLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Uploads at once; each is held in memory until it is answered.
const UPLOADS_MAX: usize = 16;

/// In the extensions of an answer: the chat took nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Untaken;

/// A facade that is one of several.
#[derive(Clone)]
struct Node {
    live: Live,
    cluster: Cluster,
    clock: Clock,
    uploads: Arc<Semaphore>,
    passages: Passages,
    draining: CancellationToken,
}

/// The facade for clients, and the one for other nodes.
#[derive(Debug)]
pub struct Routers {
    /// For clients.
    pub public: Router,
    /// For other nodes, on the private listener.
    pub private: Router,
}

/// The facades of a node; `draining` is cancelled when the process stops.
#[must_use]
pub fn routers(live: Live, cluster: Cluster, clock: Clock, draining: CancellationToken) -> Routers {
    let uploads = Arc::new(Semaphore::new(UPLOADS_MAX));
    let passages = Passages::new(clock.clone());
    let node = Node { live, cluster, clock, uploads, passages, draining };
    Routers {
        public: Router::new().fallback(public).with_state(node.clone()),
        private: Router::new().fallback(private).with_state(node),
    }
}

/// What is asked of which chat.
struct Question {
    chat: ChatId,
    noun: Option<Noun>,
    polls: bool,
    hold: Duration,
    failure_is_503: bool,
}

impl Question {
    /// `None` for what every node answers alike.
    fn read(facade: &Facade, parts: &Parts) -> Option<Self> {
        let call = Call::read(&facade.config, parts).ok()?;
        let new = call.noun == Some(Noun::SessionId) && call.method == Method::GET;
        let alike = matches!(call.noun, None | Some(Noun::Lookup(_) | Noun::Script(_)));
        if new || alike || call.method == Method::OPTIONS {
            return None;
        }
        let chat = match (call.noun, call.key()) {
            (Some(Noun::Upload), _) => {
                let key = call.parameter("chatKey")?;
                ChatId(Uuid::try_parse(key.split('!').next()?).ok()?)
            }
            (_, Some(key)) => match facade.keys.owner(&call.tenant.id, key) {
                Owner::Ours(own) => own.chat,
                Owner::Foreign | Owner::Forged => return None,
            },
            (_, None) => return None,
        };
        Some(Self {
            chat,
            noun: call.noun,
            polls: call.noun == Some(Noun::Messages) && call.method == Method::GET,
            hold: call.tenant.behaviour.poll_hold,
            failure_is_503: call.tenant.behaviour.failure_is_503,
        })
    }

    /// How long its client waits for it.
    fn patience(&self) -> Duration {
        if self.polls { self.hold } else { POST_WAIT }
    }

    /// How long another node is waited for at a time.
    fn try_for(&self) -> Duration {
        if self.polls || self.noun == Some(Noun::Upload) {
            return self.patience() + POLL_GRACE;
        }
        TRY_FOR
    }

    /// Nobody had the chat for so long.
    fn unanswered(&self) -> Response<Body> {
        match (self.polls, self.failure_is_503) {
            (true, _) => reply::nothing(),
            (false, true) => reply::moved(),
            (false, false) => reply::failed(),
        }
    }
}

async fn public(State(node): State<Node>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let facade = node.live.of(&parts);
    let Some(question) = Question::read(&facade, &parts) else {
        return super::answer(&node.live, Request::from_parts(parts, body)).await;
    };
    let Ok(_room) = node.room(&question) else { return question.unanswered() };
    let bytes = match node.body(&facade, &question, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => return *refusal,
    };
    let asking = Asking::new(node.cluster.clone(), question.chat);
    let mut response = node.wherever(&question, &parts, &bytes, &asking).await;
    if let Some(noun) = question.noun {
        response.extensions_mut().insert(Asked(format!("{noun:?}")));
    }
    response
}

/// A request that another node passed on: answered here or not at all.
async fn private(State(node): State<Node>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let passed = match node.cluster.let_in(&mut parts) {
        Ok(passed) => passed,
        Err(refused) => return refused.answer(),
    };
    passed.told.iter().for_each(|told| node.passages.told(*told));
    if parts.uri.path() == told::PATH {
        return reply::nothing();
    }
    let facade = node.live.of(&parts);
    // A node that is configured otherwise knows the tenant, and this one does not.
    let Some(question) = Question::read(&facade, &parts) else { return not_here() };
    let Ok(room) = node.room(&question) else { return question.unanswered() };
    let bytes = match node.body(&facade, &question, body).await {
        Ok(bytes) if passed.is_of(&bytes) => bytes,
        Ok(_) => return reply::text(StatusCode::FORBIDDEN, "Not what was passed on"),
        Err(refusal) => return *refusal,
    };
    if node.cluster.place(question.chat).await != Ok(Place::Here) {
        return not_here();
    }
    let passage = match node.passages.enter(passed.id, question.chat) {
        Entered::Known(passage) => passage,
        Entered::TooMany => return question.unanswered(),
        Entered::New(passage) => {
            // On its own, for the connection may break and the request come again.
            tokio::spawn(node.clone().work(passage.clone(), question.polls, parts, bytes, room));
            passage
        }
    };
    match passage.answer().await {
        Some(answer) if node.cluster.may_serve() => answer,
        _ => not_here(),
    }
}

impl Node {
    /// Room for an upload, if it is one.
    fn room(&self, question: &Question) -> Result<Option<OwnedSemaphorePermit>, ()> {
        if question.noun != Some(Noun::Upload) {
            return Ok(None);
        }
        self.uploads.clone().try_acquire_owned().map(Some).map_err(drop)
    }

    async fn body(
        &self,
        facade: &Facade,
        question: &Question,
        body: Body,
    ) -> Result<Bytes, reply::Refusal> {
        let mut limits = facade.config.limits;
        if question.noun == Some(Noun::Upload) {
            limits.request_body_bytes = limits.request_body_bytes.max(UPLOAD_BYTES_MAX);
        }
        body::read(body, &limits).await
    }

    /// Asks whoever has the chat until it is answered or nobody waits any more.
    async fn wherever(
        &self,
        question: &Question,
        parts: &Parts,
        bytes: &Bytes,
        asking: &Asking,
    ) -> Response<Body> {
        let until = self.now().plus(question.patience());
        let mut answer = self.once(question, parts, bytes, asking).await;
        loop {
            if let Some(answer) = answer {
                return answer;
            }
            if self.now() >= until {
                return question.unanswered();
            }
            let again = async {
                self.clock.until(self.now().plus(AGAIN)).await;
                self.once(question, parts, bytes, asking).await
            };
            answer = tokio::select! {
                biased;
                answer = again => answer,
                () = self.clock.until(until) => None,
            };
        }
    }

    /// Asks whoever has the chat; `None` when that turns out to be somebody else, or nobody yet.
    async fn once(
        &self,
        question: &Question,
        parts: &Parts,
        bytes: &Bytes,
        asking: &Asking,
    ) -> Option<Response<Body>> {
        let chat = question.chat;
        let place = match self.cluster.place(chat).await {
            Ok(place) => place,
            Err(error) => {
                tracing::debug!(%chat, %error, "where a chat is cannot be looked up");
                return None;
            }
        };
        match place {
            Place::At(peer) => {
                let answer = asking.ask(&peer, parts, bytes, question.try_for()).await;
                if answer.is_none() {
                    self.cluster.not_there(chat);
                }
                answer
            }
            // A poll may be here before its chat begins, wherever that is.
            Place::Nowhere if question.polls => tokio::select! {
                biased;
                answer = self.here(chat, parts, bytes) => answer,
                () = self.cluster.begins_elsewhere(chat) => None,
            },
            // It is taken by a node that stays.
            Place::Free if self.draining.is_cancelled() => None,
            _ => self.here(chat, parts, bytes).await,
        }
    }

    /// Works on a request that another node passed on.
    async fn work(
        self,
        passage: Arc<Passage>,
        polls: bool,
        parts: Parts,
        bytes: Bytes,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let answer = async {
            let answer = Box::pin(self.here(passage.chat(), &parts, &bytes)).await?;
            // A poll that is let go because this node stops: whoever passed it on keeps it parked.
            let stops = self.draining.is_cancelled() && answer.status() == StatusCode::NO_CONTENT;
            drop(room);
            (!stops).then_some(answer)
        };
        Box::pin(self.passages.work(&passage, polls, answer)).await;
    }

    /// Asks the chat at this node; `None` when it took nothing.
    async fn here(&self, chat: ChatId, parts: &Parts, bytes: &Bytes) -> Option<Response<Body>> {
        self.passages.settled(chat).await;
        if !self.cluster.may_serve() {
            return None;
        }
        let request = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
        let answer = super::answer(&self.live, request).await;
        // What a node answers that slept through its lease may be old.
        if !self.cluster.may_serve() {
            return None;
        }
        // Somebody else's by now, or taken up anew this very moment: that can only be asked again.
        answer.extensions().get::<Untaken>().is_none().then_some(answer)
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }
}
