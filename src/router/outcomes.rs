//! What became of the last chat requests of each button: the only thing that tells about
//! availability where MIAW has no call for it.
//!
//! Promised: pure and bounded. Only "nobody can take it" counts against a button; one accepted chat
//! clears it; what is older than the window is forgotten, so that somebody tries again.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::time::Mono;

/// Outcomes remembered per button.
const PER_BUTTON_MAX: usize = 32;
/// Buttons remembered; past it the one that was quiet the longest is forgotten.
const BUTTONS_MAX: usize = 2_000;
/// A wait that was measured longer ago says nothing about now.
const WAIT_KNOWN_FOR: Duration = Duration::from_secs(60 * 60);

/// How a chat request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody took it after this wait.
    Accepted(Duration),
    /// Nobody could take it.
    Unavailable,
}

/// What makes a button count as unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// So many failures in a row, with none accepted since.
    pub failures: usize,
    /// What is older than this is forgotten.
    pub window: Duration,
}

/// The recent outcomes of many buttons.
#[derive(Debug, Default)]
pub struct Outcomes {
    buttons: HashMap<String, Button>,
}

#[derive(Debug, Default)]
struct Button {
    /// When, and whether accepted; newest last.
    recent: VecDeque<(Mono, bool)>,
    /// The smoothed wait of the accepted ones, in seconds, and when it was last measured.
    wait: Option<(f64, Mono)>,
}

impl Outcomes {
    /// Takes note of one outcome. `button` is whatever names it: tenant and id.
    pub fn record(&mut self, button: &str, now: Mono, outcome: Outcome) {
        if self.buttons.len() >= BUTTONS_MAX && !self.buttons.contains_key(button) {
            self.forget_quietest();
        }
        let button = self.buttons.entry(button.to_owned()).or_default();
        button.recent.push_back((now, matches!(outcome, Outcome::Accepted(_))));
        if button.recent.len() > PER_BUTTON_MAX {
            button.recent.pop_front();
        }
        if let Outcome::Accepted(wait) = outcome {
            // Salesforce's own smoothing (live-agent.md 5.9).
            let wait = wait.as_secs_f64();
            let smooth = button.wait.map_or(wait, |(before, _)| 0.9 * before + 0.1 * wait);
            button.wait = Some((smooth, now));
        }
    }

    /// Whether somebody can be expected to take a chat.
    #[must_use]
    pub fn available(&self, button: &str, now: Mono, rule: Rule) -> bool {
        let Some(button) = self.buttons.get(button) else { return true };
        let fresh = button.recent.iter().rev().take_while(|(at, _)| now.since(*at) < rule.window);
        let failed = fresh.take_while(|(_, accepted)| !accepted).count();
        failed < rule.failures.clamp(1, PER_BUTTON_MAX)
    }

    /// The estimated wait in whole seconds, when it is known.
    #[must_use]
    pub fn wait_seconds(&self, button: &str, now: Mono) -> Option<i64> {
        let (wait, at) = self.buttons.get(button)?.wait?;
        (now.since(at) < WAIT_KNOWN_FOR).then(|| wait.round() as i64)
    }

    fn forget_quietest(&mut self) {
        let last = |button: &Button| button.recent.back().map(|(at, _)| *at);
        let quietest = self.buttons.iter().min_by_key(|(name, button)| (last(button), *name));
        if let Some(name) = quietest.map(|(name, _)| name.clone()) {
            self.buttons.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { failures: 3, window: Duration::from_secs(600) };

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1_000)
    }

    #[test]
    fn failures_in_a_row_close_a_button_and_one_accepted_chat_or_time_opens_it() {
        let mut seen = Outcomes::default();
        assert!(seen.available("b", at(0), RULE), "nothing is known");
        for second in [1, 2] {
            seen.record("b", at(second), Outcome::Unavailable);
        }
        assert!(seen.available("b", at(2), RULE));
        seen.record("b", at(3), Outcome::Unavailable);
        assert!(!seen.available("b", at(3), RULE));
        assert!(seen.available("other", at(3), RULE));
        assert!(!seen.available("b", at(600), RULE));
        assert!(seen.available("b", at(601), RULE), "the first is forgotten");
        seen.record("b", at(4), Outcome::Accepted(Duration::from_secs(5)));
        assert!(seen.available("b", at(4), RULE));
    }

    #[test]
    fn the_wait_is_smoothed_and_grows_stale() {
        let mut seen = Outcomes::default();
        assert_eq!(seen.wait_seconds("b", at(0)), None);
        seen.record("b", at(0), Outcome::Accepted(Duration::from_secs(10)));
        assert_eq!(seen.wait_seconds("b", at(1)), Some(10));
        seen.record("b", at(1), Outcome::Accepted(Duration::from_secs(110)));
        assert_eq!(seen.wait_seconds("b", at(1)), Some(20));
        seen.record("b", at(2), Outcome::Unavailable);
        assert_eq!(seen.wait_seconds("b", at(3_600)), Some(20));
        assert_eq!(seen.wait_seconds("b", at(3_601)), None);
    }

    #[test]
    fn a_flood_of_buttons_and_outcomes_is_bounded() {
        let mut seen = Outcomes::default();
        for n in 0..BUTTONS_MAX as u64 + 10 {
            seen.record(&n.to_string(), at(n), Outcome::Unavailable);
        }
        assert_eq!(seen.buttons.len(), BUTTONS_MAX);
        assert!(!seen.buttons.contains_key("9") && seen.buttons.contains_key("10"));
        for n in 0..100 {
            seen.record("10", at(n), Outcome::Unavailable);
        }
        assert_eq!(seen.buttons["10"].recent.len(), PER_BUTTON_MAX);
    }
}
