//! What is remembered of relayed chats: a hash of the key, and how far the chat is.
//!
//! Promised: bounded; neither keys nor anything that was said can be read back. Not promised:
//! completeness. Oversized answers are not understood, and a new process knows nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;

use super::passing::{Passing, PassingId};
use crate::chat::ids::ChatId;
use crate::chat::state::Phase;
use crate::chat::visitor::Routed;
use crate::time::Mono;
use crate::wire::liveagent::MessagesPayload;

/// A chat without an answered request for this long has lost its client: `connectionTimeout` of
/// real chats.
const IDLE: Duration = Duration::from_secs(150);

type Hash = [u8; 16];

/// How far one chat is.
#[derive(Clone, Debug)]
struct Seen {
    sequence: i64,
    offset: Option<i64>,
    ended: bool,
    /// We ended it, whatever the service would say now.
    told: bool,
    /// Where it lives, when that is not where its tenant's service is configured.
    host: Option<String>,
    /// Whose it is, and when the service last answered it.
    used: Option<(String, Mono)>,
    /// Our own id of it, when it goes on under a key of ours.
    chat: Option<ChatId>,
    /// What its messages told so far; `None` when it began before this process.
    phase: Option<Phase>,
    /// Why it is on legacy.
    routed: Option<Routed>,
}

impl Seen {
    const fn new() -> Self {
        Self {
            sequence: -1,
            offset: None,
            ended: false,
            told: false,
            host: None,
            used: None,
            chat: None,
            phase: None,
            routed: None,
        }
    }

    /// Its tenant, while it goes on.
    fn running(&self, now: Mono) -> Option<&str> {
        let (tenant, used) = self.used.as_ref().filter(|_| !self.ended)?;
        (now.since(*used) < IDLE).then_some(tenant)
    }

    fn id(&self, hash: &Hash) -> PassingId {
        self.chat.map_or_else(|| PassingId::of(hash), PassingId::Chat)
    }

    /// For operators; `None` when the service has answered no request of it.
    fn passing(&self, hash: &Hash) -> Option<Passing> {
        Some(Passing {
            id: self.id(hash),
            tenant: self.used.as_ref()?.0.clone(),
            phase: if self.ended { Some(Phase::Ended) } else { self.phase },
            sequence: self.sequence,
            routed: self.routed.clone(),
        })
    }
}

/// The chats that passed by.
pub(super) struct Observer {
    salt: [u8; 16],
    max: usize,
    chats: Mutex<Chats>,
}

#[derive(Default)]
struct Chats {
    seen: HashMap<Hash, Seen>,
    /// In the order they were first seen.
    order: VecDeque<Hash>,
}

impl Observer {
    pub(super) fn new(max: usize) -> Self {
        Self { salt: rand::random(), max, chats: Mutex::default() }
    }

    /// Whether the chat is remembered, ended or not.
    pub(super) fn knows(&self, key: &str) -> bool {
        let hash = self.hash(key);
        self.with(|chats| chats.seen.contains_key(&hash))
    }

    /// The service answered a request of the chat; one that is not remembered is passed over.
    /// `chat` is our own id of a re-keyed one.
    pub(super) fn used(&self, key: &str, chat: Option<ChatId>, tenant: &str, now: Mono) {
        let hash = self.hash(key);
        self.with(|chats| {
            if let Some(seen) = chats.seen.get_mut(&hash) {
                seen.chat = chat;
                seen.used = Some((tenant.to_owned(), now));
            }
        });
    }

    /// How many chats of each tenant go on, as far as they are remembered.
    pub(super) fn running(&self, now: Mono) -> BTreeMap<String, u64> {
        self.with(|chats| {
            let mut running = BTreeMap::new();
            for tenant in chats.seen.values().filter_map(|seen| seen.running(now)) {
                *running.entry(tenant.to_owned()).or_default() += 1;
            }
            running
        })
    }

    /// The same chats one by one; one that is used under two keys of ours is there once.
    pub(super) fn passing(&self, now: Mono) -> BTreeMap<PassingId, Passing> {
        self.with(|chats| {
            let running = chats.seen.iter().filter(|(_, seen)| seen.running(now).is_some());
            let all = running.filter_map(|(hash, seen)| seen.passing(hash));
            all.map(|passing| (passing.id, passing)).collect()
        })
    }

    /// A chat that is remembered, ended or not; under its newest key.
    pub(super) fn find(&self, id: PassingId) -> Option<Passing> {
        self.with(|chats| {
            let fits = chats.seen.iter().filter(|(hash, seen)| seen.id(hash) == id);
            let used = |seen: &Seen| seen.used.as_ref().map(|(_, at)| *at);
            let newest = fits.max_by_key(|(_, seen)| used(seen))?;
            newest.1.passing(newest.0)
        })
    }

    /// Ends a running chat: its last sequence and offset; `None` when it is over or unknown.
    pub(super) fn end(&self, key: &str) -> Option<(i64, Option<i64>)> {
        let hash = self.hash(key);
        self.with(|chats| {
            let seen = chats.seen.get_mut(&hash).filter(|seen| !seen.ended)?;
            (seen.ended, seen.told) = (true, true);
            Some((seen.sequence, seen.offset))
        })
    }

    /// A chat that was not observed is over.
    pub(super) fn remember_end(&self, key: &str) {
        self.put(self.hash(key), Seen { ended: true, told: true, ..Seen::new() });
    }

    /// Whether its client was told the end by us.
    pub(super) fn is_told(&self, key: &str) -> bool {
        let hash = self.hash(key);
        self.with(|chats| chats.seen.get(&hash).is_some_and(|seen| seen.told))
    }

    /// Where a chat lives, when that is remembered.
    pub(super) fn host(&self, key: &str) -> Option<String> {
        let hash = self.hash(key);
        self.with(|chats| chats.seen.get(&hash)?.host.clone())
    }

    /// A chat lives elsewhere from now on.
    pub(super) fn moves(&self, key: &str, host: &str) {
        let hash = self.hash(key);
        let old = self.with(|chats| chats.seen.get(&hash).cloned());
        let host = Some(host.to_owned());
        self.put(hash, Seen { host, ..old.unwrap_or(Seen::new()) });
    }

    /// A chat goes on under a further key.
    pub(super) fn renamed(&self, from: &str, to: &str) {
        let hash = self.hash(from);
        // One chat has one use: it is counted under its newest key.
        let moved = self.with(|chats| {
            let seen = chats.seen.get_mut(&hash)?;
            let (used, chat, routed) = (seen.used.take(), seen.chat.take(), seen.routed.take());
            Some(Seen { used, chat, routed, ..seen.clone() })
        });
        if let Some(seen) = moved {
            self.put(self.hash(to), seen);
        }
    }

    /// The service says that the session is over.
    pub(super) fn forget(&self, key: &str) {
        let hash = self.hash(key);
        self.with(|chats| chats.seen.get_mut(&hash).map(|seen| seen.ended = true));
    }

    /// A session was given, by this decision.
    pub(super) fn started(&self, key: &str, host: Option<String>, routed: Option<Routed>) {
        let phase = Some(Phase::Requested);
        self.put(self.hash(key), Seen { host, phase, routed, ..Seen::new() });
    }

    /// A poll was answered.
    pub(super) fn answered(&self, key: &str, payload: &MessagesPayload) {
        let hash = self.hash(key);
        let over = |kind: &str| matches!(kind, "ChatEnded" | "ChatRequestFail");
        let mut seen = self.with(|chats| chats.seen.get(&hash).cloned()).unwrap_or(Seen::new());
        seen.ended |= payload.messages.iter().any(|message| over(&message.kind));
        let mut phases = payload.messages.iter().filter_map(|message| phase(&message.kind));
        seen.phase = phases.next_back().or(seen.phase);
        seen.sequence = payload.sequence.unwrap_or(seen.sequence);
        seen.offset = payload.offset.or(seen.offset);
        self.put(hash, seen);
    }

    fn put(&self, hash: Hash, seen: Seen) {
        let max = self.max;
        self.with(|chats| {
            if chats.seen.insert(hash, seen).is_none() {
                chats.order.push_back(hash);
            }
            while chats.order.len() > max {
                if let Some(oldest) = chats.order.pop_front() {
                    chats.seen.remove(&oldest);
                }
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Chats) -> T) -> T {
        act(&mut self.chats.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hash(&self, key: &str) -> Hash {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.salt);
        context.update(key.as_bytes());
        let mut hash = Hash::default();
        hash.copy_from_slice(&context.finish().as_ref()[..16]);
        hash
    }
}

/// How far a chat is that is told this.
fn phase(kind: &str) -> Option<Phase> {
    match kind {
        "ChatRequestSuccess" | "QueueUpdate" => Some(Phase::Waiting),
        "ChatEstablished" | "ChatMessage" | "RichMessage" | "AgentTyping" | "AgentNotTyping" => {
            Some(Phase::Talking)
        }
        _ => None,
    }
}
