//! Dry runs made here: make one, read it, compare two, sign it.
//!
//! Reading order: this file (the answers), `made` (how one is made), `kept` (where it stays),
//! `compare`. Promised: what is given out as JSON is the very text whose SHA-256 names the report;
//! a signature is a change of the tenant's list, under the name of the token's subject, and counts
//! as the evidence that moves ask for.

mod compare;
pub(super) mod kept;
mod made;

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::{Code, Problem};
use super::{Admin, Answer, Call, Reply, changes, tenants, views};
use crate::config::Tenant;
use crate::router::change::{Action, Change, Evidence, Proposal};
use crate::time::Wall;
use kept::{About, Missing, Texts};
use made::Wish;

/// The longest body of a request for a dry run: it carries files.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Changes that are looked through for signatures.
const CHANGES_MAX: usize = 100_000;

pub(super) async fn list(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let signatures = signatures(&admin, &tenant.id);
    let reports = admin.reports.of(&tenant.id);
    let reports: Vec<Value> = reports.iter().map(|one| shown(one, tenant, &signatures)).collect();
    Reply::ok(&json!({ "reports": reports, "lasting": admin.reports.lasting() }))
}

pub(super) async fn make(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let wish = made::checked(call.document::<Wish>()?)?;
    let Ok(_turn) = admin.reports.making.try_acquire() else {
        let detail = "another dry run is being made; try again in a moment";
        return Err(Problem::new(Code::Overloaded, detail));
    };
    let counts = admin.parts.shadow.snapshot(&tenant.id);
    let signatures = signatures(&admin, &tenant.id);
    let signed: BTreeSet<String> =
        signatures.iter().filter_map(|change| signed_report(change).map(str::to_owned)).collect();
    let (now, who) = (admin.parts.clock.now().wall, call.who().to_owned());
    let (own, keeper) = (tenant.clone(), admin.clone());
    let made = blocking(move || {
        let (about, texts) = made::make(&own, wish, &counts, now, &who)?;
        keeper.reports.keep(about, texts, &signed).map_err(|error| {
            let detail = format!("the report could not be written into its folder: {error}");
            Problem::new(Code::StoreUnavailable, detail)
        })
    });
    let about = made.await?;
    let (id, report, verdict) = (&about.tenant, &about.report, &about.verdict);
    tracing::info!(tenant = id, report, verdict, "a dry run was made");
    Reply::json(StatusCode::CREATED, &shown(&about, tenant, &signatures))
}

/// The report itself, byte for byte what its hash is of.
pub(super) async fn one(admin: Arc<Admin>, call: Call) -> Answer {
    let texts = texts(&admin, &call, call.param(1)).await?;
    let body = texts.json.as_bytes().to_vec();
    Ok(Reply { status: StatusCode::OK, kind: "application/json", body })
}

/// The same as a page for people.
pub(super) async fn page(admin: Arc<Admin>, call: Call) -> Answer {
    let texts = texts(&admin, &call, call.param(1)).await?;
    let body = texts.html.as_bytes().to_vec();
    Ok(Reply { status: StatusCode::OK, kind: "text/html; charset=utf-8", body })
}

pub(super) async fn compared(admin: Arc<Admin>, call: Call) -> Answer {
    let Some(with) = call.query.text("with") else {
        let detail = "`with` is missing: the hash of the report to compare with";
        return Err(Problem::new(Code::BadRequest, detail));
    };
    let before = texts(&admin, &call, call.param(1)).await?;
    let after = texts(&admin, &call, with).await?;
    let read = |texts: &Texts| serde_json::from_str::<Value>(&texts.json).unwrap_or_default();
    let mut body = compare::compare(&read(&before), &read(&after));
    body["before"] = call.param(1).into();
    body["after"] = with.into();
    Reply::ok(&body)
}

/// What a signature is asked for with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    /// The number of the tenant's last change that the signer has seen; 0 for none.
    expected: u64,
    why: String,
}

/// Somebody vouches for a report: from now on it is the tenant's evidence.
pub(super) async fn sign(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, &call)?;
    let Signature { expected, why } = call.document()?;
    // What is signed is there, and is what its name says.
    texts(&admin, &call, call.param(1)).await?;
    let about = admin.reports.find(&tenant.id, call.param(1)).map_err(|error| missing(&error))?;
    let made_at = Wall::parse(&about.made_at).unwrap_or_else(|_| admin.parts.clock.now().wall);
    let evidence = Evidence {
        hash: about.evidence_hash,
        made_at,
        errors: about.errors,
        mappings: about.mappings,
        report: Some(about.report),
    };
    let (who, action) = (call.who().to_owned(), Action::Evidence(evidence));
    let proposal = Proposal { expected, who, why, action };
    let change = admin.parts.cutover.propose(&tenant.id, proposal).await;
    let change = change.map_err(|error| changes::refusal(&error))?;
    Reply::json(StatusCode::CREATED, &views::change(&change))
}

/// The changes by which somebody signed a report of a tenant.
fn signatures(admin: &Admin, tenant: &str) -> Vec<Change> {
    let mut all = admin.parts.cutover.changes(tenant, 0, CHANGES_MAX);
    all.retain(|change| signed_report(change).is_some());
    all
}

fn signed_report(change: &Change) -> Option<&str> {
    match &change.action {
        Action::Evidence(evidence) => evidence.report.as_deref(),
        _ => None,
    }
}

fn shown(about: &About, tenant: &Tenant, signatures: &[Change]) -> Value {
    let own = signatures.iter().filter(|change| signed_report(change) == Some(&about.report));
    let own = own.map(|change| {
        json!({
            "number": change.number,
            "who": change.who,
            "at": change.at.to_string(),
            "why": change.why,
        })
    });
    let now = tenant.mapping.iter().flat_map(|file| &file.each);
    let mut body = json!(about);
    body["fitsMapping"] = now.into_iter().all(|file| about.mappings.contains(file)).into();
    body["signatures"] = own.collect::<Vec<_>>().into();
    body
}

async fn texts(admin: &Arc<Admin>, call: &Call, report: &str) -> Result<Texts, Problem> {
    let config = (admin.parts.config)();
    let tenant = tenants::find(&config, call)?.id.clone();
    let (keeper, report) = (admin.clone(), report.to_owned());
    blocking(move || keeper.reports.texts(&tenant, &report).map_err(|error| missing(&error))).await
}

fn missing(error: &Missing) -> Problem {
    let code = match error {
        Missing::Unknown => Code::NoSuchReport,
        Missing::Unreadable(_) => Code::StoreUnavailable,
        Missing::Changed => Code::ReportChanged,
    };
    let help = match error {
        Missing::Unknown => {
            "; GET /admin/v1/tenants/{tenant}/reports lists what is. Reports are kept in the \
             process that made them, and in `[admin] reports` if that is set"
        }
        _ => "",
    };
    Problem::new(code, format!("{error}{help}"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::new(Code::Overloaded, "the work broke off; try again")))
}
