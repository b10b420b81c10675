//! Chats that went wrong on MIAW, counted by tenant.
//!
//! Promised: read from the facts of the machine, each once, since the process started. Not counted:
//! what visitors or agents ended by themselves.

use crate::chat::agent::{AgentEvent, EndReason};
use crate::chat::fact::Fact;
use crate::observe::metrics::Counter;

/// Counts by tenant and kind: `not_started`, `broken`, `undelivered`.
#[derive(Debug, Default)]
pub struct Failures(Counter<2>);

impl Failures {
    /// The counts.
    #[must_use]
    pub const fn counter(&self) -> &Counter<2> {
        &self.0
    }

    /// Takes in what a step decided, and how many messages it gave up.
    pub(in super::super) fn note(&self, tenant: &str, facts: &[Fact], given_up: usize) {
        for fact in facts {
            match fact {
                Fact::Told(AgentEvent::RequestFail { .. }) => self.0.add([tenant, "not_started"]),
                Fact::Told(AgentEvent::Ended { reason: EndReason::Error }) => {
                    self.0.add([tenant, "broken"]);
                }
                _ => {}
            }
        }
        for _ in 0..given_up {
            self.0.add([tenant, "undelivered"]);
        }
    }
}
