//! What the task stores, and its leave to act on it.
//!
//! Promised: a store that is down is waited for; of a write whose outcome is unclear it is found
//! out whether it happened. Effects wait while it is in doubt whether the chat is this node's.

use std::sync::Arc;
use std::time::Duration;

use super::{Stop, Task};
use crate::adapter::miaw::records;
use crate::adapter::miaw::registry::Shared;
use crate::chat::fact::Delta;
use crate::chat::ids::ChatId;
use crate::chat::session::Session;
use crate::store::shared::FIRST_EPOCH;
use crate::store::{BLOB_BYTES_MAX, Commit, NewChat, Retry, StoreError, open_or_take};

/// Deltas after which a snapshot replaces them.
const SNAPSHOT_EVERY: u64 = 64;
/// Waits between attempts to reach a store that is down.
const STORE_RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How often it is looked whether the lease is good again.
const LEASE_LOOK: Duration = Duration::from_millis(50);

impl Task {
    /// The last word to the store: the chat is over.
    pub(super) async fn finish(&mut self, session: &Session) -> Result<(), Stop> {
        let over = session.state().finished() && !self.stored_as_ended;
        if over || !self.late.is_empty() {
            self.flush(session).await?;
        }
        Ok(())
    }

    /// Stores what was decided and not stored yet.
    pub(super) async fn flush(&mut self, session: &Session) -> Result<(), Stop> {
        let now = self.shared.clock.now();
        let delta = records::delta(&Delta { at: now, facts: std::mem::take(&mut self.late) });
        self.late_until = None;
        let number = self.next_number;
        let ended = session.state().finished();
        if number == 1 {
            let new = NewChat { id: self.chat.0, tenant: self.tenant.id.clone(), at: now.wall };
            self.open(new, delta).await?;
        } else {
            let due = number - self.snapshot_at >= SNAPSHOT_EVERY || ended;
            let commit = Commit {
                chat: self.chat.0,
                number,
                delta,
                // One that is too long to be stored can wait; the delta cannot.
                snapshot: due
                    .then(|| records::snapshot(now, session.state()))
                    .filter(|snapshot| snapshot.len() <= BLOB_BYTES_MAX),
                ended_at: ended.then_some(now.wall),
                epoch: self.taken.get().copied(),
            };
            if due {
                self.snapshot_at = number;
            }
            self.stored_as_ended |= ended;
            self.commit(commit).await?;
        }
        self.next_number += 1;
        self.checkpoints.stored(self.shared.clock.now().wall);
        Ok(())
    }

    /// Stores the beginning, and finds out when it is unclear whether an attempt was written.
    async fn open(&self, new: NewChat, first: Vec<u8>) -> Result<(), Stop> {
        let opened = self.patiently(|store, _| {
            let (new, first) = (new.clone(), first.clone());
            async move { open_or_take(store.as_ref(), &new, &first).await }
        });
        let epoch = opened.await?.and_then(|loaded| loaded.epoch);
        self.takes(Some(epoch.unwrap_or(FIRST_EPOCH)));
        Ok(())
    }

    /// The chat is this task's from now on, in this epoch where nodes share the store.
    pub(super) fn takes(&self, epoch: Option<u64>) {
        if let Some(epoch) = epoch {
            // A task takes its chat once: it opens only what it did not find.
            let _ = self.taken.set(epoch);
        }
    }

    /// Commits, and finds out when it is unclear whether an attempt was written. What somebody else
    /// wrote under the number is not taken for it.
    async fn commit(&self, commit: Commit) -> Result<(), Stop> {
        self.patiently(|store, chat| {
            let commit = commit.clone();
            async move {
                let error = match store.commit(commit.clone()).await {
                    Err(error) if error.retry() == Retry::AfterLoad => error,
                    other => return other,
                };
                let Some(loaded) = store.load(chat.0).await? else {
                    return Err(StoreError::NoSuchChat { chat: chat.0 });
                };
                let (chat, got, next) = (chat.0, commit.number, loaded.next_number);
                match next == got {
                    _ if loaded.ends_with(&commit) => Ok(()),
                    // Not written: what was unclear is made again.
                    true if matches!(error, StoreError::OutOfOrder { .. }) => {
                        Err(StoreError::ReadOnly)
                    }
                    true => Err(error),
                    false => Err(StoreError::OutOfOrder { chat, got, next }),
                }
            }
        })
        .await
    }

    /// Asks the store until it answers: a store that is down is waited for.
    pub(super) async fn patiently<T, F, Fut>(&self, ask: F) -> Result<T, Stop>
    where
        F: Fn(Arc<dyn crate::store::Store>, ChatId) -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut wait = STORE_RETRY.0;
        loop {
            let error = match ask(self.shared.store.clone(), self.chat).await {
                Ok(answer) => {
                    // Only an attempt that had to wait knows of an outage.
                    if wait > STORE_RETRY.0 {
                        self.shared.store_answered();
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if matches!(error, StoreError::Fenced { .. }) {
                return Err(Stop::Elsewhere);
            }
            let again = error.retry() == Retry::Safe || matches!(error, StoreError::Engine { .. });
            if !again {
                return Err(Stop::Lost(error.to_string()));
            }
            self.shared.store_failed(&error);
            let until = self.shared.clock.now().mono.plus(wait);
            wait = (wait * 2).min(STORE_RETRY.1);
            tokio::select! {
                biased;
                () = self.shared.clock.until(until) => {}
                () = self.shared.shutdown.cancelled() => return Err(Stop::Shutdown),
            }
        }
    }

    /// Waits while this node's lease is in doubt: another node may be acting for the chat by now,
    /// and then this task is cancelled. What is decided here stays true if it is not.
    pub(super) async fn may_act(&self) -> Result<(), Stop> {
        if leave_to_act(&self.shared).await { Ok(()) } else { Err(Stop::Shutdown) }
    }
}

/// Waits while this node's lease is in doubt; false when the process stops before.
pub(super) async fn leave_to_act(shared: &Shared) -> bool {
    while !shared.store.may_act() {
        let again = shared.clock.now().mono.plus(LEASE_LOOK);
        tokio::select! {
            biased;
            () = shared.clock.until(again) => {}
            () = shared.shutdown.cancelled() => return false,
        }
    }
    true
}
