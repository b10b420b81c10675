//! What the visitor's program is answered when it polls.
//!
//! An empty poll is held; the newest poll wins; an answer is handed out once its facts are safe.

use std::collections::VecDeque;

use super::super::agent::AgentEvent;
use super::super::fact::Fact;
use super::super::limits::{
    OUTBOX_MAX, OUTBOX_TYPING_MAX, Overlap, SUPERSEDED_MAX, SUPERSEDED_WAIT,
};
use super::super::outbox::AckStyle;
use super::super::{Payload, Reply, ReplyTo};
use super::Session;
use crate::time::Mono;

/// A poll that waits.
#[derive(Clone, Copy, Debug)]
struct Parked {
    reply: ReplyTo,
    until: Mono,
    ack: Option<i64>,
}

/// The polls that wait.
#[derive(Debug, Default)]
pub(super) struct Polls {
    parked: Option<Parked>,
    /// Polls that lost to another one: when each is answered, and what.
    superseded: VecDeque<(ReplyTo, Mono, Reply)>,
    last_answer: Option<(ReplyTo, i64)>,
    /// Whether the last answer was handed to the client in full.
    written: bool,
}

impl Polls {
    pub(super) fn is_empty(&self) -> bool {
        self.parked.is_none() && self.superseded.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let parked = self.parked.map(|parked| parked.until);
        parked.into_iter().chain(self.superseded.front().map(|(_, at, _)| *at)).min()
    }
}

impl Session {
    pub(super) fn poll(&mut self, ack: Option<i64>, reply: ReplyTo) {
        self.abandon_at = self.now.mono.plus(self.settings.abandoned_after);
        match (self.polls.parked, self.settings.overlap) {
            (Some(older), Overlap::Supersede) => {
                self.polls.parked = None;
                self.answer_late(older.reply, Reply::Nothing);
            }
            (Some(_), Overlap::Conflict) => return self.answer_late(reply, Reply::Conflict),
            (Some(_), Overlap::Strict) => {
                self.reply(reply, Reply::Conflict);
                return self.end_with_error();
            }
            (None, _) => {}
        }
        self.hear(self.state.outbox.read_ack(ack));
        if self.ended() && self.state.outbox.all_sent() && !self.state.session_data_due {
            self.reply(reply, Reply::Gone);
            return;
        }
        let until = self.now.mono.plus(self.settings.poll_hold);
        self.polls.parked = Some(Parked { reply, until, ack });
    }

    /// Answers a poll that lost to another one, and not at once.
    fn answer_late(&mut self, poll: ReplyTo, answer: Reply) {
        self.polls.superseded.push_back((poll, self.now.mono.plus(SUPERSEDED_WAIT), answer));
        if self.polls.superseded.len() > SUPERSEDED_MAX
            && let Some((oldest, _, answer)) = self.polls.superseded.pop_front()
        {
            self.reply(oldest, answer);
        }
    }

    /// The client of a poll went away. True when it took the last answer with it.
    pub(super) fn poll_lost(&mut self, reply: ReplyTo) -> bool {
        self.polls.superseded.retain(|(to, ..)| *to != reply);
        if self.polls.parked.is_some_and(|parked| parked.reply == reply) {
            self.polls.parked = None;
        }
        let Some((to, through)) = self.polls.last_answer else { return false };
        let last = to == reply && self.state.outbox.sent() == through;
        last && !self.all_consumed()
    }

    /// Whether the client is known, as far as it can be, to have everything.
    pub(super) fn all_consumed(&self) -> bool {
        match self.state.outbox.style() {
            AckStyle::Acks => self.state.outbox.waiting() == 0,
            _ => self.state.outbox.waiting() == 0 || self.answer_was_last(),
        }
    }

    /// A client that does not acknowledge has got the last message it will ever get.
    fn answer_was_last(&self) -> bool {
        let outbox = &self.state.outbox;
        self.ended() && self.polls.written && outbox.waiting() == 1 && outbox.all_sent()
    }

    /// An answer was handed over; what a client that does not acknowledge was told last is then
    /// consumed, also for a process that takes the chat up later.
    pub(super) fn poll_written(&mut self, reply: ReplyTo) {
        if self.polls.last_answer.is_none_or(|(to, _)| to != reply) {
            return;
        }
        self.polls.written = true;
        if self.state.outbox.style() != AckStyle::Acks && self.answer_was_last() {
            self.record(Fact::Consumed { through: self.state.outbox.sent() });
        }
    }

    pub(super) fn answer_polls(&mut self) {
        if let Some(parked) = self.polls.parked
            && !self.answer_with_messages(parked)
            && parked.until <= self.now.mono
        {
            self.polls.parked = None;
            self.reply(parked.reply, Reply::Nothing);
        }
        while self.polls.superseded.front().is_some_and(|(_, at, _)| *at <= self.now.mono)
            && let Some((reply, _, answer)) = self.polls.superseded.pop_front()
        {
            self.reply(reply, answer);
        }
    }

    fn answer_with_messages(&mut self, poll: Parked) -> bool {
        let reply = poll.reply;
        let next = self.state.outbox.next_answer(self.settings.delivery);
        let session_data = self.state.session_data_due;
        let (messages, sequence) = match (next, session_data) {
            (Some(next), _) => next,
            (None, true) => (Vec::new(), self.state.outbox.sent()),
            (None, false) => return false,
        };
        let transcript = session_data.then(|| self.state.transcript.iter().cloned().collect());
        if session_data {
            self.record(Fact::SessionDataDue(false));
        }
        if !messages.is_empty() {
            // A poll that is asked again within the bridge names the number again.
            let foreseen = poll.ack.is_some_and(|ack| ack >= sequence);
            self.record(Fact::Sent { through: sequence, foreseen });
        }
        self.polls.parked = None;
        self.polls.last_answer = Some((reply, sequence));
        self.polls.written = false;
        let payload = Payload { messages, sequence, offset: sequence + 1, transcript };
        self.reply(reply, Reply::Messages(payload));
        true
    }

    /// The process is about to stop: whoever waits is let go and will come back.
    pub(super) fn drain(&mut self) {
        let parked = self.polls.parked.take().map(|parked| parked.reply);
        let superseded: Vec<_> = self.polls.superseded.drain(..).map(|(to, ..)| to).collect();
        for reply in parked.into_iter().chain(superseded) {
            self.reply(reply, Reply::Nothing);
        }
    }

    /// Tells the visitor something, the outcome of the request always first.
    pub(super) fn tell(&mut self, event: AgentEvent) {
        let waiting = self.state.outbox.waiting();
        if event.is_typing() && (waiting >= OUTBOX_TYPING_MAX || !self.state.established) {
            return;
        }
        let outcome =
            matches!(event, AgentEvent::RequestSuccess { .. } | AgentEvent::RequestFail { .. });
        if !self.state.outcome_told && !outcome {
            self.tell_success();
        }
        self.record(Fact::Told(event));
        if waiting + 1 >= OUTBOX_MAX && !self.ended() {
            self.end_with_error();
        }
    }

    pub(super) fn tell_success(&mut self) {
        if !self.state.outcome_told {
            let queue_position = self.stream.position.unwrap_or(self.settings.unknown_position);
            let wait_seconds = self.stream.wait_seconds.unwrap_or(-1);
            self.record(Fact::Told(AgentEvent::RequestSuccess { queue_position, wait_seconds }));
        }
    }

    pub(super) fn success_due(&mut self) {
        if self.state.success_by.is_some_and(|by| by <= self.now.mono) && !self.ended() {
            self.tell_success();
        }
    }

    pub(super) fn abandoned_due(&mut self) {
        let waiting = self.polls.parked.is_some();
        if self.abandon_at <= self.now.mono && !self.ended() {
            if waiting {
                self.abandon_at = self.now.mono.plus(self.settings.abandoned_after);
            } else {
                self.end_abandoned();
            }
        }
    }
}
