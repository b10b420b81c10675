//! What a tenant's files declare about its move: stages by instant, the removal, the margin.
//!
//! Promised: plain data, no clock. A plan without steps is *auto*: legacy until the margin before
//! the removal begins, MIAW from that instant on.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest;
use jiff::tz::TimeZone;

use super::budget::BudgetRule;
pub use super::stage::Stage;
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
    /// Buttons with steps of their own.
    pub buttons: Vec<ButtonPlan>,
    /// Windows in which legacy starts no chats, to show what its end will be like.
    pub brownouts: Vec<Brownout>,
    /// What a move to MIAW must show before it is taken.
    pub evidence: EvidenceRule,
    /// How much may go wrong on MIAW before the move is rolled back; `None` for no such roll-back.
    pub budget: Option<BudgetRule>,
    /// What callers are told of the end of the API that they use; it decides nothing.
    pub deprecation: Option<Deprecation>,
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
            buttons: Vec::new(),
            brownouts: Vec::new(),
            evidence: EvidenceRule::default(),
            budget: None,
            deprecation: None,
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
        step_at(&self.steps, wall)
    }

    /// The steps that a button has for itself.
    #[must_use]
    pub fn button(&self, button: &str) -> Option<&ButtonPlan> {
        let button = id15(button);
        self.buttons.iter().find(|own| own.button == button)
    }

    /// Every instant at which a rule of this plan begins or ends, ascending, without repeats.
    #[must_use]
    pub fn instants(&self) -> Vec<Wall> {
        let own = self.buttons.iter().flat_map(|button| &button.steps);
        let mut all: Vec<Wall> = self.steps.iter().chain(own).map(|step| step.at).collect();
        all.extend([self.last_call(), self.removal]);
        all.extend(self.acknowledgement.as_ref().map(|a| a.until));
        all.extend(self.brownouts.iter().flat_map(|window| [window.from, window.until]));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Sixteen hex digits that name what this plan decides: equal plans have equal ones on every
    /// node; what decides nothing is left out.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut text = format!(
            "liveagent-bridge/plan/1\nremoval {}\nmargin {}\nlegacy {}\n",
            self.removal.millis(),
            self.margin.as_millis(),
            self.has_legacy
        );
        let mut line = |line: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        };
        for step in &self.steps {
            line(format_args!("step {} {}", step.at.millis(), step.stage));
        }
        for own in &self.buttons {
            for step in &own.steps {
                line(format_args!("button {} {} {}", own.button, step.at.millis(), step.stage));
            }
        }
        for window in &self.brownouts {
            line(format_args!("brownout {} {}", window.from.millis(), window.until.millis()));
        }
        if let Some(vouched) = &self.acknowledgement {
            line(format_args!("acknowledged {}", vouched.until.millis()));
        }
        let rule = &self.evidence;
        line(format_args!("evidence {} {}", rule.required, rule.max_age.as_millis()));
        if let Some(budget) = &self.budget {
            line(format_args!("budget {budget:?}"));
        }
        fingerprint(&text)
    }
}

/// The first sixteen hex digits of the text's SHA-256.
pub(super) fn fingerprint(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The first 15 characters, on which Salesforce compares ids.
#[must_use]
pub fn id15(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

pub(super) fn step_at(steps: &[Step], wall: Wall) -> Option<&Step> {
    steps.iter().rev().find(|step| step.at <= wall)
}

/// A button's own steps. Before the first of them it follows the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ButtonPlan {
    /// The legacy button's id, 15 characters.
    pub button: String,
    /// Stages by instant, ascending.
    pub steps: Vec<Step>,
}

/// A window in which legacy starts no chats: `from` belongs to it, `until` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brownout {
    /// Its first instant.
    pub from: Wall,
    /// The first instant after it.
    pub until: Wall,
}

impl Brownout {
    /// Whether the instant is inside.
    #[must_use]
    pub fn holds(&self, wall: Wall) -> bool {
        self.from <= wall && wall < self.until
    }
}

/// What callers are told of the end of the API that they use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// Since when it is deprecated, or will be (RFC 9745).
    pub since: Wall,
    /// When it is expected to be gone (RFC 8594).
    pub sunset: Wall,
    /// A page about it.
    pub link: Option<String>,
}

/// What a move that sends more chats to MIAW must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceRule {
    /// Whether such a move needs a dry run without errors.
    pub required: bool,
    /// How old that dry run may be.
    pub max_age: Duration,
    /// A report of the dry run, as JSON; it counts beside what is recorded as a change.
    pub report: Option<PathBuf>,
}

impl Default for EvidenceRule {
    fn default() -> Self {
        Self { required: true, max_age: Duration::from_secs(7 * 24 * 60 * 60), report: None }
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
