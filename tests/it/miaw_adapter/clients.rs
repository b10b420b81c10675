//! The many ways of real clients: acknowledgements, retries, overlapping and early requests.

use std::time::Duration;

use liveagent_bridge::config::{Behaviour, Delivery};
use liveagent_bridge::emulator::{Agents, Command, Speaker};
use serde_json::json;

use crate::bridge_stage::{Acks, BridgeStage, Client};

const ALL: [Acks; 3] = [Acks::Never, Acks::Real, Acks::Counter];

fn batch(behaviour: &mut Behaviour) {
    behaviour.delivery = Delivery::Batch;
}

#[tokio::test(start_paused = true)]
async fn each_way_of_acknowledging_gets_everything_once() {
    for acks in ALL {
        for delivery in [Delivery::Single, Delivery::Batch] {
            let set = |behaviour: &mut Behaviour| behaviour.delivery = delivery;
            let stage = BridgeStage::with(Agents::None, set).await;
            let mut client = Client::talking_as(&stage, acks).await;
            let said: Vec<_> = (0..20).map(|n| format!("line {n}")).collect();
            for (n, text) in said.iter().enumerate() {
                stage.agent_says(text);
                if n % 7 == 0 {
                    client.poll().await;
                }
            }
            client.until_told("line 19").await;
            client.drain().await;
            assert_eq!(client.texts(), said, "{acks:?} {delivery:?}");
            stage.act(Command::End);
            client.ends("agent").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_end_there_is_nothing_more_for_any_client() {
    for acks in ALL {
        for wait in [0, 1, 30, 120] {
            let stage = BridgeStage::new().await;
            let mut client = Client::talking_as(&stage, acks).await;
            stage.act(Command::End);
            // The conversation is closed before the client comes for the news.
            stage.seconds(wait).await;
            client.until("ChatEnded").await;
            for pause in [0, 5, 90] {
                stage.seconds(pause).await;
                client.is_gone().await;
            }
            assert_eq!(client.count("ChatEnded"), 1, "{acks:?} {wait}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_that_was_lost_on_its_way_is_told_again() {
    for acks in ALL {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking_as(&stage, acks).await;
        stage.act(Command::End);
        stage.seconds(5).await;
        client.lose_poll().await;
        assert_eq!(client.count("ChatEnded"), 0);
        client.ends("agent").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledging_client_takes_a_batch_at_a_time() {
    let stage = BridgeStage::with(Agents::None, batch).await;
    let mut client = Client::talking(&stage).await;
    (0..5).for_each(|n| stage.agent_says(&format!("line {n}")));
    stage.seconds(1).await;
    let (_, messages) = client.poll().await;
    let (_, more) = client.poll().await;
    assert_eq!(messages.len() + more.len(), 5, "{messages:?} {more:?}");
    assert!(messages.len() > 1 || more.len() > 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_poll_is_held_and_the_newest_wins() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    let begun = stage.clock.now().mono;
    let since = || stage.clock.now().mono.since(begun);
    assert_eq!(client.poll().await.0, 204);
    assert_eq!(since(), Duration::from_secs(24));
    let older = tokio::spawn({
        let (client, clock) = (client.clone(), stage.clock.clone());
        async move { (client.peek().await, clock.now().mono) }
    });
    stage.seconds(5).await;
    let newer = tokio::spawn({
        let client = client.clone();
        async move { client.peek().await }
    });
    let (older, at) = older.await.unwrap();
    assert_eq!(older.status, 204);
    assert_eq!(at.since(begun), Duration::from_secs(24 + 5 + 1));
    stage.agent_says("for the newest");
    assert!(newer.await.unwrap().text.contains("for the newest"));
}

#[tokio::test(start_paused = true)]
async fn a_poll_may_come_before_the_chat() {
    let stage = BridgeStage::new().await;
    let mut client = Client::session(&stage, Acks::Real).await;
    let early = tokio::spawn({
        let client = client.clone();
        async move { client.peek().await }
    });
    stage.seconds(3).await;
    client.init().await;
    let got = early.await.unwrap();
    assert!(got.text.contains("ChatRequestSuccess"), "{} {}", got.status, got.text);
    client.says("hello").await;
    stage.desk_chat(|_| true).await;
    stage.act(Command::Accept);
    client.until("ChatEstablished").await;
    stage.hears(&["hello"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_at_once_waits_for_the_conversation() {
    let stage = BridgeStage::new().await;
    stage.fault("create", 1, |fault| fault.delay_millis = 4_000);
    let mut client = Client::begin(&stage).await;
    client.says("first").await;
    client.says("second").await;
    stage.hears(&["first", "second"]).await;
    client.until("ChatRequestSuccess").await;
}

#[tokio::test(start_paused = true)]
async fn a_second_init_starts_nothing() {
    let stage = BridgeStage::new().await;
    let mut client = Client::begin(&stage).await;
    let (status, text) = client.init_with(json!({ "visitorName": "Another" })).await;
    assert_eq!(status, 400, "{text}");
    client.number = 1;
    let (status, text) = client.init().await;
    assert_eq!((status, text.as_str()), (200, "OK"), "a retry of the first");
    client.until("ChatRequestSuccess").await;
    stage.seconds(5).await;
    assert_eq!((stage.count("token"), stage.count("create")), (1, 1));
    assert_eq!(stage.desk().chats().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retried_post_is_answered_and_not_sent_twice() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let body = json!({ "text": "once" });
    for _ in 0..3 {
        assert_eq!(client.post_as(Some(9), "ChatMessage", &body).await.1, "OK");
    }
    assert_eq!(client.post_as(Some(10), "ChatMessage", &body).await.1, "OK");
    // Without numbers the same words again are said again.
    for _ in 0..2 {
        assert_eq!(client.post_as(None, "ChatMessage", &json!({ "text": "ok" })).await.1, "OK");
    }
    stage.hears(&["once", "once", "ok", "ok"]).await;
    client.number = 11;
    client.says("last").await;
    stage.hears(&["once", "once", "ok", "ok", "last"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_unnumbered_post_whose_answer_was_lost_may_come_again() {
    let stage = BridgeStage::new().await;
    let client = Client::talking(&stage).await;
    let body = json!({ "text": "once" });
    client.lose_post("ChatMessage", &body).await;
    assert_eq!(client.post_as(None, "ChatMessage", &body).await.1, "OK");
    stage.hears(&["once"]).await;
    // That answer was read: the same words again are meant.
    assert_eq!(client.post_as(None, "ChatMessage", &body).await.1, "OK");
    stage.hears(&["once", "once"]).await;
}

#[tokio::test(start_paused = true)]
async fn who_polls_no_more_is_gone_from_the_desk() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.drain().await;
    let begun = stage.clock.now().mono;
    let chat = stage.closed_at_desk().await;
    assert_eq!(chat.ended_by, Some(Speaker::Visitor));
    let took = stage.clock.now().mono.since(begun).as_secs();
    assert!((120..=155).contains(&took), "{took} s after the last poll");
    assert_eq!(stage.count("close"), 1);
    client.ends("client").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reconnects_goes_on_where_it_was() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.says("before").await;
    stage.agent_says("read");
    client.until_told("read").await;
    stage.agent_says("unread");
    stage.seconds(1).await;
    let offset = client.ack + 1;
    let got = client.get(&format!("ReconnectSession?ReconnectSession.offset={offset}")).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.json()["messages"][0]["message"]["resetSequence"], true);
    client.number = 1;
    client.ack = -1;
    client.until_told("unread").await;
    let data = client.seen.iter().find(|seen| seen["type"] == "ChasitorSessionData");
    assert!(data.expect("session data").to_string().contains("before"));
    client.says("after").await;
    stage.hears(&["before", "after"]).await;
    assert_eq!(client.texts().iter().filter(|text| **text == "read").count(), 1);
}

/// A chat whose client has read three lines and acknowledged two: the offset of the third, the
/// status of a reconnect that asks with this query, and what is read after it.
async fn read_from(query: &str) -> (i64, u16, Vec<String>) {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    for text in ["one", "two", "three"] {
        stage.agent_says(text);
        client.until_told(text).await;
    }
    let (third, before) = (client.ack + 1, client.texts().len());
    stage.agent_says("unread");
    stage.seconds(1).await;
    let got = client.get(&format!("ReconnectSession{query}")).await;
    if got.status == 200 {
        (client.number, client.ack) = (1, -1);
        client.until_told("unread").await;
    }
    let read = client.texts()[before..].iter().map(|text| (*text).to_owned()).collect();
    (third, got.status.as_u16(), read)
}

/// S6: from any place, from the first to beyond the end, the chat goes on without a gap; what was
/// not acknowledged comes again when the place says that it was not read.
#[tokio::test(start_paused = true)]
async fn a_reconnect_at_any_place_leaves_no_gap() {
    let (third, ..) = read_from("").await;
    for offset in 0..=third + 3 {
        let (_, status, read) = read_from(&format!("?ReconnectSession.offset={offset}")).await;
        let expected = if offset == third { vec!["unread"] } else { vec!["three", "unread"] };
        // A place that is not there yet is not believed.
        let beyond = offset == third + 1 && read == ["unread"];
        assert_eq!(status, 200, "{offset}");
        assert!(read == expected || beyond, "{offset} of {third}: {read:?}");
    }
    let garbage = ["", "=", "=-1", "=x", "=1.5", "=99999999999999999999"];
    for garbage in garbage {
        let query = format!("?ReconnectSession.offset{garbage}");
        let (_, status, read) = read_from(&query).await;
        assert_eq!(
            (status, read.as_slice()),
            (200, &["three".to_owned(), "unread".to_owned()][..])
        );
    }
}
