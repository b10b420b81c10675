//! The judge: what the desk and the client saw, and what crossed the wires to the bridge.
//!
//! It never looks at the bridge's state. What the promises leave open is allowed here, exactly
//! there, and counted (docs/reliability.md lists it).

use std::collections::{BTreeMap, BTreeSet};

use crate::chat::Payload;
use crate::chat::agent::AgentEvent;
use crate::chat::text::Text;
use crate::plan::{Acks, Posts, Traits};
use crate::world::World;

/// Items from here on are not messages of the visitor.
const FIRST_SPECIAL: u64 = 1_000_000;
/// How often the answer to an explicit `ack=-1` may die before it counts as delivered.
const FIRST_ANSWER_DEATHS: u32 = 4;

/// What was seen.
#[derive(Default)]
pub struct Ledger {
    pub violations: Vec<String>,
    pub crashes: u64,
    pub wall_steps: u64,
    pub repeated: u64,
    pub lost: u64,
    pub misordered: u64,
    /// Messages of the agent at the client.
    pub delivered: u64,
    /// Items whose answer the bridge believes written, although it never came.
    pub answer_vanished: BTreeSet<u64>,
    /// Items retried after the window for unnumbered retries.
    pub late_retry: BTreeSet<u64>,
    posted: BTreeMap<u64, u64>,
    accepted: BTreeSet<u64>,
    /// Items refused once because the queue was full: a copy that came later may have been taken.
    overloaded: BTreeSet<u64>,
    pub visitor_ended_at: Option<u64>,
    pub agent_ended_at: Option<u64>,
    /// At some moment everybody of the business's side had left.
    pub nobody_there: bool,
    /// The client saw the last word.
    pub ended: bool,
    pub gone: bool,
    pub post_gone: bool,
    /// The client has acknowledged something.
    pub acked: bool,
    pub at_desk: Vec<Text>,
    /// The agent's words, and which entry of the conversation they are.
    pub said: Vec<(String, usize)>,
    wire: BTreeMap<i64, AgentEvent>,
    dead: BTreeMap<i64, u32>,
    seen: Vec<i64>,
    last_payload: (i64, i64),
    /// In the life of which process an answer ending here was handed over, each time.
    handed: BTreeMap<i64, Vec<u64>>,
    last_word_on_wire: bool,
    undeliverable_at: Option<u64>,
}

impl Ledger {
    pub fn posted(&mut self, item: u64, at: u64) {
        self.posted.entry(item).or_insert(at);
    }

    pub fn accepted(&mut self, item: u64) {
        self.accepted.insert(item);
    }

    pub fn refused(&mut self, item: u64) {
        self.overloaded.insert(item);
    }

    pub fn messages(&self) -> u64 {
        self.accepted.range(..FIRST_SPECIAL).count() as u64 + self.delivered
    }

    /// Whether a poll may be answered 403 now.
    pub fn over_for_client(&self, acks: Acks) -> bool {
        self.ended || (acks != Acks::Proper && self.last_word_on_wire)
    }

    fn last_seen(&self) -> i64 {
        self.seen.last().copied().unwrap_or(-1)
    }
}

fn numbers(payload: &Payload) -> impl Iterator<Item = (i64, &AgentEvent)> {
    let first = payload.sequence - payload.messages.len() as i64 + 1;
    (first..).zip(&payload.messages)
}

fn is_last_word(event: &AgentEvent) -> bool {
    matches!(event, AgentEvent::Ended { .. } | AgentEvent::RequestFail { .. })
}

impl World {
    /// The bridge hands an answer over.
    pub fn on_the_wire(&mut self, payload: &Payload) {
        if payload.offset != payload.sequence + 1 {
            self.violation(format!("offset {} at {}", payload.offset, payload.sequence));
        }
        if payload.messages.is_empty() && payload.transcript.is_none() {
            self.violation("an empty answer".to_owned());
        }
        let crashes = self.ledger.crashes;
        self.ledger.handed.entry(payload.sequence).or_default().push(crashes);
        for (number, event) in numbers(payload) {
            let known = self.ledger.wire.entry(number).or_insert_with(|| event.clone()).clone();
            if known != *event {
                self.violation(format!("number {number} changed its message"));
            }
            if is_last_word(event) {
                self.ledger.last_word_on_wire = true;
            }
            if let AgentEvent::Message { from: None, text } = event
                && *text == self.plan.settings.undeliverable_text
            {
                self.ledger.undeliverable_at = Some(self.at);
            }
        }
    }

    /// An answer was lost on its way.
    pub fn payload_died(&mut self, payload: &Payload) {
        for (number, _) in numbers(payload) {
            *self.ledger.dead.entry(number).or_default() += 1;
        }
    }

    /// The client reads an answer.
    pub fn read_payload(&mut self, payload: &Payload, acks: bool, overlaps: bool) {
        if payload.messages.is_empty() {
            return;
        }
        let span = (payload.sequence - payload.messages.len() as i64 + 1, payload.sequence);
        let last = self.ledger.last_seen();
        if span.0 <= last {
            let handed = &self.ledger.handed[&span.1];
            let crashed = handed.first() != handed.last();
            let again = span == self.ledger.last_payload && crashed;
            if acks && !overlaps {
                self.violation(format!("message {} came twice to a client that acks", span.0));
            } else if !acks && !again {
                self.violation(format!("message {} came twice without a crash", span.0));
            } else if !acks {
                self.ledger.repeated += 1;
            }
        }
        for missing in last + 1..span.0 {
            let deaths = self.ledger.dead.get(&missing).copied().unwrap_or(0);
            let needed = if acks { FIRST_ANSWER_DEATHS } else { 1 };
            if deaths < needed || (acks && last >= 0) {
                self.violation(format!("message {missing} never came"));
            }
            self.ledger.lost += 1;
        }
        for (number, event) in numbers(payload) {
            if number > last {
                self.ledger.seen.push(number);
                self.ledger.ended |= is_last_word(event);
            }
        }
        self.ledger.last_payload = span;
    }

    /// Whether the promises were kept; `finally`: at the end of the run.
    pub fn judge(&mut self, finally: bool) {
        self.judge_numbers();
        self.judge_visitor(finally);
        self.judge_agent(finally);
        self.judge_end(finally);
    }

    fn judge_numbers(&mut self) {
        let mut over = false;
        let mut wrong = Vec::new();
        let mut established = false;
        for (at, (number, event)) in self.ledger.wire.iter().enumerate() {
            let success = matches!(event, AgentEvent::RequestSuccess { .. });
            let first = success || matches!(event, AgentEvent::RequestFail { .. });
            if at as i64 != *number {
                wrong.push(format!("numbers are not dense at {number}"));
            }
            if (*number == 0) != success && !(*number == 0 && first) {
                wrong.push(format!("the outcome of the request is at {number}"));
            }
            if over {
                wrong.push(format!("message {number} after the last word"));
            }
            if matches!(event, AgentEvent::Established(_)) {
                if established {
                    wrong.push("established twice".to_owned());
                }
                established = true;
            }
            over |= is_last_word(event);
        }
        for what in wrong {
            self.violation(what);
        }
    }

    /// Whether it was told that the request failed.
    fn failed(&self) -> bool {
        self.ledger.wire.values().any(|event| matches!(event, AgentEvent::RequestFail { .. }))
    }

    fn judge_visitor(&mut self, finally: bool) {
        let desk: String = self.ledger.at_desk.iter().map(Text::as_str).collect();
        let mut rest = desk.clone();
        let mut reached = 0;
        let mut missing = Vec::new();
        let items: Vec<u64> = self.ledger.posted.range(..FIRST_SPECIAL).map(|(k, _)| *k).collect();
        for item in items {
            let text = self.text_of(item);
            let places: Vec<usize> = desk.match_indices(&text).map(|(at, _)| at).collect();
            rest = rest.replace(&text, "");
            if places.len() > 1 {
                self.came_twice(item);
            }
            match places.first() {
                Some(_) if self.ledger.overloaded.contains(&item) => {}
                Some(at) if *at < reached && !self.told_after(item) => {
                    self.violation(format!("visitor's message {item} overtook or was overtaken"));
                }
                Some(at) if *at < reached => self.ledger.misordered += 1,
                Some(at) => reached = *at,
                None if self.ledger.accepted.contains(&item) => missing.push(item),
                None => {}
            }
        }
        let whole = missing.is_empty()
            && self
                .ledger
                .posted
                .keys()
                .all(|k| *k >= FIRST_SPECIAL || self.ledger.accepted.contains(k));
        if whole && rest.chars().any(|c| c != '\n') && self.ledger.undeliverable_at.is_none() {
            self.violation(format!("the desk saw what nobody wrote: {rest:?}"));
        }
        let over = self.ledger.visitor_ended_at.is_some() || self.client.busy();
        let over = over || self.plan.paced();
        for item in missing {
            let excused = self.told_after(item) || self.failed();
            let silent = self.ledger.visitor_ended_at.is_some() && self.plan.hurts_calls();
            if !excused && !silent && (finally || !over) {
                self.violation(format!("visitor's message {item} is lost and nobody was told"));
            }
            self.ledger.lost += u64::from(finally);
        }
    }

    /// Whether the visitor was told, after this message, that one could not be delivered.
    fn told_after(&self, item: u64) -> bool {
        let posted = self.ledger.posted.get(&item).copied().unwrap_or(0);
        self.ledger.undeliverable_at.is_some_and(|told| told >= posted)
    }

    fn came_twice(&mut self, item: u64) {
        let ledger = &self.ledger;
        let Traits { posts, reconnects, .. } = self.plan.traits;
        let unnumbered = posts == Posts::Unnumbered || reconnects;
        let vanished = ledger.answer_vanished.contains(&item) || ledger.late_retry.contains(&item);
        let stepped = ledger.wall_steps > 0;
        if unnumbered && (vanished || stepped) {
            self.ledger.repeated += 1;
        } else {
            self.violation(format!("visitor's message {item} reached the desk twice"));
        }
    }

    fn judge_agent(&mut self, finally: bool) {
        let ledger = &self.ledger;
        let texts = |number: &i64| match ledger.wire.get(number) {
            Some(AgentEvent::Message { from: Some(_), text }) => Some(text.as_str().to_owned()),
            _ => None,
        };
        let got: Vec<String> = ledger.seen.iter().filter_map(texts).collect();
        let dead: BTreeSet<String> = ledger.dead.keys().filter_map(texts).collect();
        let early = ledger.visitor_ended_at.is_some()
            || (ledger.last_word_on_wire && ledger.agent_ended_at.is_none());
        let settled = finally || (!ledger.last_word_on_wire && !early);
        let mut wrong = Vec::new();
        let (mut lost, mut late) = (0, 0);
        let mut reached = 0;
        for (text, entry) in &ledger.said {
            let entry = &self.service.entries[*entry];
            let places: Vec<_> = (0..got.len()).filter(|at| got[*at] == *text).collect();
            match places.as_slice() {
                [] if entry.withheld || dead.contains(text) => lost += 1,
                [] if early || !settled => {}
                [] => wrong.push(format!("agent's message {text:?} never came")),
                // What nobody supplied in time may come late.
                [at] if entry.withheld => late += u64::from(*at < reached),
                [at] if *at >= reached => reached = *at,
                [_] => wrong.push(format!("agent's message {text:?} is out of order")),
                _ => wrong.push(format!("agent's message {text:?} came twice")),
            }
        }
        let said = |text: &String| ledger.said.iter().any(|(known, _)| known == text);
        for text in got.iter().filter(|text| !said(text)) {
            wrong.push(format!("nobody said {text:?}"));
        }
        if finally {
            self.ledger.delivered = got.len() as u64;
            self.ledger.lost += lost;
            self.ledger.misordered += late;
        }
        for what in wrong {
            self.violation(what);
        }
    }

    fn judge_end(&mut self, finally: bool) {
        let ledger = &self.ledger;
        let ends = ledger.agent_ended_at.is_some() || ledger.visitor_ended_at.is_some();
        let proper = self.plan.traits.acks == Acks::Proper;
        let mut wrong = Vec::new();
        if ledger.last_word_on_wire && !ends && !ledger.nobody_there {
            let excused = self.failed() && self.plan.hurts_calls();
            if !excused {
                wrong.push("the chat ended although nobody ended it".to_owned());
            }
        }
        if !ledger.last_word_on_wire && ledger.post_gone {
            wrong.push("403 to a POST, and the end was never told".to_owned());
        }
        if ledger.undeliverable_at.is_some() && self.plan.harmless() && !ends {
            wrong.push("undeliverable, although nothing was wrong".to_owned());
        }
        if finally && ends {
            if proper && !ledger.ended {
                wrong.push("the client never saw the last word".to_owned());
            }
            if !ledger.gone {
                wrong.push("no 403 after the end".to_owned());
            }
            if !self.service.closed() && !self.failed() {
                wrong.push("the conversation was never closed".to_owned());
            }
        }
        for what in wrong {
            self.violation(what);
        }
    }
}
