//! What is remembered of relayed chats: a hash of the key, and how far the chat is.
//!
//! Promised: bounded; keys cannot be read back. Not promised: completeness. Oversized answers are
//! not understood, and a new process knows nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;

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
}

impl Seen {
    const fn new() -> Self {
        Self { sequence: -1, offset: None, ended: false, told: false, host: None, used: None }
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
    pub(super) fn used(&self, key: &str, tenant: &str, now: Mono) {
        let hash = self.hash(key);
        self.with(|chats| {
            if let Some(seen) = chats.seen.get_mut(&hash) {
                seen.used = Some((tenant.to_owned(), now));
            }
        });
    }

    /// How many chats of each tenant go on, as far as they are remembered.
    pub(super) fn running(&self, now: Mono) -> BTreeMap<String, u64> {
        self.with(|chats| {
            let mut running = BTreeMap::new();
            for seen in chats.seen.values().filter(|seen| !seen.ended) {
                if let Some((tenant, used)) = &seen.used
                    && now.since(*used) < IDLE
                {
                    *running.entry(tenant.clone()).or_default() += 1;
                }
            }
            running
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
            Some(Seen { used: seen.used.take(), ..seen.clone() })
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

    /// A session was given.
    pub(super) fn started(&self, key: &str, host: Option<String>) {
        self.put(self.hash(key), Seen { host, ..Seen::new() });
    }

    /// A poll was answered.
    pub(super) fn answered(&self, key: &str, payload: &MessagesPayload) {
        let hash = self.hash(key);
        let over = |kind: &str| matches!(kind, "ChatEnded" | "ChatRequestFail");
        let mut seen = self.with(|chats| chats.seen.get(&hash).cloned()).unwrap_or(Seen::new());
        seen.ended |= payload.messages.iter().any(|message| over(&message.kind));
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
