//! Health, readiness, metrics and status.

use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::store::memory::MemoryStore;

use super::{Api, admin_config, problem, quiet, quiet_parts};
use crate::bridge_stage::{BridgeStage, Client};

const NOW: &str = "2026-01-10T09:00:00Z";

#[tokio::test(start_paused = true)]
async fn probes_need_no_token_unless_configured() {
    let api = quiet(NOW).await;
    for path in ["/healthz", "/readyz", "/metrics", "/admin/v1/openapi.json"] {
        let got = api.ask("GET", path, None, "").await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
    }
    assert_eq!(api.ask("HEAD", "/healthz", None, "").await.status, 200);
    let parts = quiet_parts(NOW, Arc::new(MemoryStore::new())).await;
    let config = liveagent_bridge::config::AdminConfig { open_probes: false, ..admin_config() };
    let transport = Arc::new(liveagent_bridge::adapter::transport::in_process::InProcess::new());
    let api = Api::with(parts, &config, transport);
    for path in ["/healthz", "/readyz", "/metrics"] {
        problem(&api.ask("GET", path, None, "").await, 401, "token-missing");
        let read = api.token("read");
        assert_eq!(api.ask("GET", path, Some(&read), "").await.status, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_is_not_ready_and_one_with_room_is() {
    let store = MemoryStore::new();
    let api = Api::new(quiet_parts(NOW, Arc::new(store.clone())).await);
    assert_eq!(api.ask("GET", "/readyz", None, "").await.status, 200);
    store.stop_writes();
    // Within a second the last answer counts.
    assert_eq!(api.ask("GET", "/readyz", None, "").await.status, 200);
    api.clock.until(api.clock.now().mono.plus(Duration::from_secs(1))).await;
    let got = api.ask("GET", "/readyz", None, "").await;
    problem(&got, 503, "not-ready");
    assert!(got.json()["checks"]["store"].as_str().unwrap().contains("full"), "{}", got.text);
    assert_eq!(api.ask("GET", "/readyz?exclude=store", None, "").await.status, 200);
    problem(&api.ask("GET", "/readyz?exclude=lease", None, "").await, 400, "bad-request");
    assert_eq!(api.ask("GET", "/healthz", None, "").await.status, 200, "alive all the same");
    store.resume_writes();
    api.clock.until(api.clock.now().mono.plus(Duration::from_secs(1))).await;
    assert_eq!(api.ask("GET", "/readyz", None, "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_is_not_ready() {
    let parts = quiet_parts(NOW, Arc::new(MemoryStore::new())).await;
    let draining = parts.draining.clone();
    let api = Api::new(parts);
    draining.cancel();
    let got = api.ask("GET", "/readyz", None, "").await;
    problem(&got, 503, "not-ready");
    assert_eq!(got.json()["checks"]["draining"], true);
    problem(&api.ask("GET", "/readyz?exclude=store", None, "").await, 503, "not-ready");
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_of_chats_decisions_and_calls() {
    let stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    let mut client = Client::talking(&stage).await;
    client.says("hello").await;
    stage.hears(&["hello"]).await;
    let got = api.ask("GET", "/metrics", None, "").await;
    let page = got.text;
    assert!(page.ends_with("# EOF\n"));
    for line in [
        "bridge_chats{tenant=\"acme\",phase=\"talking\"} 1",
        "bridge_decisions_total{tenant=\"acme\",route=\"miaw\",because=\"past-removal\"} 1",
        "bridge_requests_total{noun=\"ChasitorInit\",status=\"2xx\"} 1",
        "bridge_requests_total{noun=\"ChatMessage\",status=\"2xx\"} 1",
        "bridge_upstream_calls_total{backend=\"miaw\",operation=\"message\",outcome=\"ok\"} 1",
        "bridge_upstream_calls_total{backend=\"miaw\",operation=\"stream\",outcome=\"ok\"} 1",
        "bridge_store_writes_total{kind=\"open\",outcome=\"ok\"} 1",
        "bridge_stream_reopens_total 0",
        "bridge_stream_unknown_events_total 0",
        "bridge_polls_parked{tenant=\"acme\"} 0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    let chat = stage.desk().chats().pop().expect("a chat").id;
    for secret in ["hello", "Vera", &chat, &client.key] {
        assert!(!page.contains(secret), "{secret}");
    }
    // Each family once, with its samples behind it, as scrapers insist.
    let heads: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut once = heads.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), heads.len());
    let status = api.get("/admin/v1/status").await;
    assert_eq!(status["chats"]["talking"], 1);
    assert_eq!(status["storeProblem"], serde_json::Value::Null);
}

#[tokio::test(start_paused = true)]
async fn fingerprints_tell_plans_and_changes_apart() {
    let (one, two) = (quiet(NOW).await, quiet(NOW).await);
    let print = async |api: &Api| api.get("/admin/v1/status").await["planFingerprint"].clone();
    assert_eq!(print(&one).await, print(&two).await, "equal files, no changes");
    let wish =
        serde_json::json!({ "expected": 0, "why": "a rest", "action": { "kind": "freeze" } });
    assert_eq!(one.post("/admin/v1/tenants/acme/changes", &wish).await.status, 201);
    assert_ne!(print(&one).await, print(&two).await);
    assert_eq!(two.post("/admin/v1/tenants/acme/changes", &wish).await.status, 201);
    assert_eq!(print(&one).await, print(&two).await);
}
