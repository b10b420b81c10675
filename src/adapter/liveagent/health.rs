//! Whether the real service is still there, host by host: *alive*, *refusing* or *gone*.
//!
//! Promised: judged by what requests of clients met, never by requests of its own; one bad answer
//! decides nothing; one good answer makes a host alive at once. A host that is gone is asked once
//! per [`PROBE_EVERY`], so that nobody waits for it in vain. Each change is logged once. Bounded.
//! Not promised: that a change of state moves a chat; it never does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::time::{Mono, Now, Wall};

/// So many bad outcomes in a row make a host refusing.
const REFUSING_AFTER: u32 = 3;
/// So many requests in a row without any answer …
const GONE_AFTER: u32 = 5;
/// … over at least this long make it gone.
const GONE_AFTER_SILENCE: Duration = Duration::from_secs(60);
/// One request per this long is let through to a host that is gone.
pub const PROBE_EVERY: Duration = Duration::from_secs(30);
/// A host that was silent for this long has ended its sessions: `connectionTimeout` of real chats.
const LOST_AFTER: Duration = Duration::from_secs(150);
/// Hosts that are judged at once; there is one per tenant, and one more per `SwitchServer`.
const HOSTS_MAX: usize = 4_096;

/// What a host is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It answers as the Live Agent service, or nothing speaks against it yet.
    Alive,
    /// It does not serve: it answers with something else, or did not answer a few times.
    Refusing,
    /// Nothing has answered for a while. Requests are answered without it.
    Gone,
}

impl HostState {
    /// The word used in logs and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Refusing => "refusing",
            Self::Gone => "gone",
        }
    }
}

/// How a tenant's legacy host is, for metrics and people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostHealth {
    /// The tenant's id.
    pub tenant: String,
    /// The host, with its port if it has one.
    pub host: String,
    /// What it is taken for.
    pub state: HostState,
    /// Since when.
    pub since: Wall,
    /// The last thing that went wrong; names hosts and causes, never contents.
    pub last_error: Option<String>,
}

/// What one request met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// An answer of the service.
    Served,
    /// An answer that says nothing about the service, but that somebody answers.
    Heard,
    /// An answer that the service would not give.
    Refused(StatusCode),
    /// No answer.
    Silent(String),
}

/// Whether a host may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Ask.
    Open,
    /// It is gone and was probed a moment ago.
    Shut,
}

#[derive(Clone, Debug)]
struct Host {
    state: HostState,
    since: Wall,
    last_error: Option<String>,
    bad: u32,
    silent: u32,
    silent_since: Option<Mono>,
    probed: Mono,
}

/// All hosts of the process.
#[derive(Debug, Default)]
pub(super) struct Health {
    hosts: Mutex<HashMap<(String, String), Host>>,
}

impl Health {
    /// Every host that was asked so far, by tenant and name.
    pub(super) fn all(&self) -> Vec<HostHealth> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = hosts
            .iter()
            .map(|((tenant, name), host)| HostHealth {
                tenant: tenant.clone(),
                host: name.clone(),
                state: host.state,
                since: host.since,
                last_error: host.last_error.clone(),
            })
            .collect();
        all.sort_by(|a, b| (&a.tenant, &a.host).cmp(&(&b.tenant, &b.host)));
        all
    }

    /// Whether a host may be asked now. Who is let through to one that is gone is its probe.
    pub(super) fn gate(&self, tenant: &str, name: &str, now: Mono) -> Gate {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = hosts.get_mut(&(tenant.to_owned(), name.to_owned())) else {
            return Gate::Open;
        };
        if host.state != HostState::Gone {
            return Gate::Open;
        }
        if now.since(host.probed) < PROBE_EVERY {
            return Gate::Shut;
        }
        host.probed = now;
        Gate::Open
    }

    /// Whether a host has been gone for so long that its chats are over.
    pub(super) fn has_lost_chats(&self, tenant: &str, name: &str, now: Mono) -> bool {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts.get(&(tenant.to_owned(), name.to_owned()));
        host.is_some_and(|host| {
            let silence = host.silent_since.map(|since| now.since(since));
            host.state == HostState::Gone && silence.is_some_and(|silence| silence >= LOST_AFTER)
        })
    }

    /// Takes what a request met into account.
    pub(super) fn saw(&self, tenant: &str, name: &str, now: Now, evidence: &Evidence) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tenant.to_owned(), name.to_owned());
        if hosts.len() >= HOSTS_MAX && !hosts.contains_key(&key) {
            return;
        }
        let host = hosts.entry(key).or_insert_with(|| Host::new(now));
        let before = host.state;
        host.saw(now, evidence);
        if host.state != before {
            host.since = now.wall;
            let (state, cause) = (host.state.code(), host.last_error.as_deref());
            match host.state {
                HostState::Alive => tracing::info!(tenant, host = name, "legacy host: {state}"),
                _ => tracing::warn!(
                    tenant,
                    host = name,
                    cause,
                    "legacy host: {state}; chats stay where they are"
                ),
            }
        }
    }
}

impl Host {
    fn new(now: Now) -> Self {
        Self {
            state: HostState::Alive,
            since: now.wall,
            last_error: None,
            bad: 0,
            silent: 0,
            silent_since: None,
            probed: now.mono,
        }
    }

    fn saw(&mut self, now: Now, evidence: &Evidence) {
        match evidence {
            Evidence::Served => {
                (self.bad, self.silent, self.silent_since) = (0, 0, None);
                self.state = HostState::Alive;
                return;
            }
            Evidence::Heard => {
                (self.silent, self.silent_since) = (0, None);
                if self.state == HostState::Gone {
                    self.state = HostState::Refusing;
                }
                return;
            }
            Evidence::Refused(status) => {
                (self.silent, self.silent_since) = (0, None);
                self.last_error = Some(format!("answered {status}"));
            }
            Evidence::Silent(cause) => {
                self.silent = self.silent.saturating_add(1);
                self.silent_since = self.silent_since.or(Some(now.mono));
                self.last_error = Some(cause.clone());
            }
        }
        self.bad = self.bad.saturating_add(1);
        let silence = self.silent_since.map_or(Duration::ZERO, |since| now.mono.since(since));
        let gone = self.silent >= GONE_AFTER && silence >= GONE_AFTER_SILENCE;
        self.state = match self.state {
            // Something answers again, though not the service.
            HostState::Gone if self.silent == 0 => HostState::Refusing,
            _ if gone => {
                self.probed = now.mono;
                HostState::Gone
            }
            HostState::Alive if self.bad >= REFUSING_AFTER => HostState::Refusing,
            state => state,
        };
    }
}

/// What an answer says about its host. `start`: it answers `System/SessionId`.
pub(super) fn judge(status: StatusCode, start: bool) -> Evidence {
    let elsewhere = status.is_redirection()
        || matches!(
            status,
            StatusCode::GONE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
        );
    if status.is_success() {
        return Evidence::Served;
    }
    // A client may ask for what never existed, or be refused for its own faults; a session is
    // always given.
    let refused = elsewhere || start && status != StatusCode::BAD_REQUEST;
    if refused { Evidence::Refused(status) } else { Evidence::Heard }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        health: Health,
        second: u64,
    }

    impl World {
        fn new() -> Self {
            Self { health: Health::default(), second: 1_000 }
        }

        fn now(&self) -> Now {
            let mono = Mono::from_millis(self.second * 1_000);
            Now { wall: Wall::from_millis(self.second as i64 * 1_000), mono }
        }

        fn saw(&mut self, seconds: u64, evidence: &Evidence) -> HostState {
            self.second += seconds;
            self.health.saw("acme", "la", self.now(), evidence);
            self.health.all()[0].state
        }

        fn gate(&mut self, seconds: u64) -> Gate {
            self.second += seconds;
            self.health.gate("acme", "la", self.now().mono)
        }
    }

    fn silent() -> Evidence {
        Evidence::Silent("cannot connect to la".to_owned())
    }

    #[test]
    fn evidence_adds_up_and_one_good_answer_clears_it() {
        use HostState::{Alive, Gone, Refusing};
        let mut world = World::new();
        let states: Vec<_> = (0..5).map(|_| world.saw(1, &silent())).collect();
        assert_eq!(states, [Alive, Alive, Refusing, Refusing, Refusing], "not for long enough");
        assert_eq!(world.saw(55, &silent()), Refusing);
        assert_eq!(world.saw(1, &silent()), Gone);
        assert_eq!(world.health.all()[0].last_error.as_deref(), Some("cannot connect to la"));
        assert_eq!(world.health.all()[0].since, world.now().wall);
        assert_eq!(world.saw(1, &Evidence::Served), Alive);
        assert_eq!(world.saw(500, &silent()), Alive, "counted from the beginning");
    }

    #[test]
    fn few_failures_over_a_long_time_do_not_make_a_host_gone() {
        let mut world = World::new();
        for _ in 0..4 {
            assert_ne!(world.saw(60, &silent()), HostState::Gone);
        }
    }

    #[test]
    fn a_host_that_answers_something_else_is_refusing_and_never_gone() {
        let mut world = World::new();
        let moved = Evidence::Refused(StatusCode::MOVED_PERMANENTLY);
        let last = (0..50).map(|_| world.saw(30, &moved)).last();
        assert_eq!(last, Some(HostState::Refusing));
        assert_eq!(world.gate(0), Gate::Open);
    }

    #[test]
    fn a_gone_host_is_probed_at_its_interval() {
        let mut world = World::new();
        for _ in 0..7 {
            world.saw(20, &silent());
        }
        assert_eq!(world.health.all()[0].state, HostState::Gone);
        assert_eq!(world.gate(29), Gate::Shut);
        assert_eq!(world.gate(1), Gate::Open, "the probe");
        assert_eq!(world.gate(0), Gate::Shut, "nobody else");
        assert_eq!(world.gate(30), Gate::Open);
        assert_eq!(world.saw(0, &Evidence::Heard), HostState::Refusing, "somebody answers again");
        assert_eq!(world.gate(0), Gate::Open);
    }

    #[test]
    fn chats_are_lost_after_their_time_out_and_not_before() {
        let mut world = World::new();
        for _ in 0..7 {
            world.saw(20, &silent());
        }
        let lost = |world: &World| world.health.has_lost_chats("acme", "la", world.now().mono);
        assert!(!lost(&world), "120 s");
        world.second += 30;
        assert!(lost(&world));
    }

    #[test]
    fn what_an_answer_says() {
        let status = |code| StatusCode::from_u16(code).unwrap_or_default();
        for code in [200, 204] {
            assert_eq!(judge(status(code), false), Evidence::Served);
        }
        for code in [301, 410, 502, 504] {
            assert!(matches!(judge(status(code), false), Evidence::Refused(_)), "{code}");
        }
        for code in [400, 403, 404, 405, 409, 500, 503] {
            assert_eq!(judge(status(code), false), Evidence::Heard, "{code} is said to one client");
        }
        for code in [403, 404, 500, 503] {
            assert!(matches!(judge(status(code), true), Evidence::Refused(_)), "{code}");
        }
    }
}
