//! Watches the error budgets, and rolls a move back when one is used up.
//!
//! Promised: a roll-back is a change like any other, by [`WHO`], with its figures; never past the
//! removal, where a warning is all that is left; after one nothing more happens until somebody
//! moves on. Each node judges by its own chats. Not here: what is counted (`availability`) and what
//! is too much (`router::budget`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Cutover, ProposeError};
use crate::availability::Availability;
use crate::clock::Clock;
use crate::router::budget::{Breach, BudgetRule};
use crate::router::change::{Action, Effective, Proposal};
use crate::time::Wall;

/// Who rolls back.
pub const WHO: &str = "error budget";
/// How often budgets are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Runs for ever.
pub(crate) async fn watch(cutover: Cutover, seen: Arc<Availability>, clock: Clock) {
    let mut told = HashMap::new();
    loop {
        clock.until(clock.now().mono.plus(LOOK_EVERY)).await;
        let mut breaches = Vec::new();
        for tenant in cutover.tenants() {
            let Some(effective) = cutover.effective(&tenant) else { continue };
            let Some(rule) = effective.plan.budget.clone() else { continue };
            let (moves, on_miaw) = moves(&effective, clock.now().wall);
            match seen.breach(&tenant, &rule, &moves) {
                Some(breach) if on_miaw => breaches.push((tenant, effective, rule, breach, moves)),
                _ => {
                    told.remove(&tenant);
                }
            }
        }
        for (tenant, effective, rule, breach, moves) in breaches {
            if told.get(&tenant) == Some(&moves) {
                continue;
            }
            let is_known = act(&cutover, &clock, &tenant, &effective, (&rule, breach)).await;
            if is_known {
                told.insert(tenant, moves);
            }
        }
    }
}

/// What names the latest move, and whether any new chat goes to MIAW by it.
fn moves(effective: &Effective, wall: Wall) -> (String, bool) {
    let buttons = effective.buttons_with_rules().into_iter().map(Some);
    let each = std::iter::once(None).chain(buttons).map(|button| {
        let since = effective.in_force(button, wall).map(|in_force| in_force.at.millis());
        (button, effective.stage(button, wall), since)
    });
    let all: Vec<_> = each.collect();
    let on_miaw = effective.plan.has_legacy && all.iter().any(|(_, stage, _)| stage.share() > 0);
    (format!("{all:?}"), on_miaw)
}

/// Rolls back, or says that there is no way back; whether that is the end of it.
async fn act(
    cutover: &Cutover,
    clock: &Clock,
    tenant: &str,
    effective: &Effective,
    (rule, breach): (&BudgetRule, Breach),
) -> bool {
    let why = breach.says(rule);
    let wall = clock.now().wall;
    if wall >= effective.plan.removal || effective.latch.holds(&effective.plan) {
        tracing::warn!(tenant, why, "{breach}; legacy is gone, so nothing is rolled back");
        return true;
    }
    let action = Action::RollBack { button: None, acknowledged_until: None };
    let expected = effective.number;
    let proposal = Proposal { expected, who: WHO.to_owned(), why: why.clone(), action };
    match cutover.propose(tenant, proposal).await {
        Ok(change) => {
            let number = change.number;
            tracing::error!(tenant, number, why, "{breach}; new chats go to legacy again");
            true
        }
        Err(ProposeError::Refused(refused)) => {
            let code = refused.code;
            tracing::warn!(tenant, code, why, "{breach}; a roll-back is not possible: {refused}");
            true
        }
        Err(error @ (ProposeError::Store(_) | ProposeError::NoSuchTenant(_))) => {
            tracing::error!(tenant, why, "{breach}; the roll-back is tried again: {error}");
            false
        }
        // Somebody has just decided something: it is looked at anew.
        Err(ProposeError::Conflict { .. }) => false,
    }
}
