//! Whether somebody is there, where MIAW has no call for it.
//!
//! Promised: an answer for every id, within twice the hook's time-out; what is remembered is
//! bounded and lost with the process. Not promised: that it is true. MIAW tells nothing before a
//! conversation exists, and a chat is started whatever was answered here.
//!
//! `router/hours.rs` and `router/outcomes.rs` decide, `http.rs` asks somebody else; this file
//! chooses, and watches what chats are told.

mod http;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;

use crate::adapter::transport::Transport;
use crate::chat::agent::{AgentEvent, FailReason};
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::config::Tenant;
use crate::config::availability::Source;
use crate::router::outcomes::{Outcome, Outcomes};
use crate::time::Mono;
use http::Hooks;

/// Chats whose outcome is waited for; past it the oldest are forgotten.
const WAITING_MAX: usize = 10_000;

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Whether a chat can be expected to be taken.
    pub available: bool,
    /// The estimated wait in seconds, when it is known.
    pub wait_seconds: Option<i64>,
}

/// What this process knows about who is there.
pub struct Availability {
    clock: Clock,
    hooks: Hooks,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    outcomes: Outcomes,
    waiting: HashMap<ChatId, (String, Mono)>,
    oldest_first: VecDeque<ChatId>,
}

impl std::fmt::Debug for Availability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Availability").finish_non_exhaustive()
    }
}

impl Availability {
    /// Knows nothing yet; `transport` is the way to the tenants' hooks.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Clock) -> Self {
        let hooks = Hooks::new(transport, clock.clone());
        Self { clock, hooks, seen: Mutex::default() }
    }

    /// Whether somebody is there for each id, in the order asked.
    pub async fn presence(&self, tenant: &Tenant, ids: &[String]) -> Vec<Presence> {
        join_all(ids.iter().map(|id| self.one(tenant, button_of(id)))).await
    }

    async fn one(&self, tenant: &Tenant, button: &str) -> Presence {
        let config = &tenant.availability;
        let source = config.buttons.get(button).map_or(&config.source, |own| &own.source);
        let now = self.clock.now();
        let key = key(&tenant.id, button);
        let wait_seconds = self.seen().outcomes.wait_seconds(&key, now.mono);
        let known = |available| Presence { available, wait_seconds };
        match source {
            Source::Always => known(true),
            Source::Schedule(hours) => known(hours.open_at(now.wall)),
            Source::Observed(rule) => known(self.seen().outcomes.available(&key, now.mono, *rule)),
            Source::Http(hook) => {
                let told = self.hooks.ask(&tenant.id, hook, button).await;
                Presence { wait_seconds: told.wait_seconds.or(wait_seconds), ..told }
            }
        }
    }

    /// A chat was asked for.
    pub fn asked(&self, tenant: &str, button: &str, chat: ChatId) {
        let now = self.clock.now().mono;
        let mut seen = self.seen();
        let before = seen.waiting.insert(chat, (key(tenant, button_of(button)), now));
        if before.is_none() {
            seen.oldest_first.push_back(chat);
        }
        if seen.oldest_first.len() > WAITING_MAX
            && let Some(oldest) = seen.oldest_first.pop_front()
        {
            seen.waiting.remove(&oldest);
        }
    }

    /// The visitor of a chat was told something.
    pub fn told(&self, chat: ChatId, event: &AgentEvent) {
        let decided = matches!(
            event,
            AgentEvent::Established(_) | AgentEvent::RequestFail { .. } | AgentEvent::Ended { .. }
        );
        if !decided {
            return;
        }
        let now = self.clock.now().mono;
        let mut seen = self.seen();
        let Some((button, asked)) = seen.waiting.remove(&chat) else { return };
        match event {
            AgentEvent::Established(_) => {
                seen.outcomes.record(&button, now, Outcome::Accepted(now.since(asked)));
            }
            AgentEvent::RequestFail { reason: FailReason::Unavailable } => {
                seen.outcomes.record(&button, now, Outcome::Unavailable);
            }
            _ => {}
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(tenant: &str, button: &str) -> String {
    format!("{tenant}/{button}")
}

/// The first 15 characters of the button in an id, which may be `agentId_buttonId`.
#[must_use]
pub fn button_of(id: &str) -> &str {
    let id = match id.split_once('_') {
        Some((button, _)) if button.starts_with("573") => button,
        Some((_, button)) => button,
        None => id,
    };
    let end = id.char_indices().nth(15).map_or(id.len(), |(at, _)| at);
    &id[..end]
}

#[cfg(test)]
mod tests {
    use super::button_of;

    #[test]
    fn the_button_of_an_id() {
        for (id, button) in [
            ("573000000000001AAA", "573000000000001"),
            ("005000000000001_573000000000001", "573000000000001"),
            ("573000000000001_005000000000001", "573000000000001"),
            ("005000000000001", "005000000000001"),
            ("ÄÖÜ", "ÄÖÜ"),
            ("_", ""),
            ("", ""),
        ] {
            assert_eq!(button_of(id), button, "{id}");
        }
    }
}
