//! The error budget of a move: how much may go wrong on MIAW before it is rolled back.
//!
//! Promised: pure and bounded; what began before the latest move counts for nothing; a chat counts
//! once. Silence counts too: chats that begin and of which nothing is heard. Not here: what follows
//! from a breach, and whether there is a way back (docs/decisions/0017).

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::time::Mono;

/// Outcomes remembered; with more in a window the newest count.
const OUTCOMES_MAX: usize = 10_000;

/// What is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRule {
    /// Outcomes that are older count no more.
    pub window: Duration,
    /// How many of 100 chats may go wrong.
    pub max_share: u8,
    /// With fewer outcomes in the window nothing is concluded from their share.
    pub min_chats: usize,
    /// Who waits longer for somebody counts as gone wrong.
    pub accept_within: Duration,
    /// So long may nothing be heard of chats that were started.
    pub missing_after: Duration,
    /// With fewer chats started nothing is concluded from silence.
    pub missing_chats: usize,
}

impl Default for BudgetRule {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10 * 60),
            max_share: 20,
            min_chats: 20,
            accept_within: Duration::from_secs(3 * 60),
            missing_after: Duration::from_secs(15 * 60),
            missing_chats: 3,
        }
    }
}

/// How a chat's beginning went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Began {
    /// Somebody came after this wait; or nobody has yet, and so much was waited.
    Waited(Duration),
    /// It was not started, or its request failed.
    NotStarted,
    /// It ended before anybody came, and not by the visitor.
    Unanswered,
}

/// What was seen of one tenant's chats since its latest move.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    since: Mono,
    /// Newest last.
    recent: VecDeque<(Mono, Began)>,
    /// When the first chat began of which, and after which, nothing was heard; and how many did.
    unheard: Option<(Mono, usize)>,
}

/// How much of a budget is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Outcomes in the window.
    pub chats: usize,
    /// Of them: not started.
    pub not_started: usize,
    /// Of them: waited too long.
    pub slow: usize,
    /// Of them: ended without anybody.
    pub unanswered: usize,
    /// Chats that were started since anything was heard of one.
    pub unheard: usize,
}

/// Too much went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Too large a share of the chats.
    Share {
        /// Outcomes in the window.
        chats: usize,
        /// Of them: not started.
        not_started: usize,
        /// Of them: waited too long.
        slow: usize,
        /// Of them: ended without anybody.
        unanswered: usize,
    },
    /// Nothing was heard.
    Missing {
        /// Chats that were started.
        started: usize,
        /// Since when the first of them waits.
        quiet: Duration,
    },
}

impl Budget {
    /// The tenant has moved: everything begins anew.
    pub fn begin_anew(&mut self, now: Mono) {
        *self = Self { since: now, ..Self::default() };
    }

    /// A chat was started.
    pub fn started(&mut self, now: Mono) {
        let (at, count) = self.unheard.unwrap_or((now, 0));
        self.unheard = Some((at, count.saturating_add(1)));
    }

    /// Something was heard of a chat that was asked for at `asked`.
    pub fn record(&mut self, now: Mono, asked: Mono, began: Began) {
        if asked < self.since {
            return;
        }
        self.unheard = None;
        self.recent.push_back((now, began));
        if self.recent.len() > OUTCOMES_MAX {
            self.recent.pop_front();
        }
    }

    /// What counts now, whether it is too much or not.
    #[must_use]
    pub fn used(&self, now: Mono, rule: &BudgetRule) -> Used {
        let mut used = Used::default();
        let fresh = self.recent.iter().rev().take_while(|(at, _)| now.since(*at) < rule.window);
        for (_, began) in fresh {
            used.chats += 1;
            match began {
                Began::Waited(wait) => used.slow += usize::from(*wait > rule.accept_within),
                Began::NotStarted => used.not_started += 1,
                Began::Unanswered => used.unanswered += 1,
            }
        }
        used.unheard = self.unheard.map_or(0, |(_, started)| started);
        used
    }

    /// Whether more went wrong than the rule allows.
    #[must_use]
    pub fn breach(&self, now: Mono, rule: &BudgetRule) -> Option<Breach> {
        let Used { chats, not_started, slow, unanswered, .. } = self.used(now, rule);
        let bad = not_started + slow + unanswered;
        if chats >= rule.min_chats.max(1) && bad * 100 > chats * usize::from(rule.max_share) {
            return Some(Breach::Share { chats, not_started, slow, unanswered });
        }
        let (at, started) = self.unheard?;
        let quiet = now.since(at);
        let silent = quiet >= rule.missing_after && started >= rule.missing_chats.max(1);
        silent.then_some(Breach::Missing { started, quiet })
    }
}

impl Breach {
    /// What happened and what was allowed, in one line.
    #[must_use]
    pub fn says(&self, rule: &BudgetRule) -> String {
        let (window, within) = (rule.window.as_secs(), rule.accept_within.as_secs());
        match self {
            Self::Share { chats, not_started, slow, unanswered } => {
                let bad = not_started + slow + unanswered;
                format!(
                    "{bad} of {chats} chats on MIAW went wrong within {window} s, allowed are {} \
                     of 100: {not_started} were not started, {slow} waited longer than {within} s \
                     for somebody, {unanswered} ended without anybody",
                    rule.max_share
                )
            }
            Self::Missing { started, quiet } => format!(
                "{started} chats were started on MIAW and nothing was heard of any of them for {} \
                 s, allowed are {} s",
                quiet.as_secs(),
                rule.missing_after.as_secs()
            ),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Share { .. } => "too many chats went wrong",
            Self::Missing { .. } => "nothing is heard of the chats",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> BudgetRule {
        BudgetRule {
            window: Duration::from_secs(600),
            max_share: 20,
            min_chats: 10,
            accept_within: Duration::from_secs(60),
            missing_after: Duration::from_secs(300),
            missing_chats: 3,
        }
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1_000)
    }

    /// One line of a table: `s` a start, then what was heard: `.` somebody in time, `~` late,
    /// `x` not started, `u` unanswered; a second passes with each letter, a minute with `-`.
    fn played(text: &str) -> (Budget, Mono) {
        let (mut budget, mut second) = (Budget::default(), 0);
        for letter in text.chars().filter(|c| !c.is_whitespace()) {
            let (now, wait) = (at(second), Duration::from_secs);
            match letter {
                's' => budget.started(now),
                '.' => budget.record(now, now, Began::Waited(wait(60))),
                '~' => budget.record(now, now, Began::Waited(wait(61))),
                'x' => budget.record(now, now, Began::NotStarted),
                'u' => budget.record(now, now, Began::Unanswered),
                'M' => budget.begin_anew(now),
                '-' => second += 59,
                other => panic!("`{other}`"),
            }
            second += 1;
        }
        (budget, at(second))
    }

    #[test]
    fn the_table() {
        let share = |chats, not_started, slow, unanswered| {
            Some(Breach::Share { chats, not_started, slow, unanswered })
        };
        let missing = |started, seconds| {
            let quiet = Duration::from_secs(seconds);
            Some(Breach::Missing { started, quiet })
        };
        for (name, text, expected) in [
            ("nothing", "", None),
            ("all well", "s.s.s.s.s.s.s.s.s.s.s.", None),
            ("too few to tell", "sxsxsxsxsxsxsxsxsx", None),
            ("just enough to tell", "sxsxsxsxsxsxsxsxsxsx", share(10, 10, 0, 0)),
            ("exactly what is allowed", "........xx", None),
            ("one more", ".......xx~", share(10, 2, 1, 0)),
            ("each kind counts", ".......xu~", share(10, 1, 1, 1)),
            ("late alone", "~~~.......", share(10, 0, 3, 0)),
            ("old ones count no more", "xxx....... ----------", None),
            ("a window later some still do", "xxx ---- .......  -----", share(10, 3, 0, 0)),
            ("a move begins anew", "xxxxxxxxxxM", None),
            ("silence", "sss -----", missing(3, 303)),
            ("silence, not long enough", "sss ---- ", None),
            ("silence of too few", "ss ------", None),
            ("silence, and then something", "sss ----- .", None),
            ("silence after something", "s.sss -----", missing(3, 303)),
            ("no chats, no silence", "s. ------------", None),
            ("a move ends the silence", "sss -----M", None),
        ] {
            let (budget, now) = played(text);
            assert_eq!(budget.breach(now, &rule()), expected, "{name}");
        }
    }

    #[test]
    fn chats_of_before_a_move_do_not_count_after_it() {
        let mut budget = Budget::default();
        budget.begin_anew(at(100));
        for _ in 0..20 {
            budget.record(at(101), at(99), Began::NotStarted);
        }
        assert_eq!(budget.breach(at(101), &rule()), None);
        for _ in 0..10 {
            budget.record(at(102), at(100), Began::NotStarted);
        }
        assert!(budget.breach(at(102), &rule()).is_some());
    }

    #[test]
    fn a_flood_is_bounded_and_a_breach_says_its_figures() {
        let mut budget = Budget::default();
        for _ in 0..OUTCOMES_MAX + 5 {
            budget.record(at(1), at(1), Began::Unanswered);
        }
        let breach = budget.breach(at(1), &rule()).expect("a breach");
        let says = breach.says(&rule());
        assert!(says.starts_with("10000 of 10000 chats on MIAW went wrong within 600 s"), "{says}");
        assert!(says.len() < 1_000 && !says.contains('\n'));
    }
}
