//! Messages on their way to the visitor: numbers, acknowledgements, what one answer may hold.
//!
//! Promised: a number is given once and never changes its message; a client that acknowledges gets
//! each message once, in order; to one that never does, the last answer may repeat after a crash.
//! Numbers count from 0 (live-agent.md 5.1); the position on the wire (`offset`) is the number + 1.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::agent::AgentEvent;
use super::limits::Delivery;
use super::mutation::{self, Mutation};

/// How often an explicit `ack=-1` gets the same messages again.
const REPEATS_MAX: u8 = 3;
/// Ends of answers remembered to recognise an acknowledgement.
const ENDS_MAX: usize = 64;

/// What the client's `ack` has turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AckStyle {
    /// Nothing was sent yet, or nothing came back yet.
    #[default]
    Unknown,
    /// It names the `sequence` of an answer: a real acknowledgement.
    Acks,
    /// It is absent, or a counter of the client's own: the next poll says that the last answer
    /// came.
    Never,
}

/// What a poll says about the messages sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The client is of this style.
    Style(AckStyle),
    /// Everything up to this number was consumed.
    Consumed(i64),
    /// What was sent and not consumed must be sent again; `counted` when the client asked from −1.
    Again {
        /// Whether the repeat counts against the limit.
        counted: bool,
    },
}

/// The outbox of one chat.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outbox {
    first: i64,
    events: VecDeque<AgentEvent>,
    sent: i64,
    style: AckStyle,
    ends: VecDeque<i64>,
    repeats: u8,
    /// Whether ends of answers may have been forgotten in a crash.
    #[serde(skip)]
    recovered: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            first: 0,
            events: VecDeque::new(),
            sent: -1,
            style: AckStyle::Unknown,
            ends: VecDeque::new(),
            repeats: 0,
            recovered: false,
        }
    }
}

impl Outbox {
    /// The number the next message will get.
    #[must_use]
    pub fn next(&self) -> i64 {
        self.first + self.events.len() as i64
    }

    /// Messages not yet consumed.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.events.len()
    }

    /// The last number handed out, −1 when none was.
    #[must_use]
    pub const fn sent(&self) -> i64 {
        self.sent
    }

    /// The client's style so far.
    #[must_use]
    pub const fn style(&self) -> AckStyle {
        self.style
    }

    /// Whether everything was handed out.
    #[must_use]
    pub fn all_sent(&self) -> bool {
        self.sent + 1 >= self.next()
    }

    /// Appends a message.
    pub fn push(&mut self, event: AgentEvent) {
        self.events.push_back(event);
    }

    /// Takes note that an answer ending with `through` was handed out. A client that named this
    /// number before (`foreseen`) counts something of its own.
    pub fn mark_sent(&mut self, through: i64, foreseen: bool) {
        self.sent = through;
        if !foreseen && !self.ends.contains(&through) {
            self.ends.push_back(through);
            if self.ends.len() > ENDS_MAX {
                self.ends.pop_front();
            }
        }
        if mutation::on(Mutation::Cursor) {
            self.hear(Heard::Consumed(through));
        }
    }

    /// Applies what a poll said.
    pub fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Style(style) => self.style = style,
            Heard::Again { counted } => {
                self.sent = self.first - 1;
                self.repeats += u8::from(counted);
            }
            Heard::Consumed(through) => {
                while self.first <= through && self.events.pop_front().is_some() {
                    self.first += 1;
                }
                self.sent = self.sent.max(through);
                self.ends.retain(|end| *end > through);
                self.repeats = 0;
            }
        }
    }

    /// After a crash: a client that never acknowledges gets its last answer again.
    pub fn recover(&mut self) {
        self.recovered = true;
        if self.style != AckStyle::Acks {
            self.sent = self.first - 1;
        }
    }

    /// What a poll with this `ack` says. Apply the answer with [`Outbox::hear`].
    #[must_use]
    pub fn read_ack(&self, ack: Option<i64>) -> Vec<Heard> {
        let mut heard = Vec::new();
        let unconsumed = self.sent >= self.first;
        match ack {
            Some(k) if k >= 0 && self.names_an_answer(k) => {
                if self.style != AckStyle::Acks {
                    heard.push(Heard::Style(AckStyle::Acks));
                }
                if k >= self.first {
                    heard.push(Heard::Consumed(k));
                }
                if self.sent > k {
                    heard.push(Heard::Again { counted: false });
                }
            }
            // Older than what was acknowledged: a poll that was overtaken on its way.
            Some(0..) if self.style == AckStyle::Acks && ack < Some(self.first) => {
                heard.extend(unconsumed.then_some(Heard::Again { counted: false }));
            }
            Some(k) if k < 0 && self.style != AckStyle::Never => {
                if unconsumed && self.repeats < REPEATS_MAX {
                    heard.push(Heard::Again { counted: true });
                } else if unconsumed {
                    heard.push(Heard::Style(AckStyle::Never));
                    heard.push(Heard::Consumed(self.sent));
                }
            }
            _ if unconsumed => {
                if self.style != AckStyle::Never {
                    heard.push(Heard::Style(AckStyle::Never));
                }
                heard.push(Heard::Consumed(self.sent));
            }
            _ => {}
        }
        heard
    }

    /// `ReconnectSession` at `offset` (a position): the client has everything up to there.
    #[must_use]
    pub fn read_offset(&self, offset: Option<i64>) -> Vec<Heard> {
        let mut heard = Vec::new();
        let number = offset.map_or(-1, |offset| offset.saturating_sub(1));
        let known = number >= self.first && number < self.next();
        if known && (number <= self.sent || self.recovered) {
            heard.push(Heard::Consumed(number));
        }
        if self.sent >= self.first && self.sent != number {
            heard.push(Heard::Again { counted: false });
        }
        heard
    }

    /// The messages of the next answer and the number of the last one.
    #[must_use]
    pub fn next_answer(&self, delivery: Delivery) -> Option<(Vec<AgentEvent>, i64)> {
        let start = self.sent + 1;
        if start >= self.next() {
            return None;
        }
        let frozen = self.ends.iter().copied().find(|end| *end >= start);
        let end = match (self.style, frozen) {
            (AckStyle::Acks, Some(end)) => end.min(self.next() - 1),
            (AckStyle::Acks, None) => self.fill(start, delivery),
            _ => start,
        };
        let range = (start - self.first) as usize..=(end - self.first) as usize;
        Some((self.events.range(range).cloned().collect(), end))
    }

    /// The last number of an answer that starts at `start`.
    fn fill(&self, start: i64, delivery: Delivery) -> i64 {
        let mut end = start;
        let at = |number: i64| &self.events[(number - self.first) as usize];
        while end + 1 < self.next() {
            let goes_on = match delivery {
                Delivery::Single => at(end).is_typing() && !at(end + 1).is_state(),
                Delivery::Batch => !at(end + 1).is_state() && !at(end).is_state(),
            };
            if !goes_on {
                break;
            }
            end += 1;
        }
        end
    }

    fn names_an_answer(&self, k: i64) -> bool {
        // Before the first acknowledgement only ReconnectSession can have moved `first`.
        let repeated = self.style != AckStyle::Never && k == self.first - 1;
        let forgotten = self.style == AckStyle::Acks && self.recovered && k < self.next();
        repeated || forgotten || self.ends.contains(&k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::agent::{EndReason, Person};
    use crate::chat::text::Text;

    fn said(n: usize) -> AgentEvent {
        AgentEvent::Message { from: None, text: Text(n.to_string()) }
    }

    fn typing() -> AgentEvent {
        AgentEvent::Typing(Person { subject: "005".into(), name: "A".into() })
    }

    fn poll(outbox: &mut Outbox, ack: Option<i64>, delivery: Delivery) -> Option<(usize, i64)> {
        for heard in outbox.read_ack(ack) {
            outbox.hear(heard);
        }
        let (events, end) = outbox.next_answer(delivery)?;
        outbox.mark_sent(end, false);
        Some((events.len(), end))
    }

    fn full(events: Vec<AgentEvent>) -> Outbox {
        let mut outbox = Outbox::default();
        for event in events {
            outbox.push(event);
        }
        outbox
    }

    #[test]
    fn each_way_of_acknowledging_gets_every_message_once() {
        // (what the client sends per poll, the last numbers it is answered with)
        let none: Vec<Option<i64>> = vec![None; 4];
        let real = vec![Some(-1), Some(0), Some(1), Some(2)];
        let counter = vec![Some(0), Some(1), Some(2), Some(3)];
        let ahead = vec![Some(5), Some(6), Some(7), Some(8)];
        let first_missing = vec![None, Some(0), Some(1), Some(2)];
        for acks in [none, real, counter, ahead, first_missing] {
            let mut outbox = full((0..3).map(said).collect());
            let ends: Vec<_> = acks
                .iter()
                .map(|ack| poll(&mut outbox, *ack, Delivery::Single).map(|(_, end)| end))
                .collect();
            assert_eq!(ends, [Some(0), Some(1), Some(2), None], "{acks:?}");
        }
    }

    #[test]
    fn a_repeated_ack_gets_the_same_answer_again() {
        let mut outbox = full((0..3).map(said).collect());
        assert_eq!(poll(&mut outbox, Some(-1), Delivery::Single), Some((1, 0)));
        assert_eq!(poll(&mut outbox, Some(0), Delivery::Single), Some((1, 1)));
        assert_eq!(poll(&mut outbox, Some(0), Delivery::Single), Some((1, 1)));
        assert_eq!(poll(&mut outbox, Some(1), Delivery::Single), Some((1, 2)));
    }

    #[test]
    fn a_poll_that_was_overtaken_takes_nothing_away() {
        let mut outbox = full((0..4).map(said).collect());
        poll(&mut outbox, Some(-1), Delivery::Single);
        poll(&mut outbox, Some(0), Delivery::Single);
        assert_eq!(poll(&mut outbox, Some(1), Delivery::Single), Some((1, 2)));
        assert_eq!(poll(&mut outbox, Some(0), Delivery::Single), Some((1, 2)));
        assert_eq!(poll(&mut outbox, Some(2), Delivery::Single), Some((1, 3)));
    }

    #[test]
    fn an_answer_is_frozen_until_it_is_acknowledged() {
        let mut outbox = full(vec![said(0), said(1), said(2)]);
        assert_eq!(poll(&mut outbox, Some(-1), Delivery::Batch), Some((1, 0)));
        assert_eq!(poll(&mut outbox, Some(0), Delivery::Batch), Some((2, 2)));
        outbox.push(said(3));
        assert_eq!(poll(&mut outbox, Some(0), Delivery::Batch), Some((2, 2)));
        assert_eq!(poll(&mut outbox, Some(2), Delivery::Batch), Some((1, 3)));
    }

    #[test]
    fn an_explicit_minus_one_asks_again_but_not_for_ever() {
        let mut outbox = full(vec![said(0), said(1)]);
        let mut ends = Vec::new();
        for _ in 0..6 {
            ends.push(poll(&mut outbox, Some(-1), Delivery::Single).map(|(_, end)| end));
        }
        assert_eq!(ends, [Some(0), Some(0), Some(0), Some(0), Some(1), None]);
    }

    #[test]
    fn a_change_of_state_travels_alone_and_typing_never_follows_a_message() {
        let ended = AgentEvent::Ended { reason: EndReason::Agent };
        let events = vec![said(0), typing(), typing(), said(3), typing(), said(5), ended];
        let mut outbox = full(events.clone());
        let mut sizes = vec![];
        let mut ack = -1;
        while let Some((size, end)) = poll(&mut outbox, Some(ack), Delivery::Single) {
            sizes.push(size);
            ack = end;
        }
        assert_eq!(sizes, [1, 3, 2, 1]);
        let mut outbox = full(events);
        let mut sizes = vec![];
        let mut ack = -1;
        while let Some((size, end)) = poll(&mut outbox, Some(ack), Delivery::Batch) {
            sizes.push(size);
            ack = end;
        }
        assert_eq!(sizes, [1, 5, 1]);
    }

    #[test]
    fn after_a_crash_an_acknowledging_client_gets_nothing_twice() {
        let mut outbox = full((0..4).map(said).collect());
        poll(&mut outbox, Some(-1), Delivery::Single);
        poll(&mut outbox, Some(0), Delivery::Single);
        let mut disk = outbox.clone();
        poll(&mut outbox, Some(1), Delivery::Single); // lost in the crash
        disk.recover();
        assert_eq!(poll(&mut disk, Some(2), Delivery::Single), Some((1, 3)));
    }

    #[test]
    fn reconnecting_continues_exactly_at_the_offset() {
        for (offset, next) in
            [(Some(2), Some(2)), (Some(1), Some(1)), (None, Some(0)), (Some(99), Some(0))]
        {
            let mut outbox = full((0..4).map(said).collect());
            outbox.mark_sent(0, false);
            outbox.mark_sent(1, false);
            for heard in outbox.read_offset(offset) {
                outbox.hear(heard);
            }
            let end = outbox.next_answer(Delivery::Single).map(|(_, end)| end);
            assert_eq!(end, next, "{offset:?}");
        }
    }
}
