//! The decision: which backend a chat that starts now gets, and why.
//!
//! Promised: total and pure. Boundaries are inclusive on the later side: a chat of exactly
//! `removal - margin` goes to MIAW. Once a removal was seen to be past it stays past, even when the
//! calendar is set back.

use std::fmt;

use aws_lc_rs::digest;

use super::plan::{Acknowledgement, Plan, Stage, Step};
use crate::time::Wall;

/// The backend of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Salesforce's Live Agent REST API.
    Legacy,
    /// Messaging for In-App and Web.
    Miaw,
}

impl Route {
    /// The word used in files, logs and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Miaw => "miaw",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether this tenant's removal was ever seen to be past, and at what calendar instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PastRemoval(Option<Wall>);

impl PastRemoval {
    /// Never seen.
    pub const NOT_YET: Self = Self(None);

    /// Seen at `wall`: how a stored latch is read back.
    #[must_use]
    pub const fn seen(wall: Wall) -> Self {
        Self(Some(wall))
    }

    /// The instant to store, if any.
    #[must_use]
    pub const fn instant(self) -> Option<Wall> {
        self.0
    }

    /// Latches when `wall` is at or past the removal; true when that changed something, so that
    /// the caller stores it.
    pub fn observe(&mut self, plan: &Plan, wall: Wall) -> bool {
        if wall < plan.removal || self.holds(plan) {
            return false;
        }
        self.0 = Some(wall);
        true
    }

    /// Whether the latch counts for this plan: a removal moved to after the sighting unlatches.
    #[must_use]
    pub fn holds(self, plan: &Plan) -> bool {
        self.0.is_some_and(|seen| seen >= plan.removal)
    }
}

/// A chat's lot in a ramp: 0 to 9,999, fixed for the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Draw(u16);

impl Draw {
    /// How many lots there are.
    pub const LOTS: u16 = 10_000;

    /// A lot by number; `None` from 10,000 on.
    #[must_use]
    pub const fn new(lot: u16) -> Option<Self> {
        if lot < Self::LOTS { Some(Self(lot)) } else { None }
    }

    /// The lot of a chat: the same on every node and for every share, so that a chat that is on
    /// MIAW at 10 % is on MIAW at 50 % too.
    #[must_use]
    pub fn of(tenant: &str, chat: &str) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"liveagent-bridge/draw/1\0");
        hash.update(tenant.as_bytes());
        hash.update(b"\0");
        hash.update(chat.to_ascii_lowercase().as_bytes());
        let head = hash.finish().as_ref().iter().take(8).fold(0_u64, |n, b| n << 8 | u64::from(*b));
        Self((head % u64::from(Self::LOTS)) as u16)
    }

    /// The number.
    #[must_use]
    pub const fn lot(self) -> u16 {
        self.0
    }

    /// Whether this lot is among the first `percent` of a hundred.
    #[must_use]
    pub const fn is_within(self, percent: u8) -> bool {
        self.0 < percent as u16 * 100
    }
}

/// The answer of [`decide`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where the chat goes.
    pub route: Route,
    /// The rule that said so.
    pub because: Because,
}

/// The rule that decided. `code` is stable; the sentence may be reworded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Because {
    /// The legacy service is gone.
    PastRemoval {
        /// When it went.
        removal: Wall,
    },
    /// The removal was seen to be past earlier; the calendar was set back since.
    Latched {
        /// When it went.
        removal: Wall,
        /// The latest calendar instant it was seen to be past at.
        seen: Wall,
    },
    /// A step says legacy, but legacy is gone and nobody vouches for it.
    LegacyIgnoredPastRemoval {
        /// The step that is ignored.
        step: Step,
        /// When legacy went.
        removal: Wall,
        /// The end of an acknowledgement that is over.
        acknowledged_until: Option<Wall>,
    },
    /// A step says legacy, and somebody vouches that it still answers.
    AcknowledgedLegacy {
        /// The step in force.
        step: Step,
        /// When legacy was to go.
        removal: Wall,
        /// The end of the acknowledgement.
        until: Wall,
    },
    /// Too close to the removal to start a chat on legacy.
    WithinMargin {
        /// When the margin began.
        last_call: Wall,
        /// When legacy goes.
        removal: Wall,
    },
    /// The tenant names no legacy service.
    LegacyNotConfigured,
    /// No steps are declared and the margin has not begun.
    AutoLegacy {
        /// When it begins.
        last_call: Wall,
    },
    /// Steps are declared and the first has not begun.
    BeforeFirstStep {
        /// The first step.
        first: Step,
    },
    /// The step in force says so.
    Step {
        /// That step.
        step: Step,
    },
    /// The step in force is a ramp, and the draw fell on this side.
    Ramp {
        /// When the ramp's share came into force.
        at: Wall,
        /// The share that goes to MIAW.
        percent: u8,
        /// The chat's lot.
        draw: Draw,
    },
}

impl Because {
    /// The stable code for JSON, logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PastRemoval { .. } => "past-removal",
            Self::Latched { .. } => "latched",
            Self::LegacyIgnoredPastRemoval { .. } => "legacy-ignored-past-removal",
            Self::AcknowledgedLegacy { .. } => "acknowledged-legacy",
            Self::WithinMargin { .. } => "within-margin",
            Self::LegacyNotConfigured => "legacy-not-configured",
            Self::AutoLegacy { .. } => "auto-legacy",
            Self::BeforeFirstStep { .. } => "before-first-step",
            Self::Step { .. } => "step",
            Self::Ramp { .. } => "ramp",
        }
    }
}

impl fmt::Display for Because {
    /// One sentence that names the rule, its instants and the draw.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PastRemoval { removal } => {
                write!(f, "legacy was removed at {removal}, so every new chat goes to MIAW")
            }
            Self::Latched { removal, seen } => write!(
                f,
                "the removal at {removal} was already past at {seen}; a clock set back does not \
                 bring legacy back"
            ),
            Self::LegacyIgnoredPastRemoval { step, removal, acknowledged_until } => {
                let (at, stage) = (step.at, step.stage);
                write!(f, "`{stage}` since {at} is ignored: legacy was removed at {removal} and ")?;
                match acknowledged_until {
                    Some(until) => write!(f, "the acknowledgement ended at {until}"),
                    None => f.write_str("no acknowledgement says that it still answers"),
                }
            }
            Self::AcknowledgedLegacy { step, removal, until } => write!(
                f,
                "`{}` since {} stands despite the removal at {removal}: acknowledged until {until}",
                step.stage, step.at
            ),
            Self::WithinMargin { last_call, removal } => write!(
                f,
                "legacy starts no chats from {last_call} on, the margin before its removal at \
                 {removal}"
            ),
            Self::LegacyNotConfigured => f.write_str("this tenant names no legacy service"),
            Self::AutoLegacy { last_call } => {
                write!(f, "no steps are planned, so legacy until {last_call}")
            }
            Self::BeforeFirstStep { first } => {
                write!(f, "legacy until the first step, `{}` at {}", first.stage, first.at)
            }
            Self::Step { step } => write!(f, "`{}` since {}", step.stage, step.at),
            Self::Ramp { at, percent, draw } => {
                let (lot, edge) = (draw.lot(), u16::from(*percent) * 100);
                let side = if draw.is_within(*percent) { "below" } else { "not below" };
                write!(f, "ramp {percent} % since {at}: draw {lot} is {side} {edge} of 10000")
            }
        }
    }
}

/// Where a chat that starts at `wall` goes.
#[must_use]
pub fn decide(plan: &Plan, wall: Wall, latch: PastRemoval, draw: Draw) -> Decision {
    // A calendar that was set back does not undo what was seen.
    let seen = latch.instant().filter(|_| latch.holds(plan));
    let effective = seen.map_or(wall, |seen| seen.max(wall));
    let wanted = wanted(plan, effective, draw);
    if effective < plan.last_call() || wanted.route == Route::Miaw && effective < plan.removal {
        return wanted;
    }
    let vouched = plan.acknowledgement.as_ref();
    if wanted.route == Route::Legacy
        && let Some(step) = plan.step_at(effective)
    {
        if let Some(until) = vouched.map(|a| a.until).filter(|until| effective < *until) {
            let removal = plan.removal;
            let because = Because::AcknowledgedLegacy { step: *step, removal, until };
            return Decision { route: Route::Legacy, because };
        }
        if effective >= plan.removal && wall >= plan.removal {
            return ignored(*step, plan.removal, vouched);
        }
    }
    let because = match seen {
        _ if effective < plan.removal => {
            Because::WithinMargin { last_call: plan.last_call(), removal: plan.removal }
        }
        Some(seen) if wall < plan.removal => Because::Latched { removal: plan.removal, seen },
        _ => Because::PastRemoval { removal: plan.removal },
    };
    Decision { route: Route::Miaw, because }
}

/// What the declared stages alone say.
fn wanted(plan: &Plan, wall: Wall, draw: Draw) -> Decision {
    if !plan.has_legacy {
        return Decision { route: Route::Miaw, because: Because::LegacyNotConfigured };
    }
    let Some(step) = plan.step_at(wall).copied() else {
        let because = match plan.steps.first() {
            Some(first) => Because::BeforeFirstStep { first: *first },
            None => Because::AutoLegacy { last_call: plan.last_call() },
        };
        return Decision { route: Route::Legacy, because };
    };
    match step.stage {
        Stage::Legacy => Decision { route: Route::Legacy, because: Because::Step { step } },
        Stage::Miaw => Decision { route: Route::Miaw, because: Because::Step { step } },
        Stage::Ramp { percent } => {
            let route = if draw.is_within(percent) { Route::Miaw } else { Route::Legacy };
            Decision { route, because: Because::Ramp { at: step.at, percent, draw } }
        }
    }
}

fn ignored(step: Step, removal: Wall, vouched: Option<&Acknowledgement>) -> Decision {
    let acknowledged_until = vouched.map(|a| a.until);
    let because = Because::LegacyIgnoredPastRemoval { step, removal, acknowledged_until };
    Decision { route: Route::Miaw, because }
}
