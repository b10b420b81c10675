//! Leases and owners of the store in memory.
//!
//! Promised: the contract of [`super::super::shared`], by the clock of whoever made the store.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::super::shared::{Beat, Claim, FIRST_EPOCH, Fence, Node, Owner, Shared};
use super::super::{Commit, NewChat, StoreError};
use super::{Memory, MemoryStore};
use crate::chat::mutation::{self, Mutation};
use crate::time::{Mono, Now, Wall};

/// A node whose lease lapsed is shown for this long.
const LAPSED_SHOWN: Duration = Duration::from_secs(3_600);

/// Nodes, and whose each chat is.
#[derive(Debug, Default)]
pub(super) struct Owners {
    nodes: BTreeMap<Uuid, Lease>,
    chats: BTreeMap<Uuid, Fence>,
}

#[derive(Debug)]
struct Lease {
    told: Beat,
    since: Wall,
    until: Mono,
}

impl Owners {
    pub(super) fn retain(&mut self, keep: impl Fn(&Uuid) -> bool) {
        self.chats.retain(|chat, _| keep(chat));
    }

    fn is_live(&self, node: Uuid, now: Now) -> bool {
        self.nodes.get(&node).is_some_and(|lease| lease.until > now.mono)
    }

    fn list(&self, now: Now) -> Vec<Node> {
        let each = self.nodes.values().map(|lease| Node {
            told: lease.told.clone(),
            since: lease.since,
            live: lease.until > now.mono,
        });
        each.collect()
    }

    /// The owner that nobody may take the chat from.
    fn holder(&self, chat: Uuid, now: Now) -> Option<Uuid> {
        let owner = self.chats.get(&chat)?.owner;
        self.is_live(owner, now).then_some(owner)
    }

    fn give(&mut self, chat: Uuid, owner: Uuid) -> u64 {
        let epoch = self.chats.get(&chat).map_or(0, |fence| fence.epoch) + 1;
        self.chats.insert(chat, Fence { owner, epoch });
        epoch
    }
}

impl Memory {
    fn is_running(&self, chat: Uuid) -> bool {
        self.chats.get(&chat).is_some_and(|chat| chat.ended_at.is_none())
    }
}

#[async_trait]
impl Shared for MemoryStore {
    async fn beat(&self, beat: &Beat, lease: Duration) -> Result<Vec<Node>, StoreError> {
        let now = self.clock.now();
        let mut memory = self.lock_to_write()?;
        let nodes = &mut memory.owners.nodes;
        nodes.retain(|_, lease| now.mono.since(lease.until) < LAPSED_SHOWN);
        let since = nodes.get(&beat.incarnation).map_or(now.wall, |lease| lease.since);
        let lease = Lease { told: beat.clone(), since, until: now.mono.plus(lease) };
        nodes.insert(beat.incarnation, lease);
        Ok(memory.owners.list(now))
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let now = self.clock.now();
        Ok(self.lock().owners.list(now))
    }

    async fn leave(&self, incarnation: Uuid) -> Result<(), StoreError> {
        self.lock_to_write()?.owners.nodes.remove(&incarnation);
        Ok(())
    }

    async fn open_as(&self, chat: NewChat, first: Vec<u8>, owner: Uuid) -> Result<(), StoreError> {
        let mut memory = self.lock_to_write()?;
        let id = chat.id;
        memory.open(chat, first)?;
        memory.owners.chats.insert(id, Fence { owner, epoch: FIRST_EPOCH });
        Ok(())
    }

    async fn commit_as(&self, commit: Commit, fence: Fence) -> Result<(), StoreError> {
        let mut memory = self.lock_to_write()?;
        let chat = commit.chat;
        let holds = memory.owners.chats.get(&chat) == Some(&fence);
        let fenced = !holds && !mutation::on(Mutation::Fencing);
        if memory.chats.contains_key(&chat) && fenced {
            return Err(StoreError::Fenced { chat });
        }
        memory.commit(commit)
    }

    async fn claim(&self, chat: Uuid, claimant: Uuid) -> Result<Claim, StoreError> {
        let now = self.clock.now();
        let mut memory = self.lock_to_write()?;
        if !memory.chats.contains_key(&chat) {
            return Ok(Claim::Unknown);
        }
        match memory.owners.holder(chat, now).filter(|owner| *owner != claimant) {
            Some(owner) => Ok(Claim::Held { owner }),
            None if !memory.owners.is_live(claimant, now) => Err(StoreError::Fenced { chat }),
            None => {
                let from = memory.owners.chats.get(&chat).map(|fence| fence.owner);
                Ok(Claim::Taken { epoch: memory.owners.give(chat, claimant), from })
            }
        }
    }

    async fn claim_orphans(
        &self,
        claimant: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let now = self.clock.now();
        let mut memory = self.lock_to_write()?;
        if !memory.owners.is_live(claimant, now) {
            return Ok(Vec::new());
        }
        let free = |id: &Uuid| memory.is_running(*id) && memory.owners.holder(*id, now).is_none();
        let ids = memory.chats.keys().copied().filter(free).take(limit as usize);
        let ids: Vec<Uuid> = ids.collect();
        Ok(ids.into_iter().map(|id| (id, memory.owners.give(id, claimant))).collect())
    }

    async fn owner(&self, chat: Uuid) -> Result<Option<Owner>, StoreError> {
        let now = self.clock.now();
        let memory = self.lock();
        if !memory.chats.contains_key(&chat) {
            return Ok(None);
        }
        let Some(fence) = memory.owners.chats.get(&chat) else {
            return Ok(Some(Owner { incarnation: None, epoch: 0, address: None }));
        };
        let lease = memory.owners.nodes.get(&fence.owner).filter(|lease| lease.until > now.mono);
        Ok(Some(Owner {
            incarnation: Some(fence.owner),
            epoch: fence.epoch,
            address: lease.map(|lease| lease.told.address.clone()),
        }))
    }

    async fn owned(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let memory = self.lock();
        let owned = memory.owners.chats.iter().filter(|(_, fence)| fence.owner == owner);
        let running = owned.filter(|(chat, _)| memory.is_running(**chat));
        Ok(running.map(|(chat, fence)| (*chat, fence.epoch)).collect())
    }
}
