//! Clients that were read, not recorded (live-agent.md 5.6, client-hazards.md): their order of
//! requests, headers and peculiarities, written down as traces.

use liveagent_bridge::config::Delivery;
use serde_json::{Value, json};

use super::{OTHERS, Player, Says, Step};

/// Requests as `method path [number]`, each with its body.
fn steps(version: &str, lower: bool, requests: &[(&str, Value)]) -> Vec<Step> {
    let name = |name: &str| if lower { name.to_lowercase() } else { name.to_owned() };
    let step = |(line, body): &(&str, Value)| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (method, path, number) = (word(), word(), word());
        let mut headers = vec![(name("X-LIVEAGENT-API-VERSION"), version.to_owned())];
        let first = path.starts_with("System/SessionId") && method == "GET";
        let affinity = if first { "null" } else { "{affinity}" };
        headers.push((name("X-LIVEAGENT-AFFINITY"), affinity.to_owned()));
        if !first {
            headers.push((name("X-LIVEAGENT-SESSION-KEY"), "{key}".to_owned()));
        }
        if !number.is_empty() {
            headers.push((name("X-LIVEAGENT-SEQUENCE"), number));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Step { method, path: format!("/chat/rest/{path}"), headers, body }
    };
    requests.iter().map(step).collect()
}

fn init(more: &Value) -> Value {
    let mut body = json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "sessionId": "{id}", "language": "n/a",
        "screenResolution": "n/a", "userAgent": "Android Maker Model", "visitorName": "Vera",
        "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true, "isPost": true,
    });
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body
}

fn says(text: &str) -> Value {
    json!({ "text": text })
}

async fn played(says: Says, steps: &[Step]) -> Vec<Player> {
    let mut players = Vec::new();
    for delivery in OTHERS {
        let mut player = Player::new(delivery, says, |_| {}).await;
        player.play(steps).await;
        player.holds();
        players.push(player);
    }
    players
}

/// Salesforce's own SDK: lower-case headers, no ack, previews, and no ChatEnd: it deletes the
/// session by a key that it does not encode.
#[tokio::test(start_paused = true)]
async fn the_android_sdk() {
    let steps = steps(
        "43",
        true,
        &[
            ("GET System/SessionId", Value::Null),
            ("POST Chasitor/ChasitorInit 1", init(&json!({}))),
            ("GET System/Messages", Value::Null),
            ("POST Chasitor/ChasitorTyping 2", Value::Null),
            ("POST Chasitor/ChasitorSneakPeek 3", json!({"position": 0, "text": "he"})),
            ("POST Chasitor/ChasitorNotTyping 4", Value::Null),
            ("POST Chasitor/ChatMessage 5", says("hello")),
            ("POST WebEvent/BatchedEvents 6", json!([{"event": "x"}])),
            ("GET System/Messages", Value::Null),
            ("DELETE System/SessionId/{key}", Value::Null),
        ],
    );
    for player in played(Says::Nothing, &steps).await {
        let success = player.one("ChatRequestSuccess");
        assert!(success["connectionTimeout"].as_i64() >= Some(2_000), "its budget of retries");
        assert!(player.one("ChatEstablished")["items"].is_array());
    }
}

/// The counter starts at 1 again with the first message; a message goes out before any poll.
#[tokio::test(start_paused = true)]
async fn hrk623_and_mjrforce() {
    let steps = steps(
        "48",
        false,
        &[
            ("GET System/SessionId", Value::Null),
            ("POST Chasitor/ChasitorInit 1", init(&json!({"trackingId": "", "doFallback": true}))),
            ("POST Chasitor/ChatMessage 1", says("--- 会話の履歴 ---\n少々お待ちください。")),
            ("GET System/Messages?ack=-1", Value::Null),
            ("POST Chasitor/ChatMessage 2", says("hello")),
            ("GET System/Messages?ack=0", Value::Null),
            ("POST Chasitor/ChatEnd 3", json!({"reason": "client"})),
        ],
    );
    played(Says::Ack, &steps).await;
}

/// `ack` is a counter of its polls, and the number of POSTs is on its GETs too.
#[tokio::test(start_paused = true)]
async fn denitrip() {
    let steps = steps(
        "42",
        false,
        &[
            ("GET System/SessionId", Value::Null),
            ("POST Chasitor/ChasitorInit 1", init(&json!({"receiveQueueUpdates": "true"}))),
            ("GET System/Messages?ack={polled}&pc={polled} 9", Value::Null),
            ("POST Chasitor/ChatMessage", says("hello")),
            ("GET System/Messages?ack={polled}&pc={polled} 9", Value::Null),
            ("POST Chasitor/ChatEnd", json!({"reason": "client"})),
        ],
    );
    played(Says::AsWritten, &steps).await;
}

/// The last message of an answer counts alone, and there is no first ack. It needs the default
/// delivery: what the real service batches, it does not read either.
#[tokio::test(start_paused = true)]
async fn moriya() {
    let steps = steps(
        "40",
        false,
        &[
            ("GET System/SessionId", Value::Null),
            ("POST Chasitor/ChasitorInit 1", init(&json!({"prechatEntities": null}))),
            ("GET System/Messages", Value::Null),
            ("POST Chasitor/ChatMessage 2", says("hello")),
            ("GET System/Messages?ack={ack}", Value::Null),
            ("POST Chasitor/ChatEnd 3", json!({"reason": "client"})),
        ],
    );
    let mut player = Player::new(Delivery::Single, Says::AsWritten, |_| {}).await;
    player.play(&steps).await;
    player.holds();
    let last = player.reads_only(|read| read.place + 1 == read.of);
    let replies = last.iter().filter(|kind| **kind == "ChatMessage").count();
    assert_eq!(replies, player.replies, "{last:?}");
    assert!(last.contains(&"ChatEstablished") && last.contains(&"ChatEnded"), "{last:?}");
}

/// Its transcript is a batch with a prefix of its own in it, and so is its end.
#[tokio::test(start_paused = true)]
async fn inbenta() {
    let batch = |noun: &str, object: Value| {
        json!({"nouns": [
            {"prefix": "ChatBot", "noun": "Skipped", "object": {}},
            {"prefix": "Chasitor", "noun": noun, "object": object},
        ]})
    };
    let steps = steps(
        "34",
        false,
        &[
            ("GET System/SessionId/", Value::Null),
            ("POST Chasitor/ChasitorInit 1", init(&json!({"isPost": false}))),
            ("POST System/MultiNoun 2", batch("ChatMessage", says("transcript"))),
            ("GET System/Messages?ack={polled}&pc={polled}", Value::Null),
            ("POST Chasitor/ChatMessage 3", says("hello")),
            ("GET System/Messages?ack={polled}&pc={polled}", Value::Null),
            ("POST System/MultiNoun 4", batch("ChatEnd", json!({}))),
        ],
    );
    played(Says::AsWritten, &steps).await;
}

/// Cancels before ending, asks for its client type, and deletes what is over already.
#[tokio::test(start_paused = true)]
async fn liveagent_sdk_nodejs() {
    let steps = steps(
        "46",
        false,
        &[
            ("GET System/SessionId?SessionId.ClientType=chasitor", Value::Null),
            ("POST Chasitor/ChasitorInit 1", init(&json!({"receiveQueueUpdates": true}))),
            ("GET System/Messages?ack=-1", Value::Null),
            ("POST Chasitor/ChatMessage 2", says("hello")),
            ("GET System/Messages?ack=0", Value::Null),
            ("POST Chasitor/ChatCancel 3", json!({})),
        ],
    );
    played(Says::Ack, &steps).await;
}
