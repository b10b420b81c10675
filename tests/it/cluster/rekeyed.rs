//! Chats that are relayed to the legacy service under a key of ours.

use liveagent_bridge::emulator::{ChatState, Command};
use serde_json::json;

use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::{ClusterStage, Fate, chat};
use crate::stage::tenant_by_button;

const BEFORE: &str = "2025-11-01T09:00:00Z";

/// Two nodes whose chats are relayed under keys of ours, and one that an agent has accepted.
async fn talking() -> (ClusterStage, Client) {
    let tenant = tenant_by_button("acme", "573000000000009");
    let stage = ClusterStage::of(BEFORE, tenant).await;
    let client = stage.talking(Acks::Real).await;
    assert!(stage.one.bridge.relay.holds(chat(&client)));
    (stage, client)
}

#[tokio::test(start_paused = true)]
async fn requests_go_to_the_nodes_in_turns() {
    let (stage, mut client) = talking().await;
    let mut lines = Vec::new();
    for turn in 0..6 {
        let [posts, polls] = match turn % 2 {
            0 => [&stage.two, &stage.one],
            _ => [&stage.one, &stage.two],
        };
        client.goes_to(posts.service());
        lines.push(format!("m{turn}"));
        client.says(&lines[turn]).await;
        client.goes_to(polls.service());
        stage.agent_says(&format!("a{turn}"));
        client.until_told(&format!("a{turn}")).await;
    }
    assert_eq!(client.texts(), ["a0", "a1", "a2", "a3", "a4", "a5"]);
    stage.hears(&lines.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(!stage.two.bridge.relay.holds(chat(&client)), "it has one owner");
    assert!(stage.passed("ChatMessage") >= 3 && stage.passed("Messages") >= 3);
    client.goes_to(stage.two.service());
    assert_eq!(client.post("ChatEnd", &json!({ "reason": "client" })).await.0, 200);
    client.goes_to(stage.one.service());
    client.until("ChatEnded").await;
    for node in [&stage.one, &stage.two] {
        client.goes_to(node.service());
        assert_eq!(client.poll().await.0, 403);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_link_loses_is_passed_on_once() {
    let (stage, mut client) = talking().await;
    client.goes_to(stage.two.service());
    // The service would take the same words twice.
    stage.once("ChatMessage", Fate::Unanswered);
    assert_eq!(client.post_as(None, "ChatMessage", &json!({ "text": "yes" })).await.0, 200);
    assert_eq!(stage.passed("ChatMessage"), 2);
    stage.hears(&["yes"]).await;
    stage.once("Messages", Fate::Unanswered);
    stage.agent_says("hello");
    client.until_told("hello").await;
    assert_eq!(client.texts(), ["hello"]);
}

#[tokio::test(start_paused = true)]
async fn another_node_goes_on_when_its_own_is_lost() {
    let (stage, mut client) = talking().await;
    client.says("m0").await;
    let before = stage.memory.loads();
    stage.lose_one().await;
    client.goes_to(stage.two.service());
    client.says("m1").await;
    assert!(stage.two.bridge.relay.holds(chat(&client)));
    // By the request or by the sweep, whichever was first; not by both.
    assert!(stage.memory.loads() - before <= 2, "{}", stage.memory.loads() - before);
    stage.agent_says("a0");
    client.until_told("a0").await;
    stage.hears(&["m0", "m1"]).await;
    assert_eq!(stage.desk().chats().len(), 1, "no second session was opened");
    // Its end, by the agent this time.
    stage.act(Command::End);
    client.until("ChatEnded").await;
    assert_eq!(client.poll().await.0, 403);
    stage.desk_chat(|chat| chat.state == ChatState::Ended).await;
}
