//! What the conversation tells: each entry once, in order, and what it means to a legacy client.
//!
//! The event map is domain.md 2.7. After a gap in the stream the entries list is asked first, and
//! what the new stream brings meanwhile is held back, so that order holds.

use std::time::Duration;

use super::super::agent::{AgentEvent, FailReason, Person};
use super::super::fact::Fact;
use super::super::happening::{Happening, What};
use super::super::limits::{
    BACKFILL_ATTEMPTS_MAX, HELD_BACK_MAX, REATTACH, STREAM_PROMPT, STREAM_REFUSALS_MAX,
};
use super::super::mutation::{self, Mutation};
use super::super::state::Phase;
use super::super::text::Text;
use super::super::{CallId, Effect, Lost, Outcome};
use super::Session;
use super::pace::spread;
use crate::time::Mono;

/// A typing indicator lapses this long after its last renewal (miaw.md 5.6: 5 s, and some way).
const TYPING_LAPSES: Duration = Duration::from_secs(7);

/// What this process knows about the stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Streams in a row that brought nothing and did not last.
    failures: u32,
    opened_at: Option<Mono>,
    refusals: u32,
    reattach_at: Option<Mono>,
    /// When the stream opens later than this, its buffer may not reach back far enough.
    prompt_until: Option<Mono>,
    /// Whether entries may have been missed.
    pub(super) gap: bool,
    filling: Option<Filling>,
    /// Whether a question for a gap, this one or an earlier one, awaits its answer.
    asking: bool,
    typing_lapses_at: Option<Mono>,
    pub(super) position: Option<i64>,
    pub(super) wait_seconds: Option<i64>,
}

/// A gap that is being filled.
#[derive(Debug, Default)]
struct Filling {
    held: Vec<Happening>,
    attempts: u32,
    /// Whether the answer that is awaited was asked for since this gap is being filled.
    asked: bool,
    ask_at: Option<Mono>,
}

impl Stream {
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let ask = self.filling.as_ref().and_then(|filling| filling.ask_at);
        [self.reattach_at, ask, self.typing_lapses_at].into_iter().flatten().min()
    }
}

impl Session {
    pub(super) fn attach(&mut self) {
        self.stream.reattach_at = None;
        let after = self.state.last_event_id.clone();
        // Without an event id the stream starts wherever the conversation is by then.
        self.stream.gap |= self.state.newest_entry_millis > 0 || after.is_none();
        self.stream.prompt_until = Some(self.now.mono.plus(STREAM_PROMPT));
        self.effect(Effect::Attach { after });
    }

    pub(super) fn stream_open(&mut self) {
        self.stream.opened_at = Some(self.now.mono);
        let prompt = self.stream.prompt_until.take();
        self.stream.gap |= prompt.is_none_or(|until| until < self.now.mono);
        if self.stream.gap {
            self.stream.filling = Some(Filling::default());
            self.ask_for_gap();
        }
    }

    /// The conversation is known to exist: a gap that waits for it can be filled.
    pub(super) fn opened(&mut self) {
        self.record(Fact::Opened);
        self.ask_for_gap();
    }

    pub(super) fn stream_lost(&mut self, lost: Lost) {
        if self.ended() {
            return;
        }
        self.stream.gap = true;
        self.stream.filling = None;
        let opened_at = self.stream.opened_at.take();
        if opened_at.is_some_and(|at| at.plus(REATTACH.1) <= self.now.mono) {
            self.stream.failures = 0;
        }
        self.stream.failures += 1;
        if let Lost::Status(status @ (401 | 403)) = lost
            && self.token_refused(status)
        {
            // The stream is opened again with the next token.
            return;
        }
        if matches!(lost, Lost::Status(400 | 401 | 403 | 404)) {
            self.stream.refusals += 1;
            if self.stream.refusals > STREAM_REFUSALS_MAX {
                self.end_with_error();
                return;
            }
        }
        self.stream_again();
    }

    /// Opens the stream again after a while, unless it is open.
    pub(super) fn stream_again(&mut self) {
        if self.stream.opened_at.is_none() && self.stream.reattach_at.is_none() {
            let wait = spread(self.state.chat.0.as_u128(), self.stream.failures, REATTACH);
            self.stream.reattach_at = Some(self.now.mono.plus(wait));
        }
    }

    pub(super) fn stream_due(&mut self) {
        let now = self.now.mono;
        let due = |at: Option<Mono>| at.is_some_and(|at| at <= now);
        if self.ended() {
            self.stream.reattach_at = None;
            self.stream.typing_lapses_at = None;
            return;
        }
        if due(self.stream.typing_lapses_at) {
            self.typing_over();
        }
        if due(self.stream.reattach_at) && self.stream_waits_for_token() {
            self.stream.reattach_at = None;
        }
        if due(self.stream.reattach_at) {
            self.attach();
        }
        if due(self.stream.filling.as_ref().and_then(|filling| filling.ask_at)) {
            self.ask_for_gap();
        }
    }

    /// Asks once the conversation exists, and never twice at a time: the answers could not be told
    /// apart, and an old one would end the wait for the new one.
    fn ask_for_gap(&mut self) {
        if self.stream.asking || self.state.phase == Phase::Requested {
            return;
        }
        if let Some(filling) = &mut self.stream.filling {
            filling.attempts += 1;
            filling.ask_at = None;
            filling.asked = true;
            self.stream.asking = true;
            let call = self.list_entries();
            self.effect(Effect::Call(CallId::Backfill, call));
        }
    }

    pub(super) fn backfilled(&mut self, outcome: Outcome) {
        self.stream.asking = false;
        let filling = self.stream.filling.as_ref();
        let attempts = filling.map_or(0, |filling| filling.attempts);
        let ours = filling.is_some_and(|filling| filling.asked);
        match outcome {
            Outcome::Entries(entries) => {
                for entry in entries {
                    self.notice(entry);
                }
                if !ours {
                    self.ask_for_gap();
                    return;
                }
            }
            _ if !ours => {
                self.ask_for_gap();
                return;
            }
            _ if attempts < BACKFILL_ATTEMPTS_MAX => {
                let at = self.now.mono.plus(self.backoff(attempts));
                if let Some(filling) = &mut self.stream.filling {
                    filling.ask_at = Some(at);
                }
                return;
            }
            _ => {}
        }
        self.stream.gap = false;
        self.hold_after_gap();
        for happening in self.stream.filling.take().unwrap_or_default().held {
            self.notice(happening);
        }
    }

    /// One event of the stream.
    pub(super) fn happened(&mut self, happening: Happening) {
        self.stream.refusals = 0;
        if happening.entry.is_some() {
            self.stream.failures = 0;
            // What is held back waits for a list that waits for this.
            if self.stream.filling.is_some() && self.exists() && !self.ended() {
                self.tell_success();
            }
        }
        match &mut self.stream.filling {
            Some(filling) if filling.held.len() < HELD_BACK_MAX => filling.held.push(happening),
            // More than can be held back: the stream is attached anew from where we are.
            Some(_) => self.stream_lost(Lost::Broken),
            None => self.notice(happening),
        }
    }

    /// Deals with an entry unless it was dealt with before.
    pub(super) fn notice(&mut self, happening: Happening) {
        let Happening { event_id, entry, at_millis, what } = happening;
        let known = entry.as_ref().is_some_and(|entry| self.state.has_seen(entry, at_millis));
        if known && !mutation::on(Mutation::Dedupe) {
            if event_id.is_some() && event_id != self.state.last_event_id {
                self.record(Fact::Noticed { event_id, entry: None, at_millis });
            }
            return;
        }
        let created = entry.is_some() && self.exists();
        let moved = event_id.is_some() && event_id != self.state.last_event_id;
        if moved || entry.is_some() {
            self.record(Fact::Noticed { event_id, entry, at_millis });
        }
        if let What::Echo(id) = &what {
            self.echoed(id);
        } else if let What::EchoOf { id, text } = &what {
            self.echoed_as(id, text);
        } else if !self.ended() {
            self.mean(what);
        }
        // With what the entry says of the queue.
        if created && !self.ended() {
            self.tell_success();
        }
    }

    fn mean(&mut self, what: What) {
        match what {
            What::Said { from, bot, text } => self.said(from, bot, text),
            What::Shared { from, bot, text } => self.shared(from, bot, text),
            What::Asked { from, bot, text, ask } => self.asked(from, bot, text, ask),
            What::Typing(person) => self.agent_types(person),
            What::NotTyping(_) => self.typing_over(),
            What::Joined { who, bot } => self.joined(who, bot),
            What::Menu { items, joining } => self.menu_changed(items, joining),
            What::Left { subject } => self.left(&subject),
            What::Routed { wait_seconds } => self.routed(wait_seconds),
            What::RoutingFailed { nobody } if !self.state.established => self.fail(match nobody {
                true => FailReason::Unavailable,
                false => FailReason::InternalFailure,
            }),
            What::TransferStarted => self.transfer_started(),
            What::TransferFailed => self.transfer_failed(),
            What::ConferenceStarted => self.record(Fact::Conferencing(true)),
            What::SessionInactive => self.inactive(),
            What::QueuePosition(position) => {
                self.stream.position = Some(position);
                self.queue_changed();
            }
            What::SessionEnded | What::Closed => self.other_side_ended(),
            What::SessionFailed if self.state.established => self.end_with_error(),
            What::SessionFailed => self.fail(FailReason::Unavailable),
            What::RoutingFailed { .. } | What::Echo(_) | What::EchoOf { .. } | What::Nothing => {}
        }
    }

    pub(super) fn said(&mut self, from: Option<Person>, bot: bool, text: Text) {
        if !self.speaks(from.as_ref(), bot) {
            return;
        }
        if self.asks_for_file(from.as_ref(), &text) {
            return;
        }
        let awaits = from.is_some();
        self.tell(AgentEvent::Message { from, text });
        if awaits {
            self.visitor_awaited();
        }
        // The real service says so after each message (la-messages.json).
        self.typing_over();
    }

    /// Someone speaks: whoever does is there, even when news of the coming was lost. False when the
    /// visitor is not to hear it.
    pub(super) fn speaks(&mut self, from: Option<&Person>, bot: bool) -> bool {
        let Some(person) = from else { return self.settings.system_messages };
        if bot {
            self.is_bot(&person.subject);
        }
        if !self.state.established && (!bot || self.settings.bot_establishes) {
            self.establish(person.clone());
        }
        self.hold_for_speaker();
        true
    }

    fn is_bot(&mut self, subject: &str) {
        if !self.state.bots.iter().any(|known| known == subject) {
            self.record(Fact::Bot { subject: subject.to_owned() });
        }
    }

    fn inactive(&mut self) {
        let text = self.settings.life.inactive_text.clone();
        if let Some(text) = text.filter(|_| self.state.established) {
            self.tell(AgentEvent::Message { from: None, text });
        }
    }

    fn agent_types(&mut self, person: Person) {
        self.stream.typing_lapses_at = Some(self.now.mono.plus(TYPING_LAPSES));
        if self.state.typing.as_ref() != Some(&person) {
            self.tell(AgentEvent::Typing(person));
        }
    }

    pub(super) fn typing_over(&mut self) {
        self.stream.typing_lapses_at = None;
        if let Some(person) = self.state.typing.clone() {
            self.tell(AgentEvent::NotTyping(person));
        }
    }

    fn joined(&mut self, who: Person, bot: bool) {
        let new = !self.state.people.iter().any(|known| known.subject == who.subject);
        if self.state.hold_until.is_some() {
            self.record(Fact::HoldUntil(None));
        }
        let beside = self.state.conferencing
            && !self.state.transferring
            && !self.state.people.is_empty()
            && self.settings.life.transfer_events;
        if self.state.transferring {
            self.record(Fact::Transferring(false));
        }
        if bot {
            self.is_bot(&who.subject);
        }
        if new && !bot {
            // Whoever comes knows nothing of what was asked.
            self.flush_form();
            self.no_menu();
        }
        let shows = (bot && new).then(|| who.clone());
        if self.state.established && new {
            if self.state.conferencing {
                self.record(Fact::Conferencing(false));
            }
            self.record(Fact::Joined(who.clone()));
            let menu = self.menu_items();
            self.tell(match beside {
                true => AgentEvent::ConferenceJoined(who),
                false => AgentEvent::Transferred { who, menu },
            });
        } else if !bot || self.settings.bot_establishes {
            self.establish(who);
        }
        if let Some(bot) = shows {
            self.show_menu(Some(bot));
        }
    }

    fn establish(&mut self, who: Person) {
        if !self.state.established {
            self.record(Fact::Joined(who.clone()));
            let menu = self.menu_items();
            self.tell(AgentEvent::Established { who, menu });
            self.visitor_awaited();
            self.offer_upload();
        }
    }

    fn routed(&mut self, wait_seconds: Option<i64>) {
        let told = self.state.outcome_told;
        let news = wait_seconds.is_some() && wait_seconds != self.stream.wait_seconds;
        self.stream.wait_seconds = wait_seconds.or(self.stream.wait_seconds);
        if !told || news {
            self.queue_changed();
        }
    }

    fn queue_changed(&mut self) {
        if !self.state.outcome_told {
            self.tell_success();
        } else if self.state.begin.queue_updates && !self.state.established {
            let position = self.stream.position.unwrap_or(self.settings.unknown_position);
            let wait_seconds = self.stream.wait_seconds.unwrap_or(-1);
            self.tell(AgentEvent::QueueUpdate { position, wait_seconds });
        }
    }
}
