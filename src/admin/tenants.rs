//! Tenants and their plans: what the files declare, what stands, and what follows at any instant.
//!
//! Promised: every answer about a route is the router's own. Base addresses and ids are shown,
//! nothing secret is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::problem::{Code, Problem};
use super::{Admin, Answer, Call, Reply, views};
use crate::config::{Config, Tenant, values};
use crate::router::calendar::{self, Asked, Row};
use crate::router::change::Effective;
use crate::router::decide::{Draw, PastRemoval, Route, decide};
use crate::time::Wall;

/// Instants ahead that a plan lists.
const AHEAD_MAX: usize = 20;

/// What holds for a tenant, seen at an instant.
pub(super) struct View<'a> {
    tenant: &'a Tenant,
    effective: Arc<Effective>,
    latch: PastRemoval,
    at: Wall,
    button: Option<&'a str>,
}

impl<'a> View<'a> {
    /// As it holds now, or held then, or will hold unless something changes.
    pub(super) fn new(
        admin: &Admin,
        tenant: &'a Tenant,
        at: Wall,
        button: Option<&'a str>,
    ) -> Self {
        let now = admin.parts.clock.now().wall;
        let cutover = &admin.parts.cutover;
        let past = (at < now).then(|| cutover.effective_at(&tenant.id, at)).flatten();
        let (effective, latch) = match past {
            Some(then) => {
                let latch = then.latch;
                (Arc::new(then), latch)
            }
            None => (cutover.of(tenant), cutover.latch(tenant, now)),
        };
        Self { tenant, effective, latch, at, button }
    }

    /// The same look at what would hold.
    pub(super) fn under(&self, effective: Effective) -> Self {
        // Only a change that is about the latch touches it; what was seen is not stored at once.
        let untouched = effective.latch == self.effective.latch;
        let latch = if untouched { self.latch } else { effective.latch };
        Self { effective: Arc::new(effective), latch, ..*self }
    }

    /// The same at another instant.
    pub(super) fn at(&self, at: Wall) -> Self {
        let mut latch = self.latch;
        latch.observe(&self.effective.plan, at);
        Self { effective: self.effective.clone(), latch, at, ..*self }
    }

    /// What a new chat meets at the instant.
    pub(super) fn moment(&self) -> Value {
        let routes = |wanted: Route| {
            let goes = |percent: &u16| {
                let draw = Draw::new(percent * 100);
                draw.is_some_and(|draw| self.decide(draw).route == wanted)
            };
            (0..100_u16).filter(goes).count()
        };
        let lot = Draw::new(0).unwrap_or_else(|| Draw::of(&self.tenant.id, ""));
        json!({
            "stage": self.effective.stage(self.button, self.at).to_string(),
            "miawPercent": routes(Route::Miaw),
            "refusedPercent": routes(Route::Refused),
            "decision": views::decision(&self.decide(lot)),
        })
    }

    /// The next instants at which something begins or ends.
    pub(super) fn instants(&self, most: usize) -> Vec<Wall> {
        let next = |at: &Wall| calendar::next_change(&self.effective, self.button, *at);
        std::iter::successors(next(&self.at), next).take(most).collect()
    }

    fn asked(&self, draw: Draw) -> Asked<'_> {
        Asked { effective: &self.effective, button: self.button, latch: self.latch, draw }
    }

    /// How many of 100 new chats go to MIAW.
    fn share(&self) -> usize {
        let goes = |percent: &u16| {
            let draw = Draw::new(percent * 100);
            draw.is_some_and(|draw| self.decide(draw).route == Route::Miaw)
        };
        (0..100_u16).filter(goes).count()
    }

    fn decide(&self, draw: Draw) -> crate::router::decide::Decision {
        decide(&self.effective, self.button, self.at, self.latch, draw)
    }

    /// The next instants at which something begins or ends.
    fn ahead(&self) -> Vec<String> {
        self.instants(AHEAD_MAX).iter().map(Wall::to_string).collect()
    }
}

/// The tenant that the path names.
pub(super) fn find<'a>(config: &'a Config, call: &Call) -> Result<&'a Tenant, Problem> {
    let id = call.param(0);
    config.tenant(id).ok_or_else(|| {
        let detail = "there is no such tenant; GET /admin/v1/tenants lists them";
        Problem::new(Code::NoSuchTenant, detail)
    })
}

pub(super) async fn list(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let seen = config.tenants.iter().filter(|tenant| call.sees(&tenant.id));
    let running = Running::of(&admin);
    let tenants: Vec<Value> = seen.map(|tenant| summary(&admin, tenant, &running)).collect();
    Reply::ok(&json!({ "tenants": tenants }))
}

pub(super) async fn one(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = find(&config, &call)?;
    let mut body = summary(&admin, tenant, &Running::of(&admin));
    body["hosts"] = tenant.hosts.clone().into();
    body["legacy"] = tenant
        .legacy
        .as_ref()
        .map(|legacy| {
            json!({
                "baseUrl": legacy.live_agent_base_url,
                "organizationId": legacy.organization_id,
                "deploymentId": legacy.deployment_id,
                "buttonId": legacy.button_id,
            })
        })
        .into();
    body["miaw"] = json!({
        "baseUrl": tenant.miaw.base_url,
        "organizationId": tenant.miaw.organization_id,
        "developerName": tenant.miaw.embedded_service_developer_name,
    });
    body["capturing"] = tenant.capture.is_some().into();
    Reply::ok(&body)
}

/// The tenant's legacy hosts, as the requests of clients met them.
pub(super) async fn legacy(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = find(&config, &call)?;
    let health = admin.parts.relay.health();
    let own = health.iter().filter(|host| host.tenant == tenant.id);
    let hosts: Vec<Value> = own
        .map(|host| {
            json!({
                "host": host.host,
                "state": host.state.code(),
                "since": host.since.to_string(),
                "lastError": host.last_error,
            })
        })
        .collect();
    Reply::ok(&json!({ "hosts": hosts }))
}

/// The chats of all tenants, counted once for a list: there may be thousands.
struct Running {
    translated: BTreeMap<String, u64>,
    relayed: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
}

impl Running {
    fn of(admin: &Admin) -> Self {
        let mut translated = BTreeMap::new();
        for listed in admin.parts.chats.list() {
            *translated.entry(listed.tenant).or_default() += 1;
        }
        let mut failures = BTreeMap::new();
        admin.parts.chats.failures().counter().each(|[tenant, _], count| {
            *failures.entry(tenant.clone()).or_default() += count;
        });
        Self { translated, relayed: admin.parts.relay.running(), failures }
    }
}

/// A tenant in a list: where it stands now.
fn summary(admin: &Admin, tenant: &Tenant, running: &Running) -> Value {
    let now = admin.parts.clock.now().wall;
    let view = View::new(admin, tenant, now, None);
    let lot = Draw::new(0).unwrap_or_else(|| Draw::of(&tenant.id, ""));
    let effective = &view.effective;
    json!({
        "id": tenant.id,
        "stage": effective.stage(None, now).to_string(),
        "miawPercent": view.share(),
        "decision": views::decision(&view.decide(lot)),
        "nextChange": view.ahead().first(),
        "lastChange": effective.number,
        "frozen": effective.frozen.is_some(),
        "drift": effective.drift.is_some(),
        "panic": effective.panic.map(|panic| panic.word()),
        "pastRemoval": view.latch.instant().map(|seen| seen.to_string()),
        "liveChats": running.translated.get(&tenant.id).copied().unwrap_or_default(),
        "relayedChats": running.relayed.get(&tenant.id).copied().unwrap_or_default(),
        "failures": running.failures.get(&tenant.id).copied().unwrap_or_default(),
        "removal": effective.plan.removal.to_string(),
        "legacyEnds": effective.legacy_ends().to_string(),
        "zone": effective.plan.zone.name(),
        "hasLegacy": effective.plan.has_legacy,
        "evidence": effective.evidence.as_ref().map(views::evidence),
    })
}

pub(super) async fn plan(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = find(&config, &call)?;
    let now = admin.parts.clock.now().wall;
    let at = call.query.instant("at")?.unwrap_or(now);
    let button = call
        .query
        .read_as("button", |text| values::salesforce_id(text, "573").map(|()| text.to_owned()))?;
    let draw = call.query.read_as("draw", |text| {
        let lot = text.parse().ok().and_then(Draw::new);
        lot.ok_or_else(|| format!("expected a number from 0 to {}", Draw::LOTS - 1))
    })?;
    let draw = draw.or(Draw::new(0)).unwrap_or_else(|| Draw::of(&tenant.id, ""));
    let view = View::new(&admin, tenant, at, button.as_deref());
    let effective = &view.effective;
    let in_force = effective.in_force(view.button, at);
    let calendar: Vec<Value> = calendar::table(view.asked(draw)).iter().map(row).collect();
    Reply::ok(&json!({
        "tenant": view.tenant.id,
        "at": at.to_string(),
        "local": effective.plan.zone.print(at),
        "button": view.button,
        "draw": draw.lot(),
        "stage": effective.stage(view.button, at).to_string(),
        "miawPercent": view.share(),
        "decision": views::decision(&view.decide(draw)),
        "inForce": in_force.as_ref().map(views::in_force),
        "lastChange": effective.number,
        "fingerprint": effective.fingerprint(),
        "legacyEnds": effective.legacy_ends().to_string(),
        "pastRemoval": view.latch.instant().map(|seen| seen.to_string()),
        "file": views::file(&effective.plan),
        "standing": views::standing(effective),
        "ahead": view.ahead(),
        "calendar": calendar,
    }))
}

/// What shadowed chats showed since this process started.
pub(super) async fn shadow(admin: Arc<Admin>, call: Call) -> Answer {
    let config = (admin.parts.config)();
    let tenant = find(&config, &call)?;
    let folder = config.shadow_folder(tenant);
    Reply::ok(&json!({
        "tenant": tenant.id,
        "counts": admin.parts.shadow.snapshot(&tenant.id),
        "dropped": admin.parts.shadow.dropped(),
        "folder": folder.map(|folder| folder.display().to_string()),
    }))
}

fn row(row: &Row) -> Value {
    let mut value = views::decision(&row.decision);
    value["at"] = row.at.to_string().into();
    value["local"] = row.local.as_str().into();
    value["label"] = row.label.as_str().into();
    value
}
