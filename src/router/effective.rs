//! The plan that holds: what the files declare, and every change since.
//!
//! Promised: the same plan and changes give the same result on every node; what stands by a change
//! beats every step of the file until it is lifted (docs/decisions/0009). Not here: the calendar's
//! rules, removal and margin, which nothing beats (`decide`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::change::{Action, Change};
use super::decide::PastRemoval;
use super::panic::Panic;
use super::plan::{self, Acknowledgement, Plan, Stage, Step, fingerprint, id15};
use crate::time::Wall;

/// Plan and changes, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// What the files declare.
    pub plan: Plan,
    /// The number of the tenant's last change; 0 for none.
    pub number: u64,
    /// What stands for the whole tenant.
    pub standing: Option<InForce>,
    /// What stands for single buttons, by 15-character id.
    pub buttons: BTreeMap<String, InForce>,
    /// No moves are taken, and no later step of the file begins.
    pub frozen: Option<Frozen>,
    /// Somebody vouches that legacy still answers: by a change, else by the file.
    pub acknowledgement: Option<Acknowledgement>,
    /// The change that says who vouches, or that nobody does; `None` when the file does.
    pub vouched_by: Option<u64>,
    /// Windows in which legacy starts no chats.
    pub brownouts: Vec<Window>,
    /// The latest dry run that was recorded.
    pub evidence: Option<Evidence>,
    /// Whether the removal was seen to be past, as far as it is stored.
    pub latch: PastRemoval,
    /// Something stands that was decided under another plan in the files.
    pub drift: Option<Drift>,
    /// What the panic file says; it beats all this.
    pub panic: Option<Panic>,
}

/// A stage, since when, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The stage.
    pub stage: Stage,
    /// Since when.
    pub at: Wall,
    /// Who said so.
    pub said: Said,
    /// The change that froze the plan, when a later step would be in force without it.
    pub frozen: Option<u64>,
}

/// Who says what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A step of the file.
    Step,
    /// A step that the file has for the chat's button.
    ButtonStep,
    /// A change.
    Change {
        /// Its number.
        number: u64,
    },
    /// A roll-back.
    RollBack {
        /// The change's number.
        number: u64,
    },
}

/// A freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Since when.
    pub at: Wall,
    /// The change's number.
    pub number: u64,
}

/// A brown-out window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first instant.
    pub from: Wall,
    /// The first instant after it.
    pub until: Wall,
    /// The change that planned it; `None` when the file did.
    pub number: Option<u64>,
}

/// A dry run's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The report's `evidence_hash`.
    pub hash: String,
    /// When the dry run was made.
    pub made_at: Wall,
    /// How many errors it found.
    pub errors: u64,
    /// The SHA-256 of each mapping file it was made with; none when nobody said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mappings: Vec<String>,
    /// The SHA-256 of the report itself, where somebody signed one that the bridge had made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// Something stands that was decided under another plan in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The newest change that stands and knew another plan.
    pub number: u64,
    /// The fingerprint of the plan it knew.
    pub recorded: String,
    /// The fingerprint of the plan in the files now.
    pub file: String,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, at) = (self.stage, self.at);
        match self.said {
            Said::Step => write!(f, "`{stage}` since {at}")?,
            Said::ButtonStep => write!(f, "`{stage}` since {at}, for this button")?,
            Said::Change { number } => write!(f, "`{stage}` since {at}, by change {number}")?,
            Said::RollBack { number } => {
                write!(f, "`{stage}` since {at}, rolled back by change {number}")?;
            }
        }
        match self.frozen {
            Some(number) => write!(f, "; change {number} froze the plan, so no later step begins"),
            None => Ok(()),
        }
    }
}

impl From<&Plan> for Effective {
    /// The plan alone, without changes.
    fn from(plan: &Plan) -> Self {
        let windows = plan.brownouts.iter();
        Self {
            plan: plan.clone(),
            number: 0,
            standing: None,
            buttons: BTreeMap::new(),
            frozen: None,
            acknowledgement: plan.acknowledgement.clone(),
            vouched_by: None,
            brownouts: windows
                .map(|window| Window { from: window.from, until: window.until, number: None })
                .collect(),
            evidence: None,
            latch: PastRemoval::NOT_YET,
            drift: None,
            panic: None,
        }
    }
}

/// The plan that holds after these changes, which are one tenant's and in order.
#[must_use]
pub fn fold(plan: &Plan, changes: &[Change]) -> Effective {
    let mut effective = Effective::from(plan);
    for change in changes {
        effective.take(change);
    }
    effective.drift = effective.drift(changes);
    effective
}

impl Effective {
    fn take(&mut self, change: &Change) {
        let number = change.number;
        self.number = number;
        match &change.action {
            Action::Stage { stage, button, acknowledged_until, .. } => {
                self.stand(button.as_deref(), change, *stage, Said::Change { number });
                self.vouch(change, *acknowledged_until);
            }
            Action::RollBack { button, acknowledged_until } => {
                if button.is_none() {
                    self.buttons.clear();
                }
                self.stand(button.as_deref(), change, Stage::Legacy, Said::RollBack { number });
                self.vouch(change, *acknowledged_until);
            }
            Action::Follow { button: Some(button), .. } => {
                self.buttons.remove(id15(button));
            }
            Action::Follow { button: None, .. } => self.standing = None,
            Action::Freeze => self.frozen = Some(Frozen { at: change.at, number }),
            Action::Unfreeze => self.frozen = None,
            Action::Brownout { from, until } => {
                self.brownouts.push(Window { from: *from, until: *until, number: Some(number) });
            }
            Action::EndBrownout => self.end_brownouts(change.at),
            Action::Acknowledge { until } => self.vouch(change, Some(*until)),
            Action::WithdrawAcknowledgement => {
                (self.acknowledgement, self.vouched_by) = (None, Some(number));
            }
            Action::Evidence(evidence) => self.evidence = Some(evidence.clone()),
            Action::PastRemoval { seen } => {
                let seen = self.latch.instant().map_or(*seen, |before| before.max(*seen));
                self.latch = PastRemoval::seen(seen);
            }
            Action::UndoPastRemoval => self.latch = PastRemoval::NOT_YET,
            Action::Unknown => {}
        }
    }

    fn stand(&mut self, button: Option<&str>, change: &Change, stage: Stage, said: Said) {
        let standing = InForce { stage, at: change.at, said, frozen: None };
        match button {
            Some(button) => {
                self.buttons.insert(id15(button).to_owned(), standing);
            }
            None => self.standing = Some(standing),
        }
    }

    fn vouch(&mut self, change: &Change, until: Option<Wall>) {
        if let Some(until) = until {
            let (by, reason) = (change.who.clone(), change.why.clone());
            self.acknowledgement = Some(Acknowledgement { until, by, reason });
            self.vouched_by = Some(change.number);
        }
    }

    fn end_brownouts(&mut self, at: Wall) {
        self.brownouts.retain(|window| window.number.is_none() || window.from < at);
        for window in &mut self.brownouts {
            if window.from <= at && at < window.until {
                window.until = at;
            }
        }
    }

    fn drift(&self, changes: &[Change]) -> Option<Drift> {
        let stands = |number: u64| {
            let mut all = self.buttons.values().chain(&self.standing);
            all.any(|standing| standing.number() == Some(number))
                || self.frozen.is_some_and(|frozen| frozen.number == number)
                || self.vouched_by == Some(number)
        };
        let file = self.plan.fingerprint();
        let other =
            changes.iter().rev().filter(|change| stands(change.number)).find_map(|change| {
                let recorded = change.file_plan.clone().filter(|recorded| *recorded != file)?;
                Some((change.number, recorded))
            });
        other.map(|(number, recorded)| Drift { number, recorded, file })
    }

    /// What is in force for a chat that starts at `wall`; `None` before the first step.
    ///
    /// The first that says something: a change for the button, a roll-back of the tenant, the
    /// file's steps for the button, a change for the tenant, the file's steps.
    #[must_use]
    pub fn in_force(&self, button: Option<&str>, wall: Wall) -> Option<InForce> {
        let Some(frozen) = self.frozen.filter(|frozen| frozen.at < wall) else {
            return self.said(button, wall);
        };
        let (held, free) = (self.said(button, frozen.at), self.said(button, wall));
        let number = Some(frozen.number).filter(|_| held != free);
        held.map(|held| InForce { frozen: number, ..held })
    }

    fn said(&self, button: Option<&str>, wall: Wall) -> Option<InForce> {
        let of_button = button.and_then(|button| self.buttons.get(id15(button)));
        if let Some(standing) = of_button {
            return Some(*standing);
        }
        let rolled_back = |standing: &InForce| matches!(standing.said, Said::RollBack { .. });
        if let Some(standing) = self.standing.filter(rolled_back) {
            return Some(standing);
        }
        let in_force =
            |step: &Step, said| InForce { stage: step.stage, at: step.at, said, frozen: None };
        let own = button.and_then(|button| self.plan.button(button));
        if let Some(step) = own.and_then(|own| plan::step_at(&own.steps, wall)) {
            return Some(in_force(step, Said::ButtonStep));
        }
        let step = || self.plan.step_at(wall).map(|step| in_force(step, Said::Step));
        self.standing.or_else(step)
    }

    /// The stage of a chat that starts at `wall`, by plan and changes alone.
    #[must_use]
    pub fn stage(&self, button: Option<&str>, wall: Wall) -> Stage {
        match self.in_force(button, wall) {
            _ if !self.plan.has_legacy => Stage::Miaw,
            Some(in_force) => in_force.stage,
            None => Stage::Legacy,
        }
    }

    /// Every button that has a rule of its own, in the file or by a change.
    #[must_use]
    pub fn buttons_with_rules(&self) -> Vec<&str> {
        let declared = self.plan.buttons.iter().map(|own| own.button.as_str());
        let mut all: Vec<&str> = declared.chain(self.buttons.keys().map(String::as_str)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The brown-out that an instant lies in.
    #[must_use]
    pub fn brownout(&self, wall: Wall) -> Option<Window> {
        let running = self.brownouts.iter().filter(|w| w.from <= wall && wall < w.until);
        running.max_by_key(|window| window.until).copied()
    }

    /// Until when the legacy service is taken to answer, for chats in progress too.
    #[must_use]
    pub fn legacy_ends(&self) -> Wall {
        let vouched = self.acknowledgement.as_ref().map(|vouched| vouched.until);
        vouched.map_or(self.plan.removal, |until| until.max(self.plan.removal))
    }

    /// Sixteen hex digits that name plan and changes: equal on every node that has seen the same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&format!("{} {}", self.plan.fingerprint(), self.number))
    }

    /// Every instant at which an answer may change, ascending, without repeats.
    #[must_use]
    pub fn instants(&self) -> Vec<Wall> {
        let mut all = self.plan.instants();
        all.extend(self.acknowledgement.as_ref().map(|vouched| vouched.until));
        all.extend(self.brownouts.iter().flat_map(|window| [window.from, window.until]));
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl InForce {
    /// The change that said so, if it was one.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        match self.said {
            Said::Change { number } | Said::RollBack { number } => Some(number),
            Said::Step | Said::ButtonStep => None,
        }
    }

    /// Whether this is a roll-back.
    #[must_use]
    pub const fn is_roll_back(&self) -> bool {
        matches!(self.said, Said::RollBack { .. })
    }
}
