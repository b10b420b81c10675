//! What became of messages, and the one line that each K test prints.

use std::io::Write as _;

/// Counts over both directions.
#[derive(Default)]
pub struct Tally {
    pub sent: usize,
    pub delivered: usize,
    pub lost: usize,
    pub repeated: usize,
    /// The longest time from a message's first attempt to its delivery, in milliseconds.
    pub longest: i64,
}

impl Tally {
    /// Compares what one side said, with its instants, with what the other side has.
    pub fn add(&mut self, said: &[(String, i64)], had: &[(String, i64)]) {
        self.sent += said.len();
        for (text, at) in said {
            let found: Vec<i64> = had.iter().filter(|(t, _)| t == text).map(|h| h.1).collect();
            self.delivered += usize::from(!found.is_empty());
            self.lost += usize::from(found.is_empty());
            self.repeated += found.len().saturating_sub(1);
            let waited = found.first().map_or(0, |came| came - at);
            self.longest = self.longest.max(waited);
        }
    }

    /// Adds the counts of another part of the same run.
    pub fn join(&mut self, other: &Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.longest = self.longest.max(other.longest);
    }

    /// Prints the line; past the test harness, so that it is seen when all is well too.
    pub fn tell(&self, test: &str, what: &str, more: &str) {
        let Self { sent, delivered, lost, repeated, longest } = self;
        let counts = format!("sent {sent}, delivered {delivered}, lost {lost}");
        let line =
            format!("{test} {what}: {counts}, repeated {repeated}, longest gap {longest} ms");
        let more = if more.is_empty() { String::new() } else { format!("; {more}") };
        let _ = writeln!(std::io::stderr().lock(), "{line}{more}");
    }
}
