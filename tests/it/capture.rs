//! Captured traffic: what a bridge with both emulated services behind it writes down, and what not.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::capture::{Asked, Capture};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{
    CaptureConfig, Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig, load_str,
};
use liveagent_bridge::emulator::{Agents, Command, Emulators};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::report::captured::{CapturedInit, CapturedLine, ValueKind};
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::stage::{Got, LEGACY, SECRET, Seen, read, request, tenant};

/// What must be in no file.
const CANARIES: [&str; 9] = [
    "canary-value",
    "canary.mail@example.test",
    "Canary Visitor",
    "canary says",
    "canary answers",
    "canary-agent",
    "canary-number",
    "4711081",
    "else@example.test",
];
const TRANSLATED: &str = "2026-03-01T09:00:00Z";
const RELAYED: &str = "2026-01-20T09:00:00Z";

struct World {
    home: TempDir,
    clock: Clock,
    emulators: Emulators,
    bridge: Bridge,
    service: Router,
    shutdown: CancellationToken,
}

impl World {
    async fn new(at: &str, captures: bool) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let clock = Clock::starting_at(Wall::parse(at).expect("an instant"));
        let emulators = Emulators::new(&clock, Agents::None);
        // The requests of these tests name no affinity token.
        emulators.set_liveagent(|knobs| knobs.check_affinity = false);
        let salesforce = Arc::new(InProcess::new());
        salesforce.put("scrt.example.test", emulators.miaw_router());
        salesforce.put(LEGACY, emulators.liveagent_router());
        let mut tenant = tenant("acme");
        tenant.capture = captures.then(|| CaptureConfig {
            folder: home.path().join("captures"),
            max_file_bytes: 1 << 20,
            max_files: 5,
            retention_days: 7,
        });
        let config = Config {
            listen: DEFAULT_LISTEN,
            admin: None,
            store: StoreConfig::Memory,
            tenants: vec![tenant],
            limits: Limits::default(),
            egress: Egress::default(),
            panic_file: None,
            tls: None,
        };
        let shutdown = CancellationToken::new();
        let options = Options {
            clock: clock.clone(),
            transport: salesforce,
            opened: Opened { store: Arc::new(MemoryStore::new()), keys: KeyRing::single(SECRET) },
            decisions: Arc::new(Seen::default()),
            shutdown: shutdown.clone(),
        };
        let bridge = app::build(config, options).await.expect("a bridge");
        let service = bridge.router.clone();
        Self { home, clock, emulators, bridge, service, shutdown }
    }

    async fn get(&self, path: &str, key: Option<&str>) -> Got {
        let asked = request("GET", &format!("/chat/rest/{path}"), key, "");
        read(self.service.clone().oneshot(asked).await.expect("an answer")).await
    }

    async fn post(&self, noun: &str, key: &str, number: u64, body: &Value) -> Got {
        let path = format!("/chat/rest/{noun}");
        let mut asked = request("POST", &path, Some(key), &body.to_string());
        let number = number.to_string().parse().expect("a header");
        asked.headers_mut().insert("X-LIVEAGENT-SEQUENCE", number);
        read(self.service.clone().oneshot(asked).await.expect("an answer")).await
    }

    /// A session whose chat was asked for, twice with the same number.
    async fn begin(&self, batched: bool) -> (String, Value) {
        let session = self.get("System/SessionId", None).await.json();
        let key = session["key"].as_str().expect("a key").to_owned();
        let init = init(&session["id"]);
        for _ in 0..2 {
            let got = match batched {
                true => {
                    let noun = json!({ "prefix": "Chasitor", "noun": "ChasitorInit",
                        "object": init });
                    self.post("System/MultiNoun", &key, 1, &json!({ "nouns": [noun] })).await
                }
                false => self.post("Chasitor/ChasitorInit", &key, 1, &init).await,
            };
            assert_eq!((got.status.as_u16(), got.text.as_str()), (200, "OK"));
        }
        (key, init)
    }

    /// Polls until a message of this kind was read.
    async fn until(&self, key: &str, kind: &str) {
        for _ in 0..20 {
            let got = self.get("System/Messages?ack=-1", Some(key)).await;
            if got.status == 204 {
                continue;
            }
            let messages = got.json()["messages"].clone();
            if messages.as_array().expect("messages").iter().any(|m| m["type"] == kind) {
                return;
            }
        }
        panic!("no {kind}");
    }

    async fn pass(&self, seconds: u64) {
        self.clock.until(self.clock.now().mono.plus(Duration::from_secs(seconds))).await;
    }

    fn act(&self, command: Command) {
        let desk = self.emulators.desk();
        let id = desk.chats().pop().expect("a chat").id;
        desk.act(&id, command).expect("possible now");
    }

    /// Every line that was written, once the bridge has stopped.
    async fn lines(self, keys: &[&str]) -> Vec<CapturedInit> {
        self.shutdown.cancel();
        self.bridge.chats.drained().await;
        let capture = self.bridge.live.now().capture.clone();
        let capture = capture.expect("somebody opted in");
        capture.drained().await;
        assert_eq!(capture.dropped(), 0);
        let text = text(&self.home.path().join("captures"));
        for secret in CANARIES.iter().chain(keys) {
            assert!(!text.contains(secret), "`{secret}` was captured: {text}");
        }
        whole(&text)
    }
}

/// The chats of a file, each with what the line of its end says.
fn whole(text: &str) -> Vec<CapturedInit> {
    let mut chats: Vec<CapturedInit> = Vec::new();
    for line in text.lines() {
        match CapturedLine::read(line).expect("a line") {
            CapturedLine::Init(init) => chats.push(*init),
            CapturedLine::End(end) => {
                let begun = chats.iter_mut().find(|chat| chat.chat.as_ref() == Some(&end.end));
                let chat = begun.expect("its init comes first");
                assert_eq!((chat.duration_seconds, &chat.tenant), (None, &end.tenant));
                chat.duration_seconds = Some(end.duration_seconds);
                (chat.messages, chat.agent_messages) = (end.messages, end.agent_messages);
            }
        }
    }
    chats
}

fn text(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).expect("a folder of captures");
    entries.map(|e| std::fs::read_to_string(e.expect("an entry").path()).expect("text")).collect()
}

fn init(session: &Value) -> Value {
    json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "sessionId": session, "visitorName": "Canary Visitor",
        "language": "en-US", "screenResolution": "1x1", "userAgent": "canary-agent",
        "receiveQueueUpdates": true, "isPost": true,
        "prechatDetails": [
            { "label": "E-Mail", "value": "canary.mail@example.test", "displayToAgent": false,
              "transcriptFields": ["Email__c"],
              "entityMaps": [{ "entityName": "Contact", "fieldName": "Email" }] },
            { "label": "Reason", "value": ["canary-value"], "entityMaps": [],
              "transcriptFields": [], "displayToAgent": true },
            { "label": "Number", "value": { "canary-number": 1 }, "entityMaps": [],
              "transcriptFields": [], "displayToAgent": true },
        ],
        "prechatEntities": [{
            "entityName": "Contact", "showOnCreate": true, "linkToEntityName": null,
            "linkToEntityField": null, "saveToTranscript": "ContactId",
            "entityFieldsMaps": [{ "fieldName": "Email", "label": "E-Mail", "doFind": true,
                "isExactMatch": true, "doCreate": false },
                { "fieldName": "Phone of Canary Visitor", "doFind": false, "doCreate": true,
                  "label": "Order 4711081 by else@example.test" }],
        }],
    })
}

/// What every line of these chats says.
fn holds_the_init(line: &CapturedInit) {
    assert_eq!(
        (line.tenant.as_str(), line.button_id.as_deref()),
        ("acme", Some("573000000000001"))
    );
    let details: Vec<_> = line
        .details
        .iter()
        .map(|d| (d.label.as_str(), d.length_utf16, d.kind, d.display_to_agent))
        .collect();
    let want = [
        ("E-Mail", CANARIES[1].len(), ValueKind::Text, false),
        ("Reason", r#"["canary-value"]"#.len(), ValueKind::List, true),
        ("Number", r#"{"canary-number":1}"#.len(), ValueKind::Object, true),
    ];
    assert_eq!(details, want);
    let mail = &line.details[0];
    assert_eq!((mail.entity.as_deref(), mail.field.as_deref()), (Some("Contact"), Some("Email")));
    assert_eq!(mail.transcript_fields, ["Email__c"]);
    let contact = &line.entities[0];
    assert_eq!(contact.save_to_transcript.as_deref(), Some("ContactId"));
    assert!(contact.show_on_create && contact.fields[0].do_find && !contact.fields[0].do_create);
    // What looks like data is taken out of names.
    assert_eq!(contact.fields[1].field, "Phone of <value>");
    assert_eq!(contact.fields[1].label.as_deref(), Some("Order <number> by <e-mail>"));
    assert!(line.bytes > 500, "{line:?}");
}

/// A whole chat of 42 seconds, in which each side says something.
async fn chat(at: &str, batched: bool) {
    let world = World::new(at, true).await;
    let (key, _) = world.begin(batched).await;
    world.until(&key, "ChatRequestSuccess").await;
    world.act(Command::Accept);
    world.until(&key, "ChatEstablished").await;
    for (number, text) in [(2, "canary says"), (3, "canary says more")] {
        let said = world.post("Chasitor/ChatMessage", &key, number, &json!({ "text": text })).await;
        assert_eq!(said.status, 200);
    }
    world.act(Command::Say { text: "canary answers".to_owned() });
    world.until(&key, "ChatMessage").await;
    world.pass(42).await;
    let end = json!({ "reason": "client" });
    assert_eq!(world.post("Chasitor/ChatEnd", &key, 4, &end).await.status, 200);
    let lines = world.lines(&[&key]).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    holds_the_init(&lines[0]);
    assert_eq!(lines[0].at, at);
    assert_eq!((lines[0].messages, lines[0].agent_messages), (Some(2), Some(1)));
    let seconds = lines[0].duration_seconds.expect("the end was seen");
    assert!((42..60).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_translated_chat_is_one_line_without_a_value() {
    chat(TRANSLATED, false).await;
}

#[tokio::test(start_paused = true)]
async fn a_relayed_chat_is_one_line_without_a_value() {
    chat(RELAYED, false).await;
}

#[tokio::test(start_paused = true)]
async fn an_init_in_a_batch_is_captured_too() {
    chat(TRANSLATED, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_nobody_polls_ended_when_it_was_last_seen() {
    let world = World::new(TRANSLATED, true).await;
    let (key, _) = world.begin(false).await;
    world.until(&key, "ChatRequestSuccess").await;
    world.pass(600).await;
    let lines = world.lines(&[&key]).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].duration_seconds.expect("an end") < 60, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn chats_that_run_at_the_stop_are_written_without_their_duration() {
    let world = World::new(RELAYED, true).await;
    let (key, _) = world.begin(false).await;
    let (other, _) = world.begin(false).await;
    let lines = world.lines(&[&key, &other]).await;
    assert_eq!(lines.len(), 2);
    lines.iter().for_each(holds_the_init);
    assert!(lines.iter().all(|line| line.duration_seconds.is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_in_the_file_as_soon_as_it_begins() {
    let world = World::new(RELAYED, true).await;
    world.begin(false).await;
    let folder = world.home.path().join("captures");
    // Simulated time stands still while a thread writes.
    world.pass(1).await;
    let chats = whole(&text(&folder));
    assert_eq!(chats.len(), 1);
    holds_the_init(&chats[0]);
    assert!(chats[0].chat.is_some() && chats[0].duration_seconds.is_none());
}

/// The part alone, without a bridge.
fn capturing(home: &Path) -> Capture {
    let mut tenant = tenant("acme");
    let folder = home.join("captures");
    let (max_file_bytes, max_files, retention_days) = (1 << 20, 5, 7);
    tenant.capture = Some(CaptureConfig { folder, max_file_bytes, max_files, retention_days });
    let clock = Clock::starting_at(Wall::parse(RELAYED).expect("an instant"));
    Capture::start([&tenant], clock).expect("the tenant opted in")
}

/// A log that can be read.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_finds_the_queue_full_is_counted_told_once_and_waits_for_nothing() {
    let (log, home) = (Log::default(), tempfile::tempdir().expect("a folder"));
    let keep = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || keep.clone()).finish();
    let _told = tracing::subscriber::set_default(subscriber);
    let capture = capturing(home.path());
    // Nothing here waits, so the writer's task does not run before the last of them.
    for n in 0..600 {
        let watch = capture.watch("acme", Some(&format!("key {n}")), Asked::Say).expect("watched");
        let answer = watch.response(http::Response::new(axum::body::Body::from("OK")));
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(capture.dropped(), 88);
    capture.drained().await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).expect("text");
    assert_eq!(text.matches("captures are incomplete").count(), 1, "{text}");
    assert!(text.contains("count=88"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_init_that_is_too_large_passes_unchanged_and_is_counted() {
    let home = tempfile::tempdir().expect("a folder");
    let capture = capturing(home.path());
    let watch = capture.watch("acme", Some("key"), Asked::Init).expect("watched");
    let large = "x".repeat(200 * 1024);
    let body = watch.request(axum::body::Body::from(large.clone()));
    assert_eq!(axum::body::to_bytes(body, usize::MAX).await.expect("a body"), large);
    let _ = watch.response(http::Response::new(axum::body::Body::from("OK")));
    assert_eq!(capture.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_no_chat() {
    let world = World::new(TRANSLATED, true).await;
    let (key, _) = world.begin(false).await;
    let bad = json!({ "buttonId": "573000000000001", "prechatDetails": "canary-value" });
    let refused = world.post("Chasitor/ChasitorInit", "not-a-key", 1, &bad).await;
    assert_ne!(refused.status, 200);
    assert_eq!(world.lines(&[&key]).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_the_section_nothing_is_written() {
    let world = World::new(TRANSLATED, false).await;
    world.begin(false).await;
    assert!(world.bridge.live.now().capture.is_none());
    assert_eq!(world.home.path().read_dir().expect("a folder").count(), 0);
}

#[test]
fn the_section_has_defaults_and_bounds() {
    let miaw = r#"
        [tenant.miaw]
        base_url = "https://acme.my.salesforce-scrt.com"
        organization_id = "00D000000000062"
        embedded_service_developer_name = "Web_Support"
    "#;
    let read = |section: &str| {
        let text = format!("[[tenant]]\nid = \"acme\"\n{miaw}{section}");
        load_str(&text, Path::new("/etc/bridge"), &|_| None)
    };
    assert_eq!(read("").expect("sound").config.tenants[0].capture, None);
    let config = read("[tenant.capture]\nmax_files = 3").expect("sound").config;
    let capture = config.tenants[0].capture.clone().expect("opted in");
    assert_eq!(capture.folder, Path::new("/etc/bridge/captures"));
    assert_eq!((capture.max_files, capture.retention_days), (3, 30));
    let problems = read("[tenant.capture]\nretention_days = 0\nmax_file = 1").expect_err("two");
    let text = problems.to_string();
    assert!(text.contains("`0` is not between 1 and 3650"), "{text}");
    assert!(text.contains("did you mean `max_files`"), "{text}");
}
