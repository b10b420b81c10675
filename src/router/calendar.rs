//! What a plan does around its own instants: the table people read before they sign a cutover off.
//!
//! Promised: rows ascend and never repeat an instant; every row is an answer of `decide`.

use super::decide::{Decision, Draw, PastRemoval, decide};
use super::effective::Effective;
use super::plan::Stage;
use crate::time::Wall;

const SECOND: i64 = 1_000;
const DAY: i64 = 24 * 60 * 60 * SECOND;

/// One instant and what a chat started then would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The instant.
    pub at: Wall,
    /// The same instant as people of the plan's zone write it.
    pub local: String,
    /// What is special about it.
    pub label: String,
    /// The router's answer.
    pub decision: Decision,
}

/// Whose chats a table is about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The plan that holds.
    pub effective: &'a Effective,
    /// The chats' button; without one, those whose button has no rule of its own.
    pub button: Option<&'a str>,
    /// Whether the removal was seen to be past.
    pub latch: PastRemoval,
    /// The chats' lot.
    pub draw: Draw,
}

/// The rows around removal and margin, every step and the acknowledgement's end, for one draw.
#[must_use]
pub fn table(asked: Asked<'_>) -> Vec<Row> {
    let plan = &asked.effective.plan;
    let (removal, last_call) = (plan.removal, plan.last_call());
    let mut marks = vec![
        (removal.plus_millis(-30 * DAY), "30 days before removal".to_owned()),
        (last_call.plus_millis(-SECOND), "last second before the margin".to_owned()),
        (last_call, "margin begins".to_owned()),
        (removal.plus_millis(-SECOND), "last second before removal".to_owned()),
        (removal, "removal".to_owned()),
        (removal.plus_millis(SECOND), "first second after removal".to_owned()),
        (removal.plus_millis(7 * DAY), "7 days after removal".to_owned()),
    ];
    marks.extend(declared(asked));
    marks.sort_by_key(|(at, _)| *at);
    let mut rows: Vec<Row> = Vec::with_capacity(marks.len());
    for (at, label) in marks {
        match rows.last_mut() {
            Some(last) if last.at == at => last.label = format!("{}, {label}", last.label),
            _ => rows.push(row(asked, at, label)),
        }
    }
    rows
}

/// The instants that plan and changes declare for these chats, and what begins or ends there.
#[must_use]
pub fn declared(asked: Asked<'_>) -> Vec<(Wall, String)> {
    let Asked { effective, button, .. } = asked;
    let plan = &effective.plan;
    let own = button.and_then(|button| plan.button(button));
    let of_tenant = plan.steps.iter().map(|step| (step.at, format!("step `{}`", step.stage)));
    let of_button = own.iter().flat_map(|own| &own.steps);
    let of_button =
        of_button.map(|step| (step.at, format!("step `{}` of this button", step.stage)));
    let windows = effective.brownouts.iter().flat_map(|window| {
        [(window.from, "brown-out begins".to_owned()), (window.until, "brown-out ends".to_owned())]
    });
    let vouched = effective.acknowledgement.iter();
    let vouched = vouched.map(|vouched| (vouched.until, "acknowledgement ends".to_owned()));
    of_tenant.chain(of_button).chain(windows).chain(vouched).collect()
}

/// One row for an instant of the caller's choice.
#[must_use]
pub fn row(asked: Asked<'_>, at: Wall, label: String) -> Row {
    let Asked { effective, button, latch, draw } = asked;
    let decision = decide(effective, button, at, latch, draw);
    Row { at, local: effective.plan.zone.print(at), label, decision }
}

/// The next instant after `wall` at which some chat of this button would get another answer or
/// another reason.
#[must_use]
pub fn next_change(effective: &Effective, button: Option<&str>, wall: Wall) -> Option<Wall> {
    let instants = effective.instants().into_iter().filter(|at| *at > wall);
    instants.into_iter().find(|at| changes_at(effective, button, *at))
}

fn changes_at(effective: &Effective, button: Option<&str>, at: Wall) -> bool {
    let before = at.plus_millis(-1);
    lots(effective).into_iter().any(|draw| {
        let was = decide(effective, button, before, PastRemoval::NOT_YET, draw);
        was != decide(effective, button, at, PastRemoval::NOT_YET, draw)
    })
}

/// One draw for each side of each ramp: enough to see any difference.
fn lots(effective: &Effective) -> Vec<Draw> {
    let plan = &effective.plan;
    let declared = plan.steps.iter().chain(plan.buttons.iter().flat_map(|own| &own.steps));
    let standing = effective.standing.iter().chain(effective.buttons.values());
    let stages = declared.map(|step| step.stage).chain(standing.map(|standing| standing.stage));
    let edges = stages.filter_map(|stage| match stage {
        Stage::Ramp { percent } => Some(u16::from(percent) * 100),
        _ => None,
    });
    let lots = edges.flat_map(|edge| [edge.saturating_sub(1), edge]).chain([0]);
    lots.filter_map(Draw::new).collect()
}
