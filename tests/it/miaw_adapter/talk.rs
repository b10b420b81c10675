//! Chats in which nothing goes wrong: what each side sees of the other.

use liveagent_bridge::emulator::{Agents, Command, Speaker};
use serde_json::{Value, json};

use crate::bridge_stage::{BridgeStage, Client};

#[tokio::test(start_paused = true)]
async fn a_chat_from_its_request_to_the_agents_end() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    for n in 1..=5 {
        client.says(&format!("visitor {n}")).await;
        stage.desk_chat(|_| stage.heard().len() == n).await;
        stage.agent_says(&format!("agent {n}"));
        client.until_told(&format!("agent {n}")).await;
    }
    stage.hears(&["visitor 1", "visitor 2", "visitor 3", "visitor 4", "visitor 5"]).await;
    assert_eq!(client.texts(), ["agent 1", "agent 2", "agent 3", "agent 4", "agent 5"]);
    stage.act(Command::End);
    client.ends("agent").await;
    assert_eq!(client.kinds()[..2], ["ChatRequestSuccess", "ChatEstablished"]);
    assert_eq!(client.count("ChatRequestSuccess"), 1);
    let established = &client.seen[1]["message"];
    assert_eq!(established["name"], "Ada Agent");
    assert_eq!(established["userId"], "005000000000001");
    for (operation, most) in [("token", 1), ("create", 1), ("message", 5), ("sse", 1)] {
        assert_eq!(stage.count(operation), most, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_says_comes_in_order_however_fast() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let said: Vec<_> = (0..40).map(|n| format!("line {n}")).collect();
    said.iter().for_each(|text| stage.agent_says(text));
    client.until_told("line 39").await;
    assert_eq!(client.texts(), said);
}

#[tokio::test(start_paused = true)]
async fn typing_is_seen_on_both_sides() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    assert_eq!(client.post("ChasitorTyping", &json!({})).await.1, "OK");
    stage.desk_chat(|chat| chat.visitor_typing).await;
    assert_eq!(client.post("ChasitorNotTyping", &json!({})).await.1, "OK");
    stage.desk_chat(|chat| !chat.visitor_typing).await;
    stage.act(Command::Typing { on: true });
    assert_eq!(client.until("AgentTyping").await["name"], "Ada Agent");
    stage.act(Command::Typing { on: false });
    client.until("AgentNotTyping").await;
    // An agent who types and falls silent does not type for ever.
    stage.act(Command::Typing { on: true });
    client.until("AgentTyping").await;
    client.until("AgentNotTyping").await;
    // Every keystroke is a notice; few of them are passed on.
    let before = stage.count("entry");
    for _ in 0..50 {
        client.post("ChasitorTyping", &json!({})).await;
    }
    stage.seconds(1).await;
    assert!(stage.count("entry") - before <= 1, "{}", stage.count("entry") - before);
}

#[tokio::test(start_paused = true)]
async fn a_visitor_who_types_on_is_seen_to_until_it_cannot_be_believed() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let notices = || -> Vec<String> {
        let entry = |sent: &crate::bridge_stage::Sent| sent.body["entryType"].to_string();
        stage.sent("entry").iter().map(entry).collect()
    };
    client.post("ChasitorTyping", &json!({})).await;
    stage.seconds(17).await;
    assert_eq!(notices().len(), 4, "at 0, 5, 10 and 15 s");
    client.says("there").await;
    stage.seconds(20).await;
    assert_eq!(notices().len(), 4);
    client.post("ChasitorTyping", &json!({})).await;
    stage.seconds(7).await;
    client.post("ChasitorNotTyping", &json!({})).await;
    stage.seconds(20).await;
    assert_eq!(notices().len(), 7, "two more, and the end");
    assert!(notices()[6].contains("Stopped"));
    client.post("ChasitorTyping", &json!({})).await;
    stage.seconds(120).await;
    assert_eq!(notices().len(), 13, "for half a minute");
    client.post("ChatEnd", &json!({ "reason": "client" })).await;
}

#[tokio::test(start_paused = true)]
async fn the_visitor_ends_the_chat() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    client.says("bye").await;
    assert_eq!(client.post("ChatEnd", &json!({ "reason": "client" })).await.1, "OK");
    let chat = stage.closed_at_desk().await;
    assert_eq!(chat.ended_by, Some(Speaker::Visitor));
    assert_eq!(stage.heard(), ["bye"]);
    client.ends("client").await;
    assert_eq!(stage.count("close"), 1);
}

#[tokio::test(start_paused = true)]
async fn another_agent_takes_over() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.act(Command::Transfer);
    let transferred = client.until("ChatTransferred").await;
    assert_eq!(transferred["name"], "Ben Agent");
    assert_eq!(transferred["userId"], "005000000000002");
    stage.agent_says("Ben here");
    client.until_told("Ben here").await;
    // Long after any hold timer the chat still goes on.
    for _ in 0..20 {
        assert_eq!(client.poll().await.0, 204);
    }
    client.says("hello Ben").await;
    stage.hears(&["hello Ben"]).await;
    assert_eq!(client.count("ChatEnded"), 0);
    assert_eq!(client.count("ChatEstablished"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_place_in_the_queue_is_told() {
    let stage = BridgeStage::new().await;
    let mut client = Client::begin(&stage).await;
    client.until("ChatRequestSuccess").await;
    stage.desk_chat(|_| true).await;
    stage.act(Command::Queue { position: 3, wait: None });
    let update = client.until("QueueUpdate").await;
    assert_eq!(update["position"], 3);
    let routed = json!({
        "entryType": "RoutingResult", "id": "r1", "routingType": "Initial", "failureType": "None",
        "estimatedWaitTime": { "estimatedWaitTimeInSeconds": 90, "isEWTRequested": true },
    });
    stage.inject("CONVERSATION_ROUTING_RESULT", &entry("RoutingResult", "System", &routed));
    let update = client.until("QueueUpdate").await;
    assert_eq!((&update["position"], &update["estimatedWaitTime"]), (&json!(3), &json!(90)));
    stage.act(Command::Accept);
    client.until("ChatEstablished").await;
}

#[tokio::test(start_paused = true)]
async fn who_did_not_ask_for_queue_updates_gets_none() {
    let stage = BridgeStage::new().await;
    let mut client = Client::session(&stage, crate::bridge_stage::Acks::Real).await;
    client.init_with(json!({ "receiveQueueUpdates": false })).await;
    client.until("ChatRequestSuccess").await;
    stage.desk_chat(|_| true).await;
    stage.act(Command::Queue { position: 3, wait: None });
    stage.act(Command::Accept);
    client.until("ChatEstablished").await;
    assert_eq!(client.count("QueueUpdate"), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_there() {
    for decline in [false, true] {
        let stage = BridgeStage::new().await;
        stage.knobs(|knobs| knobs.available = decline);
        let mut client = Client::begin(&stage).await;
        if decline {
            stage.desk_chat(|_| true).await;
            stage.act(Command::Decline);
        }
        let fail = client.until("ChatRequestFail").await;
        assert_eq!(fail["reason"], "Unavailable", "declined: {decline}");
        client.is_gone().await;
        assert_eq!(client.count("ChatEnded"), 0, "{:?}", client.kinds());
        stage.seconds(5).await;
        assert_eq!(stage.count("close"), 1, "the conversation is not left open");
    }
}

/// An entry as the stream carries it.
pub(super) fn entry(kind: &str, role: &str, payload: &Value) -> Value {
    let bot = role == "Chatbot";
    json!({
        "senderDisplayName": if bot { "Bridget Bot" } else { "Automated Process" },
        "identifier": payload["id"], "entryType": kind, "entryPayload": payload.to_string(),
        "sender": { "role": role, "subject": if bot { "0Xx1" } else { "conversation" } },
        "transcriptedTimestamp": 1_772_355_600_000_i64,
    })
}

pub(super) fn message(id: &str, text: &str) -> Value {
    json!({
        "entryType": "Message", "id": id, "abstractMessage": {
            "messageType": "StaticContentMessage", "id": id,
            "staticContent": { "formatType": "Text", "text": text } },
    })
}

#[tokio::test(start_paused = true)]
async fn a_bot_comes_first() {
    let stage = BridgeStage::new().await;
    let mut client = Client::begin(&stage).await;
    client.until("ChatRequestSuccess").await;
    let joined = json!({
        "entryType": "ParticipantChanged", "id": "p1", "entries": [ { "operation": "add",
            "displayName": "Bridget Bot", "participant": { "role": "Chatbot", "subject": "0Xx1" } }],
    });
    let joined = entry("ParticipantChanged", "System", &joined);
    stage.inject("CONVERSATION_PARTICIPANT_CHANGED", &joined);
    let established = client.until("ChatEstablished").await;
    assert_eq!(established["name"], "Bridget Bot");
    let id = established["userId"].as_str().unwrap();
    assert!(id.starts_with("005") && id.len() == 15, "{id}");
    let said = entry("Message", "Chatbot", &message("b1", "I am a bot"));
    stage.inject("CONVERSATION_MESSAGE", &said);
    assert_eq!(client.until("ChatMessage").await["name"], "Bridget Bot");
    stage.desk_chat(|_| true).await;
    stage.act(Command::Accept);
    assert_eq!(client.until("ChatTransferred").await["name"], "Ada Agent");
}

#[tokio::test(start_paused = true)]
async fn the_system_speaks_under_its_own_name_or_not_at_all() {
    for heard in [true, false] {
        let change = |behaviour: &mut liveagent_bridge::config::Behaviour| {
            behaviour.system_messages = heard;
            behaviour.system_name = "Contact center".to_owned();
        };
        let stage = BridgeStage::with(Agents::None, change).await;
        let mut client = Client::talking(&stage).await;
        let said = entry("Message", "System", &message("s1", "All is recorded"));
        stage.inject("CONVERSATION_MESSAGE", &said);
        client.drain().await;
        let told = client.seen.iter().find(|seen| seen["message"]["text"] == "All is recorded");
        assert_eq!(told.is_some(), heard);
        assert!(told.is_none_or(|told| told["message"]["name"] == "Contact center"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_echoing_agent_is_heard() {
    let stage = BridgeStage::with(Agents::Echo, |_| {}).await;
    let mut client = Client::begin(&stage).await;
    client.until_told("Hello, how can I help you?").await;
    client.says("one").await;
    client.until_told("echo: one").await;
    client.says("agent_end").await;
    client.ends("agent").await;
}
