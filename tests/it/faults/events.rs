//! U3 and U4: the event stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use liveagent_bridge::wire::sse::{MAX_EVENT_BYTES, MAX_LINE_BYTES};
use serde_json::json;

use super::{CHUNK, Counted, Seen, answer, broken};
use crate::admin::Api;
use crate::bridge_stage::{BridgeStage, Client, Fate};

/// Writes a stream in another way.
type Reshapes = fn(Body) -> Body;

/// Answers in place of a stream.
type Makes = fn() -> Seen;

const EVENTS: &str = "text/event-stream";

fn mapped(body: Body, map: impl Fn(&[u8]) -> Vec<Bytes> + Send + 'static) -> Body {
    let chunks = body.into_data_stream().flat_map(move |chunk| {
        let chunks: Vec<_> = map(&chunk.expect("a chunk")).into_iter().map(Ok).collect();
        stream::iter::<Vec<Result<Bytes, std::io::Error>>>(chunks)
    });
    Body::from_stream(chunks)
}

fn byte_by_byte(body: Body) -> Body {
    mapped(body, |chunk| chunk.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect())
}

fn ended_by(end: &'static str) -> impl Fn(&[u8]) -> Vec<Bytes> + Send {
    move |chunk| {
        let text = String::from_utf8(chunk.to_vec()).expect("UTF-8").replace('\n', end);
        // Between CR and LF, too.
        text.split_inclusive('\r').map(|part| Bytes::copy_from_slice(part.as_bytes())).collect()
    }
}

fn after(begin: &'static str, body: Body) -> Body {
    let begin = stream::iter([Ok(Bytes::from_static(begin.as_bytes()))]);
    Body::from_stream(begin.chain(body.into_data_stream()))
}

/// Ways of writing the same stream.
const WRITTEN: [(&str, Reshapes); 8] = [
    ("as it is", |body| body),
    ("byte by byte", byte_by_byte),
    ("CR", |body| mapped(body, ended_by("\r"))),
    ("CR LF", |body| mapped(body, ended_by("\r\n"))),
    ("CR LF, byte by byte", |body| byte_by_byte(mapped(body, ended_by("\r\n")))),
    ("a byte order mark", |body| after("\u{feff}", body)),
    ("NUL in an id", |body| after("id: 99999999999999\0\ndata: x\n\n", body)),
    ("unknown fields, comments, retry", |body| {
        after(": hello\n\nretry: 99999999999999999999\nnonsense\nx: y\nretry: 5\n\n", body)
    }),
];

async fn reads_twenty_lines(stage: &BridgeStage, client: &mut Client, case: &str) {
    let said: Vec<String> = (0..20).map(|n| format!("line {n} Grüße 👋")).collect();
    for (n, text) in said.iter().enumerate() {
        stage.agent_says(text);
        if n % 6 == 0 {
            stage.seconds(3).await;
        }
    }
    client.until_told(&said[19]).await;
    client.drain().await;
    assert_eq!(client.texts(), said, "{case}");
    assert_eq!(client.count("ChatEstablished"), 1, "{case}");
}

#[tokio::test(start_paused = true)]
async fn however_a_stream_is_written_it_reads_the_same() {
    for (name, reshape) in WRITTEN {
        for drop_after in [0, 5] {
            let stage = BridgeStage::new().await;
            stage.knobs(|knobs| knobs.drop_after_events = drop_after);
            stage.tamper(move |operation, _| match operation {
                "sse" => Fate::Reshaped(reshape),
                _ => Fate::Passes,
            });
            let mut client = Client::talking(&stage).await;
            reads_twenty_lines(&stage, &mut client, name).await;
        }
    }
}

/// What a stream may answer with in place of events, three times in a row.
const REFUSED: [(&str, Makes); 12] = [
    ("204", || answer(204, EVENTS, "")),
    ("a redirect", || answer(302, EVENTS, "")),
    ("304", || answer(304, EVENTS, "")),
    ("429", || answer(429, EVENTS, "")),
    ("500", || answer(500, "text/html", "<html>")),
    ("503", || answer(503, "text/html", "<html>")),
    ("a page", || answer(200, "text/html", "<html>\n\ndata: x\n\n</html>")),
    ("gzip", || {
        let mut answer = answer(200, EVENTS, vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 10, 10])?;
        answer.headers_mut().insert("content-encoding", "gzip".parse().expect("a header"));
        Ok(answer)
    }),
    ("a break in an event", || answer(200, EVENTS, broken("id: 9\nevent: CONVERSATION_MES"))),
    ("nothing, half open", || answer(200, EVENTS, Body::from_stream(open_for_ever()))),
    ("data that is no JSON", || answer(200, EVENTS, "event: CONVERSATION_MESSAGE\ndata: {\n\n")),
    ("no UTF-8", || answer(200, EVENTS, b"event: \xff\xfe\ndata: \xc3\x28\n\n".to_vec())),
];

fn open_for_ever() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    stream::pending()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_none_is_asked_for_again_and_nothing_is_missing() {
    for (name, makes) in REFUSED {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        let mut left = 3;
        let before = stage.count("sse");
        stage.tamper(move |operation, _| match operation {
            "sse" if left > 0 => {
                left -= 1;
                Fate::Instead(makes())
            }
            _ => Fate::Passes,
        });
        stage.knobs(|knobs| knobs.drop_streams = true);
        reads_twenty_lines(&stage, &mut client, name).await;
        let asked = stage.count("sse") - before;
        // What is silent is given up after 90 s, and by then everything was listed.
        let least = if name == "nothing, half open" { 2 } else { 4 };
        assert!((least..=5).contains(&asked), "{name}: asked {asked} times");
        let sent = stage.sent("sse");
        let ids = sent[before..].iter().map(|sent| sent.last_event_id.clone());
        assert!(ids.into_iter().all(|id| id.is_some_and(|id| id != "0")), "{name}: resumed");
    }
}

#[tokio::test(start_paused = true)]
async fn lines_and_events_without_measure_are_read_to_a_bound() {
    let line = (MAX_LINE_BYTES / CHUNK + 1, b"xxxxxxxx".repeat(CHUNK / 8));
    let event = (usize::MAX, format!("data: {}\n", "x".repeat(CHUNK - 7)).into_bytes());
    let endless = (usize::MAX, line.1.clone());
    for (name, (chunks, chunk)) in [("1 MiB line", line), ("event", event), ("endless", endless)] {
        let chunk: &'static [u8] = chunk.leak();
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        let counted = Counted::default();
        let body = counted.clone();
        let mut left = 1;
        stage.tamper(move |operation, _| match operation {
            "sse" if left > 0 => {
                left -= 1;
                Fate::Instead(answer(200, EVENTS, body.body(chunk, chunks)))
            }
            _ => Fate::Passes,
        });
        stage.knobs(|knobs| knobs.drop_streams = true);
        reads_twenty_lines(&stage, &mut client, name).await;
        let bound = 2 * MAX_LINE_BYTES.max(MAX_EVENT_BYTES) + 2 * CHUNK;
        assert!((1..=bound).contains(&counted.read()), "{name}: {} bytes", counted.read());
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_are_replayed_are_told_once() {
    for again in [1, 2, 7, 50] {
        let stage = BridgeStage::new().await;
        stage.knobs(|knobs| knobs.drop_after_events = 6 + again);
        let opened = Arc::new(AtomicUsize::new(0));
        let count = opened.clone();
        stage.tamper(move |operation, request| {
            if operation == "sse" {
                let last = request.headers().get("last-event-id");
                let last = last.and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
                if let Some(last) = last.filter(|last| *last > again) {
                    let earlier = (last - again).to_string().parse().expect("a header");
                    request.headers_mut().insert("last-event-id", earlier);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Fate::Passes
        });
        let mut client = Client::talking(&stage).await;
        reads_twenty_lines(&stage, &mut client, &format!("{again} again")).await;
        assert!(again == 50 || opened.load(Ordering::Relaxed) > 1, "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_out_of_order_are_told_once_each() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let texts: Vec<String> = (0..6).map(|n| format!("line {n}")).collect();
    for n in [1, 0, 2, 5, 4, 3, 3, 0] {
        let entry = json!({
            "identifier": format!("00000000-0000-4000-8000-00000000000{n}"),
            "entryType": "Message",
            "sender": { "role": "Agent", "subject": "005" },
            "senderDisplayName": "Ada",
            "transcriptedTimestamp": stage.clock.now().wall.millis() + n,
            "clientTimestamp": stage.clock.now().wall.millis() + n,
            "entryPayload": json!({
                "entryType": "Message",
                "abstractMessage": {
                    "messageType": "StaticContentMessage",
                    "id": format!("00000000-0000-4000-8000-00000000000{n}"),
                    "staticContent": { "formatType": "Text", "text": format!("line {n}") },
                },
            })
            .to_string(),
        });
        stage.inject("CONVERSATION_MESSAGE", &entry);
    }
    stage.inject("CONVERSATION_OF_THE_FUTURE", &json!({ "entryType": "Future" }));
    stage.inject("CONVERSATION_MESSAGE", &json!({ "entryType": "Message" }));
    stage.inject("CONVERSATION_MESSAGE", &json!([1, "two", null]));
    stage.agent_says("still alive");
    client.until_told("still alive").await;
    client.drain().await;
    let mut told: Vec<_> =
        client.texts().into_iter().filter(|text| text.contains("line")).collect();
    told.sort_unstable();
    assert_eq!(told, texts);
    let page = Api::new(stage.admin.clone()).ask("GET", "/metrics", None, "").await.text;
    assert!(page.contains("bridge_stream_unknown_events_total 1\n"), "{page}");
}
