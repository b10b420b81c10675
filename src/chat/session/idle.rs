//! A visitor who falls silent (live-agent.md 5.8).
//!
//! The timer starts with the first words of the business's side that the visitor has not answered
//! yet, and any sign of life of the visitor starts it again. The client was told of it and ends the
//! chat itself; a client that does not is ended a little later.

use super::super::agent::{AgentEvent, EndReason};
use super::super::fact::Fact;
use super::super::limits::IDLE_GRACE;
use super::Session;
use crate::time::Mono;

impl Session {
    /// Somebody spoke to the visitor.
    pub(super) fn visitor_awaited(&mut self) {
        if self.state.established && self.state.idle.is_none() && !self.ended() {
            self.start_idle_timer();
        }
    }

    /// The visitor is there, without having spoken.
    pub(super) fn visitor_stirs(&mut self) {
        if self.state.idle.is_some() {
            self.start_idle_timer();
        }
    }

    /// The visitor spoke.
    pub(super) fn visitor_heard(&mut self) {
        self.typing_said();
        if self.state.idle.is_some() {
            self.record(Fact::IdleUntil { at: None, warned: false });
        }
    }

    fn start_idle_timer(&mut self) {
        let Some(idle) = &self.settings.life.idle else { return };
        let (wait, warned) = match idle.warning_text {
            Some(_) => (idle.warning, false),
            None => (idle.timeout + IDLE_GRACE, true),
        };
        self.record(Fact::IdleUntil { at: Some(self.now.mono.plus(wait)), warned });
    }

    pub(super) fn idle_deadline(&self) -> Option<Mono> {
        self.state.idle.map(|(at, _)| at)
    }

    pub(super) fn idle_due(&mut self) {
        let Some((_, warned)) = self.state.idle.filter(|(at, _)| *at <= self.now.mono) else {
            return;
        };
        if self.ended() {
            return;
        }
        let idle = self.settings.life.idle.clone();
        match idle.as_ref().and_then(|idle| Some((idle, idle.warning_text.clone()?))) {
            Some((idle, text)) if !warned => {
                let rest = idle.timeout.saturating_sub(idle.warning) + IDLE_GRACE;
                let at = Some(self.now.mono.plus(rest));
                self.record(Fact::IdleUntil { at, warned: true });
                self.tell(AgentEvent::Message { from: None, text });
            }
            // The tenant has no timer any more.
            _ if idle.is_none() => self.visitor_heard(),
            _ => self.end(EndReason::Idle),
        }
    }
}
