//! The clock of the shells: real, or set by a test or by the demo's slider.
//!
//! Promised: `mono` only moves forward and follows tokio's time (so paused tests work); setting the
//! wall clock wakes whoever waits for a calendar instant and touches no duration.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::time::{Mono, Now, Wall};

/// A shared clock. Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    origin: Instant,
    /// `None`: the machine's calendar. `Some`: a wall instant and the mono instant it was set at.
    set: Arc<watch::Sender<Option<(Wall, Mono)>>>,
}

impl Clock {
    /// The machine's own calendar.
    #[must_use]
    pub fn system() -> Self {
        Self { origin: now_instant(), set: Arc::new(watch::Sender::new(None)) }
    }

    /// A calendar that reads `wall` now and runs on from there.
    #[must_use]
    pub fn starting_at(wall: Wall) -> Self {
        let clock = Self::system();
        clock.set_wall(wall);
        clock
    }

    /// Both readings.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono = self.mono();
        Now { wall: self.wall_at(mono), mono }
    }

    /// Moves the calendar to `wall`; durations are not touched.
    pub fn set_wall(&self, wall: Wall) {
        let mono = self.mono();
        self.set.send_replace(Some((wall, mono)));
    }

    /// Waits until the stopwatch reads at least `mono`.
    pub async fn until(&self, mono: Mono) {
        tokio::time::sleep_until(self.origin + Duration::from_millis(mono.millis())).await;
    }

    /// Waits until the calendar reads at least `wall`, also when it is set past it.
    pub async fn until_wall(&self, wall: Wall) {
        let mut changes = self.set.subscribe();
        loop {
            let ahead = wall.millis_since(self.now().wall);
            if ahead <= 0 {
                return;
            }
            // An hour at the most, so that a step of the machine's own calendar is noticed too.
            let wait = Duration::from_millis(ahead.unsigned_abs()).min(Duration::from_secs(3600));
            tokio::select! {
                biased;
                () = tokio::time::sleep(wait) => {}
                _ = changes.changed() => {}
            }
        }
    }

    fn mono(&self) -> Mono {
        Mono::from_millis(now_instant().duration_since(self.origin).as_millis() as u64)
    }

    fn wall_at(&self, mono: Mono) -> Wall {
        match *self.set.borrow() {
            Some((wall, since)) => wall.plus_millis(mono.since(since).as_millis() as i64),
            None => system_wall(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the stopwatch")]
fn now_instant() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar")]
fn system_wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_millis(since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn setting_the_wall_wakes_calendar_waits_and_leaves_durations_alone() {
        let clock = Clock::starting_at(Wall::from_millis(1_000));
        let before = clock.now().mono;
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move { clock.until_wall(Wall::from_millis(10_000_000)).await }
        });
        tokio::task::yield_now().await;
        clock.set_wall(Wall::from_millis(10_000_000));
        waiter.await.expect("the wait ends");
        assert_eq!(clock.now().mono.since(before), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_wall_runs_on() {
        let clock = Clock::starting_at(Wall::from_millis(0));
        clock.until(clock.now().mono.plus(Duration::from_secs(5))).await;
        assert_eq!(clock.now().wall, Wall::from_millis(5_000));
    }
}
