//! The chats as operators see them, and the end of one by their hand.
//!
//! Promised: looking changes nothing; a chat that no task has is read from the store and stays
//! there.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Failures, Registry};
use crate::adapter::liveagent::is_pair;
use crate::adapter::miaw::budget::Used;
use crate::adapter::miaw::records;
use crate::adapter::miaw::summary::{Glance, Listed, Summary};
use crate::adapter::miaw::task::Envelope;
use crate::chat::checkpoints::Checkpoints;
use crate::chat::ids::ChatId;
use crate::chat::session::Session;
use crate::store::StoreError;

/// How long a chat may take to describe itself or to end.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What became of an operator's wish to end a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end is stored; both sides are told.
    Done,
    /// It was over before.
    WasOver,
    /// There is no such chat of this tenant.
    NoSuchChat,
    /// The chat did not answer in time; it may end yet.
    NoAnswer,
}

impl Registry {
    /// Every chat that has a task, in the order of their ids.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let seats = self.shared.seats();
        let mut all: Vec<Listed> = seats
            .iter()
            .map(|(chat, seat)| Listed {
                chat: *chat,
                tenant: seat.tenant.clone(),
                glance: *seat.glance.lock().unwrap_or_else(PoisonError::into_inner),
            })
            .collect();
        drop(seats);
        all.sort_unstable_by_key(|listed| listed.chat);
        all
    }

    /// Chats that went wrong in this process.
    #[must_use]
    pub fn failures(&self) -> &Failures {
        &self.shared.failures
    }

    /// What is used of an org's tokens.
    #[must_use]
    pub fn tokens_used(&self, org: &str) -> Used {
        self.shared.tokens.used(org, self.shared.clock.now().mono)
    }

    /// How often a chat's event stream was opened again in this process.
    #[must_use]
    pub fn streams_reopened(&self) -> u64 {
        self.shared.streams_reopened.load(Ordering::Relaxed)
    }

    /// Events of streams, of types that are not known, since the start.
    #[must_use]
    pub fn unknown_events(&self) -> u64 {
        self.shared.unknown_events.load(Ordering::Relaxed)
    }

    /// One translated chat, running or stored; `None` when there is none, or its tenant is not
    /// configured.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn describe(&self, chat: ChatId) -> Result<Option<Summary>, StoreError> {
        let seated = self.shared.seats().get(&chat).map(|seat| seat.inbox.clone());
        if let Some(inbox) = seated {
            let (to, answer) = oneshot::channel();
            if inbox.try_send(Envelope::Describe { to }).is_ok()
                && let Ok(Ok(summary)) = tokio::time::timeout(ANSWER_WITHIN, answer).await
            {
                return Ok(Some(summary));
            }
        }
        let loaded = self.shared.store.load(chat.0).await?;
        let Some(loaded) = loaded.filter(|loaded| !is_pair(loaded)) else { return Ok(None) };
        let Some(tenant) = self.shared.tenant(&loaded.tenant) else { return Ok(None) };
        let (snapshot, deltas) = records::read(loaded.snapshot.as_deref(), &loaded.deltas)
            .map_err(|error| StoreError::Damaged { detail: error.to_string() })?;
        let saved = deltas.last().map(|delta| delta.at);
        let saved = saved.or(snapshot.as_ref().map(|(at, _)| *at)).unwrap_or_default();
        let now = self.shared.clock.now();
        let checkpoints = Checkpoints::read(chat, snapshot.as_ref().map(|(_, s)| s), &deltas);
        let session = Session::load(snapshot, chat, &deltas, tenant.settings.clone(), now);
        let glance = Glance::of(session.state(), 0, saved.wall);
        let summary = Summary::of(&tenant.id, session.state(), glance, now);
        Ok(Some(Summary { messages: checkpoints.messages(), ..summary }))
    }

    /// Ends a chat: its visitor is told, the conversation is closed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn end(&self, tenant: &str, chat: ChatId) -> Result<End, StoreError> {
        let known = self.describe(chat).await?.filter(|known| known.tenant == tenant);
        let Some(known) = known else { return Ok(End::NoSuchChat) };
        let configured = self.shared.tenant(tenant);
        let Some(configured) = configured else { return Ok(End::NoSuchChat) };
        if known.glance.phase == crate::chat::state::Phase::Ended {
            return Ok(End::WasOver);
        }
        let inbox: mpsc::Sender<Envelope> = self.seat(&configured, chat);
        let (to, answer) = oneshot::channel();
        if inbox.try_send(Envelope::End { to }).is_err() {
            return Ok(End::NoAnswer);
        }
        match tokio::time::timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(())) => Ok(End::Done),
            _ => Ok(End::NoAnswer),
        }
    }
}
