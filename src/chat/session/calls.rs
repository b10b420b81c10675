//! What is asked upstream: one command at a time, each until its outcome is known.
//!
//! An outcome in doubt is never resolved by sending again at once: first the echo on the stream is
//! waited for, then the conversation is looked at, and only then the same id goes out again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::agent::{AgentEvent, FailReason, FileStep};
use super::super::fact::Fact;
use super::super::limits::{
    BACKFILL_OVERLAP_MILLIS, BACKOFF, CLOSE_GIVE_UP, ECHO_WAIT, PARTING_WAIT,
};
use super::super::mutation::{self, Mutation};
use super::super::pending::{Command, CommandKind, UpstreamCall};
use super::super::{CallId, Effect, Outcome};
use super::Session;
use super::renew::Renewal;
use crate::time::Mono;

/// What this process knows about the first command.
#[derive(Debug, Default)]
pub(super) struct Calls {
    in_flight: Option<u64>,
    pub(super) attempts: u32,
    /// Looks at the conversation that failed since the last attempt.
    pub(super) looks: u32,
    pub(super) next_at: Option<Mono>,
    pub(super) doubt: Doubt,
    new_session: bool,
    /// The answer was refused as such: its words go as plain text.
    plain: bool,
    /// The service will not have this message: the chat ends once it is known what was said last.
    parting: bool,
    /// The process is new, and the conversation was not looked at yet: any command may have
    /// happened, not only the first that is written down.
    unlooked: bool,
    /// Commands below this number may have been attempted by an earlier process, with the contents
    /// they have.
    pub(super) fixed_below: u64,
    pub(super) sent: VecDeque<Mono>,
    pub(super) renewal: Renewal,
    /// What came back of the first message so far, in parts.
    pub(super) split: Vec<String>,
}

/// Whether the first command may have happened already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Doubt {
    #[default]
    None,
    /// Its echo may still come.
    Echo(Mono),
    /// The conversation must be looked at.
    Look,
    /// The conversation is being looked at.
    Looking,
}

impl Calls {
    /// After a crash nobody knows which of the commands were attempted.
    pub(super) const fn doubt_before(&mut self, next_command: u64) {
        self.fixed_below = next_command;
        self.doubt = Doubt::Look;
        self.unlooked = true;
    }

    fn next_command(&mut self) {
        self.in_flight = None;
        self.attempts = 0;
        self.looks = 0;
        self.next_at = None;
        self.doubt = if self.unlooked { Doubt::Look } else { Doubt::None };
        self.new_session = false;
        self.plain = false;
        self.split.clear();
        self.parting = false;
    }
}

impl Session {
    pub(super) fn calls_deadline(&self) -> Option<Mono> {
        let first = self.state.pending.front()?;
        if self.calls.in_flight.is_some() || self.calls.renewal.asking {
            return None;
        }
        if self.calls.renewal.holds() {
            return self.state.give_up.filter(|(n, _)| *n == first.number).map(|(_, at)| at);
        }
        let give_up = self.state.give_up.filter(|(number, _)| *number == first.number);
        let echo = match self.calls.doubt {
            Doubt::Echo(until) => Some(until),
            _ => None,
        };
        [give_up.map(|(_, at)| at), echo, self.calls.next_at].into_iter().flatten().min()
    }

    /// Starts what can be started.
    pub(super) fn pump(&mut self) {
        let now = self.now.mono;
        let Some(first) = self.state.pending.front().cloned() else { return };
        let waiting = self.calls.next_at.is_some_and(|at| now < at);
        if self.calls.in_flight.is_some() || waiting || self.calls.renewal.holds() {
            return;
        }
        if let Doubt::Echo(until) = self.calls.doubt
            && until <= now
        {
            self.calls.doubt = Doubt::Look;
        }
        let message = first.kind.is_message();
        match self.calls.doubt {
            Doubt::Echo(_) | Doubt::Looking => return,
            Doubt::Look if message && !mutation::on(Mutation::LookFirst) => {
                self.look(first.number);
                return;
            }
            Doubt::Look | Doubt::None => {}
        }
        if message && !self.within_budget() {
            return;
        }
        self.attempt(first.number);
    }

    fn look(&mut self, number: u64) {
        self.calls.doubt = Doubt::Looking;
        self.calls.next_at = None;
        self.calls.renewal.used = self.calls.renewal.generation;
        let call = self.list_entries();
        self.effect(Effect::Call(CallId::Check(number), call));
    }

    pub(super) fn list_entries(&self) -> UpstreamCall {
        UpstreamCall::ListEntries {
            conversation: self.state.chat.conversation(),
            since_millis: (self.state.newest_entry_millis - BACKFILL_OVERLAP_MILLIS).max(0),
        }
    }

    fn attempt(&mut self, number: u64) {
        let Some(first) = self.state.pending.front().cloned() else { return };
        let now = self.now.mono;
        if self.state.give_up.is_none_or(|(known, _)| known != number) {
            let give_up_at = now.plus(match first.kind {
                CommandKind::Close => CLOSE_GIVE_UP,
                _ => self.settings.send_give_up,
            });
            self.record(Fact::Attempted { number, give_up_at });
        }
        let call = self.call_for(&first);
        if first.kind.is_message() {
            self.calls.sent.push_back(now);
        }
        self.calls.attempts += 1;
        self.calls.looks = 0;
        self.calls.next_at = None;
        self.calls.doubt = Doubt::None;
        self.calls.in_flight = Some(number);
        self.calls.renewal.used = self.calls.renewal.generation;
        self.effect(Effect::Call(CallId::Command(number), call));
    }

    /// What a new messaging session begins with, when one is wanted.
    fn again(&self) -> Option<(BTreeMap<String, String>, Option<String>)> {
        let begin = &self.state.begin;
        self.calls.new_session.then(|| (begin.attributes.clone(), begin.language.clone()))
    }

    fn call_for(&self, command: &Command) -> UpstreamCall {
        let conversation = self.state.chat.conversation();
        let begin = &self.state.begin;
        match &command.kind {
            CommandKind::Mint => UpstreamCall::MintToken,
            CommandKind::Create => UpstreamCall::CreateConversation {
                id: conversation,
                attributes: begin.attributes.clone(),
                language: begin.language.clone(),
            },
            CommandKind::Say(text) | CommandKind::Answer { text, .. } => {
                let answer = match &command.kind {
                    CommandKind::Answer { answer, .. } if !self.calls.plain => Some(answer.clone()),
                    _ => None,
                };
                let each = mutation::on(Mutation::DerivedIds);
                let number = command.number + if each { self.now.mono.millis() << 16 } else { 0 };
                UpstreamCall::SendMessage {
                    conversation,
                    id: self.state.chat.message(number),
                    text: text.clone(),
                    answer,
                    new_session: self.again(),
                }
            }
            CommandKind::File { file, .. } => UpstreamCall::SendFile {
                conversation,
                id: self.state.chat.message(command.number),
                file_id: self.state.chat.file(command.number),
                number: command.number,
                file: file.clone(),
                new_session: self.again(),
            },
            CommandKind::Revoke => UpstreamCall::RevokeToken,
            CommandKind::Close => UpstreamCall::CloseConversation { conversation },
        }
    }

    pub(super) fn called(&mut self, call: CallId, outcome: Outcome) {
        match call {
            CallId::Command(number) => self.command_ended(number, outcome),
            CallId::Check(number) => self.looked(number, outcome),
            CallId::Backfill => self.backfilled(outcome),
            CallId::Routing => self.routing_told(&outcome),
            CallId::Renew => self.renewed(outcome),
            CallId::Typing => {}
        }
    }

    /// An answer that was refused as such goes as plain text, once.
    fn answers_plainly(&mut self) -> bool {
        let first = self.state.pending.front();
        let answer = first.is_some_and(|c| matches!(c.kind, CommandKind::Answer { .. }));
        answer && !std::mem::replace(&mut self.calls.plain, true)
    }

    fn command_ended(&mut self, number: u64, outcome: Outcome) {
        if self.calls.in_flight != Some(number) {
            return;
        }
        self.calls.in_flight = None;
        let Some(first) = self.state.pending.front().filter(|first| first.number == number) else {
            return;
        };
        match first.kind {
            CommandKind::Mint => self.mint_ended(number, outcome),
            CommandKind::Create => self.create_ended(number, &outcome),
            CommandKind::Say(_) | CommandKind::Answer { .. } | CommandKind::File { .. } => {
                self.say_ended(number, &outcome);
            }
            // Whatever became of it: nothing depends on it.
            CommandKind::Revoke => self.resolve(number),
            CommandKind::Close => match outcome {
                Outcome::Refused { status, wait } if retryable(status) => self.try_later(wait),
                Outcome::NotSent | Outcome::Unknown => self.try_later(None),
                _ => self.resolve(number),
            },
        }
    }

    fn mint_ended(&mut self, number: u64, outcome: Outcome) {
        match outcome {
            Outcome::Token { bearer, last_event_id, lifetime, files } => {
                let ends_at = self.token_life(lifetime);
                self.record(Fact::TokenGranted { bearer, last_event_id, ends_at, files });
                self.resolve(number);
                self.attach();
            }
            Outcome::Refused { status, wait } if retryable(status) => self.wait_asked(status, wait),
            Outcome::NotSent | Outcome::Unknown => self.try_later(None),
            _ => self.fail(FailReason::InternalFailure),
        }
    }

    /// A full queue at the service is waited for as long as it asks, up to a point.
    fn wait_asked(&mut self, status: u16, wait: Option<Duration>) {
        self.try_later(wait);
        if status == 429 && wait.is_some() {
            self.postpone_give_up();
        }
    }

    fn create_ended(&mut self, number: u64, outcome: &Outcome) {
        match outcome {
            // 409: an earlier attempt arrived after all; the id is ours alone.
            Outcome::Done | Outcome::Refused { status: 409, .. } => {
                self.created(number);
                self.tell_success();
            }
            Outcome::Refused { status, wait } if retryable(*status) => {
                self.wait_asked(*status, *wait);
            }
            Outcome::NotSent | Outcome::Unknown => self.try_later(None),
            _ => self.fail(FailReason::InternalFailure),
        }
    }

    fn created(&mut self, number: u64) {
        self.opened();
        self.resolve(number);
    }

    /// The conversation is heard of: whatever became of the answer, it was created. Whether that
    /// is news.
    pub(super) fn exists(&mut self) -> bool {
        let create = self.state.pending.iter().find(|command| command.kind == CommandKind::Create);
        let Some(number) = create.map(|create| create.number) else { return false };
        self.created(number);
        true
    }

    fn say_ended(&mut self, number: u64, outcome: &Outcome) {
        match *outcome {
            Outcome::Done | Outcome::Refused { status: 409, .. } => self.sent(number),
            Outcome::Refused { status: 417, .. } if !self.calls.new_session => {
                self.calls.new_session = true;
            }
            Outcome::Refused { status: status @ (401 | 403), .. } if self.may_renew(status) => {}
            Outcome::Refused { status: 401 | 403 | 404, .. } => self.part(),
            Outcome::Refused { status: 429, wait: Some(wait) } => {
                self.try_later(Some(wait));
                self.postpone_give_up();
            }
            Outcome::Refused { status: 408 | 412 | 425 | 429, wait } => self.try_later(wait),
            Outcome::Refused { status: 400 | 405 | 422, .. } if self.answers_plainly() => {}
            Outcome::Refused { status, .. } if status < 500 => self.undelivered(number),
            Outcome::NotSent => self.try_later(None),
            Outcome::Refused { wait, .. } => self.in_doubt(wait),
            _ => self.in_doubt(None),
        }
    }

    /// It may have been sent: the echo is waited for, and longer after each attempt, for what
    /// follows is a look at the conversation and the next attempt.
    fn in_doubt(&mut self, asked: Option<Duration>) {
        let wait = self.wait(asked).max(ECHO_WAIT);
        self.calls.doubt = match mutation::on(Mutation::LookFirst) {
            true => Doubt::None,
            false => Doubt::Echo(self.now.mono.plus(wait)),
        };
    }

    /// The conversation takes no more: most likely it was ended, and what was said last is still on
    /// its way.
    pub(super) fn part(&mut self) {
        self.calls.parting = true;
        self.calls.doubt = Doubt::Echo(self.now.mono.plus(PARTING_WAIT));
    }

    fn parted(&mut self, number: u64) {
        if self.ended() {
            self.resolve(number);
        } else {
            self.end_with_error();
        }
    }

    fn looked(&mut self, number: u64, outcome: Outcome) {
        match outcome {
            Outcome::Entries(entries) => {
                for entry in entries {
                    self.notice(entry);
                }
                self.calls.unlooked = false;
                if self.is_first(number) {
                    self.calls.doubt = Doubt::None;
                    if self.calls.parting {
                        self.parted(number);
                    }
                }
            }
            Outcome::Refused { status: status @ (401 | 403), .. }
                if self.is_first(number) && self.may_renew(status) =>
            {
                self.calls.doubt = Doubt::Look;
            }
            Outcome::Refused { status: 401 | 403 | 404, .. } => self.parted(number),
            Outcome::Refused { status, .. } if status < 500 && status != 429 => {
                // The list cannot be had: the same id again is the best that is left.
                self.calls.doubt = Doubt::None;
            }
            outcome if self.is_first(number) => {
                self.calls.doubt = Doubt::Look;
                self.calls.looks += 1;
                match outcome {
                    Outcome::Refused { wait, .. } => self.try_later(wait),
                    _ => self.try_later(None),
                }
            }
            _ => {}
        }
    }

    fn is_first(&self, number: u64) -> bool {
        self.state.pending.front().is_some_and(|first| first.number == number)
    }

    /// The command needs no more attention.
    pub(super) fn resolve(&mut self, number: u64) {
        let first = self.is_first(number);
        self.record(Fact::Resolved { number });
        if first {
            self.calls.next_command();
        }
    }

    /// The visitor's message came back on the stream or in the list: it was sent.
    pub(super) fn echoed(&mut self, id: &str) {
        let chat = self.state.chat;
        let ours = self.state.pending.iter().find(|command| {
            command.kind.is_message() && chat.message(command.number).to_string() == id
        });
        if let Some(number) = ours.map(|command| command.number) {
            self.sent(number);
        }
    }

    /// The downtime counts, yet nothing is given up before this process has tried.
    pub(super) fn another_chance(&mut self) {
        let closing = self.state.pending.front().is_some_and(|c| c.kind == CommandKind::Close);
        let chance = self.now.mono.plus(if closing { CLOSE_GIVE_UP } else { BACKOFF.1 });
        if let Some((number, at)) = self.state.give_up
            && at < chance
        {
            self.record(Fact::Attempted { number, give_up_at: chance });
        }
    }

    pub(super) fn give_up_due(&mut self) {
        let now = self.now.mono;
        let Some(first) = self.state.pending.front() else { return };
        let (number, message) = (first.number, first.kind.is_message());
        let close = matches!(first.kind, CommandKind::Close | CommandKind::Revoke);
        let due = self.state.give_up.is_some_and(|(known, at)| known == number && at <= now);
        if !due || self.calls.in_flight.is_some() {
            return;
        }
        if message {
            self.undelivered(number);
        } else if close {
            self.resolve(number);
        } else {
            self.fail(FailReason::Unavailable);
        }
    }

    /// Gives a message up, with what continues it: the end of a text alone would mislead.
    fn undelivered(&mut self, number: u64) {
        self.undeliverable();
        self.file_step(number, FileStep::Failure);
        self.resolve(number);
        while let Some(rest) = self.state.pending.front().filter(|command| command.continues) {
            self.resolve(rest.number);
        }
    }

    /// The service has it.
    pub(super) fn sent(&mut self, number: u64) {
        self.file_step(number, FileStep::Success);
        self.resolve(number);
    }

    /// Tells the visitor that a message did not arrive.
    pub(super) fn undeliverable(&mut self) {
        if !self.ended() {
            let text = self.settings.undeliverable_text.clone();
            self.tell(AgentEvent::Message { from: None, text });
        }
    }

    /// Drops what was not begun; `true` when a message of the visitor was among it.
    pub(super) fn drop_pending(&mut self) -> bool {
        let numbers: Vec<_> = self.state.pending.iter().map(|command| command.number).collect();
        let says = |command: &Command| command.kind.is_message();
        let message = self.state.pending.iter().any(says);
        // A call that is under way stays so: what is queued next must not overtake it.
        let in_flight = self.calls.in_flight;
        for number in numbers {
            self.resolve(number);
        }
        self.calls.in_flight = in_flight;
        message
    }

    /// Whether the conversation may exist upstream.
    pub(super) fn may_exist(&self) -> bool {
        let creating = self.state.pending.iter().find(|c| c.kind == CommandKind::Create);
        creating.is_none_or(|create| {
            let attempted = self.state.give_up.is_some_and(|(number, _)| number >= create.number);
            // The note of an attempt may have died with the process that made it.
            let before = self.state.bearer.is_some() && create.number < self.calls.fixed_below;
            attempted || before
        })
    }
}

pub(super) const fn retryable(status: u16) -> bool {
    matches!(status, 408 | 412 | 425 | 429) || status >= 500
}
