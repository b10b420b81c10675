//! How a chat ends: exactly once, told to both sides, whatever came first.
//!
//! The end of a MIAW chat is not one event (domain.md 0.3): the session's end, the conversation's
//! close, the agent's leaving and the token's end all count, and leaving may be a transfer.

use super::super::agent::{AgentEvent, EndReason, FailReason};
use super::super::fact::Fact;
use super::super::happening::RoutingStatus;
use super::super::pending::{CommandKind, UpstreamCall};
use super::super::{CallId, Effect, Outcome};
use super::Session;

impl Session {
    /// The business's side ended it.
    pub(super) fn other_side_ended(&mut self) {
        if self.state.established {
            self.end(EndReason::Agent);
        } else {
            self.fail(FailReason::Unavailable);
        }
    }

    /// It cannot go on.
    pub(super) fn end_with_error(&mut self) {
        if self.ended() {
            self.drop_pending();
            return;
        }
        if self.state.outcome_told {
            let text = self.settings.lost_text.clone();
            self.record(Fact::Told(AgentEvent::Message { from: None, text }));
            self.end(EndReason::Error);
        } else {
            self.fail(FailReason::InternalFailure);
        }
    }

    pub(super) fn end(&mut self, reason: EndReason) {
        if self.ended() {
            return;
        }
        if self.drop_pending() {
            self.undeliverable();
        }
        self.over(AgentEvent::Ended { reason });
    }

    /// The chat was not started, or nobody came.
    pub(super) fn fail(&mut self, reason: FailReason) {
        if !self.ended() {
            let close = self.may_exist();
            self.drop_pending();
            self.over_unless(AgentEvent::RequestFail { reason }, !close);
        }
    }

    fn over(&mut self, last_word: AgentEvent) {
        self.over_unless(last_word, false);
    }

    fn over_unless(&mut self, last_word: AgentEvent, nothing_to_close: bool) {
        self.record(Fact::Ended);
        self.tell(last_word);
        if !nothing_to_close {
            self.queue(CommandKind::Close);
        }
        self.effect(Effect::Detach);
    }

    /// The visitor ended it: what was said before is still sent.
    pub(super) fn close(&mut self) {
        let says = |kind: &CommandKind| matches!(kind, CommandKind::Say(_));
        let unsaid = self.state.pending.iter().any(|command| says(&command.kind));
        if !unsaid && !self.may_exist() {
            self.drop_pending();
        } else {
            self.queue(CommandKind::Close);
        }
        self.record(Fact::Ended);
        self.effect(Effect::Detach);
    }

    pub(super) fn end_abandoned(&mut self) {
        self.drop_pending();
        self.over(AgentEvent::Ended { reason: EndReason::Client });
    }

    pub(super) fn token_due(&mut self) {
        if self.state.token_ends.is_some_and(|at| at <= self.now.mono) && !self.ended() {
            let text = self.settings.time_up_text.clone();
            self.tell(AgentEvent::Message { from: None, text });
            self.end(EndReason::Agent);
        }
    }

    /// Someone left: a transfer, or the end? (miaw.md 9.4)
    pub(super) fn left(&mut self, subject: &str) {
        if !self.state.people.iter().any(|known| known.subject == subject) {
            return;
        }
        self.record(Fact::Left { subject: subject.to_owned() });
        if !self.state.people.is_empty() || !self.state.established {
            return;
        }
        let hold = match self.state.transferring {
            true => self.settings.transfer_hold,
            false => self.settings.agent_leave_hold,
        };
        self.record(Fact::HoldUntil(Some(self.now.mono.plus(hold))));
        if !self.state.transferring {
            let conversation = self.state.chat.conversation();
            let call = UpstreamCall::RoutingStatus { conversation };
            self.effect(Effect::Call(CallId::Routing, call));
        }
    }

    pub(super) fn transfer_started(&mut self) {
        self.record(Fact::Transferring(true));
        if self.state.hold_until.is_some() {
            let until = self.now.mono.plus(self.settings.transfer_hold);
            self.record(Fact::HoldUntil(Some(until)));
        }
    }

    pub(super) fn routing_told(&mut self, outcome: &Outcome) {
        if self.state.hold_until.is_none() || self.ended() {
            return;
        }
        match outcome {
            Outcome::Routing(RoutingStatus::NeedsRouting) => self.end(EndReason::Agent),
            Outcome::Routing(RoutingStatus::Transfer) => self.transfer_started(),
            _ => {}
        }
    }

    pub(super) fn hold_due(&mut self) {
        if self.state.hold_until.is_some_and(|until| until <= self.now.mono) && !self.ended() {
            self.record(Fact::HoldUntil(None));
            self.end(EndReason::Agent);
        }
    }
}
