//! What the page's scenarios ask for, beyond the clock: a crowd, a killed bridge, an outage, a
//! ramp, a dry run, the console.
//!
//! Promised: each does the real thing. The ramp is a change in the tenant's change list, the dry
//! run is the one of the command, the outage is the emulated service refusing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use axum::{Json, extract};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::State;
use super::events::Event;
use super::visitor::chasitor_init;
use super::world::{TENANT, World};
use super::{crowd, world};
use crate::admin::Role;
use crate::admin::token::{self, Order};
use crate::app::rehearsal;
use crate::cutover::{Cutover, ProposeError};
use crate::emulator::Fault;
use crate::report::dry_run::{self, Document, Inputs};
use crate::report::evidence::Evidence;
use crate::report::html;
use crate::report::sources::Sources;
use crate::router::change::{Action, Proposal};
use crate::router::stage::Stage;

/// The most chats that are started at once.
const CROWD_MAX: usize = 50;
/// The most chats of the crowd in one run.
const CROWDS_MAX: usize = 200;
/// The longest outage.
const OUTAGE_MAX: Duration = Duration::from_secs(30);
/// How often a change is proposed when others were made meanwhile.
const TRIES_MAX: u32 = 5;
/// Whom changes and tokens of the demo name.
const WHO: &str = "demo";
/// How long a token of the demo is good.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// A report has its style in itself and nothing else.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                             form-action 'none'; frame-ancestors 'none'";
/// Pre-chat forms that the dry run looks at besides the demo's own.
const SAMPLES: [(&str, &str); 2] = [
    ("cognigy-page.json", include_str!("../../mappings/samples/cognigy-page.json")),
    ("contact-and-case.json", include_str!("../../mappings/samples/contact-and-case.json")),
];

type Demo = extract::State<State>;

#[derive(Deserialize)]
pub(super) struct Crowd {
    count: usize,
}

/// Starts chats; the agents act by themselves from then on.
pub(super) async fn crowd(extract::State(state): Demo, Json(asked): Json<Crowd>) -> Response {
    let world = state.world();
    let count = asked.count;
    if count == 0 || count > CROWD_MAX {
        return refused(format!("`count` must be a number from 1 to {CROWD_MAX}"));
    }
    let grown = world.crowd.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |so_far| {
        Some(so_far + count).filter(|all| *all <= CROWDS_MAX)
    });
    let Ok(from) = grown else {
        return refused(format!("{CROWDS_MAX} chats were started already; start over"));
    };
    state.agents_act(true);
    let gathers = crowd::gathers(world.clock.clone(), state.base(), from, count);
    tokio::spawn(world.shutdown.clone().run_until_cancelled_owned(gathers));
    (StatusCode::ACCEPTED, Json(json!({ "count": count }))).into_response()
}

#[derive(Deserialize)]
pub(super) struct Bridge {
    up: bool,
}

/// Kills the bridge, or builds it again.
pub(super) async fn bridge(extract::State(state): Demo, Json(asked): Json<Bridge>) -> Response {
    let world = state.world();
    if asked.up {
        if let Err(error) = world.revive().await {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    } else {
        world.kill();
    }
    Json(world.bridge_reading()).into_response()
}

#[derive(Deserialize)]
pub(super) struct Outage {
    seconds: u64,
}

/// MIAW refuses every request for so long, and its event streams break.
pub(super) async fn outage(extract::State(state): Demo, Json(asked): Json<Outage>) -> Response {
    let world = state.world();
    let lasts = Duration::from_secs(asked.seconds);
    if lasts.is_zero() || lasts > OUTAGE_MAX {
        let most = OUTAGE_MAX.as_secs();
        return refused(format!("`seconds` must be a number from 1 to {most}"));
    }
    if !world.outage.swap(true, Ordering::Relaxed) {
        let shutdown = world.shutdown.clone();
        begin(&world);
        tokio::spawn(shutdown.run_until_cancelled_owned(async move {
            world.clock.until(world.clock.now().mono.plus(lasts)).await;
            end(&world);
        }));
    }
    Json(json!({ "on": true })).into_response()
}

fn begin(world: &World) {
    world.emulators.set_miaw(|knobs| {
        knobs.drop_streams = true;
        knobs.faults.push(Fault {
            operation: "*".to_owned(),
            times: u32::MAX,
            status: Some(StatusCode::SERVICE_UNAVAILABLE.as_u16()),
            body: "Service Unavailable".to_owned(),
            ..Fault::default()
        });
    });
    world.tell.note("MIAW refuses every request");
    world.tell.events.send(Event::Outage(true));
}

fn end(world: &World) {
    world.emulators.set_miaw(|knobs| knobs.faults.clear());
    world.outage.store(false, Ordering::Relaxed);
    world.tell.note("MIAW answers again");
    world.tell.events.send(Event::Outage(false));
}

#[derive(Deserialize)]
pub(super) struct Ramp {
    percent: u8,
}

/// A change of the tenant's stage, made as the console makes it.
pub(super) async fn ramp(extract::State(state): Demo, Json(asked): Json<Ramp>) -> Response {
    let world = state.world();
    let Some(bridge) = world.bridge() else { return refused("the bridge is not running") };
    if asked.percent > 100 {
        return refused("`percent` must be a number from 0 to 100");
    }
    match set_stage(&bridge.cutover, Stage::Ramp { percent: asked.percent }).await {
        Ok(()) => {
            let percent = asked.percent;
            world.tell.note(format!("The tenant's stage is now ramp {percent} %"));
            Json(json!({ "percent": percent })).into_response()
        }
        Err(error) => refused(error.to_string()),
    }
}

/// Moves the tenant; what the bridge itself writes down meanwhile does not stop it.
async fn set_stage(cutover: &Cutover, stage: Stage) -> Result<(), ProposeError> {
    let mut expected = cutover.effective(TENANT).map_or(0, |effective| effective.number);
    let mut tries = 0;
    loop {
        tries += 1;
        let action =
            Action::Stage { stage, button: None, without_evidence: true, acknowledged_until: None };
        let why = "a scenario of the demo".to_owned();
        let proposal = Proposal { expected, who: WHO.to_owned(), why, action };
        match cutover.propose(TENANT, proposal).await {
            Err(ProposeError::Conflict { last }) if tries < TRIES_MAX => expected = last,
            outcome => return outcome.map(drop),
        }
    }
}

/// The dry run of the demo's own configuration and forms, as a page.
pub(super) async fn report(extract::State(state): Demo) -> Response {
    let page = html::render(&dry_run(&state.world()));
    let headers = [
        (CONTENT_TYPE, "text/html;charset=utf-8"),
        (CONTENT_SECURITY_POLICY, REPORT_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}

fn dry_run(world: &World) -> dry_run::Report {
    let as_of = world.clock.now().wall;
    let form = chasitor_init("00000000-0000-0000-0000-000000000000", "Anna", "Adams");
    let own = Document { name: "the form of this page".to_owned(), text: form.to_string() };
    let sample =
        |(name, text): (&str, &str)| Document { name: name.to_owned(), text: text.to_owned() };
    let documents: Vec<Document> = std::iter::once(own).chain(SAMPLES.map(sample)).collect();
    let tenants = &world.config.tenants;
    let mut sources = Sources::default();
    let exported = documents.iter().map(|d| Evidence::of_export(&d.name, "prechat", &d.text));
    sources.evidence.extend(exported);
    sources.setups =
        tenants.iter().map(|tenant| (tenant.id.clone(), rehearsal::setup(tenant))).collect();
    let inputs = Inputs {
        as_of,
        show_values: false,
        tenants: tenants.iter().map(|tenant| rehearsal::tenant(tenant, as_of)).collect(),
        documents,
    };
    dry_run::build_with(&inputs, &sources)
}

/// A token for the console of this bridge, which is on the same address.
pub(super) async fn console(extract::State(state): Demo) -> Response {
    let world = state.world();
    let order = Order {
        subject: WHO.to_owned(),
        role: Role::Operate,
        tenants: vec!["*".to_owned()],
        ttl: TOKEN_LIFE,
        key: None,
    };
    let admin = world.config.admin.as_ref().ok_or_else(|| "there is no console".to_owned());
    match admin.and_then(|admin| token::mint(admin, &order, world.clock.now().wall)) {
        Ok(token) => Json(json!({ "token": token })).into_response(),
        Err(problem) => (StatusCode::INTERNAL_SERVER_ERROR, problem).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Number {
    number: u64,
}

/// What a row of the wire stands for.
pub(super) async fn raw(
    extract::State(state): Demo,
    extract::Query(asked): extract::Query<Number>,
) -> Response {
    match state.world().tell.events.raw(asked.number) {
        Some(raw) => Json(raw).into_response(),
        None => (StatusCode::NOT_FOUND, "that row is no longer kept").into_response(),
    }
}

/// What everything that can be pressed is like now.
pub(super) fn reading(world: &Arc<world::World>) -> Value {
    json!({
        "bridge": world.bridge_reading(),
        "outage": world.outage.load(Ordering::Relaxed),
        "chats": world.tell.events.chats(),
    })
}

fn refused(why: impl Into<String>) -> Response {
    (StatusCode::CONFLICT, why.into()).into_response()
}
