//! The live check against the emulated deployment.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::Tenant;
use liveagent_bridge::emulator::{Agents, Emulators};
use liveagent_bridge::preflight::{Checked, Live, check};
use liveagent_bridge::time::Wall;

use crate::stage::tenant;

async fn checked(
    change: impl FnOnce(&mut Tenant, &Emulators),
    around: impl FnOnce(Router) -> Option<Router>,
) -> Checked {
    let clock = Clock::starting_at(Wall::parse("2026-03-01T09:00:00Z").expect("an instant"));
    let emulators = Emulators::new(&clock, Agents::None);
    let mut tenant = tenant("acme");
    change(&mut tenant, &emulators);
    let salesforce = Arc::new(InProcess::new());
    if let Some(router) = around(emulators.miaw_router()) {
        salesforce.put("scrt.example.test", router);
    }
    let wait = Duration::from_secs(90);
    let live = Live { transport: salesforce, clock, wait, file: "bridge.toml".into() };
    let checked = check(&live, &tenant).await;
    assert!(emulators.desk().chats().is_empty(), "a conversation was started");
    checked
}

/// The only problem, printed.
#[track_caller]
fn one(checked: &Checked) -> String {
    assert_eq!(checked.problems.len(), 1, "{checked}");
    assert_eq!(checked.json()["ok"], false);
    checked.problems[0].to_string()
}

#[tokio::test(start_paused = true)]
async fn a_sound_deployment_has_no_problem_and_no_conversation() {
    let checked = checked(|_, _| {}, Some).await;
    assert!(checked.problems.is_empty(), "{checked}");
    let text = checked.to_string();
    for seen in ["deployment type: API", "longest chat: 55 min", "first event after", "gone"] {
        assert!(text.contains(seen), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_explained() {
    let other = |_: &mut Tenant, all: &Emulators| {
        all.set_miaw(|knobs| knobs.es_developer_name = Some("Another".to_owned()));
    };
    let text = one(&checked(other, Some).await);
    assert!(text.contains("[CH211]") && text.contains("Custom Client"), "{text}");
    let org = |tenant: &mut Tenant, _: &Emulators| tenant.miaw.organization_id = "x".to_owned();
    let text = one(&checked(org, Some).await);
    assert!(text.contains("acme.miaw.organization_id") && text.contains("CF002"), "{text}");
    let version =
        |tenant: &mut Tenant, _: &Emulators| tenant.miaw.capabilities_version = "9".into();
    assert!(one(&checked(version, Some).await).contains("capabilities version"));
    let text = one(&checked(|_, _| {}, |_| None).await);
    assert!(text.contains("could not reach"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_too_short_is_told() {
    let short = |_: &mut Tenant, all: &Emulators| {
        all.set_miaw(|knobs| knobs.token_ttl_seconds = 200);
    };
    assert!(one(&checked(short, Some).await).contains("[TK601]"));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_buffers_is_named() {
    let silent = get(async || {
        let body = Body::from_stream(futures_util::stream::pending::<
            Result<bytes::Bytes, std::io::Error>,
        >());
        ([("content-type", "text/event-stream"), ("via", "1.1 office-proxy")], body)
    });
    let around = |miaw: Router| {
        let all = Router::new().route("/eventrouter/v1/sse", silent);
        Some(all.fallback_service(miaw))
    };
    let text = one(&checked(|_, _| {}, around).await);
    assert!(text.contains("[NW801]") && text.contains("no byte within 90 s"), "{text}");
    assert!(text.contains("office-proxy"), "{text}");
}
