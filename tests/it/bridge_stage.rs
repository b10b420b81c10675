//! The whole bridge under simulated time: a legacy client in front, the emulated MIAW behind, and
//! a wire between them that counts, can be cut, and carries events the emulator cannot make.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response};
use liveagent_bridge::adapter::miaw::registry::Registry;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::adapter::transport::{Transport, TransportError};
use liveagent_bridge::admin;
use liveagent_bridge::app::{self, Opened, Options};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{
    Behaviour, Config, DEFAULT_LISTEN, Egress, Limits, StoreConfig, Tenant,
};
use liveagent_bridge::emulator::{
    Agents, Chat, ChatState, Command, Desk, Emulators, Fault, MiawKnobs, Speaker,
};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::store::Store;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::{Mono, Wall};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::stage::{SECRET, Seen, tenant};

mod client;

pub(crate) use client::{Acks, Client};

const SCRT: &str = "scrt.example.test";
/// No condition is waited for any longer, on the simulated clock.
pub(crate) const DEADLINE: Duration = Duration::from_secs(4_000);
const INJECTED_MAX: usize = 64;

/// A request that reached the wire.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// `token`, `create`, `message`, `entry`, `close`, `entries`, `status` or `sse`.
    pub(crate) operation: &'static str,
    pub(crate) at: Mono,
    pub(crate) last_event_id: Option<String>,
    pub(crate) body: Value,
}

/// What becomes of a request on the wire.
pub(crate) enum Fate {
    /// It is answered by Salesforce.
    Passes,
    /// Salesforce never sees it; this is what the bridge sees.
    Instead(Result<Response<Body>, TransportError>),
    /// Salesforce works on it; after so long the bridge sees this.
    Answered(Duration, Result<Response<Body>, TransportError>),
    /// Salesforce answers it; the body arrives so.
    Reshaped(fn(Body) -> Body),
}

type Tamper = Box<dyn FnMut(&'static str, &mut Request<Bytes>) -> Fate + Send>;

/// The wire to Salesforce. A request whose caller gave up is worked on all the same, as on a real
/// server.
pub(crate) struct Wire {
    salesforce: Arc<InProcess>,
    clock: Clock,
    sent: Mutex<Vec<Sent>>,
    injected: broadcast::Sender<Bytes>,
    tamper: Mutex<Option<Tamper>>,
}

#[async_trait]
impl Transport for Wire {
    async fn send(
        &self,
        mut request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let operation = operation(request.method(), request.uri().path());
        let header = request.headers().get("last-event-id");
        self.sent.lock().unwrap().push(Sent {
            operation,
            at: self.clock.now().mono,
            last_event_id: header.map(|id| id.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(request.body()).unwrap_or_default(),
        });
        let fate = match &mut *self.tamper.lock().unwrap() {
            Some(tamper) => tamper(operation, &mut request),
            None => Fate::Passes,
        };
        if let Fate::Instead(answer) = fate {
            return answer;
        }
        let late = TransportError { sent: true, cause: "no answer in time".to_owned() };
        let (answer, answered) = tokio::sync::oneshot::channel();
        let salesforce = self.salesforce.clone();
        tokio::spawn(async move { drop(answer.send(salesforce.send(request, DEADLINE).await)) });
        let answer = tokio::time::timeout(within, answered).await.map_err(|_| late)?;
        let answer = answer.expect("the task answers")?;
        let answer = match fate {
            Fate::Answered(after, answer) => {
                self.clock.until(self.clock.now().mono.plus(after)).await;
                return answer;
            }
            Fate::Reshaped(reshape) => answer.map(reshape),
            Fate::Passes | Fate::Instead(_) => answer,
        };
        if operation != "sse" || !answer.status().is_success() {
            return Ok(answer);
        }
        let injected = self.injected.subscribe();
        Ok(answer.map(|body| with_injected(body, injected)))
    }
}

/// The stream with events of our own in it; it ends when the service ends it.
fn with_injected(body: Body, injected: broadcast::Receiver<Bytes>) -> Body {
    let ends = stream::iter([None]);
    let served = body.into_data_stream().map(Some).chain(ends);
    let ours = stream::unfold(injected, async |mut injected| {
        let frame = injected.recv().await.ok()?;
        Some((Some(Ok(frame)), injected))
    });
    let both = stream::select(Box::pin(served), Box::pin(ours));
    let frames = both.take_while(|frame| std::future::ready(frame.is_some()));
    Body::from_stream(frames.filter_map(std::future::ready))
}

fn operation(method: &Method, path: &str) -> &'static str {
    let last = path.rsplit('/').next().unwrap_or_default();
    match (method.as_str(), last) {
        ("POST", "access-token") => "token",
        ("POST", "conversation") => "create",
        ("POST", "message") => "message",
        ("POST", "entry") => "entry",
        ("POST", "file") => "file",
        ("GET", "continuation-access-token") => "continuation",
        ("DELETE", "token") => "revoke",
        ("GET", "entries") => "entries",
        ("GET", "sse") => "sse",
        ("DELETE", _) => "close",
        ("GET", _) => "status",
        _ => "other",
    }
}

/// Everything a test looks at.
pub(crate) struct BridgeStage {
    pub(crate) clock: Clock,
    pub(crate) emulators: Emulators,
    pub(crate) wire: Arc<Wire>,
    pub(crate) memory: MemoryStore,
    pub(crate) recovered: usize,
    pub(crate) admin: admin::Parts,
    store: Arc<dyn Store>,
    tenant: Tenant,
    service: Router,
    chats: Registry,
    shutdown: CancellationToken,
}

impl BridgeStage {
    /// Nobody acts at the desk but the test.
    pub(crate) async fn new() -> Self {
        Self::with(Agents::None, |_| {}).await
    }

    pub(crate) async fn with(agents: Agents, change: impl FnOnce(&mut Behaviour)) -> Self {
        let memory = MemoryStore::new();
        Self::on(Arc::new(memory.clone()), memory, agents, change).await
    }

    /// On a store of the test's own.
    pub(crate) async fn on(
        store: Arc<dyn Store>,
        memory: MemoryStore,
        agents: Agents,
        change: impl FnOnce(&mut Behaviour),
    ) -> Self {
        let change = |tenant: &mut Tenant| change(&mut tenant.behaviour);
        Self::of(store, memory, agents, change).await
    }

    /// With a tenant of the test's own.
    pub(crate) async fn of_tenant(change: impl FnOnce(&mut Tenant)) -> Self {
        let memory = MemoryStore::new();
        Self::of(Arc::new(memory.clone()), memory, Agents::None, change).await
    }

    async fn of(
        store: Arc<dyn Store>,
        memory: MemoryStore,
        agents: Agents,
        change: impl FnOnce(&mut Tenant),
    ) -> Self {
        let clock = Clock::starting_at(Wall::parse("2026-03-01T09:00:00Z").expect("an instant"));
        let emulators = Emulators::new(&clock, agents);
        let salesforce = Arc::new(InProcess::new());
        salesforce.put(SCRT, emulators.miaw_router());
        let wire = Arc::new(Wire {
            salesforce,
            clock: clock.clone(),
            sent: Mutex::default(),
            injected: broadcast::Sender::new(INJECTED_MAX),
            tamper: Mutex::default(),
        });
        let mut tenant = tenant("acme");
        change(&mut tenant);
        let (bridge, shutdown) = build(&clock, &wire, &store, &tenant).await;
        let (service, chats) = (bridge.router, bridge.chats);
        Self {
            clock,
            emulators,
            wire,
            memory,
            recovered: bridge.recovered,
            admin: bridge.admin,
            store,
            tenant,
            service,
            chats,
            shutdown,
        }
    }

    /// Stops the bridge in good order. What it answers meanwhile is answered.
    pub(crate) async fn stop(&self) {
        self.shutdown.cancel();
        self.chats.drained().await;
    }

    /// Another process takes over from the same store.
    pub(crate) async fn start_again(&mut self) {
        self.stop().await;
        let (bridge, shutdown) = build(&self.clock, &self.wire, &self.store, &self.tenant).await;
        self.service = bridge.router;
        self.chats = bridge.chats;
        self.recovered = bridge.recovered;
        self.admin = bridge.admin;
        self.shutdown = shutdown;
    }

    pub(crate) fn service(&self) -> Router {
        self.service.clone()
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        self.emulators.desk()
    }

    pub(crate) fn knobs(&self, change: impl FnOnce(&mut MiawKnobs)) {
        self.emulators.set_miaw(change);
    }

    /// The next requests of an operation meet a fault.
    pub(crate) fn fault(&self, operation: &str, times: u32, change: impl FnOnce(&mut Fault)) {
        let mut fault = Fault { operation: operation.to_owned(), times, ..Fault::default() };
        change(&mut fault);
        self.knobs(|knobs| knobs.faults.push(fault));
    }

    pub(crate) fn no_more_faults(&self) {
        self.knobs(|knobs| knobs.faults.clear());
    }

    /// Takes Salesforce off the net, or puts it back.
    pub(crate) fn reachable(&self, yes: bool) {
        match yes {
            true => self.wire.salesforce.put(SCRT, self.emulators.miaw_router()),
            false => self.wire.salesforce.remove(SCRT),
        }
    }

    /// Lets simulated time pass.
    pub(crate) async fn pass(&self, span: Duration) {
        self.clock.until(self.clock.now().mono.plus(span)).await;
    }

    pub(crate) async fn seconds(&self, seconds: u64) {
        self.pass(Duration::from_secs(seconds)).await;
    }

    /// The requests of an operation so far.
    pub(crate) fn sent(&self, operation: &str) -> Vec<Sent> {
        let sent = self.wire.sent.lock().unwrap();
        sent.iter().filter(|sent| sent.operation == operation).cloned().collect()
    }

    pub(crate) fn count(&self, operation: &str) -> usize {
        self.sent(operation).len()
    }

    /// The requests of all operations so far.
    pub(crate) fn all(&self) -> usize {
        self.wire.sent.lock().unwrap().len()
    }

    /// The only chat at the desk, once it is as asked.
    pub(crate) async fn desk_chat(&self, wanted: impl Fn(&Chat) -> bool) -> Chat {
        let mut changes = self.desk().changes();
        let found = async {
            loop {
                if let Some(chat) = self.desk().chats().into_iter().find(&wanted) {
                    return chat;
                }
                // A watcher that is behind looks again just the same.
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

    /// What the desk heard from the visitor.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.desk().chats().iter().flat_map(visitor_lines).collect()
    }

    /// Waits until the desk has heard this much, and gives it some time to hear too much.
    pub(crate) async fn hears(&self, lines: &[&str]) {
        self.desk_chat(|chat| visitor_lines(chat).len() >= lines.len()).await;
        self.seconds(1).await;
        assert_eq!(self.heard(), lines);
    }

    /// Waits until the visitor is gone from the desk.
    pub(crate) async fn closed_at_desk(&self) -> Chat {
        self.desk_chat(|chat| chat.state == ChatState::Ended).await
    }

    /// Decides over every request from now on.
    pub(crate) fn tamper(
        &self,
        with: impl FnMut(&'static str, &mut Request<Bytes>) -> Fate + Send + 'static,
    ) {
        *self.wire.tamper.lock().unwrap() = Some(Box::new(with));
    }

    /// Puts an event on the open streams that the emulator has no way to make.
    pub(crate) fn inject(&self, event: &str, entry: &Value) {
        let conversation = self.sent("create")[0].body["conversationId"].clone();
        let data = json!({ "conversationId": conversation, "conversationEntry": entry });
        let frame = format!("event: {event}\ndata: {data}\n\n");
        self.wire.injected.send(Bytes::from(frame)).expect("an open stream");
    }
}

async fn build(
    clock: &Clock,
    wire: &Arc<Wire>,
    store: &Arc<dyn Store>,
    tenant: &Tenant,
) -> (app::Bridge, CancellationToken) {
    let shutdown = CancellationToken::new();
    let config = Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants: vec![tenant.clone()],
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    };
    let options = Options {
        clock: clock.clone(),
        transport: wire.clone(),
        opened: Opened { store: store.clone(), keys: KeyRing::single(SECRET) },
        decisions: Arc::new(Seen::default()),
        shutdown: shutdown.clone(),
    };
    let built = app::build(config, options).await;
    (built.expect("a bridge"), shutdown)
}

/// What the visitor said in a chat, as the agents see it.
pub(crate) fn visitor_lines(chat: &Chat) -> Vec<String> {
    let said = chat.lines.iter().filter(|line| line.from == Speaker::Visitor);
    said.map(|line| line.text.clone()).collect()
}
