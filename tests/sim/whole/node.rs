//! A node: a process as `serve` builds it, over and over again.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::plan::{Plan, Way};
use super::store::Reached;
use super::wire::{Link, Wire};
use super::world::{LEGACY, Process, SCRT, World, address};
use crate::app::{self, Bridge, BuildError, LogDecisions, Opened, Options};
use crate::clock::Clock;
use crate::cluster::{Cluster, Identity};
use crate::config::{
    AvailabilityConfig, Behaviour, Config, DEFAULT_LISTEN, Egress, Legacy, Limits, Miaw,
    ShadowConfig, StoreConfig, Tenant,
};
use crate::facade::key::KeyRing;
use crate::router::plan::{ButtonPlan, Plan as Dates, Stage, Step};
use crate::serve::ServeLimits;
use crate::time::Wall;

/// How long after a start that failed the next process begins.
const START_AGAIN: u64 = 500;
const SECRET: &[u8; 32] = b"a secret of thirty-two bytes....";
pub const TRANSLATED_BUTTON: &str = "573000000000001";
pub const LEGACY_BUTTON: &str = "573000000000002";
pub const ORG: &str = "00D000000000001";
pub const DEPLOYMENT: &str = "572000000000001";

/// Who is asked for: one tenant whose chats go by their button, and one that is all on legacy.
pub fn host(way: Way) -> &'static str {
    match way {
        Way::Translated | Way::Rekeyed => "mixed.example.test",
        Way::Verbatim => "legacy.example.test",
    }
}

pub fn button(way: Way) -> &'static str {
    if way == Way::Translated { TRANSLATED_BUTTON } else { LEGACY_BUTTON }
}

fn tenant(host: &str, by_button: bool, per_minute: u32) -> Tenant {
    let behaviour = Behaviour { message_budget_per_minute: per_minute, ..Behaviour::default() };
    let mut plan = Dates::default();
    if by_button {
        let at = Wall::parse("2025-01-01T00:00:00Z").expect("an instant");
        let steps = vec![Step { at, stage: Stage::Miaw }];
        plan.buttons = vec![ButtonPlan { button: TRANSLATED_BUTTON.to_owned(), steps }];
    }
    Tenant {
        id: host.split('.').next().unwrap_or_default().to_owned(),
        hosts: vec![host.to_owned()],
        mapping: None,
        legacy: Some(Legacy {
            live_agent_base_url: format!("https://{LEGACY}"),
            api_version: "52".to_owned(),
            organization_id: ORG.to_owned(),
            deployment_id: DEPLOYMENT.to_owned(),
            button_id: None,
        }),
        miaw: Miaw {
            base_url: format!("https://{SCRT}"),
            organization_id: ORG.to_owned(),
            embedded_service_developer_name: "Deployment".to_owned(),
            capabilities_version: "1".to_owned(),
            identity: None,
            identity_detail: None,
            refuse_anonymous: true,
        },
        plan,
        behaviour,
        availability: AvailabilityConfig::default(),
        capture: None,
        shadow: ShadowConfig::default(),
    }
}

fn config(per_minute: u32) -> Config {
    let mixed = tenant(host(Way::Translated), true, per_minute);
    let tenants = vec![mixed, tenant(host(Way::Verbatim), false, per_minute)];
    Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants,
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    }
}

/// A process that has begun, and what stops it.
struct Running {
    process: Process,
    bridge: Bridge,
    shutdown: CancellationToken,
}

/// Runs a node for ever: process after process.
pub async fn keep(world: Arc<World>, node: usize) {
    for boot in 0.. {
        let gate = Gate::new(&world.points, &world.clock);
        let shutdown = CancellationToken::new();
        let starting = start(&world, &gate, node, boot, &shutdown);
        let started = tokio::select! {
            biased;
            () = gate.died() => None,
            started = starting => Some(started),
        };
        let fails = matches!(started, Some(Err(_)));
        match started {
            Some(Ok(running)) => {
                world.note(|| format!("node {node} serves, process {boot}"));
                world.put(node, Some(running.process.clone()));
                live(&world, node, running).await;
            }
            Some(Err(error)) => world.note(|| format!("node {node} does not start: {error}")),
            None => {}
        }
        let was_dead = gate.is_dead();
        world.put(node, None);
        world.hosts.remove(&address(node));
        gate.die();
        shutdown.cancel();
        if was_dead {
            world.count(|counts| counts.crashes += 1);
            world.note(|| format!("node {node} is dead"));
        }
        let down = if fails { START_AGAIN } else { *world.down[node].lock().unwrap() };
        world.pass(down).await;
    }
}

/// Until the process is dead, or has stopped in good order.
async fn live(world: &Arc<World>, node: usize, running: Running) {
    let Running { process, bridge, shutdown } = running;
    let mut stops = world.stops[node].subscribe();
    stops.mark_unchanged();
    let (gate, accepted) = (process.gate.clone(), process.accepted.clone());
    let asked = async {
        // The sender lives as long as the world.
        let _ = stops.changed().await;
    };
    tokio::select! {
        biased;
        () = gate.died() => return,
        () = asked => {}
    }
    world.count(|counts| counts.stops += 1);
    world.note(|| format!("node {node} stops"));
    world.put(node, Some(Process { ready: false, ..process }));
    shutdown.cancel();
    // As `serve` does: what was accepted is answered, for so long; others have the chats by then.
    let in_order = async {
        accepted.close();
        let limits = ServeLimits::from(&Limits::default());
        let answered = tokio::time::timeout(limits.drain, accepted.wait());
        let _ = tokio::join!(answered, bridge.leave());
        bridge.drained().await;
    };
    tokio::select! {
        biased;
        () = gate.died() => {}
        () = in_order => {}
    }
    world.note(|| format!("node {node} has stopped"));
}

async fn start(
    world: &Arc<World>,
    gate: &Gate,
    node: usize,
    boot: u64,
    shutdown: &CancellationToken,
) -> Result<Running, BuildError> {
    let ahead = world.plan.ahead[node];
    let clock = Clock::starting_at(world.clock.now().wall.plus_millis(ahead));
    let store = Arc::new(Reached::new(world, gate, node, boot));
    let options = Options {
        clock: clock.clone(),
        transport: Arc::new(Wire::new(world, gate, node, boot)),
        opened: Opened { store: store.clone(), keys: KeyRing::single(SECRET) },
        decisions: Arc::new(LogDecisions),
        shutdown: shutdown.clone(),
    };
    let cluster = (world.plan.nodes > 1).then(|| {
        let identity = Identity {
            name: format!("node{node}"),
            address: address(node),
            fingerprint: "one".to_owned(),
        };
        let link = Arc::new(Link::new(world, gate, node, boot));
        Cluster::new(identity, store, link, &[*SECRET], clock.clone())
    });
    let bridge = app::build_node(config(world.plan.per_minute), options, cluster).await?;
    if let Some(private) = bridge.private.clone() {
        world.hosts.put(&address(node), private);
    }
    let (public, accepted) = (bridge.router.clone(), TaskTracker::new());
    let process = Process { gate: gate.clone(), public, clock, ready: true, accepted };
    Ok(Running { process, bridge, shutdown: shutdown.clone() })
}

/// The bridge's own words for what could not be delivered.
pub fn undeliverable() -> String {
    Behaviour::default().undeliverable_text
}

/// Everything that the bridge itself says.
pub fn own_words() -> Vec<String> {
    let words = Behaviour::default();
    vec![words.undeliverable_text, words.token_end_text, words.lost_text]
}

/// Starts the nodes of a plan, each in a task of its own.
pub fn start_all(world: &Arc<World>) {
    let Plan { nodes, .. } = world.plan;
    for node in 0..nodes {
        tokio::spawn(keep(world.clone(), node));
    }
}
