//! Health, readiness, metrics, and the process in a few figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::problem::{Code, Problem};
use super::{Admin, Answer, Call, Reply, nodes};
use crate::adapter::miaw::summary::Listed;
use crate::chat::state::Phase;
use crate::mapping::keys::hex;
use crate::observe::metrics::Page;
use crate::time::Mono;

/// Whether the store is writable is found out by writing, so not more often than this.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// A store that takes longer is not ready.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// The last answer of the store, shared by whoever asks within a second.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<(Mono, Option<String>)>>);

impl Readiness {
    /// Why the store takes no writes, if so.
    async fn store(&self, admin: &Admin) -> Option<String> {
        let mut last = self.0.lock().await;
        let now = admin.parts.clock.now().mono;
        if let Some((at, answer)) = &*last
            && now.since(*at) < STORE_EVERY
        {
            return answer.clone();
        }
        let asked = tokio::time::timeout(STORE_WITHIN, admin.parts.store.writable()).await;
        let answer = match asked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("a write took longer than {} s", STORE_WITHIN.as_secs())),
        };
        *last = Some((admin.parts.clock.now().mono, answer.clone()));
        answer
    }
}

/// The process is alive: it answers.
pub(super) async fn health(_: Arc<Admin>, _: Call) -> Answer {
    Reply::ok(&json!({ "status": "alive" }))
}

/// New chats can be taken: the store takes writes, and the process is not about to stop. For a
/// balancer that would otherwise send nothing to anybody while the store is away, `exclude=store`
/// leaves the store and the lease out: relayed chats do not need them, the others wait for them.
pub(super) async fn ready(admin: Arc<Admin>, call: Call) -> Answer {
    let excludes = call.query.read_as("exclude", |text| match text {
        "store" => Ok(()),
        _ => Err("expected `store`".to_owned()),
    })?;
    let excludes = excludes.is_some();
    let draining = admin.parts.draining.is_cancelled();
    let (store, cluster) = match excludes {
        true => (None, None),
        false => (admin.readiness.store(&admin).await, nodes::check(&admin)),
    };
    let mut checks = json!({
        "store": store.as_deref().unwrap_or(if excludes { "excluded" } else { "ok" }),
        "draining": draining,
    });
    nodes::add(&mut checks, cluster.as_ref());
    let fenced = cluster.filter(|(_, serves)| !serves).map(|(why, _)| why);
    let store = store.or(fenced);
    if !draining && store.is_none() {
        return Reply::ok(&json!({ "status": "ready", "checks": checks }));
    }
    let detail = match store {
        Some(why) => why,
        None => "the process is about to stop".to_owned(),
    };
    Err(Problem::new(Code::NotReady, detail).with("checks", checks))
}

/// The process in a few figures.
pub(super) async fn status(admin: Arc<Admin>, call: Call) -> Answer {
    let parts = &admin.parts;
    let chats = parts.chats.list();
    let seen = |listed: &&Listed| call.sees(&listed.tenant);
    let mut phases: BTreeMap<&str, u64> = PHASES.into_iter().map(|phase| (phase, 0)).collect();
    for listed in chats.iter().filter(seen) {
        *phases.entry(phase(listed)).or_default() += 1;
    }
    let tenants = (parts.config)().tenants.iter().filter(|t| call.sees(&t.id)).count();
    let draining = parts.draining.is_cancelled();
    let limits = (parts.config)().limits.values().into_iter();
    let limits = limits.map(|(name, value)| json!({ "name": name, "value": value }));
    Reply::ok(&json!({
        "limits": limits.collect::<Vec<_>>(),
        "version": env!("CARGO_PKG_VERSION"),
        "now": parts.clock.now().wall.to_string(),
        "planFingerprint": fingerprint(&admin),
        "tenants": tenants,
        "chats": phases,
        "draining": draining,
        "storeProblem": admin.readiness.store(&admin).await,
    }))
}

/// One name for the plans and changes of all tenants: equal on nodes that have seen the same.
pub(super) fn fingerprint(admin: &Admin) -> String {
    let config = (admin.parts.config)();
    let mut all: Vec<(String, String)> = config
        .tenants
        .iter()
        .filter_map(|tenant| {
            let effective = admin.parts.cutover.effective(&tenant.id)?;
            Some((tenant.id.clone(), effective.fingerprint()))
        })
        .collect();
    all.sort();
    let lines: Vec<String> = all.iter().map(|(id, print)| format!("{id} {print}")).collect();
    let hash = digest::digest(&digest::SHA256, lines.join("\n").as_bytes());
    hex(hash.as_ref(), 8)
}

/// The words for phases, those of metrics and answers.
pub(super) const PHASES: [&str; 5] = ["starting", "requested", "waiting", "talking", "ended"];

/// The phase of a chat in a list.
pub(super) fn phase(listed: &Listed) -> &'static str {
    listed.glance.map_or("starting", |glance| phase_code(glance.phase))
}

/// The word for a phase.
pub(super) const fn phase_code(phase: Phase) -> &'static str {
    match phase {
        Phase::Requested => "requested",
        Phase::Waiting => "waiting",
        Phase::Talking => "talking",
        Phase::Ended => "ended",
    }
}

/// Everything that is counted, in OpenMetrics' text form.
pub(super) async fn metrics(admin: Arc<Admin>, _: Call) -> Answer {
    let parts = &admin.parts;
    let (metrics, chats) = (&parts.metrics, parts.chats.list());
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    page.info("bridge_build", "This program.", [("version", version)]);
    let print = fingerprint(&admin);
    let help = "Plans and changes of all tenants; equal on nodes that have seen the same.";
    page.info("bridge_plan", help, [("fingerprint", &print)]);
    live(&mut page, &chats);
    let relayed = parts.relay.running().into_iter().map(|(tenant, chats)| ([tenant], chats));
    let help = "Relayed chats that this process saw go on in the last 150 s.";
    page.gauge("bridge_relayed_chats", help, ["tenant"], relayed);
    let hosts = parts.relay.health().into_iter();
    let hosts = hosts.map(|host| ([host.tenant, host.host, host.state.code().to_owned()], 1));
    let help = "Legacy hosts as the requests of clients met them: alive, refusing or gone.";
    page.gauge("bridge_legacy_host", help, ["tenant", "host", "state"], hosts);
    page.counter(
        "bridge_decisions",
        "Decisions for new chats.",
        ["tenant", "route", "because"],
        &metrics.decisions,
    );
    let help = "Answers of the facade, by noun and class of status.";
    page.counter("bridge_requests", help, ["noun", "status"], &metrics.requests);
    page.counter(
        "bridge_upstream_calls",
        "Calls to Salesforce, by how they ended.",
        ["backend", "operation", "outcome"],
        &metrics.upstream,
    );
    let help = "How long MIAW took to answer, streams excepted.";
    page.histogram("bridge_upstream_call_seconds", help, &metrics.upstream_time);
    let help = "Chats on MIAW that were not started or broke off, and messages given up.";
    let failures = parts.chats.failures().counter();
    page.counter("bridge_chat_failures", help, ["tenant", "kind"], failures);
    let help = "Event streams that were opened again.";
    page.count("bridge_stream_reopens", help, parts.chats.streams_reopened());
    let help = "Events of streams whose types are not known; they are passed over.";
    page.count("bridge_stream_unknown_events", help, parts.chats.unknown_events());
    let help = "Writes to the store, by how they ended.";
    page.counter("bridge_store_writes", help, ["kind", "outcome"], &metrics.store);
    page.histogram("bridge_store_write_seconds", "How long a write took.", &metrics.store_time);
    if let Some(cluster) = &parts.cluster {
        nodes::measure(&mut page, cluster);
    }
    let dropped = (parts.capture)().map_or(0, |capture| capture.dropped());
    page.count("bridge_capture_dropped_lines", "Captured lines that were dropped.", dropped);
    let help = "Chats of an earlier process that were taken up at the start.";
    page.gauge("bridge_recovered_chats", help, [], [([], parts.recovered as u64)]);
    let help = "Answers of the admin API, by status.";
    page.counter("bridge_admin_requests", help, ["status"], &metrics.admin);
    let body = page.finish().into_bytes();
    Ok(Reply { status: StatusCode::OK, kind: Page::CONTENT_TYPE, body })
}

/// What can be told of the chats as they are now.
fn live(page: &mut Page, chats: &[Listed]) {
    let mut phases: BTreeMap<[String; 2], u64> = BTreeMap::new();
    let mut sums: BTreeMap<[String; 1], [u64; 3]> = BTreeMap::new();
    for listed in chats {
        let labels = [listed.tenant.clone(), phase(listed).to_owned()];
        *phases.entry(labels).or_default() += 1;
        let sum = sums.entry([listed.tenant.clone()]).or_default();
        if let Some(glance) = listed.glance {
            let figures = [glance.parked, glance.outbox, glance.pending];
            for (sum, figure) in sum.iter_mut().zip(figures) {
                *sum += figure as u64;
            }
        }
    }
    let help = "Translated chats that this process works on.";
    page.gauge("bridge_chats", help, ["tenant", "phase"], phases);
    let of = |at: usize| {
        let each = sums.iter().map(move |(labels, sum)| (labels.clone(), sum[at]));
        each.collect::<Vec<_>>()
    };
    page.gauge("bridge_polls_parked", "Polls that wait for something.", ["tenant"], of(0));
    let help = "Events that a visitor's program has not consumed yet.";
    page.gauge("bridge_outbox_events", help, ["tenant"], of(1));
    let help = "Calls to MIAW that are still to be made or confirmed.";
    page.gauge("bridge_pending_calls", help, ["tenant"], of(2));
}

/// How a chat in a list looks as JSON.
pub(super) fn listed(listed: &Listed) -> Value {
    let glance = listed.glance.unwrap_or_default();
    json!({
        "id": listed.chat.to_string(),
        "tenant": listed.tenant,
        "backend": "miaw",
        "phase": phase(listed),
        "began": glance.began.map(|at| at.to_string()),
        "lastEvent": listed.glance.map(|glance| glance.active.to_string()),
        "messagesFromVisitor": glance.said,
        "eventsForVisitor": glance.told,
        "eventsWaiting": glance.outbox,
        "pendingCalls": glance.pending,
        "pollsParked": glance.parked,
    })
}
