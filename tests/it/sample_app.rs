//! The vendor's sample app (and one more MIAW client), as recorded: every request of
//! `fixtures/recorded/miaw-client-traces.json` in order, against the emulated MIAW behind TLS at a
//! host that ends in `salesforce-scrt.com`; and what those programs depend on, asserted of the
//! answers. The host is mapped by a proxy, as a browser maps it by a rule.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use liveagent_bridge::adapter::transport::Transport as _;
use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Egress, Limits, Secret};
use liveagent_bridge::emulator::{Agents, ChatState, Command, Emulators};
use liveagent_bridge::serve::{Door, ServeLimits, Tls, TlsFiles, serve};
use liveagent_bridge::time::Wall;
use liveagent_bridge::wire::sse::{SseEvent, SseParser};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::certificates::Authority;

/// The app insists on `https:`, on this end and on no port.
const HOST: &str = "acme.my.salesforce-scrt.com";
const ORIGIN: &str = "http://localhost:5173";
/// The largest head of a request for a tunnel.
const HEAD_BYTES: usize = 16 * 1024;
const WAIT: Duration = Duration::from_secs(20);
const SAMPLE_APP: &str = "official sample app (browser, with one reload)";
const ANOTHER: &str = "cwatkins/miaw-client";

fn traces() -> Value {
    let file = include_str!("fixtures/recorded/miaw-client-traces.json");
    let file: Value = serde_json::from_str(file).unwrap();
    file["clients"].clone()
}

fn trace(client: &str) -> Vec<Value> {
    traces()[client].as_array().expect("a client of the file").clone()
}

/// A browser's rule for a host, as a proxy: every tunnel leads to one server.
struct HostMap {
    at: SocketAddr,
    /// What tunnels were asked for.
    seen: Arc<Mutex<Vec<String>>>,
    _accepting: AbortOnDropHandle<()>,
}

impl HostMap {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = seen.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let keep = keep.clone();
                // How a client's connection ends is its own affair.
                tokio::spawn(async move { drop(tunnel(stream, server, &keep).await) });
            }
        });
        Self { at, seen, _accepting: AbortOnDropHandle::new(accepting) }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn tunnel(
    mut client: TcpStream,
    server: SocketAddr,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    // Nothing follows the head before it is answered.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > HEAD_BYTES || client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let asked = head.split(" HTTP/").next().unwrap_or_default().to_owned();
    seen.lock().unwrap().push(asked);
    let mut server = TcpStream::connect(server).await?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// The program's place, and what it knows.
struct Player {
    emulators: Emulators,
    transport: Reqwest,
    map: HostMap,
    _folder: TempDir,
    token: String,
    user: Value,
    stream: Option<Stream>,
    /// What stands for `{uuid1}` and so on; the first is the conversation.
    ids: Vec<(String, String)>,
    /// Every event that the streams brought, without pings.
    events: Vec<SseEvent>,
}

struct Stream {
    body: BodyDataStream,
    parser: SseParser,
}

impl Player {
    async fn new() -> Self {
        let clock = Clock::starting_at(Wall::parse("2026-03-01T09:00:00Z").unwrap());
        let emulators = Emulators::new(&clock, Agents::Echo);
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        authority.issue_for(folder.path(), "scrt", &[HOST]);
        let at = |name: &str| folder.path().join(name);
        fs::write(at("ca.pem"), authority.pem()).unwrap();
        let files = TlsFiles { certificate: at("scrt.crt"), key: at("scrt.key") };
        let server = listen(Tls::new(files).unwrap(), &emulators).await;
        let map = HostMap::to(server).await;
        let egress = Egress {
            proxy: Some(Secret::new(format!("http://{}", map.at))),
            extra_ca_file: Some(at("ca.pem")),
            ..Egress::default()
        };
        let transport = Reqwest::new(&egress, &Limits::default()).unwrap();
        Self {
            emulators,
            transport,
            map,
            _folder: folder,
            token: String::new(),
            user: Value::Null,
            stream: None,
            ids: Vec::new(),
            events: Vec::new(),
        }
    }

    fn filled(&mut self, text: &str) -> String {
        let mut text = text.replace("{token}", &self.token).replace("{origin}", ORIGIN);
        text = text.replace("{now}", "1772355600000");
        while let Some(begin) = text.find("{uuid") {
            let end = begin + text[begin..].find('}').expect("an end") + 1;
            let name = text[begin..end].to_owned();
            let known = self.ids.iter().find(|(known, _)| *known == name);
            let id = known.map(|(_, id)| id.clone()).unwrap_or_else(|| {
                let id = uuid::Uuid::new_v4().to_string();
                self.ids.push((name.clone(), id.clone()));
                id
            });
            text.replace_range(begin..end, &id);
        }
        text
    }

    async fn ask(&mut self, step: &Value) -> Response<Body> {
        let path = self.filled(step["path"].as_str().unwrap());
        let mut request = Request::builder()
            .method(step["method"].as_str().unwrap())
            .uri(format!("https://{HOST}{path}"));
        for (name, value) in step["headers"].as_object().unwrap() {
            request = request.header(name, self.filled(value.as_str().unwrap()));
        }
        let body = match &step["body"] {
            Value::Null => String::new(),
            body => self.filled(&body.to_string()),
        };
        let request = request.body(Bytes::from(body)).unwrap();
        let answer = self.transport.send(request, WAIT).await.unwrap();
        if let Some(origin) = step["headers"].get("origin") {
            let origin = self.filled(origin.as_str().unwrap());
            assert_eq!(answer.headers()["access-control-allow-origin"], origin, "{path}");
        }
        answer
    }

    /// Plays one request, and looks at its answer as the program does.
    async fn step(&mut self, step: &Value) {
        let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
        let answer = self.ask(step).await;
        let status = answer.status();
        if method == "OPTIONS" {
            return allows(step, &answer);
        }
        if path.contains("/sse") {
            assert_eq!(status, 200, "the app takes no other");
            assert_eq!(answer.headers()["content-type"], "text/event-stream");
            let body = answer.into_body().into_data_stream();
            self.stream = Some(Stream { body, parser: SseParser::new() });
            return;
        }
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let json = || serde_json::from_slice::<Value>(&text).unwrap();
        match (method, path.split('?').next().unwrap().rsplit('/').next().unwrap()) {
            ("POST", "access-token") => self.takes_token(&json()),
            ("GET", "continuation-access-token") => {
                let (old, user) = (self.token.clone(), self.user.clone());
                self.takes_token(&json());
                assert_ne!(self.token, old, "another token");
                assert_eq!(self.user, user, "of the same user");
            }
            ("POST", "conversation") => assert_eq!((status.as_u16(), text.len()), (201, 0)),
            // The reference says 200, the recording's server said 202; programs look at no more.
            ("POST", "entry" | "acknowledge-entries") => assert!(status.is_success()),
            ("POST", "message") => {
                assert_eq!(status, 202);
                let entry = &json()["conversationEntries"][0];
                assert!(entry["clientTimestamp"].is_u64(), "{entry}");
                self.hears_echo(entry["id"].as_str().unwrap()).await;
            }
            ("GET", "list") => {
                let list = json();
                assert_eq!(list["openConversationsFound"], 1, "{list}");
                assert_eq!(list["conversations"][0]["conversationId"], self.conversation());
                assert_eq!(list["conversations"].as_array().unwrap().len(), 1);
            }
            ("GET", "entries") => can_show(&json()),
            ("GET", _) => assert!(json()["routingStatus"].is_string()),
            ("DELETE", _) => {
                assert_eq!((status.as_u16(), text.len()), (204, 0));
                self.until("CONVERSATION_CLOSE_CONVERSATION", |_| true).await;
            }
            other => panic!("no program was known to send {other:?}"),
        }
    }

    fn conversation(&self) -> String {
        self.ids[0].1.clone()
    }

    fn takes_token(&mut self, answer: &Value) {
        self.token = answer["accessToken"].as_str().unwrap().to_owned();
        assert_eq!(self.token.split('.').count(), 3, "the app reads it as a JWT");
        assert!(answer["lastEventId"].is_string(), "{answer}");
        let context = &answer["context"];
        let service = &context["configuration"]["embeddedServiceConfig"];
        let forms = &service["forms"];
        assert!(forms.is_null() || forms.is_array(), "{forms}");
        assert!(service["embeddedServiceMessagingChannel"].is_object(), "{service}");
        self.user = context["endUser"]["subject"].clone();
        assert!(self.user.is_string(), "{context}");
    }

    /// The visitor's own message comes back, is acknowledged, and is answered.
    async fn hears_echo(&mut self, id: &str) {
        let Some(_) = &self.stream else { return };
        let own = self.until("CONVERSATION_MESSAGE", |entry| entry["identifier"] == id).await;
        assert_eq!(own["sender"]["role"], "EndUser");
        let about = |entry: &Value| entry["relatedRecords"][0] == id;
        let ack = self.until("CONVERSATION_DELIVERY_ACKNOWLEDGEMENT", about).await;
        assert!(payload(&ack)["acknowledgementTimestamp"].is_u64(), "{ack}");
        self.until("CONVERSATION_MESSAGE", |entry| entry["sender"]["role"] == "Agent").await;
    }

    /// Reads the stream until this came; gives its entry.
    async fn until(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = |event: &SseEvent| {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            let entry = data["conversationEntry"].clone();
            (event.event == name && wanted(&entry)).then_some(entry)
        };
        if let Some(entry) = self.events.iter().find_map(found) {
            return entry;
        }
        loop {
            let stream = self.stream.as_mut().expect("an open stream");
            let read = tokio::time::timeout(WAIT, stream.body.next()).await;
            let bytes = read.unwrap_or_else(|_| panic!("no {name}")).expect("open").unwrap();
            let read = stream.parser.push(&bytes).unwrap();
            let events = read.into_iter().filter(|event| event.event != "ping");
            let events: Vec<_> = events.collect();
            let entry = events.iter().find_map(found);
            self.events.extend(events);
            if let Some(entry) = entry {
                return entry;
            }
        }
    }
}

async fn listen(tls: Tls, emulators: &Emulators) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let door = Door { listener, tls: Some(tls) };
    let limits = ServeLimits::from(&Limits::default());
    tokio::spawn(serve(door, emulators.miaw_router(), limits, CancellationToken::new()));
    at
}

/// A browser asks first, and sends nothing that was not allowed.
fn allows(step: &Value, answer: &Response<Body>) {
    assert!(answer.status().is_success(), "{step}");
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_ascii_lowercase();
    let wanted = |name: &str| step["headers"][name].as_str().unwrap().to_ascii_lowercase();
    let methods = header("access-control-allow-methods");
    assert!(methods.contains(&wanted("access-control-request-method")), "{methods}");
    let allowed = header("access-control-allow-headers");
    for name in wanted("access-control-request-headers").split(',') {
        assert!(allowed.split(',').any(|allowed| allowed.trim() == name), "{name}: {allowed}");
    }
}

/// The entries of REST carry objects where the stream carries text.
fn can_show(answer: &Value) {
    let entries = answer["conversationEntries"].as_array().unwrap();
    for entry in entries {
        let payload = &entry["entryPayload"];
        assert!(payload.is_object(), "{entry}");
        let kind = entry["entryType"].as_str().unwrap();
        assert!(["Message", "ParticipantChanged", "RoutingResult"].contains(&kind), "{kind}");
        is_shown(entry, payload);
    }
    let has = |kind: &str| entries.iter().any(|entry| entry["entryType"] == kind);
    assert!(has("Message") && has("ParticipantChanged"), "{answer}");
}

fn payload(entry: &Value) -> Value {
    serde_json::from_str(entry["entryPayload"].as_str().expect("text on the stream")).unwrap()
}

/// What the app needs to show an entry without crashing (miaw.md, Appendix A).
fn is_shown(entry: &Value, payload: &Value) {
    let known = ["entries", "abstractMessage", "routingType"];
    assert!(known.iter().any(|name| !payload[name].is_null()), "{entry}");
    let named = entry["senderDisplayName"].as_str().is_some_and(|name| !name.is_empty());
    assert!(named || payload["entries"][0]["displayName"].is_string(), "{entry}");
    assert!(entry["sender"]["role"].is_string() && entry["identifier"].is_string(), "{entry}");
}

#[tokio::test]
async fn the_sample_app_as_recorded() {
    let mut player = Player::new().await;
    for step in trace(SAMPLE_APP) {
        for _ in 0..step["repeat"].as_u64().unwrap_or(1) {
            player.step(&step).await;
        }
        if step["path"].as_str().unwrap().contains("/sse") && step["method"] == "GET" {
            // The stream of the page before the reload went away with the page.
            let last = player.events.last().and_then(|event| event.id.clone());
            player.agent_speaks(last.is_some()).await;
        }
    }
    player.holds();
}

#[test]
fn every_recorded_client_is_played() {
    for name in traces().as_object().unwrap().keys() {
        assert!([SAMPLE_APP, ANOTHER].contains(&&**name), "{name} is recorded and not played");
    }
}

#[tokio::test]
async fn another_client_as_recorded() {
    let mut player = Player::new().await;
    for step in trace(ANOTHER) {
        player.step(&step).await;
    }
    player.holds();
}

impl Player {
    /// After a reload the app says no last id: what is new comes, what was read before does not.
    async fn agent_speaks(&mut self, reloaded: bool) {
        if !reloaded {
            self.until("CONVERSATION_MESSAGE", |entry| entry["sender"]["role"] == "Agent").await;
            return;
        }
        let say = Command::Say { text: "after the reload".to_owned() };
        self.emulators.desk().act(&self.conversation(), say).unwrap();
        let said = |entry: &Value| {
            entry["entryPayload"].as_str().is_some_and(|text| text.contains("after the reload"))
        };
        let before = self.events.len();
        self.until("CONVERSATION_MESSAGE", said).await;
        let new = &self.events[before..];
        assert!(new.iter().all(|event| event.event != "CONVERSATION_PARTICIPANT_CHANGED"));
    }

    /// What must be true after any program's chat.
    fn holds(&self) {
        let seen = self.map.seen();
        assert!(!seen.is_empty());
        assert!(seen.iter().all(|line| *line == format!("CONNECT {HOST}:443")), "{seen:?}");
        let chat = self.emulators.desk().chat(&self.conversation()).unwrap();
        assert_eq!(chat.state, ChatState::Ended);
        let ids: Vec<u64> =
            self.events.iter().map(|event| event.id.as_ref().unwrap().parse().unwrap()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        for event in &self.events {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            let entry = &data["conversationEntry"];
            let shown = ["Message", "ParticipantChanged", "RoutingResult"];
            if shown.iter().any(|kind| entry["entryType"] == *kind) {
                is_shown(entry, &payload(entry));
            }
        }
    }
}

/// In-app SDKs still ask for tokens as `miaw-v1.json` has it. That generation is not emulated, and
/// it must not look as if it were.
#[tokio::test]
async fn the_older_generation_is_refused() {
    let file: Value = serde_json::from_str(include_str!("fixtures/recorded/miaw-v1.json")).unwrap();
    let mut step = file["request"].clone();
    step["headers"] = serde_json::json!({ "content-type": "application/json" });
    let answer = Player::new().await.ask(&step).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}
