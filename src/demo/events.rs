//! What the page is told as it happens, and what a page that comes later has missed.
//!
//! Promised: decisions and wire rows are numbered and kept up to a bound; a slow reader loses
//! events, never holds anybody up, and is told to ask for the state anew. Contents are kept beside
//! the rows, for whoever asks for one of them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;

/// Decisions that are kept.
const DECISIONS_MAX: usize = 1_000;
/// Wire rows that are kept, with their contents.
const ROWS_MAX: usize = 1_500;
/// Chats whose state is kept.
const CHATS_MAX: usize = 500;
/// How far a reader may be behind.
const BEHIND_MAX: usize = 512;

/// A decision as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The letter of the chat.
    pub chat: String,
    /// When, by the simulated clock: RFC 3339.
    pub at: String,
    /// `legacy` or `miaw`.
    pub route: String,
    /// The reason, one sentence.
    pub because: String,
    /// The stable code of the reason.
    pub code: String,
}

/// Who is at one end of a wire row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Party {
    Client,
    Bridge,
    Legacy,
    Miaw,
}

/// One message between two parties: its kind, never its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// Counts from 1; given when the row is sent.
    pub(super) number: u64,
    pub(super) chat: Option<String>,
    pub(super) at: String,
    pub(super) from: Party,
    pub(super) to: Party,
    pub(super) what: String,
    /// Of a decision: the route that was chosen.
    pub(super) route: Option<String>,
    /// The status of the answer, once it is there.
    pub(super) status: Option<u16>,
}

/// What went over the wire, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Raw {
    pub(super) request: Option<String>,
    pub(super) answer: Option<String>,
}

/// How a chat is for its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    Waiting,
    Active,
    Ended,
}

/// A chat on the page's board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Seen {
    pub(super) chat: String,
    pub(super) route: String,
    pub(super) phase: Phase,
}

/// What can be told.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Decision(Decision),
    Wire(Row),
    /// The answer to the request of a row.
    Answered {
        number: u64,
        status: u16,
    },
    /// A chat began, or its state changed.
    Chat(Seen),
    /// The bridge was killed or is there again.
    Bridge(serde_json::Value),
    /// MIAW refuses everything from now on, or no longer.
    Outage(bool),
    /// The clock was set.
    Clock(serde_json::Value),
    /// Something changed at the desk.
    Desk,
    /// The agents act by themselves from now on, or no longer.
    Agents(bool),
    /// Everything begins anew.
    Restart,
}

impl Event {
    /// The name and the data of the event on the stream.
    pub(super) fn frame(&self) -> (&'static str, String) {
        match self {
            Self::Decision(decision) => ("decision", json!(decision).to_string()),
            Self::Wire(row) => ("wire", json!(row).to_string()),
            Self::Answered { number, status } => {
                ("answered", json!({ "number": number, "status": status }).to_string())
            }
            Self::Chat(seen) => ("chat", json!(seen).to_string()),
            Self::Bridge(state) => ("bridge", state.to_string()),
            Self::Outage(on) => ("outage", json!({ "on": on }).to_string()),
            Self::Clock(clock) => ("clock", clock.to_string()),
            Self::Desk => ("desk", "{}".to_owned()),
            Self::Agents(auto) => ("agents", json!({ "auto": auto }).to_string()),
            Self::Restart => ("restart", "{}".to_owned()),
        }
    }
}

#[derive(Default)]
struct Kept {
    decisions: VecDeque<Decision>,
    rows: VecDeque<Row>,
    raws: VecDeque<(u64, Raw)>,
    chats: VecDeque<Seen>,
    letters: usize,
    last_row: u64,
}

/// The demo's event stream.
pub(super) struct Events {
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Event>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), sender: broadcast::Sender::new(BEHIND_MAX) }
    }

    /// The letter of the next chat: A to Z, then AA.
    pub(super) fn next_letter(&self) -> String {
        let mut kept = self.kept();
        kept.letters += 1;
        letter(kept.letters)
    }

    pub(super) fn send(&self, event: Event) {
        let mut kept = self.kept();
        if let Event::Decision(one) = &event {
            push(&mut kept.decisions, one.clone(), DECISIONS_MAX);
            let (chat, route) = (one.chat.clone(), one.route.clone());
            let seen = Seen { chat, route, phase: Phase::Waiting };
            push(&mut kept.chats, seen.clone(), CHATS_MAX);
            let _ = self.sender.send(Event::Chat(seen));
        }
        // Under the lock, so that a new reader gets each event once. Fails only without readers.
        let _ = self.sender.send(event);
    }

    /// A row and what it stands for; answers its number.
    pub(super) fn row(&self, mut row: Row, raw: Raw) -> u64 {
        let mut kept = self.kept();
        kept.last_row += 1;
        row.number = kept.last_row;
        let number = row.number;
        push(&mut kept.rows, row.clone(), ROWS_MAX);
        push(&mut kept.raws, (number, raw), ROWS_MAX);
        let _ = self.sender.send(Event::Wire(row));
        number
    }

    /// The request of that row was answered.
    pub(super) fn answered(&self, number: u64, status: u16, answer: String) {
        let mut kept = self.kept();
        if let Some(row) = kept.rows.iter_mut().rfind(|row| row.number == number) {
            row.status = Some(status);
        }
        if let Some((_, raw)) = kept.raws.iter_mut().rfind(|(of, _)| *of == number) {
            raw.answer = Some(answer);
        }
        let _ = self.sender.send(Event::Answered { number, status });
    }

    /// A chat's state, if it is news.
    pub(super) fn chat_is(&self, chat: &str, phase: Phase) {
        let mut kept = self.kept();
        let Some(seen) = kept.chats.iter_mut().rfind(|seen| seen.chat == chat) else { return };
        if seen.phase == phase || seen.phase == Phase::Ended {
            return;
        }
        seen.phase = phase;
        let _ = self.sender.send(Event::Chat(seen.clone()));
    }

    /// What the row stands for, unless it was too long ago.
    pub(super) fn raw(&self, number: u64) -> Option<Raw> {
        let kept = self.kept();
        kept.raws.iter().rfind(|(of, _)| *of == number).map(|(_, raw)| raw.clone())
    }

    pub(super) fn chats(&self) -> Vec<Seen> {
        self.kept().chats.iter().cloned().collect()
    }

    pub(super) fn decisions(&self) -> Vec<Decision> {
        self.kept().decisions.iter().cloned().collect()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.kept().rows.iter().cloned().collect()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// The decisions so far, and everything after them.
    pub(super) fn decisions_and_on(&self) -> (Vec<Decision>, broadcast::Receiver<Event>) {
        let kept = self.kept();
        (kept.decisions.iter().cloned().collect(), self.sender.subscribe())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push<T>(kept: &mut VecDeque<T>, one: T, max: usize) {
    if kept.len() == max {
        kept.pop_front();
    }
    kept.push_back(one);
}

/// 1 is A, 26 is Z, 27 is AA.
fn letter(mut number: usize) -> String {
    let mut letters = Vec::new();
    while number > 0 {
        number -= 1;
        letters.push(char::from(b'A' + (number % 26) as u8));
        number /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_that_ended_stays_ended() {
        let events = Events::new();
        events.send(Event::Decision(Decision {
            chat: "A".to_owned(),
            at: String::new(),
            route: "miaw".to_owned(),
            because: String::new(),
            code: String::new(),
        }));
        for phase in [Phase::Active, Phase::Ended, Phase::Active] {
            events.chat_is("A", phase);
        }
        events.chat_is("B", Phase::Active);
        let phases: Vec<_> = events.chats().iter().map(|seen| seen.phase).collect();
        assert_eq!(phases, [Phase::Ended]);
    }

    #[test]
    fn an_answer_comes_to_its_row_and_its_contents() {
        let events = Events::new();
        let row = || Row {
            number: 0,
            chat: None,
            at: String::new(),
            from: Party::Client,
            to: Party::Bridge,
            what: "GET SessionId".to_owned(),
            route: None,
            status: None,
        };
        let raw = |text: &str| Raw { request: Some(text.to_owned()), answer: None };
        let first = events.row(row(), raw("one"));
        events.row(row(), raw("two"));
        events.answered(first, 200, "OK".to_owned());
        let statuses: Vec<_> = events.rows().iter().map(|row| row.status).collect();
        assert_eq!(statuses, [Some(200), None]);
        let expected = Raw { request: Some("one".to_owned()), answer: Some("OK".to_owned()) };
        assert_eq!(events.raw(first), Some(expected));
        assert_eq!(events.raw(99), None);
    }

    #[test]
    fn letters_go_on_after_z() {
        assert_eq!(
            [1, 2, 26, 27, 52, 53, 703].map(letter),
            ["A", "B", "Z", "AA", "AZ", "BA", "AAA"]
        );
    }
}
