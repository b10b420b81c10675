//! Chats of a node that is gone.

use serde_json::json;

use crate::bridge_stage::Acks;
use crate::cluster_stage::{ClusterStage, chat};

#[tokio::test(start_paused = true)]
async fn a_chat_taken_up_by_the_sweep_is_read_once() {
    let stage = ClusterStage::new().await;
    let client = stage.talking(Acks::Real).await;
    let before = stage.memory.loads();
    stage.lose_one().await;
    stage.seconds(3).await;
    assert!(stage.two.has(&client));
    assert_eq!(stage.memory.loads() - before, 1);
    // Claimed once: the epoch after the first.
    let owner = liveagent_bridge::store::shared::Shared::owner(&stage.memory, chat(&client).0);
    assert_eq!(owner.await.unwrap().unwrap().epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_was_taken_up_goes_on() {
    for acks in [Acks::Never, Acks::Real] {
        let stage = ClusterStage::new().await;
        let mut client = stage.talking(acks).await;
        client.says("before").await;
        stage.hears(&["before"]).await;
        client.goes_to(stage.two.service());
        stage.agent_says("hello");
        client.until_told("hello").await;
        stage.lose_one().await;
        client.says("after").await;
        stage.hears(&["before", "after"]).await;
        stage.agent_says("welcome back");
        client.until_told("welcome back").await;
        let end = json!({ "reason": "client" });
        assert_eq!(client.post("ChatEnd", &end).await.0, 200);
        client.ends("client").await;
    }
}
