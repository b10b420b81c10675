//! Recognises a POST that was seen before.
//!
//! Promised: same number, noun and body is a retry; a number reused with another body makes the
//! client unnumbered, for real clients restart or forget their counter (live-agent.md 1.6); an
//! unnumbered POST is a retry only of one whose answer never reached the client.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::limits::REPLAY_MAX;
use super::mutation::{self, Mutation};
use super::visitor::Post;
use crate::time::Mono;

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

    /// The last number accepted, when this one is not the next: a strict counter jumped.
    #[must_use]
    pub fn out_of_sync(&self, post: &Post) -> Option<u64> {
        let number = post.sequence?;
        (Some(number) != self.last.checked_add(1)).then_some(self.last)
    }

    /// Remembers a POST that is acted on.
    pub fn remember(&mut self, seen: Seen) {
        self.last = seen.sequence.unwrap_or(self.last);
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
            seen.sequence = None;
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
                let until = now.plus(RETRY_WINDOW);
                replay.remember(Seen { sequence, fingerprint, until, answered });
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
        let until = now.plus(RETRY_WINDOW);
        let seen = |fingerprint, answered| Seen { sequence: Some(7), fingerprint, until, answered };
        replay.remember(seen(1, false));
        replay.remember(seen(2, true));
        assert_eq!(replay.judge(now, &post(Some(1), 1)), Verdict::New);
        replay.restart_numbers();
        assert_eq!(replay.judge(now, &post(Some(1), 1)), Verdict::Retry);
        assert_eq!(replay.judge(now, &post(Some(2), 2)), Verdict::New);
    }

    #[test]
    fn an_unanswered_post_is_a_retry_for_thirty_seconds_only() {
        let mut replay = Replay::default();
        let until = Mono::from_millis(0).plus(RETRY_WINDOW);
        replay.remember(Seen { sequence: None, fingerprint: 1, until, answered: false });
        assert_eq!(replay.judge(until, &post(None, 1)), Verdict::Retry);
        let later = until.plus(Duration::from_millis(1));
        assert_eq!(replay.judge(later, &post(None, 1)), Verdict::New);
    }

    #[test]
    fn each_lost_answer_is_owed_once() {
        let mut replay = Replay::default();
        let now = Mono::from_millis(0);
        let until = now.plus(RETRY_WINDOW);
        for sequence in [Some(1), Some(2)] {
            replay.remember(Seen { sequence, fingerprint: 1, until, answered: false });
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
        let until = Mono::from_millis(0).plus(RETRY_WINDOW);
        for (number, answered) in [(1, true), (2, false)] {
            replay.remember(Seen { sequence: Some(number), fingerprint: 1, until, answered });
        }
        assert!(!replay.owes_answer(&post(Some(1), 1)));
        assert!(replay.owes_answer(&post(Some(2), 1)));
    }
}
