//! A tenant moves through all stages under live chats, across the removal: both emulated services
//! behind a whole bridge, agents that echo, and visitors who know only the legacy API.

use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::config::{Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig};
use liveagent_bridge::cutover::budget;
use liveagent_bridge::emulator::{Agents, Chat, Emulators, ServiceName, Speaker};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::router::budget::BudgetRule;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::stage::{Got, LEGACY, SECRET, Seen, read, request};

pub(super) const BUTTON: &str = "573000000000001";
const SCRT: &str = "scrt.example.test";
/// No visitor waits longer for an echo.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Rehearsal {
    pub(super) clock: Clock,
    pub(super) emulators: Emulators,
    pub(super) bridge: Bridge,
    pub(super) memory: MemoryStore,
    decided: Arc<Seen>,
    _stop: tokio_util::sync::DropGuard,
}

impl Rehearsal {
    pub(super) async fn new(now: &str, agents: Agents, tenant: Tenant) -> Self {
        let clock = Clock::starting_at(at(now));
        let emulators = Emulators::new(&clock, agents);
        let salesforce = Arc::new(InProcess::new());
        salesforce.put(SCRT, emulators.miaw_router());
        salesforce.put(LEGACY, emulators.liveagent_router());
        let (stop, decided) = (CancellationToken::new(), Arc::new(Seen::default()));
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
        let memory = MemoryStore::new();
        let options = Options {
            clock: clock.clone(),
            transport: salesforce,
            opened: Opened { store: Arc::new(memory.clone()), keys: KeyRing::single(SECRET) },
            decisions: decided.clone(),
            shutdown: stop.clone(),
        };
        let bridge = app::build(config, options).await.unwrap();
        Self { clock, emulators, bridge, memory, decided, _stop: stop.drop_guard() }
    }

    pub(super) async fn change(&self, action: Action) {
        let expected = self.bridge.cutover.effective("acme").unwrap().number;
        self.bridge.cutover.propose("acme", proposal(expected, action)).await.unwrap();
    }

    pub(super) async fn send(&self, request: http::Request<axum::body::Body>) -> Got {
        let asked = self.bridge.router.clone().oneshot(request);
        read(tokio::time::timeout(PATIENCE, asked).await.expect("in time").unwrap()).await
    }

    pub(super) fn decision(&self) -> (Route, &'static str) {
        let decided = self.decided.0.lock().unwrap();
        decided.last().map(|last| (last.route, last.because.code())).unwrap()
    }

    /// A visitor with a session and no chat yet.
    pub(super) async fn session(&self, name: &str) -> Visitor {
        let got = self.send(request("GET", "/chat/rest/System/SessionId", None, "")).await;
        assert_eq!(got.status, 200, "{name}: {}", got.text);
        let text = |member: &str| got.json()[member].as_str().unwrap().to_owned();
        Visitor {
            name: name.to_owned(),
            key: text("key"),
            id: text("id"),
            route: Route::Refused,
            affinity: text("affinityToken"),
            ack: -1,
            number: 1,
            said: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// A visitor who is connected to an agent.
    async fn visitor(&self, name: &str) -> Visitor {
        let mut visitor = self.session(name).await;
        let init = visitor.init(BUTTON);
        visitor.posts(self, "ChasitorInit", &init).await;
        visitor.route = self.decision().0;
        visitor.until(self, "ChatEstablished", |_| true).await;
        visitor
    }

    async fn visitors(&self, stage: &str, count: usize) -> Vec<Visitor> {
        let mut all = Vec::new();
        for n in 0..count {
            all.push(self.visitor(&format!("{stage} {n}")).await);
        }
        all
    }

    /// Everybody says something and hears it again.
    async fn all_talk(&self, visitors: &mut [Visitor], text: &str) {
        for visitor in visitors {
            visitor.talks(self, text).await;
        }
    }
}

pub(super) struct Visitor {
    name: String,
    key: String,
    id: String,
    route: Route,
    affinity: String,
    ack: i64,
    number: u64,
    said: Vec<String>,
    heard: Vec<String>,
}

impl Visitor {
    fn request(&self, method: &str, path: &str, body: &str) -> http::Request<axum::body::Body> {
        let mut request = request(method, path, Some(&self.key), body);
        request.headers_mut().insert("X-LIVEAGENT-AFFINITY", self.affinity.parse().unwrap());
        request
    }

    pub(super) fn init(&self, button: &str) -> Value {
        json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": button, "sessionId": self.id, "visitorName": self.name,
            "language": "en-US", "screenResolution": "1x1", "userAgent": "test",
            "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        })
    }

    pub(super) async fn posts(&mut self, rehearsal: &Rehearsal, noun: &str, body: &Value) {
        let number = self.number;
        self.number += 1;
        let got = self.posts_as(rehearsal, noun, number, body).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"), "{}: {noun}", self.name);
    }

    /// A POST with a number of the test's choice.
    pub(super) async fn posts_as(
        &self,
        rehearsal: &Rehearsal,
        noun: &str,
        number: u64,
        body: &Value,
    ) -> Got {
        let path = format!("/chat/rest/Chasitor/{noun}");
        let mut request = self.request("POST", &path, &body.to_string());
        let number = number.to_string().parse().unwrap();
        request.headers_mut().insert("X-LIVEAGENT-SEQUENCE", number);
        rehearsal.send(request).await
    }

    pub(super) async fn poll(&mut self, rehearsal: &Rehearsal) -> (u16, Vec<Value>) {
        let path = format!("/chat/rest/System/Messages?ack={}", self.ack);
        let got = rehearsal.send(self.request("GET", &path, "")).await;
        if got.status != 200 {
            return (got.status.as_u16(), Vec::new());
        }
        let answer = got.json();
        self.ack = answer["sequence"].as_i64().unwrap();
        let messages = answer["messages"].as_array().unwrap().clone();
        let said = messages.iter().filter(|one| one["type"] == "ChatMessage");
        let text = |one: &Value| one["message"]["text"].as_str().unwrap().to_owned();
        self.heard.extend(said.map(text));
        (200, messages)
    }

    pub(super) async fn until(
        &mut self,
        rehearsal: &Rehearsal,
        kind: &str,
        fits: impl Fn(&Value) -> bool,
    ) {
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

    /// Its one chat at the desk: of the service it began with; every line of either side arrived at
    /// the other, once and in order.
    fn is_whole(&self, chats: &[Chat]) {
        let mine: Vec<&Chat> = chats.iter().filter(|chat| chat.visitor == self.name).collect();
        let [chat] = mine.as_slice() else { panic!("{} has {} chats", self.name, mine.len()) };
        let service = match self.route {
            Route::Legacy => ServiceName::LiveAgent,
            _ => ServiceName::Miaw,
        };
        assert_eq!(chat.service, service, "{} changed sides", self.name);
        assert_eq!(crate::bridge_stage::visitor_lines(chat), self.said, "{}", self.name);
        let agents = chat.lines.iter().filter(|line| line.from == Speaker::Agent);
        let agents: Vec<&String> = agents.map(|line| &line.text).collect();
        assert_eq!(agents, self.heard.iter().collect::<Vec<_>>(), "{}", self.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_moves_through_all_stages_under_live_chats() {
    let mut acme = tenant("acme");
    // Nothing goes wrong here, so it must not be used up.
    acme.plan.budget = Some(BudgetRule { min_chats: 1, max_share: 0, ..BudgetRule::default() });
    let rehearsal = Rehearsal::new("2026-02-13T18:00:00Z", Agents::Echo, acme).await;
    let mut all = before_the_removal(&rehearsal).await;
    rehearsal.clock.set_wall(at("2026-02-13T22:00:00Z"));
    rehearsal.all_talk(&mut all, "within the margin").await;
    rehearsal.clock.set_wall(at("2026-02-13T23:59:50Z"));
    rehearsal.all_talk(&mut all, "at the last minute").await;
    // The removal: legacy chats are told the end, once; the others do not notice.
    rehearsal.clock.set_wall(at("2026-02-14T00:00:00Z"));
    let (mut legacy, mut miaw): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|visitor| visitor.route == Route::Legacy);
    assert!(legacy.len() >= 5 && miaw.len() >= 5, "{} and {}", legacy.len(), miaw.len());
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
    rehearsal.all_talk(&mut miaw, "at last").await;
    let chats = rehearsal.emulators.desk().chats();
    assert_eq!(chats.len(), legacy.len() + miaw.len());
    legacy.iter().chain(&miaw).for_each(|visitor| visitor.is_whole(&chats));
    let changes = rehearsal.bridge.cutover.changes("acme", 0, 100);
    let kinds: Vec<&str> = changes.iter().map(|change| change.action.kind()).collect();
    assert!(kinds.contains(&"pastRemoval") && kinds.last() == Some(&"stage"), "{kinds:?}");
    assert!(changes.iter().all(|change| change.who != budget::WHO), "{changes:?}");
    // What legacy served in shadow and on the ramp, and nothing else.
    let names = ["Shadow", "Ramp 10", "Ramp 50", "Frozen", "Again"];
    let looked_at = |one: &&Visitor| names.iter().any(|name| one.name.starts_with(name));
    let shadowed = rehearsal.bridge.shadow.snapshot("acme");
    let expected = legacy.iter().filter(looked_at).count() as u64;
    assert_eq!((shadowed.len(), shadowed[0].inits), (1, expected), "{shadowed:?}");
}

/// Legacy, shadow, ramp 10, ramp 50, frozen, a brown-out, unfrozen, rolled back, ramp 50, miaw.
async fn before_the_removal(rehearsal: &Rehearsal) -> Vec<Visitor> {
    let mut all = rehearsal.visitors("Legacy", 1).await;
    rehearsal.change(to(Stage::Shadow)).await;
    all.extend(rehearsal.visitors("Shadow", 1).await);
    assert_eq!(rehearsal.decision(), (Route::Legacy, "change"));
    rehearsal.change(evidence(rehearsal.clock.now().wall, 0)).await;
    for percent in [10, 50] {
        rehearsal.change(to(Stage::Ramp { percent })).await;
        all.extend(rehearsal.visitors(&format!("Ramp {percent}"), 4).await);
        rehearsal.all_talk(&mut all, &format!("on the ramp, {percent} %")).await;
    }
    let now = rehearsal.clock.now().wall;
    rehearsal.change(Action::Brownout { from: now, until: now.plus_millis(600_000) }).await;
    rehearsal.change(Action::Freeze).await;
    let expected = rehearsal.bridge.cutover.effective("acme").unwrap().number;
    let refused = rehearsal.bridge.cutover.propose("acme", proposal(expected, to(Stage::Miaw)));
    assert!(matches!(refused.await, Err(ProposeError::Refused(r)) if r.code == "frozen"));
    // A client that meets the brown-out comes back when it is over.
    let mut refusals = 0;
    while refusals == 0 {
        let got = rehearsal.send(request("GET", "/chat/rest/System/SessionId", None, "")).await;
        refusals += usize::from(got.status == 503);
        assert!(got.status == 200 || refusals == 1, "{}", got.text);
    }
    rehearsal.all_talk(&mut all, "in the brown-out").await;
    rehearsal.change(Action::EndBrownout).await;
    all.extend(rehearsal.visitors("Frozen", 2).await);
    rehearsal.change(Action::Unfreeze).await;
    rehearsal.change(roll_back(None)).await;
    all.extend(rehearsal.visitors("Back", 2).await);
    assert_eq!(rehearsal.decision(), (Route::Legacy, "rolled-back"));
    rehearsal.all_talk(&mut all, "rolled back").await;
    rehearsal.change(to(Stage::Ramp { percent: 50 })).await;
    all.extend(rehearsal.visitors("Again", 2).await);
    rehearsal.change(to(Stage::Miaw)).await;
    all.extend(rehearsal.visitors("Moved", 4).await);
    assert_eq!(rehearsal.decision().0, Route::Miaw);
    rehearsal.all_talk(&mut all, "moved").await;
    all
}
