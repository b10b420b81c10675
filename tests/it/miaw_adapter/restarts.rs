//! The store under the chats: what a restart, a full disk and a busy day ask of it.

use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::config::Behaviour;
use liveagent_bridge::emulator::Agents;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::store::sqlite::{Ring, SqliteStore};

use crate::bridge_stage::{Acks, BridgeStage, Client};

/// Until what the beginning of a chat left over is stored.
const WARM_UP: u64 = 3;
const TRIPS: u64 = 40;

#[tokio::test(start_paused = true)]
async fn a_chat_goes_on_after_a_restart() {
    for acks in [Acks::Never, Acks::Real, Acks::Counter] {
        let mut stage = BridgeStage::new().await;
        let mut client = Client::talking_as(&stage, acks).await;
        client.says("before").await;
        stage.agent_says("unread");
        stage.hears(&["before"]).await;
        stage.stop().await;
        stage.agent_says("while down");
        stage.start_again().await;
        client.moves_to(&stage);
        assert_eq!(stage.recovered, 1);
        client.until_told("while down").await;
        client.says("after").await;
        stage.hears(&["before", "after"]).await;
        stage.agent_says("and on");
        client.until_told("and on").await;
        let texts = client.texts();
        assert_eq!(texts, ["unread", "while down", "and on"], "{acks:?}");
        assert_eq!(stage.count("token"), 1, "never a second token");
        assert_eq!(stage.count("create"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_at_any_moment_of_the_start_loses_nothing() {
    for millis in [0, 100, 1_000, 3_000, 9_000] {
        let mut stage = BridgeStage::new().await;
        for operation in ["token", "create", "message"] {
            stage.fault(operation, 1, |fault| fault.delay_millis = 2_000);
        }
        let mut client = Client::begin(&stage).await;
        client.says("one").await;
        client.says("two").await;
        stage.pass(Duration::from_millis(millis)).await;
        stage.start_again().await;
        client.moves_to(&stage);
        client.says("three").await;
        client.until("ChatRequestSuccess").await;
        stage.hears(&["one", "two", "three"]).await;
        assert_eq!(stage.count("ChatRequestSuccess"), 0);
        assert_eq!(client.count("ChatRequestSuccess"), 1, "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_poll_is_let_go_at_shutdown() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    let begun = stage.clock.now().mono;
    let early = Client::session(&stage, Acks::Real).await;
    let polls =
        [client.clone(), early].map(|client| tokio::spawn(async move { client.peek().await }));
    stage.seconds(3).await;
    stage.stop().await;
    for poll in polls {
        assert_eq!(poll.await.unwrap().status, 204);
    }
    assert_eq!(stage.clock.now().mono.since(begun), Duration::from_secs(3));
}

/// A poll from before the store failed and one from after it are held to their end, as ever.
#[tokio::test(start_paused = true)]
async fn polls_stay_parked_while_the_store_is_away() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    for away_first in [false, true] {
        let begun = stage.clock.now().mono;
        if away_first {
            stage.memory.stop_writes();
        }
        let fails = async {
            stage.seconds(1).await;
            stage.memory.stop_writes();
            stage.agent_says("unseen so far");
        };
        let (poll, ()) = tokio::join!(client.peek(), fails);
        assert_eq!(poll.status, 204, "{}", poll.text);
        let held = stage.clock.now().mono.since(begun).as_millis();
        assert!((24_000..=24_500).contains(&held), "held for {held} ms");
        stage.memory.resume_writes();
        client.until_told("unseen so far").await;
        client.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_that_is_not_stored() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    stage.memory.stop_writes();
    let begun = stage.clock.now().mono;
    let post = tokio::spawn({
        let mut client = client.clone();
        async move { client.say("patience").await }
    });
    stage.seconds(6).await;
    assert!(!post.is_finished());
    assert_eq!(stage.heard(), Vec::<String>::new(), "commit, then act");
    stage.memory.resume_writes();
    assert_eq!(post.await.unwrap(), (200, "OK".to_owned()));
    assert!(stage.clock.now().mono.since(begun) < Duration::from_secs(10));
    client.number += 1;
    stage.hears(&["patience"]).await;
    stage.memory.stop_writes();
    let begun = stage.clock.now().mono;
    assert_eq!(client.say("in vain").await.0, 500);
    assert_eq!(stage.clock.now().mono.since(begun), Duration::from_secs(10));
    stage.agent_says("unseen so far");
    stage.seconds(30).await;
    stage.memory.resume_writes();
    client.until_told("unseen so far").await;
    // The client tries again under the same number: it was taken meanwhile, and is not doubled.
    client.number -= 1;
    client.says("in vain").await;
    client.says("last").await;
    stage.hears(&["patience", "in vain", "last"]).await;
}

#[tokio::test(start_paused = true)]
async fn many_chats_go_on_at_a_pace_and_each_is_read_once() {
    const CHATS: usize = 150;
    let mut stage = BridgeStage::new().await;
    let mut clients = Vec::new();
    for _ in 0..CHATS {
        clients.push(Client::begin(&stage).await);
    }
    while stage.count("sse") < CHATS {
        stage.seconds(1).await;
    }
    stage.stop().await;
    let (loads, streams, tokens) = (stage.memory.loads(), CHATS, stage.count("token"));
    stage.start_again().await;
    assert_eq!((stage.recovered, stage.memory.loads() - loads), (CHATS, CHATS as u64));
    // Who is asked for does not wait for its turn.
    let began = stage.clock.now().mono;
    let client = clients.last_mut().unwrap();
    client.moves_to(&stage);
    client.says("at once").await;
    assert_eq!(stage.clock.now().mono, began);
    stage.pass(Duration::from_millis(100)).await;
    let some = stage.count("sse") - streams;
    assert!((40..=60).contains(&some), "{some} streams in a tenth of a second");
    stage.seconds(2).await;
    assert_eq!(stage.count("sse") - streams, CHATS);
    assert_eq!(stage.memory.loads() - loads, CHATS as u64, "each chat is read once");
    assert_eq!(stage.count("token"), tokens, "no chat asks for another token");
}

#[tokio::test(start_paused = true)]
async fn a_chat_cannot_begin_without_the_store_and_begins_when_it_is_back() {
    let stage = BridgeStage::new().await;
    stage.memory.stop_writes();
    let mut client = Client::session(&stage, Acks::Real).await;
    assert_eq!(client.init().await.0, 500);
    assert_eq!(stage.all(), 0, "nothing was asked of Salesforce");
    stage.memory.resume_writes();
    client.number = 1;
    assert_eq!(client.init().await.1, "OK");
    client.until("ChatRequestSuccess").await;
    assert_eq!(stage.count("create"), 1);
}

/// Both sides speak in turn: the visitor, after a while the agent, after a while the next.
async fn round_trips(stage: &BridgeStage, client: &mut Client, trips: u64, pause: Duration) {
    for n in 0..trips {
        let answer = tokio::spawn({
            let mut client = client.clone();
            async move {
                client.until("ChatMessage").await;
                client
            }
        });
        let heard = stage.heard().len();
        client.says(&format!("visitor {n}")).await;
        let number = client.number;
        stage.desk_chat(|_| stage.heard().len() > heard).await;
        stage.pass(pause).await;
        stage.agent_says(&format!("agent {n}"));
        *client = answer.await.unwrap();
        client.number = number;
        stage.pass(pause).await;
    }
}

/// The POST of the visitor and the event of the agent: no more and no less.
#[tokio::test(start_paused = true)]
async fn a_round_trip_costs_two_commits_at_any_pace() {
    let mut costs = Vec::new();
    for acks in [Acks::Never, Acks::Real, Acks::Counter] {
        for millis in [0, 300, 2_000, 8_000, 20_000] {
            // A message that must wait for its turn in a minute is one more.
            let unpaced = |behaviour: &mut Behaviour| behaviour.message_budget_per_minute = 1_000;
            let stage = BridgeStage::with(Agents::None, unpaced).await;
            stage.knobs(|knobs| knobs.rate_limits = false);
            let pause = Duration::from_millis(millis);
            let mut client = Client::talking_as(&stage, acks).await;
            round_trips(&stage, &mut client, WARM_UP, pause).await;
            let before = stage.memory.writes();
            round_trips(&stage, &mut client, TRIPS, pause).await;
            let cost = stage.memory.writes() - before;
            costs.push((acks, millis, cost));
        }
    }
    let wrong = costs.iter().filter(|(.., cost)| *cost != 2 * TRIPS).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "not {} commits: {wrong:?}", 2 * TRIPS);
}

/// A node that slept may have lost the chat: it acts on nothing before it knows.
#[tokio::test(start_paused = true)]
async fn nothing_goes_out_while_the_lease_is_in_doubt() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking_as(&stage, Acks::Real).await;
    client.says("before").await;
    stage.hears(&["before"]).await;
    stage.memory.doubt_lease(true);
    stage.agent_says("meanwhile");
    let (asked, ()) = tokio::join!(client.says("in doubt"), async {
        stage.seconds(5).await;
        assert_eq!(stage.sent("message").len(), 1);
        stage.memory.doubt_lease(false);
    });
    let () = asked;
    stage.hears(&["before", "in doubt"]).await;
    client.until_told("meanwhile").await;
    assert_eq!(stage.sent("message").len(), 2);
}

/// While one token is waited for, the lease comes into doubt.
#[tokio::test(start_paused = true)]
async fn no_token_is_asked_for_while_the_lease_is_in_doubt() {
    let stage = BridgeStage::new().await;
    stage.fault("token", 1, |fault| {
        fault.status = Some(429);
        fault.retry_after_seconds = Some(30);
    });
    Client::begin(&stage).await;
    let mut second = Client::begin(&stage).await;
    stage.seconds(10).await;
    let asked = stage.count("token");
    stage.memory.doubt_lease(true);
    stage.seconds(60).await;
    assert_eq!(stage.count("token"), asked, "their turns came meanwhile");
    stage.memory.doubt_lease(false);
    second.until("ChatRequestSuccess").await;
    stage.seconds(10).await;
    assert_eq!(stage.count("token"), asked + 2);
    assert_eq!(stage.count("create"), 2);
}

/// The same on the real store, in real time.
#[tokio::test]
async fn a_round_trip_costs_two_commits_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chats.db");
    let store = Arc::new(SqliteStore::open(&path, Ring::Beside).expect("a store"));
    let unused = MemoryStore::new();
    let stage = BridgeStage::on(store.clone(), unused, Agents::None, |behaviour| {
        behaviour.message_budget_per_minute = 1_000;
    })
    .await;
    stage.knobs(|knobs| knobs.rate_limits = false);
    let mut client = Client::talking(&stage).await;
    round_trips(&stage, &mut client, WARM_UP, Duration::ZERO).await;
    let before = store.stats().requests;
    round_trips(&stage, &mut client, TRIPS, Duration::ZERO).await;
    assert_eq!(store.stats().requests - before, 2 * TRIPS);
    stage.stop().await;
}
