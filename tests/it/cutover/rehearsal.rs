//! A tenant moves through all stages under live chats, across the removal: both emulated services
//! behind a whole bridge, agents that echo, and visitors who know only the legacy API.

use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::config::{Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig};
use liveagent_bridge::emulator::{Agents, Chat, Emulators, ServiceName};
use liveagent_bridge::facade::key::KeyRing;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::stage::{Got, LEGACY, SECRET, Seen, read, request};

const SCRT: &str = "scrt.example.test";
/// No visitor waits longer for an echo.
const PATIENCE: Duration = Duration::from_secs(120);

struct Rehearsal {
    clock: Clock,
    emulators: Emulators,
    bridge: Bridge,
    decided: Arc<Seen>,
    _stop: tokio_util::sync::DropGuard,
}

impl Rehearsal {
    async fn new(now: &str) -> Self {
        let clock = Clock::starting_at(at(now));
        let emulators = Emulators::new(&clock, Agents::Echo);
        let salesforce = Arc::new(InProcess::new());
        salesforce.put(SCRT, emulators.miaw_router());
        salesforce.put(LEGACY, emulators.liveagent_router());
        let (stop, decided) = (CancellationToken::new(), Arc::new(Seen::default()));
        let config = Config {
            listen: DEFAULT_LISTEN,
            admin: None,
            store: StoreConfig::Memory,
            tenants: vec![tenant("acme")],
            limits: Limits::default(),
            egress: Egress::default(),
            panic_file: None,
            tls: None,
        };
        let options = Options {
            clock: clock.clone(),
            transport: salesforce,
            opened: Opened { store: Arc::new(MemoryStore::new()), keys: KeyRing::single(SECRET) },
            decisions: decided.clone(),
            shutdown: stop.clone(),
        };
        let bridge = app::build(config, options).await.unwrap();
        Self { clock, emulators, bridge, decided, _stop: stop.drop_guard() }
    }

    async fn change(&self, action: Action) {
        let expected = self.bridge.cutover.effective("acme").unwrap().number;
        self.bridge.cutover.propose("acme", proposal(expected, action)).await.unwrap();
    }

    async fn send(&self, request: http::Request<axum::body::Body>) -> Got {
        let asked = self.bridge.router.clone().oneshot(request);
        read(tokio::time::timeout(PATIENCE, asked).await.expect("in time").unwrap()).await
    }

    fn decision(&self) -> (Route, &'static str) {
        let decided = self.decided.0.lock().unwrap();
        decided.last().map(|last| (last.route, last.because.code())).unwrap()
    }

    /// A visitor who is connected to an agent.
    async fn visitor(&self, name: &str) -> Visitor {
        let got = self.send(request("GET", "/chat/rest/System/SessionId", None, "")).await;
        assert_eq!(got.status, 200, "{name}: {}", got.text);
        let (key, id) = (got.json()["key"].clone(), got.json()["id"].clone());
        let route = self.decision().0;
        let mut visitor = Visitor {
            name: name.to_owned(),
            key: key.as_str().unwrap().to_owned(),
            route,
            affinity: got.json()["affinityToken"].as_str().unwrap().to_owned(),
            ack: -1,
            number: 1,
            said: Vec::new(),
        };
        let init = json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": "573000000000001", "sessionId": id, "visitorName": name,
            "language": "en-US", "screenResolution": "1x1", "userAgent": "test",
            "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        });
        visitor.posts(self, "ChasitorInit", &init).await;
        visitor.until(self, "ChatEstablished", |_| true).await;
        visitor
    }

    /// Everybody says something and hears it again.
    async fn all_talk(&self, visitors: &mut [Visitor], text: &str) {
        for visitor in visitors {
            visitor.talks(self, text).await;
        }
    }
}

struct Visitor {
    name: String,
    key: String,
    route: Route,
    affinity: String,
    ack: i64,
    number: u64,
    said: Vec<String>,
}

impl Visitor {
    fn request(&self, method: &str, path: &str, body: &str) -> http::Request<axum::body::Body> {
        let mut request = request(method, path, Some(&self.key), body);
        request.headers_mut().insert("X-LIVEAGENT-AFFINITY", self.affinity.parse().unwrap());
        request
    }

    async fn posts(&mut self, rehearsal: &Rehearsal, noun: &str, body: &Value) {
        let path = format!("/chat/rest/Chasitor/{noun}");
        let mut request = self.request("POST", &path, &body.to_string());
        let number = self.number.to_string().parse().unwrap();
        request.headers_mut().insert("X-LIVEAGENT-SEQUENCE", number);
        self.number += 1;
        let got = rehearsal.send(request).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"), "{}: {noun}", self.name);
    }

    async fn poll(&mut self, rehearsal: &Rehearsal) -> (u16, Vec<Value>) {
        let path = format!("/chat/rest/System/Messages?ack={}", self.ack);
        let got = rehearsal.send(self.request("GET", &path, "")).await;
        if got.status != 200 {
            return (got.status.as_u16(), Vec::new());
        }
        let answer = got.json();
        self.ack = answer["sequence"].as_i64().unwrap();
        (200, answer["messages"].as_array().unwrap().clone())
    }

    async fn until(&mut self, rehearsal: &Rehearsal, kind: &str, fits: impl Fn(&Value) -> bool) {
        let begin = rehearsal.clock.now().mono;
        loop {
            let (status, messages) = self.poll(rehearsal).await;
            let name = &self.name;
            assert!(matches!(status, 200 | 204), "{name}: {status} before {kind}");
            if messages.iter().any(|one| one["type"] == kind && fits(&one["message"])) {
                return;
            }
            let waited = rehearsal.clock.now().mono.since(begin);
            assert!(waited < PATIENCE, "{name}: no {kind} after {waited:?}, but {messages:?}");
        }
    }

    async fn talks(&mut self, rehearsal: &Rehearsal, text: &str) {
        self.said.push(text.to_owned());
        self.posts(rehearsal, "ChatMessage", &json!({ "text": text })).await;
        let echo = format!("echo: {text}");
        self.until(rehearsal, "ChatMessage", |message| message["text"] == echo.as_str()).await;
    }

    /// Its one chat at the desk: of the service it began with, with every line once.
    fn is_whole(&self, chats: &[Chat]) {
        let mine: Vec<&Chat> = chats.iter().filter(|chat| chat.visitor == self.name).collect();
        let [chat] = mine.as_slice() else { panic!("{} has {} chats", self.name, mine.len()) };
        let service = match self.route {
            Route::Legacy => ServiceName::LiveAgent,
            _ => ServiceName::Miaw,
        };
        assert_eq!(chat.service, service, "{} changed sides", self.name);
        assert_eq!(crate::bridge_stage::visitor_lines(chat), self.said, "{}", self.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_moves_through_all_stages_under_live_chats() {
    let rehearsal = Rehearsal::new("2026-02-13T18:00:00Z").await;
    let mut all = vec![rehearsal.visitor("Auto").await];
    rehearsal.change(to(Stage::Shadow)).await;
    all.push(rehearsal.visitor("Shadow").await);
    assert_eq!(rehearsal.decision(), (Route::Legacy, "change"));
    rehearsal.change(evidence(rehearsal.clock.now().wall, 0)).await;
    rehearsal.change(to(Stage::Ramp { percent: 50 })).await;
    for n in 0..6 {
        all.push(rehearsal.visitor(&format!("Ramp {n}")).await);
    }
    rehearsal.all_talk(&mut all, "on the ramp").await;
    rehearsal.change(to(Stage::Miaw)).await;
    all.push(rehearsal.visitor("Moved").await);
    rehearsal.change(roll_back(None)).await;
    all.push(rehearsal.visitor("Back").await);
    assert_eq!(rehearsal.decision(), (Route::Legacy, "rolled-back"));
    rehearsal.all_talk(&mut all, "rolled back").await;
    rehearsal.change(Action::Freeze).await;
    rehearsal.change(Action::Unfreeze).await;
    rehearsal.change(to(Stage::Ramp { percent: 100 })).await;
    rehearsal.clock.set_wall(at("2026-02-13T22:00:00Z"));
    rehearsal.all_talk(&mut all, "within the margin").await;
    rehearsal.clock.set_wall(at("2026-02-13T23:59:50Z"));
    rehearsal.all_talk(&mut all, "at the last minute").await;
    rehearsal.change(to(Stage::Miaw)).await;
    // The removal: legacy chats are told the end, once; the others do not notice.
    rehearsal.clock.set_wall(at("2026-02-14T00:00:00Z"));
    let (legacy, miaw): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|visitor| visitor.route == Route::Legacy);
    assert!(legacy.len() >= 3 && !miaw.is_empty());
    let (mut legacy, mut miaw) = (legacy, miaw);
    for visitor in &mut legacy {
        visitor.until(&rehearsal, "ChatEnded", |_| true).await;
        assert_eq!(visitor.poll(&rehearsal).await.0, 403);
    }
    miaw.push(rehearsal.visitor("After").await);
    assert_eq!(rehearsal.decision().0, Route::Miaw);
    rehearsal.change(to(Stage::Complete)).await;
    rehearsal.all_talk(&mut miaw, "after the removal").await;
    for back in ["2026-02-13T23:00:00Z", "2026-02-13T00:00:00Z", "2026-02-15T00:00:00Z"] {
        rehearsal.clock.set_wall(at(back));
        rehearsal.all_talk(&mut miaw, back).await;
        miaw.push(rehearsal.visitor(&format!("At {back}")).await);
        assert_eq!(rehearsal.decision().0, Route::Miaw, "{back}");
    }
    let chats = rehearsal.emulators.desk().chats();
    legacy.iter().chain(&miaw).for_each(|visitor| visitor.is_whole(&chats));
    let kinds: Vec<&str> =
        rehearsal.bridge.cutover.changes("acme", 0, 100).iter().map(|c| c.action.kind()).collect();
    assert!(kinds.contains(&"pastRemoval") && kinds.last() == Some(&"stage"), "{kinds:?}");
}
