//! One node's way to the store that all share: it can be cut, and counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::store::shared::{Beat, Claim, Fence, Node, Owner, Shared};
use liveagent_bridge::store::{Change, Commit, Loaded, NewChat, Store, StoreError};
use liveagent_bridge::time::Wall;
use uuid::Uuid;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Open.
    Open,
    /// Everything that is asked is an error.
    Cut,
    /// Nothing that is asked is answered.
    Hangs,
    /// Everything that is asked takes a while, and not all of it the same.
    Slow,
    /// Beats are errors.
    NoBeats,
}

/// A way to the store.
#[derive(Debug)]
pub(crate) struct Way {
    store: MemoryStore,
    state: Mutex<State>,
    owners: AtomicUsize,
    slow: AtomicUsize,
}

impl Way {
    pub(super) fn new(store: MemoryStore) -> Self {
        let (owners, slow) = (AtomicUsize::default(), AtomicUsize::default());
        Self { store, state: Mutex::new(State::Open), owners, slow }
    }

    /// From now on it is so.
    pub(crate) fn is(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    /// How often it was asked whose a chat is.
    pub(crate) fn owners(&self) -> usize {
        self.owners.load(Ordering::Relaxed)
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap()
    }

    async fn through(&self) -> Result<&MemoryStore, StoreError> {
        match self.state() {
            State::Open | State::NoBeats => Ok(&self.store),
            State::Cut => Err(cut()),
            State::Hangs => std::future::pending().await,
            State::Slow => {
                let nth = self.slow.fetch_add(1, Ordering::Relaxed) as u64;
                let wait = Duration::from_millis(50 + nth * 37 % 200);
                let late = std::future::pending::<()>();
                let _ = tokio::time::timeout(wait, late).await;
                Ok(&self.store)
            }
        }
    }
}

fn cut() -> StoreError {
    StoreError::Engine { detail: "the way is cut".to_owned() }
}

#[async_trait]
impl Store for Way {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        self.through().await?.open(chat, first).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.through().await?.commit(commit).await
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        self.through().await?.load(chat).await
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.through().await?.unfinished(after, limit).await
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.through().await?.stored(after, limit).await
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        self.through().await?.purge(ended_before).await
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        self.through().await?.erase(chat).await
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.through().await?.changes_after(number, limit).await
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        self.through().await?.append_change(at, body, after).await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.through().await?.writable().await
    }
}

#[async_trait]
impl Shared for Way {
    async fn beat(&self, beat: &Beat, lease: Duration) -> Result<Vec<Node>, StoreError> {
        if self.state() == State::NoBeats {
            return Err(cut());
        }
        self.through().await?.beat(beat, lease).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.through().await?.nodes().await
    }

    async fn leave(&self, incarnation: Uuid) -> Result<(), StoreError> {
        self.through().await?.leave(incarnation).await
    }

    async fn open_as(&self, chat: NewChat, first: Vec<u8>, owner: Uuid) -> Result<(), StoreError> {
        self.through().await?.open_as(chat, first, owner).await
    }

    async fn commit_as(&self, commit: Commit, fence: Fence) -> Result<(), StoreError> {
        self.through().await?.commit_as(commit, fence).await
    }

    async fn claim(&self, chat: Uuid, claimant: Uuid) -> Result<Claim, StoreError> {
        self.through().await?.claim(chat, claimant).await
    }

    async fn claim_orphans(
        &self,
        claimant: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        self.through().await?.claim_orphans(claimant, limit).await
    }

    async fn owner(&self, chat: Uuid) -> Result<Option<Owner>, StoreError> {
        self.owners.fetch_add(1, Ordering::Relaxed);
        self.through().await?.owner(chat).await
    }

    async fn owned(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, StoreError> {
        self.through().await?.owned(owner).await
    }
}
