//! Chance for the shells: ids and secrets that are drawn, not derived.
//!
//! Promised: the operating system's randomness. In test builds a thread can be given a seed, so
//! that a simulated run draws the same every time (`seed`).

use uuid::{Builder, Uuid};

/// A random UUID, version 4.
#[must_use]
pub fn uuid() -> Uuid {
    Builder::from_random_bytes(bytes()).into_uuid()
}

/// Random bytes, good for secrets.
#[cfg(not(test))]
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}

/// Random bytes; the next ones of this thread's seed, where it has one.
#[cfg(test)]
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SEED.with_borrow_mut(|seed| match seed {
        Some(rng) => rand::Rng::fill_bytes(rng, &mut bytes),
        None => rand::fill(&mut bytes),
    });
    bytes
}

#[cfg(test)]
thread_local! {
    static SEED: std::cell::RefCell<Option<rand::rngs::StdRng>> =
        const { std::cell::RefCell::new(None) };
}

/// From now on this thread draws by this seed; `None`: by the operating system again.
#[cfg(test)]
pub fn seed(seed: Option<u64>) {
    SEED.set(seed.map(rand::SeedableRng::seed_from_u64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_another_one_differs() {
        let drawn = |by| {
            seed(by);
            let drawn = (uuid(), bytes::<32>());
            seed(None);
            drawn
        };
        assert_eq!(drawn(Some(7)), drawn(Some(7)));
        assert_ne!(drawn(Some(7)), drawn(Some(8)));
        assert_ne!(drawn(None), drawn(None));
        assert_eq!(drawn(None).0.get_version_num(), 4);
    }
}
