//! Another access token for the same user, never for another one.
//!
//! A guest's token cannot be made again: only continued, with the end of its life as it was. A
//! verified user's is made anew before it ends. Whichever call or stream finds that a token is
//! refused, one renewal is asked for at a time, and nothing is sent meanwhile: what waits is not
//! lost to it.

use std::time::Duration;

use super::super::fact::Fact;
use super::super::limits::{RENEW_FOR, RENEWALS_MAX};
use super::super::pending::UpstreamCall;
use super::super::{CallId, Effect, Outcome};
use super::Session;
use super::calls::retryable;
use crate::time::Mono;

/// What this process knows about another token.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// One is being asked for.
    pub(super) asking: bool,
    /// When it is asked for again.
    next_at: Option<Mono>,
    /// When no more is asked for it.
    until: Option<Mono>,
    /// Attempts that brought none.
    attempts: u32,
    /// The one asked for continues the one there is.
    continues: bool,
    /// The one there is was refused: nothing goes out with it any more.
    refused: bool,
    /// It was a call that was refused.
    call: bool,
    /// When the last one came, and how many in a row came soon after the one before.
    came: Option<Mono>,
    in_a_row: u32,
    /// A continuation was answered; there is no second one.
    continued: bool,
    /// No more of it: the chat ends with the token there is.
    failed: bool,
    /// Tokens so far. A call that went out with an earlier one says nothing about this one.
    pub(super) generation: u64,
    /// Which of them the call under way goes with.
    pub(super) used: u64,
}

impl Renewal {
    /// Whether another token is on its way.
    pub(super) const fn under_way(&self) -> bool {
        self.asking || self.next_at.is_some()
    }

    /// Whether what wants to go out waits for another token.
    pub(super) const fn holds(&self) -> bool {
        self.asking || self.refused
    }
}

impl Session {
    fn renews(&self) -> bool {
        self.state.begin.user.is_some() && !self.calls.renewal.failed
    }

    /// When the chat must end for want of a token of this life.
    pub(super) fn token_life(&self, lifetime: Option<Duration>) -> Option<Mono> {
        lifetime.map(|life| {
            let grace = self.settings.token_grace.min(life / 4);
            self.now.mono.plus(life.saturating_sub(grace))
        })
    }

    /// A call was refused for its token. True when it can go out again, now or with another one.
    pub(super) fn may_renew(&mut self, status: u16) -> bool {
        if self.ended() {
            return false;
        }
        let renewal = &self.calls.renewal;
        if renewal.used < renewal.generation {
            return true;
        }
        let renews = self.token_refused(status);
        self.calls.renewal.call |= renews;
        renews
    }

    /// The token was refused: asks for another one where that can help (miaw.md 3.8).
    pub(super) fn token_refused(&mut self, status: u16) -> bool {
        let verified = self.renews() && status == 401;
        let renewal = &mut self.calls.renewal;
        if !renewal.under_way() {
            // At most one continuation.
            let soon = renewal.came.is_some_and(|at| self.now.mono < at.plus(RENEW_FOR));
            let useless = soon && renewal.in_a_row >= RENEWALS_MAX;
            if useless || renewal.failed || !verified && renewal.continued {
                return false;
            }
            self.begin_renewal(!verified, RENEW_FOR);
        }
        self.calls.renewal.refused = true;
        true
    }

    fn begin_renewal(&mut self, continues: bool, patience: Duration) {
        let until = self.now.mono.plus(patience);
        let renewal = &mut self.calls.renewal;
        (renewal.continues, renewal.attempts, renewal.until) = (continues, 0, Some(until));
        self.ask_for_token();
    }

    fn ask_for_token(&mut self) {
        let renewal = &mut self.calls.renewal;
        (renewal.asking, renewal.next_at) = (true, None);
        renewal.attempts += 1;
        let call = match renewal.continues {
            true => UpstreamCall::ContinueToken,
            false => UpstreamCall::MintToken,
        };
        self.effect(Effect::Call(CallId::Renew, call));
    }

    pub(super) fn renewed(&mut self, outcome: Outcome) {
        let renewal = &mut self.calls.renewal;
        if !std::mem::take(&mut renewal.asking) {
            return;
        }
        match outcome {
            Outcome::Token { bearer, lifetime, .. } => {
                let continues = renewal.continues;
                renewal.generation += 1;
                let soon = renewal.came.is_some_and(|at| self.now.mono < at.plus(RENEW_FOR));
                renewal.in_a_row = if soon { renewal.in_a_row + 1 } else { 1 };
                renewal.came = Some(self.now.mono);
                (renewal.refused, renewal.call, renewal.until) = (false, false, None);
                renewal.continued |= continues;
                let ends_at = match continues {
                    true => self.state.token_ends,
                    false => self.token_life(lifetime),
                };
                self.record(Fact::TokenRenewed { bearer, ends_at });
                if !self.ended() {
                    self.attach();
                }
            }
            Outcome::Refused { status, wait } if retryable(status) => self.renew_later(wait),
            Outcome::NotSent | Outcome::Unknown => self.renew_later(None),
            _ => self.not_renewed(),
        }
    }

    fn renew_later(&mut self, asked: Option<Duration>) {
        let wait = asked.unwrap_or_default().max(self.backoff(self.calls.renewal.attempts));
        let at = self.now.mono.plus(wait);
        if self.calls.renewal.until.is_some_and(|until| until < at) {
            self.not_renewed();
        } else {
            self.calls.renewal.next_at = Some(at);
        }
    }

    /// There will be no other token. Who was refused goes on with the one there is, and finds out.
    fn not_renewed(&mut self) {
        let renewal = &mut self.calls.renewal;
        let refused = std::mem::take(&mut renewal.refused);
        let call = std::mem::take(&mut renewal.call);
        (renewal.next_at, renewal.until) = (None, None);
        if renewal.continues {
            renewal.continued = true;
        } else {
            renewal.failed = true;
        }
        if !refused || self.ended() {
            return;
        }
        self.stream_again();
        if call && !self.state.pending.is_empty() {
            self.part();
        }
    }

    /// Whether another token is on its way that a new stream must wait for.
    pub(super) fn stream_waits_for_token(&self) -> bool {
        self.calls.renewal.holds() && !self.ended()
    }

    /// When the next attempt for another token is due.
    pub(super) fn renewal_deadline(&self) -> Option<Mono> {
        self.calls.renewal.next_at
    }

    pub(super) fn renewal_due(&mut self) {
        if self.renewal_deadline().is_some_and(|at| at <= self.now.mono) {
            match self.ended() {
                true => self.calls.renewal.next_at = None,
                false => self.ask_for_token(),
            }
        }
    }

    /// When the token's life asks for something.
    pub(super) fn token_deadline(&self) -> Option<Mono> {
        let waits = self.renews() && self.calls.renewal.under_way();
        self.state.token_ends.filter(|_| !waits)
    }

    /// The token's time has come: whether it is made anew. That is given up while the token still
    /// lives, so that the visitor can be told.
    pub(super) fn renews_token(&mut self) -> bool {
        let renews = self.renews();
        if renews && !self.calls.renewal.under_way() {
            self.begin_renewal(false, RENEW_FOR.min(self.settings.token_grace / 2));
        }
        renews
    }
}
