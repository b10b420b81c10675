//! How fast: the budget of messages per minute, and the waits between attempts.

use std::time::Duration;

use super::super::fact::Fact;
use super::super::limits::{ASKED_WAIT_MAX, ASKED_WAITS_MAX, BACKOFF, BUDGET_WINDOW};
use super::super::mutation::{self, Mutation};
use super::super::pending::{CommandKind, mergeable};
use super::super::text::Text;
use super::Session;
use super::calls::Doubt;

impl Session {
    /// Whether the message budget allows another one now; else waits for it. The last place in the
    /// budget is shared by all that wait.
    pub(super) fn within_budget(&mut self) -> bool {
        let now = self.now.mono;
        let limit = self.settings.messages_per_minute.max(1);
        while self.calls.sent.front().is_some_and(|at| at.plus(BUDGET_WINDOW) <= now) {
            self.calls.sent.pop_front();
        }
        if self.calls.sent.len() >= limit {
            self.calls.next_at = self.calls.sent.front().map(|at| at.plus(BUDGET_WINDOW));
            return false;
        }
        let first = self.state.pending.front().map_or(0, |first| first.number);
        let ours = first >= self.calls.fixed_below;
        let untouched = ours && self.calls.attempts == 0 && self.calls.doubt == Doubt::None;
        if self.calls.sent.len() + 1 >= limit
            && (untouched || mutation::on(Mutation::FixedContents))
        {
            self.merge_waiting();
        }
        true
    }

    fn merge_waiting(&mut self) {
        let count = mergeable(&self.state.pending, self.settings.text_limit);
        if count < 2 {
            return;
        }
        let lines = self.state.pending.iter().take(count).map(|command| match &command.kind {
            CommandKind::Say(text) => text.as_str(),
            _ => "",
        });
        let text = Text(lines.collect::<Vec<_>>().join("\n"));
        self.record(Fact::Merged { count, text });
    }

    pub(super) fn try_later(&mut self, asked: Option<Duration>) {
        self.calls.next_at = Some(self.now.mono.plus(self.wait(asked)));
    }

    /// The wait before the next attempt: what the service asks for, our own at least.
    pub(super) fn wait(&self, asked: Option<Duration>) -> Duration {
        asked
            .unwrap_or_default()
            .min(ASKED_WAIT_MAX)
            .max(self.backoff(self.calls.attempts + self.calls.looks))
    }

    /// Waiting because we were asked to does not count against the message, up to a point.
    pub(super) fn postpone_give_up(&mut self) {
        if self.calls.attempts > ASKED_WAITS_MAX {
            return;
        }
        if let (Some((number, at)), Some(next)) = (self.state.give_up, self.calls.next_at) {
            let give_up_at = at.plus(next.since(self.now.mono));
            self.record(Fact::Attempted { number, give_up_at });
        }
    }

    /// Doubles with each attempt; spread between half and the whole by the chat's id, so that chats
    /// that failed together do not come back together.
    pub(super) fn backoff(&self, attempts: u32) -> Duration {
        spread(self.state.chat.0.as_u128(), attempts, BACKOFF)
    }
}

/// A wait that doubles with each attempt from the first to the longest, between half and whole.
pub(super) fn spread(
    seed: u128,
    attempts: u32,
    (first, longest): (Duration, Duration),
) -> Duration {
    let whole = first.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(longest);
    let turn = (seed >> (attempts % 8 * 8)) as u32 & 0xff;
    whole / 2 + whole / 2 * turn / 255
}
