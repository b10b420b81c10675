//! Programs whose requests are no plain order: timers that let polls overlap, no polls at all, and
//! what an empty answer does to those that cannot read one.

use std::time::Duration;

use liveagent_bridge::config::{Behaviour, Delivery};
use liveagent_bridge::emulator::{Agents, Command};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::recorded::init_of;
use super::{Player, Says, Step, asked, recorded};
use crate::bridge_stage::{Acks, BridgeStage, Client};
use crate::stage::Got;

/// The clients that are played here alone.
pub(super) const NAMES: [&str; 3] = ["cognigy service-cloud extension", "slack", "lwc"];

type Polling = AbortOnDropHandle<Got>;

fn messages(got: &Got) -> Vec<Value> {
    if got.status == 204 {
        return Vec::new();
    }
    assert_eq!(got.status, 200, "{}", got.text);
    got.json()["messages"].as_array().expect("messages").clone()
}

/// A chat whose agent of the test has taken it; nothing of it is read yet.
async fn accepted(stage: &BridgeStage) -> Client {
    let client = Client::begin_as(stage, Acks::Never).await;
    stage.desk_chat(|_| true).await;
    stage.act(Command::Accept);
    stage.seconds(1).await;
    client
}

fn polls(client: &Client, noun: &'static str) -> Polling {
    let client = client.clone();
    AbortOnDropHandle::new(tokio::spawn(async move { client.get(noun).await }))
}

fn types(read: &[Value]) -> Vec<&str> {
    read.iter().map(|message| message["type"].as_str().expect("a type")).collect()
}

/// Three polls after each thing it does, at 5, 10 and 15 s, and none besides. They overlap, and
/// it shows what any of them brings, once.
#[tokio::test(start_paused = true)]
async fn slack() {
    for delivery in super::DELIVERIES {
        let stage = BridgeStage::with(Agents::None, |b| b.delivery = delivery).await;
        let mut client = accepted(&stage).await;
        let mut read = Vec::new();
        for said in ["one", "two", "three"] {
            let body = json!({ "text": said });
            assert_eq!(client.post_as(None, "ChatMessage", &body).await.1, "OK");
            stage.agent_says(&format!("re: {said}"));
            let mut polling = Vec::new();
            for _ in 0..3 {
                stage.seconds(5).await;
                polling.push(polls(&client, "Messages"));
            }
            for poll in polling {
                read.extend(messages(&poll.await.expect("a poll")));
            }
        }
        stage.hears(&["one", "two", "three"]).await;
        client.drain().await;
        read.append(&mut client.seen);
        let texts = read.iter().filter_map(|message| message["message"]["text"].as_str());
        let texts: Vec<&str> = texts.collect();
        assert_eq!(texts, ["re: one", "re: two", "re: three"], "{:?}", types(&read));
        assert_eq!(types(&read)[..2], ["ChatRequestSuccess", "ChatEstablished"]);
        // Nobody polls now: the chat is given up, and the agent is told.
        stage.closed_at_desk().await;
    }
}

/// A poll every 3 s, whatever became of the last one, with an ack that never moves. The chat
/// lives, and each message is there to be read.
#[tokio::test(start_paused = true)]
async fn lwc() {
    for delivery in super::DELIVERIES {
        let stage = BridgeStage::with(Agents::None, |b| b.delivery = delivery).await;
        let client = accepted(&stage).await;
        let mut polling = Vec::new();
        for n in 0..40 {
            polling.push(polls(&client, "Messages?ack=0"));
            if n == 20 {
                stage.agent_says("hello");
            }
            stage.seconds(3).await;
        }
        let mut read = Vec::new();
        for poll in polling {
            read.extend(messages(&poll.await.expect("a poll")));
        }
        let seen = types(&read);
        assert_eq!(seen[..2], ["ChatRequestSuccess", "ChatEstablished"], "{delivery:?}");
        assert!(!seen.contains(&"ChatEnded"), "{seen:?}");
    }
}

/// It has no node that polls: a flow sends a message and ends the chat.
#[tokio::test(start_paused = true)]
async fn cognigy_service_cloud_extension() {
    let stage = BridgeStage::new().await;
    let client = Client::session(&stage, Acks::Never).await;
    let init: Value = serde_json::from_str(&init_of(NAMES[0])).expect("JSON");
    assert_eq!(client.post_as(Some(1), "ChasitorInit", &init).await, (200, "OK".to_owned()));
    client.post_as(None, "ChatMessage", &json!({ "text": "hello" })).await;
    stage.hears(&["hello"]).await;
    let end = json!({ "type": "ChatEndReason", "reason": "client" });
    assert_eq!(client.post_as(None, "ChatEnd", &end).await, (200, "OK".to_owned()));
    stage.closed_at_desk().await;
}

/// prajval and goforce fail on an empty answer. Behind a longer hold they live through a longer
/// silence, as long as their own time-outs allow it.
#[tokio::test(start_paused = true)]
async fn an_empty_answer_comes_later_with_a_longer_hold() {
    for (hold, status) in [(24, 204), (60, 200)] {
        let set = |behaviour: &mut Behaviour| behaviour.poll_hold = Duration::from_secs(hold);
        let stage = BridgeStage::with(Agents::None, set).await;
        let mut client = accepted(&stage).await;
        client.until("ChatEstablished").await;
        let polling = polls(&client, "Messages");
        stage.seconds(45).await;
        stage.agent_says("at last");
        let got = polling.await.expect("a poll");
        assert_eq!(got.status, status, "after 45 s of silence with a hold of {hold} s");
    }
}

/// moriya drops its session when its first poll is answered empty, and waits no longer than 25 s.
#[tokio::test(start_paused = true)]
async fn the_first_poll_is_never_empty() {
    for delay in [0, 5, 15, 30] {
        let stage = BridgeStage::new().await;
        stage.fault("create", 1, |fault| fault.delay_millis = delay * 1_000);
        let mut client = Client::begin_as(&stage, Acks::Never).await;
        let begun = stage.clock.now().mono;
        let (status, read) = client.poll().await;
        assert_eq!((status, types(&read)), (200, vec!["ChatRequestSuccess"]), "{delay} s");
        assert!(stage.clock.now().mono.since(begun) <= Duration::from_secs(10), "{delay} s");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_polls_between_messages_lose_nothing() {
    // The player wants every poll to bring something; here one does not.
    let mut player = Player::new(Delivery::Single, Says::Nothing, |_| {}).await;
    let steps = recorded::steps("rocketchat-liveagent");
    for step in steps.iter().take_while(|step| !step.polls()) {
        player.send(step).await;
    }
    let poll: Step = steps.iter().find(|step| step.polls()).expect("polls").clone();
    player.until(&poll, "ChatRequestSuccess").await;
    let held = player.stage.clock.now().mono;
    let got = asked(&player.stage, &player.substituted(&poll)).await;
    assert_eq!((got.status.as_u16(), &*got.text), (204, ""));
    assert_eq!(player.stage.clock.now().mono.since(held), Duration::from_secs(24));
    player.stage.act(Command::Accept);
    player.until(&poll, "ChatEstablished").await;
}
