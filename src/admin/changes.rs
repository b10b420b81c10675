//! The change list of a tenant: read it, append to it.
//!
//! Promised: who made a change is the token's subject, never what the body says; of two changes
//! that expect the same number one is made, the other is answered 409 with the number to look at.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Code, Problem};
use super::tenants::View;
use super::views::{self, ActionDoc};
use super::{Admin, Answer, Call, Reply, tenants, unavailable};
use crate::config::values;
use crate::cutover::ProposeError;
use crate::router::change::Proposal;
use crate::time::Wall;

/// Changes on a page unless the request says otherwise.
const PAGE: usize = 100;
/// The most changes on a page.
const PAGE_MAX: usize = 1_000;

/// Instants ahead that a preview compares.
const AHEAD_MAX: usize = 8;

/// What a change is asked for with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    /// The number of the tenant's last change that the asker has seen; 0 for none.
    expected: u64,
    why: String,
    action: ActionDoc,
}

pub(super) async fn list(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let limit = call.query.limit(PAGE, PAGE_MAX)?;
    let after = call.query.read_as("after", |text| {
        text.parse::<u64>().map_err(|_| "expected the number of a change".to_owned())
    })?;
    let mut all = admin.parts.cutover.changes(&tenant.id, after.unwrap_or(0), limit + 1);
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|last| last.number);
    let changes: Vec<Value> = all.iter().map(views::change).collect();
    Reply::ok(&json!({ "changes": changes, "next": next }))
}

pub(super) async fn propose(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let Wish { expected, why, action } = call.document()?;
    let who = call.who().to_owned();
    let proposal = Proposal { expected, who, why, action: action.into() };
    match admin.parts.cutover.propose(&tenant.id, proposal).await {
        Ok(change) => Reply::json(StatusCode::CREATED, &views::change(&change)),
        Err(error) => Err(refusal(&error)),
    }
}

/// What a change would do, without making it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Question {
    action: ActionDoc,
    /// The button to answer for; the whole tenant unless given.
    button: Option<String>,
}

/// What would follow from a change, by the rules that would take or refuse it.
pub(super) async fn preview(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let Question { action, button } = call.document()?;
    let button = button.as_deref();
    if let Some(button) = button {
        values::salesforce_id(button, "573")
            .map_err(|message| Problem::new(Code::BadRequest, format!("`button`: {message}")))?;
    }
    let now = admin.parts.clock.now().wall;
    let before = View::new(&admin, tenant, now, button);
    let (after, refused) = match admin.parts.cutover.preview(&tenant.id, action.into()).await {
        Ok(effective) => (Some(before.under(effective)), None),
        Err(ProposeError::Refused(refused)) => (None, Some(refused)),
        Err(error) => return Err(refusal(&error)),
    };
    let mut instants: Vec<Wall> = before.instants(AHEAD_MAX);
    instants.extend(after.iter().flat_map(|view| view.instants(AHEAD_MAX)));
    instants.sort_unstable();
    instants.dedup();
    instants.truncate(AHEAD_MAX);
    let row = |at: Wall| {
        json!({
            "at": at.to_string(),
            "before": before.at(at).moment(),
            "after": after.as_ref().map(|view| view.at(at).moment()),
        })
    };
    let ahead: Vec<Value> = instants.into_iter().map(row).collect();
    Reply::ok(&json!({
        "taken": refused.is_none(),
        "reason": refused.as_ref().map(|refused| refused.code),
        "detail": refused.as_ref().map(|refused| refused.message.as_str()),
        "now": row(now),
        "ahead": ahead,
    }))
}

/// Why a change was not made, as a problem.
pub(super) fn refusal(error: &ProposeError) -> Problem {
    match error {
        ProposeError::NoSuchTenant(_) => Problem::new(Code::NoSuchTenant, error.to_string()),
        ProposeError::Refused(refused) => {
            Problem::new(Code::Refused, &*refused.message).with("reason", refused.code)
        }
        ProposeError::Conflict { last } => {
            Problem::new(Code::Conflict, error.to_string()).with("last", *last)
        }
        ProposeError::Store(error) => unavailable(error),
    }
}
