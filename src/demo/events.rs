//! What the page is told as it happens, and what a page that comes later has missed.
//!
//! Promised: decisions and wire rows are numbered and kept up to a bound; a slow reader loses
//! events, never holds anybody up, and is told to ask for the state anew.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;

/// Decisions that are kept.
const DECISIONS_MAX: usize = 1_000;
/// Wire rows that are kept.
const ROWS_MAX: usize = 300;
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
}

/// What can be told.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Decision(Decision),
    Wire(Row),
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

    pub(super) fn send(&self, mut event: Event) {
        let mut kept = self.kept();
        match &mut event {
            Event::Decision(one) => push(&mut kept.decisions, one.clone(), DECISIONS_MAX),
            Event::Wire(row) => {
                kept.last_row += 1;
                row.number = kept.last_row;
                push(&mut kept.rows, row.clone(), ROWS_MAX);
            }
            _ => {}
        }
        // Under the lock, so that a new reader gets each event once. Fails only without readers.
        let _ = self.sender.send(event);
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
    fn letters_go_on_after_z() {
        assert_eq!(
            [1, 2, 26, 27, 52, 53, 703].map(letter),
            ["A", "B", "Z", "AA", "AZ", "BA", "AAA"]
        );
    }
}
