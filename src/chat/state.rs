//! Everything about a chat that outlives the process, and how facts change it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::agent::{AgentEvent, FileStep, Person};
use super::content::{Ask, Offer, Value};
use super::fact::Fact;
use super::ids::ChatId;
use super::limits::{PEOPLE_MAX, SEEN_ENTRIES_MAX, TRANSCRIPT_MAX};
use super::outbox::{Heard, Outbox};
use super::pending::{Command, CommandKind};
use super::replay::Replay;
use super::text::{Secret, Text};
use super::visitor::{Begin, FileRules};
use crate::time::{Mono, Now, Wall};

/// How far a chat has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Asked for; the conversation does not exist yet.
    #[default]
    Requested,
    /// The conversation exists; nobody has joined.
    Waiting,
    /// Someone has joined.
    Talking,
    /// Over.
    Ended,
}

/// The durable part of a chat: the fold of its facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Which chat.
    pub chat: ChatId,
    /// How far it has come.
    pub phase: Phase,
    /// What was asked at the start.
    pub begin: Begin,
    /// Messages on their way to the visitor.
    pub outbox: Outbox,
    /// POSTs that were acted on.
    pub replay: Replay,
    /// What is still to be done upstream.
    pub pending: VecDeque<Command>,
    /// The number of the next command.
    pub next_command: u64,
    /// When the first command is given up, once it was attempted.
    pub give_up: Option<(u64, Mono)>,
    /// The access token.
    pub bearer: Option<Secret>,
    /// When the chat must end for want of a token.
    pub token_ends: Option<Mono>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// Time of the newest entry dealt with, in epoch milliseconds.
    pub newest_entry_millis: i64,
    /// Entries dealt with, newest last.
    pub seen: VecDeque<String>,
    /// Their times, as far back as this version wrote them.
    #[serde(default)]
    pub seen_at: VecDeque<i64>,
    /// The newest time of an entry that is not among them any more; what is not later was dealt
    /// with too.
    #[serde(default)]
    pub forgotten_millis: i64,
    /// Who is there from the business's side.
    pub people: Vec<Person>,
    /// Whether the visitor was told that the chat is established.
    pub established: bool,
    /// Whether the visitor was told of success or failure of the request.
    pub outcome_told: bool,
    /// When success is told at the latest.
    pub success_by: Option<Mono>,
    /// When the chat ends unless someone joins.
    pub hold_until: Option<Mono>,
    /// Whether a transfer is under way.
    pub transferring: bool,
    /// Whether the next answer begins with `ChasitorSessionData`.
    pub session_data_due: bool,
    /// The last lines of the chat, for `ChasitorSessionData`.
    pub transcript: VecDeque<Line>,
    /// Whose typing indicator is on.
    pub typing: Option<Person>,
    /// When the chat fails unless somebody came.
    #[serde(default)]
    pub accept_by: Option<Mono>,
    /// Until when the visitor is awaited, and whether the chat ends then or the visitor is warned.
    #[serde(default)]
    pub idle: Option<(Mono, bool)>,
    /// Whether a further agent was asked for.
    #[serde(default)]
    pub conferencing: bool,
    /// Subjects of those who came as further agents.
    #[serde(default)]
    pub guests: Vec<String>,
    /// Whether a file of the visitor's is awaited.
    #[serde(default)]
    pub file_open: bool,
    /// What the deployment says about visitors' files.
    #[serde(default)]
    pub file_rules: Option<FileRules>,
    /// What the visitor was asked last.
    #[serde(default)]
    pub ask: Option<Ask>,
    /// Whether the next words of the visitor may answer it.
    #[serde(default)]
    pub ask_open: bool,
    /// What the fields of the form were answered so far, and the same in words.
    #[serde(default)]
    pub answered: Vec<(Value, Text)>,
    /// When what the form collected goes on as plain text.
    #[serde(default)]
    pub form_until: Option<Mono>,
    /// Subjects of bots.
    #[serde(default)]
    pub bots: Vec<String>,
    /// The menu of the bot that is there.
    #[serde(default)]
    pub menu: Option<Offer>,
    /// When the chat was asked for, by the calendar.
    #[serde(default)]
    pub began: Option<Wall>,
    /// How many messages the visitor sent; long ones count once for each part.
    #[serde(default)]
    pub said: u64,
}

/// One line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Who said it; `None` is the visitor.
    pub from: Option<Text>,
    /// What was said.
    pub text: Text,
}

impl State {
    /// A chat of which nothing is known yet.
    #[must_use]
    pub fn new(chat: ChatId) -> Self {
        Self {
            chat,
            phase: Phase::default(),
            begin: Begin::default(),
            outbox: Outbox::default(),
            replay: Replay::default(),
            pending: VecDeque::new(),
            next_command: 1,
            give_up: None,
            bearer: None,
            token_ends: None,
            last_event_id: None,
            newest_entry_millis: 0,
            seen: VecDeque::new(),
            seen_at: VecDeque::new(),
            forgotten_millis: 0,
            people: Vec::new(),
            established: false,
            outcome_told: false,
            success_by: None,
            hold_until: None,
            transferring: false,
            session_data_due: false,
            transcript: VecDeque::new(),
            typing: None,
            accept_by: None,
            idle: None,
            conferencing: false,
            guests: Vec::new(),
            bots: Vec::new(),
            file_open: false,
            file_rules: None,
            ask: None,
            ask_open: false,
            answered: Vec::new(),
            form_until: None,
            menu: None,
            began: None,
            said: 0,
        }
    }

    /// Whether nothing more will ever be done upstream for this chat.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.phase == Phase::Ended && self.pending.is_empty()
    }

    /// Whether fields of a form were answered that were not sent yet.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.ask_open && !self.answered.is_empty()
    }

    /// Whether an entry was dealt with. One that is older than those remembered by id was: else
    /// a list that reaches back further would tell it again.
    #[must_use]
    pub fn has_seen(&self, entry: &String, at_millis: i64) -> bool {
        self.seen.contains(entry) || (at_millis > 0 && at_millis <= self.forgotten_millis)
    }

    /// Takes one fact in.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::TakenUp { saved, now } => self.rebase(*saved, *now),
            Fact::Began { begin, success_by, accept_by, at } => {
                self.accept_by = *accept_by;
                self.began = *at;
                self.begin = (**begin).clone();
                self.success_by = Some(*success_by);
            }
            Fact::Accepted(seen) => self.replay.remember(seen.clone()),
            Fact::Answered { fingerprint } => self.replay.answered(*fingerprint),
            Fact::NumbersDistrusted => self.replay.distrust_numbers(),
            Fact::NumbersRestarted => self.replay.restart_numbers(),
            Fact::Queued(command) => self.queue(command),
            Fact::Merged { count, text } => self.merge(*count, text),
            Fact::Attempted { number, give_up_at } => self.give_up = Some((*number, *give_up_at)),
            Fact::Resolved { number } => self.pending.retain(|command| command.number != *number),
            Fact::TokenGranted { bearer, last_event_id, ends_at, files } => {
                self.file_rules = *files;
                self.bearer = Some(bearer.clone());
                self.last_event_id.clone_from(last_event_id);
                self.token_ends = *ends_at;
            }
            Fact::TokenRenewed { bearer, ends_at } => {
                self.bearer = Some(bearer.clone());
                self.token_ends = *ends_at;
            }
            Fact::Opened => self.raise(Phase::Waiting),
            Fact::Noticed { event_id, entry, at_millis } => {
                self.notice(event_id.as_ref(), entry.as_ref(), *at_millis);
            }
            Fact::Told(event) => self.tell(event),
            Fact::Sent { through, foreseen } => self.outbox.mark_sent(*through, *foreseen),
            Fact::Consumed { through } => self.outbox.hear(Heard::Consumed(*through)),
            Fact::SendAgain { counted } => self.outbox.hear(Heard::Again { counted: *counted }),
            Fact::AckIs(style) => self.outbox.hear(Heard::Style(*style)),
            Fact::SessionDataDue(due) => self.session_data_due = *due,
            Fact::Joined(person) => {
                self.people.retain(|known| known.subject != person.subject);
                self.people.push(person.clone());
            }
            Fact::Left { subject } => {
                self.people.retain(|known| known.subject != *subject);
                self.guests.retain(|known| known != subject);
            }
            Fact::HoldUntil(until) => self.hold_until = *until,
            Fact::Transferring(yes) => self.transferring = *yes,
            Fact::Conferencing(yes) => self.conferencing = *yes,
            Fact::Bot { subject } => remember_subject(&mut self.bots, subject),
            Fact::Menu(menu) => self.menu.clone_from(menu),
            Fact::Asked(ask) => {
                self.ask = Some(ask.clone());
                self.ask_open = true;
                self.answered.clear();
                self.form_until = None;
            }
            Fact::FieldAnswered { value, text, until } => {
                self.form_until = Some(*until);
                self.answered.push((value.clone(), text.clone()));
            }
            Fact::AskClosed => {
                self.ask_open = false;
                self.answered.clear();
                self.form_until = None;
            }
            Fact::IdleUntil { at, warned } => self.idle = at.map(|at| (at, *warned)),
            Fact::Ended => self.raise(Phase::Ended),
        }
    }

    fn raise(&mut self, phase: Phase) {
        if self.phase != Phase::Ended {
            self.phase = phase;
        }
    }

    fn queue(&mut self, command: &Command) {
        self.next_command = self.next_command.max(command.number + 1);
        if matches!(command.kind, CommandKind::File { .. }) {
            self.file_open = false;
        }
        if let CommandKind::Say(text) | CommandKind::Answer { text, .. } = &command.kind {
            self.remember_line(Line { from: None, text: text.clone() });
        }
        self.said += u64::from(command.kind.is_message());
        self.pending.push_back(command.clone());
    }

    fn merge(&mut self, count: usize, text: &Text) {
        if let Some(first) = self.pending.front_mut() {
            first.kind = CommandKind::Say(text.clone());
            self.pending.drain(1..count.min(self.pending.len()));
        }
    }

    fn notice(&mut self, event_id: Option<&String>, entry: Option<&String>, at_millis: i64) {
        if event_id.is_some() {
            self.last_event_id = event_id.cloned();
        }
        if let Some(entry) = entry {
            self.seen.push_back(entry.clone());
            self.seen_at.push_back(at_millis);
            if self.seen.len() > SEEN_ENTRIES_MAX {
                self.seen.pop_front();
            }
            if self.seen_at.len() > SEEN_ENTRIES_MAX {
                let oldest = self.seen_at.pop_front().unwrap_or_default();
                self.forgotten_millis = self.forgotten_millis.max(oldest);
            }
        }
        self.newest_entry_millis = self.newest_entry_millis.max(at_millis);
    }

    fn tell(&mut self, event: &AgentEvent) {
        match event {
            AgentEvent::RequestSuccess { .. } | AgentEvent::RequestFail { .. } => {
                self.outcome_told = true;
                self.success_by = None;
            }
            AgentEvent::Established { .. } => {
                self.established = true;
                self.accept_by = None;
                self.raise(Phase::Talking);
            }
            AgentEvent::Message { from, text } => {
                let name = from.as_ref().map_or_else(|| Text::from("System"), |p| p.name.clone());
                self.remember_line(Line { from: Some(name), text: text.clone() });
            }
            AgentEvent::Options { from, items, header, .. } => {
                let name = from.as_ref().map_or_else(|| Text::from("System"), |p| p.name.clone());
                let header = header.iter().map(|text| text.as_str().to_owned());
                let items = items.iter().enumerate();
                let items = items.map(|(at, title)| format!("{}. {}", at + 1, title.as_str()));
                let text = Text::from(header.chain(items).collect::<Vec<_>>().join("\n"));
                self.remember_line(Line { from: Some(name), text });
            }
            AgentEvent::ConferenceJoined(person) => {
                remember_subject(&mut self.guests, &person.subject);
            }
            AgentEvent::Transferred { who, .. } => self.guests.retain(|s| *s != who.subject),
            AgentEvent::FileTransfer(step) => self.file_open = *step == FileStep::Requested,
            AgentEvent::Typing(person) => self.typing = Some(person.clone()),
            AgentEvent::NotTyping(_) => self.typing = None,
            _ => {}
        }
        self.outbox.push(event.clone());
    }

    fn remember_line(&mut self, line: Line) {
        self.transcript.push_back(line);
        if self.transcript.len() > TRANSCRIPT_MAX {
            self.transcript.pop_front();
        }
    }

    /// Moves every instant from the time of the process that wrote the state (as of `saved`) into
    /// this process's time; the downtime counts.
    pub fn rebase(&mut self, saved: Now, now: Now) {
        let down = now.wall.millis_since(saved.wall).max(0);
        let rebase = |then: Mono| {
            let ahead = then.millis() as i64 - saved.mono.millis() as i64 - down;
            Mono::from_millis((now.mono.millis() as i64 + ahead).max(0) as u64)
        };
        self.give_up = self.give_up.map(|(number, at)| (number, rebase(at)));
        self.token_ends = self.token_ends.map(rebase);
        self.success_by = self.success_by.map(rebase);
        self.hold_until = self.hold_until.map(rebase);
        self.accept_by = self.accept_by.map(rebase);
        self.form_until = self.form_until.map(rebase);
        self.idle = self.idle.map(|(at, warned)| (rebase(at), warned));
        self.replay.rebase(rebase);
    }
}

/// Keeps a subject, the oldest of too many not.
fn remember_subject(subjects: &mut Vec<String>, subject: &str) {
    subjects.retain(|known| known != subject);
    subjects.push(subject.to_owned());
    if subjects.len() > PEOPLE_MAX {
        subjects.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn rebasing_counts_the_downtime() {
        let at = |wall, mono| Now { wall: Wall::from_millis(wall), mono: Mono::from_millis(mono) };
        let mut state = State::new(ChatId(Uuid::from_u128(1)));
        state.token_ends = Some(Mono::from_millis(100_000));
        state.hold_until = Some(Mono::from_millis(61_000));
        state.rebase(at(1_000_000, 60_000), at(1_005_000, 200));
        assert_eq!(state.token_ends, Some(Mono::from_millis(35_200)));
        assert_eq!(state.hold_until, Some(Mono::from_millis(0)));
    }
}
