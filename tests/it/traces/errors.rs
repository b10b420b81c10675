//! The recorded errors of `fixtures/recorded/la-errors.json`: each is answered in the same words,
//! by a tenant that asked for it where the default is milder.

use liveagent_bridge::config::{Behaviour, Overlap, Sequence};
use liveagent_bridge::emulator::Agents;
use serde_json::{Value, json};

use super::recorded::fixture;
use crate::bridge_stage::{BridgeStage, Client};
use crate::stage::{Got, read, request};
use tower::ServiceExt as _;

async fn posted(client: &Client, number: u64, noun: &str, body: Value) -> (u16, String) {
    client.post_as(Some(number), noun, &body).await
}

async fn asked(stage: &BridgeStage, path: &str, key: Option<&str>, change: &[(&str, &str)]) -> Got {
    let mut request = request("GET", &format!("/chat/rest/{path}"), key, "");
    for (name, value) in change {
        let name: http::HeaderName = name.parse().expect("a name");
        match value.is_empty() {
            true => drop(request.headers_mut().remove(name)),
            false => drop(request.headers_mut().insert(name, value.parse().expect("a value"))),
        }
    }
    read(stage.service().oneshot(request).await.expect("an answer")).await
}

/// Brings about one of the recorded errors; `None` for what no test knows.
async fn brought_about(when: &str) -> Option<(u16, String)> {
    let mild = BridgeStage::new().await;
    let got = |got: Got| Some((got.status.as_u16(), got.text));
    let mut client = Client::talking(&mild).await;
    let number = client.number;
    match when {
        "any call without X-LIVEAGENT-API-VERSION" => {
            got(asked(&mild, "System/SessionId", None, &[("x-liveagent-api-version", "")]).await)
        }
        "ChatEnd without reason" => Some(posted(&client, number, "ChatEnd", json!({})).await),
        "unknown or finished session, or no session key" => {
            got(asked(&mild, "System/Messages", None, &[]).await)
        }
        "wrong or old affinity" => {
            let stage = BridgeStage::with(Agents::None, |b| b.check_affinity = true).await;
            let key = asked(&stage, "System/SessionId", None, &[]).await.json()["key"].clone();
            let affinity = [("x-liveagent-affinity", "98c41fa0")];
            got(asked(&stage, "System/Messages", key.as_str(), &affinity).await)
        }
        "sequence header is not the expected one" => {
            let set = |b: &mut Behaviour| b.sequence = Sequence::Strict;
            let stage = BridgeStage::with(Agents::None, set).await;
            let client = Client::begin(&stage).await;
            for n in 2..=4 {
                posted(&client, n, "ChasitorTyping", json!({})).await;
            }
            Some(posted(&client, 498, "ChatMessage", json!({ "text": "a" })).await)
        }
        "two polls at once, or a poll behind" => {
            let stage = BridgeStage::with(Agents::None, |b| b.overlap = Overlap::Conflict).await;
            let mut client = Client::talking(&stage).await;
            client.drain().await;
            let second = async {
                stage.seconds(2).await;
                client.peek().await
            };
            let (_, second) = tokio::join!(client.peek(), second);
            Some((second.status.as_u16(), second.text))
        }
        "nothing new" => {
            client.drain().await;
            got(client.peek().await)
        }
        "session gone during poll" => {
            posted(&client, number, "ChatEnd", json!({ "reason": "client" })).await;
            client.ends("client").await;
            got(client.peek().await)
        }
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn recorded_errors_are_answered_in_the_same_words() {
    for case in fixture("la-errors.json")["cases"].as_array().expect("cases") {
        let when = case["when"].as_str().expect("a text");
        if when == "ReconnectSession when no 503 had happened" {
            // Answered, not 405: a bridge cannot know what a proxy before it told the client.
            continue;
        }
        let found = brought_about(when).await.unwrap_or_else(|| panic!("not played: {when}"));
        assert_eq!(u64::from(found.0), case["status"].as_u64().expect("a status"), "{when}");
        if let Some(text) = case["text"].as_str() {
            assert_eq!(found.1, text, "{when}");
        }
    }
}
