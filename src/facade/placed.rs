//! Requests of chats that may be at another node: found, passed on, or waited for.
//!
//! Promised: a client never learns which node it asked. While a chat changes its owner a poll
//! stays parked and a POST waits for up to 10 s, then both are answered as if the chat had not
//! answered: 204, and 500 (or 503 where the tenant opted in). A POST that this process slept
//! through is looked for once more, for 3 s. What is asked again is asked with the same bytes,
//! and of the same node as the same request ([`passed`]). An answer of another node counts as
//! written when the client's connection took it, as on one node. Nobody waits for a node whose
//! lease lapsed. A node that stops acts on the POSTs that it accepted, or once it has left
//! passes them on to one that stays, and lets its clients' polls go. A tenant's requests are
//! counted once, at the door of the node that was asked by the client, and bounded there; those
//! on the private listener are bounded by that and by `limits.connections`. A node whose lease
//! is in doubt answers nothing from memory. Not here: sessions of the real service under its
//! own key, which any node relays.

mod asking;
mod passed;
mod question;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::asking::Asking;
use self::passed::{Entered, Passage, Passages};
use self::question::Question;
use super::gate::Counted;
use super::live::Live;
use super::{Facade, body, reply, upload};
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::cluster::forward::not_here;
use crate::cluster::{Cluster, Place, doubt, told};
use crate::time::Mono;

/// The pause before a chat is looked for again, and the longest one.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));
/// A POST that another node has not answered for so long is asked again: on the way it may have
/// vanished without a sign, and who has it knows it again.
const TRY_FOR: Duration = Duration::from_secs(3);
/// A wait that ends so much too late was slept through: what it waited for may be there by now.
const SLEPT: Duration = Duration::from_secs(1);
/// How long it is looked for that then.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// What another node may take beyond the wait for its answer before the connection is given up.
const LINK_SLACK: Duration = Duration::from_secs(1);
/// Uploads at once; each is held in memory until it is answered.
const UPLOADS_MAX: usize = 16;

/// In the extensions of an answer: the chat took nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Untaken;

/// In the extensions of an answer: the real service's, this very moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relayed;

/// A facade that is one of several.
#[derive(Clone)]
struct Node {
    live: Live,
    cluster: Cluster,
    clock: Clock,
    uploads: Arc<Semaphore>,
    passages: Passages,
    draining: CancellationToken,
    under_way: TaskTracker,
}

/// The facade for clients, and the one for other nodes.
#[derive(Debug)]
pub struct Routers {
    /// For clients.
    pub public: Router,
    /// For other nodes, on the private listener.
    pub private: Router,
    /// What clients asked, but for polls, until it was acted on here or turned out to belong
    /// elsewhere; and polls of other nodes.
    pub under_way: TaskTracker,
}

/// The facades of a node; `draining` is cancelled when the process stops.
#[must_use]
pub fn routers(live: Live, cluster: Cluster, clock: Clock, draining: CancellationToken) -> Routers {
    let uploads = Arc::new(Semaphore::new(UPLOADS_MAX));
    let passages = Passages::new(clock.clone());
    let under_way = TaskTracker::new();
    let waited = under_way.clone();
    let node = Node { live, cluster, clock, uploads, passages, draining, under_way };
    Routers {
        public: Router::new().fallback(public).with_state(node.clone()),
        private: Router::new().fallback(private).with_state(node),
        under_way: waited,
    }
}

async fn public(State(node): State<Node>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let facade = node.live.of(&parts);
    let Some(question) = Question::read(&facade, &parts) else {
        return super::answer(&node.live, Request::from_parts(parts, body)).await;
    };
    // Whatever it waits for, here or elsewhere, it is one of its tenant's.
    let _inside = match facade.enter(&question.tenant) {
        Ok(inside) => inside,
        Err(refusal) => return question.marks.on(*refusal),
    };
    let under_way = (!question.polls).then(|| node.under_way.token());
    let Ok(_room) = node.room(&question) else { return question.unanswered() };
    let bytes = match node.body(&facade, &question, body).await {
        Ok(bytes) => bytes,
        Err(refusal) => return *refusal,
    };
    let asking = Asking::new(node.cluster.clone(), question.chat);
    let response = node.wherever(&question, &parts, &bytes, &asking, under_way).await;
    question.marks.counted(response)
}

/// A request that another node passed on: answered here or not at all.
async fn private(State(node): State<Node>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let passed = match node.cluster.let_in(&mut parts) {
        Ok(passed) => passed,
        Err(refused) => return refused.answer(),
    };
    passed.told.iter().for_each(|told| node.passages.told(*told));
    if [told::PATH, doubt::PATH].contains(&parts.uri.path()) {
        return reply::nothing();
    }
    let facade = node.live.of(&parts);
    // A node that is configured otherwise knows the tenant, and this one does not.
    let Some(question) = Question::read(&facade, &parts) else { return not_here() };
    // What the chat said is handed over before this node leaves; a service's polls take too long.
    let polls = question.polls && !question.relays;
    let _under_way = polls.then(|| node.under_way.token());
    let Ok(room) = node.room(&question) else { return question.unanswered() };
    let bytes = match node.body(&facade, &question, body).await {
        Ok(bytes) if passed.is_of(&bytes) => bytes,
        Ok(_) => return reply::text(StatusCode::FORBIDDEN, "Not what was passed on"),
        Err(refusal) => return *refusal,
    };
    if !node.takes(&question).await {
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
        if !question.uploads {
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
        if question.uploads {
            limits.request_body_bytes = upload::body_bytes_max(&limits);
        }
        let read = body::read(body, &limits).await;
        read.map_err(|refusal| Box::new(question.marks.on(*refusal)))
    }

    /// Whether this node has the chat that another one asks for, or can begin it. One that stops
    /// begins to work on none for them: they have it as soon as it has left.
    async fn takes(&self, question: &Question) -> bool {
        let chat = question.chat;
        if self.draining.is_cancelled() && !self.cluster.works_on(chat) {
            return false;
        }
        match self.cluster.place(chat).await {
            Ok(Place::Here) => true,
            // Its client asked a node that has left.
            Ok(Place::Nowhere) => !question.polls,
            _ => false,
        }
    }

    /// Asks whoever has the chat until it is answered or nobody waits any more.
    async fn wherever(
        &self,
        question: &Question,
        parts: &Parts,
        bytes: &Bytes,
        asking: &Asking,
        under_way: Option<TaskTrackerToken>,
    ) -> Response<Body> {
        let mut began = self.now();
        let mut until = began.plus(question.patience);
        let mut late = began.plus(question.answered_within);
        let mut looked_again = question.polls;
        let first = self.once(question, parts, bytes, asking, (until, late));
        let mut answer = self.by(late, asking, first).await.flatten();
        // This node may leave its chats to others now: what it still waits for is theirs.
        drop(under_way);
        // A poll that had to wait has nothing to lose when its hold is over.
        late = if question.polls { until } else { late };
        let mut pause = AGAIN.0;
        loop {
            if let Some(answer) = answer {
                return answer;
            }
            if question.polls && self.draining.is_cancelled() {
                asking.gives_up().await;
                return question.unanswered();
            }
            if self.now() >= until {
                if !asking.slept() || std::mem::replace(&mut looked_again, true) {
                    return question.unanswered();
                }
                until = self.now().plus(LOOK_AGAIN);
                late = until;
            }
            let again = async {
                self.by(self.now().plus(pause), asking, pending::<()>()).await;
                self.once(question, parts, bytes, asking, (until, late)).await
            };
            answer = self.by(late, asking, again).await.flatten();
            // What took longer waited for something, and that may be otherwise now.
            let quick = self.now().since(began) < 2 * AGAIN.1;
            pause = if quick { (pause * 2).min(AGAIN.1) } else { AGAIN.0 };
            began = self.now();
        }
    }

    /// Asks whoever has the chat; `None` when that turns out to be somebody else, or nobody yet.
    /// Where it is is looked for `until` then, and another node may answer as `late`.
    async fn once(
        &self,
        question: &Question,
        parts: &Parts,
        bytes: &Bytes,
        asking: &Asking,
        (until, late): (Mono, Mono),
    ) -> Option<Response<Body>> {
        let chat = question.chat;
        let place = match self.by(until, asking, self.cluster.place(chat)).await? {
            // A node that has left begins nothing: the chat begins at one that stays.
            Ok(Place::Nowhere) => self.cluster.stays().map_or(Place::Nowhere, Place::At),
            Ok(place) => place,
            Err(error) => {
                tracing::debug!(%chat, %error, "where a chat is cannot be looked up");
                return None;
            }
        };
        match place {
            Place::At(peer) if self.cluster.doubts(&peer) => {
                let trusted = async {
                    tokio::select! {
                        biased;
                        () = self.cluster.trusted(&peer) => {}
                        () = self.draining.cancelled(), if question.polls => {}
                    }
                };
                self.by(until, asking, trusted).await;
                None
            }
            Place::At(peer) => {
                // That nobody waits any more is no sign of the other node.
                let within = late.since(self.now()).saturating_add(LINK_SLACK);
                let asked = asking.ask(&peer, parts, bytes, within);
                let tried = self.now().plus(TRY_FOR);
                let again = !question.polls && !question.uploads && tried < until;
                let answered = async {
                    tokio::select! {
                        biased;
                        answer = asked => answer,
                        // Nobody need wait for the answer of the dead.
                        () = self.cluster.gone(&peer) => None,
                        // What is parked there keeps this process from ending, and is asked again.
                        () = self.draining.cancelled(), if question.polls => None,
                    }
                };
                self.by(if again { tried } else { late }, asking, answered).await.flatten()
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

    /// What comes of a wait, unless it takes too long; much too long, and this process stood still.
    async fn by<T>(
        &self,
        until: Mono,
        asking: &Asking,
        wait: impl Future<Output = T>,
    ) -> Option<T> {
        let done = tokio::select! {
            biased;
            done = wait => Some(done),
            () = self.clock.until(until) => None,
        };
        if self.now().since(until) >= SLEPT {
            asking.sleeps();
        }
        done
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
        let mut request = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
        request.extensions_mut().insert(Counted);
        let answer = super::answer(&self.live, request).await;
        // What a node answers that slept through its lease may be old, unless it is the service's.
        if !self.cluster.may_serve() && answer.extensions().get::<Relayed>().is_none() {
            return None;
        }
        // Somebody else's by now, or taken up anew this very moment: that can only be asked again.
        answer.extensions().get::<Untaken>().is_none().then_some(answer)
    }

    fn now(&self) -> Mono {
        self.clock.now().mono
    }
}
