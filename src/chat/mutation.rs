//! Safety rules that the simulation can turn off, one at a time, to prove that it would notice.
//!
//! Test builds only: in the shipped binary [`on`] is a constant `false`.

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Act before the commit.
    CommitFirst,
    /// Give every attempt an id of its own.
    DerivedIds,
    /// Let a repeated id carry other contents.
    FixedContents,
    /// Act on a POST that was seen before.
    Duplicates,
    /// Tell an entry that was told before.
    Dedupe,
    /// Count a message as consumed when it is sent.
    Cursor,
    /// Send again without looking whether it arrived.
    LookFirst,
    /// Let a process write to a chat that is another's by now.
    Fencing,
    /// Let a process act that could not prolong its lease.
    SelfFencing,
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Breaks a rule on this thread, or none.
#[cfg(test)]
pub fn set(mutation: Option<Mutation>) {
    BROKEN.with(|broken| broken.set(mutation));
}

/// Whether the rule is broken here.
#[cfg(test)]
#[must_use]
pub fn on(mutation: Mutation) -> bool {
    BROKEN.with(|broken| broken.get() == Some(mutation))
}

/// Whether the rule is broken here: never, outside tests.
#[cfg(not(test))]
#[must_use]
pub const fn on(_mutation: Mutation) -> bool {
    false
}
