//! The machine of one chat.
//!
//! Reading order: this file (inputs in, steps out), then `session/posts.rs` (what the visitor
//! asks), `session/polls.rs` (what the visitor is answered), `session/calls.rs` (what is asked
//! upstream), `session/upstream.rs` (what upstream tells), `session/ending.rs` (how it all ends),
//! `session/idle.rs` (a visitor who falls silent), `session/asks.rs` (questions and answers),
//! `session/menu.rs` (menus of bots), `session/files.rs` (files), `session/pace.rs` (how fast),
//! `session/renew.rs` (tokens),
//! `session/typing.rs` (that the visitor types).

mod asks;
mod calls;
mod ending;
mod files;
mod idle;
mod menu;
mod pace;
mod polls;
mod posts;
mod renew;
mod typing;
mod upstream;

use std::collections::VecDeque;

use super::fact::{Delta, Fact};
use super::ids::ChatId;
use super::limits::{LINGER, Settings};
use super::outbox::AckStyle;
use super::state::{Phase, State};
use super::{Effect, Input, Reply, ReplyTo, Save, Step};
use crate::time::{Mono, Now};
use calls::Calls;
use polls::Polls;
use typing::Typing;
use upstream::Stream;

/// A chat: its durable state and what only this process knows.
#[derive(Debug)]
pub struct Session {
    state: State,
    settings: Settings,
    now: Now,
    out: Step,
    polls: Polls,
    calls: Calls,
    stream: Stream,
    typing: Typing,
    /// POSTs whose answers are on their way: who waits, and which POST.
    answering: VecDeque<(ReplyTo, u64)>,
    abandon_at: Mono,
    linger_until: Option<Mono>,
    /// The clocks of the process before and of this one, until that is written down.
    taken_up: Option<(Now, Now)>,
}

impl Session {
    /// A chat of which nothing has happened yet.
    #[must_use]
    pub fn new(chat: ChatId, settings: Settings, now: Now) -> Self {
        Self::around(State::new(chat), settings, now)
    }

    /// A chat as the store remembers it: a state and its facts since. Feed [`Input::Recovered`]
    /// next.
    #[must_use]
    pub fn load(
        snapshot: Option<(Now, State)>,
        chat: ChatId,
        deltas: &[Delta],
        settings: Settings,
        now: Now,
    ) -> Self {
        let (mut saved, mut state) = snapshot.unwrap_or_else(|| (Now::default(), State::new(chat)));
        for delta in deltas {
            saved = delta.at;
            delta.facts.iter().for_each(|fact| state.apply(fact));
        }
        state.rebase(saved, now);
        Self { taken_up: Some((saved, now)), ..Self::around(state, settings, now) }
    }

    fn around(state: State, settings: Settings, now: Now) -> Self {
        let abandon_at = now.mono.plus(settings.abandoned_after);
        Self {
            state,
            settings,
            now,
            out: Step::default(),
            polls: Polls::default(),
            calls: Calls::default(),
            stream: Stream::default(),
            typing: Typing::default(),
            answering: VecDeque::new(),
            abandon_at,
            linger_until: None,
            taken_up: None,
        }
    }

    /// The durable state, for a snapshot or a view.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Takes one input in. Write down [`Step::facts`] as [`Step::save`] says, then perform
    /// [`Step::effects`] in order, then come back at [`Step::wake_at`] at the latest.
    pub fn step(&mut self, now: Now, input: Input) -> Step {
        self.now = now;
        match input {
            Input::Post { post, reply } => self.post(post, reply),
            Input::Poll { ack, reply } => self.poll(ack, reply),
            Input::Reconnect { offset, reply } => self.reconnect(offset, reply),
            Input::Written { reply } => self.answer_written(reply),
            Input::Lost { reply } => self.answer_lost(reply),
            Input::Upstream(happening) => self.happened(happening),
            Input::StreamOpen => self.stream_open(),
            Input::StreamLost(lost) => self.stream_lost(lost),
            Input::Called { call, outcome } => self.called(call, outcome),
            Input::Deadline => {}
            Input::Recovered => self.recovered(),
            Input::End => self.ended_by_operator(),
            Input::Drain => self.drain(),
        }
        self.due();
        self.pump();
        self.answer_polls();
        self.maybe_forget();
        let mut step = std::mem::take(&mut self.out);
        step.wake_at = self.next_deadline();
        step
    }

    /// Decides something: applies the fact and hands it to the shell.
    fn record(&mut self, fact: Fact) {
        let late = match &fact {
            // A client that acknowledges says itself what it has.
            Fact::Sent { .. } => self.state.outbox.style() == AckStyle::Acks,
            fact => fact.may_be_late(),
        };
        if let Some((saved, now)) = self.taken_up.take() {
            // The state has it already; who folds the facts later needs it before any other.
            self.out.facts.push(Fact::TakenUp { saved, now });
        }
        self.out.save = self.out.save.max(if late { Save::Lazily } else { Save::BeforeEffects });
        self.state.apply(&fact);
        self.out.facts.push(fact);
    }

    fn effect(&mut self, effect: Effect) {
        self.out.effects.push(effect);
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.effect(Effect::Reply(to, reply));
    }

    fn ended(&self) -> bool {
        self.state.phase == Phase::Ended
    }

    /// The chat's process ended and another one took it over.
    fn recovered(&mut self) {
        self.state.outbox.recover();
        self.abandon_at = self.now.mono.plus(self.settings.abandoned_after);
        self.calls.doubt_before(self.state.next_command);
        self.another_chance();
        if self.state.bearer.is_some() && !self.ended() {
            // What was read may not have been written down.
            self.stream.gap = true;
            self.attach();
        }
    }

    /// Everything whose time has come.
    fn due(&mut self) {
        self.success_due();
        self.hold_due();
        self.accept_due();
        self.idle_due();
        self.typing_due();
        self.form_due();
        self.renewal_due();
        self.token_due();
        self.abandoned_due();
        self.stream_due();
        self.give_up_due();
    }

    fn maybe_forget(&mut self) {
        if !self.ended() {
            return;
        }
        let now = self.now.mono;
        let linger_until = *self.linger_until.get_or_insert(now.plus(LINGER));
        let told = self.all_consumed() || now >= linger_until;
        if told && self.state.pending.is_empty() && self.polls.is_empty() {
            self.effect(Effect::Forget);
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        let mut deadlines = vec![self.polls.next_deadline(), self.calls_deadline()];
        if self.ended() {
            // Once it has passed, what the chat still waits for has deadlines of its own.
            deadlines.push(self.linger_until.filter(|until| *until > self.now.mono));
        } else {
            deadlines.push(self.state.success_by);
            deadlines.push(self.hold_deadline());
            deadlines.push(self.accept_deadline());
            deadlines.push(self.idle_deadline());
            deadlines.push(self.typing_deadline());
            deadlines.push(self.state.form_until);
            deadlines.push(self.stream.next_deadline());
            deadlines.push(self.token_deadline());
            deadlines.push(self.renewal_deadline());
            deadlines.push(Some(self.abandon_at));
        }
        deadlines.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::super::pending::CommandKind;
    use super::super::text::{Secret, Text};
    use super::super::visitor::{Begin, Post, VisitorCommand};
    use super::super::{CallId, Outcome};
    use super::*;
    use crate::time::Wall;

    fn at(wall: i64, mono: u64) -> Now {
        Now { wall: Wall::from_millis(wall), mono: Mono::from_millis(mono) }
    }

    fn post(number: u64, command: VisitorCommand) -> Input {
        let post = Post { sequence: Some(number), fingerprint: number, command };
        Input::Post { post, reply: ReplyTo(number) }
    }

    fn load(deltas: &[Delta], now: Now) -> Session {
        let chat = ChatId(Uuid::from_u128(1));
        Session::load(None, chat, deltas, Settings::default(), now)
    }

    #[test]
    fn instants_are_read_in_the_clock_of_the_process_that_wrote_them() {
        // A process that has run for a while begins the chat, a younger one takes it up, then an
        // older one; each writes something down.
        let hour = 3_600_000;
        let token = Outcome::Token {
            bearer: Secret("token".into()),
            last_event_id: Some("0".into()),
            lifetime: Some(Duration::from_secs(6 * 3_600)),
            files: None,
        };
        let mut deltas = Vec::new();
        let mut first = load(&[], at(0, 50 * hour as u64));
        for input in [
            post(1, VisitorCommand::Begin(Box::<Begin>::default())),
            Input::Called { call: CallId::Command(1), outcome: token },
            Input::Called { call: CallId::Command(2), outcome: Outcome::Done },
        ] {
            let facts = first.step(at(0, 50 * hour as u64), input).facts;
            deltas.push(Delta { at: at(0, 50 * hour as u64), facts });
        }
        let ends = first.state.token_ends;
        let left = ends.map(|ends| ends.since(Mono::from_millis(50 * hour as u64)));
        for (took, mono) in [(hour, 10), (2 * hour, 900 * hour as u64), (3 * hour, 7)] {
            let mut next = load(&deltas, at(took, mono));
            let now_left = next.state.token_ends.map(|ends| ends.since(Mono::from_millis(mono)));
            let passed = Duration::from_millis(took.unsigned_abs());
            assert_eq!(now_left, left.map(|left| left.saturating_sub(passed)), "at {took}");
            let said = VisitorCommand::Say(Text::from("hello"));
            let facts = next.step(at(took, mono), post(mono + 2, said)).facts;
            let says = |kind: &CommandKind| matches!(kind, CommandKind::Say(_));
            let queued = |fact: &Fact| matches!(fact, Fact::Queued(c) if says(&c.kind));
            assert!(facts.iter().any(queued));
            deltas.push(Delta { at: at(took, mono), facts });
        }
    }

    #[test]
    fn a_poll_that_is_asked_again_does_not_acknowledge_what_the_first_one_got() {
        // A client whose `ack` counts its polls; a node asks its second poll again of another node.
        let mut session = load(&[], at(0, 0));
        let mut deltas = Vec::new();
        let mut facts =
            session.step(at(0, 0), post(1, VisitorCommand::Begin(Box::default()))).facts;
        facts.extend(session.step(at(0, 0), Input::Poll { ack: Some(0), reply: ReplyTo(2) }).facts);
        // The first answer comes with the deadline of the success.
        let step = session.step(at(10_000, 10_000), Input::Deadline);
        assert!(step.effects.iter().any(|e| matches!(e, Effect::Reply(_, Reply::Messages(_)))));
        facts.extend(step.facts);
        deltas.push(Delta { at: at(10_000, 10_000), facts });
        // The answer died with the process.
        let mut session = load(&deltas, at(20_000, 0));
        session.step(at(20_000, 0), Input::Recovered);
        let poll = Input::Poll { ack: Some(0), reply: ReplyTo(3) };
        let step = session.step(at(20_000, 0), poll);
        let again = step.effects.iter().find_map(|effect| match effect {
            Effect::Reply(_, Reply::Messages(payload)) => Some(payload.sequence),
            _ => None,
        });
        assert_eq!(again, Some(0), "{:?}", step.effects);
    }
}
