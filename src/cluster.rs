//! Several nodes over one store: who lives, whose a chat is, and how a request gets there.
//!
//! Reading order: `lease` (may this node serve? pure), this file (the handle: what is held, where
//! others are), `owned` (the store as chats see it: fenced), `beat` (what runs beside), `doubt`
//! (whether others live and answer), `forward` (a request to another node), `told` (what became of
//! its answer); `awaited` is where one waits for a change. `facade::placed` is what requests go
//! through.
//!
//! Promised: a chat is worked on by one node at a time; of two that think they have it, the one
//! whose claim is older writes nothing. A node that could not renew its lease answers nothing from
//! memory until it knows what is still its own. Nobody's death is decided by anybody but the
//! store's clock. Not promised: that requests find a chat at once while its owner dies; they wait.

pub(crate) mod awaited;
pub mod beat;
pub mod doubt;
pub mod forward;
pub mod lease;
pub mod owned;
pub mod told;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::adapter::transport::Transport;
use crate::chat::ids::ChatId;
use crate::chat::mutation::{self, Mutation};
use crate::clock::Clock;
use crate::random;
use crate::store::StoreError;
use crate::store::shared::{Beat, Claim, FIRST_EPOCH, Fence, Node, Owner, Shared};
use crate::time::Mono;
use doubt::Seen;
use forward::Seal;
use lease::Lease;
use told::Telling;

/// Chats of other nodes whose owners are remembered; past it all are asked for again.
const KNOWN_MAX: usize = 50_000;
/// When it is first looked whether a chat that has not begun here began elsewhere, and the longest
/// pause after that: there are as many looks as sessions that never ask for their chat.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What people call it.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Its configuration in one word.
    pub fingerprint: String,
}

/// What works on the chats of this node.
#[async_trait]
pub trait Residents: Send + Sync + 'static {
    /// A chat is not worked on any more by whoever took it in this epoch or an earlier one: stop
    /// that, without a word. Who took it later, or is about to, goes on. Must return at once.
    fn lost(&self, chat: ChatId, epoch: u64);
    /// A chat is this node's now, in this epoch, and held, so that what is stored is the last word
    /// until it is written here: go on with it.
    ///
    /// # Errors
    /// When it could not be read; it is tried again.
    async fn take_up(&self, chat: ChatId, epoch: u64) -> Result<(), StoreError>;
    /// How many chats are worked on.
    fn count(&self) -> usize;
    /// Whether something works on this chat.
    fn holds(&self, chat: ChatId) -> bool;
    /// So many nodes share what an org allows.
    fn live_nodes(&self, nodes: usize);
}

/// This node among the others; clones are one.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    incarnation: Uuid,
    identity: RwLock<Identity>,
    store: Arc<dyn Shared>,
    clock: Clock,
    link: Arc<dyn Transport>,
    seal: Seal,
    lease: Mutex<Lease>,
    seen: Seen,
    /// The chats that are ours, with their epochs.
    held: Mutex<BTreeMap<Uuid, u64>>,
    /// Whose the chats of others were when it was last looked.
    known: Mutex<BTreeMap<Uuid, Peer>>,
    /// What is still to be told of other nodes' answers.
    telling: Mutex<Telling>,
    /// Kept by what runs beside: they have this handle themselves.
    residents: OnceLock<Weak<dyn Residents>>,
    forwarded: AtomicU64,
    taken_over: AtomicU64,
    let_go: AtomicU64,
    /// Nothing beats any more.
    left: CancellationToken,
}

/// Another node has the chat.
struct Elsewhere;

/// What happened since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were passed on and answered.
    pub forwarded: u64,
    /// Chats that were another node's.
    pub taken_over: u64,
    /// Chats that are somebody else's now.
    pub let_go: u64,
}

/// Another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its run of the program.
    pub incarnation: Uuid,
    /// Where it is reached.
    pub address: String,
}

/// Where a chat is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This node works on it, or can begin to without asking anybody.
    Here,
    /// Nobody who lives has it: it can be claimed.
    Free,
    /// It is not stored: it has not begun, or was forgotten.
    Nowhere,
    /// Another node has it.
    At(Peer),
}

impl Cluster {
    /// A node over a shared store; it begins to beat with [`Cluster::run`]. `link` reaches other
    /// nodes; `secrets` seal what is passed to them, the first one for sending.
    #[must_use]
    pub fn new(
        identity: Identity,
        store: Arc<dyn Shared>,
        link: Arc<dyn Transport>,
        secrets: &[[u8; 32]],
        clock: Clock,
    ) -> Self {
        let inner = Inner {
            incarnation: random::uuid(),
            identity: RwLock::new(identity),
            store,
            clock,
            link,
            seal: Seal::new(secrets),
            lease: Mutex::new(Lease::new()),
            seen: Seen::default(),
            held: Mutex::default(),
            known: Mutex::default(),
            telling: Mutex::default(),
            residents: OnceLock::new(),
            forwarded: AtomicU64::new(0),
            taken_over: AtomicU64::new(0),
            let_go: AtomicU64::new(0),
            left: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// This run of the program.
    #[must_use]
    pub fn incarnation(&self) -> Uuid {
        self.inner.incarnation
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.inner.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The configuration was read again; told with the next beat.
    pub fn configured_as(&self, fingerprint: String) {
        let mut identity = self.inner.identity.write().unwrap_or_else(PoisonError::into_inner);
        identity.fingerprint = fingerprint;
    }

    /// The store that all share, for looking at the nodes.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Shared> {
        self.inner.store.clone()
    }

    /// Every node as it was seen last.
    #[must_use]
    pub fn nodes(&self) -> Arc<Vec<Node>> {
        self.inner.seen.nodes()
    }

    /// The other nodes that live, with their names.
    #[must_use]
    pub fn others(&self) -> Vec<(String, Peer)> {
        let nodes = self.nodes();
        let live = nodes.iter().filter(|node| node.live).map(|node| &node.told);
        let others = live.filter(|told| told.incarnation != self.incarnation());
        let peer =
            |told: &Beat| Peer { incarnation: told.incarnation, address: told.address.clone() };
        others.map(|told| (told.name.clone(), peer(told))).collect()
    }

    /// What happened since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Inner { forwarded, taken_over, let_go, .. } = &*self.inner;
        Counts { forwarded: read(forwarded), taken_over: read(taken_over), let_go: read(let_go) }
    }

    /// Whether what is in memory may be answered from.
    #[must_use]
    pub fn may_serve(&self) -> bool {
        self.lease().may_serve(self.inner.clock.now().mono) || mutation::on(Mutation::SelfFencing)
    }

    /// Live nodes whose configuration is not this one's.
    #[must_use]
    pub fn configured_otherwise(&self) -> Vec<Node> {
        let mine = self.identity().fingerprint;
        let nodes = self.nodes();
        let others = nodes.iter().filter(|node| node.live && node.told.fingerprint != mine);
        others.filter(|node| node.told.incarnation != self.incarnation()).cloned().collect()
    }

    /// Whether something at this node works on this chat.
    #[must_use]
    pub fn works_on(&self, chat: ChatId) -> bool {
        self.residents().is_some_and(|residents| residents.holds(chat))
    }

    /// Whether this chat is held here.
    #[must_use]
    pub fn holds(&self, chat: ChatId) -> bool {
        self.held().contains_key(&chat.0)
    }

    /// Where a chat is.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn place(&self, chat: ChatId) -> Result<Place, StoreError> {
        if self.holds(chat) {
            return Ok(Place::Here);
        }
        if let Some(peer) = self.known().get(&chat.0).cloned() {
            return Ok(Place::At(peer));
        }
        let Some(owner) = self.inner.store.owner(chat.0).await? else { return Ok(Place::Nowhere) };
        Ok(match owner {
            Owner { incarnation: Some(own), .. } if own == self.incarnation() => Place::Here,
            Owner { incarnation: Some(incarnation), address: Some(address), .. } => {
                let peer = Peer { incarnation, address };
                let mut known = self.known();
                if known.len() >= KNOWN_MAX {
                    known.clear();
                }
                known.insert(chat.0, peer.clone());
                Place::At(peer)
            }
            _ => Place::Free,
        })
    }

    /// Another node, any that lives, where a chat can begin once this one has left.
    #[must_use]
    pub fn stays(&self) -> Option<Peer> {
        if !self.inner.left.is_cancelled() {
            return None;
        }
        let mut others = self.others();
        let [drawn] = random::bytes::<1>();
        let at = usize::from(drawn).checked_rem(others.len())?;
        Some(others.swap_remove(at).1)
    }

    /// Forgets where a chat was: it was not there.
    pub fn not_there(&self, chat: ChatId) {
        self.known().remove(&chat.0);
    }

    /// Returns when a chat turns out to have begun at another node.
    pub async fn begins_elsewhere(&self, chat: ChatId) {
        let mut pause = LOOK_EVERY.0;
        loop {
            self.wait(pause).await;
            pause = (pause * 2).min(LOOK_EVERY.1);
            if let Ok(Place::At(_)) = self.place(chat).await {
                return;
            }
        }
    }

    /// The chat's owner gave it up or died: it is ours, in a new epoch, unless another node has it.
    async fn claim(&self, chat: Uuid) -> Result<Option<Result<u64, Elsewhere>>, StoreError> {
        match self.inner.store.claim(chat, self.incarnation()).await? {
            Claim::Taken { epoch, from } => {
                if from.is_some_and(|from| from != self.incarnation()) {
                    self.inner.taken_over.fetch_add(1, Ordering::Relaxed);
                }
                self.hold(&[(chat, epoch)]);
                Ok(Some(Ok(epoch)))
            }
            Claim::Held { .. } => Ok(Some(Err(Elsewhere))),
            Claim::Unknown => Ok(None),
        }
    }

    /// These chats are ours. Of two claims of our own the later one holds, whichever answer comes
    /// first; whoever worked on a chat under an earlier one stops.
    fn hold(&self, chats: &[(Uuid, u64)]) {
        let mut held = self.held();
        for (chat, epoch) in chats {
            let known = held.entry(*chat).or_default();
            *known = (*known).max(*epoch);
        }
        drop(held);
        for (chat, epoch) in chats.iter().filter(|(_, epoch)| *epoch > FIRST_EPOCH) {
            self.outlived(*chat, epoch - 1);
        }
    }

    /// Whoever took the chat in this epoch or before has it no more.
    fn outlived(&self, chat: Uuid, epoch: u64) {
        if let Some(residents) = self.residents() {
            residents.lost(ChatId(chat), epoch);
        }
    }

    /// A chat is stored no more: what we had in this epoch is nothing.
    fn forget(&self, chat: Uuid, epoch: u64) {
        let mut held = self.held();
        if held.get(&chat) == Some(&epoch) {
            held.remove(&chat);
        }
    }

    /// The fence of a chat of ours.
    fn fence(&self, chat: Uuid) -> Option<Fence> {
        let epoch = self.held().get(&chat).copied()?;
        Some(Fence { owner: self.incarnation(), epoch })
    }

    /// Another node has what we had in this epoch. Should the chat be claimed again before those
    /// who work on it are told, the epoch says whom it is about.
    fn lost(&self, chat: Uuid, epoch: u64) {
        let mut held = self.held();
        if held.get(&chat) != Some(&epoch) {
            return;
        }
        held.remove(&chat);
        drop(held);
        self.inner.let_go.fetch_add(1, Ordering::Relaxed);
        tracing::info!(%chat, "a chat belongs to another node now; it is let go here");
        self.outlived(chat, epoch);
    }

    fn beat(&self, chats: usize) -> Beat {
        let Identity { name, address, fingerprint } = self.identity();
        Beat { incarnation: self.incarnation(), name, address, fingerprint, chats: chats as u64 }
    }

    fn residents(&self) -> Option<Arc<dyn Residents>> {
        self.inner.residents.get().and_then(Weak::upgrade)
    }

    async fn wait(&self, time: Duration) {
        let clock = &self.inner.clock;
        clock.until(clock.now().mono.plus(time)).await;
    }

    fn now(&self) -> Mono {
        self.inner.clock.now().mono
    }

    // No code panics while it holds one of these, and every change is made in one go.
    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.inner.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Uuid, u64>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Uuid, Peer>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("incarnation", &self.inner.incarnation).finish()
    }
}
