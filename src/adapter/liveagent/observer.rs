//! What is remembered of relayed chats: a hash of the key, and how far the chat is.
//!
//! Promised: bounded; keys cannot be read back; looking at an answer neither delays nor changes it.
//! Not promised: completeness. Compressed or oversized answers are not understood.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use axum::body::Body;

use crate::tap::Tapped;
use crate::wire::liveagent::{MessagesPayload, SessionId};

type Hash = [u8; 16];

/// How far one chat is.
#[derive(Clone, Copy, Debug)]
struct Seen {
    sequence: i64,
    offset: Option<i64>,
    ended: bool,
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

    /// Ends a running chat: its last sequence and offset; `None` when it is over or unknown.
    pub(super) fn end(&self, key: &str) -> Option<(i64, Option<i64>)> {
        let hash = self.hash(key);
        self.with(|chats| {
            let seen = chats.seen.get_mut(&hash).filter(|seen| !seen.ended)?;
            seen.ended = true;
            Some((seen.sequence, seen.offset))
        })
    }

    /// A chat that was not observed is over.
    pub(super) fn remember_end(&self, key: &str) {
        let hash = self.hash(key);
        self.put(hash, Seen { sequence: -1, offset: None, ended: true });
    }

    /// The service says that the session is over.
    pub(super) fn forget(&self, key: &str) {
        let hash = self.hash(key);
        self.with(|chats| chats.seen.get_mut(&hash).map(|seen| seen.ended = true));
    }

    fn started(&self, key: &str) {
        self.put(self.hash(key), Seen { sequence: -1, offset: None, ended: false });
    }

    fn answered(&self, hash: Hash, payload: &MessagesPayload) {
        let over = |kind: &str| matches!(kind, "ChatEnded" | "ChatRequestFail");
        let old = self.with(|chats| chats.seen.get(&hash).copied());
        let ended = old.is_some_and(|old| old.ended)
            || payload.messages.iter().any(|message| over(&message.kind));
        let sequence = payload.sequence.or(old.map(|old| old.sequence)).unwrap_or(-1);
        let offset = payload.offset.or(old.and_then(|old| old.offset));
        self.put(hash, Seen { sequence, offset, ended });
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

/// Copies an answer while it passes and tells the observer when it has passed.
pub(super) struct Tap {
    observer: Arc<Observer>,
    poll: Option<Hash>,
}

impl Tap {
    /// For an answer of SessionId.
    pub(super) fn start(observer: Arc<Observer>) -> Self {
        Self { observer, poll: None }
    }

    /// For an answer of Messages.
    pub(super) fn poll(observer: Arc<Observer>, key: &str) -> Self {
        let poll = Some(observer.hash(key));
        Self { observer, poll }
    }

    /// The body, looked at once it has passed. A copy that is not whole does not read as JSON.
    pub(super) fn around(self, body: Body, max: usize) -> Tapped {
        Tapped::new(body, max, move |copy| self.passed(&copy.bytes))
    }

    fn passed(&self, copy: &[u8]) {
        match self.poll {
            Some(hash) => {
                if let Ok(payload) = serde_json::from_slice::<MessagesPayload>(copy) {
                    self.observer.answered(hash, &payload);
                }
            }
            None => {
                if let Ok(session) = serde_json::from_slice::<SessionId>(copy) {
                    self.observer.started(&session.key);
                }
            }
        }
    }
}
