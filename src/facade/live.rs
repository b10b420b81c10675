//! The facade that answers now: exchanged whole when the configuration is read again.
//!
//! Promised: a request sees one configuration from its beginning to its end; a session goes on when
//! its tenant, its tenant's host or legacy half is no longer configured, and such a tenant gets no
//! new ones. Not promised: the same after a restart, which knows the files alone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use http::Method;
use http::request::Parts;

use super::Facade;
use super::call::{Call, Noun};
use super::key::Owner;
use crate::capture::Capture;
use crate::config::{Config, Tenant};

/// Tenants that are remembered for their running sessions; past it the oldest are forgotten.
const PARTING_MAX: usize = 1_000;

/// A facade that can be exchanged. Clones are one.
#[derive(Clone)]
pub struct Live(Arc<RwLock<State>>);

struct State {
    now: Arc<Facade>,
    parting: Vec<Parting>,
}

/// What running sessions still need of an earlier configuration.
struct Parting {
    /// The tenant, with what it has lost.
    tenant: Tenant,
    /// Whether it was the only tenant, which any host meant.
    any_host: bool,
    /// Knows this tenant alone.
    facade: Arc<Facade>,
}

impl Live {
    /// Begins with a facade.
    #[must_use]
    pub fn new(facade: Facade) -> Self {
        let state = State { now: Arc::new(facade), parting: Vec::new() };
        Self(Arc::new(RwLock::new(state)))
    }

    /// The facade of now.
    #[must_use]
    pub fn now(&self) -> Arc<Facade> {
        self.read().now.clone()
    }

    /// The configuration of now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.read().now.config.clone()
    }

    /// Every request that begins from now on is answered by `config`, and captured by `capture`.
    /// Of two calls at a time, one would be lost.
    pub fn replace(&self, config: Config, capture: Option<Capture>) {
        let (now, parting) = {
            let state = self.read();
            let parting = state.parting.iter().map(|one| (one.tenant.clone(), one.any_host));
            (state.now.clone(), parting.collect::<Vec<_>>())
        };
        let with = |config: Config, capture: Option<Capture>| {
            Arc::new(Facade { config: Arc::new(config), capture, ..Facade::clone(&now) })
        };
        let only = now.config.tenants.len() == 1;
        let earlier = now.config.tenants.iter().map(|tenant| (tenant, only));
        let parting = parting.iter().map(|(tenant, any_host)| (tenant, *any_host));
        let mut alone = config.clone();
        let tenants: HashMap<String, Tenant> =
            alone.tenants.drain(..).map(|tenant| (tenant.id.clone(), tenant)).collect();
        let mut rest: VecDeque<Parting> = VecDeque::new();
        for (was, any_host) in parting.chain(earlier) {
            let is = tenants.get(&was.id);
            let Some(tenant) = lost(was, is, any_host && tenants.len() > 1) else { continue };
            let same = |other: &Parting| other.tenant == tenant;
            let any_host = any_host || rest.iter().any(|other| same(other) && other.any_host);
            rest.retain(|other| !same(other));
            let facade =
                with(Config { tenants: vec![tenant.clone()], ..alone.clone() }, capture.clone());
            rest.push_back(Parting { tenant, any_host, facade });
            if rest.len() > PARTING_MAX {
                rest.pop_front();
            }
        }
        let now = with(config, capture);
        let state = State { now, parting: rest.into() };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The tenants that `config` does not name and whose sessions go on, as they were last.
    #[must_use]
    pub fn gone(&self, config: &Config) -> Vec<Tenant> {
        let state = self.read();
        let mut known: HashSet<&str> = config.tenants.iter().map(|t| t.id.as_str()).collect();
        let parting = state.parting.iter().rev().map(|one| &one.tenant);
        let all = state.now.config.tenants.iter().chain(parting);
        all.filter(|tenant| known.insert(tenant.id.as_str())).cloned().collect()
    }

    /// Who answers a request.
    pub(super) fn of(&self, parts: &Parts) -> Arc<Facade> {
        let state = self.read();
        if state.parting.is_empty() {
            return state.now.clone();
        }
        let parting = parting(&state, parts).map(|one| &one.facade);
        parting.unwrap_or(&state.now).clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// A tenant with what its running sessions would miss of it now; `None` when that is nothing.
fn lost(was: &Tenant, is: Option<&Tenant>, any_host: bool) -> Option<Tenant> {
    let Some(is) = is else { return Some(was.clone()) };
    let host = was.hosts.iter().any(|host| !is.hosts.contains(host));
    let legacy = was.legacy.is_some() && is.legacy.is_none();
    if !(host || any_host || legacy) {
        return None;
    }
    let mut plan = is.plan.clone();
    plan.has_legacy |= legacy;
    let legacy = is.legacy.clone().or_else(|| was.legacy.clone());
    Some(Tenant { hosts: was.hosts.clone(), legacy, plan, ..is.clone() })
}

/// The parting tenant whose session a request belongs to.
fn parting<'a>(state: &'a State, parts: &Parts) -> Option<&'a Parting> {
    let running = |call: &Call<'_>| {
        let new = call.noun == Some(Noun::SessionId) && call.method == Method::GET;
        call.key().filter(|_| !new).map(ToOwned::to_owned)
    };
    let ours = |tenant: &str, key: &str| state.now.keys.owner(tenant, key);
    // The newest that fits knows best.
    let mut newest = state.parting.iter().rev();
    match Call::read(&state.now.config, parts) {
        Ok(call) => {
            let key = running(&call)?;
            match ours(&call.tenant.id, &key) {
                Owner::Ours(_) => None,
                Owner::Forged => {
                    newest.find(|p| matches!(ours(&p.tenant.id, &key), Owner::Ours(_)))
                }
                Owner::Foreign if call.tenant.legacy.is_none() => {
                    newest.find(|p| p.tenant.id == call.tenant.id && p.tenant.legacy.is_some())
                }
                Owner::Foreign => None,
            }
        }
        Err(_) => newest.find(|one| {
            // Its facade takes any host for its own, so that is not enough.
            let call = Call::read(&one.facade.config, parts).ok();
            let named = call.as_ref().is_some_and(|call| call.names(&one.tenant));
            let key = call.as_ref().and_then(running);
            key.is_some_and(|key| match ours(&one.tenant.id, &key) {
                Owner::Ours(_) => true,
                Owner::Forged => false,
                Owner::Foreign => named || one.any_host,
            })
        }),
    }
}
