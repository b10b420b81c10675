//! The live check against the emulated deployment. Every test also holds what was asked: one token,
//! at most one stream, and nothing that could begin a conversation.

mod clock;
mod form;
mod identity;
mod reach;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::routing::get;
use liveagent_bridge::adapter::transport::Transport;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::Tenant;
use liveagent_bridge::emulator::{Agents, Emulators};
use liveagent_bridge::preflight::{ANSWER_WITHIN, Checked, Live, WAIT, check};
use liveagent_bridge::time::Wall;

use crate::stage::tenant;

const MIAW: &str = "scrt.example.test";
const AT: &str = "2026-03-01T09:00:00Z";
/// All that the check may ask.
const MAY_ASK: [&str; 3] = [
    "POST /iamessage/api/v2/authorization/unauthenticated/access-token",
    "POST /iamessage/api/v2/authorization/authenticated/access-token",
    "GET /eventrouter/v1/sse",
];

fn at(text: &str) -> Clock {
    Clock::starting_at(Wall::parse(text).expect("an instant"))
}

fn live(transport: Arc<dyn Transport>, clock: Clock) -> Live {
    let (wait, answer_within) = (WAIT, ANSWER_WITHIN);
    Live { transport, clock, wait, answer_within, file: "bridge.toml".into() }
}

/// A check by a machine whose clock shows `ours` while Salesforce's shows [`AT`].
async fn checked_at(
    ours: &str,
    change: impl FnOnce(&mut Tenant, &Emulators),
    around: impl FnOnce(Router) -> Option<Router>,
) -> Checked {
    let emulators = Emulators::new(&at(AT), Agents::None);
    let mut tenant = tenant("acme");
    change(&mut tenant, &emulators);
    let salesforce = Arc::new(InProcess::new());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let keep = asked.clone();
    if let Some(router) = around(emulators.miaw_router()) {
        let router =
            router.layer(from_fn(move |request: Request, next: axum::middleware::Next| {
                let path = format!("{} {}", request.method(), request.uri().path());
                keep.lock().unwrap().push(path);
                next.run(request)
            }));
        salesforce.put(MIAW, router);
    }
    let checked = check(&live(salesforce, at(ours)), &tenant).await;
    assert!(emulators.desk().chats().is_empty(), "a conversation was started");
    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|path| MAY_ASK.contains(&path.as_str())), "{asked:?}");
    assert!(asked.len() <= 2, "{asked:?}");
    checked
}

async fn checked(
    change: impl FnOnce(&mut Tenant, &Emulators),
    around: impl FnOnce(Router) -> Option<Router>,
) -> Checked {
    checked_at(AT, change, around).await
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
async fn another_deployment_type_is_told() {
    let web = |_: &mut Tenant, all: &Emulators| {
        all.set_miaw(|knobs| knobs.deployment_type = "Web".to_owned());
    };
    let text = one(&checked(web, Some).await);
    assert!(text.contains("[CH211]") && text.contains("type is Web"), "{text}");
}

/// The deployment with another event stream.
fn with_stream(stream: axum::routing::MethodRouter) -> impl FnOnce(Router) -> Option<Router> {
    move |miaw: Router| {
        let all = Router::new().route("/eventrouter/v1/sse", stream);
        Some(all.fallback_service(miaw))
    }
}

/// A stream that begins with this text and then is silent, or ends.
fn stream(text: &'static str, ends: bool) -> axum::routing::MethodRouter {
    get(async move || {
        use futures_util::StreamExt as _;
        let begins =
            futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from(text))]);
        let body = match ends {
            true => Body::from_stream(begins),
            false => Body::from_stream(begins.chain(futures_util::stream::pending())),
        };
        ([("content-type", "text/event-stream"), ("via", "1.1 office-proxy")], body)
    })
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_buffers_is_named() {
    for (text, ends, why) in [
        ("", false, "no byte within 90 s"),
        ("event: ping\n", false, "bytes came, but no event within 90 s"),
        ("", true, "closed before its first event"),
    ] {
        let text = one(&checked(|_, _| {}, with_stream(stream(text, ends))).await);
        assert!(text.contains("[NW801]") && text.contains(why), "{text}");
        assert!(text.contains("in between: 1.1 office-proxy"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_comes_late_but_in_time_is_fine() {
    let late = |_: &mut Tenant, all: &Emulators| all.set_miaw(|knobs| knobs.ping_millis = 80_000);
    let first = with_stream(stream("event: ping\ndata: 0\n\n", false));
    for checked in [checked(late, Some).await, checked(|_, _| {}, first).await] {
        assert!(checked.problems.is_empty(), "{checked}");
        assert!(checked.to_string().contains("first event after"), "{checked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_none_is_told() {
    let page = get(async || ([("content-type", "text/html")], "please log in"));
    let text = one(&checked(|_, _| {}, with_stream(page)).await);
    assert!(text.contains("another content type") && !text.contains("log in"), "{text}");
    let refused = get(async || (http::StatusCode::UNAUTHORIZED, "Jwt is missing"));
    let text = one(&checked(|_, _| {}, with_stream(refused)).await);
    assert!(text.contains("401") && text.contains("proxy that changes headers"), "{text}");
}
