//! Recognises a POST that was seen before.
//!
//! Promised: same number, noun and body is a retry; a number reused with another body makes the
//! client unnumbered, for real clients restart or forget their counter (live-agent.md 1.6); an
//! unnumbered POST is a retry only of one whose answer never reached the client; one that counts on
//! as if it had never reconnected, for the answer to that was lost, is still known by its number.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::limits::REPLAY_MAX;
use super::mutation::{self, Mutation};
use super::visitor::Post;
use crate::time::Mono;

/// Whoever counts from the start begins with 0 or 1 (live-agent.md 1.6).
const FIRST: u64 = 1;

/// The POSTs of one chat, newest last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Replay {
    unnumbered: bool,
    posts: VecDeque<Seen>,
    /// The last number that was accepted, 0 before the first.
    #[serde(default)]
    last: u64,
}

/// One POST that was acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its number, when it had one.
    pub sequence: Option<u64>,
    /// Hash of noun and body.
    pub fingerprint: u64,
    /// Until when an identical POST is its retry, unless its answer was written.
    pub until: Mono,
    /// Whether its answer was written.
    pub answered: bool,
    /// Its number before the client reconnected; kept until the client counts anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// What a POST is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Act on it.
    New,
    /// Act on it, and trust this client's numbers no more.
    NewUnnumbered,
    /// Answer it without acting.
    Retry,
}

impl Replay {
    /// Judges a POST that arrives now.
    #[must_use]
    pub fn judge(&self, now: Mono, post: &Post) -> Verdict {
        if mutation::on(Mutation::Duplicates) {
            return Verdict::New;
        }
        let same = |seen: &&Seen| seen.fingerprint == post.fingerprint;
        let numbered = post.sequence.filter(|_| !self.unnumbered);
        if let Some(number) = numbered {
            let mut twins = self.posts.iter().filter(|seen| seen.sequence == Some(number));
            match twins.next_back() {
                None if self.counts_on(now, number, post.fingerprint) => return Verdict::Retry,
                None => {}
                Some(seen) if same(&seen) => return Verdict::Retry,
                Some(_) => return Verdict::NewUnnumbered,
            }
        }
        // A numbered client forgets its numbers when it reconnects, not what it still has to retry.
        let open = |seen: &&Seen| {
            let nameless = numbered.is_none() || seen.sequence.is_none();
            nameless && !seen.answered && seen.until >= now
        };
        match self.posts.iter().filter(same).any(|seen| open(&seen)) {
            true => Verdict::Retry,
            false => Verdict::New,
        }
    }

    /// Whether this POST shows that its client heard that it should count from the start, and was
    /// not known to have.
    #[must_use]
    pub fn counts_anew(&self, post: &Post) -> bool {
        let first = post.sequence.is_some_and(|number| number <= FIRST);
        first && self.posts.iter().any(|seen| seen.before.is_some())
    }

    /// Whether this is one that never heard of it, and again what it said before.
    fn counts_on(&self, now: Mono, number: u64, fingerprint: u64) -> bool {
        let mut twins = self.posts.iter().rev().filter(|seen| seen.before == Some(number));
        let same = |seen: &Seen| seen.fingerprint == fingerprint && seen.until >= now;
        number > FIRST && twins.next().is_some_and(same)
    }

    /// The last number accepted, when this one is not the next: a strict counter jumped.
    #[must_use]
    pub fn out_of_sync(&self, post: &Post) -> Option<u64> {
        let number = post.sequence?;
        (Some(number) != self.last.checked_add(1)).then_some(self.last)
    }

    /// Remembers a POST that is acted on.
    pub fn remember(&mut self, seen: Seen) {
        if let Some(number) = seen.sequence {
            self.last = number;
            if number <= FIRST {
                self.posts.iter_mut().for_each(|seen| seen.before = None);
            }
        }
        self.posts.push_back(seen);
        if self.posts.len() > REPLAY_MAX {
            self.posts.pop_front();
        }
    }

    /// Whether the answer to what this POST is a retry of was never written.
    #[must_use]
    pub fn owes_answer(&self, post: &Post) -> bool {
        let numbered = post.sequence.filter(|_| !self.unnumbered);
        let twins = || self.posts.iter().filter(|seen| seen.fingerprint == post.fingerprint);
        let named = numbered.and_then(|_| twins().rfind(|seen| seen.sequence == numbered));
        named.or_else(|| twins().rfind(|seen| !seen.answered)).is_some_and(|seen| !seen.answered)
    }

    /// The answer to the newest such POST that had none yet was written.
    pub fn answered(&mut self, fingerprint: u64) {
        let twins = self.posts.iter_mut().filter(|seen| seen.fingerprint == fingerprint);
        if let Some(seen) = twins.rev().find(|seen| !seen.answered) {
            seen.answered = true;
        }
    }

    /// This client's numbers mean nothing.
    pub const fn distrust_numbers(&mut self) {
        self.unnumbered = true;
    }

    /// The client was told to count from the start again.
    pub fn restart_numbers(&mut self) {
        self.last = 0;
        for seen in &mut self.posts {
            seen.before = seen.sequence.take().or(seen.before);
        }
    }

    /// Moves the remembered instants into another process's time.
    pub fn rebase(&mut self, rebase: impl Fn(Mono) -> Mono) {
        for seen in &mut self.posts {
            seen.until = rebase(seen.until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::limits::RETRY_WINDOW;
    use crate::chat::visitor::VisitorCommand;
    use std::time::Duration;

    /// A POST that was acted on at the start.
    fn seen(sequence: Option<u64>, fingerprint: u64, answered: bool) -> Seen {
        let until = Mono::from_millis(0).plus(RETRY_WINDOW);
        Seen { sequence, fingerprint, until, answered, before: None }
    }

    fn post(sequence: Option<u64>, fingerprint: u64) -> Post {
        Post { sequence, fingerprint, command: VisitorCommand::Ignored }
    }

    fn play(posts: &[(Option<u64>, u64, bool)]) -> Vec<Verdict> {
        let mut replay = Replay::default();
        let now = Mono::from_millis(0);
        let mut verdicts = Vec::new();
        for &(sequence, fingerprint, answered) in posts {
            let verdict = replay.judge(now, &post(sequence, fingerprint));
            if verdict == Verdict::NewUnnumbered {
                replay.distrust_numbers();
            }
            if verdict != Verdict::Retry {
                replay.remember(seen(sequence, fingerprint, answered));
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    #[test]
    fn numbers_and_bodies_decide() {
        use Verdict::{New, NewUnnumbered, Retry};
        let (a, b) = (10, 20);
        for (posts, want) in [
            (vec![(Some(1), a, true), (Some(2), a, true)], vec![New, New]),
            (vec![(Some(1), a, true), (Some(1), a, true)], vec![New, Retry]),
            (
                vec![(Some(1), a, true), (Some(1), b, true), (Some(1), b, true)],
                vec![New, NewUnnumbered, New],
            ),
            (vec![(None, a, true), (None, a, true)], vec![New, New]),
            (vec![(None, a, false), (None, a, true)], vec![New, Retry]),
            (vec![(Some(1), a, true), (Some(9), b, true), (Some(3), a, true)], vec![New, New, New]),
        ] {
            assert_eq!(play(&posts), want, "{posts:?}");
        }
    }

    #[test]
    fn a_retry_under_a_new_number_after_a_reconnect_is_still_a_retry() {
        let mut replay = Replay::default();
        let now = Mono::from_millis(0);
        replay.remember(seen(Some(7), 1, false));
        replay.remember(seen(Some(7), 2, true));
        assert_eq!(replay.judge(now, &post(Some(1), 1)), Verdict::New);
        replay.restart_numbers();
        assert_eq!(replay.judge(now, &post(Some(1), 1)), Verdict::Retry);
        assert_eq!(replay.judge(now, &post(Some(2), 2)), Verdict::New);
    }

    #[test]
    fn a_retry_by_one_who_never_heard_of_the_reconnect_is_still_a_retry() {
        let mut replay = Replay::default();
        let now = Mono::from_millis(0);
        let until = now.plus(RETRY_WINDOW);
        for (number, body) in [(1, 10), (2, 20), (3, 30)] {
            replay.remember(seen(Some(number), body, true));
        }
        replay.restart_numbers();
        replay.restart_numbers();
        for (number, body, want) in [
            (3, 30, Verdict::Retry),
            // What was said before, said again by who counts anew.
            (1, 10, Verdict::New),
            (1, 30, Verdict::New),
            (3, 20, Verdict::New),
            (4, 30, Verdict::New),
        ] {
            assert_eq!(replay.judge(now, &post(Some(number), body)), want, "{number} {body}");
        }
        let later = until.plus(Duration::from_millis(1));
        assert_eq!(replay.judge(later, &post(Some(3), 30)), Verdict::New);
        replay.remember(seen(Some(4), 40, true));
        assert_eq!(replay.judge(now, &post(Some(3), 30)), Verdict::Retry);
        // The client heard of it.
        assert!(!replay.counts_anew(&post(Some(3), 30)) && replay.counts_anew(&post(Some(1), 50)));
        replay.remember(seen(Some(1), 50, true));
        assert!(!replay.counts_anew(&post(Some(1), 50)));
        assert_eq!(replay.judge(now, &post(Some(3), 30)), Verdict::New);
    }

    #[test]
    fn an_unanswered_post_is_a_retry_for_thirty_seconds_only() {
        let mut replay = Replay::default();
        let until = Mono::from_millis(0).plus(RETRY_WINDOW);
        replay.remember(seen(None, 1, false));
        assert_eq!(replay.judge(until, &post(None, 1)), Verdict::Retry);
        let later = until.plus(Duration::from_millis(1));
        assert_eq!(replay.judge(later, &post(None, 1)), Verdict::New);
    }

    #[test]
    fn each_lost_answer_is_owed_once() {
        let mut replay = Replay::default();
        let now = Mono::from_millis(0);
        for sequence in [Some(1), Some(2)] {
            replay.remember(seen(sequence, 1, false));
        }
        assert!(replay.owes_answer(&post(Some(1), 1)));
        replay.restart_numbers();
        for _ in 0..2 {
            assert_eq!(replay.judge(now, &post(None, 1)), Verdict::Retry);
            assert!(replay.owes_answer(&post(None, 1)));
            replay.answered(1);
        }
        assert!(!replay.owes_answer(&post(None, 1)));
        assert_eq!(replay.judge(now, &post(None, 1)), Verdict::New);
    }

    #[test]
    fn a_numbered_retry_of_what_was_answered_owes_nothing() {
        let mut replay = Replay::default();
        for (number, answered) in [(1, true), (2, false)] {
            replay.remember(seen(Some(number), 1, answered));
        }
        assert!(!replay.owes_answer(&post(Some(1), 1)));
        assert!(replay.owes_answer(&post(Some(2), 1)));
    }
}
