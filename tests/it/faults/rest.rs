//! U1, U2 and U7: the calls.

use std::time::Duration;

use liveagent_bridge::adapter::transport::TransportError;
use liveagent_bridge::config::{Behaviour, Limits};
use liveagent_bridge::emulator::Agents;

use super::{CHUNK, Counted, Seen, answer, broken};
use crate::bridge_stage::{BridgeStage, Client, Fate};

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const MINUTE: u64 = 60;

/// What became of a message or of a chat's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    /// It is delivered once, or begins; the visitor sees nothing of the fault.
    Done,
    /// The visitor is told that it could not be delivered; the chat goes on.
    Told,
    /// The chat ends politely, or `ChatRequestFail`.
    Over,
}
use Becomes::{Done, Over, Told};

type Makes = fn() -> Seen;

fn refused() -> Seen {
    Err(TransportError { sent: false, cause: "connection refused".to_owned() })
}

fn reset() -> Seen {
    Err(TransportError { sent: true, cause: "reset".to_owned() })
}

fn later() -> Seen {
    answer(429, JSON, "{}").map(|mut answer| {
        answer.headers_mut().insert("retry-after", "7".parse().expect("a header"));
        answer
    })
}

fn large() -> Seen {
    answer(200, JSON, Counted::default().body(&[b' '; CHUNK], (10 << 20) / CHUNK))
}

fn large_accepted() -> Seen {
    answer(202, JSON, Counted::default().body(&[b' '; CHUNK], (10 << 20) / CHUNK))
}

/// In place of an answer, once: what becomes of a start at each of its calls, and of a message.
const INSTEAD: [(&str, Makes, Becomes, Becomes, Becomes); 14] = [
    // name, fault, token, create, message
    ("refuse", refused, Done, Done, Done),
    ("reset", reset, Done, Done, Done),
    ("500", || answer(500, JSON, "{}"), Done, Done, Done),
    ("502", || answer(502, HTML, "<html>"), Done, Done, Done),
    ("503", || answer(503, HTML, "<html>"), Done, Done, Done),
    ("504", || answer(504, HTML, "<html>"), Done, Done, Done),
    ("429", || answer(429, JSON, "{}"), Done, Done, Done),
    ("429 with Retry-After", later, Done, Done, Done),
    // A message is sent once more, with a continued token.
    ("401", || answer(401, "text/plain", "Jwt is expired"), Over, Over, Done),
    ("403", || answer(403, JSON, "{}"), Over, Over, Done),
    ("404", || answer(404, JSON, "{}"), Over, Over, Over),
    ("a redirect", || answer(302, HTML, ""), Over, Over, Told),
    ("500 cut short", || answer(500, JSON, broken("{\"err")), Done, Done, Done),
    ("500 of 10 MiB", || answer(500, JSON, vec![b'x'; 10 << 20]), Done, Done, Done),
];

/// Salesforce works on the call, once, and this is what comes of its answer.
const AFTER: [(&str, Makes, Becomes, Becomes, Becomes); 7] = [
    ("nothing", reset, Done, Done, Done),
    ("malformed JSON", || answer(200, JSON, "{\"accessToken\":"), Done, Done, Done),
    ("another JSON", || answer(200, JSON, "[1]"), Done, Done, Done),
    ("a page", || answer(200, HTML, "<html>signed out</html>"), Done, Done, Done),
    ("a body cut short", || answer(200, JSON, broken("{\"acc")), Done, Done, Done),
    ("10 MiB", large, Done, Done, Done),
    ("202 and 10 MiB", large_accepted, Done, Done, Done),
];

fn once(stage: &BridgeStage, operation: &'static str, fate: impl Fn() -> Fate + Send + 'static) {
    let mut left = 1;
    stage.tamper(move |seen, _| {
        if seen != operation || left == 0 {
            return Fate::Passes;
        }
        left -= 1;
        fate()
    });
}

async fn a_start(stage: &BridgeStage) -> Becomes {
    let mut client = Client::begin(stage).await;
    loop {
        client.poll().await;
        if client.count("ChatEstablished") == 1 {
            assert_eq!(client.count("ChatRequestSuccess"), 1);
            client.says("hello").await;
            client.until_told("echo: hello").await;
            return Done;
        }
        if client.count("ChatRequestFail") == 1 {
            client.is_gone().await;
            return Over;
        }
    }
}

async fn a_message(stage: &BridgeStage, client: &mut Client) -> Becomes {
    client.says("one").await;
    client.says("two").await;
    stage.seconds(90).await;
    client.drain().await;
    let told = client.texts().contains(&&*Behaviour::default().undeliverable_text);
    let over = client.count("ChatEnded") == 1;
    let heard = stage.heard();
    match (told, over) {
        (false, false) => {
            assert_eq!(heard, ["one", "two"]);
            Done
        }
        (true, false) => {
            assert_eq!(heard, ["two"]);
            Told
        }
        (true, true) => {
            assert!(heard.is_empty(), "{heard:?}");
            Over
        }
        (false, true) => panic!("ended without a word"),
    }
}

fn fate(processed: bool, makes: Makes) -> Fate {
    if processed { Fate::Answered(Duration::ZERO, makes()) } else { Fate::Instead(makes()) }
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_a_call_has_its_outcome() {
    let mut wrong = Vec::new();
    let rows = INSTEAD.iter().map(|row| (false, row)).chain(AFTER.iter().map(|row| (true, row)));
    for (processed, &(name, makes, token, create, message)) in rows {
        for (operation, expected) in [("token", token), ("create", create)] {
            let stage = BridgeStage::with(Agents::Echo, |_| {}).await;
            once(&stage, operation, move || fate(processed, makes));
            let became = a_start(&stage).await;
            let asked = stage.all();
            if became != expected || asked > 20 {
                wrong.push(format!("{operation}, {name}: {became:?}, {asked} requests"));
            }
        }
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        once(&stage, "message", move || fate(processed, makes));
        let became = a_message(&stage, &mut client).await;
        let asked = stage.count("message");
        if became != message || asked > 4 {
            wrong.push(format!("message, {name}: {became:?}, {asked} requests"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_read_to_a_bound() {
    for operation in ["token", "create", "message", "entries"] {
        let stage = BridgeStage::with(Agents::Echo, |_| {}).await;
        let counted = Counted::default();
        let body = counted.clone();
        let endless = move || answer(200, JSON, body.body(&[b'x'; CHUNK], usize::MAX));
        once(&stage, operation, move || Fate::Answered(Duration::ZERO, endless()));
        assert_eq!(a_start(&stage).await, Done, "{operation}");
        let bound = Limits::default().response_body_bytes + 2 * CHUNK;
        assert!(counted.read() <= bound, "{operation}: {} bytes", counted.read());
    }
}

/// An echo on the stream that is faster than the answer of REST: one message, told once.
#[tokio::test(start_paused = true)]
async fn the_echo_may_come_before_the_answer() {
    for (after, seen) in [(0, 202), (3, 202), (14, 202), (0, 503), (3, 503), (14, 503)] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        let answered = move || answer(seen, JSON, "{}");
        once(&stage, "message", move || Fate::Answered(Duration::from_secs(after), answered()));
        assert_eq!(a_message(&stage, &mut client).await, Done, "{seen} after {after} s");
        let texts: Vec<_> = client.texts();
        assert!(texts.is_empty(), "the visitor's own words do not come back: {texts:?}");
    }
}

/// Five chats, each with a message every so many seconds, for a minute.
async fn a_minute(every: Option<u64>, outage: Option<Makes>) -> usize {
    let stage = BridgeStage::new().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(Client::talking(&stage).await);
    }
    stage.seconds(30).await;
    if let Some(makes) = outage {
        stage.tamper(move |_, _| Fate::Instead(makes()));
        stage.knobs(|knobs| knobs.drop_streams = true);
    }
    let before = stage.all();
    let pause = every.unwrap_or(MINUTE);
    for n in 0..MINUTE / pause {
        for client in clients.iter_mut().filter(|_| every.is_some()) {
            client.says(&format!("{n}")).await;
        }
        stage.seconds(pause).await;
    }
    stage.all() - before
}

/// Ways of being out for everything: none may cost a chat its life, nor Salesforce a storm.
const OUTAGES: [(&str, Makes); 6] = [
    ("503", || answer(503, JSON, "{}")),
    ("500", || answer(500, HTML, "<html>")),
    ("refuse", refused),
    ("reset", reset),
    ("429", || answer(429, JSON, "{}")),
    ("429 with Retry-After", later),
];

#[tokio::test(start_paused = true)]
async fn an_outage_costs_hardly_more_requests_than_a_good_minute() {
    // Fifteen messages a minute: lively, and below what Salesforce allows.
    let good = a_minute(Some(4), None).await;
    assert!(good >= 75, "the baseline sends its messages: {good}");
    for (name, makes) in OUTAGES {
        let bad = a_minute(Some(4), Some(makes)).await;
        assert!(bad * 10 <= good * 12, "{name}: {bad} requests, {good} otherwise");
    }
    // Who is quiet costs nothing in a good minute, and little in a bad one.
    assert_eq!(a_minute(None, None).await, 0);
    for (name, makes) in OUTAGES {
        let bad = a_minute(None, Some(makes)).await;
        assert!((1..=5 * 12).contains(&bad), "{name}: {bad} requests");
    }
}

/// One tenant's Salesforce takes two seconds for everything: nothing is lost, order is kept.
#[tokio::test(start_paused = true)]
async fn a_slow_service_delays_and_loses_nothing() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.fault("*", 100_000, |fault| fault.delay_millis = 2_000);
    let said: Vec<String> = (0..15).map(|n| format!("line {n}")).collect();
    for text in &said {
        client.says(text).await;
    }
    stage.agent_says("hello");
    client.until_told("hello").await;
    stage.seconds(60).await;
    assert_eq!(stage.heard(), said);
}
