//! Nodes that do not answer, and nodes that were away and do not know it.

use std::time::Duration;

use futures_util::future::join_all;
use liveagent_bridge::time::Mono;
use serde_json::json;

use super::begun;
use crate::bridge_stage::Acks;
use crate::cluster_stage::{ClusterStage, Fate, State, TOLD};

/// The longest gap that the loss of a node may cost (P4).
const GAP: Duration = Duration::from_secs(8);

/// Loses node one at some point between two of its beats, and holds what is asked of node two to
/// the promised gap.
async fn the_gap_is_short(lose: impl Fn(&ClusterStage)) {
    for tenths in [0, 4, 9, 13, 19] {
        let stage = ClusterStage::new().await;
        let mut writer = stage.talking(Acks::Real).await;
        writer.goes_to(stage.two.service());
        writer.drain().await;
        let mut reader = writer.clone();
        stage.clock.until(next_beat(&stage).plus(Duration::from_millis(tenths * 100))).await;
        let lost = stage.clock.now().mono;
        let since = || stage.clock.now().mono.since(lost);
        let parked = async {
            reader.until_told("hello").await;
            since()
        };
        let said = async {
            // The poll is at the node already when that is lost.
            stage.pass(Duration::from_millis(10)).await;
            lose(&stage);
            stage.agent_says("hello");
            writer.says("are you there?").await;
            since()
        };
        let (read, written) = tokio::join!(parked, said);
        assert!(read < GAP && written < GAP, "{tenths}: {read:?}, {written:?}");
        stage.hears(&["are you there?"]).await;
        assert!(stage.two.has(&writer));
    }
}

/// When node one renews its lease next: nodes beat every 2 s from their start on.
fn next_beat(stage: &ClusterStage) -> Mono {
    Mono::from_millis((stage.clock.now().mono.millis() / 2_000 + 1) * 2_000)
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_stands_still_is_not_waited_for() {
    the_gap_is_short(ClusterStage::freeze_one).await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_machine_is_off_is_not_waited_for() {
    the_gap_is_short(ClusterStage::kill_one).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_dead_node_asks_neither_it_nor_the_store() {
    const CHATS: usize = 25;
    let stage = ClusterStage::new().await;
    let mut clients = Vec::new();
    for _ in 0..CHATS {
        let mut client = begun(&stage.one).await;
        client.goes_to(stage.two.service());
        // From now on it is known whose the chat is.
        assert_eq!(client.post("ChasitorTyping", &serde_json::json!({})).await.0, 200);
        clients.push(client);
    }
    stage.kill_one();
    let asked_of_it = || stage.passed("") - stage.passed(TOLD);
    let (asked, passed) = (stage.two.way.owners(), asked_of_it());
    let died = stage.clock.now().mono;
    let each = clients.iter_mut().map(async |client| {
        let poll = client.clone();
        let said = async {
            client.says("still there?").await;
            stage.clock.now().mono.since(died)
        };
        tokio::join!(said, poll.peek()).0
    });
    for gap in join_all(each).await {
        assert!(gap < GAP, "{gap:?}");
    }
    let (asked, passed) = (stage.two.way.owners() - asked, asked_of_it() - passed);
    assert!(asked <= 4 * CHATS, "the store was asked {asked} times");
    // Two requests of each, once, and the probes.
    assert!(passed <= 2 * CHATS + 12, "the dead node was asked {passed} times");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_away_answers_nothing_old() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking(Acks::Real).await;
    client.drain().await;
    // Node one has stored it, and would tell it without a look into the store.
    stage.agent_says("hello");
    stage.seconds(1).await;
    stage.one.way.is(State::Hangs);
    stage.seconds(8).await;
    assert!(stage.two.has(&client));
    let mut before = client.clone();
    client.goes_to(stage.two.service());
    client.until_told("hello").await;
    // It still thinks that it has the chat; what it knows is old.
    assert!(stage.one.has(&client));
    assert_eq!(before.poll().await, (204, Vec::new()));
    client.goes_to(stage.one.service());
    stage.agent_says("more");
    assert_eq!(client.poll().await, (204, Vec::new()));
    // It finds out when it is back.
    stage.one.way.is(State::Open);
    client.until_told("more").await;
    stage.agent_says("once");
    client.until_told("once").await;
    assert!(!stage.one.has(&client));
    assert_eq!(client.texts(), ["hello", "more", "once"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_its_node_slept_through_is_asked_once_more() {
    let stage = ClusterStage::new().await;
    let client = stage.talking_elsewhere(Acks::Real).await;
    stage.once("ChatMessage", Fate::Vanishes);
    let sleep = async {
        stage.seconds(1).await;
        // No timer fires before the time is over.
        tokio::time::advance(Duration::from_secs(15)).await;
    };
    let yes = json!({ "text": "yes" });
    let (answer, ()) = tokio::join!(client.post_as(None, "ChatMessage", &yes), sleep);
    assert_eq!(answer.0, 200);
    stage.hears(&["yes"]).await;
}
