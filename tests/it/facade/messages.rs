//! Polls, receipts, time-outs, reconnecting, batches.

use std::time::Duration;

use http_body_util::BodyExt as _;
use liveagent_bridge::chat::agent::{AgentEvent, EndReason, FailReason, Person};
use liveagent_bridge::chat::state::Line;
use liveagent_bridge::chat::text::Text;
use liveagent_bridge::chat::visitor::VisitorCommand;
use liveagent_bridge::chat::{Payload, Reply};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{after, recorded, shape};
use crate::stage::request;

fn person(subject: &str, name: &str) -> Person {
    Person { subject: subject.to_owned(), name: Text::from(name) }
}

fn told(messages: Vec<AgentEvent>) -> Reply {
    let sequence = messages.len() as i64 - 1;
    Reply::Messages(Payload { messages, sequence, offset: sequence + 1, transcript: None })
}

#[tokio::test]
async fn messages_have_the_recorded_field_sets() {
    let agent = person("005000000000001AAA", "Agent G");
    let said =
        |text: &str| AgentEvent::Message { from: Some(agent.clone()), text: Text::from(text) };
    let stage = after();
    let key = stage.session().await;
    stage.chats.will(told(vec![
        AgentEvent::RequestSuccess { queue_position: 1, wait_seconds: 9 },
        AgentEvent::QueueUpdate { position: 0, wait_seconds: 0 },
        AgentEvent::established(agent.clone()),
        AgentEvent::Typing(agent.clone()),
        said("one"),
        AgentEvent::NotTyping(agent.clone()),
    ]));
    let got = stage.get("/chat/rest/System/Messages?ack=-1&pc=0&_=1", Some(&key)).await;
    let ours = got.json();
    let real = recorded("la-messages.json");
    for (at, real) in
        real["cases"][0]["body"]["messages"].as_array().unwrap()[..6].iter().enumerate()
    {
        let mut real = real.clone();
        // Where the visitor is is not known.
        real["message"].as_object_mut().unwrap().remove("geoLocation");
        assert_eq!(shape(&ours["messages"][at]), shape(&real));
        assert_eq!(ours["messages"][at]["type"], real["type"]);
    }
    assert_eq!((&ours["sequence"], &ours["offset"]), (&json!(5), &json!(6)));
    assert_eq!(ours["messages"][2]["message"]["userId"], "005000000000001");
    assert_eq!(ours["messages"][4]["message"]["agentId"], "005000000000001");
    let typist = ours["messages"][3]["message"]["agentId"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(typist).is_ok(), "{typist}");
    assert!(ours["messages"][0].to_string().len() < 1_000);
    assert_eq!(ours["messages"][0]["message"]["connectionTimeout"], 150_000);
    assert!(!got.text.contains('\n'));
    assert_eq!(*stage.chats.acks.lock().unwrap(), [Some(-1)]);
}

#[tokio::test]
async fn ends_failures_and_nameless_speakers() {
    let stage = after();
    let key = stage.session().await;
    stage.chats.will(told(vec![
        AgentEvent::RequestFail { reason: FailReason::Unavailable },
        AgentEvent::Message { from: None, text: Text::from("note") },
        AgentEvent::established(person("bot:1", " ")),
        AgentEvent::Ended { reason: EndReason::Agent },
    ]));
    let ours = stage.get("/chat/rest/System/Messages", Some(&key)).await.json();
    let bodies: Vec<&Value> = (0..4).map(|at| &ours["messages"][at]["message"]).collect();
    assert_eq!(*bodies[0], json!({"reason": "Unavailable", "attachedRecords": []}));
    assert_eq!((&bodies[1]["name"], &bodies[2]["name"]), (&json!("System"), &json!("System")));
    let user = bodies[2]["userId"].as_str().unwrap();
    assert!(user.len() == 15 && user.starts_with("005"), "{user}");
    assert_eq!(*bodies[3], json!({"reason": "agent", "attachedRecords": []}));
}

#[tokio::test]
async fn a_reconnected_client_is_given_its_session_data_first() {
    let stage = after();
    let key = stage.session().await;
    stage.chats.will(Reply::Reconnected);
    let path = "/chat/rest/System/ReconnectSession?ReconnectSession.offset=7";
    let ours = stage.get(path, Some(&key)).await.json();
    let real = recorded("la-reconnect.json");
    let step = real["steps"].as_array().unwrap().iter().find(|step| step["body"].is_object());
    assert_eq!(shape(&ours), shape(&step.unwrap()["body"]));
    assert_eq!(*stage.chats.acks.lock().unwrap(), [Some(7)]);
    let line = Line { from: Some(Text::from("Sam")), text: Text::from("hello") };
    stage.chats.will(Reply::Messages(Payload {
        messages: vec![AgentEvent::Ended { reason: EndReason::Client }],
        sequence: 4,
        offset: 5,
        transcript: Some(vec![line, Line { from: None, text: Text::from("hi") }]),
    }));
    let ours = stage.get("/chat/rest/System/Messages?ack=-1", Some(&key)).await.json();
    assert_eq!(ours["messages"][0]["type"], "ChasitorSessionData");
    let lines = &ours["messages"][0]["message"]["chatMessages"];
    assert_eq!((&lines[0]["type"], &lines[1]["type"]), (&json!("Agent"), &json!("Chasitor")));
    assert_eq!(ours["messages"][1]["type"], "ChatEnded");
    let body = r#"{"organizationId":"00D000000000001"}"#;
    assert_eq!(stage.post("ChasitorResyncState", &key, body).await.text, "OK");
    let path = "/chat/rest/Chasitor/ChasitorResyncState";
    assert_eq!(stage.send(request("GET", path, Some(&key), body)).await.text, "OK");
    stage.chats.will(Reply::Reconnected);
    let old = stage.get("/chat/rest/System/ResyncSession/x", Some(&key)).await.json();
    assert_eq!((&old["isValid"], &old["key"]), (&json!(true), &json!(key)));
}

#[tokio::test]
async fn a_receipt_tells_whether_the_answer_was_taken() {
    let stage = after();
    let key = stage.session().await;
    let poll = || request("GET", "/chat/rest/System/Messages", Some(&key), "");
    stage.chats.will(told(vec![AgentEvent::Ended { reason: EndReason::Agent }]));
    let answer = stage.service.clone().oneshot(poll()).await.unwrap();
    assert!(stage.chats.told.lock().unwrap().is_empty(), "nothing was taken yet");
    drop(answer);
    assert_eq!(*stage.chats.told.lock().unwrap(), [false]);
    stage.chats.will(told(vec![AgentEvent::Ended { reason: EndReason::Agent }]));
    let answer = stage.service.clone().oneshot(poll()).await.unwrap();
    // A server takes the one frame and asks for no more.
    answer.into_body().frame().await.unwrap().unwrap();
    assert_eq!(*stage.chats.told.lock().unwrap(), [false, true]);
    stage.chats.will(Reply::Nothing);
    let got = stage.get("/chat/rest/System/Messages", Some(&key)).await;
    assert_eq!((got.status.as_u16(), &*got.text), (204, ""));
    assert_eq!(*stage.chats.told.lock().unwrap(), [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_stuck_chat_for_ever() {
    let stage = after();
    let key = stage.session().await;
    let begun = stage.clock.now().mono;
    assert_eq!(stage.get("/chat/rest/System/Messages", Some(&key)).await.status, 204);
    assert_eq!(stage.clock.now().mono.since(begun), Duration::from_millis(24_500));
    *stage.chats.stuck.lock().unwrap() = true;
    let begun = stage.clock.now().mono;
    let got = stage.post("ChatMessage", &key, r#"{"text":"a"}"#).await;
    assert_eq!((got.status.as_u16(), &*got.text), (500, "Internal Server Error"));
    assert_eq!(stage.clock.now().mono.since(begun), Duration::from_secs(10));
}

#[tokio::test]
async fn numbers_and_fingerprints_reach_the_chat() {
    let stage = after();
    let key = stage.session().await;
    let send = |noun: &str, number: &str, body: &str| {
        let path = format!("/chat/rest/Chasitor/{noun}");
        let mut request = request("POST", &path, Some(&key), body);
        request.headers_mut().insert("x-liveagent-sequence", number.parse().unwrap());
        stage.send(request)
    };
    send("ChatMessage", "2", r#"{"text":"a"}"#).await;
    send("ChatMessage", "2", r#"{"text":"a"}"#).await;
    send("ChatMessage", "3", r#"{"text":"b"}"#).await;
    send("CustomEvent", "x", r#"{"text":"b"}"#).await;
    let posts = stage.chats.posts.lock().unwrap();
    let numbers: Vec<_> = posts.iter().map(|(_, post)| post.sequence).collect();
    assert_eq!(numbers, [Some(2), Some(2), Some(3), None]);
    let prints: Vec<_> = posts.iter().map(|(_, post)| post.fingerprint).collect();
    assert_eq!(prints[0], prints[1]);
    assert!(prints[1] != prints[2] && prints[2] != prints[3]);
}

#[tokio::test]
async fn a_batch_is_unrolled_in_order() {
    let stage = after();
    let key = stage.session().await;
    let body = r#"{"nouns":[
        {"prefix":"Chasitor","noun":"ChatMessage","object":{"text":"one"}},
        {"prefix":"ChatBot","noun":"ChatMessage","object":{"text":"skipped"}},
        {"prefix":"Chasitor","noun":"ChatMessage","data":"{\"text\":\"two\"}"},
        {"prefix":"Chasitor","noun":"ChatEnd","object":{}}]}"#;
    let path = "/chat/rest/System/MultiNoun";
    assert_eq!(stage.send(request("POST", path, Some(&key), body)).await.text, "OK");
    let posts = stage.chats.posts.lock().unwrap();
    let said: Vec<_> = posts
        .iter()
        .map(|(_, post)| match &post.command {
            VisitorCommand::Say(text) => text.as_str(),
            VisitorCommand::End => "end",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, ["one", "two", "end"]);
    assert_eq!(*stage.chats.told.lock().unwrap(), [true; 3]);
}

#[tokio::test]
async fn a_session_is_deleted_by_its_key_decoded_or_not() {
    let stage = after();
    let key = stage.session().await;
    let coded = key.replace('!', "%21").replace('=', "%3D");
    for path in [&key, &coded, &format!("{key}/")] {
        let path = format!("/chat/rest/System/SessionId/{path}");
        let got = stage.send(request("DELETE", &path, None, "")).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"), "{path}");
    }
    let got = stage.send(request("DELETE", "/chat/rest/System/SessionId", Some(&key), "")).await;
    assert_eq!(got.text, "OK");
    let posts = stage.chats.posts.lock().unwrap();
    assert!(posts.iter().all(|(_, post)| matches!(post.command, VisitorCommand::End)));
    assert_eq!(posts.len(), 4);
}
