//! The judge: what the desk and the client saw, and what crossed the wires to the bridge.
//!
//! It never looks at the bridge's state. What the promises leave open is allowed here, exactly
//! there, and counted (docs/reliability.md lists it).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::chat::Payload;
use crate::chat::agent::AgentEvent;
use crate::chat::text::Text;
use crate::machine::client::RETRY_IN_TIME;
use crate::machine::cluster::Cluster;
use crate::machine::plan::{Acks, Faults};
use crate::machine::world::World;

/// Items from here on are not messages of the visitor.
pub const FIRST_SPECIAL: u64 = 1_000_000;
/// How often the answer to an explicit `ack=-1` may die before it counts as delivered.
const FIRST_ANSWER_DEATHS: u32 = 4;
/// What was said this long before a chat's end arrives before it, unless something goes wrong.
const IN_TIME: u64 = 5_000;

/// What was seen.
#[derive(Default)]
pub struct Ledger {
    pub violations: Vec<String>,
    pub crashes: u64,
    /// How often a process began or ended to have the chat, without intention.
    pub lives: u64,
    /// How often a node took the chat up from the other.
    pub takeovers: u64,
    pub pauses: u64,
    /// Nodes stopped in good order.
    pub stops: u64,
    /// Commits refused because somebody else had the chat.
    pub fenced: u64,
    /// Requests handed on to the other node.
    pub forwards: u64,
    /// POSTs answered 500 because nobody could be found who had the chat.
    pub gave_up: u64,
    /// The longest time that nobody had the chat.
    pub longest_gap: u64,
    pub wall_steps: u64,
    /// Time that passed for the chat alone, when a node took it up whose calendar was ahead.
    pub skipped: u64,
    pub repeated: u64,
    pub lost: u64,
    pub misordered: u64,
    /// Messages of the agent at the client.
    pub delivered: u64,
    /// Items whose answer the bridge believes written, although it never came.
    pub answer_vanished: BTreeSet<u64>,
    /// Items retried after the window for unnumbered retries.
    pub late_retry: BTreeSet<u64>,
    /// Items on their way while the client reconnected, and so changed their number.
    pub renumbered: BTreeSet<u64>,
    pub posted: BTreeMap<u64, u64>,
    pub accepted: BTreeSet<u64>,
    /// Items refused once because the queue was full: a copy that came later may have been taken.
    pub overloaded: BTreeSet<u64>,
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
    /// Questions of the agent, and of the bridge field by field.
    pub asked: BTreeSet<String>,
    wire: BTreeMap<i64, AgentEvent>,
    dead: BTreeMap<i64, u32>,
    seen: Vec<i64>,
    last_payload: (i64, i64),
    /// In which life of the chat an answer ending here was handed over, each time.
    handed: BTreeMap<i64, Vec<u64>>,
    /// Messages that a client without acks did not see, and how many deaths account for it.
    missed: Vec<(i64, u32)>,
    /// The last word: its number, and when it was first handed over.
    pub last_word: Option<(i64, u64)>,
    /// Notices that a message could not be delivered: when each was first handed over.
    pub notices: BTreeMap<i64, u64>,
    /// Messages that left the bridge for the service.
    pub attempts: BTreeMap<Uuid, Attempt>,
    /// When they were decided on, where a commit comes first.
    pub decided: BTreeMap<Uuid, u64>,
    /// The conversation was asked for.
    pub creating: bool,
    /// The client named an offset that never was.
    pub garbled: bool,
}

/// A message on its way to the service.
pub struct Attempt {
    pub first_at: u64,
    pub texts: Vec<Text>,
}

impl Ledger {
    pub fn posted(&mut self, item: u64, at: u64) {
        self.posted.entry(item).or_insert(at);
    }

    /// The chat gets a POST: perhaps too late to know it for a retry.
    pub fn taken(&mut self, item: u64, at: u64) {
        if self.posted.get(&item).is_some_and(|posted| posted + RETRY_IN_TIME < at) {
            self.late_retry.insert(item);
        }
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

    /// A message leaves the bridge.
    pub fn attempted(&mut self, id: Uuid, text: &Text, at: u64) {
        let at = self.decided.get(&id).copied().unwrap_or(at);
        let attempt = Attempt { first_at: at, texts: Vec::new() };
        let attempt = self.attempts.entry(id).or_insert(attempt);
        if !attempt.texts.contains(text) {
            attempt.texts.push(text.clone());
        }
    }

    /// The ids under which a text, or a part of it, was attempted.
    pub fn ids_of(&self, text: &str) -> BTreeSet<Uuid> {
        let about = |known: &Text| known.as_str().contains(text) || text.contains(known.as_str());
        let ours = self.attempts.iter().filter(|(_, attempt)| attempt.texts.iter().any(about));
        ours.map(|(id, _)| *id).collect()
    }

    /// What was attempted of a text's beginning alone.
    pub fn heads_of(&self, text: &str) -> BTreeSet<String> {
        let known = self.attempts.values().flat_map(|attempt| &attempt.texts);
        let heads = known.map(Text::as_str).filter(|part| text.starts_with(part) && *part != text);
        heads.map(str::to_owned).collect()
    }

    /// Whether the end of the chat was told together with the loss of what still waited.
    pub fn ended_with_notice(&self) -> bool {
        self.last_word.is_some_and(|(number, _)| self.notices.contains_key(&(number - 1)))
    }

    /// When one of both sides ended the chat.
    fn ended_at(&self) -> Option<u64> {
        self.agent_ended_at.into_iter().chain(self.visitor_ended_at).min()
    }

    /// When the last word was told, if nobody had ended the chat by then.
    fn ended_by_itself(&self) -> Option<u64> {
        let (_, at) = self.last_word?;
        self.ended_at().is_none_or(|ended| at < ended).then_some(at)
    }

    /// Whether a poll may be answered 403 now.
    pub fn over_for_client(&self, acks: Acks) -> bool {
        self.ended || (acks != Acks::Proper && self.last_word.is_some())
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
    pub fn on_the_wire(&mut self, boot: u64, payload: &Payload) {
        if payload.offset != payload.sequence + 1 {
            self.violation(format!("offset {} at {}", payload.offset, payload.sequence));
        }
        if payload.messages.is_empty() && payload.transcript.is_none() {
            self.violation("an empty answer".to_owned());
        }
        let node = self.nodes.iter().find(|node| node.boot == boot);
        let life = node.and_then(|node| node.task.as_ref()).map(|task| task.life);
        let life = life.unwrap_or(self.ledger.lives);
        self.ledger.handed.entry(payload.sequence).or_default().push(life);
        for (number, event) in numbers(payload) {
            let known = self.ledger.wire.entry(number).or_insert_with(|| event.clone()).clone();
            if known != *event {
                self.violation(format!("number {number} changed its message"));
            }
            if is_last_word(event) {
                self.ledger.last_word.get_or_insert((number, self.at));
            }
            if let AgentEvent::Message { from: None, text } = event
                && *text == self.plan.settings.undeliverable_text
            {
                self.ledger.notices.entry(number).or_insert(self.at);
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
            let asked_again = overlaps || self.ledger.garbled;
            // A node that believes in a lease it has lost answers a poll by what it knew.
            let deceives = self.plan.cluster.as_ref().is_some_and(Cluster::deceives);
            if acks && deceives {
                self.ledger.repeated += 1;
            } else if acks && !asked_again {
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
            if acks && last >= 0 {
                self.violation(format!("message {missing} never came"));
            } else if deaths < needed {
                // Perhaps its answer has not reached the place yet where it dies.
                self.ledger.missed.push((missing, needed));
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
        if finally {
            self.judge_missed();
        }
        self.judge_numbers();
        self.judge_visitor(finally);
        self.judge_agent(finally);
        self.judge_end(finally);
    }

    fn judge_missed(&mut self) {
        for (missing, needed) in std::mem::take(&mut self.ledger.missed) {
            if self.ledger.dead.get(&missing).is_none_or(|deaths| *deaths < needed) {
                self.violation(format!("message {missing} never came"));
            }
        }
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
            if matches!(event, AgentEvent::Established { .. }) {
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
    pub fn failed(&self) -> bool {
        self.ledger.wire.values().any(|event| matches!(event, AgentEvent::RequestFail { .. }))
    }

    fn judge_agent(&mut self, finally: bool) {
        let ledger = &self.ledger;
        let texts = |number: &i64| match ledger.wire.get(number) {
            Some(AgentEvent::Message { from: Some(_), text }) => Some(text.as_str().to_owned()),
            _ => None,
        };
        let got: Vec<String> = ledger.seen.iter().filter_map(texts).collect();
        let dead: BTreeSet<String> = ledger.dead.keys().filter_map(texts).collect();
        // The chat was over before what the desk said could pass.
        let skipped = ledger.skipped;
        let out_of_time = |at: &u64| self.service.token_was_due(*at, skipped);
        let out_of_time = ledger.last_word.map(|(_, at)| at).filter(out_of_time);
        // What is told waits for polls: the chat was over when the token was due.
        let out_of_time = out_of_time.map(|at| at.min(self.service.token_due));
        // A request that failed has nobody to read what its agent says, whenever it was said.
        let failed = (self.failed() && self.plan.hurts_calls()).then_some(0);
        let over_at = failed.or(out_of_time).or(ledger.ended_by_itself());
        let over_at = over_at.or(ledger.visitor_ended_at);
        let harmless = self.plan.harmless();
        let early = |at: u64| over_at.is_some_and(|over| !harmless || over < at + IN_TIME);
        let settled = finally || ledger.last_word.is_none();
        let mut wrong = Vec::new();
        let (mut lost, mut late) = (0, 0);
        let mut reached = 0;
        for (text, entry) in &ledger.said {
            let entry = &self.service.entries[*entry];
            let places: Vec<_> = (0..got.len()).filter(|at| got[*at] == *text).collect();
            match places.as_slice() {
                [] if entry.withheld || dead.contains(text) => lost += 1,
                [] if early(entry.at) || !settled => {}
                [] => wrong.push(format!("agent's message {text:?} never came")),
                // What nobody supplied in time may come late.
                [at] if entry.withheld => late += u64::from(*at < reached),
                [at] if *at >= reached => reached = *at,
                [_] => wrong.push(format!("agent's message {text:?} is out of order")),
                _ => wrong.push(format!("agent's message {text:?} came twice")),
            }
        }
        if failed.is_some() && !got.is_empty() {
            wrong.push("the agent spoke, and then the request failed".to_owned());
        }
        let said = |text: &String| ledger.said.iter().any(|(known, _)| known == text);
        let asked = |text: &String| ledger.asked.contains(text);
        for text in got.iter().filter(|text| !said(text) && !asked(text)) {
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
        let ends = ledger.ended_at().is_some();
        let proper = self.plan.traits.acks == Acks::Proper;
        let mut wrong = Vec::new();
        if let Some(at) = ledger.ended_by_itself() {
            let failed = self.failed() && self.plan.hurts_calls();
            // The timer of a transfer whose end no one could supply.
            let held = ledger.nobody_there && self.service.coming_withheld();
            let due = self.service.token_was_due(at, ledger.skipped);
            if !failed && !held && !due {
                wrong.push("the chat ended although nobody ended it".to_owned());
            }
        }
        if ledger.last_word.is_none() && ledger.post_gone {
            wrong.push("403 to a POST, and the end was never told".to_owned());
        }
        if !ledger.notices.is_empty() && self.plan.harmless() && !ends && !self.token_over() {
            wrong.push("undeliverable, although nothing was wrong".to_owned());
        }
        if finally && self.token_over() {
            wrong.extend(self.judge_token());
        }
        let unheard = self.ledger.last_word.is_none() && self.service.end_withheld();
        if finally && (ends || self.ledger.last_word.is_some()) && !unheard {
            let ledger = &self.ledger;
            if proper && !ledger.ended {
                wrong.push("the client never saw the last word".to_owned());
            }
            if !ledger.gone {
                wrong.push("no 403 after the end".to_owned());
            }
            let too_late = self.token_over() && !self.plan.harmless();
            let left = self.service.conversation.is_some() && !self.service.closed;
            if left && !self.failed() && !too_late {
                wrong.push("the conversation was never closed".to_owned());
            }
        }
        for what in wrong {
            self.violation(what);
        }
    }

    /// A chat that the token did not outlive ends in time and says why.
    fn judge_token(&self) -> Vec<String> {
        let ledger = &self.ledger;
        let ends = self.service.token_ends.unwrap_or(u64::MAX);
        let mut wrong = Vec::new();
        if ledger.ended_at().is_some_and(|at| at < ends) {
            return wrong;
        }
        let Some((number, at)) = ledger.last_word else {
            wrong.push("the token ended and the chat did not".to_owned());
            return wrong;
        };
        let Faults { net, crash, .. } = self.plan.faults;
        let calm = self.plan.cluster.as_ref().is_none_or(Cluster::harmless);
        let punctual = net + crash == 0 && self.plan.crash_at.is_none() && calm;
        if punctual && at > ends {
            wrong.push(format!("the last word, {number}, came after the token's end"));
        }
        let why = |event: &AgentEvent| match event {
            AgentEvent::Message { from: None, text } => *text == self.plan.settings.time_up_text,
            _ => false,
        };
        if punctual && !self.failed() && !ledger.wire.values().any(why) {
            wrong.push("the token ended the chat, and nobody was told why".to_owned());
        }
        wrong
    }
}
