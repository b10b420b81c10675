//! The last hour in samples of a minute, for charts without an external system.
//!
//! Promised: at most [`SAMPLES_MAX`] samples are kept, in memory alone; figures that only grow are
//! told as what a minute added, the others as they were at its end. Not promised: to outlive the
//! process, or anything about other nodes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::time::Wall;

/// The length of a sample.
pub const EVERY: Duration = Duration::from_secs(60);
/// How many samples are kept.
pub const SAMPLES_MAX: usize = 60;

/// Figures at an instant; all but the gauges count from the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Translated chats now.
    pub chats: u64,
    /// Relayed chats now.
    pub relayed: u64,
    /// New chats decided for MIAW.
    pub miaw: u64,
    /// New chats decided for legacy.
    pub legacy: u64,
    /// New chats refused.
    pub refused: u64,
    /// Answers to visitors' programs.
    pub requests: u64,
    /// Of them: with a status of 500 or above.
    pub errors: u64,
    /// Calls to Salesforce.
    pub calls: u64,
    /// Of them: that did not succeed.
    pub failed_calls: u64,
    /// Calls that MIAW answered in time to be measured.
    pub timed_calls: u64,
    /// How long they took together, in microseconds.
    pub call_micros: u64,
    /// Writes to the store.
    pub writes: u64,
    /// Of them: that did not succeed.
    pub failed_writes: u64,
}

impl Figures {
    /// What was added since `before`; the gauges as they are.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            chats: self.chats,
            relayed: self.relayed,
            miaw: self.miaw.saturating_sub(before.miaw),
            legacy: self.legacy.saturating_sub(before.legacy),
            refused: self.refused.saturating_sub(before.refused),
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            calls: self.calls.saturating_sub(before.calls),
            failed_calls: self.failed_calls.saturating_sub(before.failed_calls),
            timed_calls: self.timed_calls.saturating_sub(before.timed_calls),
            call_micros: self.call_micros.saturating_sub(before.call_micros),
            writes: self.writes.saturating_sub(before.writes),
            failed_writes: self.failed_writes.saturating_sub(before.failed_writes),
        }
    }
}

/// The samples.
#[derive(Debug, Default)]
pub struct History(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    last: Figures,
    /// Oldest first, each with the instant of its end.
    samples: VecDeque<(Wall, Figures)>,
}

impl History {
    /// Ends a sample.
    pub fn take(&self, at: Wall, figures: Figures) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = figures.since(&ring.last);
        ring.last = figures;
        ring.samples.push_back((at, sample));
        if ring.samples.len() > SAMPLES_MAX {
            ring.samples.pop_front();
        }
    }

    /// The samples, and the one that has not ended yet.
    #[must_use]
    pub fn read(&self, now: Figures) -> (Vec<(Wall, Figures)>, Figures) {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.samples.iter().copied().collect(), now.since(&ring.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_tells_what_it_added_and_an_hour_is_kept() {
        let history = History::default();
        let at = |minute: u64| Figures { chats: minute, calls: minute * 10, ..Figures::default() };
        for minute in 1..=70 {
            history.take(Wall::from_millis(minute as i64), at(minute));
        }
        let (samples, open) = history.read(Figures { calls: 703, ..at(70) });
        assert_eq!(samples.len(), SAMPLES_MAX);
        assert_eq!(samples[0].0, Wall::from_millis(11));
        assert!(samples.iter().all(|(_, one)| one.calls == 10));
        assert_eq!((samples[59].1.chats, open.calls), (70, 3));
    }
}
