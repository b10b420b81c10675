//! Everybody in a run, and its time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use tokio_util::task::TaskTracker;

use super::dice::{Dice, mixed};
use super::gate::{Gate, Points};
use super::plan::Plan;
use crate::adapter::transport::in_process::InProcess;
use crate::clock::Clock;
use crate::emulator::{Agents, Emulators};
use crate::machine::rng::Rng;
use crate::store::memory::MemoryStore;
use crate::time::Wall;

pub const SCRT: &str = "scrt.example.test";
pub const LEGACY: &str = "la.example.test";

/// How long legacy holds a poll: less than its clients wait.
const LEGACY_HOLD: u64 = 24_000;

/// A process that serves.
#[derive(Clone)]
pub struct Process {
    pub gate: Gate,
    pub public: Router,
    pub clock: Clock,
    /// One that stops accepts nothing new.
    pub ready: bool,
    /// Requests that it has accepted and not answered.
    pub accepted: TaskTracker,
}

/// What happened, beside what clients saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub crashes: u64,
    pub pauses: u64,
    pub stops: u64,
    pub fenced: u64,
    pub takeovers: u64,
    pub forwards: u64,
}

/// Until when something is away, in milliseconds.
#[derive(Default)]
pub struct Away {
    store: u64,
    stores: BTreeMap<usize, u64>,
    link: u64,
    salesforce: u64,
}

pub struct World {
    pub plan: Plan,
    pub clock: Clock,
    pub emulators: Emulators,
    pub memory: MemoryStore,
    /// Salesforce's hosts, and the nodes' private ones.
    pub hosts: Arc<InProcess>,
    pub nodes: Vec<Mutex<Option<Process>>>,
    /// In good order: stop and stay down for so long.
    pub stops: Vec<tokio::sync::watch::Sender<Option<u64>>>,
    pub down: Vec<Mutex<u64>>,
    pub points: Arc<Points>,
    pub away: Mutex<Away>,
    counts: Mutex<Counts>,
    trace: Mutex<Vec<String>>,
    tracing: bool,
}

impl World {
    pub fn new(plan: Plan, tracing: bool) -> Arc<Self> {
        let clock = Clock::starting_at(Wall::parse(plan.starts).expect("an instant"));
        let emulators = Emulators::new(&clock, Agents::None);
        emulators.set_miaw(|knobs| *knobs = plan.service.clone());
        emulators.set_liveagent(|knobs| knobs.hold_millis = LEGACY_HOLD);
        let hosts = Arc::new(InProcess::new());
        hosts.put(SCRT, emulators.miaw_router());
        hosts.put(LEGACY, emulators.liveagent_router());
        Arc::new(Self {
            nodes: (0..plan.nodes).map(|_| Mutex::default()).collect(),
            stops: (0..plan.nodes).map(|_| tokio::sync::watch::Sender::new(None)).collect(),
            down: (0..plan.nodes).map(|_| Mutex::new(1_000)).collect(),
            points: Arc::new(Points::new(plan.strike)),
            memory: MemoryStore::new(),
            away: Mutex::default(),
            counts: Mutex::default(),
            trace: Mutex::default(),
            tracing,
            plan,
            clock,
            emulators,
            hosts,
        })
    }

    /// A source of chance of its own for each use, so that one more draw here changes none there.
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::new(mixed(self.plan.seed, purpose))
    }

    pub fn dice(&self, purpose: &str) -> Dice {
        Dice::new(self.plan.seed, purpose)
    }

    /// Milliseconds since the run began.
    pub fn at(&self) -> u64 {
        self.clock.now().mono.millis()
    }

    pub async fn pass(&self, millis: u64) {
        self.clock.until(self.clock.now().mono.plus(Duration::from_millis(millis))).await;
    }

    pub async fn until(&self, at: u64) {
        self.clock.until(crate::time::Mono::from_millis(at)).await;
    }

    pub fn faulty(&self) -> bool {
        self.at() < self.plan.faults_until
    }

    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap()
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap());
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        if self.tracing {
            let at = self.at() as f64 / 1_000.0;
            self.trace.lock().unwrap().push(format!("{at:>8.3} s  {}", line()));
        }
    }

    pub fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap().clone()
    }

    pub fn process(&self, node: usize) -> Option<Process> {
        self.nodes[node].lock().unwrap().clone()
    }

    /// Lets go of what holds this world itself: many are played one after the other.
    pub fn ends(&self) {
        for node in 0..self.plan.nodes {
            self.put(node, None);
            self.hosts.remove(&address(node));
        }
        self.hosts.remove(SCRT);
        self.hosts.remove(LEGACY);
    }

    pub fn put(&self, node: usize, process: Option<Process>) {
        *self.nodes[node].lock().unwrap() = process;
    }

    /// The process at a private address.
    pub fn at_address(&self, authority: &str) -> Option<Process> {
        let node = (0..self.plan.nodes).find(|node| address(*node) == authority)?;
        self.process(node)
    }

    pub fn store_is_away(&self, node: usize) -> bool {
        let away = self.away.lock().unwrap();
        let at = self.at();
        at < away.store || at < away.stores.get(&node).copied().unwrap_or(0)
    }

    pub fn link_is_cut(&self) -> bool {
        self.at() < self.away.lock().unwrap().link
    }

    pub fn salesforce_is_away(&self) -> bool {
        self.at() < self.away.lock().unwrap().salesforce
    }

    pub fn store_goes(&self, node: Option<usize>, millis: u64) {
        let until = self.at() + millis;
        let mut away = self.away.lock().unwrap();
        match node {
            Some(node) => drop(away.stores.insert(node, until)),
            None => away.store = until,
        }
    }

    pub fn link_breaks(&self, millis: u64) {
        self.away.lock().unwrap().link = self.at() + millis;
    }

    pub fn salesforce_goes(&self, millis: u64) {
        self.away.lock().unwrap().salesforce = self.at() + millis;
    }
}

/// Where a node is reached by others.
pub fn address(node: usize) -> String {
    format!("node{node}.internal:8090")
}
