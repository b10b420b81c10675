//! Two nodes over one store under simulated time, with a link between them that can break.
//!
//! The link reads an answer to its end before it hands it over, as sockets do with small ones: that
//! a node's answer arrived at the other node says nothing of the client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::adapter::transport::{Transport, TransportError};
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::cluster::{Cluster, Identity};
use liveagent_bridge::config::{Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig, Tenant};
use liveagent_bridge::emulator::{Agents, Chat, Command, Desk, Emulators};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bridge_stage::{Acks, Client, DEADLINE, visitor_lines};
use crate::stage::{LEGACY, SECRET, Seen, tenant};

mod way;

pub(crate) use way::{State, Way};

const SCRT: &str = "scrt.example.test";
const SECRETS: [[u8; 32]; 1] = [[7; 32]];
/// What nodes tell each other of answers goes here.
pub(crate) const TOLD: &str = "/cluster/v1/told";

/// What becomes of a request between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is answered.
    Passes,
    /// It does not arrive.
    Lost,
    /// It does not arrive, and nobody says so.
    Vanishes,
    /// It is worked on; its answer does not come back.
    Unanswered,
    /// The connection breaks after so long.
    Breaks(Duration),
    /// It arrives so much later.
    ArrivesLate(Duration),
}

type Tamper = Box<dyn FnMut(&Request<Bytes>) -> Fate + Send>;

/// The way between the nodes.
#[derive(Default)]
pub(crate) struct Link {
    nodes: InProcess,
    passed: Mutex<Vec<String>>,
    tamper: Mutex<Option<Tamper>>,
}

#[async_trait]
impl Transport for Link {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let broken = |sent| Err(TransportError { sent, cause: "the link broke".to_owned() });
        let what = format!("{} {}", request.method(), request.uri().path());
        self.passed.lock().unwrap().push(what);
        let fate = match &mut *self.tamper.lock().unwrap() {
            Some(tamper) => tamper(&request),
            None => Fate::Passes,
        };
        if fate == Fate::Lost {
            return broken(false);
        }
        if fate == Fate::Vanishes {
            let never = std::future::pending::<()>();
            let _ = tokio::time::timeout(within, never).await;
            return broken(true);
        }
        let asked = async {
            let answer = self.nodes.send(request, within).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            Ok(Response::from_parts(head, Body::from(body)))
        };
        match fate {
            Fate::Breaks(after) => match tokio::time::timeout(after, asked).await {
                Ok(answer) => answer,
                Err(_) => broken(true),
            },
            Fate::Unanswered => asked.await.and_then(|_| broken(true)),
            Fate::ArrivesLate(after) => {
                let late = std::future::pending::<()>();
                let _ = tokio::time::timeout(after, late).await;
                asked.await
            }
            Fate::Passes | Fate::Lost | Fate::Vanishes => asked.await,
        }
    }
}

/// One node.
pub(crate) struct Node {
    pub(crate) bridge: Bridge,
    pub(crate) cluster: Cluster,
    pub(crate) way: Arc<Way>,
    pub(crate) decided: Arc<Seen>,
    address: &'static str,
    pub(crate) shutdown: CancellationToken,
}

impl Node {
    pub(crate) fn service(&self) -> Router {
        self.bridge.router.clone()
    }

    /// Whether this node has a client's chat.
    pub(crate) fn has(&self, client: &Client) -> bool {
        self.cluster.holds(chat(client))
    }
}

/// Everything a test looks at.
pub(crate) struct ClusterStage {
    pub(crate) clock: Clock,
    pub(crate) emulators: Emulators,
    pub(crate) memory: MemoryStore,
    pub(crate) link: Arc<Link>,
    pub(crate) one: Node,
    pub(crate) two: Node,
}

/// Asks for a chat as the real service wants it, which may be behind.
pub(crate) async fn begin(client: &mut Client) {
    client.affinity = client.told_affinity.clone();
    let id = client.id.clone();
    assert_eq!(client.init_with(json!({ "sessionId": id })).await, (200, "OK".to_owned()));
}

/// The chat of a client.
pub(crate) fn chat(client: &Client) -> ChatId {
    ChatId(Uuid::try_parse(client.key.split('!').next().expect("an id")).expect("an id"))
}

impl ClusterStage {
    pub(crate) async fn new() -> Self {
        Self::of("2026-03-01T09:00:00Z", tenant("acme")).await
    }

    /// With a tenant of the test's own, on a day of its choice.
    pub(crate) async fn of(day: &str, tenant: Tenant) -> Self {
        Self::with(day, vec![tenant], Limits::default()).await
    }

    /// With several tenants and limits of the test's own.
    pub(crate) async fn with(day: &str, tenants: Vec<Tenant>, limits: Limits) -> Self {
        let clock = Clock::starting_at(Wall::parse(day).expect("an instant"));
        let emulators = Emulators::new(&clock, Agents::None);
        let salesforce = Arc::new(InProcess::new());
        salesforce.put(SCRT, emulators.miaw_router());
        salesforce.put(LEGACY, emulators.liveagent_router());
        let (memory, link) = (MemoryStore::new(), Arc::new(Link::default()));
        let node = async |address: &'static str| {
            let shutdown = CancellationToken::new();
            let identity = Identity {
                name: address.to_owned(),
                address: address.to_owned(),
                fingerprint: "same".to_owned(),
            };
            let store = Arc::new(memory.clone());
            let way = Arc::new(Way::new(memory.clone()));
            let cluster =
                Cluster::new(identity, way.clone(), link.clone(), &SECRETS, clock.clone());
            let decided = Arc::new(Seen::default());
            let options = Options {
                clock: clock.clone(),
                transport: salesforce.clone(),
                opened: Opened { store, keys: KeyRing::single(SECRET) },
                decisions: decided.clone(),
                shutdown: shutdown.clone(),
            };
            let config = config(&tenants, limits);
            let built = app::build_node(config, options, Some(cluster.clone())).await;
            let bridge = built.expect("a bridge");
            link.nodes.put(address, bridge.private.clone().expect("a private listener"));
            Node { bridge, cluster, decided, way, address, shutdown }
        };
        let (one, two) = (node("one.test").await, node("two.test").await);
        // Until each knows of the other.
        clock.until(clock.now().mono.plus(Duration::from_secs(3))).await;
        Self { clock, emulators, memory, link, one, two }
    }

    /// Decides over every request between the nodes from now on.
    pub(crate) fn tamper(&self, with: impl FnMut(&Request<Bytes>) -> Fate + Send + 'static) {
        *self.link.tamper.lock().unwrap() = Some(Box::new(with));
    }

    /// The next request between the nodes of this noun meets a fate; all others pass.
    pub(crate) fn once(&self, noun: &'static str, fate: Fate) {
        let mut fate = Some(fate);
        self.tamper(move |request| match request.uri().path().ends_with(noun) {
            true => fate.take().unwrap_or(Fate::Passes),
            false => Fate::Passes,
        });
    }

    /// Nothing is told of answers from now on.
    pub(crate) fn mute(&self) {
        self.tamper(|request| match request.uri().path() == TOLD {
            true => Fate::Lost,
            false => Fate::Passes,
        });
    }

    /// How many requests between nodes ended in this.
    pub(crate) fn passed(&self, end: &str) -> usize {
        let passed = self.link.passed.lock().unwrap();
        passed.iter().filter(|passed| passed.ends_with(end)).count()
    }

    /// The first node stands still: it reaches nothing, and what reaches it is not answered.
    pub(crate) fn freeze_one(&self) {
        self.one.way.is(State::Hangs);
        let one = self.one.address;
        self.tamper(move |request| match request.uri().host() == Some(one) {
            true => Fate::Vanishes,
            false => Fate::Passes,
        });
    }

    /// The first node's machine is off: connections to it are refused.
    pub(crate) fn kill_one(&self) {
        self.one.way.is(State::Cut);
        self.link.nodes.remove(self.one.address);
    }

    /// The first node stops in good order.
    pub(crate) async fn stop_one(&self) {
        self.one.shutdown.cancel();
        self.one.bridge.drained().await;
    }

    /// The first node is gone, without a word: nothing reaches it, and it does nothing any more.
    pub(crate) async fn lose_one(&self) {
        self.link.nodes.remove(self.one.address);
        self.one.shutdown.cancel();
        self.one.bridge.chats.drained().await;
        self.one.cluster.leave().await;
    }

    /// A chat of node one, accepted and read up to there, by a program that acknowledges so.
    pub(crate) async fn talking(&self, acks: Acks) -> Client {
        let mut client = Client::session_at(self.one.service(), acks).await;
        begin(&mut client).await;
        self.desk_chat(|_| true).await;
        self.act(Command::Accept);
        client.until("ChatEstablished").await;
        assert!(self.one.has(&client) && !self.two.has(&client));
        client
    }

    /// The same, whose client asks node two from now on.
    pub(crate) async fn talking_elsewhere(&self, acks: Acks) -> Client {
        let mut client = self.talking(acks).await;
        client.goes_to(self.two.service());
        client
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        self.emulators.desk()
    }

    /// The only chat at the desk, once it is as asked.
    pub(crate) async fn desk_chat(&self, wanted: impl Fn(&Chat) -> bool) -> Chat {
        let mut changes = self.desk().changes();
        let found = async {
            loop {
                if let Some(chat) = self.desk().chats().into_iter().find(&wanted) {
                    return chat;
                }
                let _ = changes.recv().await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, found).await;
        waited.unwrap_or_else(|_| panic!("the desk has {:#?}", self.desk().chats()))
    }

    /// What an agent does with the only chat there is.
    pub(crate) fn act(&self, command: Command) {
        let id = self.desk().chats().pop().expect("a chat at the desk").id;
        self.desk().act(&id, command).expect("possible now");
    }

    pub(crate) fn agent_says(&self, text: &str) {
        self.act(Command::Say { text: text.to_owned() });
    }

    /// Waits until the desk has heard this much, and gives it some time to hear too much.
    pub(crate) async fn hears(&self, lines: &[&str]) {
        self.desk_chat(|chat| visitor_lines(chat).len() >= lines.len()).await;
        self.seconds(5).await;
        let heard: Vec<String> = self.desk().chats().iter().flat_map(visitor_lines).collect();
        assert_eq!(heard, lines);
    }

    /// Lets simulated time pass.
    pub(crate) async fn pass(&self, span: Duration) {
        self.clock.until(self.clock.now().mono.plus(span)).await;
    }

    pub(crate) async fn seconds(&self, seconds: u64) {
        self.clock.until(self.clock.now().mono.plus(Duration::from_secs(seconds))).await;
    }
}

fn config(tenants: &[Tenant], limits: Limits) -> Config {
    Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants: tenants.to_vec(),
        limits,
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    }
}
