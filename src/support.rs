//! `check --bundle`: what somebody who helps needs to know, and nothing that is nobody's business.
//!
//! Promised: one JSON document that can be read before it is sent. In it: versions, settings as
//! numbers and switches, tenant ids, org ids, host names of base addresses, plan, findings by code
//! and place, hashes and counts of mapping files and of the store. Never in it: secrets, texts,
//! labels, keys and values of mappings, names, reasons, folders, anything of a chat. What people
//! wrote is left out by not being copied; messages, which may quote it, lose what they quote
//! (`words`). Nothing is changed on the disk, and the store's lock is not touched (`store`).

mod store;
mod words;

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use crate::config::{Behaviour, Loaded, Problem, StoreConfig, Tenant};
use crate::preflight::Checked;
use crate::router::calendar::{self, Asked};
use crate::router::decide::{Draw, PastRemoval};
use crate::router::effective::Effective;
use crate::router::plan::Plan;
use crate::time::Wall;

/// The version of the document's form.
const FORM: u32 = 1;
/// Tenants that are described; of more there is the number.
const TENANTS_MAX: usize = 500;

/// What the bundle is made of.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// The configuration's file.
    pub file: &'a Path,
    /// What it says; `None` when it has problems.
    pub loaded: Option<&'a Loaded>,
    /// Its problems.
    pub problems: &'a [Problem],
    /// What was seen live, where somebody asked for that.
    pub live: &'a [Checked],
    /// The time.
    pub now: Wall,
}

/// The document. Looks at the store's files.
#[must_use]
pub fn bundle(material: &Material<'_>) -> Value {
    let config = material.loaded.map(|loaded| &loaded.config);
    let notes = material.loaded.map(|loaded| loaded.notes.as_slice()).unwrap_or_default();
    let list = |all: &[Problem]| all.iter().map(words::finding).collect::<Vec<_>>();
    let live_list = |all: &[Problem], tenant: &str| {
        all.iter().map(|one| words::live_finding(one, tenant)).collect::<Vec<_>>()
    };
    let live = material.live.iter().map(|checked| {
        let seen: Vec<Value> = checked
            .seen
            .iter()
            .map(|(what, text)| json!({ "what": what, "seen": words::without_quotes(text) }))
            .collect();
        json!({
            "tenant": checked.tenant, "seen": seen,
            "problems": live_list(&checked.problems, &checked.tenant),
            "notes": live_list(&checked.notes, &checked.tenant),
        })
    });
    json!({
        "bundle": FORM,
        "read_me": "Made by `check --bundle`. Read it before you send it. It holds no secrets, \
                    no texts and nothing of any chat; it does name tenants, orgs and hosts.",
        "made_at": material.now.to_string(),
        "program": program(),
        "configuration": {
            "file": file_name(material.file),
            "problems": list(material.problems),
            "notes": list(notes),
            "settings": config.map(|config| json!({
                "listens_on_this_machine_only": config.listen.ip().is_loopback(),
                "port": config.listen.port(),
                "limits": config.limits.values().into_iter().map(|(name, value)|
                    (name.to_owned(), value.into())).collect::<serde_json::Map<_, _>>(),
                "panic_file_is_there": config.panic_file.as_ref().map(|path| path.exists()),
                "egress_proxy": config.egress.proxy.is_some(),
                "egress_extra_ca_file": config.egress.extra_ca_file.is_some(),
            })),
        },
        "store": config.map(|config| match &config.store {
            StoreConfig::Memory => json!({ "kind": "memory" }),
            StoreConfig::Postgres { cluster, .. } => {
                json!({ "kind": "postgres", "cluster": cluster.is_some() })
            }
            StoreConfig::Sqlite { path, key_ring } => store::look(path, key_ring.is_some()),
        }),
        "tenant_count": config.map(|config| config.tenants.len()),
        "tenants": config.map(|config| config.tenants.iter().take(TENANTS_MAX)
            .map(|one| tenant(one, material.now)).collect::<Vec<_>>()),
        "live": live.collect::<Vec<_>>(),
    })
}

fn program() -> Value {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "debug_build": cfg!(debug_assertions),
        "os": std::env::consts::OS,
        "kernel": kernel.map(|text| text.trim().to_owned()),
        "architecture": std::env::consts::ARCH,
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
    })
}

fn tenant(tenant: &Tenant, now: Wall) -> Value {
    let host = |address: &str| {
        let url = Url::parse(address).ok();
        url.map(|url| {
            json!({
                "scheme": url.scheme(), "host": url.host_str(), "port": url.port(),
                "has_path": !url.path().trim_matches('/').is_empty(),
            })
        })
    };
    json!({
        "id": tenant.id,
        "own_hosts": tenant.hosts.len(),
        "legacy": tenant.legacy.as_ref().map(|legacy| json!({
            "base": host(&legacy.live_agent_base_url),
            "api_version": legacy.api_version,
            "organization_id": legacy.organization_id,
            "deployment_id": legacy.deployment_id,
            "button_id": legacy.button_id,
        })),
        "miaw": {
            "base": host(&tenant.miaw.base_url),
            "organization_id": tenant.miaw.organization_id,
            "embedded_service_developer_name": tenant.miaw.embedded_service_developer_name,
            "capabilities_version": tenant.miaw.capabilities_version,
            "identity": tenant.miaw.identity.as_ref().map(|identity| json!({
                "audience": identity.audience.is_some(),
            })),
        },
        "plan": plan(&tenant.plan, &tenant.id, now),
        "behaviour": behaviour(&tenant.behaviour),
        "mapping": tenant.mapping.as_ref().map(|file| json!({
            "files": file.paths.iter().map(|path| file_name(path)).collect::<Vec<_>>(),
            "sha256": file.sha256,
            "rules": file.mapping.rules.len(),
            "constants": file.mapping.constants.len(),
            "accepted": file.mapping.accept.len(),
            "unmapped": format!("{:?}", file.mapping.defaults.unmapped),
            "overflow": format!("{:?}", file.mapping.defaults.overflow),
        })),
        "capture": tenant.capture.as_ref().map(|capture| json!({
            "max_file_bytes": capture.max_file_bytes,
            "max_files": capture.max_files,
            "retention_days": capture.retention_days,
        })),
    })
}

/// The plan as declared, and what it says about today and the dates around the removal. Runtime
/// changes are sealed in the store and not seen here.
fn plan(plan: &Plan, tenant: &str, now: Wall) -> Value {
    let (latch, draw) = (PastRemoval::NOT_YET, Draw::of(tenant, ""));
    let effective = Effective::from(plan);
    let asked = Asked { effective: &effective, button: None, latch, draw };
    let today = calendar::row(asked, now, "now".to_owned());
    let rows = calendar::table(asked);
    let rows = std::iter::once(today).chain(rows).map(|row| {
        json!({
            "at": row.at.to_string(), "what": row.label, "route": row.decision.route.code(),
            "because": row.decision.because.code(),
        })
    });
    json!({
        "removal": plan.removal.to_string(),
        "margin_seconds": plan.margin.as_secs(),
        "zone": plan.zone.name(),
        "fingerprint": plan.fingerprint(),
        "buttons": plan.buttons.len(),
        "brownouts": plan.brownouts.len(),
        "evidence_required": plan.evidence.required,
        "steps": plan.steps.iter().map(|step|
            json!({ "at": step.at.to_string(), "stage": step.stage.to_string() }))
            .collect::<Vec<_>>(),
        "acknowledged_until": plan.acknowledgement.as_ref().map(|said| said.until.to_string()),
        "calendar": rows.collect::<Vec<_>>(),
    })
}

fn behaviour(behaviour: &Behaviour) -> Value {
    let length = |text: &str| text.chars().count();
    json!({
        "poll_hold_ms": behaviour.poll_hold.as_millis() as u64,
        "abandoned_after_s": behaviour.abandoned_after.as_secs(),
        "client_poll_timeout_s": behaviour.client_poll_timeout_s,
        "connection_timeout_ms": behaviour.connection_timeout.as_millis() as u64,
        "delivery": format!("{:?}", behaviour.delivery),
        "success_after_ms": behaviour.success_after.as_millis() as u64,
        "agent_leave_hold_s": behaviour.agent_leave_hold.as_secs(),
        "bot_establishes": behaviour.bot_establishes,
        "token_grace_s": behaviour.token_grace.as_secs(),
        "system_messages": behaviour.system_messages,
        "system_name_chars": length(&behaviour.system_name),
        "undeliverable_text_chars": length(&behaviour.undeliverable_text),
        "token_end_text_chars": length(&behaviour.token_end_text),
        "lost_text_chars": length(&behaviour.lost_text),
        "message_budget_per_minute": behaviour.message_budget_per_minute,
        "text_limit_chars": behaviour.text_limit_chars,
        "send_give_up_s": behaviour.send_give_up.as_secs(),
        "stream_silence_s": behaviour.stream_silence.as_secs(),
        "sequence": format!("{:?}", behaviour.sequence),
        "overlap": format!("{:?}", behaviour.overlap),
        "check_affinity": behaviour.check_affinity,
        "failure_is_503": behaviour.failure_is_503,
        "version_required": behaviour.version_required,
        "cors_origins": behaviour.cors_origins.len(),
    })
}

/// A file's name without its folders, which often have people's names.
fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}
