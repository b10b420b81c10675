//! Limits of a node, and what it answers by itself.

use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, StatusCode, header};
use liveagent_bridge::config::Limits;
use liveagent_bridge::emulator::Fault;
use serde_json::json;
use tower::ServiceExt as _;

use super::begun;
use crate::admin::Api;
use crate::bridge_stage::{Acks, Client};
use crate::cluster_stage::{ClusterStage, Node, State};
use crate::stage::{Got, read, request, tenant};

const DAY: &str = "2026-03-01T09:00:00Z";
const ORIGIN: &str = "https://shop.example";

async fn ask(node: &Node, request: Request<Body>) -> Got {
    read(node.service().oneshot(request).await.expect("an answer")).await
}

async fn new_session(node: &Node, host: &str) -> Got {
    let mut asked = request("GET", "/chat/rest/System/SessionId", None, "");
    asked.headers_mut().insert("host", host.parse().unwrap());
    ask(node, asked).await
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_all_its_chats_is_refused_at_once() {
    let limits = Limits { chats_per_tenant: 1, ..Limits::default() };
    let stage = ClusterStage::with(DAY, vec![tenant("acme")], limits).await;
    begun(&stage.two).await;
    let mut one_more = Client::session_at(stage.two.service(), Acks::Real).await;
    let before = stage.clock.now().mono;
    assert_eq!(one_more.init().await.0, 500);
    assert_eq!(stage.clock.now().mono, before, "it was asked again");
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_takes_no_more_is_asked_once() {
    let stage = ClusterStage::new().await;
    let mut client = stage.talking_elsewhere(Acks::Real).await;
    let fault = Fault { operation: "message".to_owned(), times: 9_999, ..Fault::default() };
    stage.emulators.set_miaw(|knobs| knobs.faults.push(Fault { reset: true, ..fault }));
    let refused = loop {
        let (passed, before) = (stage.passed("ChatMessage"), stage.clock.now().mono);
        match client.say("again").await.0 {
            200 => assert!(client.number < 100, "nothing was refused"),
            status => break (status, stage.passed("ChatMessage") - passed, before),
        }
    };
    assert_eq!(refused, (500, 1, stage.clock.now().mono));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_bounded_at_the_door_while_the_store_is_away() {
    const ROOM: usize = 4;
    let limits = Limits { requests_per_tenant: ROOM, ..Limits::default() };
    let tenants = vec![tenant("acme"), tenant("other")];
    let stage = ClusterStage::with(DAY, tenants, limits).await;
    let client = Client::session_at(stage.two.service(), Acks::Real).await;
    stage.two.way.is(State::Cut);
    let body = json!({ "text": "hm" });
    let waiting = join_all((0..ROOM).map(|_| client.post_as(None, "ChatMessage", &body)));
    let one_more = async {
        stage.seconds(1).await;
        let got = ask(
            &stage.two,
            request("POST", "/chat/rest/Chasitor/ChatMessage", Some(&client.key), "{}"),
        )
        .await;
        assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS, "{}", got.text);
        assert_eq!(got.headers[header::RETRY_AFTER], "1");
        assert_eq!(new_session(&stage.two, "acme.example.test").await.status, 429);
        assert_eq!(new_session(&stage.two, "other.example.test").await.status, 200);
    };
    let (waited, ()) = tokio::join!(waiting, one_more);
    assert!(waited.iter().all(|answer| answer.0 == 500), "{waited:?}");
    assert_eq!(new_session(&stage.two, "acme.example.test").await.status, 200);
}

/// At the owner and at the other node, in doubt of their leases by then.
#[tokio::test(start_paused = true)]
async fn polls_stay_parked_while_the_store_is_away() {
    for state in [State::Cut, State::Hangs] {
        let stage = ClusterStage::new().await;
        let mut clients = Vec::new();
        for node in [&stage.one, &stage.one, &stage.two] {
            clients.push(begun(node).await);
        }
        clients[1].goes_to(stage.two.service());
        stage.one.way.is(state);
        stage.two.way.is(state);
        let before = stage.clock.now().mono;
        let polls = clients.iter().map(async |client| {
            let poll = client.peek().await;
            (poll.status, stage.clock.now().mono.since(before))
        });
        for (status, held) in join_all(polls).await {
            assert_eq!(status, StatusCode::NO_CONTENT);
            let held = held.as_millis();
            assert!((24_000..=24_500).contains(&held), "held for {held} ms: {state:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_counted_once_and_where_its_client_asked() {
    let limits = Limits { requests_per_tenant: 1, ..Limits::default() };
    let stage = ClusterStage::with(DAY, vec![tenant("acme")], limits).await;
    let mut client = begun(&stage.one).await;
    client.goes_to(stage.two.service());
    let elsewhere = async {
        stage.seconds(1).await;
        // A poll is held at node one, for a client of node two.
        assert_eq!(new_session(&stage.one, "acme.example.test").await.status, 200);
        assert_eq!(new_session(&stage.two, "acme.example.test").await.status, 429);
    };
    let (poll, ()) = tokio::join!(client.peek(), elsewhere);
    assert_eq!(poll.status, StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_answers_itself_looks_like_any_answer() {
    let mut acme = tenant("acme");
    acme.behaviour.cors_origins = vec![ORIGIN.to_owned()];
    let stage = ClusterStage::of(DAY, acme).await;
    let client = Client::session_at(stage.two.service(), Acks::Real).await;
    let asked = |method: &str, noun: &str, body: &str| {
        let mut asked = request(method, &format!("/chat/rest/{noun}"), Some(&client.key), body);
        asked.headers_mut().insert(header::ORIGIN, ORIGIN.parse().unwrap());
        asked
    };
    let marked = |got: &Got, status: u16| {
        assert_eq!(got.status.as_u16(), status, "{}", got.text);
        assert_eq!(got.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN, "{status}");
        assert_eq!(got.headers.get_all(header::VARY).iter().count(), 1);
    };
    let large = "x".repeat(70_000);
    marked(&ask(&stage.two, asked("POST", "Chasitor/ChatMessage", &large)).await, 413);
    stage.two.way.is(State::Cut);
    marked(&ask(&stage.two, asked("GET", "System/Messages", "")).await, 204);
    marked(&ask(&stage.two, asked("POST", "Chasitor/ChatMessage", "{}")).await, 500);
    let page = Api::new(stage.two.bridge.admin.clone()).ask("GET", "/metrics", None, "").await.text;
    for line in ["Messages\",status=\"2xx\"} 1", "ChatMessage\",status=\"4xx\"} 1"] {
        let counted = page.lines().any(|l| l.starts_with("bridge_requests") && l.contains(line));
        assert!(counted, "{line}: {page}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_may_be_as_large_as_the_limit_says() {
    let limits = Limits { upload_bytes: 10 << 20, ..Limits::default() };
    let stage = ClusterStage::with(DAY, vec![tenant("acme")], limits).await;
    let client = begun(&stage.one).await;
    let upload = async |bytes: usize| {
        let path = format!("/chat/rest/upload?chatKey={}&fileToken=none", client.id);
        ask(&stage.two, request("POST", &path, None, &"x".repeat(bytes))).await
    };
    // It is read, and its token is looked at by the node that has the chat.
    let got = upload(9 << 20).await;
    assert_eq!((got.status.as_u16(), got.text.as_str()), (403, "Failure"));
    assert_eq!(stage.passed("upload"), 1);
    assert_eq!(upload(11 << 20).await.status, 413);
}
