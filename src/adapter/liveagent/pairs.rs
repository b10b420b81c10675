//! Which sessions of the real service stand behind keys of ours.
//!
//! Promised: a pair is in the store before anybody acts on it, and one chat never gets two; a
//! chat that is stored is known to be relayed or translated for good, also after a restart.
//! A record is the small object below, as the chat's only history: whoever takes up stored chats
//! asks [`is_pair`] and leaves them alone. Not promised: that the end of a chat is noticed; a pair
//! that nobody used for [`IDLE`] is taken to be over.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use super::rekey::Names;
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::store::shared::FIRST_EPOCH;
use crate::store::{Commit, Loaded, NewChat, Retry, Store, StoreError, open_or_take};
use crate::time::{Mono, Now};

/// Pairs in memory; past it no relayed chat of a key of ours begins.
const PAIRS_MAX: usize = 50_000;
/// Translated chats that are remembered not to be relayed, so that the store is not asked again.
const OTHERS_MAX: usize = 50_000;
/// A pair that was not used for this long is over: the service ends chats after minutes.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long the store is asked to take a new pair: as long as any POST waits for it.
const KEEP_WITHIN: Duration = Duration::from_secs(10);
/// The pause before it is asked again.
const KEEP_AGAIN: Duration = Duration::from_millis(300);
/// What the record of a pair begins with, and the record of a translated chat never does.
const MARK: &[u8] = b"{\"liveAgentPair\":";

/// A pair as it is stored.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    /// The form of the record.
    live_agent_pair: u32,
    key: String,
    id: String,
    affinity: String,
    base: String,
    /// The affinity that the client was told at first.
    told: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upload: Option<String>,
}

/// The session behind a key of ours.
pub struct Pair {
    pub(super) chat: ChatId,
    pub(super) tenant: String,
    state: Mutex<State>,
    /// One write at a time, so that numbers do not cross.
    writing: tokio::sync::Mutex<u64>,
    /// In which epoch it was taken, where nodes share the store.
    epoch: Option<u64>,
}

struct State {
    record: Record,
    ended: bool,
    used: Mono,
}

impl std::fmt::Debug for Pair {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("chat", &self.chat).finish_non_exhaustive()
    }
}

/// What a key of ours leads to.
#[derive(Clone, Debug)]
pub enum Behind {
    /// A session of the real service.
    Pair(Arc<Pair>),
    /// A translated chat.
    Chat,
    /// Nothing yet, or nothing any more.
    Nothing,
}

/// Whether a stored chat is a pair of the relay: not for those who drive translated chats.
#[must_use]
pub fn is_pair(loaded: &Loaded) -> bool {
    newest(loaded).starts_with(MARK)
}

fn newest(loaded: &Loaded) -> &[u8] {
    let newest = loaded.deltas.last().or(loaded.snapshot.as_ref());
    newest.map_or(&[][..], Vec::as_slice)
}

impl Pair {
    fn new(chat: ChatId, tenant: &str, record: Record, next: u64, used: Mono) -> Self {
        Self {
            chat,
            tenant: tenant.to_owned(),
            state: Mutex::new(State { record, ended: false, used }),
            writing: tokio::sync::Mutex::new(next),
            epoch: Some(FIRST_EPOCH),
        }
    }

    fn taken(self, epoch: Option<u64>) -> Self {
        Self { epoch, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's names at the real service.
    pub(super) fn names(&self) -> Names {
        let state = self.state();
        let Record { key, id, affinity, .. } = &state.record;
        Names { key: key.clone(), id: id.clone(), affinity: affinity.clone() }
    }

    /// The affinity that the client was told at first; empty when it named none.
    pub(super) fn told_affinity(&self) -> String {
        self.state().record.told.clone().unwrap_or_default()
    }

    /// Where the session lives.
    pub(super) fn base(&self) -> String {
        self.state().record.base.clone()
    }

    /// Where the file goes that an agent asked for.
    pub(super) fn upload(&self) -> Option<String> {
        self.state().record.upload.clone()
    }

    /// Whether the chat was seen to end.
    pub(super) fn ended(&self) -> bool {
        self.state().ended
    }
}

/// What a pair begins with.
pub(super) struct Opening<'a> {
    pub(super) tenant: &'a str,
    /// The session's names at the real service.
    pub(super) names: Names,
    /// The affinity that the client was told.
    pub(super) told: Option<&'a str>,
    /// Where the session lives.
    pub(super) base: &'a str,
}

/// All pairs of this process.
pub(super) struct Pairs {
    store: Arc<dyn Store>,
    known: Mutex<Known>,
    appeared: Notify,
}

#[derive(Default)]
struct Known {
    pairs: HashMap<ChatId, Arc<Pair>>,
    others: HashSet<ChatId>,
    oldest_first: VecDeque<ChatId>,
    turns: HashMap<ChatId, Arc<tokio::sync::Mutex<()>>>,
}

/// A chat's turn to begin.
pub struct Turn<'a> {
    pairs: &'a Pairs,
    chat: ChatId,
    guard: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut known = self.pairs.known();
        if known.turns.get(&self.chat).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            known.turns.remove(&self.chat);
        }
    }
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("chat", &self.chat).finish_non_exhaustive()
    }
}

impl Pairs {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default(), appeared: Notify::new() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a pair of an earlier process up; false when the chat is not one of ours.
    pub(super) fn take_up(&self, id: Uuid, loaded: &Loaded, now: Now) -> bool {
        if !is_pair(loaded) {
            // Its first request need not ask the store.
            self.is_translated(ChatId(id));
            return false;
        }
        self.remember(ChatId(id), loaded, now);
        true
    }

    fn remember(&self, chat: ChatId, loaded: &Loaded, now: Now) -> Option<Arc<Pair>> {
        let Ok(record) = serde_json::from_slice::<Record>(newest(loaded)) else {
            tracing::error!(%chat, "the stored pair of a relayed chat cannot be read");
            return None;
        };
        let mut known = self.known();
        // Of two that took it at once the later one writes.
        if let Some(pair) = known.pairs.get(&chat).filter(|pair| pair.epoch >= loaded.epoch) {
            return Some(pair.clone());
        }
        let pair = Pair::new(chat, &loaded.tenant, record, loaded.next_number, now.mono);
        let pair = pair.taken(loaded.epoch);
        pair.state().ended = loaded.ended_at.is_some();
        let pair = Arc::new(pair);
        if known.pairs.len() < PAIRS_MAX {
            known.pairs.insert(chat, pair.clone());
        }
        Some(pair)
    }

    /// What stands behind a key of ours.
    pub(super) async fn find(
        &self,
        tenant: &str,
        chat: ChatId,
        now: Now,
    ) -> Result<Behind, StoreError> {
        {
            let known = self.known();
            if let Some(pair) = known.pairs.get(&chat).filter(|pair| pair.tenant == tenant) {
                pair.state().used = now.mono;
                return Ok(Behind::Pair(pair.clone()));
            }
            if known.others.contains(&chat) {
                return Ok(Behind::Chat);
            }
        }
        // Who works on a translated chat takes it; to take it here would stop that.
        match self.store.load(chat.0).await? {
            Some(loaded) if is_pair(&loaded) => {}
            Some(_) => {
                self.is_translated(chat);
                return Ok(Behind::Chat);
            }
            None => return Ok(Behind::Nothing),
        }
        let Some(loaded) = self.store.take(chat.0).await? else { return Ok(Behind::Nothing) };
        let pair = self.remember(chat, &loaded, now).filter(|pair| pair.tenant == tenant);
        Ok(pair.map_or(Behind::Nothing, Behind::Pair))
    }

    /// Forgets a pair that was taken in this epoch or before, and is another node's now.
    pub(super) fn let_go(&self, chat: ChatId, epoch: u64) {
        let mut known = self.known();
        let taken = known.pairs.get(&chat).and_then(|pair| pair.epoch);
        if taken.is_some_and(|taken| taken <= epoch) {
            known.pairs.remove(&chat);
        }
    }

    /// Whether a pair is in memory.
    pub(super) fn holds(&self, chat: ChatId) -> bool {
        self.known().pairs.contains_key(&chat)
    }

    /// Remembers that a chat began as a translated one.
    pub(super) fn is_translated(&self, chat: ChatId) {
        let mut known = self.known();
        if known.others.insert(chat) {
            known.oldest_first.push_back(chat);
        }
        if known.oldest_first.len() > OTHERS_MAX
            && let Some(oldest) = known.oldest_first.pop_front()
        {
            known.others.remove(&oldest);
        }
    }

    /// Waits until no other request begins the same chat.
    pub(super) async fn turn(&self, chat: ChatId) -> Turn<'_> {
        let turn = self.known().turns.entry(chat).or_default().clone();
        let mut waiting = Turn { pairs: self, chat, guard: None };
        waiting.guard = Some(turn.lock_owned().await);
        waiting
    }

    /// Waits until a chat turns out to be relayed.
    pub(super) async fn appears(&self, chat: ChatId) -> Arc<Pair> {
        loop {
            let appeared = self.appeared.notified();
            tokio::pin!(appeared);
            appeared.as_mut().enable();
            if let Some(pair) = self.known().pairs.get(&chat) {
                return pair.clone();
            }
            appeared.await;
        }
    }

    /// Whether one more chat may begin.
    pub(super) fn has_room(&self) -> bool {
        self.known().pairs.len() < PAIRS_MAX
    }

    /// Stores a new pair; from its return on the chat is relayed for good. A store that does not
    /// answer is asked for 10 s.
    pub(super) async fn open(
        &self,
        chat: ChatId,
        opening: Opening<'_>,
        clock: &Clock,
    ) -> Result<Arc<Pair>, StoreError> {
        let now = clock.now();
        let Opening { tenant, names: Names { key, id, affinity }, told, base } = opening;
        let (base, told) = (base.to_owned(), told.map(str::to_owned));
        let record = Record { live_agent_pair: 1, key, id, affinity, base, told, upload: None };
        let first = serde_json::to_vec(&record).unwrap_or_default();
        let new = NewChat { id: chat.0, tenant: tenant.to_owned(), at: now.wall };
        let pair = match self.keep(&new, &first, clock).await? {
            None => {
                let pair = Arc::new(Pair::new(chat, tenant, record, 2, now.mono));
                self.known().pairs.insert(chat, pair.clone());
                pair
            }
            Some(loaded) => {
                let taken = self.remember(chat, &loaded, now);
                taken.ok_or(StoreError::AlreadyThere { chat: chat.0 })?
            }
        };
        self.appeared.notify_waiters();
        Ok(pair)
    }

    /// Stores a new chat; answers it as it was taken when an attempt that was not answered turns
    /// out to have been made.
    async fn keep(
        &self,
        new: &NewChat,
        first: &[u8],
        clock: &Clock,
    ) -> Result<Option<Loaded>, StoreError> {
        let until = clock.now().mono.plus(KEEP_WITHIN);
        loop {
            match open_or_take(self.store.as_ref(), new, first).await {
                Err(error) if error.retry() != Retry::Never && clock.now().mono < until => {
                    clock.until(clock.now().mono.plus(KEEP_AGAIN)).await;
                }
                kept => return kept,
            }
        }
    }

    /// The session's new key, stored before the client learns of it.
    pub(super) async fn renew(&self, pair: &Pair, key: &str) -> Result<(), StoreError> {
        self.write(pair, None, |record| key.clone_into(&mut record.key)).await
    }

    /// The session's new host.
    pub(super) async fn moves(&self, pair: &Pair, base: &str) -> Result<(), StoreError> {
        self.write(pair, None, |record| base.clone_into(&mut record.base)).await
    }

    /// Where a file goes that the agent asked for.
    pub(super) async fn uploads_to(&self, pair: &Pair, url: &str) -> Result<(), StoreError> {
        self.write(pair, None, |record| record.upload = Some(url.to_owned())).await
    }

    /// The chat is over; its record goes with the others' after the retention.
    pub(super) async fn end(&self, pair: &Pair, now: Now) -> Result<(), StoreError> {
        if std::mem::replace(&mut pair.state().ended, true) {
            return Ok(());
        }
        let ended = self.write(pair, Some(now), |_| ()).await;
        if ended.is_err() {
            pair.state().ended = false;
        }
        ended
    }

    /// Ends and forgets the pairs that nobody used for long; answers how many.
    pub(super) async fn expire(&self, now: Now) -> usize {
        let idle: Vec<Arc<Pair>> = {
            let mut known = self.known();
            let idle = |pair: &Pair| now.mono.since(pair.state().used) >= IDLE;
            known.pairs.extract_if(|_, pair| idle(pair)).map(|(_, pair)| pair).collect()
        };
        for pair in &idle {
            if let Err(error) = self.end(pair, now).await {
                tracing::warn!(chat = %pair.chat, %error, "the end of a relayed chat waits");
                self.known().pairs.insert(pair.chat, pair.clone());
            }
        }
        idle.len()
    }

    async fn write(
        &self,
        pair: &Pair,
        ended: Option<Now>,
        change: impl FnOnce(&mut Record),
    ) -> Result<(), StoreError> {
        let mut number = pair.writing.lock().await;
        let mut record = pair.state().record.clone();
        change(&mut record);
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        let commit = |number| Commit {
            chat: pair.chat.0,
            number,
            delta: bytes.clone(),
            snapshot: Some(bytes.clone()),
            ended_at: ended.map(|now| now.wall),
            epoch: pair.epoch,
        };
        match self.store.commit(commit(*number)).await {
            // An earlier write was answered with an error and had been made all the same.
            Err(StoreError::OutOfOrder { next, .. }) => {
                self.store.commit(commit(next)).await?;
                *number = next + 1;
            }
            done => {
                done?;
                *number += 1;
            }
        }
        pair.state().record = record;
        Ok(())
    }
}
