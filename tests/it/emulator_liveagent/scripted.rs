//! Scripted humans, files, hosts and expiry of the emulated legacy service.

use axum::body::Body;
use http::{Method, Request, StatusCode};
use liveagent_bridge::emulator::Agents;
use serde_json::{Value, json};

use super::{Visitor, call, emulators, kinds, ok, request};

async fn set(visitor: &Visitor, knobs: &Value) {
    let set = Request::post("/emulator/liveagent/knobs").header("content-type", "application/json");
    let set = set.body(Body::from(knobs.to_string())).expect("a request");
    let answer = call(&visitor.router, set).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_script_plays_queue_and_humans() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    let script = json!({ "script": [
        { "act": "queue", "position": 3, "wait": 40 },
        { "after_millis": 5_000, "act": "accept", "name": "Kim", "user_id": "005000000000007" },
        { "after_millis": 1_000, "act": "typing", "on": true },
        { "act": "say", "text": "Hello" },
        { "after_millis": 1_000, "act": "disconnect" },
        { "after_millis": 1_000, "act": "transfer" },
        { "after_millis": 1_000, "act": "end" },
    ] });
    set(&visitor, &script).await;
    visitor.start().await;
    let (mut seen, mut ack) = (Vec::new(), -1);
    while !seen.iter().any(|(kind, _)| kind == "ChatEnded") {
        let payload = visitor.poll(Some(ack)).await;
        ack = payload.sequence.expect("a sequence");
        seen.extend(payload.messages.into_iter().map(|m| (m.kind, m.body)));
    }
    let told: Vec<&str> = seen.iter().map(|(kind, _)| kind.as_str()).collect();
    let wanted = [
        "ChatRequestSuccess",
        "QueueUpdate",
        "QueueUpdate",
        "ChatEstablished",
        "AgentTyping",
        "ChatMessage",
        "AgentDisconnect",
        "ChatTransferred",
        "ChatEnded",
    ];
    assert_eq!(told, wanted);
    assert_eq!((&seen[1].1["position"], &seen[1].1["estimatedWaitTime"]), (&json!(3), &json!(40)));
    assert_eq!(
        (&seen[3].1["name"], &seen[3].1["userId"]),
        (&json!("Kim"), &json!("005000000000007"))
    );
    assert_eq!(seen[5].1["name"], "Kim");
    assert_ne!(seen[7].1["name"], "Kim", "somebody else");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_asked_for_is_taken_once() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    set(&visitor, &json!({ "script": [{ "act": "accept" }, { "act": "request_file" }] })).await;
    visitor.start().await;
    let mut ack = -1;
    let asked = loop {
        let payload = visitor.poll(Some(ack)).await;
        ack = payload.sequence.expect("a sequence");
        if let Some(asked) = payload.messages.into_iter().find(|m| m.kind == "FileTransfer") {
            break asked.body;
        }
    };
    assert_eq!(asked["type"], "Requested");
    let token = asked["fileToken"].as_str().expect("a token");
    let id = visitor.session.id.clone();
    let upload = async |chat: &str, token: &str, file: &str| {
        let path = format!("/content/servlet/fileupload?chatKey={chat}&fileToken={token}");
        let form = format!("--b\r\nx; name=\"file\"\r\n\r\n{file}\r\n--b--\r\n");
        let request = Request::post(path).body(Body::from(form)).expect("a request");
        let answer = call(&visitor.router, request).await;
        (answer.status.as_u16(), answer.text)
    };
    assert_eq!(upload("nobody", token, "abc").await.0, 403);
    assert_eq!(upload(&id, "wrong", "abc").await.0, 403);
    assert_eq!(upload(&id, token, "abc").await, (200, "Success".to_owned()));
    assert_eq!(upload(&id, token, "abc").await.0, 403, "once");
    let told = visitor.poll(Some(ack)).await;
    assert_eq!(told.messages[0].body, json!({ "type": "Success" }));
    let chat = emulators.desk().chat(&id).expect("a chat");
    assert_eq!(chat.lines.last().expect("a line").text, "[file of 3 bytes]");
}

#[tokio::test(start_paused = true)]
async fn it_sends_clients_to_its_other_host_and_ends_sessions_when_told() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    visitor.poll(Some(-1)).await;
    set(&visitor, &json!({ "switch_server": "https://other.example.test/chat" })).await;
    assert_eq!(kinds(&visitor.poll(Some(0)).await), ["SwitchServer"]);
    let availability = async |host: &str| {
        let get = request(Method::GET, "Visitor/Availability?Availability.ids=573a");
        let get = get.header("host", host).body(Body::empty()).expect("a request");
        call(&visitor.router, get).await.text
    };
    assert!(availability("here.example.test").await.contains("SwitchServer"));
    assert!(availability("other.example.test").await.contains("573a"));
    set(&visitor, &json!({ "switch_server": null, "expire": true })).await;
    assert_eq!(visitor.get("System/Messages?ack=1").await.status, StatusCode::FORBIDDEN);
    ok(&{
        let again = Visitor::new(&emulators).await;
        again.start().await;
        again.post("Chasitor/ChatMessage", Some(2), r#"{"text":"a"}"#).await
    });
}
