//! What is passed between nodes, changed on the way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use liveagent_bridge::adapter::transport::{Transport, TransportError};
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::cluster::forward::Refused;
use liveagent_bridge::cluster::told::Told;
use liveagent_bridge::cluster::{Cluster, Identity, Peer};
use liveagent_bridge::store::memory::MemoryStore;
use uuid::Uuid;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];
const PASS: &str = "x-liveagent-bridge-pass";
const HOST: &str = "x-liveagent-bridge-host";
const TOLD: &str = "x-liveagent-bridge-told";
const BODY: &str = "{\"text\":\"hello\"}";

/// Keeps what it is to send.
#[derive(Default)]
struct Kept(Mutex<Vec<Request<Bytes>>>);

#[async_trait]
impl Transport for Kept {
    async fn send(
        &self,
        request: Request<Bytes>,
        _: Duration,
    ) -> Result<Response<Body>, TransportError> {
        self.0.lock().unwrap().push(request);
        Err(TransportError { sent: true, cause: "kept".to_owned() })
    }
}

fn node(secrets: &[[u8; 32]], link: Arc<Kept>) -> Cluster {
    let word = || "node".to_owned();
    let identity = Identity { name: word(), address: word(), fingerprint: word() };
    Cluster::new(identity, Arc::new(MemoryStore::new()), link, secrets, Clock::system())
}

/// A client's POST as a node with these secrets passes it on, as the other node's listener has it.
async fn passed(secrets: &[[u8; 32]], to: Uuid) -> Parts {
    let link = Arc::new(Kept::default());
    let sender = node(secrets, link.clone());
    let asked = Request::post("/chat/rest/Chasitor/ChatMessage?a=b")
        .header("host", "acme.example.test")
        .header("content-type", "application/json")
        .header("X-LIVEAGENT-SESSION-KEY", "key")
        .header("X-LIVEAGENT-SEQUENCE", "7");
    let (parts, ()) = asked.body(()).unwrap().into_parts();
    let peer = Peer { incarnation: to, address: "two.test".to_owned() };
    let (chat, id, body) = (ChatId(Uuid::from_u128(1)), Uuid::from_u128(2), Bytes::from(BODY));
    sender.tell(&peer, chat, Told { id: Uuid::from_u128(3), written: true });
    sender.forward((&peer, chat, id), &parts, &body, Duration::from_secs(1)).await;
    let sent = link.0.lock().unwrap();
    let sent = sent.iter().find(|sent| sent.uri().path().ends_with("ChatMessage"));
    let (mut parts, _) = sent.expect("it was sent").clone().into_parts();
    parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
    parts.headers.insert("host", HeaderValue::from_static("two.test"));
    parts
}

/// The header with one of its words changed.
fn pass(parts: &Parts, at: usize, word: &str) -> HeaderValue {
    let text = parts.headers[PASS].to_str().unwrap();
    let mut words: Vec<&str> = text.split(' ').collect();
    words[at] = word;
    words.join(" ").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_node_passed_on_is_let_in_as_the_client_sent_it() {
    let receiver = node(&[NEW], Arc::default());
    let mut parts = passed(&[NEW], receiver.incarnation()).await;
    // No part of what is sealed: a proxy on the way may say what it likes here.
    parts.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    let passed = receiver.let_in(&mut parts).expect("let in");
    assert_eq!(passed.id, Uuid::from_u128(2));
    assert_eq!(passed.told, [Told { id: Uuid::from_u128(3), written: true }]);
    assert_eq!(parts.headers["host"], "acme.example.test");
    assert!([PASS, HOST, TOLD].iter().all(|name| !parts.headers.contains_key(*name)));
    assert!(passed.is_of(BODY.as_bytes()));
    for other in ["", "{\"text\":\"hell0\"}", "{\"text\":\"hello\"} "] {
        assert!(!passed.is_of(other.as_bytes()), "{other}");
    }
}

type Change = fn(&mut Parts);

#[tokio::test(start_paused = true)]
async fn nothing_that_is_sealed_can_be_changed() {
    let other = "00000000-0000-0000-0000-0000000000ff";
    let changes: [(&str, Change); 19] = [
        ("no pass", |parts| drop(parts.headers.remove(PASS))),
        ("method", |parts| parts.method = Method::PUT),
        ("path", |parts| parts.uri = "/chat/rest/Chasitor/ChatEnd?a=b".parse().unwrap()),
        ("query", |parts| parts.uri = "/chat/rest/Chasitor/ChatMessage?a=c".parse().unwrap()),
        ("host", |parts| set(parts, HOST, "other.example.test")),
        ("no host", |parts| drop(parts.headers.remove(HOST))),
        ("key", |parts| set(parts, "x-liveagent-session-key", "another")),
        ("no key", |parts| drop(parts.headers.remove("x-liveagent-session-key"))),
        ("number", |parts| set(parts, "x-liveagent-sequence", "8")),
        ("no number", |parts| drop(parts.headers.remove("x-liveagent-sequence"))),
        ("told", |parts| set(parts, TOLD, "00000000000000000000000000000003=0")),
        ("no told", |parts| drop(parts.headers.remove(TOLD))),
        ("version", |parts| word(parts, 0, "1")),
        ("target", |parts| word(parts, 1, "00000000-0000-0000-0000-0000000000ff")),
        ("id", |parts| word(parts, 2, "00000000-0000-0000-0000-0000000000ff")),
        ("body", |parts| word(parts, 3, &"0".repeat(64))),
        ("tag", |parts| word(parts, 4, &"0".repeat(64))),
        ("no tag", |parts| word(parts, 4, "")),
        ("odd tag", |parts| word(parts, 4, "xyz")),
    ];
    let receiver = node(&[NEW], Arc::default());
    let whole = passed(&[NEW], receiver.incarnation()).await;
    assert!(receiver.let_in(&mut whole.clone()).is_ok());
    for (what, change) in changes {
        let mut parts = whole.clone();
        change(&mut parts);
        let refused = receiver.let_in(&mut parts).map(drop).map_err(|refused| (what, refused));
        assert_eq!(refused, Err((what, Refused::Stranger)));
    }
    // What was meant for another run is not made ours by saying so.
    let mut elsewhere = passed(&[NEW], Uuid::try_parse(other).unwrap()).await;
    assert_eq!(receiver.let_in(&mut elsewhere.clone()).map(drop), Err(Refused::NotMe));
    word(&mut elsewhere, 1, &receiver.incarnation().to_string());
    assert_eq!(receiver.let_in(&mut elsewhere).map(drop), Err(Refused::Stranger));
}

fn set(parts: &mut Parts, name: &'static str, value: &'static str) {
    parts.headers.insert(name, HeaderValue::from_static(value));
}

fn word(parts: &mut Parts, at: usize, text: &str) {
    let changed = pass(parts, at, text);
    parts.headers.insert(PASS, changed);
}

#[tokio::test(start_paused = true)]
async fn secrets_change_one_node_at_a_time() {
    type Secrets = &'static [[u8; 32]];
    let cases: [(Secrets, Secrets, bool); 5] = [
        (&[NEW, OLD], &[OLD, NEW], true),
        (&[OLD, NEW], &[NEW, OLD], true),
        (&[NEW], &[OLD, NEW], true),
        (&[OLD, NEW], &[NEW], false),
        (&[OLD], &[NEW], false),
    ];
    for (theirs, ours, in_) in cases {
        let receiver = node(ours, Arc::default());
        let mut parts = passed(theirs, receiver.incarnation()).await;
        let let_in = receiver.let_in(&mut parts).map(drop);
        assert_eq!(
            let_in,
            if in_ { Ok(()) } else { Err(Refused::Stranger) },
            "{theirs:?} {ours:?}"
        );
    }
}
