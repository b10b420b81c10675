//! Requests that other nodes passed on: what is under way for them, and whether their answers
//! reached the clients.
//!
//! Promised: a request is acted on once, however often a node asks it again, while it is under way,
//! while its answer is open, and for [`REMEMBERED_FOR`] after that; every time it is answered the
//! same. The receipts of an answer stay open until that node tells what became of it, at most
//! [`TOLD_WITHIN`]; then, and when the chat's next request has waited [`SETTLES_WITHIN`] for it,
//! the answer counts as lost, as that of a connection that broke, and the request is forgotten. A
//! poll that nobody waits for is given up after [`LINK_GRACE`]. Not promised: anything after the
//! chat went to another node: what is asked again there is asked as after a crash.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use uuid::Uuid;

use super::super::receipted::receipts_of;
use super::super::reply;
use crate::adapter::Receipt;
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::cluster::awaited::Awaited;
use crate::cluster::forward::ANSWER_BYTES_MAX;
use crate::cluster::told::{TELL_FOR, Told};
use crate::time::Mono;
use crate::wire::liveagent::INTERNAL_ERROR;

/// Requests of one chat that are under way or whose answers are open.
const OPEN_PER_CHAT: usize = 32;
/// The longest wait for what became of an answer.
const TOLD_WITHIN: Duration = TELL_FOR;
/// The longest wait of a chat's next request for what became of the answers before it.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
/// How long a poll goes on that no connection waits for: the node that asked may ask again.
const LINK_GRACE: Duration = Duration::from_secs(3);
/// How long it is known that a request was dealt with.
const REMEMBERED_FOR: Duration = Duration::from_secs(30);
/// Requests that are remembered so; past it the oldest are forgotten.
const REMEMBERED_MAX: usize = 50_000;
/// The wait for an answer's body.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The requests of other nodes; clones are one.
#[derive(Clone)]
pub(super) struct Passages {
    all: Arc<Mutex<All>>,
    clock: Clock,
}

#[derive(Default)]
struct All {
    by_id: HashMap<Uuid, Arc<Passage>>,
    of_chat: HashMap<ChatId, Vec<Arc<Passage>>>,
    /// Those that were dealt with.
    done: VecDeque<(Mono, Uuid)>,
}

/// One request.
pub(super) struct Passage {
    id: Uuid,
    chat: ChatId,
    stage: Awaited<Stage>,
    /// What the node said that asked.
    told: Awaited<Option<bool>>,
    /// Nothing was said, and the chat's next request waited long enough for it.
    given_up: AtomicBool,
    /// Connections that wait for the answer.
    waiting: Awaited<usize>,
}

#[derive(Clone)]
enum Stage {
    UnderWay,
    /// Its answer is open.
    Answered(Kept),
    /// There is, or was, nothing to answer here.
    Over,
}

/// An answer that can be given more than once.
#[derive(Clone)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// Whether anybody wants to know that it was handed over.
    receipted: bool,
}

/// What a request turns out to be.
pub(super) enum Entered {
    /// It was not asked before: act on it, and call [`Passages::work`].
    New(Arc<Passage>),
    /// It was.
    Known(Arc<Passage>),
    /// There are too many of this chat.
    TooMany,
}

impl Passages {
    pub(super) fn new(clock: Clock) -> Self {
        Self { all: Arc::default(), clock }
    }

    /// A request that another node passed on.
    pub(super) fn enter(&self, id: Uuid, chat: ChatId) -> Entered {
        let mut all = self.all();
        let now = self.clock.now().mono;
        while let Some((at, done)) = all.done.front().copied()
            && (now.since(at) >= REMEMBERED_FOR || all.done.len() > REMEMBERED_MAX)
        {
            all.done.pop_front();
            all.by_id.remove(&done);
        }
        if let Some(known) = all.by_id.get(&id) {
            return Entered::Known(known.clone());
        }
        let of_chat = all.of_chat.entry(chat).or_default();
        if of_chat.len() >= OPEN_PER_CHAT {
            return Entered::TooMany;
        }
        let passage = Arc::new(Passage {
            id,
            chat,
            stage: Awaited::new(Stage::UnderWay),
            told: Awaited::new(None),
            given_up: AtomicBool::new(false),
            waiting: Awaited::new(0),
        });
        of_chat.push(passage.clone());
        all.by_id.insert(id, passage.clone());
        Entered::New(passage)
    }

    /// A node says what became of an answer; what nobody waits for any more is passed over.
    pub(super) fn told(&self, told: Told) {
        if let Some(passage) = self.all().by_id.get(&told.id) {
            passage.told.change(|known| {
                known.get_or_insert(told.written);
            });
        }
    }

    /// Does the work of a new request: `answer` is `None` when the chat took nothing. A poll ends
    /// with the last who wants its answer.
    pub(super) async fn work(
        &self,
        passage: &Passage,
        polls: bool,
        answer: impl Future<Output = Option<Response<Body>>>,
    ) {
        let answer = async { Some(kept(answer.await?).await) };
        let (kept, receipts) = tokio::select! {
            biased;
            answer = answer => match answer {
                Some(kept) => kept,
                None => return self.forget(passage),
            },
            () = passage.unwanted(&self.clock), if polls => return self.forget(passage),
        };
        let receipted = kept.receipted;
        passage.stage.change(|stage| *stage = Stage::Answered(kept));
        let within = if receipted { TOLD_WITHIN } else { REMEMBERED_FOR };
        let until = self.clock.now().mono.plus(within);
        let told = tokio::select! {
            biased;
            told = passage.told.until(|told| *told) => Some(told),
            () = self.clock.until(until) => None,
        };
        match told {
            Some(true) => receipts.into_iter().for_each(Receipt::written),
            // Before anybody hears that it is over.
            Some(false) | None => drop(receipts),
        }
        match told.filter(|_| !passage.given_up.load(Ordering::Relaxed)) {
            Some(_) => self.remember(passage),
            None => self.forget(passage),
        }
    }

    /// Waits until it is known what became of the chat's earlier answers.
    pub(super) async fn settled(&self, chat: ChatId) {
        let open: Vec<Arc<Passage>> = {
            let all = self.all();
            let of_chat = all.of_chat.get(&chat).into_iter().flatten();
            of_chat.filter(|passage| passage.is_open()).cloned().collect()
        };
        if open.is_empty() {
            return;
        }
        let over = || join_all(open.iter().map(|passage| passage.over()));
        let until = self.clock.now().mono.plus(SETTLES_WITHIN);
        tokio::select! {
            biased;
            _ = over() => return,
            () = self.clock.until(until) => {}
        }
        for passage in &open {
            passage.given_up.store(true, Ordering::Relaxed);
            self.told(Told { id: passage.id, written: false });
        }
        over().await;
    }

    /// The request is dealt with: asked again, it is not acted on.
    fn remember(&self, passage: &Passage) {
        let mut all = self.all();
        all.close(passage);
        all.done.push_back((self.clock.now().mono, passage.id));
        drop(all);
        passage.stage.change(|stage| *stage = Stage::Over);
    }

    /// The request was not acted on, or nobody can tell: asked again, it is a new one.
    fn forget(&self, passage: &Passage) {
        let mut all = self.all();
        all.close(passage);
        all.by_id.remove(&passage.id);
        drop(all);
        passage.stage.change(|stage| *stage = Stage::Over);
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn close(&mut self, passage: &Passage) {
        if let Some(of_chat) = self.of_chat.get_mut(&passage.chat) {
            of_chat.retain(|open| open.id != passage.id);
            if of_chat.is_empty() {
                self.of_chat.remove(&passage.chat);
            }
        }
    }
}

impl Passage {
    /// The answer, once there is one; `None` when there is nothing to answer here.
    pub(super) async fn answer(&self) -> Option<Response<Body>> {
        let _waits = Waits::new(self);
        let answered = |stage: &Stage| match stage {
            Stage::UnderWay => None,
            Stage::Answered(kept) => Some(Some(kept.clone())),
            Stage::Over => Some(None),
        };
        self.stage.until(answered).await.map(|kept| kept.response())
    }

    pub(super) const fn chat(&self) -> ChatId {
        self.chat
    }

    /// Whether it is about to be known what became of its answer, or of it without one.
    fn is_open(&self) -> bool {
        let told = self.told.now(Option::is_some);
        self.stage.now(|stage| match stage {
            Stage::UnderWay => told,
            Stage::Answered(kept) => kept.receipted,
            Stage::Over => false,
        })
    }

    async fn over(&self) {
        self.stage.until(|stage| matches!(stage, Stage::Over).then_some(())).await;
    }

    /// Returns when the client is known to have left, or nobody has waited for a while.
    async fn unwanted(&self, clock: &Clock) {
        let left = self.told.until(|told| *told);
        let abandoned = async {
            loop {
                self.waiting.until(|waiting| (*waiting == 0).then_some(())).await;
                let until = clock.now().mono.plus(LINK_GRACE);
                tokio::select! {
                    biased;
                    () = clock.until(until) => return,
                    () = self.waiting.until(|waiting| (*waiting > 0).then_some(())) => {}
                }
            }
        };
        tokio::select! {
            biased;
            _ = left => {}
            () = abandoned => {}
        }
    }
}

/// Somebody waits for the answer.
struct Waits<'a>(&'a Passage);

impl<'a> Waits<'a> {
    fn new(passage: &'a Passage) -> Self {
        passage.waiting.change(|waiting| *waiting += 1);
        Self(passage)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.change(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

impl Kept {
    fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// An answer apart from its receipts. One that is too large or too slow is none.
async fn kept(mut answer: Response<Body>) -> (Kept, Vec<Receipt>) {
    let receipts = receipts_of(&mut answer);
    let (head, body) = answer.into_parts();
    let read = tokio::time::timeout(BODY_WITHIN, Limited::new(body, ANSWER_BYTES_MAX).collect());
    if let Ok(Ok(body)) = read.await {
        let receipted = !receipts.is_empty();
        let (status, headers, body) = (head.status, head.headers, body.to_bytes());
        return (Kept { status, headers, body, receipted }, receipts);
    }
    tracing::warn!("an answer for another node was too large, or broke off");
    let (head, _) = reply::failed().into_parts();
    let (status, headers) = (head.status, head.headers);
    let body = Bytes::from_static(INTERNAL_ERROR.as_bytes());
    (Kept { status, headers, body, receipted: false }, Vec::new())
}
