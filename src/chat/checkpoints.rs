//! How far each message of a chat has come: received, stored, sent, accepted, delivered, acked.
//!
//! Promised: read from the inputs, facts and effects that the machine itself works with, so it says
//! what happened and never what should have; at most [`MESSAGES_MAX`] messages are kept, the newest
//! ones; no text, name or key is in here. Not promised: more than the facts since the last snapshot
//! can tell about messages of an earlier process, whose instants are then those of the commit.

use std::collections::VecDeque;

use super::agent::AgentEvent;
use super::fact::{Delta, Fact};
use super::happening::{Happening, What};
use super::ids::ChatId;
use super::outbox::AckStyle;
use super::pending::{Command, CommandKind};
use super::state::State;
use super::{CallId, Effect, Input, Outcome, Reply, ReplyTo, Step};
use crate::time::Wall;

/// Messages that are remembered of a chat, both directions together.
pub const MESSAGES_MAX: usize = 32;

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The visitor's: its number is the command's, from 1.
    Visitor,
    /// The agent's side's, or the bridge's own: its number is the `sequence`, from 0.
    Agent,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is on its way.
    Open,
    /// The other side has it.
    Done,
    /// It was given up; the visitor was told, unless the chat was over.
    GivenUp,
    /// An earlier process dealt with it, and its facts do not tell how.
    Unknown,
}

/// One message and when it passed each point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose it is.
    pub from: From,
    /// Its number within its direction.
    pub number: i64,
    /// `message`, `answer`, `file`, `options`, `state`.
    pub kind: &'static str,
    /// Its id at MIAW; of what the bridge says itself there is none.
    pub id: Option<String>,
    /// The bridge has it.
    pub received: Option<Wall>,
    /// It is on disk; a visitor's POST is answered `OK` after that.
    pub stored: Option<Wall>,
    /// The first call with it was made, or the first answer with it handed out.
    pub sent: Option<Wall>,
    /// MIAW answered that it took it; or the answer was written to the connection in full.
    pub accepted: Option<Wall>,
    /// Its echo was seen in the conversation; or the client's next request says that it came.
    pub delivered: Option<Wall>,
    /// The client acknowledged its number.
    pub acked: Option<Wall>,
    /// What became of it.
    pub fate: Fate,
    /// The message that carries it: another one when lines were merged.
    carrier: i64,
}

/// The newest messages of one chat.
#[derive(Debug)]
pub struct Checkpoints {
    chat: ChatId,
    messages: VecDeque<Checkpoint>,
    /// The number of the next event for the visitor.
    next: i64,
    style: AckStyle,
    /// The last answer with messages, and its last number.
    answer: Option<(ReplyTo, i64)>,
    /// The entry that the facts at hand are about.
    entry: Option<String>,
    /// Whether the input at hand brought something of the visitor's back.
    echo: bool,
}

impl Checkpoints {
    /// Of a chat that begins.
    #[must_use]
    pub fn new(chat: ChatId) -> Self {
        let messages = VecDeque::new();
        let style = AckStyle::default();
        Self { chat, messages, next: 0, style, answer: None, entry: None, echo: false }
    }

    /// Of a chat that was stored: a state, and the facts since.
    #[must_use]
    pub fn read(chat: ChatId, snapshot: Option<&State>, deltas: &[Delta]) -> Self {
        let mut read = Self::new(chat);
        if let Some(state) = snapshot {
            (read.next, read.style) = (state.outbox.next(), state.outbox.style());
            state.pending.iter().for_each(|command| read.queued(None, command));
        }
        for delta in deltas {
            let at = delta.at.wall;
            delta.facts.iter().for_each(|fact| read.fact(at, fact, Fate::Unknown));
            read.stored(at);
        }
        read
    }

    /// The newest messages, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Checkpoint> {
        self.messages.iter().cloned().collect()
    }

    /// Takes an input in, before the step it leads to.
    pub fn input(&mut self, now: Wall, input: &Input) {
        (self.entry, self.echo) = (None, false);
        match input {
            Input::Called { call: CallId::Command(number), outcome } => {
                let taken = matches!(outcome, Outcome::Done | Outcome::Refused { status: 409, .. });
                let number = i64::try_from(*number).unwrap_or(i64::MAX);
                self.of_visitor(number).filter(|_| taken).for_each(|one| {
                    one.accepted.get_or_insert(now);
                });
            }
            Input::Called { outcome: Outcome::Entries(entries), .. } => {
                entries.iter().for_each(|entry| self.came_back(now, entry));
            }
            Input::Upstream(happening) => self.came_back(now, happening),
            Input::Written { reply } => {
                let Some((_, through)) = self.answer.filter(|(to, _)| to == reply) else { return };
                self.of_agent(through).filter(|one| one.sent.is_some()).for_each(|one| {
                    one.accepted.get_or_insert(now);
                });
            }
            _ => {}
        }
    }

    /// Takes in what a step decided; answers how many messages it gave up.
    pub fn step(&mut self, now: Wall, step: &Step) -> usize {
        let before = self.given_up();
        step.facts.iter().for_each(|fact| self.fact(now, fact, Fate::GivenUp));
        for effect in &step.effects {
            if let Effect::Reply(reply, Reply::Messages(payload)) = effect {
                self.answer = Some((*reply, payload.sequence));
            }
        }
        self.given_up().saturating_sub(before)
    }

    fn given_up(&self) -> usize {
        self.messages.iter().filter(|one| one.fate == Fate::GivenUp).count()
    }

    /// Everything received so far is on disk.
    pub fn stored(&mut self, now: Wall) {
        let received = self.messages.iter_mut().filter(|one| one.received.is_some());
        for one in received.filter(|one| one.stored.is_none()) {
            one.stored = Some(now);
            // What the same step decided to send goes out after the commit.
            one.sent = one.sent.map(|decided| decided.max(now));
        }
    }

    /// One fact; `unseen` is the fate of a message that is done with and was not seen to arrive.
    fn fact(&mut self, at: Wall, fact: &Fact, unseen: Fate) {
        match fact {
            Fact::Queued(command) => self.queued(Some(at), command),
            Fact::Merged { count, .. } => self.merged(*count),
            Fact::Attempted { number, .. } => {
                self.of_visitor(i64::try_from(*number).unwrap_or(i64::MAX)).for_each(|one| {
                    one.sent.get_or_insert(at);
                });
            }
            Fact::Resolved { number } => {
                let echo = self.echo;
                for one in self.of_visitor(i64::try_from(*number).unwrap_or(i64::MAX)) {
                    if echo && one.accepted.is_none() {
                        one.delivered.get_or_insert(at);
                    }
                    let arrived = one.accepted.is_some() || one.delivered.is_some();
                    one.fate = if arrived { Fate::Done } else { unseen };
                }
            }
            Fact::Noticed { entry: Some(entry), .. } => {
                self.echoed(at, entry);
                self.entry = Some(entry.clone());
            }
            Fact::Told(event) => self.told(at, event),
            Fact::AckIs(style) => self.style = *style,
            Fact::Sent { through, .. } => self.of_agent(*through).for_each(|one| {
                one.sent.get_or_insert(at);
            }),
            Fact::Consumed { through } => {
                let acks = self.style == AckStyle::Acks;
                for one in self.of_agent(*through) {
                    one.delivered.get_or_insert(at);
                    one.acked = one.acked.or(acks.then_some(at));
                    one.fate = Fate::Done;
                }
            }
            _ => {}
        }
    }

    fn queued(&mut self, at: Option<Wall>, command: &Command) {
        let kind = match command.kind {
            CommandKind::Say(_) => "message",
            CommandKind::Answer { .. } => "answer",
            CommandKind::File { .. } => "file",
            CommandKind::Mint | CommandKind::Create | CommandKind::Close | CommandKind::Revoke => {
                return;
            }
        };
        let id = Some(self.chat.message(command.number).to_string());
        let number = i64::try_from(command.number).unwrap_or(i64::MAX);
        self.push(From::Visitor, number, kind, id, at);
    }

    fn told(&mut self, at: Wall, event: &AgentEvent) {
        let number = self.next;
        self.next += 1;
        let kind = match event {
            AgentEvent::Typing(_) | AgentEvent::NotTyping(_) => return,
            AgentEvent::Message { .. } => "message",
            AgentEvent::Options { .. } => "options",
            AgentEvent::FileTransfer(_) => "file",
            _ => "state",
        };
        self.push(From::Agent, number, kind, self.entry.clone(), Some(at));
    }

    fn push(
        &mut self,
        from: From,
        number: i64,
        kind: &'static str,
        id: Option<String>,
        received: Option<Wall>,
    ) {
        if self.messages.len() >= MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(Checkpoint {
            from,
            number,
            kind,
            id,
            received,
            stored: None,
            sent: None,
            accepted: None,
            delivered: None,
            acked: None,
            fate: Fate::Open,
            carrier: number,
        });
    }

    /// The first messages that wait became one.
    fn merged(&mut self, count: usize) {
        let open = |one: &&mut Checkpoint| one.from == From::Visitor && one.fate == Fate::Open;
        let mut first = None;
        for one in self.messages.iter_mut().filter(open).take(count) {
            one.carrier = *first.get_or_insert(one.carrier);
        }
    }

    fn came_back(&mut self, now: Wall, happening: &Happening) {
        if let What::Echo(id) | What::EchoOf { id, .. } = &happening.what {
            self.echo = true;
            self.echoed(now, id);
        }
    }

    /// The message of this id was seen in the conversation.
    fn echoed(&mut self, at: Wall, id: &str) {
        let own = |one: &&Checkpoint| one.from == From::Visitor && one.id.as_deref() == Some(id);
        let Some(carrier) = self.messages.iter().find(own).map(|one| one.carrier) else { return };
        for one in self.of_visitor(carrier) {
            one.delivered.get_or_insert(at);
            if one.fate == Fate::Unknown {
                one.fate = Fate::Done;
            }
        }
    }

    /// What a message of the visitor carries.
    fn of_visitor(&mut self, carrier: i64) -> impl Iterator<Item = &mut Checkpoint> {
        let all = self.messages.iter_mut();
        all.filter(move |one| one.from == From::Visitor && one.carrier == carrier)
    }

    /// Everything for the visitor up to a number.
    fn of_agent(&mut self, through: i64) -> impl Iterator<Item = &mut Checkpoint> {
        let all = self.messages.iter_mut();
        all.filter(move |one| one.from == From::Agent && one.number <= through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::outbox::Outbox;
    use crate::chat::text::Text;
    use crate::time::{Mono, Now};
    use uuid::Uuid;

    const CHAT: ChatId = ChatId(Uuid::from_u128(7));

    fn at(millis: i64) -> Wall {
        Wall::from_millis(millis)
    }

    fn say(number: u64) -> Fact {
        let kind = CommandKind::Say(Text::from("words"));
        Fact::Queued(Command { number, kind, continues: false })
    }

    fn step(facts: Vec<Fact>) -> Step {
        Step { facts, ..Step::default() }
    }

    fn tried(number: u64) -> Fact {
        Fact::Attempted { number, give_up_at: Mono::from_millis(9) }
    }

    fn called(number: u64, outcome: Outcome) -> Input {
        Input::Called { call: CallId::Command(number), outcome }
    }

    #[test]
    fn a_visitors_message_passes_each_point_once() {
        let mut all = Checkpoints::new(CHAT);
        all.step(at(1), &step(vec![say(3), tried(3)]));
        all.stored(at(2));
        all.stored(at(3));
        all.input(at(4), &called(3, Outcome::Unknown));
        all.input(at(5), &called(3, Outcome::Done));
        all.step(at(5), &step(vec![Fact::Resolved { number: 3 }]));
        let id = CHAT.message(3).to_string();
        let what = What::Echo(id.clone());
        let echo = Happening { event_id: None, entry: None, at_millis: 0, what };
        all.input(at(6), &Input::Upstream(echo));
        let one = &all.messages()[0];
        assert_eq!((one.received, one.stored, one.sent), (Some(at(1)), Some(at(2)), Some(at(2))));
        assert_eq!((one.accepted, one.delivered), (Some(at(5)), Some(at(6))));
        assert_eq!((one.acked, one.fate, one.id.as_ref()), (None, Fate::Done, Some(&id)));
    }

    #[test]
    fn what_was_merged_goes_with_what_carries_it_and_what_is_given_up_says_so() {
        let mut all = Checkpoints::new(CHAT);
        let merged = Fact::Merged { count: 2, text: Text::from("a\nb") };
        all.step(at(1), &step(vec![say(3), say(4), say(5), merged, tried(3)]));
        all.input(at(2), &called(3, Outcome::Done));
        all.step(at(2), &step(vec![Fact::Resolved { number: 3 }, tried(5)]));
        assert_eq!(all.step(at(3), &step(vec![Fact::Resolved { number: 5 }])), 1);
        let fates: Vec<_> = all.messages().iter().map(|one| (one.accepted, one.fate)).collect();
        let done = (Some(at(2)), Fate::Done);
        assert_eq!(fates, [done, done, (None, Fate::GivenUp)]);
    }

    #[test]
    fn an_event_for_the_visitor_is_delivered_by_what_the_client_says() {
        for (style, acked) in [(AckStyle::Acks, Some(at(4))), (AckStyle::Never, None)] {
            let mut all = Checkpoints::new(CHAT);
            let told = AgentEvent::Message { from: None, text: Text::from("hello") };
            let mut first =
                step(vec![Fact::Told(told), Fact::Sent { through: 0, foreseen: false }]);
            let mut outbox = Outbox::default();
            outbox.mark_sent(0, false);
            let payload = crate::chat::Payload {
                messages: Vec::new(),
                sequence: 0,
                offset: 1,
                transcript: None,
            };
            first.effects = vec![Effect::Reply(ReplyTo(5), Reply::Messages(payload))];
            all.step(at(1), &first);
            all.stored(at(2));
            all.input(at(3), &Input::Written { reply: ReplyTo(5) });
            let heard = vec![Fact::AckIs(style), Fact::Consumed { through: 0 }];
            all.step(at(4), &step(heard));
            let one = &all.messages()[0];
            assert_eq!((one.from, one.number, one.kind), (From::Agent, 0, "message"));
            assert_eq!((one.sent, one.accepted), (Some(at(2)), Some(at(3))));
            assert_eq!((one.delivered, one.acked, one.fate), (Some(at(4)), acked, Fate::Done));
        }
    }

    #[test]
    fn what_is_stored_tells_as_much_as_it_can_and_the_newest_are_kept() {
        let now = |millis| Now { wall: at(millis), mono: Mono::from_millis(0) };
        let id = CHAT.message(1).to_string();
        let noticed = Fact::Noticed { event_id: None, entry: Some(id), at_millis: 0 };
        let gone = |number| Fact::Resolved { number };
        let facts = vec![say(1), tried(1), gone(1), noticed, say(2), gone(2)];
        let all = Checkpoints::read(CHAT, None, &[Delta { at: now(5), facts }]);
        let fates: Vec<_> = all.messages().iter().map(|one| (one.delivered, one.fate)).collect();
        assert_eq!(fates, [(Some(at(5)), Fate::Done), (None, Fate::Unknown)]);
        let many = (1..=100).map(say).collect();
        let all = Checkpoints::read(CHAT, None, &[Delta { at: now(5), facts: many }]);
        assert_eq!(all.messages().len(), MESSAGES_MAX);
        assert_eq!(all.messages().last().map(|one| one.number), Some(100));
    }
}
