//! Where chats are remembered: the contract, in prose and as a trait.
//!
//! A chat is a list of small *deltas*, numbered 1, 2, 3 … without gaps, and now and then a
//! *snapshot* that stands for every delta up to its number. Beside the chats there is one list of
//! *changes*: operator decisions and latches, which is also the audit log. To the store all three
//! are opaque bytes.
//!
//! Promised by every implementation (`tests/it/store_contract.rs` holds them to it):
//! - an answered write is durable, whole, and seen by every later read;
//! - a write that answers an error changed nothing, except where [`StoreError::retry`] says
//!   [`Retry::AfterLoad`]: then only a read can tell;
//! - of two writers that commit the same number to one chat exactly one succeeds, the other gets
//!   [`StoreError::OutOfOrder`]; the same holds for changes and [`StoreError::Conflict`];
//! - an error never contains a byte of a blob.
//!
//! Not promised: that a write whose future was dropped did not happen; that reads of two chats show
//! the same instant; anything about order between chats.

pub mod memory;
pub mod postgres;
pub mod schema;
pub mod seal;
mod sealed;
pub mod shared;
pub mod sqlite;

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use crate::time::Wall;

/// The longest delta, snapshot or change that a store accepts.
pub const BLOB_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Remembers chats and changes. The module's header is the contract.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Creates a chat together with its delta number 1.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] when the id exists, ended chats included.
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError>;

    /// Appends one delta, and with a snapshot forgets the history that the snapshot includes
    /// (this delta too). The first `ended_at` stays: later ones do not move the end, and an ended
    /// chat still takes deltas.
    ///
    /// # Errors
    /// [`StoreError::OutOfOrder`] when `number` is not the next one, [`StoreError::NoSuchChat`].
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;

    /// All that is needed to build the chat again; `None` when it is unknown, purged or erased.
    ///
    /// # Errors
    /// When the store cannot be read, or a blob cannot be opened.
    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError>;

    /// [`Store::load`], by whoever is to work on the chat from now on: where several nodes share
    /// the store, this one is its owner then.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another node has it, and those of [`Store::load`].
    async fn take(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        self.load(chat).await
    }

    /// At most `limit` chats that have not ended, with ids above `after`, in id order.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError>;

    /// The same page with all that is needed to build each chat again, for a start with many chats;
    /// or what is wrong with that chat alone. An empty page is the last one.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn unfinished_chats(
        &self,
        mut after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Unfinished>, StoreError> {
        let mut chats = Vec::new();
        while chats.is_empty() {
            let page = self.unfinished(after, limit).await?;
            after = page.last().copied();
            if after.is_none() {
                break;
            }
            for chat in page {
                match self.load(chat).await {
                    Ok(loaded) => chats.extend(loaded.map(|loaded| (chat, Ok(loaded)))),
                    Err(error) if error.is_of_one_chat() => chats.push((chat, Err(error))),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(chats)
    }

    /// At most `limit` chats, ended ones too, with ids above `after`, in id order.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError>;

    /// Forgets every chat that ended before the instant; answers how many.
    ///
    /// # Errors
    /// When the store cannot be written; some chats may be gone by then.
    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError>;

    /// Forgets one chat, running or not; answers whether it was there.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError>;

    /// At most `limit` changes numbered above `number`, in order.
    ///
    /// # Errors
    /// When the store cannot be read, or a change cannot be opened.
    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError>;

    /// Appends a change and answers its number, provided that `after` is the last number (0 when
    /// there is none).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else appended meanwhile.
    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError>;

    /// Readiness: whether a write would succeed now, found out by making one.
    ///
    /// # Errors
    /// The one that a write would have had.
    async fn writable(&self) -> Result<(), StoreError>;

    /// Whether what was decided and stored may be acted on now. Always, unless several nodes share
    /// the store and this one may have lost its chats to another without knowing it.
    fn may_act(&self) -> bool {
        true
    }
}

/// Stores a new chat by an attempt that need not be the first. When one whose answer was lost turns
/// out to have been made, gives the chat as it was taken then.
///
/// # Errors
/// Those of [`Store::open`] and [`Store::take`].
pub async fn open_or_take(
    store: &dyn Store,
    chat: &NewChat,
    first: &[u8],
) -> Result<Option<Loaded>, StoreError> {
    match store.open(chat.clone(), first.to_vec()).await {
        Ok(()) => Ok(None),
        Err(there @ StoreError::AlreadyThere { .. }) => {
            let taken = store.take(chat.id).await?;
            taken.filter(|loaded| loaded.is_opening(chat, first)).map(Some).ok_or(there)
        }
        Err(error) => Err(error),
    }
}

/// A chat of a page of [`Store::unfinished_chats`]: as it is remembered, or why it cannot be read.
pub type Unfinished = (Uuid, Result<Loaded, StoreError>);

/// A chat to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChat {
    /// The chat's id.
    pub id: Uuid,
    /// Whose chat it is. Stored in clear.
    pub tenant: String,
    /// When it began.
    pub at: Wall,
}

/// One delta, and what goes with it atomically.
#[derive(Clone, PartialEq, Eq)]
pub struct Commit {
    /// The chat.
    pub chat: Uuid,
    /// The delta's number: the chat's [`Loaded::next_number`], then one more each time.
    pub number: u64,
    /// The delta.
    pub delta: Vec<u8>,
    /// The state after this delta; it replaces all history so far.
    pub snapshot: Option<Vec<u8>>,
    /// Set when the chat is over; from then on it can be purged.
    pub ended_at: Option<Wall>,
    /// The epoch in which the writer took the chat ([`Loaded::epoch`]): where several nodes share
    /// the store, nothing is written in any other. `None` is whichever this node has.
    pub epoch: Option<u64>,
}

/// A chat as it is remembered.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Whose chat it is.
    pub tenant: String,
    /// The newest snapshot, where to start from.
    pub snapshot: Option<Vec<u8>>,
    /// The deltas after the snapshot, in order.
    pub deltas: Vec<Vec<u8>>,
    /// The number that the next commit must carry.
    pub next_number: u64,
    /// When the chat ended, if it did.
    pub ended_at: Option<Wall>,
    /// The epoch in which [`Store::take`] took it; `None` when it was only looked at, or when the
    /// store is not shared.
    pub epoch: Option<u64>,
}

impl Loaded {
    /// Whether this commit, and nobody else's, was the last one to be written.
    #[must_use]
    pub fn ends_with(&self, commit: &Commit) -> bool {
        let Commit { number, delta, snapshot, .. } = commit;
        let same = match snapshot {
            Some(_) => self.deltas.is_empty() && self.snapshot == *snapshot,
            None => self.deltas.last() == Some(delta),
        };
        self.next_number.checked_sub(1) == Some(*number) && same
    }

    /// Whether the chat was opened so, and nothing was written since.
    #[must_use]
    pub fn is_opening(&self, chat: &NewChat, first: &[u8]) -> bool {
        self.next_number == 2 && self.tenant == chat.tenant && self.deltas == [first]
    }
}

/// One entry of the change list.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When it was made.
    pub at: Wall,
    /// What was decided.
    pub body: Vec<u8>,
}

impl fmt::Debug for Commit {
    /// Lengths instead of contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit")
            .field("chat", &self.chat)
            .field("number", &self.number)
            .field("delta_bytes", &self.delta.len())
            .field("snapshot_bytes", &self.snapshot.as_ref().map(Vec::len))
            .field("ended_at", &self.ended_at)
            .finish()
    }
}

impl fmt::Debug for Loaded {
    /// Lengths instead of contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("tenant", &self.tenant)
            .field("snapshot_bytes", &self.snapshot.as_ref().map(Vec::len))
            .field("deltas", &self.deltas.len())
            .field("next_number", &self.next_number)
            .field("ended_at", &self.ended_at)
            .finish()
    }
}

impl fmt::Debug for Change {
    /// Length instead of contents.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("number", &self.number)
            .field("at", &self.at)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why an operation of a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// [`Store::open`] with an id that exists.
    #[error("chat {chat} is already stored")]
    AlreadyThere {
        /// The id.
        chat: Uuid,
    },
    /// [`Store::commit`] to a chat that is unknown, purged or erased.
    #[error("chat {chat} is not stored; it was never opened, or was purged or erased")]
    NoSuchChat {
        /// The id.
        chat: Uuid,
    },
    /// [`Store::commit`] with a number that is not the next one: somebody else commits to the chat.
    #[error("chat {chat}: commit number {got} is out of order, the next one is {next}")]
    OutOfOrder {
        /// The chat.
        chat: Uuid,
        /// The number that was given.
        got: u64,
        /// The number that would have been accepted.
        next: u64,
    },
    /// The chat was given to another node: whoever had it must let it go.
    #[error("chat {chat} belongs to another node")]
    Fenced {
        /// The chat.
        chat: Uuid,
    },
    /// [`Store::append_change`] after a number that is no longer the last one.
    #[error("the change list has moved on, its last number is {last}; read it and try again")]
    Conflict {
        /// The last number.
        last: u64,
    },
    /// A blob above [`BLOB_BYTES_MAX`].
    #[error("a {what} of {bytes} bytes is too long, at most {BLOB_BYTES_MAX} are stored")]
    TooLong {
        /// Which kind of blob.
        what: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// The disk, or the quota on it, is used up. Writes work again as soon as there is room.
    #[error("the disk under the store is full; make room, no restart is needed")]
    Full,
    /// The store can be read but not written.
    #[error(
        "the store is read-only; check the file's owner and the mount, or which PostgreSQL server \
         takes writes"
    )]
    ReadOnly,
    /// What is stored cannot be right.
    #[error("the store is damaged ({detail}); restore it from a backup")]
    Damaged {
        /// What was found, without contents.
        detail: String,
    },
    /// A blob that the key ring does not open.
    #[error("stored {what} cannot be opened: {source}")]
    Sealed {
        /// Which blob, by chat and number.
        what: String,
        /// What went wrong.
        source: seal::SealError,
    },
    /// The engine failed in a way that none of the others names.
    #[error("the store failed: {detail}")]
    Engine {
        /// The engine's own code and message; never contents.
        detail: String,
    },
    /// The store has been closed, or its writer thread has died.
    #[error("the store has stopped; the process has to be restarted")]
    Stopped,
}

/// What may be done after a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail again.
    Never,
    /// Nothing was written: the same request may be made again, later.
    Safe,
    /// Perhaps it was written: load first and look.
    AfterLoad,
}

impl StoreError {
    /// Whether it says nothing of other chats: what is stored of this one cannot be right.
    #[must_use]
    pub const fn is_of_one_chat(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Sealed { .. })
    }

    /// Whether the same request may be made again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Full | Self::ReadOnly => Retry::Safe,
            Self::Conflict { .. } | Self::OutOfOrder { .. } => Retry::AfterLoad,
            Self::Engine { .. } | Self::Stopped => Retry::AfterLoad,
            Self::AlreadyThere { .. } | Self::NoSuchChat { .. } | Self::TooLong { .. } => {
                Retry::Never
            }
            Self::Fenced { .. } | Self::Damaged { .. } | Self::Sealed { .. } => Retry::Never,
        }
    }
}

/// Refuses a blob that is too long, before anything is done with it.
fn within_limit(what: &'static str, blob: &[u8]) -> Result<(), StoreError> {
    if blob.len() > BLOB_BYTES_MAX {
        return Err(StoreError::TooLong { what, bytes: blob.len() });
    }
    Ok(())
}
