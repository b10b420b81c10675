//! The store as the chats of one node see it: what they write is fenced by owner and epoch.
//!
//! Promised: the contract of [`Store`]; a chat that is not this node's is not written,
//! [`StoreError::Fenced`] says so and whoever works on it is told to let it go; nor is one whose
//! writer took it in an epoch that is over, though the node has it again; looking at a chat
//! ([`Store::load`]) takes nothing, taking it up ([`Store::take`]) claims it first.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Cluster, Elsewhere};
use crate::store::shared::{FIRST_EPOCH, Shared};
use crate::store::{Change, Commit, Loaded, NewChat, Store, StoreError};
use crate::time::Wall;

/// A shared store, used by one node.
#[derive(Debug)]
pub struct Owned {
    cluster: Cluster,
}

impl Owned {
    /// The store of this node.
    #[must_use]
    pub const fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    fn inner(&self) -> &Arc<dyn Shared> {
        &self.cluster.inner.store
    }
}

#[async_trait]
impl Store for Owned {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        let id = chat.id;
        self.inner().open_as(chat, first, self.cluster.incarnation()).await?;
        self.cluster.hold(&[(id, FIRST_EPOCH)]);
        Ok(())
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let chat = commit.chat;
        let Some(fence) = self.cluster.fence(chat) else {
            return Err(match self.inner().owner(chat).await? {
                Some(_) => StoreError::Fenced { chat },
                None => StoreError::NoSuchChat { chat },
            });
        };
        // The node has it again; whoever writes knows nothing of what was written in between.
        if let Some(epoch) = commit.epoch.filter(|epoch| *epoch != fence.epoch) {
            self.cluster.outlived(chat, epoch);
            return Err(StoreError::Fenced { chat });
        }
        let outcome = self.inner().commit_as(commit, fence).await;
        match outcome {
            Err(StoreError::Fenced { .. }) => self.cluster.lost(chat, fence.epoch),
            Err(StoreError::NoSuchChat { .. }) => self.cluster.forget(chat, fence.epoch),
            _ => {}
        }
        outcome
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        let fence = self.cluster.fence(chat);
        let loaded = self.inner().load(chat).await?;
        // Who asks about a chat of its own goes on by the answer, so it must not be another's work.
        if fence.is_some() && loaded.is_some() {
            let owner = self.inner().owner(chat).await?;
            let Some(fence) = self.cluster.fence(chat) else {
                return Err(StoreError::Fenced { chat });
            };
            let ours = owner.is_some_and(|owner| {
                owner.incarnation == Some(fence.owner) && owner.epoch == fence.epoch
            });
            if !ours {
                self.cluster.lost(chat, fence.epoch);
                return Err(StoreError::Fenced { chat });
            }
        }
        Ok(loaded)
    }

    async fn take(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        match self.cluster.claim(chat).await? {
            Some(Ok(epoch)) => {
                let loaded = self.inner().load(chat).await?;
                Ok(loaded.map(|loaded| Loaded { epoch: Some(epoch), ..loaded }))
            }
            Some(Err(Elsewhere)) => Err(StoreError::Fenced { chat }),
            None => Ok(None),
        }
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.inner().unfinished(after, limit).await
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.inner().stored(after, limit).await
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        self.inner().purge(ended_before).await
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        let fence = self.cluster.fence(chat);
        let was_there = self.inner().erase(chat).await?;
        // Should it begin again, its epochs do too.
        if let Some(fence) = fence {
            self.cluster.forget(chat, fence.epoch);
        }
        Ok(was_there)
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.inner().changes_after(number, limit).await
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        self.inner().append_change(at, body, after).await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.inner().writable().await
    }

    fn may_act(&self) -> bool {
        self.cluster.may_serve()
    }
}
