//! A value, and who waits for it to change.
//!
//! Promised: who waits is woken in the order in which the waiting began (`tokio::sync::watch` wakes
//! in any), so that of two requests the earlier goes on first; no change is missed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value that can be waited for.
#[derive(Debug)]
pub(crate) struct Awaited<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Awaited<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// Changes it, and wakes whoever waits.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let changed = change(&mut self.value());
        self.changed.notify_waiters();
        changed
    }

    /// What is made of it as it is.
    pub(crate) fn now<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value())
    }

    /// Waits until something can be made of it.
    pub(crate) async fn until<R>(&self, mut look: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = self.now(&mut look) {
                return found;
            }
            changed.await;
        }
    }

    // Nobody panics who looks at it or changes it.
    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_waits_longest_is_woken_first() {
        let value = Arc::new(Awaited::new(0));
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waiters: Vec<_> = (0..20)
            .map(|nth| {
                let (value, woken) = (value.clone(), woken.clone());
                tokio::spawn(async move {
                    value.until(|value| (*value == 1).then_some(())).await;
                    woken.lock().unwrap().push(nth);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        value.change(|value| *value = 1);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*woken.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_so_already_is_not_waited_for() {
        assert_eq!(Awaited::new(7).until(|value| Some(*value)).await, 7);
    }
}
