//! That the visitor types, as the agent sees it.
//!
//! A legacy client says once that its visitor types, and once that not; MIAW's indicator lapses
//! after 5 s (miaw.md 5.6). So it is said again until the visitor stops, says something, or was
//! typing for too long to be believed.

use super::super::limits::{TYPING_BELIEVED, TYPING_EVERY};
use super::super::pending::UpstreamCall;
use super::super::state::Phase;
use super::super::{CallId, Effect};
use super::Session;
use crate::time::Mono;

/// What this process knows about the visitor's typing.
#[derive(Debug, Default)]
pub(super) struct Typing {
    /// The indicator is not said again before this instant.
    quiet_until: Option<Mono>,
    /// When it is said again.
    again_at: Option<Mono>,
    /// Until when it is believed.
    believed_until: Option<Mono>,
    /// Notices so far.
    number: u64,
}

impl Session {
    /// The visitor types, or stopped.
    pub(super) fn typing(&mut self, started: bool) {
        if !matches!(self.state.phase, Phase::Waiting | Phase::Talking) {
            return;
        }
        let now = self.now.mono;
        let typing = &mut self.typing;
        if !started {
            (typing.quiet_until, typing.again_at) = (None, None);
            self.notice_typing(false);
            return;
        }
        typing.believed_until = Some(now.plus(TYPING_BELIEVED));
        if typing.quiet_until.is_some_and(|until| now < until) {
            return;
        }
        self.notice_typing(true);
    }

    fn notice_typing(&mut self, started: bool) {
        let next = started.then(|| self.now.mono.plus(TYPING_EVERY));
        let typing = &mut self.typing;
        (typing.quiet_until, typing.again_at) = (next, next);
        typing.number += 1;
        // The clock keeps ids apart across restarts; a repeated notice would do no harm.
        let number = self.now.wall.millis().unsigned_abs() ^ typing.number;
        let call = UpstreamCall::Typing {
            conversation: self.state.chat.conversation(),
            id: self.state.chat.typing(number),
            started,
        };
        self.effect(Effect::Call(CallId::Typing, call));
    }

    /// What was typed is said.
    pub(super) const fn typing_said(&mut self) {
        self.typing.again_at = None;
    }

    pub(super) fn typing_deadline(&self) -> Option<Mono> {
        self.typing.again_at.filter(|_| !self.ended())
    }

    pub(super) fn typing_due(&mut self) {
        let now = self.now.mono;
        if self.typing_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.typing.again_at = None;
        let believed = self.typing.believed_until.is_some_and(|until| now < until);
        if believed && matches!(self.state.phase, Phase::Waiting | Phase::Talking) {
            self.notice_typing(true);
        }
    }
}
