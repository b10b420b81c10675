//! Nodes, the last hour, what is left of the budgets.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, quiet};
use crate::bridge_stage::{BridgeStage, Client};

#[tokio::test(start_paused = true)]
async fn a_process_that_is_alone_is_one_node() {
    let api = quiet("2026-01-10T09:00:00Z").await;
    let nodes = api.get("/admin/v1/nodes").await;
    let one = &nodes["nodes"][0];
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 1, "{nodes}");
    assert_eq!((&one["live"], &one["chats"], &one["id"]), (&json!(true), &json!(0), &Value::Null));
    assert_eq!(one["since"], "2026-01-10T09:00:00Z");
    let status = api.get("/admin/v1/status").await;
    assert_eq!(one["fingerprint"], status["planFingerprint"]);
}

/// Lets paused time pass.
async fn wait(api: &Api, seconds: u64) {
    let until = api.clock.now().mono.plus(Duration::from_secs(seconds));
    api.clock.until(until).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_hour_is_told_minute_by_minute() {
    let stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    let empty = api.get("/admin/v1/history").await;
    assert_eq!((&empty["samples"], &empty["everySeconds"]), (&json!([]), &json!(60)));
    let _client = Client::talking(&stage).await;
    let open = &api.get("/admin/v1/history").await["open"];
    assert_eq!((&open["decidedMiaw"], &open["chats"]), (&json!(1), &json!(1)), "{open}");
    assert!(open["calls"].as_u64() > Some(0) && open["callMillis"].is_u64(), "{open}");
    wait(&api, 61).await;
    let later = api.get("/admin/v1/history").await;
    assert_eq!(later["samples"][0]["decidedMiaw"], 1, "{later}");
    assert_eq!(later["open"]["decidedMiaw"], 0, "{later}");
    wait(&api, 2 * 60 * 60).await;
    assert_eq!(api.get("/admin/v1/history").await["samples"].as_array().unwrap().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn budgets_are_those_of_the_tokens_tenants() {
    let stage = BridgeStage::new().await;
    let api = Api::new(stage.admin.clone());
    let before = api.get("/admin/v1/budgets").await;
    assert_eq!((&before["tokens"][0]["used"], &before["errors"]), (&json!(0), &json!([])));
    let _client = Client::talking(&stage).await;
    let after = &api.get("/admin/v1/budgets").await["tokens"][0];
    assert_eq!((&after["used"], &after["limit"]), (&json!(1), &json!(200)), "{after}");
    assert_eq!((&after["tenants"], &after["waitSeconds"]), (&json!(["acme"]), &json!(0)));
    let scoped = api.scoped("read", &["other"]);
    let got = api.ask("GET", "/admin/v1/budgets", Some(&scoped), "").await.json();
    assert_eq!(got, json!({ "tokens": [], "errors": [] }));
}
