//! "The removal is past": remembered for each tenant once it was seen.
//!
//! Promised: the callback is called once per sighting, before the sighting is used, so that it can
//! be stored. Not here: what follows from it (`router::decide`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::config::Tenant;
use crate::router::decide::PastRemoval;
use crate::time::Wall;

type Keep = Box<dyn Fn(&str, Wall) + Send + Sync>;

/// The latches of all tenants.
pub struct Latches {
    seen: Mutex<HashMap<String, PastRemoval>>,
    keep: Keep,
}

impl Latches {
    /// Nothing seen yet; `keep` stores that a tenant's removal was seen to be past at an instant.
    pub fn new(keep: impl Fn(&str, Wall) + Send + Sync + 'static) -> Self {
        Self { seen: Mutex::default(), keep: Box::new(keep) }
    }

    /// Puts back what was stored.
    pub fn restore(&self, tenant: &str, latch: PastRemoval) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(tenant.to_owned(), latch);
    }

    /// The latch of a tenant at `wall`, latched now if the removal is past.
    #[must_use]
    pub fn look(&self, tenant: &Tenant, wall: Wall) -> PastRemoval {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latch = seen.get(&tenant.id).copied().unwrap_or_default();
        if latch.observe(&tenant.plan, wall) {
            (self.keep)(&tenant.id, wall);
            seen.insert(tenant.id.clone(), latch);
        }
        latch
    }
}

impl std::fmt::Debug for Latches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Latches").field("seen", &self.seen).finish_non_exhaustive()
    }
}
