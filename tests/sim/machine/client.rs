//! A legacy client: a small state machine over connections that may break.

use std::collections::{BTreeMap, VecDeque};

use crate::chat::text::Text;
use crate::chat::visitor::{FileInfo, Post, VisitorCommand};
use crate::chat::{Payload, Reply};
use crate::machine::net::Request;
use crate::machine::plan::{Acks, Plan, Posts};
use crate::machine::world::{Event, World};

/// Without an answer for this long a client hangs up.
pub const TIMEOUT: u64 = 30_000;
/// A retry that the chat gets later than this may be later than the window for retries.
pub const RETRY_IN_TIME: u64 = 28_000;
/// Item numbers that are not messages of the visitor.
const BEGIN: u64 = 1_000_000;
const END: u64 = 1_000_001;
const TYPING: u64 = 1_000_002;

/// The client of a run.
#[derive(Default)]
pub struct Client {
    queue: VecDeque<u64>,
    current: Option<Current>,
    next_number: u64,
    copies: BTreeMap<u64, Post>,
    next_copy: u64,
    pub begun: bool,
    polls: Vec<(u64, u64)>,
    poll_count: i64,
    answered_once: bool,
    pub last: i64,
    reconnecting: bool,
    wants_reconnect: bool,
    /// Saw the last word of the chat.
    pub ended: bool,
    /// Was told 403.
    pub gone: bool,
    end_sent: bool,
    /// Which node its next request goes to.
    pub node: usize,
}

/// The POST that is being worked on.
struct Current {
    item: u64,
    number: Option<u64>,
    since: u64,
    conns: Vec<u64>,
}

impl Client {
    pub fn new(_plan: &Plan) -> Self {
        Self { queue: VecDeque::from([BEGIN]), next_number: 1, last: -1, ..Self::default() }
    }

    /// Whether a POST waits for its answer.
    pub fn busy(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty()
    }
}

impl World {
    pub fn client_says(&mut self, number: usize) {
        if !self.client.ended && !self.client.gone && !self.client.end_sent {
            if self.rng.chance(200) {
                self.client.queue.push_back(TYPING);
            }
            self.client.queue.push_back(number as u64);
            self.client_posts();
        }
    }

    pub fn client_ends(&mut self) {
        if !self.client.ended && !self.client.gone {
            self.client.end_sent = true;
            self.client.queue.push_back(END);
            self.client_posts();
        }
    }

    /// Works on the first POST, when there is time for it.
    pub fn client_posts(&mut self) {
        if self.client.reconnecting || self.client.gone {
            return;
        }
        if self.client.wants_reconnect {
            self.client.wants_reconnect = false;
            self.client.reconnecting = true;
            if let Some(current) = &self.client.current {
                self.ledger.renumbered.extend((!current.conns.is_empty()).then_some(current.item));
            }
            let offset = self.offset();
            self.send(Request::Reconnect { offset });
            return;
        }
        if self.client.current.is_none() {
            let Some(item) = self.client.queue.pop_front() else { return };
            let numbered = self.plan.traits.posts != Posts::Unnumbered;
            let number = numbered.then_some(self.client.next_number);
            self.client.next_number += 1;
            let since = self.at;
            self.client.current = Some(Current { item, number, since, conns: Vec::new() });
        }
        let Some(current) = &self.client.current else { return };
        if !current.conns.is_empty() {
            return;
        }
        let (item, number) = (current.item, current.number);
        if self.at > current.since + RETRY_IN_TIME {
            self.ledger.late_retry.insert(item);
        }
        let post = Post {
            sequence: number,
            fingerprint: item + 1,
            command: match item {
                BEGIN => VisitorCommand::Begin(Box::default()),
                END => VisitorCommand::End,
                TYPING => VisitorCommand::Typing,
                item if is_file(&self.text_of(item)) => VisitorCommand::Upload(FileInfo {
                    name: Text::from(self.text_of(item).as_str()),
                    kind: "image/png".to_owned(),
                    bytes: 100,
                }),
                item => VisitorCommand::Say(Text::from(self.text_of(item).as_str())),
            },
        };
        if self.plan.traits.posts == Posts::Blind {
            for _ in 0..self.rng.range(1, 3) {
                self.client.next_copy += 1;
                let copy = self.client.next_copy;
                self.client.copies.insert(copy, post.clone());
                let wait = self.rng.range(0, 2_500);
                self.after(wait, Event::Again { post: copy });
            }
        }
        self.transmit(post, item);
    }

    /// Where to go on; some clients name a place that never was.
    fn offset(&mut self) -> Option<i64> {
        let right = self.client.last + 1;
        let garbles = self.plan.traits.garbles && self.faulty() && self.rng.chance(400);
        if !garbles {
            return Some(right);
        }
        self.ledger.garbled = true;
        self.rng.pick(&[
            None,
            Some(-1),
            Some(0),
            Some(right + 1_000),
            Some(i64::MAX),
            Some(i64::MIN),
        ])
    }

    fn transmit(&mut self, post: Post, item: u64) {
        self.ledger.posted(item, self.at);
        if item == END {
            self.ledger.visitor_ended_at.get_or_insert(self.at);
        }
        let conn = self.send(Request::Post { post, item });
        if let Some(current) = self.client.current.as_mut().filter(|c| c.item == item) {
            current.conns.push(conn);
        }
    }

    pub fn text_of(&self, item: u64) -> String {
        self.plan.says.get(item as usize).map(|(_, text)| text.clone()).unwrap_or_default()
    }

    /// Sends another copy of a POST, whatever became of the first.
    pub fn send_copy(&mut self, copy: u64) {
        if let Some(post) = self.client.copies.remove(&copy)
            && !self.client.gone
        {
            let item = post.fingerprint - 1;
            self.transmit(post, item);
        }
    }

    pub fn post_answered(&mut self, item: u64, conn: u64, reply: Option<Reply>) {
        let Some(current) = self.client.current.as_mut().filter(|c| c.item == item) else {
            if reply == Some(Reply::Ok) {
                self.ledger.accepted(item);
            }
            return;
        };
        current.conns.retain(|other| *other != conn);
        match reply {
            Some(Reply::Overloaded) if self.insists(item) => {
                let wait = self.rng.range(200, 3_000);
                self.after(wait, Event::Post);
                return;
            }
            None => {
                if self.plan.traits.reconnects && self.client.begun && self.rng.chance(400) {
                    self.client.wants_reconnect = true;
                }
                let wait = self.rng.range(200, 3_000);
                self.after(wait, Event::Post);
                return;
            }
            Some(Reply::Ok) => self.ledger.accepted(item),
            Some(Reply::Overloaded) => self.ledger.refused(item),
            // An earlier attempt was taken whose answer never came.
            Some(Reply::BadRequest(_)) if item == BEGIN => {}
            // Nobody awaits it: nobody is there yet, or it came before.
            Some(Reply::BadRequest(_)) if is_file(&self.text_of(item)) => {}
            Some(Reply::Gone) => {
                // The last word may still wait for a poll.
                self.ledger.post_gone = true;
                self.client.queue.clear();
            }
            Some(other) => self.violation(format!("POST {item} was answered {other:?}")),
        }
        self.client.current = None;
        if item == BEGIN && !self.client.begun {
            self.client.begun = true;
            self.after(1, Event::Poll);
        }
        self.after(1, Event::Post);
    }

    /// Whether the client asks again after a 500.
    fn insists(&self, item: u64) -> bool {
        let Some(cluster) = &self.plan.cluster else { return false };
        cluster.insists || item == BEGIN || item == END
    }

    /// After a failure the client finds the other node, or after each request.
    pub fn client_moves(&mut self, failed: bool) {
        if self.plan.cluster.as_ref().is_some_and(|cluster| cluster.sticky == failed) {
            self.client.node = 1 - self.client.node;
        }
    }

    pub fn reconnect_answered(&mut self, reply: Option<Reply>) {
        self.client.reconnecting = false;
        match reply {
            None | Some(Reply::Overloaded) => self.client.wants_reconnect = true,
            Some(Reply::Reconnected) => {
                self.client.next_number = 1;
                if let Some(current) = &mut self.client.current {
                    current.number = current.number.map(|_| 1);
                    self.client.next_number = 2;
                }
            }
            Some(Reply::Gone) => {}
            Some(other) => self.violation(format!("reconnect was answered {other:?}")),
        }
        let wait = self.rng.range(1, 1_000);
        self.after(wait, Event::Post);
    }

    pub fn client_polls(&mut self) {
        let at = self.at;
        let stale: Vec<u64> = self.client.polls.iter().filter(|p| at >= p.1).map(|p| p.0).collect();
        for conn in stale {
            if self.net.waits(conn) {
                self.poll_timed_out(conn);
            }
        }
        let most = if self.plan.traits.overlaps { 2 } else { 1 };
        if self.client.gone || !self.client.begun || self.client.polls.len() >= most {
            return;
        }
        let last = self.client.last;
        let ack = match self.plan.traits.acks {
            Acks::Proper => Some(last),
            Acks::Never => None,
            Acks::PrivateCounter => Some(self.client.poll_count),
            Acks::MissingFirst => self.client.answered_once.then_some(last),
        };
        self.client.poll_count += 1;
        let conn = self.send(Request::Poll { ack });
        self.client.polls.push((conn, self.at + TIMEOUT));
        self.after(TIMEOUT, Event::Poll);
        if self.plan.traits.overlaps && self.rng.chance(300) {
            let wait = self.rng.range(1, 12_000);
            self.after(wait, Event::Poll);
        }
        if self.plan.traits.reconnects && self.rng.chance(60) && self.faulty() {
            self.client.wants_reconnect = true;
            self.after(1, Event::Post);
        }
    }

    fn poll_timed_out(&mut self, conn: u64) {
        self.note(|| format!("client #{conn} hangs up"));
        if self.at > self.plan.faults_until + TIMEOUT + 1_000 {
            self.violation(format!("poll #{conn} was held for 30 s"));
        }
        self.client.polls.retain(|(other, _)| *other != conn);
        self.hang_up(conn);
    }

    pub fn poll_answered(&mut self, conn: u64, reply: Option<Reply>) {
        self.client.polls.retain(|(other, _)| *other != conn);
        let mut wait = self.rng.range(1, 200);
        match reply {
            None => {
                wait = self.rng.range(200, 2_000);
                if self.plan.traits.reconnects && self.rng.chance(300) {
                    self.client.wants_reconnect = true;
                    self.after(1, Event::Post);
                }
            }
            Some(Reply::Nothing) => self.client.answered_once = true,
            Some(Reply::Messages(payload)) => {
                self.client.answered_once = true;
                self.client_reads(&payload);
            }
            Some(Reply::Gone) => {
                if !self.ledger.over_for_client(self.plan.traits.acks) {
                    self.violation("403 to a poll of a chat that is not over".to_owned());
                }
                self.client.gone = true;
                self.ledger.gone = true;
                return;
            }
            Some(other) => self.violation(format!("a poll was answered {other:?}")),
        }
        if self.rng.chance(40) {
            wait += self.rng.range(0, 4_000);
        }
        self.after(wait, Event::Poll);
    }

    fn client_reads(&mut self, payload: &Payload) {
        let acks = match self.plan.traits.acks {
            Acks::Proper => true,
            Acks::MissingFirst => self.ledger.acked,
            Acks::Never | Acks::PrivateCounter => false,
        };
        self.read_payload(payload, acks, self.plan.traits.overlaps);
        self.client.last = self.client.last.max(payload.sequence);
        if self.client.last >= 0 {
            self.ledger.acked = true;
        }
        self.client.ended = self.ledger.ended;
    }
}

/// Whether what the visitor has to say is a file of this name.
pub fn is_file(text: &str) -> bool {
    text.starts_with("[file")
}
