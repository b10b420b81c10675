//! U9: the verbatim relay over real connections: the head of a request as it is on the wire, to the
//! last header, and answers byte by byte however they are framed; and polls as long as the service
//! announces them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Response;
use liveagent_bridge::adapter::liveagent::LiveAgent;
use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::config::{Egress, Legacy, Limits};
use liveagent_bridge::facade::router;
use liveagent_bridge::serve::{ServeLimits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::stage::{LEGACY, Stage, request, stage, tenant};

const BEFORE: &str = "2026-01-10T10:00:00Z";
const WAIT: Duration = Duration::from_secs(20);
const KEY: &str = "11111111-2222-4333-8444-555555555555!1636522000000!AA+/AAAAAAAAAAAAAAAAAAAAAAA=";

/// A service that keeps what it was sent and answers with given bytes, then hangs up.
struct Salesforce {
    at: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    answer: Arc<Mutex<Vec<u8>>>,
    _accepting: AbortOnDropHandle<()>,
}

async fn salesforce() -> Salesforce {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (keep, says) = (seen.clone(), answer.clone());
    let accepting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = whole(&mut stream).await;
            keep.lock().unwrap().push(asked);
            let answer = says.lock().unwrap().clone();
            // Whether it was read to its end is the test's to see.
            drop(stream.write_all(&answer).await);
        }
    });
    Salesforce { at, seen, answer, _accepting: AbortOnDropHandle::new(accepting) }
}

/// One request, head and body of the announced length.
async fn whole(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = find(&read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()).map_or("0", str::trim);
            if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return read;
            }
        }
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            return read;
        }
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The bridge as clients reach it.
async fn bridge(salesforce: &Salesforce) -> (SocketAddr, CancellationToken) {
    let mut acme = tenant("acme");
    let base = format!("http://{}", salesforce.at);
    acme.legacy = acme.legacy.map(|legacy| Legacy { live_agent_base_url: base, ..legacy });
    let mut stage = stage(BEFORE, vec![acme]);
    let transport = Reqwest::new(&Egress::default(), &Limits::default()).unwrap();
    let store = Arc::new(stage.store.clone());
    stage.facade.relay = Arc::new(LiveAgent::new(Arc::new(transport), stage.clock.clone(), store));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (limits, stop) = (ServeLimits::from(&Limits::default()), CancellationToken::new());
    tokio::spawn(serve(listener, router(stage.facade), limits, stop.clone()));
    (at, stop)
}

/// Sends these bytes, and reads what comes until the connection is closed.
async fn exchanged(at: SocketAddr, sent: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    tokio::time::timeout(WAIT, stream.read_to_end(&mut read)).await.expect("in time").unwrap();
    String::from_utf8(read).unwrap()
}

/// Everything that a client or what is before it might send.
const SENT: &str = "POST /t/acme/chat/rest/Chasitor/ChatMessage?a=%5B1%5D HTTP/1.1\r\n\
Host: bridge.example.test\r\n\
X-LIVEAGENT-API-VERSION: 52\r\n\
X-LIVEAGENT-AFFINITY: 98c41fa0\r\n\
X-LIVEAGENT-SESSION-KEY: {key}\r\n\
X-LIVEAGENT-SEQUENCE: 7\r\n\
Content-Type: text/plain;charset=UTF-8\r\n\
Content-Length: 12\r\n\
Accept: content/json\r\n\
Accept-Encoding: gzip\r\n\
Accept-Language: de\r\n\
User-Agent: program/1\r\n\
Origin: https://shop.example\r\n\
Referer: https://shop.example/page\r\n\
Cookie: a=b\r\n\
Cache-Control: no-cache\r\n\
X-WATSON-TARGET-DOMAIN: d.la1.example\r\n\
X-Unknown: kept\r\n\
Connection: close, X-Hop\r\n\
X-Hop: 1\r\n\
Keep-Alive: timeout=5\r\n\
Proxy-Connection: keep-alive\r\n\
Proxy-Authorization: Basic Og==\r\n\
TE: trailers\r\n\
Trailer: X-Late\r\n\
Upgrade: websocket\r\n\
Forwarded: for=1.2.3.4\r\n\
Via: 1.1 proxy\r\n\
X-Forwarded-For: 1.2.3.4\r\n\
X-Forwarded-Host: a\r\n\
X-Forwarded-Port: 1\r\n\
X-Forwarded-Proto: https\r\n\
X-Forwarded-Server: a\r\n\
X-Real-IP: 1.2.3.4\r\n\
\r\n{\"text\":\"a\"}";

/// What of it goes to Salesforce; names in small letters, as HTTP allows.
const GOLDEN: [&str; 17] = [
    "accept-encoding: gzip",
    "accept-language: de",
    "accept: content/json",
    "cache-control: no-cache",
    "content-length: 12",
    "content-type: text/plain;charset=UTF-8",
    "cookie: a=b",
    "host: {salesforce}",
    "origin: https://shop.example",
    "referer: https://shop.example/page",
    "user-agent: program/1",
    "x-liveagent-affinity: 98c41fa0",
    "x-liveagent-api-version: 52",
    "x-liveagent-sequence: 7",
    "x-liveagent-session-key: {key}",
    "x-unknown: kept",
    "x-watson-target-domain: d.la1.example",
];

#[tokio::test]
async fn a_request_arrives_with_the_headers_of_the_golden_list_and_no_other() {
    let salesforce = salesforce().await;
    let (at, _stop) = bridge(&salesforce).await;
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
    *salesforce.answer.lock().unwrap() = ok.into();
    let answer = exchanged(at, &SENT.replace("{key}", KEY)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nOK"));
    let asked = salesforce.seen.lock().unwrap().pop().expect("a request");
    let asked = String::from_utf8(asked).unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "{\"text\":\"a\"}");
    let mut lines = head.split("\r\n");
    let first = "POST /chat/rest/Chasitor/ChatMessage?a=%5B1%5D HTTP/1.1";
    assert_eq!(lines.next(), Some(first));
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    let fill =
        |line: &str| line.replace("{key}", KEY).replace("{salesforce}", &salesforce.at.to_string());
    assert_eq!(lines, GOLDEN.map(fill));
}

const AFFINITY: &str = "Invalid Affinity Token";
const DEAD: &str = "Session required but was invalid or not found";

/// How the service frames an answer, and the status and body that a client must see.
const ANSWERS: [(&str, &str, u16, &str); 9] = [
    ("GET System/Messages?ack=1", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
    (
        "GET System/Messages?ack=1",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;x=y\r\n{\"mes\r\n1\r\ns\r\nb\r\nages\":[ ] }\r\n0\r\nX-Late: 1\r\n\r\n",
        200,
        "{\"messages\":[ ] }",
    ),
    ("GET System/Messages?ack=1", "HTTP/1.1 200 OK\r\n\r\nnot JSON \u{fc}", 200, "not JSON \u{fc}"),
    (
        "POST Chasitor/ChatMessage",
        "HTTP/1.1 409 Conflict\r\nContent-Length: 39\r\n\r\n\
         Out of sync Ack. Expected 498. Actual 4",
        409,
        "Out of sync Ack. Expected 498. Actual 4",
    ),
    ("GET System/Messages", "HTTP/1.1 503 Moved\r\n\r\nInvalid Affinity Token", 503, AFFINITY),
    (
        "POST Chasitor/Nobody/knows",
        "HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\n\r\n",
        418,
        "\r\n",
    ),
    ("GET Presence/Unknown", "HTTP/1.0 404 Not Found\r\n\r\n<html>", 404, "<html>"),
    (
        "POST Chasitor/ChatEnd",
        "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
        302,
        "",
    ),
    (
        "GET System/Messages?ack=1",
        "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n\
         2d\r\nSession required but was invalid or not found\r\n0\r\n\r\n",
        403,
        DEAD,
    ),
];

/// The status and the body of an answer, its chunks put together.
fn read(answer: &str) -> (u16, String) {
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (status, rest.to_owned());
    }
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            break;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    (status, body)
}

#[tokio::test]
async fn answers_arrive_byte_by_byte_however_they_are_framed() {
    let salesforce = salesforce().await;
    let (at, _stop) = bridge(&salesforce).await;
    for (asks, framed, status, body) in ANSWERS {
        *salesforce.answer.lock().unwrap() = framed.as_bytes().to_vec();
        let (method, noun) = asks.split_once(' ').expect("a method");
        let sent = format!(
            "{method} /chat/rest/{noun} HTTP/1.1\r\nHost: acme.example.test\r\n\
             X-LIVEAGENT-API-VERSION: 52\r\nX-LIVEAGENT-SESSION-KEY: {KEY}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let answer = exchanged(at, &sent).await;
        assert_eq!(read(&answer), (status, body.to_owned()), "{asks}\n{framed}\n{answer}");
        if status == 302 {
            assert!(answer.to_lowercase().contains("location: https://elsewhere.example/"));
        }
    }
    assert_eq!(salesforce.seen.lock().unwrap().len(), ANSWERS.len(), "each asked once");
}

/// The service announces 40 s and may hold a poll as long; what comes then is passed on.
#[tokio::test(start_paused = true)]
async fn a_poll_is_held_as_long_as_the_service_holds_it() {
    for (held, text) in [(24, "{}"), (40, ""), (40, "{\"messages\":[]}"), (70, "{}")] {
        let stage: Stage = stage(BEFORE, vec![tenant("acme")]);
        let clock = stage.clock.clone();
        let answer = async move || {
            clock.until(clock.now().mono.plus(Duration::from_secs(held))).await;
            let status = if text.is_empty() { 204 } else { 200 };
            Response::builder().status(status).body(Body::from(text)).unwrap()
        };
        stage.salesforce.put(LEGACY, Router::new().fallback(answer));
        let begun = stage.clock.now().mono;
        let got = stage.send(request("GET", "/chat/rest/System/Messages", Some(KEY), "")).await;
        assert_eq!(got.text, text, "held for {held} s");
        assert_eq!(stage.clock.now().mono.since(begun), Duration::from_secs(held));
    }
}
