//! Which changes are taken, and why the others are not.
//!
//! Promised: pure; each refusal has a stable code and a sentence that says what to do;
//! `docs/cutover.md` lists them all. Not here: the expected number, which is held against the list
//! when the change is stored.

use std::time::Duration;

use super::change::{Action, Proposal};
use super::decide::PastRemoval;
use super::effective::{Effective, Evidence};
use super::plan::{Stage, id15};
use crate::time::Wall;

/// The longest `who`, in characters.
pub const WHO_MAX: usize = 200;
/// The longest `why`, in characters.
pub const WHY_MAX: usize = 1_000;
/// The longest brown-out: longer ones are outages.
pub const BROWNOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Nobody vouches for legacy further ahead than this.
pub const ACKNOWLEDGED_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// A move is complete after so much time on MIAW alone, or after the removal.
pub const COMPLETE_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How far ahead of this clock another one may be.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// What is known when a change is proposed.
#[derive(Clone, Debug)]
pub struct Circumstances<'a> {
    /// The calendar.
    pub now: Wall,
    /// Whether the removal was seen to be past.
    pub latch: PastRemoval,
    /// The button that the tenant's legacy half names.
    pub button: Option<&'a str>,
    /// The buttons that the mapping file is for; all when there are none.
    pub mapped: &'a [String],
    /// The SHA-256 of each mapping file.
    pub mappings: &'a [String],
    /// The dry run whose report the file names.
    pub report: Option<&'a Evidence>,
}

/// Why a change is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

fn refused(code: &'static str, message: impl Into<String>) -> Refused {
    Refused { code, message: message.into() }
}

/// The action as it may be stored, or why not.
///
/// # Errors
/// The first reason against it.
pub fn propose(
    effective: &Effective,
    known: &Circumstances<'_>,
    proposal: &Proposal,
) -> Result<Action, Refused> {
    written("who", &proposal.who, WHO_MAX)?;
    written("why", &proposal.why, WHY_MAX)?;
    let case = Case { effective, known };
    let mut action = proposal.action.clone();
    if let Action::Stage { button, .. }
    | Action::Follow { button, .. }
    | Action::RollBack { button, .. } = &mut action
    {
        *button = button.as_deref().map(button_id).transpose()?;
    }
    match &action {
        Action::Stage { stage, button, without_evidence, acknowledged_until } => {
            let sure = *without_evidence;
            case.stage(*stage, button.as_deref(), sure, *acknowledged_until)?;
        }
        Action::Follow { button, without_evidence } => {
            case.follow(button.as_deref(), *without_evidence)?;
        }
        Action::RollBack { button, acknowledged_until } => {
            case.roll_back(button.as_deref(), *acknowledged_until)?;
        }
        Action::Freeze => {
            if let Some(frozen) = effective.frozen {
                let message = format!("the plan is frozen since change {}", frozen.number);
                return Err(refused("no-change", message));
            }
        }
        Action::Unfreeze if effective.frozen.is_none() => {
            return Err(refused("no-change", "the plan is not frozen"));
        }
        Action::Brownout { from, until } => case.brownout(*from, *until)?,
        Action::EndBrownout => case.end_brownout()?,
        Action::Acknowledge { until } => {
            case.has_legacy("an acknowledgement")?;
            case.dated(*until)?;
        }
        Action::WithdrawAcknowledgement if effective.acknowledgement.is_none() => {
            return Err(refused("no-change", "nobody vouches for legacy"));
        }
        Action::Evidence(evidence) => case.evidence(evidence)?,
        Action::UndoPastRemoval => case.undo_past_removal()?,
        Action::PastRemoval { .. } | Action::Unknown => {
            return Err(refused(
                "not-for-operators",
                "only the bridge itself writes such a change",
            ));
        }
        Action::Unfreeze | Action::WithdrawAcknowledgement => {}
    }
    Ok(action)
}

fn written(what: &str, text: &str, most: usize) -> Result<(), Refused> {
    let code = if what == "who" { "who-missing" } else { "reason-missing" };
    if text.trim().is_empty() {
        return Err(refused(code, format!("`{what}` is empty; every change says who and why")));
    }
    let count = text.chars().count();
    if count > most || text.chars().any(char::is_control) {
        let message =
            format!("`{what}` has {count} characters; expected one line of {most} at most");
        return Err(refused("text-form", message));
    }
    Ok(())
}

fn button_id(text: &str) -> Result<String, Refused> {
    let fits = matches!(text.len(), 15 | 18)
        && text.starts_with("573")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !fits {
        let message = format!(
            "`{}` is not a button id; expected 15 or 18 letters and digits that begin with 573",
            text.chars().take(40).collect::<String>().escape_default()
        );
        return Err(refused("not-a-button", message));
    }
    Ok(id15(text).to_owned())
}

/// One proposal against what holds.
struct Case<'a> {
    effective: &'a Effective,
    known: &'a Circumstances<'a>,
}

impl Case<'_> {
    fn past(&self) -> bool {
        let plan = &self.effective.plan;
        self.known.now >= plan.removal || self.known.latch.holds(plan)
    }

    /// How many of 100 new chats go to MIAW now.
    fn share(&self, effective: &Effective, button: Option<&str>) -> u8 {
        if self.past() && !self.vouched(None) {
            return 100;
        }
        effective.stage(button, self.known.now).share()
    }

    fn vouched(&self, until: Option<Wall>) -> bool {
        let standing = self.effective.acknowledgement.as_ref().map(|vouched| vouched.until);
        until.or(standing).is_some_and(|until| self.known.now < until)
    }

    fn stage(
        &self,
        stage: Stage,
        button: Option<&str>,
        without_evidence: bool,
        until: Option<Wall>,
    ) -> Result<(), Refused> {
        self.not_frozen()?;
        if let Some(until) = until {
            self.dated(until)?;
        }
        if stage.uses_legacy() {
            self.legacy_possible(&format!("`{stage}`"), until)?;
        }
        let (now, in_force) = (self.known.now, self.effective.in_force(button, self.known.now));
        let rolled_back = in_force.is_some_and(|now| now.is_roll_back());
        let from = self.effective.stage(button, now);
        if from == stage && !rolled_back && (in_force.is_some() || stage == Stage::Legacy) {
            let message = format!("`{stage}` is what new chats follow already");
            return Err(refused("no-change", message));
        }
        // Past the removal the calendar has moved everybody; what is said then only confirms it.
        if !self.past() && !from.may_become(stage, rolled_back) {
            return Err(illegal(from, stage));
        }
        if stage == Stage::Complete {
            return self.complete(button);
        }
        if stage.share() > self.share(self.effective, button) {
            self.mapped(button)?;
            self.shown(without_evidence)?;
        }
        Ok(())
    }

    fn follow(&self, button: Option<&str>, without_evidence: bool) -> Result<(), Refused> {
        self.not_frozen()?;
        let mut after = self.effective.clone();
        let lifted = match button {
            Some(button) => after.buttons.remove(button),
            None => after.standing.take(),
        };
        if lifted.is_none() {
            return Err(refused("no-change", "no change stands; the file is followed already"));
        }
        if self.share(&after, button) > self.share(self.effective, button) {
            self.mapped(button)?;
            self.shown(without_evidence)?;
        }
        Ok(())
    }

    fn roll_back(&self, button: Option<&str>, until: Option<Wall>) -> Result<(), Refused> {
        if let Some(until) = until {
            self.dated(until)?;
        }
        self.legacy_possible("a roll-back", until)?;
        let now = self.known.now;
        let mut concerned = vec![button];
        if button.is_none() {
            concerned.extend(self.effective.buttons_with_rules().into_iter().map(Some));
        }
        let moved = concerned.iter().any(|one| self.effective.stage(*one, now).share() > 0);
        let rolled_back =
            self.effective.in_force(button, now).is_some_and(|standing| standing.is_roll_back());
        if !moved && (rolled_back || !self.past()) {
            return Err(refused("no-change", "new chats go to legacy already"));
        }
        Ok(())
    }

    fn complete(&self, button: Option<&str>) -> Result<(), Refused> {
        if button.is_some() {
            let message = "`complete` is said of a whole tenant, not of one button";
            return Err(refused("whole-tenant-only", message));
        }
        if self.past() {
            return Ok(());
        }
        let now = self.known.now;
        let buttons = self.effective.buttons_with_rules();
        if let Some(left) =
            buttons.iter().find(|one| self.effective.stage(Some(one), now).share() < 100)
        {
            let stage = self.effective.stage(Some(left), now);
            let message = format!("button {left} is still on `{stage}`; move it to `miaw` first");
            return Err(refused("buttons-remain", message));
        }
        let least = i64::try_from(COMPLETE_AFTER.as_millis()).unwrap_or(i64::MAX);
        let since = self.effective.in_force(None, now).map(|in_force| in_force.at);
        if since.is_some_and(|since| now.millis_since(since) < least) {
            let message = format!(
                "`complete` needs {} days on `miaw`, or the removal at {}",
                COMPLETE_AFTER.as_secs() / 86_400,
                self.effective.plan.removal
            );
            return Err(refused("too-early", message));
        }
        Ok(())
    }

    fn not_frozen(&self) -> Result<(), Refused> {
        match self.effective.frozen {
            Some(frozen) => {
                let message = format!(
                    "change {} froze the plan at {}; unfreeze it first (a roll-back is possible all \
                     the same)",
                    frozen.number, frozen.at
                );
                Err(refused("frozen", message))
            }
            None => Ok(()),
        }
    }

    fn has_legacy(&self, what: &str) -> Result<(), Refused> {
        if self.effective.plan.has_legacy {
            return Ok(());
        }
        let message = format!("{what} needs the legacy service, but the tenant names none");
        Err(refused("no-legacy", message))
    }

    /// Legacy is configured, and starts chats now or is vouched for.
    fn legacy_possible(&self, what: &str, until: Option<Wall>) -> Result<(), Refused> {
        self.has_legacy(what)?;
        let plan = &self.effective.plan;
        if self.vouched(until) {
            return Ok(());
        }
        if self.past() {
            let message = format!(
                "{what} is not possible: legacy was removed at {}; if it still answers, say until \
                 when you vouch for it (acknowledgedUntil, --acknowledged-until)",
                plan.removal
            );
            return Err(refused("past-removal", message));
        }
        if self.known.now >= plan.last_call() {
            let message = format!(
                "{what} has no effect: legacy starts no chats from {} on, the margin before its \
                 removal at {}; if it will go on answering, say until when you vouch for it \
                 (acknowledgedUntil, --acknowledged-until)",
                plan.last_call(),
                plan.removal
            );
            return Err(refused("within-margin", message));
        }
        Ok(())
    }

    fn dated(&self, until: Wall) -> Result<(), Refused> {
        let ahead = until.millis_since(self.known.now);
        let most = i64::try_from(ACKNOWLEDGED_MAX.as_millis()).unwrap_or(i64::MAX);
        if ahead <= 0 || ahead > most {
            let message = format!(
                "{until} is no date to vouch for legacy until; expected one after now and within {} \
                 days",
                ACKNOWLEDGED_MAX.as_secs() / 86_400
            );
            return Err(refused("acknowledgement-date", message));
        }
        Ok(())
    }

    /// The mapping covers the button: the one asked about, else the tenant's own.
    fn mapped(&self, button: Option<&str>) -> Result<(), Refused> {
        let Some(button) = button.or(self.known.button) else { return Ok(()) };
        let covers = |one: &String| id15(one) == id15(button);
        if self.known.mapped.is_empty() || self.known.mapped.iter().any(covers) {
            return Ok(());
        }
        let message = format!(
            "the mapping does not cover button {button}: add it to `[match] buttons` of the mapping \
             file, or give it a file of its own"
        );
        Err(refused("unmapped-button", message))
    }

    /// A fresh dry run without errors says that the move can be made.
    fn shown(&self, without_evidence: bool) -> Result<(), Refused> {
        let rule = &self.effective.plan.evidence;
        if without_evidence || !rule.required {
            return Ok(());
        }
        const OVERRIDE: &str =
            "or override in writing (withoutEvidence; on the command line --without-evidence)";
        let all = self.effective.evidence.iter().chain(self.known.report);
        let Some(latest) = all.max_by_key(|evidence| evidence.made_at) else {
            let message =
                format!("no dry run is recorded; record one (`tenant evidence`), {OVERRIDE}");
            return Err(refused("no-evidence", message));
        };
        let age = self.known.now.millis_since(latest.made_at);
        let most = i64::try_from(rule.max_age.as_millis()).unwrap_or(i64::MAX);
        if age > most {
            let message = format!(
                "the dry run of {} is older than {} h; record a new one, {OVERRIDE}",
                latest.made_at,
                rule.max_age.as_secs() / 3_600
            );
            return Err(refused("stale-evidence", message));
        }
        let known = |file: &String| latest.mappings.contains(file);
        if !latest.mappings.is_empty() && !self.known.mappings.iter().all(known) {
            let message = format!(
                "the dry run of {} was made with another version of the mapping; make it again and \
                 record it, {OVERRIDE}",
                latest.made_at
            );
            return Err(refused("evidence-of-another-mapping", message));
        }
        if latest.errors > 0 {
            let message = format!(
                "the dry run of {} found {} errors; mend them and record a new one, {OVERRIDE}",
                latest.made_at, latest.errors
            );
            return Err(refused("evidence-with-errors", message));
        }
        Ok(())
    }

    fn brownout(&self, from: Wall, until: Wall) -> Result<(), Refused> {
        self.not_frozen()?;
        self.has_legacy("a brown-out")?;
        if self.past() && !self.vouched(None) {
            let message = "legacy is removed: there is nothing to rehearse any more";
            return Err(refused("past-removal", message));
        }
        let length = until.millis_since(from);
        let most = i64::try_from(BROWNOUT_MAX.as_millis()).unwrap_or(i64::MAX);
        if length <= 0 || length > most || until <= self.known.now {
            let message = format!(
                "{from} to {until} is no window for a brown-out; expected one of at most {} h that \
                 ends after now",
                BROWNOUT_MAX.as_secs() / 3_600
            );
            return Err(refused("brown-out-window", message));
        }
        Ok(())
    }

    fn end_brownout(&self) -> Result<(), Refused> {
        let now = self.known.now;
        let planned =
            |window: &super::effective::Window| window.number.is_some() && window.from > now;
        if self.effective.brownout(now).is_none() && !self.effective.brownouts.iter().any(planned) {
            let message = "no brown-out is running and no change has planned one; those of the file \
                           are ended there";
            return Err(refused("no-change", message));
        }
        Ok(())
    }

    fn evidence(&self, evidence: &Evidence) -> Result<(), Refused> {
        let hash = &evidence.hash;
        if !(16..=128).contains(&hash.len()) || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message =
                "`hash` is not the evidence_hash of a report; expected 16 to 128 hex digits";
            return Err(refused("evidence-form", message));
        }
        let whole = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        if !evidence.report.as_deref().is_none_or(whole) {
            let message = "`report` is not the SHA-256 of a report; expected 64 hex digits";
            return Err(refused("evidence-form", message));
        }
        let skew = i64::try_from(SKEW.as_millis()).unwrap_or(0);
        if evidence.made_at.millis_since(self.known.now) > skew {
            let message = format!("a dry run of {} has not been made yet", evidence.made_at);
            return Err(refused("evidence-form", message));
        }
        Ok(())
    }

    fn undo_past_removal(&self) -> Result<(), Refused> {
        let plan = &self.effective.plan;
        if !self.known.latch.holds(plan) {
            return Err(refused("no-change", "the removal was never seen to be past"));
        }
        if self.known.now >= plan.removal {
            let message = format!(
                "the removal at {} is past by this clock too; set the clock right, or move `removal` \
                 in the file",
                plan.removal
            );
            return Err(refused("past-removal", message));
        }
        Ok(())
    }
}

fn illegal(from: Stage, to: Stage) -> Refused {
    let instead = match (from, to) {
        (_, Stage::Legacy | Stage::Shadow) => "the way back to legacy is a roll-back",
        (Stage::Complete, _) => "reopen the move first, with `miaw`",
        (_, Stage::Complete) => "move to `miaw` first",
        _ => "see the table of moves in docs/cutover.md",
    };
    refused("illegal-move", format!("`{from}` is not followed by `{to}`: {instead}"))
}
