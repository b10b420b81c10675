//! How a chat ends: exactly once, told to both sides, whatever came first.
//!
//! The end of a MIAW chat is not one event (domain.md 0.3): the session's end, the conversation's
//! close, the agent's leaving and the token's end all count, and leaving may be a transfer.

use std::time::Duration;

use super::super::agent::{AgentEvent, EndReason, FailReason};
use super::super::fact::Fact;
use super::super::happening::RoutingStatus;
use super::super::limits::HOLD_AFTER_GAP;
use super::super::pending::{CommandKind, UpstreamCall};
use super::super::policy::{AgentLeave, Revoke};
use super::super::state::Phase;
use super::super::{CallId, Effect, Outcome};
use super::Session;
use crate::time::Mono;

impl Session {
    /// The business's side ended it.
    pub(super) fn other_side_ended(&mut self) {
        if self.state.established {
            self.end(EndReason::Agent);
        } else {
            self.fail(FailReason::Unavailable);
        }
    }

    /// The operator ended it.
    pub(super) fn ended_by_operator(&mut self) {
        if !self.ended() {
            self.other_side_ended();
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
        if self.drop_pending() || self.state.has_answers() {
            self.undeliverable();
        }
        self.over(AgentEvent::Ended { reason });
    }

    /// The chat was not started, or nobody came.
    pub(super) fn fail(&mut self, reason: FailReason) {
        let close = self.may_exist();
        self.drop_pending();
        if !self.ended() {
            self.over_unless(AgentEvent::RequestFail { reason }, !close);
        } else if close {
            // The visitor ended it while it was being started.
            self.queue_close();
        }
    }

    fn over(&mut self, last_word: AgentEvent) {
        self.over_unless(last_word, false);
    }

    fn over_unless(&mut self, last_word: AgentEvent, nothing_to_close: bool) {
        self.record(Fact::Ended);
        self.tell(last_word);
        if !nothing_to_close {
            self.queue_close();
        }
        self.effect(Effect::Detach);
    }

    /// The visitor ended it: what was said before is still sent.
    pub(super) fn close(&mut self) {
        self.flush_form();
        let unsaid = self.state.pending.iter().any(|command| command.kind.is_message());
        if !unsaid && !self.may_exist() {
            self.drop_pending();
        } else {
            self.queue_close();
        }
        self.record(Fact::Ended);
        self.effect(Effect::Detach);
    }

    fn queue_close(&mut self) {
        self.queue(CommandKind::Close);
        let revokes = match self.settings.life.revoke {
            Revoke::Always => true,
            Revoke::Verified => self.state.begin.user.is_some(),
            Revoke::Never => false,
        };
        if revokes {
            self.queue(CommandKind::Revoke);
        }
    }

    pub(super) fn end_abandoned(&mut self) {
        self.drop_pending();
        self.over(AgentEvent::Ended { reason: EndReason::Client });
    }

    pub(super) fn token_due(&mut self) {
        if self.token_deadline().is_some_and(|at| at <= self.now.mono) && !self.ended() {
            if self.renews_token() {
                return;
            }
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
        let guest = self.state.guests.iter().any(|known| known == subject);
        let who = self.state.people.iter().find(|known| known.subject == subject).cloned();
        self.record(Fact::Left { subject: subject.to_owned() });
        if self.state.bots.iter().any(|known| known == subject) {
            self.no_menu();
        }
        if !self.state.established {
            return;
        }
        if self.state.people.is_empty() {
            self.cancel_request();
        }
        match (who, self.state.people.last().cloned()) {
            (_, None) => self.nobody_there(self.state.bots.iter().any(|known| known == subject)),
            (Some(who), _) if guest => self.tell(AgentEvent::ConferenceLeft(who)),
            // Who came to help stays in charge.
            (_, Some(heir)) if self.state.guests.contains(&heir.subject) => {
                self.tell(AgentEvent::transferred(heir));
            }
            _ => {}
        }
    }

    /// The last of the business's side left. A bot that leaves makes way for somebody.
    fn nobody_there(&mut self, bot: bool) {
        let policy = self.settings.life.agent_leave;
        if policy == AgentLeave::End && !bot && !self.state.transferring {
            self.end(EndReason::Agent);
            return;
        }
        let hold = match self.state.transferring {
            true => self.settings.transfer_hold,
            false => self.settings.agent_leave_hold,
        };
        self.record(Fact::HoldUntil(Some(self.now.mono.plus(hold))));
        if !self.state.transferring && (policy != AgentLeave::Hold || bot) {
            let conversation = self.state.chat.conversation();
            let call = UpstreamCall::RoutingStatus { conversation };
            self.effect(Effect::Call(CallId::Routing, call));
        }
    }

    pub(super) fn transfer_started(&mut self) {
        if self.state.established && !self.state.transferring && self.settings.life.transfer_events
        {
            self.tell(AgentEvent::TransferBegan);
        }
        self.record(Fact::Transferring(true));
        if self.state.hold_until.is_some() {
            let until = self.now.mono.plus(self.settings.transfer_hold);
            self.record(Fact::HoldUntil(Some(until)));
        }
    }

    /// Who was there stays; with nobody there the conversation is routed anew, or it was the end.
    pub(super) fn transfer_failed(&mut self) {
        let told = self.state.established && self.settings.life.transfer_events;
        let told = told && self.state.transferring;
        if self.state.transferring {
            self.record(Fact::Transferring(false));
        }
        if self.state.hold_until.is_some() {
            self.nobody_there(true);
        } else if let Some(stays) = self.state.people.last().cloned().filter(|_| told) {
            self.tell(AgentEvent::Resumed(stays));
        }
    }

    /// Nobody came in time.
    pub(super) fn accept_due(&mut self) {
        if self.accept_deadline().is_some_and(|by| by <= self.now.mono) && !self.ended() {
            self.fail(FailReason::Unavailable);
        }
    }

    /// Not while entries may be missing: somebody may have come.
    pub(super) fn accept_deadline(&self) -> Option<Mono> {
        self.state.accept_by.filter(|_| !self.stream.gap || self.state.phase == Phase::Requested)
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

    /// When the hold may end the chat. Not while entries may be missing: whoever came meanwhile was
    /// not heard. That wait is bounded by the token's life and by abandonment.
    pub(super) fn hold_deadline(&self) -> Option<Mono> {
        self.state.hold_until.filter(|_| !self.stream.gap)
    }

    pub(super) fn hold_due(&mut self) {
        if self.hold_deadline().is_some_and(|until| until <= self.now.mono) && !self.ended() {
            self.record(Fact::HoldUntil(None));
            self.end(EndReason::Agent);
        }
    }

    /// The gap is filled, yet the newest entries may still be on their way.
    pub(super) fn hold_after_gap(&mut self) {
        self.hold_at_least(HOLD_AFTER_GAP);
    }

    /// Whoever speaks is there, even when news of the coming was lost.
    pub(super) fn hold_for_speaker(&mut self) {
        self.hold_at_least(self.settings.transfer_hold);
    }

    fn hold_at_least(&mut self, wait: Duration) {
        let least = self.now.mono.plus(wait);
        if self.state.hold_until.is_some_and(|until| until < least) && !self.ended() {
            self.record(Fact::HoldUntil(Some(least)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::super::super::agent::{AgentEvent, Person};
    use super::super::super::fact::{Delta, Fact};
    use super::super::super::happening::{Happening, What};
    use super::super::super::ids::ChatId;
    use super::super::super::limits::{HOLD_AFTER_GAP, STREAM_PROMPT, Settings};
    use super::super::super::pending::CommandKind;
    use super::super::super::text::Secret;
    use super::super::super::visitor::{Begin, Post, VisitorCommand};
    use super::super::super::{CallId, Effect, Input, Outcome, ReplyTo, Step};
    use super::Session;
    use crate::time::{Mono, Now, Wall};

    fn at(millis: u64) -> Now {
        Now { wall: Wall::from_millis(millis as i64), mono: Mono::from_millis(millis) }
    }

    fn person(subject: &str) -> Person {
        Person { subject: subject.into(), name: subject.into() }
    }

    fn entry(number: u64, what: What) -> Happening {
        let event_id = Some(number.to_string());
        let entry = Some(format!("e{number}"));
        Happening { event_id, entry, at_millis: number as i64, what }
    }

    fn begin() -> Input {
        let command = VisitorCommand::Begin(Box::<Begin>::default());
        Input::Post { post: Post { sequence: Some(1), fingerprint: 1, command }, reply: ReplyTo(1) }
    }

    fn minted() -> Input {
        let outcome = Outcome::Token {
            bearer: Secret("token".into()),
            last_event_id: Some("0".into()),
            lifetime: None,
            files: None,
        };
        Input::Called { call: CallId::Command(1), outcome }
    }

    fn joined(number: u64, who: &str) -> Happening {
        entry(number, What::Joined { who: person(who), bot: false })
    }

    /// A chat that anna left for a transfer, as it is written down.
    fn left() -> Vec<Delta> {
        let chat = ChatId(Uuid::from_u128(1));
        let mut session = Session::new(chat, Settings::default(), at(0));
        let mut inputs = vec![begin(), minted(), Input::StreamOpen];
        inputs.push(Input::Called { call: CallId::Command(2), outcome: Outcome::Done });
        inputs.push(Input::Upstream(joined(1, "anna")));
        inputs.push(Input::Upstream(entry(2, What::TransferStarted)));
        inputs.push(Input::Upstream(entry(3, What::Left { subject: "anna".into() })));
        let facts: Vec<Fact> =
            inputs.into_iter().flat_map(|input| session.step(at(1_000), input).facts).collect();
        assert!(facts.iter().any(|fact| matches!(fact, Fact::HoldUntil(Some(_)))));
        vec![Delta { at: at(1_000), facts }]
    }

    fn over(steps: &[Step]) -> bool {
        steps.iter().flat_map(|step| &step.facts).any(|fact| *fact == Fact::Ended)
    }

    #[test]
    fn a_hold_that_lapsed_during_downtime_waits_for_the_news_of_it() {
        let chat = ChatId(Uuid::from_u128(1));
        let later = 4_000_000;
        let load = || Session::load(None, chat, &left(), Settings::default(), at(later));
        let listed =
            |entries| Input::Called { call: CallId::Backfill, outcome: Outcome::Entries(entries) };
        // Bert came while the process was down.
        let mut session = load();
        let inputs =
            [Input::Recovered, Input::Deadline, Input::StreamOpen, listed(vec![joined(4, "bert")])];
        let steps = inputs.map(|input| session.step(at(later + 90_000), input));
        assert!(!over(&steps));
        let told = Fact::Told(AgentEvent::transferred(person("bert")));
        assert!(steps[3].facts.contains(&told));
        assert_eq!(session.state().hold_until, None);
        // Nobody came: the chat ends, with some time for late news.
        let mut session = load();
        let inputs = [Input::Recovered, Input::StreamOpen, listed(vec![])];
        assert!(!over(&inputs.map(|input| session.step(at(later), input))));
        let wait = HOLD_AFTER_GAP.as_millis() as u64;
        assert!(!over(&[session.step(at(later + wait - 1), Input::Deadline)]));
        assert!(over(&[session.step(at(later + wait), Input::Deadline)]));
    }

    #[test]
    fn a_chat_that_ended_before_it_could_be_started_is_not_started_any_more() {
        for outcome in [Some(Outcome::Refused { status: 400, wait: None }), None] {
            let chat = ChatId(Uuid::from_u128(1));
            let mut session = Session::new(chat, Settings::default(), at(0));
            let end = Post { sequence: Some(2), fingerprint: 2, command: VisitorCommand::End };
            for input in [begin(), minted(), Input::Post { post: end, reply: ReplyTo(2) }] {
                session.step(at(0), input);
            }
            let later = at(60_000);
            let ended = Input::Called {
                call: CallId::Command(2),
                outcome: outcome.unwrap_or(Outcome::Unknown),
            };
            let step = session.step(later, ended);
            assert!(step.wake_at.is_none_or(|at| at > later.mono));
            let left: Vec<_> = session.state().pending.iter().map(|left| &left.kind).collect();
            assert_eq!(left, [&CommandKind::Close]);
        }
    }

    #[test]
    fn whoever_speaks_is_there() {
        let chat = ChatId(Uuid::from_u128(1));
        let settings =
            Settings { abandoned_after: Duration::from_secs(3_600), ..Settings::default() };
        let mut session = Session::load(None, chat, &left(), settings, at(1_000));
        let said = What::Said { from: Some(person("bert")), bot: false, text: "hello".into() };
        let steps = [
            session.step(at(299_000), Input::Upstream(entry(5, said))),
            session.step(at(310_000), Input::Deadline),
        ];
        assert!(!over(&steps));
    }

    #[test]
    fn a_conversation_that_is_heard_of_exists() {
        let late = STREAM_PROMPT.as_millis() as u64 + 1;
        let joins = || What::Joined { who: person("anna"), bot: false };
        for (open, what) in [(0, What::Nothing), (0, joins()), (late, joins())] {
            let chat = ChatId(Uuid::from_u128(1));
            let mut session = Session::new(chat, Settings::default(), at(0));
            for input in [begin(), minted()] {
                session.step(at(0), input);
            }
            session.step(at(open), Input::StreamOpen);
            let unknown = Input::Called { call: CallId::Command(2), outcome: Outcome::Unknown };
            session.step(at(open), unknown);
            let heard = session.step(at(open + 9), Input::Upstream(entry(1, what)));
            let success =
                |fact: &Fact| matches!(fact, Fact::Told(AgentEvent::RequestSuccess { .. }));
            assert_eq!(heard.facts.iter().filter(|fact| success(fact)).count(), 1);
            let asks = |effect: &Effect| matches!(effect, Effect::Call(CallId::Backfill, _));
            assert_eq!(heard.effects.iter().any(asks), open == late);
            let left: Vec<_> = session.state().pending.iter().map(|left| &left.kind).collect();
            assert!(left.is_empty(), "{left:?}");
            assert!(!over(&[session.step(at(60_000), Input::Deadline)]));
        }
    }

    #[test]
    fn a_stream_that_opens_late_is_not_trusted_to_begin_at_the_beginning() {
        let late = STREAM_PROMPT + Duration::from_millis(1);
        for (wait, asks) in [(STREAM_PROMPT, false), (late, true)] {
            let chat = ChatId(Uuid::from_u128(1));
            let mut session = Session::new(chat, Settings::default(), at(0));
            for input in [begin(), minted()] {
                session.step(at(0), input);
            }
            session
                .step(at(10), Input::Called { call: CallId::Command(2), outcome: Outcome::Done });
            let step = session.step(at(wait.as_millis() as u64), Input::StreamOpen);
            let asked = step
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Call(CallId::Backfill, _)));
            assert_eq!(asked, asks, "{wait:?}");
        }
    }
}
