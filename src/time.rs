//! Moments as plain numbers: the only notion of time the pure core knows.
//!
//! Promised: no clock is read here. *Wall* answers calendar questions ("is it past the removal?"),
//! *mono* measures durations ("has this poll waited 24 s?"). A step of the wall clock therefore
//! never shortens or lengthens a duration.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant of the calendar: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(i64);

/// An instant of a clock that only moves forward: milliseconds since an arbitrary origin that is
/// fixed for the life of the process.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Mono(u64);

/// Both readings, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// The calendar.
    pub wall: Wall,
    /// The stopwatch.
    pub mono: Mono,
}

impl Wall {
    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This instant moved by a signed number of milliseconds, saturating.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads an RFC 3339 instant (`2026-02-14T00:00:00Z`, offsets and `[Zone/Name]` accepted).
    ///
    /// # Errors
    /// Says what was expected when the text names no instant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let zoned = text.parse::<jiff::Zoned>().map(|z| z.timestamp());
        let instant = zoned.or_else(|_| text.parse::<jiff::Timestamp>());
        instant.map(|t| Self(t.as_millisecond())).map_err(|_| {
            format!("`{text}` is not an instant; expected a form such as 2026-02-14T00:00:00Z")
        })
    }
}

impl fmt::Display for Wall {
    /// RFC 3339 in UTC, with milliseconds only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Mono {
    /// From milliseconds since the process's origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the process's origin.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This instant plus a duration, saturating.
    #[must_use]
    pub const fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait.as_millis() as u64))
    }

    /// The time since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_reads_and_prints_instants() {
        for (text, printed) in [
            ("2026-02-14T00:00:00Z", "2026-02-14T00:00:00Z"),
            ("2026-02-14T01:00:00+01:00", "2026-02-14T00:00:00Z"),
            ("2026-02-14T01:00:00+01:00[Europe/Berlin]", "2026-02-14T00:00:00Z"),
            ("2026-02-13T23:59:59.999Z", "2026-02-13T23:59:59.999Z"),
        ] {
            assert_eq!(Wall::parse(text).map(|w| w.to_string()), Ok(printed.to_owned()));
        }
        assert!(Wall::parse("14 February").is_err());
    }

    #[test]
    fn mono_never_goes_negative() {
        let early = Mono::from_millis(5);
        let late = early.plus(Duration::from_millis(10));
        assert_eq!(late.since(early), Duration::from_millis(10));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
