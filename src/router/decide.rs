//! The decision: which backend a chat that starts now gets, and why.
//!
//! Promised: total and pure. Boundaries are inclusive on the later side: a chat of exactly
//! `removal - margin` goes to MIAW. Once a removal was seen to be past it stays past, even when the
//! calendar is set back.

use std::fmt;

use aws_lc_rs::digest;

use super::effective::{Effective, InForce, Said};
use super::panic::Panic;
use super::plan::{Plan, Stage, Step};
use crate::time::Wall;

/// The backend of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Salesforce's Live Agent REST API.
    Legacy,
    /// Messaging for In-App and Web.
    Miaw,
    /// None: the chat is refused.
    Refused,
}

impl Route {
    /// The word used in files, logs and JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Miaw => "miaw",
            Self::Refused => "refused",
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

    /// The lot in the middle: where it goes, most others go too.
    pub const MIDDLE: Self = Self(Self::LOTS / 2 - 1);

    /// The lot that a ramp sends to MIAW last.
    pub const LAST: Self = Self(Self::LOTS - 1);

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
    /// The panic file says so.
    PanicFile {
        /// Its word.
        word: Panic,
    },
    /// A brown-out: legacy, where the chat would have gone, starts none for now.
    BrownOut {
        /// When it ends.
        until: Wall,
        /// The change that planned it; `None` when the file did.
        number: Option<u64>,
    },
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
    /// What is in force says legacy, but legacy is gone and nobody vouches for it.
    LegacyIgnoredPastRemoval {
        /// What is ignored.
        in_force: InForce,
        /// When legacy went.
        removal: Wall,
        /// The end of an acknowledgement that is over.
        acknowledged_until: Option<Wall>,
    },
    /// What is in force says legacy, and somebody vouches that it still answers.
    AcknowledgedLegacy {
        /// What is in force.
        in_force: InForce,
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
        /// The change that froze the plan, when the step would have begun without it.
        frozen: Option<u64>,
    },
    /// What is in force says so: a step, a change or a roll-back.
    InForce {
        /// What is in force.
        in_force: InForce,
    },
    /// A ramp is in force, and the draw fell on this side.
    Ramp {
        /// What is in force.
        in_force: InForce,
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
            Self::PanicFile { .. } => "panic-file",
            Self::BrownOut { .. } => "brown-out",
            Self::PastRemoval { .. } => "past-removal",
            Self::Latched { .. } => "latched",
            Self::LegacyIgnoredPastRemoval { .. } => "legacy-ignored-past-removal",
            Self::AcknowledgedLegacy { .. } => "acknowledged-legacy",
            Self::WithinMargin { .. } => "within-margin",
            Self::LegacyNotConfigured => "legacy-not-configured",
            Self::AutoLegacy { .. } => "auto-legacy",
            Self::BeforeFirstStep { .. } => "before-first-step",
            Self::InForce { in_force } => match in_force.said {
                Said::Step | Said::ButtonStep => "step",
                Said::Change { .. } => "change",
                Said::RollBack { .. } => "rolled-back",
            },
            Self::Ramp { .. } => "ramp",
        }
    }
}

impl fmt::Display for Because {
    /// One sentence that names the rule, its instants and the draw.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PanicFile { word } => write!(f, "the panic file says `{}`", word.word()),
            Self::BrownOut { until, number } => {
                write!(f, "legacy starts no chats until {until}: a brown-out planned by ")?;
                match number {
                    Some(number) => write!(f, "change {number}"),
                    None => f.write_str("the file"),
                }
            }
            Self::PastRemoval { removal } => {
                write!(f, "legacy was removed at {removal}, so every new chat goes to MIAW")
            }
            Self::Latched { removal, seen } => write!(
                f,
                "the removal at {removal} was already past at {seen}; a clock set back does not \
                 bring legacy back"
            ),
            Self::LegacyIgnoredPastRemoval { in_force, removal, acknowledged_until } => {
                write!(f, "{in_force} is ignored: legacy was removed at {removal} and ")?;
                match acknowledged_until {
                    Some(until) => write!(f, "the acknowledgement ended at {until}"),
                    None => f.write_str("no acknowledgement says that it still answers"),
                }
            }
            Self::AcknowledgedLegacy { in_force, removal, until } => write!(
                f,
                "{in_force} stands despite the removal at {removal}: acknowledged until {until}"
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
            Self::BeforeFirstStep { first, frozen } => {
                write!(f, "legacy until the first step, `{}` at {}", first.stage, first.at)?;
                match frozen {
                    Some(number) => write!(f, ", which change {number} holds back"),
                    None => Ok(()),
                }
            }
            Self::InForce { in_force } => write!(f, "{in_force}"),
            Self::Ramp { in_force, percent, draw } => {
                let (lot, edge) = (draw.lot(), u16::from(*percent) * 100);
                let side = if draw.is_within(*percent) { "below" } else { "not below" };
                write!(f, "{in_force}: draw {lot} is {side} {edge} of 10000")
            }
        }
    }
}

/// Where a chat of this button that starts at `wall` goes. Without a button, where one goes whose
/// button has no rule of its own.
#[must_use]
pub fn decide(
    effective: &Effective,
    button: Option<&str>,
    wall: Wall,
    latch: PastRemoval,
    draw: Draw,
) -> Decision {
    let panicked = |route, word| Decision { route, because: Because::PanicFile { word } };
    match effective.panic {
        Some(Panic::Miaw) => return panicked(Route::Miaw, Panic::Miaw),
        Some(Panic::Refuse) => return panicked(Route::Refused, Panic::Refuse),
        Some(Panic::Legacy) if legacy_lives(effective, wall, latch) => {
            return panicked(Route::Legacy, Panic::Legacy);
        }
        Some(Panic::Legacy) | None => {}
    }
    let planned = planned(effective, button, wall, latch, draw);
    match effective.brownout(wall) {
        Some(window) if planned.route == Route::Legacy => {
            let because = Because::BrownOut { until: window.until, number: window.number };
            Decision { route: Route::Refused, because }
        }
        _ => planned,
    }
}

/// Whether there is a legacy service that answers at `wall`, for chats in progress too.
#[must_use]
pub fn legacy_lives(effective: &Effective, wall: Wall, latch: PastRemoval) -> bool {
    let plan = &effective.plan;
    plan.has_legacy && latest(plan, wall, latch) < effective.legacy_ends()
}

/// The calendar, not behind what was seen: setting it back does not undo that.
fn latest(plan: &Plan, wall: Wall, latch: PastRemoval) -> Wall {
    let seen = latch.instant().filter(|_| latch.holds(plan));
    seen.map_or(wall, |seen| seen.max(wall))
}

/// What plan, changes and calendar say.
fn planned(
    effective: &Effective,
    button: Option<&str>,
    wall: Wall,
    latch: PastRemoval,
    draw: Draw,
) -> Decision {
    let plan = &effective.plan;
    let latest = latest(plan, wall, latch);
    let wanted = wanted(effective, button, latest, draw);
    if latest < plan.last_call() || wanted.route == Route::Miaw && latest < plan.removal {
        return wanted;
    }
    let vouched = effective.acknowledgement.as_ref().map(|vouched| vouched.until);
    let removal = plan.removal;
    if wanted.route == Route::Legacy
        && let Some(in_force) = effective.in_force(button, latest)
    {
        if let Some(until) = vouched.filter(|until| latest < *until) {
            let because = Because::AcknowledgedLegacy { in_force, removal, until };
            return Decision { route: Route::Legacy, because };
        }
        if latest >= removal && wall >= removal {
            let acknowledged_until = vouched;
            let because =
                Because::LegacyIgnoredPastRemoval { in_force, removal, acknowledged_until };
            return Decision { route: Route::Miaw, because };
        }
    }
    let seen = latch.instant().filter(|_| latch.holds(plan));
    let because = match seen {
        _ if latest < removal => Because::WithinMargin { last_call: plan.last_call(), removal },
        Some(seen) if wall < removal => Because::Latched { removal, seen },
        _ => Because::PastRemoval { removal },
    };
    Decision { route: Route::Miaw, because }
}

/// What the stages alone say.
fn wanted(effective: &Effective, button: Option<&str>, wall: Wall, draw: Draw) -> Decision {
    let plan = &effective.plan;
    if !plan.has_legacy {
        return Decision { route: Route::Miaw, because: Because::LegacyNotConfigured };
    }
    let Some(in_force) = effective.in_force(button, wall) else {
        let because = match plan.steps.first() {
            Some(first) => {
                let frozen = effective.frozen.filter(|_| first.at <= wall).map(|f| f.number);
                Because::BeforeFirstStep { first: *first, frozen }
            }
            None => Because::AutoLegacy { last_call: plan.last_call() },
        };
        return Decision { route: Route::Legacy, because };
    };
    let (route, because) = match in_force.stage {
        Stage::Legacy | Stage::Shadow => (Route::Legacy, Because::InForce { in_force }),
        Stage::Miaw | Stage::Complete => (Route::Miaw, Because::InForce { in_force }),
        Stage::Ramp { percent } => {
            let route = if draw.is_within(percent) { Route::Miaw } else { Route::Legacy };
            (route, Because::Ramp { in_force, percent, draw })
        }
    };
    Decision { route, because }
}

/// The one answer that a chat gets whatever its button; `None` when it depends on the button.
#[must_use]
pub fn whatever_button(
    effective: &Effective,
    wall: Wall,
    latch: PastRemoval,
    draw: Draw,
) -> Option<Decision> {
    let general = decide(effective, None, wall, latch, draw);
    let same = |button| decide(effective, Some(button), wall, latch, draw).route == general.route;
    effective.buttons_with_rules().into_iter().all(same).then_some(general)
}
