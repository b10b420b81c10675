//! The agent desk over HTTP.

use axum::body::Body;
use http::Request;
use liveagent_bridge::emulator::Agents;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::emulator_miaw::{CONVERSATION, Visitor, answer, emulators, open};

#[tokio::test(start_paused = true)]
async fn the_desk_over_http() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let desk = emulators.desk_router();
    let get = |path: &str| Request::get(path).body(Body::empty()).expect("a request");
    let (status, page) = answer(&desk, get("/desk/")).await;
    assert!(status == 200 && page.contains("desk.js"));
    let act = |action: &str, body: &str| {
        let path = format!("/desk/chats/{CONVERSATION}/{action}");
        Request::post(path).body(Body::from(body.to_owned())).expect("a request")
    };
    assert_eq!(answer(&desk, act("say", r#"{"text":"x"}"#)).await.0, 409);
    assert_eq!(answer(&desk, act("accept", "")).await.0, 200);
    assert_eq!(answer(&desk, act("say", r#"{"text":"x"}"#)).await.0, 200);
    assert_eq!(answer(&desk, act("dance", "")).await.0, 400);
    let chats = answer(&desk, get("/desk/chats")).await.1;
    let chats: Value = serde_json::from_str(&chats).expect("JSON");
    let chat = &chats["chats"][0];
    assert_eq!(chat["attributes"][0], json!(["_email", "ada@example.test"]));
    assert_eq!((&chat["service"], &chat["lines"][0]["text"]), (&json!("miaw"), &json!("x")));
    let response = desk.clone().oneshot(get("/desk/events")).await.expect("infallible");
    let mut changes = open(response);
    assert_eq!(changes.next().await.expect("a first event").data, r#"{"id":""}"#);
    answer(&desk, act("end", "")).await;
    let changed = changes.next().await.expect("a change").data;
    assert_eq!(changed, json!({ "id": CONVERSATION }).to_string());
}

#[tokio::test(start_paused = true)]
async fn the_desk_shows_more_than_words() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let desk = emulators.desk_router();
    let play = |body: &str| {
        let path = format!("/desk/chats/{CONVERSATION}/play");
        Request::post(path).body(Body::from(body.to_owned())).expect("a request")
    };
    for body in [
        r#"{"play":"bot","on":true}"#,
        r#"{"play":"choices","format":"Buttons","text":"Pick","options":["a","b"]}"#,
        r#"{"play":"form","title":"You","fields":["Name","Color=Red|Blue"]}"#,
        r#"{"play":"message","by":"system","message":{"messageType":"HologramMessage"}}"#,
        r#"{"play":"file","name":"a.txt","text":"words"}"#,
        r#"{"play":"say","by":"bot","text":"hi","automated":true}"#,
        r#"{"play":"inactive"}"#,
        r#"{"play":"transfer_starts"}"#,
        r#"{"play":"wait","seconds":9}"#,
    ] {
        let (status, answer) = answer(&desk, play(body)).await;
        assert_eq!(status, 200, "{body}: {answer}");
    }
    assert_eq!(answer(&desk, play(r#"{"play":"dance"}"#)).await.0, 400);
}
