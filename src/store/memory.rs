//! A store in memory: the model that the others are compared with, and the store of tests under
//! paused time, because it answers at the first poll and so never lets tokio skip ahead.
//!
//! Promised: the whole contract but durability, and that of `shared`. Clones share what they
//! remember, so a test can drop everything else, "restart", and go on with a clone.
//! [`MemoryStore::stop_writes`] plays the part of a full disk, [`MemoryStore::doubt_lease`] that of
//! a node whose lease may have lapsed.

mod owners;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use self::owners::Owners;
use super::{Change, Commit, Loaded, NewChat, Store, StoreError, within_limit};
use crate::clock::Clock;
use crate::time::Wall;

/// Remembers until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    memory: Arc<Mutex<Memory>>,
    /// What leases are measured by.
    clock: Clock,
}

#[derive(Debug, Default)]
struct Memory {
    chats: BTreeMap<Uuid, Loaded>,
    changes: Vec<Change>,
    owners: Owners,
    writes: u64,
    loads: u64,
    stopped: bool,
    doubtful: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { memory: Arc::default(), clock: Clock::system() }
    }

    /// How many writes (chats opened, commits, changes) have succeeded.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// How many chats were asked for.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.lock().loads
    }

    /// From now on every write answers [`StoreError::Full`], until [`Self::resume_writes`].
    pub fn stop_writes(&self) {
        self.lock().stopped = true;
    }

    /// Writes work again.
    pub fn resume_writes(&self) {
        self.lock().stopped = false;
    }

    /// Says from now on that nothing may be acted on ([`Store::may_act`]), or that it may again.
    pub fn doubt_lease(&self, doubtful: bool) {
        self.lock().doubtful = doubtful;
    }

    // No code panics while it holds the lock, and every change below is made in one go.
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_to_write(&self) -> Result<MutexGuard<'_, Memory>, StoreError> {
        let memory = self.lock();
        if memory.stopped { Err(StoreError::Full) } else { Ok(memory) }
    }
}

impl Memory {
    fn open(&mut self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        within_limit("delta", &first)?;
        if self.chats.contains_key(&chat.id) {
            return Err(StoreError::AlreadyThere { chat: chat.id });
        }
        let loaded = Loaded {
            tenant: chat.tenant,
            snapshot: None,
            deltas: vec![first],
            next_number: 2,
            ended_at: None,
            epoch: None,
        };
        self.chats.insert(chat.id, loaded);
        self.writes += 1;
        Ok(())
    }

    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        within_limit("delta", &commit.delta)?;
        within_limit("snapshot", commit.snapshot.as_deref().unwrap_or_default())?;
        let chat = commit.chat;
        let stored = self.chats.get_mut(&chat).ok_or(StoreError::NoSuchChat { chat })?;
        let next = stored.next_number;
        if commit.number != next {
            return Err(StoreError::OutOfOrder { chat, got: commit.number, next });
        }
        stored.next_number += 1;
        if commit.snapshot.is_some() {
            stored.snapshot = commit.snapshot;
            stored.deltas.clear();
        } else {
            stored.deltas.push(commit.delta);
        }
        stored.ended_at = stored.ended_at.or(commit.ended_at);
        self.writes += 1;
        Ok(())
    }

    fn forget_owners(&mut self) {
        let Self { chats, owners, .. } = self;
        owners.retain(|chat| chats.contains_key(chat));
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        self.lock_to_write()?.open(chat, first)
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.lock_to_write()?.commit(commit)
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        let mut memory = self.lock();
        memory.loads += 1;
        Ok(memory.chats.get(&chat).cloned())
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let memory = self.lock();
        let open = memory.chats.iter().filter(|(_, chat)| chat.ended_at.is_none());
        let ids = open.map(|(id, _)| *id).filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).collect())
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let memory = self.lock();
        let ids = memory.chats.keys().copied().filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).collect())
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        let mut memory = self.lock_to_write()?;
        let before = memory.chats.len();
        memory.chats.retain(|_, chat| chat.ended_at.is_none_or(|ended| ended >= ended_before));
        let left = memory.chats.len();
        memory.forget_owners();
        Ok((before - left) as u64)
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        let mut memory = self.lock_to_write()?;
        let was_there = memory.chats.remove(&chat).is_some();
        memory.forget_owners();
        Ok(was_there)
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let memory = self.lock();
        let newer = memory.changes.iter().filter(|change| change.number > number);
        Ok(newer.take(limit as usize).cloned().collect())
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        within_limit("change", &body)?;
        let mut memory = self.lock_to_write()?;
        let last = memory.changes.len() as u64;
        if after != last {
            return Err(StoreError::Conflict { last });
        }
        memory.changes.push(Change { number: last + 1, at, body });
        memory.writes += 1;
        Ok(last + 1)
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.lock_to_write().map(drop)
    }

    fn may_act(&self) -> bool {
        !self.lock().doubtful
    }
}
