//! A node that stops in good order, and what its readiness says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use liveagent_bridge::store::shared::Shared as _;
use serde_json::json;

use super::begun;
use crate::admin::{Api, problem};
use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::{ClusterStage, Fate, State, TOLD, begin, chat};

/// Chats of the node that stops, each with a poll at the other one.
const CHATS: usize = 300;

#[tokio::test(start_paused = true)]
async fn a_node_drains_although_the_other_asks_for_its_chats() {
    let stage = Arc::new(ClusterStage::new().await);
    let mut clients = Vec::new();
    for _ in 0..CHATS {
        let mut client = begun(&stage.one).await;
        client.goes_to(stage.two.service());
        clients.push(client);
    }
    // Each at another instant, and no two of their chats are stored, read and let go at the same.
    stage.one.way.is(State::Slow);
    let began = stage.clock.now().mono;
    let polls = join_all(clients.iter().enumerate().map(async |(at, client)| {
        stage.pass(Duration::from_millis(at as u64)).await;
        client.peek().await
    }));
    let stops = async {
        stage.seconds(2).await;
        let before = stage.clock.now().mono;
        let stopped = tokio::time::timeout(Duration::from_secs(60), stage.stop_one()).await;
        stopped.expect("it leaves");
        let drained = stage.clock.now().mono.since(before);
        assert!(drained < Duration::from_secs(3), "{drained:?}");
        // Nobody was told anything, and the chats are to be had at once.
        stage.seconds(2).await;
        for client in &clients {
            assert!(stage.two.has(client));
        }
    };
    let (polls, ()) = tokio::join!(polls, stops);
    let held = stage.clock.now().mono.since(began);
    assert!(held >= Duration::from_secs(24), "polls were let go after {held:?}");
    assert!(polls.iter().all(|poll| poll.status == StatusCode::NO_CONTENT));
    for client in &clients {
        let owner = stage.memory.owner(chat(client).0).await.unwrap().unwrap();
        // Once to see what it is, once by its task.
        assert!(owner.epoch <= 3, "claimed {} times", owner.epoch - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_store_hangs_leaves_all_the_same() {
    let stage = ClusterStage::new().await;
    let client = stage.talking(Acks::Real).await;
    stage.one.way.is(State::Hangs);
    // Something that must be stored before it is answered.
    let said =
        async { tokio::time::timeout(Duration::from_secs(60), client.clone().say("hm")).await };
    let stops = async {
        stage.seconds(1).await;
        let before = stage.clock.now().mono;
        let stopped = tokio::time::timeout(Duration::from_secs(60), stage.stop_one()).await;
        stopped.expect("it leaves");
        stage.clock.now().mono.since(before)
    };
    let (stopped, _) = tokio::join!(stops, said);
    assert!(stopped <= Duration::from_secs(15), "{stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_lease_is_not_renewed_is_not_ready() {
    let stage = ClusterStage::new().await;
    let api = Api::new(stage.one.bridge.admin.clone());
    let good = async |value: u8| {
        let page = api.ask("GET", "/metrics", None, "").await.text;
        assert!(page.lines().any(|line| line == format!("bridge_lease_good {value}")), "{page}");
    };
    assert_eq!(api.ask("GET", "/readyz", None, "").await.status, 200);
    good(1).await;
    stage.one.way.is(State::NoBeats);
    stage.seconds(5).await;
    let got = api.ask("GET", "/readyz", None, "").await;
    problem(&got, 503, "not-ready");
    let checks = &got.json()["checks"];
    assert_eq!(checks["store"], "ok");
    assert_eq!(api.ask("GET", "/readyz?exclude=store", None, "").await.status, 200);
    assert!(checks["cluster"].as_str().unwrap().contains("lease"), "{checks}");
    good(0).await;
    stage.one.way.is(State::Open);
    stage.seconds(1).await;
    assert_eq!(api.ask("GET", "/readyz", None, "").await.status, 200);
    good(1).await;
    stage.one.shutdown.cancel();
    let got = api.ask("GET", "/readyz", None, "").await;
    problem(&got, 503, "not-ready");
    assert_eq!(got.json()["checks"]["draining"], true);
    assert_eq!(got.json()["checks"]["cluster"], "ok");
}

/// What is parked at a node that stops keeps nobody waiting: neither who polls there, nor those
/// whose chats it has.
#[tokio::test(start_paused = true)]
async fn a_node_that_stops_lets_the_polls_go_that_it_parked_for_others_clients() {
    let stage = ClusterStage::new().await;
    let mut parked = begun(&stage.two).await;
    parked.goes_to(stage.one.service());
    let mut talks = begun(&stage.one).await;
    talks.goes_to(stage.two.service());
    let stops = async {
        stage.seconds(2).await;
        stage.one.shutdown.cancel();
        let before = stage.clock.now().mono;
        let message = json!({ "text": "hello" });
        let (sent, ()) =
            tokio::join!(talks.post_as(None, "ChatMessage", &message), stage.one.bridge.leave());
        assert_eq!(sent.0, 200);
        assert!(stage.clock.now().mono.since(before) < Duration::from_secs(2));
        before
    };
    let poll = async {
        let poll = parked.peek().await;
        (poll, stage.clock.now().mono)
    };
    let ((poll, at), stopped) = tokio::join!(poll, stops);
    assert_eq!(poll.status, StatusCode::NO_CONTENT);
    let held = at.since(stopped);
    assert!(held < Duration::from_secs(1), "a poll was parked for {held:?} at a node that stops");
    assert!(stage.two.has(&talks) && stage.two.has(&parked));
}

/// A chat that is asked for at a node that stops begins there, and goes on at the other.
#[tokio::test(start_paused = true)]
async fn a_chat_that_was_accepted_begins_although_its_node_stops() {
    let stage = ClusterStage::new().await;
    let mut client = Client::session_at(stage.one.service(), Acks::Real).await;
    stage.one.way.is(State::Slow);
    let stops = async {
        stage.pass(Duration::from_millis(5)).await;
        stage.stop_one().await;
    };
    let ((), ()) = tokio::join!(begin(&mut client), stops);
    client.goes_to(stage.two.service());
    client.until("ChatRequestSuccess").await;
    assert!(stage.two.has(&client));
}

/// One whose owner could not be looked up before its node left begins at the other.
#[tokio::test(start_paused = true)]
async fn a_chat_that_could_not_be_looked_up_begins_where_somebody_stays() {
    let stage = ClusterStage::new().await;
    let mut client = Client::session_at(stage.one.service(), Acks::Real).await;
    stage.one.way.is(State::Cut);
    let stops = async {
        stage.pass(Duration::from_millis(50)).await;
        stage.one.shutdown.cancel();
        stage.one.way.is(State::Open);
        stage.one.bridge.leave().await;
        stage.clock.now().mono
    };
    let begins = async {
        begin(&mut client).await;
        stage.clock.now().mono
    };
    let (began, left) = tokio::join!(begins, stops);
    assert!(began.since(left) < Duration::from_secs(1), "{:?}", began.since(left));
    assert!(stage.two.has(&client));
    client.goes_to(stage.two.service());
    client.until("ChatRequestSuccess").await;
    assert_eq!(stage.desk().chats().len(), 1);
}

/// What a node still has to pass on when it has left is not held up by a link that broke before or
/// breaks then.
#[tokio::test(start_paused = true)]
async fn a_node_that_has_left_goes_on_asking_who_broke_a_connection() {
    let stage = ClusterStage::new().await;
    let mut client = begun(&stage.two).await;
    client.goes_to(stage.one.service());
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    stage.tamper(move |request| match request.uri().path() == TOLD {
        false if is_broken.load(Ordering::Relaxed) => Fate::Lost,
        _ => Fate::Passes,
    });
    let stops = async {
        stage.seconds(1).await;
        stage.one.shutdown.cancel();
        stage.one.bridge.leave().await;
        stage.seconds(2).await;
        broken.store(false, Ordering::Relaxed);
        stage.clock.now().mono
    };
    let message = json!({ "text": "hello" });
    let says = async {
        let said = client.post_as(None, "ChatMessage", &message).await;
        (said.0, stage.clock.now().mono)
    };
    let ((status, said), mended) = tokio::join!(says, stops);
    assert_eq!(status, 200);
    assert!(said.since(mended) < Duration::from_secs(1), "{:?}", said.since(mended));
}

/// One that never acknowledges says with its next poll that it has what it was sent: that must not
/// overtake the word that its last one was let go.
#[tokio::test(start_paused = true)]
async fn who_never_acknowledges_loses_nothing_to_the_node_that_parked_its_poll() {
    for after in (5..300).step_by(20) {
        let stage = ClusterStage::new().await;
        let mut client = stage.talking(Acks::Never).await;
        client.drain().await;
        client.goes_to(stage.two.service());
        // The agent's words are being stored when the other node stops.
        stage.one.way.is(State::Slow);
        let stops = async {
            stage.seconds(1).await;
            stage.agent_says("can you hear me?");
            stage.pass(Duration::from_millis(after)).await;
            stage.two.shutdown.cancel();
            stage.two.bridge.leave().await;
        };
        let ((status, messages), ()) = tokio::join!(client.poll(), stops);
        if status == 200 {
            assert_eq!(messages.len(), 1);
        }
        client.goes_to(stage.one.service());
        client.drain().await;
        assert_eq!(client.texts(), ["can you hear me?"], "{after} ms, {status}");
    }
}
