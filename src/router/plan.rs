//! What a tenant's files declare about its move: stages by instant, the removal, the margin.
//!
//! Promised: plain data, no clock. A plan without steps is *auto*: legacy until the margin before
//! the removal begins, MIAW from that instant on.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::time::Wall;

/// The instant Salesforce removed the legacy service: 2026-02-14T00:00:00Z.
pub const DEFAULT_REMOVAL: Wall = Wall::from_millis(1_771_027_200_000);

/// How long before the removal legacy stops starting chats, unless the plan says otherwise.
pub const DEFAULT_MARGIN: Duration = Duration::from_secs(2 * 60 * 60);

/// A tenant's declared move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From this instant on legacy answers nobody.
    pub removal: Wall,
    /// Legacy starts no chat later than this long before `removal`.
    pub margin: Duration,
    /// The zone instants are printed in; it decides nothing.
    pub zone: Zone,
    /// Stages by instant, ascending; empty means auto.
    pub steps: Vec<Step>,
    /// Somebody vouches that legacy still answers after the removal, until a date.
    pub acknowledgement: Option<Acknowledgement>,
    /// Whether the tenant names a legacy service at all; without one every chat goes to MIAW.
    pub has_legacy: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            removal: DEFAULT_REMOVAL,
            margin: DEFAULT_MARGIN,
            zone: Zone::utc(),
            steps: Vec::new(),
            acknowledgement: None,
            has_legacy: true,
        }
    }
}

impl Plan {
    /// The first instant at which legacy starts no more chats.
    #[must_use]
    pub fn last_call(&self) -> Wall {
        let margin = i64::try_from(self.margin.as_millis()).unwrap_or(i64::MAX);
        self.removal.plus_millis(margin.saturating_neg())
    }

    /// The step in force at `wall`: the latest that began at or before it.
    #[must_use]
    pub fn step_at(&self, wall: Wall) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.at <= wall)
    }

    /// Every instant at which a rule of this plan begins or ends, ascending, without repeats.
    #[must_use]
    pub fn instants(&self) -> Vec<Wall> {
        let mut all: Vec<Wall> = self.steps.iter().map(|step| step.at).collect();
        all.extend([self.last_call(), self.removal]);
        all.extend(self.acknowledgement.as_ref().map(|a| a.until));
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// From `at` on, new chats follow `stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When the stage begins; a chat of exactly this instant follows it.
    pub at: Wall,
    /// What new chats do from then on.
    pub stage: Stage,
}

/// What new chats do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// All go to the legacy service.
    Legacy,
    /// A share goes to MIAW, the others to legacy.
    Ramp {
        /// The share that goes to MIAW, 0 to 100.
        percent: u8,
    },
    /// All go to MIAW.
    Miaw,
}

impl Stage {
    /// Reads `legacy`, `miaw` or `ramp 10 %` (spaces and the sign may be missing).
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected `legacy`, `ramp 10 %` (0 to 100) or `miaw`";
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "legacy" => return Ok(Self::Legacy),
            "miaw" => return Ok(Self::Miaw),
            _ => {}
        }
        let Some(share) = lower.strip_prefix("ramp") else {
            return Err(format!("`{text}` is not a stage; {EXPECTED}"));
        };
        let share = share.trim();
        let share = share.strip_suffix('%').unwrap_or(share).trim_end();
        match share.parse::<u8>() {
            Ok(percent) if percent <= 100 => Ok(Self::Ramp { percent }),
            _ => Err(format!("`{text}` has no share from 0 to 100; {EXPECTED}")),
        }
    }

    /// Whether some chats of this stage go to the legacy service.
    #[must_use]
    pub const fn uses_legacy(self) -> bool {
        match self {
            Self::Legacy => true,
            Self::Ramp { percent } => percent < 100,
            Self::Miaw => false,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy => f.write_str("legacy"),
            Self::Ramp { percent } => write!(f, "ramp {percent} %"),
            Self::Miaw => f.write_str("miaw"),
        }
    }
}

/// A dated statement that legacy still answers after the removal instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The statement holds before this instant.
    pub until: Wall,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A named time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// Coordinated Universal Time.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The zone of an IANA name such as `Europe/Berlin`; `None` for an unknown name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let rules = TimeZone::get(name).ok()?;
        Some(Self { name: rules.iana_name().unwrap_or(name).to_owned(), rules })
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the clocks of this zone show at an instant; `None` far outside the calendar.
    #[must_use]
    pub fn civil(&self, wall: Wall) -> Option<jiff::civil::DateTime> {
        let instant = jiff::Timestamp::from_millisecond(wall.millis()).ok()?;
        Some(self.rules.to_datetime(instant))
    }

    /// The instant as people of this zone write it: `2026-02-14 01:00:00 +01:00`, or
    /// `2026-02-14 00:00:00 UTC`.
    #[must_use]
    pub fn print(&self, wall: Wall) -> String {
        let Ok(instant) = jiff::Timestamp::from_millisecond(wall.millis()) else {
            return wall.to_string();
        };
        let zoned = instant.to_zoned(self.rules.clone());
        let seconds = wall.millis().rem_euclid(1000) == 0;
        let form = if seconds { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.3f" };
        let offset = if self.name == "UTC" { "UTC" } else { "%:z" };
        zoned.strftime(&format!("{form} {offset}")).to_string()
    }
}
