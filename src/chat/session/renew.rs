//! Another access token for the same user, never for another one.
//!
//! A guest's token cannot be made again: only continued, with the end of its life as it was. A
//! verified user's is made anew before it ends.

use std::time::Duration;

use super::super::fact::Fact;
use super::super::limits::RENEWALS_MAX;
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
    /// The one asked for continues the one there is.
    continues: bool,
    /// A message waits for it, else the end of the token's life.
    message: bool,
    /// A continuation was asked for; there is no second one.
    continued: bool,
    /// Attempts in a row that brought none.
    attempts: u32,
    next_at: Option<Mono>,
    /// No more of it: the chat ends with the token there is.
    failed: bool,
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

    /// A message was refused for its token: asks for another one where that can help.
    pub(super) fn may_renew(&mut self, status: u16) -> bool {
        if self.ended() || self.calls.renewal.asking {
            return false;
        }
        if status == 401 && self.renews() && self.calls.renewal.attempts == 0 {
            self.mint_again(true);
            return true;
        }
        // At most one continuation (miaw.md 3.8).
        if status == 403 && !std::mem::replace(&mut self.calls.renewal.continued, true) {
            let renewal = &mut self.calls.renewal;
            (renewal.asking, renewal.continues, renewal.message) = (true, true, true);
            self.effect(Effect::Call(CallId::Renew, UpstreamCall::ContinueToken));
            return true;
        }
        false
    }

    fn mint_again(&mut self, message: bool) {
        let renewal = &mut self.calls.renewal;
        (renewal.asking, renewal.continues, renewal.message) = (true, false, message);
        renewal.next_at = None;
        renewal.attempts += 1;
        self.effect(Effect::Call(CallId::Renew, UpstreamCall::MintToken));
    }

    pub(super) fn renewed(&mut self, outcome: Outcome) {
        let renewal = &mut self.calls.renewal;
        if !std::mem::take(&mut renewal.asking) {
            return;
        }
        let (continues, message) = (renewal.continues, renewal.message);
        match outcome {
            Outcome::Token { bearer, lifetime, .. } => {
                renewal.attempts = 0;
                let ends_at = match continues {
                    true => self.state.token_ends,
                    false => self.token_life(lifetime),
                };
                self.record(Fact::TokenRenewed { bearer, ends_at });
                if !self.ended() {
                    self.attach();
                }
            }
            Outcome::Refused { status, wait } if !continues && retryable(status) => {
                self.mint_later(wait);
            }
            Outcome::NotSent | Outcome::Unknown if !continues => self.mint_later(None),
            _ => {
                renewal.failed |= !continues;
                if message && !self.state.pending.is_empty() {
                    self.part();
                }
            }
        }
    }

    fn mint_later(&mut self, asked: Option<Duration>) {
        let wait = asked.unwrap_or_default().max(self.backoff(self.calls.renewal.attempts));
        let at = self.now.mono.plus(wait);
        let renewal = &mut self.calls.renewal;
        renewal.failed = renewal.attempts >= RENEWALS_MAX;
        renewal.next_at = Some(at);
        if renewal.message {
            self.calls.next_at = Some(at);
        }
    }

    /// When the token's life asks for something.
    pub(super) fn token_deadline(&self) -> Option<Mono> {
        match &self.calls.renewal {
            _ if !self.renews() => self.state.token_ends,
            renewal if renewal.asking => None,
            renewal => renewal.next_at.or(self.state.token_ends),
        }
    }

    /// The token's time has come: whether it is made anew.
    pub(super) fn renews_token(&mut self) -> bool {
        let renews = self.renews();
        if renews && !self.calls.renewal.asking {
            self.mint_again(false);
        }
        renews
    }
}
