//! How many access tokens an org may ask for: 200 a minute (miaw.md 2.5), shared by all tenants of
//! one org in this process, and split evenly over the nodes of a cluster.
//!
//! Promised: whoever asks gets a turn, in order; a 429 makes everybody of the org wait. Not
//! promised: anything about other clients of the org; while nodes come and go, the parts may add up
//! to more for a minute.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::cluster::lease::share;
use crate::time::Mono;

/// Tokens per org and window.
pub const TOKENS: usize = 200;
const WINDOW: Duration = Duration::from_secs(60);
/// The wait after a 429 that asks for none, and the longest that one may ask for.
const REFUSED_WAIT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(120));

/// The budgets of all orgs.
#[derive(Debug)]
pub struct TokenBudgets {
    budgets: Mutex<HashMap<String, Budget>>,
    /// Tokens of this process per org and window.
    tokens: AtomicUsize,
}

impl Default for TokenBudgets {
    fn default() -> Self {
        Self { budgets: Mutex::default(), tokens: AtomicUsize::new(TOKENS) }
    }
}

/// How much of a budget is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens asked for in the last window.
    pub used: usize,
    /// How long the last one in the queue waits; nothing when nobody does.
    pub wait: Duration,
}

#[derive(Debug, Default)]
struct Budget {
    turns: VecDeque<Mono>,
    not_before: Option<Mono>,
}

impl TokenBudgets {
    /// So many processes share each org's budget.
    pub fn share(&self, processes: usize) {
        self.tokens.store(share(TOKENS, processes), Ordering::Relaxed);
    }

    /// When the next token of this org may be asked for.
    #[must_use]
    pub fn turn(&self, org: &str, now: Mono) -> Mono {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry(org.to_owned()).or_default();
        let tokens = self.tokens.load(Ordering::Relaxed);
        // The oldest of the newest that the window may hold.
        let first = budget.turns.len().checked_sub(tokens).and_then(|at| budget.turns.get(at));
        let earliest = budget.not_before.unwrap_or(now).max(now);
        let turn = first.map_or(earliest, |first| first.plus(WINDOW).max(earliest));
        let turn = budget.turns.back().map_or(turn, |last| turn.max(*last));
        budget.turns.push_back(turn);
        if budget.turns.len() > TOKENS {
            budget.turns.pop_front();
        }
        turn
    }

    /// What is used of an org's budget in the window that ends now.
    #[must_use]
    pub fn used(&self, org: &str, now: Mono) -> Used {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(budget) = budgets.get(org) else { return Used::default() };
        // A turn may lie ahead: somebody waits for it, and it counts already.
        let used = budget.turns.iter().filter(|turn| turn.plus(WINDOW) > now).count();
        let refused = budget.not_before.map(|at| at.since(now)).unwrap_or_default();
        let ahead = budget.turns.back().map(|turn| turn.since(now)).unwrap_or_default();
        Used { used, wait: refused.max(ahead) }
    }

    /// The org said that it was too many.
    pub fn refused(&self, org: &str, now: Mono, asked: Option<Duration>) {
        let wait = asked.unwrap_or(REFUSED_WAIT.0).min(REFUSED_WAIT.1);
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry(org.to_owned()).or_default();
        budget.not_before = budget.not_before.max(Some(now.plus(wait)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1_000)
    }

    #[test]
    fn no_window_holds_more_than_the_budget_and_orgs_do_not_share() {
        let budgets = TokenBudgets::default();
        let turns: Vec<Mono> = (0..450).map(|_| budgets.turn("a", at(10))).collect();
        assert_eq!(turns[199], at(10));
        assert_eq!(turns[200], at(70));
        assert_eq!(turns[400], at(130));
        assert!(turns.windows(201).all(|window| window[200].since(window[0]) >= WINDOW));
        assert_eq!(budgets.turn("b", at(10)), at(10));
        let wait = |seconds| Duration::from_secs(seconds);
        assert_eq!(budgets.used("a", at(10)), Used { used: TOKENS, wait: wait(120) });
        assert_eq!(budgets.used("b", at(11)), Used { used: 1, wait: wait(0) });
        assert_eq!(budgets.used("b", at(70)), Used::default());
        assert_eq!(budgets.used("c", at(11)), Used::default());
    }

    #[test]
    fn several_processes_spend_together_what_one_may_spend() {
        let budgets = TokenBudgets::default();
        budgets.share(2);
        let turns: Vec<Mono> = (0..250).map(|_| budgets.turn("a", at(10))).collect();
        assert_eq!([turns[99], turns[100], turns[200]], [at(10), at(70), at(130)]);
        // The other one is gone: from here on the whole budget.
        budgets.share(1);
        let turns: Vec<Mono> = (0..250).map(|_| budgets.turn("a", at(200))).collect();
        assert_eq!([turns[0], turns[199], turns[200]], [at(200), at(200), at(260)]);
    }

    #[test]
    fn a_refusal_makes_everybody_wait_and_keeps_the_order() {
        let budgets = TokenBudgets::default();
        assert_eq!(budgets.turn("a", at(1)), at(1));
        budgets.refused("a", at(1), Some(Duration::from_secs(9)));
        budgets.refused("a", at(2), None);
        assert_eq!(budgets.turn("a", at(3)), at(10));
        assert_eq!(budgets.turn("a", at(11)), at(11));
    }
}
