//! What lies between one process and everything else.

use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::time::Mono;

/// What befalls the process that reaches a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    Crash,
    /// For so many milliseconds.
    Pause(u64),
}

/// Counts what processes have to do with the world, so that something can befall one just then.
pub struct Points {
    reached: AtomicU64,
    strike: Option<(u64, Strike)>,
}

impl Points {
    pub fn new(strike: Option<(u64, Strike)>) -> Self {
        Self { reached: AtomicU64::new(0), strike }
    }

    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }
}

/// The gate of one process.
#[derive(Clone)]
pub struct Gate {
    dead: CancellationToken,
    shut_until: Arc<Mutex<Mono>>,
    points: Arc<Points>,
    /// The world's, not the process's.
    clock: Clock,
}

impl Gate {
    pub fn new(points: &Arc<Points>, clock: &Clock) -> Self {
        Self {
            dead: CancellationToken::new(),
            shut_until: Arc::new(Mutex::new(Mono::from_millis(0))),
            points: points.clone(),
            clock: clock.clone(),
        }
    }

    /// Something passes: at once, after the pause, or never.
    pub async fn pass(&self) {
        loop {
            if self.is_dead() {
                return pending().await;
            }
            let until = *self.shut_until.lock().unwrap();
            if self.clock.now().mono >= until {
                return;
            }
            tokio::select! {
                biased;
                () = self.dead.cancelled() => return pending().await,
                () = self.clock.until(until) => {}
            }
        }
    }

    /// The same, at a point where something may befall the process.
    pub async fn pass_point(&self) {
        self.pass().await;
        let nth = self.points.reached.fetch_add(1, Ordering::Relaxed);
        match self.points.strike {
            Some((at, Strike::Crash)) if at == nth => self.die(),
            Some((at, Strike::Pause(millis))) if at == nth => self.pause(millis),
            _ => return,
        }
        self.pass().await;
    }

    /// What `other` becomes while the process lives; never anything after.
    pub async fn while_alive<T>(&self, other: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.dead.cancelled() => pending().await,
            told = other => told,
        }
    }

    pub fn die(&self) {
        self.dead.cancel();
    }

    pub fn pause(&self, millis: u64) {
        let until = self.clock.now().mono.plus(Duration::from_millis(millis));
        let mut shut = self.shut_until.lock().unwrap();
        *shut = (*shut).max(until);
    }

    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    pub async fn died(&self) {
        self.dead.cancelled().await;
    }
}
