//! An answer passed between nodes counts as written when the client's connection took it.

use std::time::Duration;

use serde_json::json;

use crate::bridge_stage::Acks;
use crate::cluster_stage::{ClusterStage, Fate, TOLD};

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_other_node_could_not_hand_over_is_lost() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking_elsewhere(Acks::Never).await;
    let yes = json!({ "text": "yes" });
    client.lose_post("ChatMessage", &yes).await;
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    stage.hears(&["yes"]).await;
    // This answer is read, so that the next one is another no, wherever it is said.
    let no = json!({ "text": "no" });
    for node in [&stage.two, &stage.two, &stage.one, &stage.two] {
        client.goes_to(node.service());
        assert_eq!(client.post_as(None, "ChatMessage", &no).await.0, 200);
    }
    stage.hears(&["yes", "no", "no", "no", "no"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_the_other_node_could_not_hand_over_comes_again() {
    for at_one in [false, true] {
        let stage = ClusterStage::new().await;
        let mut client = stage.talking_elsewhere(Acks::Never).await;
        stage.agent_says("hello");
        client.lose_poll().await;
        if at_one {
            client.goes_to(stage.one.service());
        }
        client.until_told("hello").await;
        stage.agent_says("once");
        client.until_told("once").await;
        assert_eq!(client.texts(), ["hello", "once"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_is_told_counts_as_lost() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking_elsewhere(Acks::Real).await;
    stage.mute();
    let yes = json!({ "text": "yes" });
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    client.goes_to(stage.one.service());
    let before = stage.clock.now().mono;
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    // So long is waited for what became of the first one, and no longer.
    assert_eq!(stage.clock.now().mono.since(before), Duration::from_secs(2));
    stage.hears(&["yes"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_late_goes_with_the_next_request() {
    let stage = ClusterStage::new().await;
    let client = stage.talking_elsewhere(Acks::Real).await;
    stage.mute();
    let yes = json!({ "text": "yes" });
    for _ in 0..2 {
        let before = stage.clock.now().mono;
        assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
        assert_eq!(stage.clock.now().mono, before, "the answer waited");
    }
    stage.hears(&["yes", "yes"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_owner_waits_for_what_is_told_and_the_client_does_not() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking_elsewhere(Acks::Real).await;
    // What is told arrives after a second.
    stage.tamper(|request| match request.uri().path() == TOLD {
        true => Fate::ArrivesLate(Duration::from_secs(1)),
        false => Fate::Passes,
    });
    let yes = json!({ "text": "yes" });
    let before = stage.clock.now().mono;
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    assert_eq!(stage.clock.now().mono, before, "the answer waited");
    client.goes_to(stage.one.service());
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    stage.hears(&["yes", "yes"]).await;
}
