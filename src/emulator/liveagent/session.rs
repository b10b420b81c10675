//! One legacy session: its numbers, its queue of messages, its rules.
//!
//! Promised: message *i* has number *i*; an acknowledgement beyond what was delivered loses
//! nothing.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;

use super::knobs::{Delivery, Knobs};
use crate::random;
use crate::time::{Mono, Now};
use crate::wire::liveagent::message::TranscriptEntry;
use crate::wire::liveagent::{Message, MessageBody, MessagesPayload};

/// The most messages kept for a client that does not fetch them.
const MAX_PENDING: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Waiting,
    Engaged,
    Ended,
}

/// How a numbered POST relates to those before it.
pub(super) enum Order {
    Next,
    Repeated,
    OutOfSync { last: i64 },
}

struct Pending {
    number: i64,
    offset: i64,
    message: Message,
}

pub(super) struct Session {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) affinity: String,
    pub(super) phase: Phase,
    /// Moved to another server: 503 until ReconnectSession.
    pub(super) moved: bool,
    pub(super) visitor: String,
    pub(super) queue_updates: bool,
    pub(super) lines: u64,
    /// The name and id that the script gave the agent.
    pub(super) alias: Option<(String, String)>,
    /// The address by which the visitor's program reached this service.
    pub(super) origin: String,
    /// The file that is asked for.
    pub(super) file_token: Option<String>,
    /// The client was told to go to another host.
    pub(super) switched: bool,
    pub(super) transcript: Vec<TranscriptEntry>,
    pub(super) open_poll: Option<u64>,
    pub(super) polls: u64,
    pub(super) wake: watch::Sender<u64>,
    last_seen: Mono,
    queue: VecDeque<Pending>,
    next_number: i64,
    next_offset: i64,
    delivered: i64,
    last_sequence: i64,
    last_post: Option<(String, Vec<u8>)>,
}

impl Session {
    pub(super) fn new(now: Now) -> Self {
        let id = random::uuid().to_string();
        Self {
            key: new_key(&id, now),
            id,
            affinity: new_affinity(),
            phase: Phase::Created,
            moved: false,
            visitor: "Visitor".to_owned(),
            queue_updates: false,
            lines: 0,
            alias: None,
            origin: String::new(),
            file_token: None,
            switched: false,
            transcript: Vec::new(),
            open_poll: None,
            polls: 0,
            wake: watch::Sender::new(0),
            last_seen: now.mono,
            queue: VecDeque::new(),
            next_number: 0,
            next_offset: now.wall.millis() / 1_000,
            delivered: -1,
            last_sequence: 0,
            last_post: None,
        }
    }

    /// A poll keeps the session alive, as does everything before ChasitorInit.
    pub(super) fn seen(&mut self, now: Now) {
        self.last_seen = now.mono;
    }

    /// When the session dies unless a poll comes; never while one is open.
    pub(super) fn expires(&self, knobs: &Knobs, now: Now) -> Mono {
        let millis = match self.phase {
            Phase::Created => knobs.unused_expiry_millis,
            _ => knobs.poll_expiry_millis,
        };
        let since = if self.open_poll.is_some() { now.mono } else { self.last_seen };
        since.plus(Duration::from_millis(millis.max(1)))
    }

    pub(super) fn push<B: MessageBody>(&mut self, body: &B) {
        if self.queue.len() == MAX_PENDING {
            self.queue.pop_front();
        }
        // Offsets grow with gaps on the real service; clients must not count on +1.
        self.next_offset += 3;
        self.queue.push_back(Pending {
            number: self.next_number,
            offset: self.next_offset,
            message: Message::new(body),
        });
        self.next_number += 1;
        self.wake();
    }

    pub(super) fn wake(&self) {
        self.wake.send_modify(|version| *version += 1);
    }

    /// The next answer of a poll, `None` when there is nothing to say.
    pub(super) fn take(&mut self, ack: Option<i64>, delivery: Delivery) -> Option<MessagesPayload> {
        // Without an acknowledgement, what was sent counts as received.
        let seen = ack.map_or(self.delivered, |ack| ack.min(self.delivered));
        self.queue.retain(|pending| pending.number > seen);
        let most = match delivery {
            Delivery::Batch => self.queue.len(),
            Delivery::Single => self.queue.len().min(1),
        };
        let last = self.queue.get(most.checked_sub(1)?)?;
        let (sequence, offset) = (last.number, last.offset);
        self.delivered = self.delivered.max(sequence);
        Some(MessagesPayload {
            messages: self.queue.iter().take(most).map(|p| p.message.clone()).collect(),
            sequence: Some(sequence),
            offset: Some(offset),
        })
    }

    /// Judges the counter of a POST, without taking it.
    pub(super) fn order(&self, sequence: i64, noun: &str, body: &[u8], strict: bool) -> Order {
        let repeated = self.last_post.as_ref().is_some_and(|(n, b)| n == noun && b == body);
        if sequence == self.last_sequence && repeated {
            Order::Repeated
        } else if sequence == self.last_sequence + 1 || !strict {
            Order::Next
        } else {
            Order::OutOfSync { last: self.last_sequence }
        }
    }

    pub(super) fn accept_post(&mut self, sequence: i64, noun: &str, body: &[u8]) {
        self.last_sequence = sequence;
        self.last_post = Some((noun.to_owned(), body.to_vec()));
    }

    /// The session is now on another server: new token, counters anew, and `data` comes first.
    pub(super) fn reconnect<B: MessageBody>(&mut self, offset: i64, data: &B) {
        self.moved = false;
        self.affinity = new_affinity();
        self.last_sequence = 0;
        self.last_post = None;
        self.queue.retain(|pending| pending.offset > offset);
        let rest = std::mem::take(&mut self.queue);
        self.next_number = rest.front().map_or(self.next_number, |pending| pending.number);
        self.delivered = self.next_number - 1;
        self.push(data);
        for pending in rest {
            let number = self.next_number;
            self.next_number += 1;
            self.next_offset += 3;
            self.queue.push_back(Pending { number, offset: self.next_offset, ..pending });
        }
    }

    pub(super) fn renew_key(&mut self, now: Now) {
        self.key = new_key(&self.id, now);
        self.affinity = new_affinity();
    }
}

fn new_key(id: &str, now: Now) -> String {
    let secret: [u8; 20] = random::bytes();
    format!("{id}!{}!{}", now.wall.millis(), STANDARD.encode(secret))
}

fn new_affinity() -> String {
    format!("{:08x}", u32::from_be_bytes(random::bytes()))
}
