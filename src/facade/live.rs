//! The facade that answers now: exchanged whole when the configuration is read again.
//!
//! Promised: a request sees one configuration from its beginning to its end; a session goes on when
//! its tenant, its tenant's host or legacy half is no longer configured, and such a tenant gets no
//! new ones. Not promised: the same after a restart, which knows the files alone.

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
    pub fn replace(&self, config: Config, capture: Option<Capture>) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.now.config.clone();
        let with = |config: Arc<Config>, capture: Option<Capture>| {
            Arc::new(Facade { config, capture, ..Facade::clone(&state.now) })
        };
        let only = before.tenants.len() == 1;
        let earlier = before.tenants.iter().map(|tenant| (tenant, only));
        let parting = state.parting.iter().map(|one| (&one.tenant, one.any_host)).chain(earlier);
        let mut rest: Vec<Parting> = Vec::new();
        for (was, any_host) in parting {
            let Some(tenant) = lost(was, any_host, &config) else { continue };
            let known = rest.iter().any(|other| other.tenant == tenant);
            if known {
                continue;
            }
            let alone = Config { tenants: vec![tenant.clone()], ..config.clone() };
            let facade = with(Arc::new(alone), capture.clone());
            rest.push(Parting { tenant, any_host, facade });
        }
        let excess = rest.len().saturating_sub(PARTING_MAX);
        rest.drain(..excess);
        state.now = with(Arc::new(config), capture);
        state.parting = rest;
    }

    /// The tenants that `config` does not name and whose sessions go on, as they were last.
    #[must_use]
    pub fn gone(&self, config: &Config) -> Vec<Tenant> {
        let state = self.read();
        let mut gone: Vec<Tenant> = Vec::new();
        let parting = state.parting.iter().rev().map(|one| &one.tenant);
        for tenant in state.now.config.tenants.iter().chain(parting) {
            let known = gone.iter().any(|other| other.id == tenant.id);
            if !known && config.tenant(&tenant.id).is_none() {
                gone.push(tenant.clone());
            }
        }
        gone
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

/// A tenant with what its running sessions would miss in `config`; `None` when that is nothing.
fn lost(was: &Tenant, any_host: bool, config: &Config) -> Option<Tenant> {
    let Some(is) = config.tenant(&was.id) else { return Some(was.clone()) };
    let host = was.hosts.iter().any(|host| !is.hosts.contains(host));
    let any = any_host && config.tenants.len() > 1;
    let legacy = was.legacy.is_some() && is.legacy.is_none();
    if !(host || any || legacy) {
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
