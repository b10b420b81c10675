//! Every translated chat of this process: finds the task of a chat or starts it.
//!
//! Promised: at most one task per chat; a chat whose task left is loaded from the store when
//! somebody asks for it; a request that met a leaving task is handed to the next one.

mod failures;
mod view;

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Tenant;
use super::budget::TokenBudgets;
use super::files::FileMemory;
use super::task::{Envelope, Found, Seen, Taken, Task};
use crate::adapter::transport::Transport;
use crate::adapter::{Answer, Chats, Uploads, VisitorFile};
use crate::chat::ids::ChatId;
use crate::chat::text::Text;
use crate::chat::visitor::{FileInfo, Post, VisitorCommand};
use crate::chat::{Reply, ReplyTo};
use crate::clock::Clock;
use crate::config::Limits;
use crate::store::{Loaded, Store, StoreError};
pub use failures::Failures;
pub use view::End;

/// Chats taken up at once when the process starts.
const RECOVERY_PAGE: u32 = 200;
/// Chats of an earlier process go on one after the other, this far apart: each opens a stream.
const RECOVERY_GAP: Duration = Duration::from_millis(2);
/// Chats remembered as finished by this process.
const FINISHED_MAX: usize = 10_000;
/// A request meets a leaving task at most this often.
const MEETINGS_MAX: usize = 4;

/// What every task shares.
pub struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    pub(super) transport: Arc<dyn Transport>,
    limits: RwLock<Limits>,
    pub(super) shutdown: CancellationToken,
    pub(super) tokens: TokenBudgets,
    pub(super) failures: Failures,
    files: FileMemory,
    tasks: TaskTracker,
    seats: Mutex<HashMap<ChatId, Seat>>,
    finished: Mutex<Finished>,
    tenants: RwLock<HashMap<String, Arc<Tenant>>>,
    store_down: AtomicBool,
    streams_reopened: AtomicU64,
    /// Events of streams whose types are not known.
    pub(super) unknown_events: Arc<AtomicU64>,
}

struct Seat {
    tenant: String,
    glance: Seen,
    inbox: mpsc::Sender<Envelope>,
    /// Cancelled when the chat is another node's.
    let_go: CancellationToken,
    taken: Taken,
}

/// The chats whose tasks left with nothing left to do: the newest ones.
#[derive(Default)]
struct Finished {
    chats: HashSet<ChatId>,
    oldest_first: VecDeque<ChatId>,
}

impl Finished {
    fn add(&mut self, chat: ChatId) {
        if self.chats.insert(chat) {
            self.oldest_first.push_back(chat);
        }
        if self.oldest_first.len() > FINISHED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.chats.remove(&oldest);
        }
    }
}

/// The translated chats of this process.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
    next_reply: Arc<AtomicU64>,
}

impl Shared {
    fn seats(&self) -> std::sync::MutexGuard<'_, HashMap<ChatId, Seat>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tenant(&self, id: &str) -> Option<Arc<Tenant>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// The bounds of now.
    pub(super) fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the seat up unless somebody just asked for something.
    pub(super) fn may_leave(
        &self,
        chat: ChatId,
        inbox: &mut mpsc::Receiver<Envelope>,
        me: &mpsc::Sender<Envelope>,
    ) -> bool {
        let mut seats = self.seats();
        if !inbox.is_empty() {
            return false;
        }
        // Before the seat is free: the next task asks.
        self.finished().add(chat);
        free(&mut seats, chat, me);
        inbox.close();
        true
    }

    fn finished(&self) -> std::sync::MutexGuard<'_, Finished> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the chat's last task was of this process and had nothing left to do. What it knew
    /// is all stored, so that its chat is read again rather than recovered.
    pub(super) fn finished_here(&self, chat: ChatId) -> bool {
        self.finished().chats.contains(&chat)
    }

    /// Gives the seat up and returns what came meanwhile.
    pub(super) fn leave(
        &self,
        chat: ChatId,
        inbox: &mut mpsc::Receiver<Envelope>,
        me: &mpsc::Sender<Envelope>,
    ) -> Vec<Envelope> {
        if !inbox.is_closed() {
            free(&mut self.seats(), chat, me);
            inbox.close();
        }
        let mut late = Vec::new();
        while let Ok(envelope) = inbox.try_recv() {
            late.push(envelope);
        }
        late
    }

    /// Counts a chat whose stream was opened again.
    pub(super) fn stream_reopened(&self) {
        self.streams_reopened.fetch_add(1, Ordering::Relaxed);
    }

    /// Says once that the store is back.
    pub(super) fn store_answered(&self) {
        if self.store_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the store takes writes again; chats go on");
        }
    }

    /// Says once that the store is down.
    pub(super) fn store_failed(&self, error: &StoreError) {
        if !self.store_down.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the store does not take writes; chats wait for it");
        }
    }
}

/// Frees the seat of a task, unless another one has it by now.
fn free(seats: &mut HashMap<ChatId, Seat>, chat: ChatId, me: &mpsc::Sender<Envelope>) {
    if seats.get(&chat).is_some_and(|seat| seat.inbox.same_channel(me)) {
        seats.remove(&chat);
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        transport: Arc<dyn Transport>,
        limits: Limits,
        tenants: impl IntoIterator<Item = Tenant>,
        shutdown: CancellationToken,
    ) -> Self {
        let tenants =
            tenants.into_iter().map(|tenant| (tenant.id.clone(), Arc::new(tenant))).collect();
        let shared = Shared {
            store,
            clock,
            transport,
            limits: RwLock::new(limits),
            shutdown,
            tokens: TokenBudgets::default(),
            failures: Failures::default(),
            files: FileMemory::default(),
            tasks: TaskTracker::new(),
            seats: Mutex::default(),
            finished: Mutex::default(),
            tenants: RwLock::new(tenants),
            store_down: AtomicBool::new(false),
            streams_reopened: AtomicU64::new(0),
            unknown_events: Arc::default(),
        };
        Self { shared: Arc::new(shared), next_reply: Arc::new(AtomicU64::new(1)) }
    }

    /// Takes up every chat that was not finished when the last process ended, but for those that
    /// `elsewhere` takes up. Each is read once; once all are read, their work begins one after the
    /// other, or when somebody asks for them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recover(
        &self,
        elsewhere: &(dyn Fn(uuid::Uuid, &Loaded) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let mut after = None;
        let mut found = Vec::new();
        loop {
            let page = self.shared.store.unfinished_chats(after, RECOVERY_PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, loaded) in page {
                let loaded = match loaded {
                    Ok(loaded) => loaded,
                    // The others do not wait for it.
                    Err(error) => {
                        tracing::error!(chat = %id, %error, "a chat was let go: it cannot be read");
                        continue;
                    }
                };
                if elsewhere(id, &loaded) {
                    continue;
                }
                match self.shared.tenant(&loaded.tenant) {
                    Some(tenant) => found.push((tenant, ChatId(id), loaded)),
                    None => tracing::warn!(
                        chat = %id, tenant = %loaded.tenant,
                        "a stored chat belongs to a tenant that is not configured"
                    ),
                }
            }
        }
        let count = found.len();
        let mut turn = self.shared.clock.now().mono;
        for (tenant, chat, loaded) in found {
            self.seat_with(&tenant, chat, Some(Found { loaded, turn }));
            turn = turn.plus(RECOVERY_GAP);
        }
        Ok(count)
    }

    /// Works from now on, by what was read of it, on a stored chat of this process; `false` when
    /// its tenant is not configured.
    pub fn take_up(&self, chat: ChatId, loaded: Loaded) -> bool {
        let Some(tenant) = self.shared.tenant(&loaded.tenant) else { return false };
        let turn = self.shared.clock.now().mono;
        self.seat_with(&tenant, chat, Some(Found { loaded, turn }));
        true
    }

    /// Stops working on a chat that was taken in this epoch or before and is another node's now, or
    /// was meanwhile, without a word to anybody: whoever waits for an answer is told by the drop.
    pub fn let_go(&self, chat: ChatId, epoch: u64) {
        let mut seats = self.shared.seats();
        let taken = seats.get(&chat).and_then(|seat| seat.taken.get().copied());
        if taken.is_some_and(|taken| taken <= epoch)
            && let Some(seat) = seats.remove(&chat)
        {
            seat.let_go.cancel();
        }
    }

    /// Whether a chat has a task.
    #[must_use]
    pub fn holds(&self, chat: ChatId) -> bool {
        self.shared.seats().contains_key(&chat)
    }

    /// So many processes share what an org allows.
    pub fn share_tokens(&self, processes: usize) {
        self.shared.tokens.share(processes);
    }

    /// Chats that begin from now on follow these tenants and limits. Running ones go on as they
    /// began, also those of a tenant that is not named any more.
    pub fn reconfigure(&self, limits: Limits, tenants: impl IntoIterator<Item = Tenant>) {
        *self.shared.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        let mut known = self.shared.tenants.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(tenants.into_iter().map(|tenant| (tenant.id.clone(), Arc::new(tenant))));
    }

    /// How many chats have a task.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.seats().len()
    }

    /// Whether no chat has a task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until every task has left; from now on none begins for a request. Cancel the shutdown
    /// token first.
    pub async fn drained(&self) {
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn full(&self, tenant: &Tenant) -> bool {
        let seats = self.shared.seats();
        let max = self.shared.limits().chats_per_tenant;
        seats.len() >= max && seats.values().filter(|seat| seat.tenant == tenant.id).count() >= max
    }

    /// The inbox of the chat's task, started when there is none.
    fn seat(&self, tenant: &Arc<Tenant>, chat: ChatId) -> mpsc::Sender<Envelope> {
        self.seat_with(tenant, chat, None)
    }

    fn seat_with(
        &self,
        tenant: &Arc<Tenant>,
        chat: ChatId,
        found: Option<Found>,
    ) -> mpsc::Sender<Envelope> {
        let mut seats = self.shared.seats();
        if let Some(seat) = seats.get(&chat)
            && !seat.inbox.is_closed()
        {
            return seat.inbox.clone();
        }
        let (sender, receiver) = mpsc::channel(self.shared.limits().inbox_per_chat);
        let glance = Seen::default();
        let let_go = CancellationToken::new();
        let taken = Taken::default();
        let seat = Seat {
            tenant: tenant.id.clone(),
            glance: glance.clone(),
            inbox: sender.clone(),
            let_go: let_go.clone(),
            taken: taken.clone(),
        };
        seats.insert(chat, seat);
        drop(seats);
        let shared = self.shared.clone();
        let task = Task::new(chat, tenant.clone(), shared, receiver, sender.clone(), glance)
            .with(found, taken);
        let registry = self.clone();
        let tenant = tenant.clone();
        self.shared.tasks.spawn(async move {
            let Some(late) = let_go.run_until_cancelled(Box::pin(task.run())).await else { return };
            for envelope in late {
                registry.hand_on(&tenant, chat, envelope);
            }
        });
        sender
    }

    fn hand_on(&self, tenant: &Arc<Tenant>, chat: ChatId, envelope: Envelope) {
        let ours = matches!(
            envelope,
            Envelope::Post { .. } | Envelope::Poll { .. } | Envelope::Reconnect { .. }
        );
        if ours {
            let sent = self.seat(tenant, chat).try_send(envelope);
            if let Err(mpsc::error::TrySendError::Full(envelope)) = sent {
                envelope.refuse();
            }
        }
    }

    async fn ask(
        &self,
        tenant: &str,
        chat: ChatId,
        envelope: impl FnOnce(ReplyTo, oneshot::Sender<Answer>) -> Envelope,
    ) -> Answer {
        let overloaded = Answer { reply: Reply::Overloaded, receipt: None };
        let dropped = Answer { reply: Reply::Dropped, receipt: None };
        let Some(tenant) = self.shared.tenant(tenant) else {
            return Answer { reply: Reply::Gone, receipt: None };
        };
        if self.full(&tenant) && !self.shared.seats().contains_key(&chat) {
            return overloaded;
        }
        let (to, answer) = oneshot::channel();
        let reply = ReplyTo(self.next_reply.fetch_add(1, Ordering::Relaxed));
        let mut envelope = envelope(reply, to);
        for _ in 0..MEETINGS_MAX {
            // Nothing begins any more; what others ask for would keep this process for ever.
            if self.shared.tasks.is_closed() && !self.holds(chat) {
                break;
            }
            let inbox = self.seat(&tenant, chat);
            match inbox.try_send(envelope) {
                Ok(()) => {
                    let mut gone = Gone { inbox: Some(inbox), reply };
                    let answer = answer.await;
                    gone.inbox = None;
                    return answer.unwrap_or(dropped);
                }
                Err(mpsc::error::TrySendError::Full(_)) => return overloaded,
                Err(mpsc::error::TrySendError::Closed(back)) => envelope = back,
            }
            tokio::task::yield_now().await;
        }
        dropped
    }
}

/// Tells the task when the client goes away before its answer.
struct Gone {
    inbox: Option<mpsc::Sender<Envelope>>,
    reply: ReplyTo,
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(inbox) = self.inbox.take() {
            // With a full inbox the poll stays parked until its hold time is over: no harm.
            let _ = inbox.try_send(Envelope::Told { reply: self.reply, written: false });
        }
    }
}

#[async_trait]
impl Chats for Registry {
    async fn post(&self, tenant: &str, chat: ChatId, post: Post) -> Answer {
        self.ask(tenant, chat, |reply, to| Envelope::Post { post, file: None, reply, to }).await
    }

    async fn poll(&self, tenant: &str, chat: ChatId, ack: Option<i64>, early: bool) -> Answer {
        self.ask(tenant, chat, |reply, to| Envelope::Poll { ack, early, reply, to }).await
    }

    async fn reconnect(&self, tenant: &str, chat: ChatId, offset: Option<i64>) -> Answer {
        self.ask(tenant, chat, |reply, to| Envelope::Reconnect { offset, reply, to }).await
    }
}

#[async_trait]
impl Uploads for Registry {
    async fn upload(&self, tenant: &str, chat: ChatId, file: VisitorFile) -> bool {
        let VisitorFile { name, kind, bytes } = file;
        let mut hasher = DefaultHasher::new();
        (&name, &kind, &bytes).hash(&mut hasher);
        let info = FileInfo { name: Text::from(name), kind, bytes: bytes.len() as u64 };
        let Some(held) = self.shared.files.hold(bytes) else {
            tracing::warn!(%chat, tenant, "no room for a visitor's file; it was refused");
            return false;
        };
        let command = VisitorCommand::Upload(info);
        let post = Post { sequence: None, fingerprint: hasher.finish(), command };
        let envelope = |reply, to| Envelope::Post { post, file: Some(held), reply, to };
        // Its receipt is dropped: the same file within half a minute is the same upload.
        self.ask(tenant, chat, envelope).await.reply == Reply::Ok
    }
}
