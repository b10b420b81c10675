//! A facade with simulated time, scripted chats and a router in place of Salesforce.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use liveagent_bridge::adapter::liveagent::LiveAgent;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::adapter::{Answer, Chats, Receipt, Uploads, VisitorFile};
use liveagent_bridge::availability::Availability;
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::chat::visitor::{Begin, Post};
use liveagent_bridge::chat::{Reply, ReplyTo};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{
    AvailabilityConfig, Behaviour, Config, DEFAULT_LISTEN, Egress, Legacy, Limits, Miaw,
    ShadowConfig, StoreConfig, Tenant,
};
use liveagent_bridge::cutover::Cutover;
use liveagent_bridge::facade::affinity::Affinity;
use liveagent_bridge::facade::gate::Gate;
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::facade::{Decided, Decisions, Facade, Strictness, Translate, router};
use liveagent_bridge::router::plan::{ButtonPlan, Plan, Stage as PlanStage, Step};
use liveagent_bridge::store::Store;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::Value;
use tower::ServiceExt as _;

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes....";
pub(crate) const LEGACY: &str = "la.example.test";

/// Everything a test looks at.
pub(crate) struct Stage {
    pub(crate) facade: Facade,
    pub(crate) store: MemoryStore,
    pub(crate) service: Router,
    pub(crate) chats: Arc<Script>,
    pub(crate) clock: Clock,
    pub(crate) decided: Arc<Seen>,
    pub(crate) salesforce: Arc<InProcess>,
    pub(crate) cutover: Cutover,
    pub(crate) files: Arc<Files>,
}

/// Chats that answer as told, else `Ok`; a poll without an answer waits for ever.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) posts: Mutex<Vec<(ChatId, Post)>>,
    pub(crate) acks: Mutex<Vec<Option<i64>>>,
    pub(crate) answers: Mutex<VecDeque<Reply>>,
    pub(crate) stuck: Mutex<bool>,
    pub(crate) told: Arc<Mutex<Vec<bool>>>,
}

impl Script {
    pub(crate) fn will(&self, reply: Reply) {
        self.answers.lock().unwrap().push_back(reply);
    }

    fn next(&self) -> Option<Answer> {
        let reply = self.answers.lock().unwrap().pop_front()?;
        let told = self.told.clone();
        let receipt = Receipt::new(ReplyTo(1), move |_, sent| told.lock().unwrap().push(sent));
        Some(Answer { reply, receipt: Some(receipt) })
    }
}

#[async_trait]
impl Chats for Script {
    async fn post(&self, _: &str, chat: ChatId, post: Post) -> Answer {
        if *self.stuck.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        self.posts.lock().unwrap().push((chat, post));
        self.next().unwrap_or_else(|| {
            self.will(Reply::Ok);
            self.next().expect("just put")
        })
    }

    async fn poll(&self, _: &str, _: ChatId, ack: Option<i64>, _: bool) -> Answer {
        self.acks.lock().unwrap().push(ack);
        match self.next() {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn reconnect(&self, _: &str, _: ChatId, offset: Option<i64>) -> Answer {
        self.acks.lock().unwrap().push(offset);
        self.next().unwrap_or(Answer { reply: Reply::Gone, receipt: None })
    }
}

/// Takes files as told, else none.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) takes: Mutex<bool>,
    pub(crate) taken: Mutex<Vec<(ChatId, VisitorFile)>>,
}

#[async_trait]
impl Uploads for Files {
    async fn upload(&self, _: &str, chat: ChatId, file: VisitorFile) -> bool {
        self.taken.lock().unwrap().push((chat, file));
        *self.takes.lock().unwrap()
    }
}

/// Remembers decisions.
#[derive(Default)]
pub(crate) struct Seen(pub(crate) Mutex<Vec<Decided>>);

impl Decisions for Seen {
    fn decided(&self, decided: Decided) {
        self.0.lock().unwrap().push(decided);
    }
}

pub(crate) fn tenant(id: &str) -> Tenant {
    Tenant {
        id: id.to_owned(),
        hosts: vec![format!("{id}.example.test")],
        mapping: None,
        legacy: Some(Legacy {
            live_agent_base_url: format!("https://{LEGACY}"),
            api_version: "52".to_owned(),
            organization_id: "00D000000000001".to_owned(),
            deployment_id: "572000000000001".to_owned(),
            button_id: None,
        }),
        miaw: Miaw {
            base_url: "https://scrt.example.test".to_owned(),
            organization_id: "00D000000000001".to_owned(),
            embedded_service_developer_name: "Deployment".to_owned(),
            capabilities_version: "1".to_owned(),
            identity: None,
            identity_detail: None,
            refuse_anonymous: true,
        },
        plan: Plan::default(),
        behaviour: Behaviour::default(),
        availability: AvailabilityConfig::default(),
        capture: None,
        shadow: ShadowConfig::default(),
    }
}

/// A tenant whose chats go to legacy, but for those of one button.
pub(crate) fn tenant_by_button(id: &str, miaw: &str) -> Tenant {
    let mut tenant = tenant(id);
    let at = Wall::parse("2025-01-01T00:00:00Z").expect("an instant");
    let steps = vec![Step { at, stage: PlanStage::Miaw }];
    tenant.plan.buttons = vec![ButtonPlan { button: miaw.to_owned(), steps }];
    tenant
}

pub(crate) fn stage(at: &str, tenants: Vec<Tenant>) -> Stage {
    staged(at, tenants, Strictness::default())
}

pub(crate) fn staged(at: &str, tenants: Vec<Tenant>, strictness: Strictness) -> Stage {
    staged_as(at, tenants, |facade| facade.strictness = strictness)
}

/// The same with a facade that is changed before it serves.
pub(crate) fn staged_as(at: &str, tenants: Vec<Tenant>, change: impl FnOnce(&mut Facade)) -> Stage {
    let clock = Clock::starting_at(Wall::parse(at).expect("an instant"));
    let (chats, decided) = (Arc::new(Script::default()), Arc::new(Seen::default()));
    let salesforce = Arc::new(InProcess::new());
    let store = MemoryStore::new();
    let files = Arc::new(Files::default());
    let translate: Translate = Arc::new(|_, init, _| {
        Ok(Begin { button_id: init.button_id.clone().unwrap_or_default(), ..Begin::default() })
    });
    let config = Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants,
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    };
    let kept: Arc<dyn Store> = Arc::new(store.clone());
    let cutover = Cutover::new(&config.tenants, kept.clone(), clock.clone());
    let relay = LiveAgent::new(salesforce.clone(), clock.clone(), kept);
    let mut facade = Facade {
        config: Arc::new(config),
        keys: KeyRing::single(SECRET),
        clock: clock.clone(),
        chats: chats.clone(),
        relay: Arc::new(relay),
        availability: Arc::new(Availability::new(salesforce.clone(), clock.clone())),
        uploads: files.clone(),
        affinity: Affinity::random(),
        translate,
        decisions: decided.clone(),
        cutover: cutover.clone(),
        gate: Gate::default(),
        strictness: Strictness::default(),
        capture: None,
        shadow: None,
    };
    change(&mut facade);
    let service = router(facade.clone());
    Stage { facade, store, service, chats, clock, decided, salesforce, files, cutover }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON: {}", self.text))
    }
}

impl Stage {
    /// Another process takes over from the same store, as far as the relay goes.
    pub(crate) async fn start_again(&mut self) {
        let store: Arc<dyn Store> = Arc::new(self.store.clone());
        let relay = LiveAgent::new(self.salesforce.clone(), self.clock.clone(), store.clone());
        for id in store.unfinished(None, 1_000).await.expect("read") {
            relay.take_up(id, &store.load(id).await.expect("read").expect("there"));
        }
        self.facade.relay = Arc::new(relay);
        self.service = router(self.facade.clone());
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Got {
        let asked = self.service.clone().oneshot(request);
        let wait = Duration::from_secs(600);
        let response = tokio::time::timeout(wait, asked).await.expect("in time");
        read(response.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str, key: Option<&str>) -> Got {
        self.send(request("GET", path, key, "")).await
    }

    pub(crate) async fn post(&self, noun: &str, key: &str, body: &str) -> Got {
        self.send(request("POST", &format!("/chat/rest/Chasitor/{noun}"), Some(key), body)).await
    }

    /// The key of a new session.
    pub(crate) async fn session(&self) -> String {
        let got = self.get("/chat/rest/System/SessionId", None).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()["key"].as_str().expect("a key").to_owned()
    }
}

pub(crate) async fn read(response: Response<Body>) -> Got {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Got { status: parts.status, headers: parts.headers, text }
}

pub(crate) fn request(method: &str, path: &str, key: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "acme.example.test")
        .header("X-LIVEAGENT-API-VERSION", "52")
        .header("X-LIVEAGENT-AFFINITY", "null");
    if let Some(key) = key {
        request = request.header("X-LIVEAGENT-SESSION-KEY", key);
    }
    request.body(Body::from(body.to_owned())).expect("a request")
}
