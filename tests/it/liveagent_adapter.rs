//! The verbatim relay: bytes through, nothing twice, and the end at the removal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use liveagent_bridge::router::plan::{Acknowledgement, Stage as PlanStage, Step};
use liveagent_bridge::time::Wall;
use serde_json::json;
use tokio::sync::Notify;

use crate::stage::{LEGACY, Stage, request, stage, tenant};

mod counted;
mod listed;
mod outcomes;
mod rekeyed;
mod switched;
mod visitor;
mod whole;

/// A day on which every new chat goes to legacy.
const BEFORE: &str = "2026-01-10T10:00:00Z";
const REMOVAL: &str = "2026-02-14T00:00:00Z";
const KEY: &str = "11111111-2222-4333-8444-555555555555!1636522000000!AA+/AAAAAAAAAAAAAAAAAAAAAAA=";
const DEAD: &str = "Session required but was invalid or not found";

/// What the legacy service was sent, and what it answers to polls; without a body it holds them.
#[derive(Default)]
struct Salesforce {
    asked: Mutex<Vec<(String, HeaderMap, Bytes)>>,
    poll: Mutex<Option<String>>,
    holding: Notify,
}

impl Salesforce {
    fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(path, _, _)| path.clone()).collect()
    }
}

async fn answer(State(salesforce): State<Arc<Salesforce>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = format!("{} {}", parts.method, parts.uri);
    let (polls, starts) =
        (path.contains("System/Messages"), path.contains("GET /chat/rest/System/SessionId"));
    salesforce.asked.lock().unwrap().push((path, parts.headers, body));
    let answer = Response::builder().header("x-theirs", "kept").header("connection", "close");
    let text = if polls {
        let poll = salesforce.poll.lock().unwrap().clone();
        match poll {
            Some(poll) => poll,
            None => {
                salesforce.holding.notify_one();
                std::future::pending().await
            }
        }
    } else if starts {
        json!({"key": KEY, "id": "1", "clientPollTimeout": 40, "affinityToken": "a"}).to_string()
    } else {
        "OK".to_owned()
    };
    answer.body(Body::from(text)).unwrap()
}

fn set_up(at: &str) -> (Stage, Arc<Salesforce>) {
    set_up_for(at, tenant("acme"))
}

fn set_up_for(at: &str, tenant: liveagent_bridge::config::Tenant) -> (Stage, Arc<Salesforce>) {
    let stage = stage(at, vec![tenant]);
    let salesforce = set_up_on(&stage);
    (stage, salesforce)
}

fn set_up_on(stage: &Stage) -> Arc<Salesforce> {
    let salesforce = Arc::new(Salesforce::default());
    let router = Router::new().fallback(answer).with_state(salesforce.clone());
    stage.salesforce.put(LEGACY, router);
    salesforce
}

fn poll(ack: i64) -> http::Request<Body> {
    request("GET", &format!("/chat/rest/System/Messages?ack={ack}"), Some(KEY), "")
}

#[tokio::test]
async fn requests_and_answers_go_through_untouched() {
    let (stage, salesforce) = set_up(BEFORE);
    let body = "{\r\n not even JSON \u{fc}";
    for (method, path, seen) in [
        (
            "GET",
            "/chat/rest/System/SessionId/?x=%5B1%5D",
            "GET /chat/rest/System/SessionId/?x=%5B1%5D",
        ),
        ("POST", "/t/acme/Chasitor/ChasitorInit", "POST /chat/rest/Chasitor/ChasitorInit"),
        ("POST", "/rest/Chasitor/Nobody?knows", "POST /chat/rest/Chasitor/Nobody?knows"),
        (
            "DELETE",
            "/chat/rest/System/SessionId/k!1!a/b+c=",
            "DELETE /chat/rest/System/SessionId/k!1!a/b+c=",
        ),
    ] {
        let mut request = request(method, path, Some(KEY), body);
        for (name, value) in [
            ("connection", "keep-alive, X-Hop"),
            ("x-hop", "dropped"),
            ("keep-alive", "timeout=5"),
            ("content-type", "text/plain;charset=UTF-8"),
            ("accept", "content/json"),
            ("x-liveagent-sequence", "7"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let got = stage.send(request).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        assert_eq!(got.headers["x-theirs"], "kept");
        assert!(!got.headers.contains_key("connection"));
        let asked = salesforce.asked.lock().unwrap();
        let (path, headers, bytes) = asked.last().unwrap();
        assert_eq!((&**path, &**bytes), (seen, body.as_bytes()));
        assert_eq!(headers["host"], LEGACY);
        assert_eq!(headers["x-liveagent-session-key"], KEY);
        assert_eq!(headers["x-liveagent-affinity"], "null");
        assert_eq!(headers["x-liveagent-sequence"], "7");
        assert_eq!(headers["content-type"], "text/plain;charset=UTF-8");
        assert_eq!(headers["accept"], "content/json");
        assert!(["connection", "keep-alive", "x-hop"].iter().all(|n| !headers.contains_key(*n)));
    }
    assert!(stage.chats.posts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nouns_without_a_session_follow_the_calendar() {
    let (stage, salesforce) = set_up(BEFORE);
    let path = "/chat/rest/Visitor/Availability?Availability.ids=[573A]";
    assert_eq!(stage.get(path, None).await.text, "OK", "theirs");
    assert_eq!(salesforce.paths(), [format!("GET {path}")]);
    stage.clock.set_wall(Wall::parse("2026-02-13T22:00:00Z").unwrap());
    assert!(stage.get(path, None).await.text.contains("isAvailable"), "ours");
    assert_eq!(salesforce.paths().len(), 1);
}

#[tokio::test]
async fn a_key_of_ours_never_goes_to_salesforce() {
    let (stage, salesforce) = set_up("2026-02-13T23:00:00Z");
    let key = stage.session().await;
    let (head, _) = key.rsplit_once('!').unwrap();
    let forged = format!("{}{}", &key[..head.len() + 8], "A".repeat(20));
    for key in [&key, &forged] {
        stage.chats.will(liveagent_bridge::chat::Reply::Ok);
        stage.post("ChatMessage", key, r#"{"text":"a"}"#).await;
    }
    let ours: Vec<_> = salesforce.asked.lock().unwrap().iter().map(|a| a.1.clone()).collect();
    assert!(ours.iter().all(|headers| headers["x-liveagent-session-key"] != key.as_str()));
    assert!(ours.iter().all(|headers| headers["x-liveagent-session-key"] != forged.as_str()));
    assert_eq!(stage.chats.posts.lock().unwrap().len(), 1);
}

/// A chat that is on legacy and has seen message 4.
async fn chat_in_progress(stage: &Stage, salesforce: &Salesforce) {
    assert_eq!(stage.session().await, KEY);
    let message = json!({"messages": [{"type": "ChatMessage", "message": {}}],
        "sequence": 4, "offset": 1_574_190_116_i64});
    *salesforce.poll.lock().unwrap() = Some(message.to_string());
    assert_eq!(stage.send(poll(-1)).await.text, message.to_string());
    *salesforce.poll.lock().unwrap() = None;
}

fn chat_ended(sequence: i64, offset: i64) -> serde_json::Value {
    let ended = json!({"type": "ChatEnded", "message": {"attachedRecords": [], "reason": "agent"}});
    json!({"messages": [ended], "sequence": sequence, "offset": offset})
}

#[tokio::test(start_paused = true)]
async fn at_the_removal_a_held_poll_ends_the_chat_once_and_for_ever() {
    let (stage, salesforce) = set_up(BEFORE);
    chat_in_progress(&stage, &salesforce).await;
    let held = stage.send(poll(4));
    let removal = async {
        salesforce.holding.notified().await;
        stage.clock.set_wall(Wall::parse(REMOVAL).unwrap());
    };
    let (got, ()) = tokio::join!(held, removal);
    assert_eq!(got.status, 200);
    assert_eq!(got.json(), chat_ended(5, 1_574_190_117));
    assert_eq!(stage.cutover.waiting().len(), 1);
    let asked = salesforce.paths().len();
    for wall in [REMOVAL, "2026-03-01T00:00:00Z", BEFORE] {
        stage.clock.set_wall(Wall::parse(wall).unwrap());
        let got = stage.send(poll(5)).await;
        assert_eq!((got.status.as_u16(), &*got.text), (403, DEAD), "{wall}");
        assert_eq!(stage.post("ChatMessage", KEY, "{}").await.status, 403);
    }
    assert_eq!(salesforce.paths().len(), asked, "nothing is passed on any more");
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_after_the_removal_is_told_the_end_once() {
    let (stage, salesforce) = set_up(BEFORE);
    chat_in_progress(&stage, &salesforce).await;
    stage.clock.set_wall(Wall::parse(REMOVAL).unwrap());
    assert_eq!(stage.send(poll(4)).await.json(), chat_ended(5, 1_574_190_117));
    assert_eq!(stage.send(poll(5)).await.status, 403);
    // A chat that ended before, or that nobody saw, is not told anything.
    let unknown = request("GET", "/chat/rest/System/Messages?ack=1", Some("a!1!b"), "");
    assert_eq!(stage.send(unknown).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_held_poll_of_a_chat_nobody_saw_continues_its_ack() {
    let (stage, salesforce) = set_up(BEFORE);
    let removal = async {
        salesforce.holding.notified().await;
        stage.clock.set_wall(Wall::parse(REMOVAL).unwrap());
    };
    let (got, ()) = tokio::join!(stage.send(poll(7)), removal);
    let ended = got.json();
    assert_eq!((&ended["sequence"], ended.get("offset")), (&json!(8), None));
    assert_eq!(stage.send(poll(8)).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_service_is_used_until_its_date() {
    let mut acme = tenant("acme");
    let until = Wall::parse("2026-03-01T00:00:00Z").unwrap();
    let (by, reason) = ("Sam".to_owned(), "extension".to_owned());
    acme.plan.acknowledgement = Some(Acknowledgement { until, by, reason });
    let at = Wall::parse("2025-01-01T00:00:00Z").unwrap();
    acme.plan.steps = vec![Step { at, stage: PlanStage::Legacy }];
    let (stage, salesforce) = set_up_for("2026-02-20T00:00:00Z", acme);
    chat_in_progress(&stage, &salesforce).await;
    let end = async {
        salesforce.holding.notified().await;
        stage.clock.set_wall(until);
    };
    let (got, ()) = tokio::join!(stage.send(poll(4)), end);
    assert_eq!(got.json(), chat_ended(5, 1_574_190_117));
    assert_eq!(stage.send(poll(5)).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_has_defined_outcomes() {
    let (stage, salesforce) = set_up(BEFORE);
    stage.salesforce.remove(LEGACY);
    for (method, path, key) in [
        ("GET", "/chat/rest/System/SessionId", None),
        ("POST", "/chat/rest/Chasitor/ChatMessage", Some(KEY)),
    ] {
        let got = stage.send(request(method, path, key, "{}")).await;
        assert_eq!((got.status.as_u16(), &*got.text), (500, "Internal Server Error"), "{path}");
    }
    let begun = stage.clock.now().mono;
    assert_eq!(stage.send(poll(1)).await.status, 204);
    let held = stage.clock.now().mono.since(begun);
    assert!((Duration::from_secs(24)..Duration::from_secs(25)).contains(&held), "{held:?}");
    assert!(salesforce.paths().is_empty());
}
