//! What a plan does around its own instants: the table people read before they sign a cutover off.
//!
//! Promised: rows ascend and never repeat an instant; every row is an answer of `decide`.

use super::decide::{Decision, Draw, PastRemoval, decide};
use super::plan::{Plan, Stage};
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

/// The rows around removal and margin, every step and the acknowledgement's end, for one draw.
#[must_use]
pub fn table(plan: &Plan, latch: PastRemoval, draw: Draw) -> Vec<Row> {
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
    marks.extend(plan.steps.iter().map(|step| (step.at, format!("step `{}`", step.stage))));
    if let Some(vouched) = &plan.acknowledgement {
        marks.push((vouched.until, "acknowledgement ends".to_owned()));
    }
    marks.sort_by_key(|(at, _)| *at);
    let mut rows: Vec<Row> = Vec::with_capacity(marks.len());
    for (at, label) in marks {
        match rows.last_mut() {
            Some(last) if last.at == at => last.label = format!("{}, {label}", last.label),
            _ => rows.push(row(plan, at, label, latch, draw)),
        }
    }
    rows
}

/// One row for an instant of the caller's choice.
#[must_use]
pub fn row(plan: &Plan, at: Wall, label: String, latch: PastRemoval, draw: Draw) -> Row {
    Row { at, local: plan.zone.print(at), label, decision: decide(plan, at, latch, draw) }
}

/// The next instant after `wall` at which some chat would get another answer or another reason.
#[must_use]
pub fn next_change(plan: &Plan, wall: Wall) -> Option<Wall> {
    plan.instants().into_iter().filter(|at| *at > wall).find(|at| changes_at(plan, *at))
}

fn changes_at(plan: &Plan, at: Wall) -> bool {
    let before = at.plus_millis(-1);
    lots(plan).into_iter().any(|draw| {
        let was = decide(plan, before, PastRemoval::NOT_YET, draw);
        was != decide(plan, at, PastRemoval::NOT_YET, draw)
    })
}

/// One draw for each side of each ramp of the plan: enough to see any difference.
fn lots(plan: &Plan) -> Vec<Draw> {
    let edges = plan.steps.iter().filter_map(|step| match step.stage {
        Stage::Ramp { percent } => Some(u16::from(percent) * 100),
        _ => None,
    });
    let lots = edges.flat_map(|edge| [edge.saturating_sub(1), edge]).chain([0]);
    lots.filter_map(Draw::new).collect()
}
