//! Chance, by what it is for.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;

use crate::machine::rng::Rng;

/// A source of chance of its own for each subject (a chat, a kind of request), so that two things
/// at the same instant draw the same in whatever order they happen.
pub struct Dice {
    seed: u64,
    by_subject: Mutex<BTreeMap<String, Rng>>,
}

impl Dice {
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self { seed: mixed(seed, purpose), by_subject: Mutex::default() }
    }

    /// Draws for a subject.
    pub fn draw<T>(&self, subject: &str, draw: impl FnOnce(&mut Rng) -> T) -> T {
        let mut by_subject = self.by_subject.lock().unwrap();
        if !by_subject.contains_key(subject) {
            let rng = Rng::new(mixed(self.seed, subject));
            by_subject.insert(subject.to_owned(), rng);
        }
        draw(by_subject.get_mut(subject).expect("just put there"))
    }
}

/// The same on every machine and in every run.
pub fn mixed(seed: u64, purpose: &str) -> u64 {
    let mut hash = DefaultHasher::new();
    (seed, purpose).hash(&mut hash);
    hash.finish()
}
