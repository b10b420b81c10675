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
use std::time::Duration;

use futures_util::future::join_all;

use crate::adapter::transport::Transport;
use crate::chat::agent::{AgentEvent, EndReason, FailReason};
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::config::Tenant;
use crate::config::availability::Source;
use crate::router::budget::{Began, Breach, Budget, BudgetRule, Used};
use crate::router::outcomes::{Outcome, Outcomes};
use crate::time::{Mono, Wall};
use http::Hooks;

/// Chats that are remembered, waiting or not; past it the oldest are forgotten.
const WAITING_MAX: usize = 10_000;
/// A client that has not asked for so long is gone, and nobody waits any more. Longer than any poll
/// is held.
const CLIENT_GONE: Duration = Duration::from_secs(120);

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
    waiting: HashMap<ChatId, Waiting>,
    oldest_first: VecDeque<ChatId>,
    /// Of tenants that have one, and the move that it is for.
    budgets: HashMap<String, (Budget, String)>,
}

/// A chat that was asked for.
struct Waiting {
    tenant: String,
    /// What its button is known by.
    key: String,
    asked: Mono,
    /// When its client was last heard of.
    heard: Mono,
    /// The error budget has it already, or is not concerned.
    counted: bool,
    /// It waits no more. It is remembered, lest a retry of its request make it wait again.
    over: bool,
}

impl Seen {
    /// What the budget learns of a chat, once.
    fn count(&mut self, chat: ChatId, now: Mono, began: Began) {
        let Some(waiting) = self.waiting.get_mut(&chat) else { return };
        if std::mem::replace(&mut waiting.counted, true) {
            return;
        }
        if let Some((budget, _)) = self.budgets.get_mut(&waiting.tenant) {
            budget.record(now, waiting.asked, began);
        }
    }

    fn wait(&mut self, chat: ChatId, waiting: Waiting) {
        self.waiting.insert(chat, waiting);
        self.oldest_first.push_back(chat);
        if self.oldest_first.len() > WAITING_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.waiting.remove(&oldest);
        }
    }
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
        let source = tenant.availability.of(button);
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
    pub fn asked(&self, tenant: &Tenant, button: &str, chat: ChatId) {
        let now = self.clock.now();
        let button = button_of(button);
        let mut seen = self.seen();
        if seen.waiting.contains_key(&chat) {
            return;
        }
        // With nobody there by plan, what goes wrong says nothing.
        let budgeted = tenant.plan.budget.is_some() && !closed(tenant, button, now.wall);
        if budgeted {
            seen.budgets.entry(tenant.id.clone()).or_default().0.started(now.mono);
        }
        let (key, tenant) = (key(&tenant.id, button), tenant.id.clone());
        let (asked, heard, counted) = (now.mono, now.mono, !budgeted);
        seen.wait(chat, Waiting { tenant, key, asked, heard, counted, over: false });
    }

    /// A chat could not be asked for, by no fault of the visitor. A retry may succeed.
    pub fn not_started(&self, tenant: &Tenant, button: &str, chat: ChatId) {
        self.asked(tenant, button, chat);
        self.seen().count(chat, self.clock.now().mono, Began::NotStarted);
    }

    /// The client of a chat asks for news.
    pub fn polled(&self, chat: ChatId) {
        let now = self.clock.now().mono;
        if let Some(waiting) = self.seen().waiting.get_mut(&chat) {
            waiting.heard = now;
        }
    }

    /// The visitor ended a chat. That nobody had come yet is nobody's fault.
    pub fn left(&self, chat: ChatId) {
        if let Some(waiting) = self.seen().waiting.get_mut(&chat) {
            (waiting.over, waiting.counted) = (true, true);
        }
    }

    /// The visitor of a chat was told something.
    pub fn told(&self, chat: ChatId, event: &AgentEvent) {
        let decided = matches!(
            event,
            AgentEvent::Established { .. }
                | AgentEvent::RequestFail { .. }
                | AgentEvent::Ended { .. }
        );
        if !decided {
            return;
        }
        let now = self.clock.now().mono;
        let mut seen = self.seen();
        let Some(waiting) = seen.waiting.get_mut(&chat).filter(|one| !one.over) else { return };
        waiting.over = true;
        let (key, wait) = (waiting.key.clone(), now.since(waiting.asked));
        match event {
            AgentEvent::Established { .. } => {
                seen.outcomes.record(&key, now, Outcome::Accepted(wait));
                seen.count(chat, now, Began::Waited(wait));
            }
            AgentEvent::RequestFail { reason } => {
                if *reason == FailReason::Unavailable {
                    seen.outcomes.record(&key, now, Outcome::Unavailable);
                }
                seen.count(chat, now, Began::NotStarted);
            }
            AgentEvent::Ended { reason: EndReason::Agent | EndReason::Error } => {
                seen.count(chat, now, Began::Unanswered);
            }
            // Its own visitor ended it, or was silent.
            _ => {}
        }
    }

    /// Whether a tenant's error budget is used up since the move that `moves` names.
    #[must_use]
    pub fn breach(&self, tenant: &str, rule: &BudgetRule, moves: &str) -> Option<Breach> {
        let now = self.clock.now().mono;
        let mut seen = self.seen();
        let Seen { waiting, budgets, .. } = &mut *seen;
        let (budget, of) = budgets.entry(tenant.to_owned()).or_default();
        if of != moves {
            budget.begin_anew(now);
            moves.clone_into(of);
        }
        let waits = |one: &&mut Waiting| one.tenant == tenant && !one.counted && !one.over;
        for one in waiting.values_mut().filter(waits) {
            let waits = now.since(one.asked);
            if waits <= rule.accept_within {
                continue;
            }
            // Its client asked when the time was over: somebody waits. One that is not heard of any
            // more had left, perhaps long before.
            if one.heard.since(one.asked) >= rule.accept_within {
                one.counted = true;
                budget.record(now, one.asked, Began::Waited(waits));
            } else if now.since(one.heard) >= CLIENT_GONE {
                one.counted = true;
            }
        }
        budget.breach(now, rule)
    }

    /// What is used of a tenant's error budget.
    #[must_use]
    pub fn budget(&self, tenant: &str, rule: &BudgetRule) -> Used {
        let now = self.clock.now().mono;
        let seen = self.seen();
        seen.budgets.get(tenant).map(|(budget, _)| budget.used(now, rule)).unwrap_or_default()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nobody is there by the tenant's own schedule.
fn closed(tenant: &Tenant, button: &str, wall: Wall) -> bool {
    match tenant.availability.of(button) {
        Source::Schedule(hours) => !hours.open_at(wall),
        Source::Always | Source::Http(_) | Source::Observed(_) => false,
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
