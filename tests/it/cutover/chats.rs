//! Changes as chats meet them: running chats stay, new ones follow, refusals and headers.

use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::Response;
use liveagent_bridge::router::plan::Deprecation;
use serde_json::json;

use super::*;
use crate::stage::{Got, LEGACY, Stage as Bridge, request, stage};

const THEIRS: &str = "11111111-2222-4333-8444-555555555555!1636522000000!AA+/AAAAAAAAAAAAAAAAAAA=";
const SESSION: &str = "/chat/rest/System/SessionId";

/// A bridge with a legacy service that says `theirs` to everything but a new session.
fn bridge(now: &str, tenant: Tenant) -> (Bridge, Arc<Mutex<usize>>) {
    let bridge = stage(now, vec![tenant]);
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let router = Router::new().fallback(move |request: Request| {
        *count.lock().unwrap() += 1;
        let new = request.uri().path().ends_with("SessionId");
        let key = json!({"key": THEIRS, "id": "1", "clientPollTimeout": 40, "affinityToken": "a"});
        let text = if new { key.to_string() } else { "theirs".to_owned() };
        async { Response::new(Body::from(text)) }
    });
    bridge.salesforce.put(LEGACY, router);
    (bridge, asked)
}

impl Bridge {
    async fn change(&self, action: Action) {
        let expected = self.cutover.effective("acme").unwrap().number;
        self.cutover.propose("acme", proposal(expected, action)).await.unwrap();
    }

    async fn says(&self, key: &str) -> Got {
        self.post("ChatMessage", key, r#"{"text":"a"}"#).await
    }

    /// Both chats are where they were.
    async fn both_go_on(&self, theirs: &str, ours: &str) {
        assert_eq!(self.says(theirs).await.text, "theirs");
        let before = self.chats.posts.lock().unwrap().len();
        assert_eq!(self.says(ours).await.text, "OK");
        assert_eq!(self.chats.posts.lock().unwrap().len(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn running_chats_stay_where_they_are_whatever_changes() {
    let (bridge, _) = bridge("2026-01-10T00:00:00Z", tenant("acme"));
    let theirs = bridge.session().await;
    assert_eq!(theirs, THEIRS);
    bridge.change(sure(Stage::Ramp { percent: 100 })).await;
    let ours = bridge.session().await;
    assert_ne!(ours, THEIRS);
    let now = bridge.clock.now().wall;
    let window = Action::Brownout { from: now, until: now.plus_millis(DAY) };
    for action in [
        to(Stage::Ramp { percent: 0 }),
        sure(Stage::Miaw),
        roll_back(None),
        Action::Freeze,
        Action::Unfreeze,
        window,
    ] {
        bridge.change(action).await;
        bridge.both_go_on(&theirs, &ours).await;
    }
}

#[tokio::test(start_paused = true)]
async fn wall_steps_leave_running_chats_alone_and_the_removal_latched() {
    let (bridge, asked) = bridge("2026-02-10T00:00:00Z", tenant("acme"));
    let theirs = bridge.session().await;
    bridge.change(sure(Stage::Miaw)).await;
    let ours = bridge.session().await;
    let (hour, day) = (3_600_000, DAY);
    for step in [hour, -hour, day, -day, -day, day, -hour, hour] {
        bridge.clock.set_wall(bridge.clock.now().wall.plus_millis(step));
        bridge.both_go_on(&theirs, &ours).await;
    }
    assert!(bridge.cutover.waiting().is_empty());
    // Over the removal: the legacy chat has lost its service, ours goes on; a step back by an hour
    // or a day changes neither.
    bridge.clock.set_wall(at("2026-02-14T00:00:00Z"));
    for step in [0, -hour, -day, 2 * day] {
        bridge.clock.set_wall(at("2026-02-14T00:00:00Z").plus_millis(step));
        let before = *asked.lock().unwrap();
        assert_eq!(bridge.says(&theirs).await.status, 403);
        assert_eq!(*asked.lock().unwrap(), before);
        assert_eq!(bridge.says(&ours).await.text, "OK");
        assert_ne!(bridge.session().await, THEIRS);
    }
    assert_eq!(bridge.cutover.waiting(), [("acme".to_owned(), at("2026-02-14T00:00:00Z"))]);
}

#[tokio::test(start_paused = true)]
async fn a_session_on_miaw_stays_there_when_the_ramp_shrinks() {
    let (bridge, _) = bridge("2026-01-10T00:00:00Z", tenant("acme"));
    bridge.change(sure(Stage::Ramp { percent: 30 })).await;
    let mut ours = Vec::new();
    for _ in 0..60 {
        let key = bridge.session().await;
        ours.extend(Some(key).filter(|key| key != THEIRS));
    }
    assert!(!ours.is_empty(), "60 chats at 30 %");
    bridge.change(to(Stage::Ramp { percent: 10 })).await;
    for key in &ours {
        assert_eq!(bridge.says(key).await.text, "OK");
    }
    assert_eq!(bridge.chats.posts.lock().unwrap().len(), ours.len());
}

#[tokio::test(start_paused = true)]
async fn a_brown_out_refuses_new_legacy_sessions_and_ends_by_itself() {
    let (bridge, asked) = bridge("2026-01-10T00:00:00Z", tenant("acme"));
    let theirs = bridge.session().await;
    let now = bridge.clock.now().wall;
    bridge.change(Action::Brownout { from: now, until: now.plus_millis(90_500) }).await;
    let before = *asked.lock().unwrap();
    let got = bridge.get(SESSION, None).await;
    assert_eq!(got.status, 503);
    assert_eq!(got.headers["x-liveagent-bridge-refused"], "brown-out");
    assert_eq!(got.headers["retry-after"], "91");
    assert!(got.text.contains("until 2026-01-10T00:01:30.5Z"), "{}", got.text);
    assert_eq!(*asked.lock().unwrap(), before, "legacy is not asked");
    assert_eq!(bridge.says(&theirs).await.text, "theirs", "running chats go on");
    let availability = bridge.get("/chat/rest/Visitor/Availability", None).await;
    assert_eq!(availability.text, "theirs", "only sessions are refused");
    let last = |bridge: &Bridge| {
        let decided = bridge.decided.0.lock().unwrap();
        decided.last().map(|one| (one.route, one.because.code())).unwrap()
    };
    assert_eq!(last(&bridge), (Route::Refused, "brown-out"));
    bridge.clock.set_wall(now.plus_millis(90_500));
    assert_eq!(bridge.session().await, THEIRS);
    assert_eq!(last(&bridge), (Route::Legacy, "auto-legacy"));
}

#[tokio::test(start_paused = true)]
async fn callers_are_told_of_the_end_where_the_tenant_says_so() {
    let mut acme = tenant("acme");
    let (since, sunset) = (at("2025-06-01T00:00:00Z"), at("2026-02-14T00:00:00Z"));
    let link = Some("https://acme.example/move".to_owned());
    acme.plan.deprecation = Some(Deprecation { since, sunset, link });
    let (bridge, _) = bridge("2026-01-10T00:00:00Z", acme);
    for path in [SESSION, "/chat/rest/Nothing"] {
        let got = bridge.get(path, None).await;
        assert_eq!(got.headers["deprecation"], "@1748736000", "{path}");
        assert_eq!(got.headers["sunset"], "Sat, 14 Feb 2026 00:00:00 GMT");
        let link = got.headers["link"].to_str().unwrap();
        let page = "<https://acme.example/move>";
        assert_eq!(link, format!("{page}; rel=\"deprecation\", {page}; rel=\"sunset\""));
    }
    let (silent, _) = self::bridge("2026-01-10T00:00:00Z", tenant("acme"));
    let got = silent.get(SESSION, None).await;
    assert!(["deprecation", "sunset", "link"].iter().all(|name| !got.headers.contains_key(*name)));
    let foreign = silent.send(request("GET", SESSION, Some(THEIRS), "")).await;
    assert_eq!(foreign.status, 200);
}
