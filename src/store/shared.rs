//! A store that several nodes use at once: who is alive, and whose a chat is.
//!
//! A *node* is one run of the program, named by its incarnation. It renews a lease by the store's
//! own clock. A chat has an owner and an *epoch*, which goes up each time the chat is given to
//! somebody.
//!
//! Promised by every implementation (`tests/store/owners.rs` holds them to it), beside the contract
//! of [`super`]:
//! - a commit under a [`Fence`] is written only while the chat still has that owner and that epoch,
//!   decided in the statement that writes; else [`StoreError::Fenced`], and nothing is written;
//! - a chat is claimed only from an owner whose lease lapsed or was released, only by a node whose
//!   own lease is good, and by one claimant alone;
//! - leases are measured by one clock, the store's: nodes' clocks do not matter.
//!
//! Not promised: that an owner notices at once that it lost a chat. It finds out with its next
//! commit, or by asking [`Shared::owned`].

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Commit, NewChat, Store, StoreError};
use crate::time::Wall;

/// The epoch of a chat that was just opened by a node.
pub const FIRST_EPOCH: u64 = 1;

/// What a node says of itself with each beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// This run of the program.
    pub incarnation: Uuid,
    /// What people call the node.
    pub name: String,
    /// Where other nodes reach it.
    pub address: String,
    /// Its configuration in one word: equal on nodes that are configured alike.
    pub fingerprint: String,
    /// How many chats it works on.
    pub chats: u64,
}

/// A node as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it last said of itself.
    pub told: Beat,
    /// Since when, by the store's clock.
    pub since: Wall,
    /// Whether its lease is good.
    pub live: bool,
}

/// What a commit must still find to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The node that the chat was given to.
    pub owner: Uuid,
    /// The epoch in which it was.
    pub epoch: u64,
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The chat is the claimant's, in a new epoch; also when it was before.
    Taken {
        /// The new epoch.
        epoch: u64,
        /// The node that had it until now, the claimant too; `None` after a bridge that was alone.
        from: Option<Uuid>,
    },
    /// Another node has it, and its lease is good.
    Held {
        /// The node.
        owner: Uuid,
    },
    /// There is no such chat.
    Unknown,
}

/// Whose a chat is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The node; `None` for a chat of a bridge that was alone.
    pub incarnation: Option<Uuid>,
    /// The epoch.
    pub epoch: u64,
    /// Where the node is reached, while its lease is good.
    pub address: Option<String>,
}

/// A [`Store`] with leases and owners. The module's header is the contract.
#[async_trait]
pub trait Shared: Store {
    /// Says that a node lives, for `lease` from now; answers every node that is known. One whose
    /// lease lapsed is known for a while longer.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn beat(&self, beat: &Beat, lease: Duration) -> Result<Vec<Node>, StoreError>;

    /// Every node that is known, without a beat.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;

    /// Releases a node's lease: its chats can be claimed from now on.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn leave(&self, incarnation: Uuid) -> Result<(), StoreError>;

    /// [`Store::open`], for `owner`, in [`FIRST_EPOCH`].
    ///
    /// # Errors
    /// Those of [`Store::open`].
    async fn open_as(&self, chat: NewChat, first: Vec<u8>, owner: Uuid) -> Result<(), StoreError>;

    /// [`Store::commit`], if the fence still holds.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], and those of [`Store::commit`].
    async fn commit_as(&self, commit: Commit, fence: Fence) -> Result<(), StoreError>;

    /// Takes a chat, running or ended, whose owner is the claimant, nobody, or not alive.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the claimant's own lease is not good.
    async fn claim(&self, chat: Uuid, claimant: Uuid) -> Result<Claim, StoreError>;

    /// Takes at most `limit` running chats whose owner is nobody or not alive, and answers them
    /// with their epochs. Claimants at the same time get different ones.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn claim_orphans(
        &self,
        claimant: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, u64)>, StoreError>;

    /// Whose a chat is; `None` when there is no such chat.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn owner(&self, chat: Uuid) -> Result<Option<Owner>, StoreError>;

    /// The running chats of a node, with their epochs.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn owned(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, StoreError>;
}
