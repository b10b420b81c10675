//! Who is let in: what one tenant or one address may ask for at once.
//!
//! Promised: a tenant that asks for more than its share is answered 429 before anything is done or
//! remembered for it, and what others ask for is not touched; memory is bounded by the number of
//! tenants and by [`ADDRESSES_MAX`]. Not promised: fairness among the clients of one tenant.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;
use crate::serve::Peer;
use crate::time::Mono;

/// Addresses that are counted in one second; in a second with more of them the others pass, and
/// only their tenants' limits hold.
const ADDRESSES_MAX: usize = 20_000;

/// What is under way and was begun in this second. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// Requests under way.
    running: HashMap<String, usize>,
    /// The second that the following is of.
    second: u64,
    tenants: HashMap<String, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// In the extensions of a request: it is counted already, here or at the node that its client
/// asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted;

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Inside {
    gate: Gate,
    tenant: String,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut counts = self.gate.lock();
        if let Some(running) = counts.running.get_mut(&self.tenant) {
            *running -= 1;
            if *running == 0 {
                counts.running.remove(&self.tenant);
            }
        }
    }
}

impl Gate {
    // No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request of the tenant in, unless too many are under way.
    pub(super) fn enter(&self, tenant: &str, limits: &Limits) -> Option<Inside> {
        let mut counts = self.lock();
        match counts.running.get_mut(tenant) {
            Some(running) if *running >= limits.requests_per_tenant => return None,
            Some(running) => *running += 1,
            None => drop(counts.running.insert(tenant.to_owned(), 1)),
        }
        Some(Inside { gate: self.clone(), tenant: tenant.to_owned() })
    }

    /// Whether one more session may begin now.
    pub(super) fn may_begin(
        &self,
        tenant: &str,
        from: Option<Peer>,
        limits: &Limits,
        now: Mono,
    ) -> bool {
        let second = now.millis() / 1_000;
        let mut counts = self.lock();
        if counts.second != second {
            counts.second = second;
            counts.tenants.clear();
            counts.addresses.clear();
        }
        let each = limits.sessions_per_address_second;
        if let Some(Peer(address)) = from.filter(|_| each > 0) {
            let known = counts.addresses.len();
            match counts.addresses.get_mut(&address.ip()) {
                Some(begun) if *begun >= each => return false,
                Some(begun) => *begun += 1,
                None if known >= ADDRESSES_MAX => {}
                None => drop(counts.addresses.insert(address.ip(), 1)),
            }
        }
        match counts.tenants.get_mut(tenant) {
            Some(begun) if *begun >= limits.sessions_per_tenant_second => return false,
            Some(begun) => *begun += 1,
            None => drop(counts.tenants.insert(tenant.to_owned(), 1)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn peer(n: u32) -> Option<Peer> {
        Some(Peer(SocketAddr::from((n.to_be_bytes(), 80))))
    }

    fn limits() -> Limits {
        Limits {
            requests_per_tenant: 2,
            sessions_per_tenant_second: 50_000,
            sessions_per_address_second: 3,
            ..Limits::default()
        }
    }

    #[test]
    fn a_tenant_has_its_own_room() {
        let gate = Gate::default();
        let first = gate.enter("noisy", &limits());
        let second = gate.enter("noisy", &limits());
        assert!(first.is_some() && second.is_some() && gate.enter("noisy", &limits()).is_none());
        assert!(gate.enter("quiet", &limits()).is_some());
        drop(first);
        assert!(gate.enter("noisy", &limits()).is_some());
        drop(second);
        assert!(gate.lock().running.is_empty(), "nothing is remembered of who is not there");
    }

    #[test]
    fn sessions_are_counted_by_the_second_and_memory_stays_flat() {
        let (gate, limits) = (Gate::default(), limits());
        let begin = |tenant, from, at| gate.may_begin(tenant, from, &limits, Mono::from_millis(at));
        assert!((0..3).all(|_| begin("acme", peer(1), 10)));
        assert!(!begin("acme", peer(1), 999) && begin("acme", peer(1), 1_000));
        assert!(begin("acme", None, 1_000), "nothing is known of where it came from");
        let begun = (0..60_000).filter(|n| begin("acme", peer(*n), 2_000)).count();
        assert_eq!(begun, 50_000);
        assert!(begin("other", peer(7), 2_000));
        assert_eq!(gate.lock().addresses.len(), ADDRESSES_MAX);
        assert!(begin("acme", peer(9), 3_000));
        assert_eq!(gate.lock().addresses.len(), 1);
    }
}
