//! Every kind of request at the node that does not have the chat.

use axum::body::Body;
use http::Request;
use liveagent_bridge::chat::policy::Uploads;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::{ClusterStage, Fate};
use crate::stage::{Got, read, tenant};

#[tokio::test(start_paused = true)]
async fn a_file_reaches_the_agent_once() {
    for lost in [false, true] {
        let mut tenant = tenant("acme");
        tenant.behaviour.content.uploads = Uploads::Offer;
        let stage = ClusterStage::of("2026-03-01T09:00:00Z", tenant).await;
        let mut client = stage.talking_elsewhere(Acks::Real).await;
        client.until("FileTransfer").await;
        if lost {
            stage.once("upload", Fate::Unanswered);
        }
        // More than any other body may have.
        let file = vec![7; 100_000];
        assert_eq!(client.upload("a.png", "image/png", &file).await, "Success");
        assert_eq!(stage.passed("upload"), 1 + usize::from(lost));
        stage.hears(&["[file a.png]"]).await;
        assert_eq!(client.until("FileTransfer").await["type"], "Success");
    }
}

async fn tag(service: axum::Router, path: &str) -> Got {
    let request = Request::get(format!("/chat/rest/{path}")).header("host", "acme.example.test");
    read(service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn script_tags_are_answered_alike_at_every_node() {
    let stage = ClusterStage::new().await;
    let client = stage.talking(Acks::Real).await;
    let before = stage.passed("");
    for path in [
        "Visitor/Availability.jsonp?callback=cb&Availability.ids=[573000000000001]",
        "Visitor/Settings.jsonp?callback=cb&Settings.buttonIds=[573000000000001]",
        "Visitor/Breadcrumb.jsonp?callback=cb",
        "System/MultiNoun.jsonp?callback=cb&nouns=Availability,Settings&\
         Availability.ids=[573000000000001]&Settings.buttonIds=[573000000000001]",
        "EmbeddedService/EmbeddedServiceConfig.jsonp?callback=cb&\
         EmbeddedServiceConfig.configName=x",
        "Visitor/VisitorId.jsonp?sid=00000000-0000-4000-8000-000000000001&callback=cb",
        "Visitor/Availability.jsonp?callback=a(b",
    ] {
        let one = tag(stage.one.service(), path).await;
        let two = tag(stage.two.service(), path).await;
        let is_id = path.contains("VisitorId");
        assert_eq!(
            one.status,
            if path.contains("a(b") { 400 } else { 200 },
            "{path}: {}",
            one.text
        );
        assert_eq!((one.status, one.headers), (two.status, two.headers), "{path}");
        // A visitor's id is drawn.
        assert!(one.text == two.text || is_id, "{path}: {} {}", one.text, two.text);
    }
    assert_eq!(stage.passed(""), before, "nobody else was asked");
    assert!(stage.one.has(&client));
}

fn batch(texts: &[&str]) -> Value {
    let one = |text: &&str| json!({ "prefix": "Chasitor", "noun": "ChatMessage", "object": { "text": text } });
    json!({ "nouns": texts.iter().map(one).collect::<Vec<Value>>() })
}

/// A POST of several nouns, by a program that numbers its POSTs or does not.
async fn batched(client: &mut Client, numbers: bool, texts: &[&str]) -> u16 {
    let number = numbers.then_some(client.number);
    client.number += u64::from(numbers);
    client.batch(number, &batch(texts)).await.0
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_acted_on_once_and_in_order() {
    for numbers in [true, false] {
        let stage = ClusterStage::new().await;
        let mut client = stage.talking_elsewhere(Acks::Real).await;
        stage.once("MultiNoun", Fate::Unanswered);
        assert_eq!(batched(&mut client, numbers, &["a", "b", "a"]).await, 200);
        assert_eq!(stage.passed("MultiNoun"), 2);
        stage.hears(&["a", "b", "a"]).await;
        // The same again is meant, for the first was answered; the owner itself says no less.
        for node in [&stage.two, &stage.one] {
            client.goes_to(node.service());
            assert_eq!(batched(&mut client, numbers, &["a"]).await, 200);
        }
        stage.hears(&["a", "b", "a", "a", "a"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_chat_asked_for_in_a_batch_belongs_to_the_node_that_gets_it() {
    let stage = ClusterStage::new().await;
    let mut client = Client::session_at(stage.one.service(), Acks::Real).await;
    client.goes_to(stage.two.service());
    let init = json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "visitorName": "Vera Visitor", "prechatDetails": [],
        "prechatEntities": [], "isPost": true,
    });
    let nouns = json!({ "nouns": [
        { "prefix": "Chasitor", "noun": "ChasitorInit", "object": init },
        { "prefix": "Chasitor", "noun": "ChatMessage", "object": { "text": "first" } },
    ] });
    assert_eq!(client.batch(Some(1), &nouns).await.0, 200);
    assert!(stage.two.has(&client) && !stage.one.has(&client));
    client.goes_to(stage.one.service());
    client.until("ChatRequestSuccess").await;
    stage.hears(&["first"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_reconnected_anywhere() {
    for lost in [false, true] {
        let stage = ClusterStage::new().await;
        let mut client = stage.talking_elsewhere(Acks::Real).await;
        client.says("m0").await;
        stage.agent_says("a0");
        client.until_told("a0").await;
        if lost {
            stage.once("ReconnectSession", Fate::Unanswered);
        }
        let offset = client.ack + 1;
        let path = format!("ReconnectSession?ReconnectSession.offset={offset}");
        let got = client.get(&path).await;
        assert_eq!(got.status, 200, "{}", got.text);
        assert_eq!(got.json()["messages"][0]["message"]["resetSequence"], true);
        // It counts from the start again, at the other node.
        client.number = 1;
        client.goes_to(stage.one.service());
        client.until("ChasitorSessionData").await;
        client.says("m1").await;
        client.goes_to(stage.two.service());
        stage.agent_says("a1");
        client.until_told("a1").await;
        assert_eq!(client.texts(), ["a0", "a1"]);
        assert_eq!(client.count("ChasitorSessionData"), 1);
        stage.hears(&["m0", "m1"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_resynced_anywhere_also_after_its_node_is_gone() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking_elsewhere(Acks::Real).await;
    client.says("m0").await;
    for gone in [false, true] {
        if gone {
            stage.lose_one().await;
        }
        let got = client.get("ResyncSession").await;
        assert_eq!(got.status, 200, "{}", got.text);
        let session = got.json();
        assert_eq!((&session["isValid"], &session["key"]), (&json!(true), &json!(client.key)));
        client.number = 1;
        client.until("ChasitorSessionData").await;
    }
    stage.agent_says("a0");
    client.until_told("a0").await;
    client.says("m1").await;
    stage.hears(&["m0", "m1"]).await;
}
