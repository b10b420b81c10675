//! What whoever runs the bridge looks at: nodes, the last hour, what is left of the budgets.
//!
//! Promised: figures of this process, from what it counts anyway; a budget belongs to an org or a
//! tenant, and one of others is not shown. With a store that nodes share, the nodes are those that
//! the store knows.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use serde_json::{Value, json};

use super::{Admin, Answer, Call, Reply, probes, unavailable};
use crate::adapter::miaw::budget::TOKENS;
use crate::observe::history::{EVERY, Figures};
use crate::store::shared::Node;
use crate::time::Wall;

/// The nodes that work on this installation's chats.
pub(super) async fn nodes(admin: Arc<Admin>, _: Call) -> Answer {
    let nodes: Vec<Value> = match &admin.shared {
        Some(store) => {
            let all = store.nodes().await.map_err(|error| unavailable(&error))?;
            all.iter().map(node).collect()
        }
        None => vec![json!({
            "id": null,
            "name": "this process",
            "address": (admin.parts.config)().listen.to_string(),
            "live": !admin.parts.draining.is_cancelled(),
            "since": admin.since.to_string(),
            "chats": admin.parts.chats.len(),
            "fingerprint": probes::fingerprint(&admin),
        })],
    };
    Reply::ok(&json!({ "nodes": nodes }))
}

fn node(node: &Node) -> Value {
    json!({
        "id": node.told.incarnation.to_string(),
        "name": node.told.name,
        "address": node.told.address,
        "live": node.live,
        "since": node.since.to_string(),
        "chats": node.told.chats,
        "fingerprint": node.told.fingerprint,
    })
}

/// The last hour, minute by minute.
pub(super) async fn history(admin: Arc<Admin>, _: Call) -> Answer {
    let now = admin.parts.clock.now().wall;
    let (samples, open) = admin.history.read(figures(&admin));
    let samples: Vec<Value> = samples.iter().map(|(at, one)| sample(*at, one)).collect();
    Reply::ok(&json!({
        "everySeconds": EVERY.as_secs(),
        "samples": samples,
        "open": sample(now, &open),
    }))
}

fn sample(at: Wall, one: &Figures) -> Value {
    json!({
        "at": at.to_string(),
        "chats": one.chats,
        "relayedChats": one.relayed,
        "decidedMiaw": one.miaw,
        "decidedLegacy": one.legacy,
        "decidedRefused": one.refused,
        "requests": one.requests,
        "errors": one.errors,
        "calls": one.calls,
        "failedCalls": one.failed_calls,
        "callMillis": one.call_micros.checked_div(one.timed_calls).map(|micros| micros / 1_000),
        "writes": one.writes,
        "failedWrites": one.failed_writes,
    })
}

/// Ends a sample every minute, for as long as the API is there.
pub(super) async fn sample_for_ever(admin: Weak<Admin>) {
    loop {
        let Some(now) = admin.upgrade() else { return };
        let (clock, draining) = (now.parts.clock.clone(), now.parts.draining.clone());
        drop(now);
        let next = clock.now().mono.plus(EVERY);
        if draining.run_until_cancelled(clock.until(next)).await.is_none() {
            return;
        }
        let Some(now) = admin.upgrade() else { return };
        now.history.take(clock.now().wall, figures(&now));
    }
}

/// The figures of now.
fn figures(admin: &Admin) -> Figures {
    let parts = &admin.parts;
    let metrics = &parts.metrics;
    let mut found = Figures {
        chats: parts.chats.len() as u64,
        relayed: parts.relay.running().values().sum(),
        ..Figures::default()
    };
    metrics.decisions.each(|[_, route, _], count| match route.as_str() {
        "miaw" => found.miaw += count,
        "legacy" => found.legacy += count,
        _ => found.refused += count,
    });
    metrics.requests.each(|[_, class], count| {
        found.requests += count;
        found.errors += if class == "5xx" { count } else { 0 };
    });
    metrics.upstream.each(|[_, _, outcome], count| {
        found.calls += count;
        found.failed_calls += if outcome == "ok" { 0 } else { count };
    });
    metrics.store.each(|[_, outcome], count| {
        found.writes += count;
        found.failed_writes += if outcome == "ok" { 0 } else { count };
    });
    (found.timed_calls, found.call_micros) = metrics.upstream_time.sum();
    found
}

/// What is used of the budgets of orgs and tenants within the token's scope.
pub(super) async fn budgets(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let seen: Vec<_> = config.tenants.iter().filter(|tenant| call.sees(&tenant.id)).collect();
    let mut orgs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tenant in &seen {
        orgs.entry(&tenant.miaw.organization_id).or_default().push(&tenant.id);
    }
    let tokens = orgs.into_iter().map(|(org, tenants)| {
        let used = admin.parts.chats.tokens_used(org);
        json!({
            "org": org,
            "tenants": tenants,
            "used": used.used,
            "limit": TOKENS,
            "windowSeconds": 60,
            "waitSeconds": used.wait.as_secs(),
        })
    });
    let tokens: Vec<Value> = tokens.collect();
    let errors = seen.iter().filter_map(|tenant| {
        let rule = admin.parts.cutover.of(tenant).plan.budget.clone()?;
        let used = admin.parts.availability.budget(&tenant.id, &rule);
        Some(json!({
            "tenant": tenant.id,
            "chats": used.chats,
            "notStarted": used.not_started,
            "slow": used.slow,
            "unanswered": used.unanswered,
            "unheard": used.unheard,
            "maxShare": rule.max_share,
            "minChats": rule.min_chats,
            "windowSeconds": rule.window.as_secs(),
        }))
    });
    let errors: Vec<Value> = errors.collect();
    Reply::ok(&json!({ "tokens": tokens, "errors": errors }))
}
