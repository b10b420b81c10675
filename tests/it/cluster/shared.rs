//! What nodes share: what an org allows, and the plan.

use std::time::Duration;

use liveagent_bridge::adapter::miaw::budget::TOKENS;
use liveagent_bridge::router::decide::Route;
use liveagent_bridge::store::shared::{Beat, Shared};
use serde_json::json;

use crate::admin::Api;
use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::{ClusterStage, begin};
use crate::stage::tenant;

const LEASE: Duration = Duration::from_secs(6);

/// Chats that begin at the second node and have got their tokens a moment later.
async fn tokens(stage: &ClusterStage, chats: usize) -> usize {
    for _ in 0..chats {
        begin(&mut Client::session_at(stage.two.service(), Acks::Real).await).await;
    }
    stage.seconds(1).await;
    stage.desk().chats().len()
}

#[tokio::test(start_paused = true)]
async fn who_is_left_may_ask_for_all_tokens() {
    let stage = ClusterStage::new().await;
    assert_eq!(tokens(&stage, TOKENS / 2).await, TOKENS / 2, "its half");
    assert_eq!(tokens(&stage, 1).await, TOKENS / 2, "and no more: the other one lives");
    // It falls silent; its last beat was a moment ago.
    let silent = &stage.one.cluster;
    silent.leave().await;
    let identity = silent.identity();
    let beat = Beat {
        incarnation: silent.incarnation(),
        name: identity.name,
        address: identity.address,
        fingerprint: identity.fingerprint,
        chats: 0,
    };
    stage.memory.beat(&beat, LEASE).await.unwrap();
    let live = async || stage.memory.nodes().await.unwrap().iter().filter(|one| one.live).count();
    assert_eq!(live().await, 2);
    // The chat in the queue, and everybody after it, waits for the minute to pass.
    stage.seconds(61).await;
    assert_eq!(live().await, 1);
    let before = stage.desk().chats().len();
    assert_eq!(before, TOKENS / 2 + 1);
    let one = 1;
    assert_eq!(tokens(&stage, TOKENS - one).await, before + TOKENS - one, "the whole");
    assert_eq!(tokens(&stage, 1).await, before + TOKENS - one, "and no more");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_plan_decides_at_the_other_node_within_a_second() {
    let stage = ClusterStage::of("2026-01-10T09:00:00Z", tenant("acme")).await;
    let decided = async || {
        Client::session_at(stage.two.service(), Acks::Real).await;
        let decided = stage.two.decided.0.lock().unwrap();
        decided.last().map(|last| (last.route, last.because.code())).expect("one")
    };
    assert_eq!(decided().await, (Route::Legacy, "auto-legacy"));
    let changes = "/admin/v1/tenants/acme/changes";
    let (one, two) =
        (Api::new(stage.one.bridge.admin.clone()), Api::new(stage.two.bridge.admin.clone()));
    for (number, action, route) in [
        (1, json!({ "kind": "stage", "stage": "miaw", "withoutEvidence": true }), Route::Miaw),
        (2, json!({ "kind": "rollBack" }), Route::Legacy),
    ] {
        let wish = json!({ "expected": number - 1, "why": "as agreed", "action": action });
        let got = one.ask("POST", changes, Some(&one.token("operate")), &wish.to_string()).await;
        assert_eq!(got.status, 201, "{}", got.text);
        stage.seconds(1).await;
        assert_eq!(decided().await.0, route, "change {number}");
        let seen = two.get("/admin/v1/tenants/acme").await;
        assert_eq!(seen["lastChange"], number);
    }
}
