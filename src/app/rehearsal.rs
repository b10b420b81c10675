//! A configured tenant as the dry run takes it, for the command and for the demo.
//!
//! Promised: the routing table is the router's own, asked without run-time changes.

use crate::config;
use crate::report::dry_run::{self, RoutingRow};
use crate::report::sources::Setup;
use crate::router::calendar::{self, Asked};
use crate::router::decide::{Draw, PastRemoval};
use crate::router::effective::Effective;
use crate::time::Wall;

/// What the dry run asks of the tenant's own settings.
#[must_use]
pub fn setup(tenant: &config::Tenant) -> Setup {
    Setup {
        plan: tenant.plan.clone(),
        organization_id: tenant.miaw.organization_id.clone(),
        deployment: tenant.miaw.embedded_service_developer_name.clone(),
        token_grace_s: tenant.behaviour.token_grace.as_secs(),
        mapping_sha256: tenant.mapping.as_ref().map(|file| file.sha256.clone()),
    }
}

/// The tenant with its routing around `as_of`.
#[must_use]
pub fn tenant(tenant: &config::Tenant, as_of: Wall) -> dry_run::Tenant {
    let legacy = tenant.legacy.as_ref();
    dry_run::Tenant {
        id: tenant.id.clone(),
        mapping_name: tenant.mapping.as_ref().map(|file| {
            let names: Vec<String> = file.paths.iter().map(|p| p.display().to_string()).collect();
            names.join(", ")
        }),
        mapping: tenant.mapping.as_ref().map(|file| file.mapping.clone()).unwrap_or_default(),
        deployment_id: legacy.map(|l| l.deployment_id.clone()).unwrap_or_default(),
        button_id: legacy.and_then(|l| l.button_id.clone()).unwrap_or_default(),
        routing: routing(tenant, as_of),
        findings: Vec::new(),
    }
}

/// The routing table, with a row for the report's own instant. A ramp is answered for the first
/// lot.
fn routing(tenant: &config::Tenant, as_of: Wall) -> Vec<RoutingRow> {
    let Some(draw) = Draw::new(0) else { return Vec::new() };
    let latch = PastRemoval::NOT_YET;
    let effective = Effective::from(&tenant.plan);
    let asked = Asked { effective: &effective, button: None, latch, draw };
    let mut rows = calendar::table(asked);
    let label = "this report".to_owned();
    match rows.iter_mut().find(|row| row.at == as_of) {
        Some(row) => row.label = format!("{}, {label}", row.label),
        None => rows.push(calendar::row(asked, as_of, label)),
    }
    rows.sort_by_key(|row| row.at);
    let plain = |row: calendar::Row| RoutingRow {
        label: row.label,
        utc: row.at.to_string(),
        local: row.local,
        route: row.decision.route.code().to_owned(),
        because: row.decision.because.to_string(),
    };
    rows.into_iter().map(plain).collect()
}
