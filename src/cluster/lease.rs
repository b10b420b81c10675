//! Whether this node may serve: decided from its own stopwatch alone, without I/O.
//!
//! Promised: [`Lease::may_serve`] turns false before any other node can have claimed a chat,
//! however the nodes' clocks differ, as long as their stopwatches run at nearly the same pace: the
//! lease in the store begins when the store takes the beat, ours when the beat was *begun*, and
//! ours is the shorter one. After a gap it stays false until it is known what is still ours. Not
//! promised: anything about a stopwatch that stands still while the machine is suspended.

use std::time::Duration;

use crate::time::Mono;

/// How often a node renews its lease.
pub const BEAT_EVERY: Duration = Duration::from_secs(2);
/// How long a lease lasts by the store's clock.
pub const LEASE: Duration = Duration::from_secs(6);
/// A node that began no successful beat for so long serves no chat from memory.
pub const FENCED_AFTER: Duration = Duration::from_secs(4);

/// This node's lease, as this node knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// When the last beat that was answered had begun.
    renewed: Option<Mono>,
    /// Others may have claimed what was ours; it is being found out.
    doubtful: bool,
}

/// What a beat that was answered means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// Nobody can have claimed anything meanwhile.
    InTime,
    /// Perhaps somebody did: find out what is still ours, then say so with [`Lease::settled`].
    AfterGap,
}

impl Lease {
    /// A node that has not beaten yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { renewed: None, doubtful: true }
    }

    /// The store took a beat that was begun at `began`; it is now `now`.
    pub fn answered(&mut self, began: Mono, now: Mono) -> Renewed {
        let before = self.renewed.replace(began);
        self.doubtful |= before.is_none_or(|before| now.since(before) >= FENCED_AFTER);
        if self.doubtful { Renewed::AfterGap } else { Renewed::InTime }
    }

    /// It is known what is ours, as of a moment under the lease that was renewed last.
    pub const fn settled(&mut self) {
        self.doubtful = false;
    }

    /// Whether what is in memory may be answered from.
    #[must_use]
    pub fn may_serve(&self, now: Mono) -> bool {
        let fresh = self.renewed.is_some_and(|renewed| now.since(renewed) < FENCED_AFTER);
        fresh && !self.doubtful
    }
}

/// A node's part of what all may spend together, rounded down, at least one.
#[must_use]
pub fn share(total: usize, nodes: usize) -> usize {
    (total / nodes.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::from_millis(millis)
    }

    #[test]
    fn the_figures_are_those_that_are_promised() {
        let seconds = [BEAT_EVERY, LEASE, FENCED_AFTER].map(|time| time.as_secs());
        assert_eq!(seconds, [2, 6, 4]);
    }

    #[test]
    fn a_node_serves_from_its_first_settled_beat_until_four_seconds_after_one_was_begun() {
        let mut lease = Lease::new();
        assert!(!lease.may_serve(at(0)));
        assert_eq!(lease.answered(at(0), at(100)), Renewed::AfterGap);
        assert!(!lease.may_serve(at(100)));
        lease.settled();
        assert!(lease.may_serve(at(100)) && lease.may_serve(at(3_999)));
        assert!(!lease.may_serve(at(4_000)));
    }

    #[test]
    fn a_beat_in_time_goes_on_and_a_late_one_must_be_settled() {
        let mut lease = Lease::new();
        lease.answered(at(0), at(0));
        lease.settled();
        assert_eq!(lease.answered(at(2_000), at(3_900)), Renewed::InTime);
        assert!(lease.may_serve(at(5_999)));
        // Begun in time, answered too late: who asked in between was not served.
        assert_eq!(lease.answered(at(4_000), at(6_000)), Renewed::AfterGap);
        assert!(!lease.may_serve(at(6_000)));
        // The next one in time does not make up for it.
        assert_eq!(lease.answered(at(6_100), at(6_200)), Renewed::AfterGap);
        assert!(!lease.may_serve(at(6_200)));
        lease.settled();
        assert!(lease.may_serve(at(6_200)));
    }

    #[test]
    fn nobody_can_claim_what_may_still_be_served() {
        // The store's lease begins no earlier than the beat, and lasts longer than we serve.
        const { assert!(FENCED_AFTER.as_millis() < LEASE.as_millis()) };
        const { assert!(2 * BEAT_EVERY.as_millis() <= FENCED_AFTER.as_millis()) };
    }

    #[test]
    fn a_share_is_never_nothing() {
        assert_eq!([share(200, 0), share(200, 1), share(200, 3), share(2, 5)], [200, 200, 66, 1]);
    }
}
