//! A request that a node asks again of the owner is the same request.

use std::time::Duration;

use liveagent_bridge::config::Overlap;
use serde_json::json;

use crate::bridge_stage::Acks;
use crate::cluster_stage::{ClusterStage, Fate};
use crate::stage::tenant;

#[tokio::test(start_paused = true)]
async fn an_unnumbered_post_whose_answer_the_link_lost_is_acted_on_once() {
    let stage = ClusterStage::new().await;
    let client = stage.talking_elsewhere(Acks::Real).await;
    stage.once("ChatMessage", Fate::Unanswered);
    let yes = json!({ "text": "yes" });
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    assert_eq!(stage.passed("ChatMessage"), 2);
    stage.hears(&["yes"]).await;
    // The client has its answer: this is a second one.
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    stage.hears(&["yes", "yes"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_whose_link_breaks_goes_on_and_is_not_a_second_one() {
    let mut strict = tenant("acme");
    strict.behaviour.overlap = Overlap::Strict;
    let stage = ClusterStage::of("2026-03-01T09:00:00Z", strict).await;
    let mut client = stage.talking(Acks::Never).await;
    client.drain().await;
    client.goes_to(stage.two.service());
    stage.once("Messages", Fate::Breaks(Duration::from_secs(5)));
    let said = async {
        stage.seconds(10).await;
        stage.agent_says("hello");
    };
    let ((), ()) = tokio::join!(said, client.until_told("hello"));
    assert_eq!(stage.passed("Messages"), 2);
    stage.agent_says("once");
    client.until_told("once").await;
    assert_eq!(client.texts(), ["hello", "once"]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_whose_answer_the_link_lost_is_answered_the_same() {
    for acks in [Acks::Never, Acks::Real, Acks::Counter] {
        let stage = ClusterStage::new().await;
        let mut client = stage.talking_elsewhere(acks).await;
        stage.agent_says("hello");
        stage.once("Messages", Fate::Unanswered);
        let before = stage.clock.now().mono;
        client.until_told("hello").await;
        assert!(stage.clock.now().mono.since(before) < Duration::from_secs(1), "{acks:?}");
        stage.agent_says("once");
        client.until_told("once").await;
        assert_eq!(client.texts(), ["hello", "once"], "{acks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_under_way_is_waited_for_when_its_link_breaks() {
    let stage = ClusterStage::new().await;
    let client = stage.talking_elsewhere(Acks::Real).await;
    // The owner cannot store for a while: the POST is under way.
    stage.memory.stop_writes();
    stage.once("ChatMessage", Fate::Breaks(Duration::from_secs(1)));
    let later = async {
        stage.seconds(2).await;
        stage.memory.resume_writes();
    };
    let yes = json!({ "text": "yes" });
    let (answer, ()) = tokio::join!(client.post_as(None, "ChatMessage", &yes), later);
    assert_eq!(answer.0, 200);
    assert_eq!(stage.passed("ChatMessage"), 2);
    stage.hears(&["yes"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_post_that_vanishes_on_its_way_is_asked_again_in_time() {
    let stage = ClusterStage::new().await;
    let client = stage.talking_elsewhere(Acks::Real).await;
    stage.once("ChatMessage", Fate::Vanishes);
    let before = stage.clock.now().mono;
    let yes = json!({ "text": "yes" });
    assert_eq!(client.post_as(None, "ChatMessage", &yes).await.0, 200);
    assert!(stage.clock.now().mono.since(before) < Duration::from_secs(4));
    // One that is only slow is under way all the same.
    stage.memory.stop_writes();
    let later = async {
        stage.seconds(8).await;
        stage.memory.resume_writes();
    };
    let no = json!({ "text": "no" });
    let (answer, ()) = tokio::join!(client.post_as(None, "ChatMessage", &no), later);
    assert_eq!(answer.0, 200);
    stage.hears(&["yes", "no"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_chat_has_so_many_requests_of_other_nodes_under_way_and_no_more() {
    let stage = ClusterStage::new().await;
    let client = stage.talking_elsewhere(Acks::Real).await;
    stage.memory.stop_writes();
    let texts: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    let bodies: Vec<serde_json::Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    let posts = bodies.iter().map(|body| client.post_as(None, "ChatMessage", body));
    let room = async {
        stage.seconds(1).await;
        stage.memory.resume_writes();
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(posts), room);
    let count = |status| answers.iter().filter(|(got, _)| *got == status).count();
    assert_eq!((count(200), count(500)), (32, 8));
}

#[tokio::test(start_paused = true)]
async fn a_poll_whose_client_leaves_is_not_kept() {
    let mut strict = tenant("acme");
    strict.behaviour.overlap = Overlap::Conflict;
    let stage = ClusterStage::of("2026-03-01T09:00:00Z", strict).await;
    let mut client = stage.talking(Acks::Real).await;
    client.drain().await;
    client.goes_to(stage.two.service());
    let left = tokio::time::timeout(Duration::from_secs(5), client.lose_poll()).await;
    assert!(left.is_err(), "nothing to say yet");
    stage.agent_says("hello");
    client.until_told("hello").await;
    assert_eq!(client.texts(), ["hello"]);
}
