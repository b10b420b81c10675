//! The change list of a tenant: read it, append to it.
//!
//! Promised: who made a change is the token's subject, never what the body says; of two changes
//! that expect the same number one is made, the other is answered 409 with the number to look at.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Code, Problem};
use super::views::{self, ActionDoc};
use super::{Admin, Answer, Call, Reply, tenants, unavailable};
use crate::cutover::ProposeError;
use crate::router::change::Proposal;

/// Changes on a page unless the request says otherwise.
const PAGE: usize = 100;
/// The most changes on a page.
const PAGE_MAX: usize = 1_000;

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

fn refusal(error: &ProposeError) -> Problem {
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
