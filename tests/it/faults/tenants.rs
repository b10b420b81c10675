//! U7: one tenant's Salesforce is slow. What waits for it is bounded, and nobody else waits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::chat::limits::PENDING_MAX;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Config, DEFAULT_LISTEN, Egress, Limits, Miaw, StoreConfig, Tenant};
use liveagent_bridge::emulator::{Agents, Emulators, Fault};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::bridge_stage::{BridgeStage, Client};
use crate::stage::{SECRET, Seen, read, tenant};

const SLOW: Duration = Duration::from_secs(2);

/// A bridge of two tenants, each with a Salesforce of its own.
struct Two {
    clock: Clock,
    slow: Emulators,
    bridge: Bridge,
    _quick: Emulators,
    _shutdown: CancellationToken,
}

fn at(id: &str) -> Tenant {
    let tenant = tenant(id);
    let miaw = Miaw { base_url: format!("https://scrt.{id}.test"), ..tenant.miaw.clone() };
    Tenant { miaw, ..tenant }
}

async fn two() -> Two {
    let clock = Clock::starting_at(Wall::parse("2026-03-01T09:00:00Z").expect("an instant"));
    let (slow, quick) =
        (Emulators::new(&clock, Agents::Echo), Emulators::new(&clock, Agents::Echo));
    let salesforce = Arc::new(InProcess::new());
    salesforce.put("scrt.slow.test", slow.miaw_router());
    salesforce.put("scrt.quick.test", quick.miaw_router());
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants: vec![at("slow"), at("quick")],
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    };
    let options = Options {
        clock: clock.clone(),
        transport: salesforce,
        opened: Opened { store: Arc::new(MemoryStore::new()), keys: KeyRing::single(SECRET) },
        decisions: Arc::new(Seen::default()),
        shutdown: shutdown.clone(),
    };
    let bridge = app::build(config, options).await.expect("a bridge");
    Two { clock, slow, bridge, _quick: quick, _shutdown: shutdown }
}

/// A visitor of one of them.
struct Visitor {
    service: Router,
    base: String,
    key: String,
    ack: i64,
}

impl Visitor {
    async fn new(two: &Two, tenant: &str) -> Self {
        let base = format!("/t/{tenant}/chat/rest");
        let service = two.bridge.router.clone();
        let mut visitor = Self { service, base, key: String::new(), ack: -1 };
        let session = visitor.ask("GET", "System/SessionId", &Value::Null).await.1;
        let session: Value = serde_json::from_str(&session).expect("JSON");
        visitor.key = session["key"].as_str().expect("a key").to_owned();
        let init = json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": "573000000000001", "visitorName": "Vera", "prechatDetails": [],
            "prechatEntities": [],
        });
        let got = visitor.ask("POST", "Chasitor/ChasitorInit", &init).await;
        assert_eq!(got, (200, "OK".to_owned()));
        visitor
    }

    async fn ask(&self, method: &str, noun: &str, body: &Value) -> (u16, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{noun}", self.base))
            .header("X-LIVEAGENT-API-VERSION", "52");
        if !self.key.is_empty() {
            request = request.header("X-LIVEAGENT-SESSION-KEY", &self.key);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.body(axum::body::Body::from(body)).expect("a request");
        let got = read(self.service.clone().oneshot(request).await.expect("an answer")).await;
        (got.status.as_u16(), got.text)
    }

    async fn says(&self, text: &str) -> u16 {
        self.ask("POST", "Chasitor/ChatMessage", &json!({ "text": text })).await.0
    }

    /// Polls until this was read.
    async fn until(&mut self, text: &str) {
        loop {
            let noun = format!("System/Messages?ack={}", self.ack);
            let (status, answer) = self.ask("GET", &noun, &Value::Null).await;
            assert!(matches!(status, 200 | 204), "{status} {answer} before {text}");
            if status == 200 {
                let answer: Value = serde_json::from_str(&answer).expect("JSON");
                self.ack = answer["sequence"].as_i64().expect("a number");
                if answer.to_string().contains(text) {
                    return;
                }
            }
        }
    }
}

/// How long a chat of the quick tenant takes to begin, and each message to be answered.
async fn round_trips(two: &Two) -> Vec<Duration> {
    let mut took = Vec::new();
    for chat in 0..10 {
        let mut begun = two.clock.now().mono;
        let mut visitor = Visitor::new(two, "quick").await;
        visitor.until("ChatEstablished").await;
        took.push(two.clock.now().mono.since(begun));
        for n in 0..5 {
            begun = two.clock.now().mono;
            assert_eq!(visitor.says(&format!("{chat} {n}")).await, 200);
            visitor.until(&format!("echo: {chat} {n}")).await;
            took.push(two.clock.now().mono.since(begun));
        }
    }
    took.sort_unstable();
    took
}

#[tokio::test(start_paused = true)]
async fn one_tenants_slow_salesforce_is_nobody_elses() {
    let alone = round_trips(&two().await).await;
    let two = two().await;
    let delay_millis = u64::try_from(SLOW.as_millis()).expect("small");
    let fault =
        Fault { operation: "*".to_owned(), times: u32::MAX, delay_millis, ..Fault::default() };
    two.slow.set_miaw(|knobs| knobs.faults.push(fault));
    let mut waiting = Vec::new();
    for n in 0..100 {
        let visitor = Visitor::new(&two, "slow").await;
        assert_eq!(visitor.says(&format!("hello {n}")).await, 200);
        waiting.push(visitor);
    }
    let beside = round_trips(&two).await;
    let worst = |took: &[Duration]| took[took.len() * 99 / 100];
    let (before, after) = (worst(&alone), worst(&beside));
    assert!(after.as_micros() * 10 <= before.as_micros() * 11, "{before:?}, beside {after:?}");
    // And the slow ones are served, slowly.
    for (n, visitor) in waiting.iter_mut().enumerate() {
        visitor.until(&format!("echo: hello {n}")).await;
    }
}

/// A visitor writes faster than Salesforce takes it: so much waits, the rest is refused at once,
/// and what was taken arrives, in order.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slow_service_is_bounded() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    let delay_millis = u64::try_from(SLOW.as_millis()).expect("small");
    stage.fault("*", u32::MAX, |fault| fault.delay_millis = delay_millis);
    let mut taken = Vec::new();
    let begun = stage.clock.now().mono;
    for n in 0..200 {
        let text = format!("line {n}");
        match client.say(&text).await.0 {
            200 => taken.push(text),
            500 => {}
            status => panic!("{status} for {text}"),
        }
    }
    let took = stage.clock.now().mono.since(begun);
    assert!(took < SLOW, "nobody is kept waiting: {took:?}");
    assert!((PENDING_MAX..=PENDING_MAX + 2).contains(&taken.len()), "{} taken", taken.len());
    // Above the minute's budget lines are merged, so the whole is compared.
    while stage.heard().join("\n") != taken.join("\n") {
        client.poll().await;
    }
}
