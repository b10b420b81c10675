//! Wiring and life cycle: the only place that knows every part.
//!
//! Promised: what is built here is what `serve`, the demo and the tests run; chats of an earlier
//! process go on before the first request is answered.

pub mod cluster;
mod prechat;
pub mod rehearsal;
pub mod reload;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapter::liveagent::LiveAgent;
use crate::adapter::miaw::Tenant;
use crate::adapter::miaw::registry::Registry;
use crate::adapter::transport::Transport;
use crate::admin;
use crate::availability::Availability;
use crate::capture::Capture;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::owned::Owned;
use crate::config::{Config, StoreConfig};
pub use crate::cutover;
use crate::cutover::Cutover;
use crate::facade::affinity::Affinity;
use crate::facade::gate::Gate;
use crate::facade::key::KeyRing;
use crate::facade::live::Live;
use crate::facade::placed::{self, Routers};
use crate::facade::{Decided, Decisions, Facade, Strictness, live_router};
use crate::observe::counted::Counted;
use crate::observe::decisions::{Reasoned, Watched};
use crate::observe::metrics::Metrics;
use crate::observe::requests;
use crate::router::decide::Because;
use crate::shadow::Shadows;
use crate::store::memory::MemoryStore;
use crate::store::postgres::{self, PostgresStore, Purpose};
use crate::store::sqlite::{OpenError, Ring, SqliteStore};
use crate::store::{Store, StoreError, seal};

/// The name of our session keys' ring: it marks them as ours, on every node and for good.
const KEY_RING_NAME: &[u8] = b"liveagent-bridge session keys";
/// What the session keys are derived for.
const KEY_PURPOSE: &str = "session-key";
/// The longest wait of a node for its chats to be stored before it leaves them to others, who lose
/// nothing that was answered.
const STORED_WITHIN: Duration = Duration::from_secs(10);
/// The longest wait for what is written beside the chats: nobody was promised that.
const FILES_WITHIN: Duration = Duration::from_secs(3);
/// How often ended chats are purged.
const PURGE_EVERY: Duration = Duration::from_secs(600);

/// A store, and the keys that go with it.
pub struct Opened {
    /// Where chats are remembered.
    pub store: Arc<dyn Store>,
    /// What session keys are signed with.
    pub keys: KeyRing,
}

/// What a bridge is built from besides its configuration.
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// The way to Salesforce.
    pub transport: Arc<dyn Transport>,
    /// Where chats are remembered.
    pub opened: Opened,
    /// Is told every decision for a new chat.
    pub decisions: Arc<dyn Decisions>,
    /// Stops every task.
    pub shutdown: CancellationToken,
}

/// A bridge that is ready to serve.
pub struct Bridge {
    /// The facade.
    pub router: Router,
    /// The configuration in force, and what answers by it.
    pub live: Live,
    /// The translated chats.
    pub chats: Registry,
    /// The tenants' plans and changes.
    pub cutover: Cutover,
    /// The relay to the legacy service, and how its hosts are.
    pub relay: Arc<LiveAgent>,
    /// Counts what MIAW would make of relayed chats.
    pub shadow: Shadows,
    /// How many chats of an earlier process were taken up.
    pub recovered: usize,
    /// What the admin API is made of.
    pub admin: admin::Parts,
    /// The other nodes, where there are any.
    pub cluster: Option<Cluster>,
    /// What other nodes ask on the private listener.
    pub private: Option<Router>,
    leaving: Leaving,
}

/// The end of a node.
struct Leaving {
    /// What it has accepted and may have to act on itself.
    under_way: TaskTracker,
    left: OnceCell<()>,
}

/// Why a bridge could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The PostgreSQL database could not be opened.
    #[error(transparent)]
    Server(#[from] postgres::OpenError),
    /// The key ring that was given cannot be read.
    #[error("`store.key_ring`: {0}")]
    Ring(#[from] seal::RingError),
    /// The store could not be read.
    #[error("the stored chats cannot be read: {0}")]
    Read(#[from] StoreError),
    /// No randomness could be had for the session keys.
    #[error("no random numbers for the session keys")]
    Random,
}

/// Opens what the configuration names.
///
/// # Errors
/// Says which file or server, what was wrong and what to do.
pub async fn open_store(config: &StoreConfig) -> Result<Opened, BuildError> {
    Ok(open(config, Purpose::Serve).await?.0)
}

/// The same to look at it, perhaps beside the bridges that use it.
///
/// # Errors
/// Says which file or server, what was wrong and what to do.
pub async fn look_into_store(config: &StoreConfig) -> Result<Opened, BuildError> {
    Ok(open(config, Purpose::Look).await?.0)
}

/// A store in PostgreSQL, and its ring.
type Server = (Arc<PostgresStore>, seal::KeyRing);

async fn open(
    config: &StoreConfig,
    purpose: Purpose,
) -> Result<(Opened, Option<Server>), BuildError> {
    let mut server = None;
    let (store, ring): (Arc<dyn Store>, seal::KeyRing) = match config {
        StoreConfig::Memory => {
            let mut secret = [0; 32];
            aws_lc_rs::rand::fill(&mut secret).map_err(|_| BuildError::Random)?;
            let keys = KeyRing::single(&secret);
            return Ok((Opened { store: Arc::new(MemoryStore::new()), keys }, None));
        }
        StoreConfig::Sqlite { path, key_ring } => {
            let ring = match key_ring {
                Some(text) => Ring::Given(seal::KeyRing::from_secret(text.reveal())?),
                None => Ring::Beside,
            };
            let path = path.clone();
            // The disk may take its time.
            let opening = tokio::task::spawn_blocking(move || SqliteStore::open(&path, ring));
            let store = opening.await.map_err(|_| StoreError::Stopped)??;
            let ring = store.ring().clone();
            (Arc::new(store), ring)
        }
        StoreConfig::Postgres { url, extra_ca_file, key_ring, .. } => {
            let ring = seal::KeyRing::from_secret(key_ring.reveal())?;
            let (url, authorities) = (url.reveal(), extra_ca_file.as_deref());
            let opening = PostgresStore::open_for(url, authorities, ring.clone(), purpose);
            let store = Arc::new(opening.await?);
            server = Some((store.clone(), ring.clone()));
            (store, ring)
        }
    };
    let derived = ring.derive(KEY_PURPOSE);
    let all: Vec<&[u8]> = derived.iter().map(|(_, key)| key.as_slice()).collect();
    let Some((signing, verifying)) = all.split_first() else { return Err(BuildError::Random) };
    let keys = KeyRing::new(KEY_RING_NAME, signing, verifying);
    Ok((Opened { store, keys }, server))
}

/// Builds a bridge and takes up the chats of an earlier process.
///
/// # Errors
/// When the store cannot be read.
pub async fn build(config: Config, options: Options) -> Result<Bridge, BuildError> {
    // Boxed, for it is large and every caller would carry it.
    Box::pin(build_node(config, options, None)).await
}

/// Builds a bridge that is one of several, and lives in the cluster from now on.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn build_node(
    config: Config,
    options: Options,
    cluster: Option<Cluster>,
) -> Result<Bridge, BuildError> {
    let (core, keys) = core(&config, options, cluster.as_ref()).await?;
    let Core { clock, store, transport, decisions, metrics, cutover, chats, relay, shutdown } =
        core;
    let recovered = take_up(cluster.as_ref(), (&chats, &relay, &store), &shutdown).await?;
    let capture = Capture::start(&config.tenants, clock.clone());
    let availability = Arc::new(Availability::new(transport, clock.clone()));
    let budgets = cutover::budget::watch(cutover.clone(), availability.clone(), clock.clone());
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(budgets));
    let shadow = Shadows::start(clock.clone(), prechat::examiner());
    let affinity = cluster.as_ref().map_or_else(Affinity::random, |_| keys.affinity());
    let live = Live::new(Facade {
        config: Arc::new(config),
        keys,
        clock: clock.clone(),
        chats: Arc::new(Reasoned::new(Arc::new(chats.clone()), decisions.clone())),
        relay: relay.clone(),
        availability: availability.clone(),
        uploads: Arc::new(chats.clone()),
        affinity,
        translate: prechat::translator(),
        decisions: decisions.clone(),
        cutover: cutover.clone(),
        gate: Gate::default(),
        strictness: Strictness::default(),
        capture,
        shadow: Some(shadow.clone()),
    });
    let kept = (store.clone(), relay.clone());
    tokio::spawn(purge(kept, clock.clone(), live.clone(), shutdown.clone()));
    let (router, private, under_way) = front(&live, cluster.as_ref(), &clock, &shutdown);
    let router = requests::counted(router, metrics.clone());
    let (configured, captured) = (live.clone(), live.clone());
    let admin = admin::Parts {
        config: Arc::new(move || configured.config()),
        clock,
        store,
        availability,
        chats: chats.clone(),
        cutover: cutover.clone(),
        relay: relay.clone(),
        decisions,
        metrics,
        capture: Arc::new(move || captured.now().capture.clone()),
        shadow: shadow.clone(),
        recovered,
        draining: shutdown,
        translated: prechat::translated,
        cluster: cluster.clone(),
    };
    let private = private.zip(cluster.clone());
    let private = private.map(|(router, cluster)| admin::for_nodes(&admin, cluster, router));
    Ok(Bridge {
        router,
        live,
        chats,
        cutover,
        relay,
        shadow,
        recovered,
        admin,
        cluster,
        private,
        leaving: Leaving { under_way, left: OnceCell::new() },
    })
}

/// Takes up the chats of an earlier process; how many.
async fn take_up(
    cluster: Option<&Cluster>,
    (chats, relay, store): (&Registry, &Arc<LiveAgent>, &Arc<dyn Store>),
    shutdown: &CancellationToken,
) -> Result<usize, StoreError> {
    let Some(cluster) = cluster else {
        return chats.recover(&|id, stored| relay.take_up(id, stored)).await;
    };
    // Whose node is gone is taken up beside, also by other nodes.
    cluster::move_in(cluster, chats, relay, store, shutdown.clone()).await?;
    Ok(0)
}

/// What a bridge is made of before it takes chats up.
struct Core {
    clock: Clock,
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    decisions: Arc<Watched>,
    metrics: Arc<Metrics>,
    cutover: Cutover,
    chats: Registry,
    relay: Arc<LiveAgent>,
    shutdown: CancellationToken,
}

async fn core(
    config: &Config,
    options: Options,
    cluster: Option<&Cluster>,
) -> Result<(Core, KeyRing), StoreError> {
    let Options { clock, transport, opened, decisions, shutdown } = options;
    let metrics = Arc::new(Metrics::default());
    let fenced = |cluster: &Cluster| Arc::new(Owned::new(cluster.clone())) as Arc<dyn Store>;
    let store = cluster.map_or(opened.store, fenced);
    let store: Arc<dyn Store> = Arc::new(Counted::new(store, metrics.clone(), clock.clone()));
    let transport = Counted::new(transport, metrics.clone(), clock.clone());
    let transport: Arc<dyn Transport> = Arc::new(transport);
    let decisions = Arc::new(Watched::new(decisions, metrics.clone()));
    let cutover = Cutover::start(
        &config.tenants,
        store.clone(),
        clock.clone(),
        config.panic_file.clone(),
        shutdown.clone(),
    )
    .await?;
    let chats = Registry::new(
        store.clone(),
        clock.clone(),
        transport.clone(),
        config.limits,
        config.tenants.iter().map(Tenant::from),
        shutdown.clone(),
    );
    let relay = Arc::new(LiveAgent::new(transport.clone(), clock.clone(), store.clone()));
    let core =
        Core { clock, store, transport, decisions, metrics, cutover, chats, relay, shutdown };
    Ok((core, opened.keys))
}

/// What clients ask, what other nodes do, and what of it is under way.
fn front(
    live: &Live,
    cluster: Option<&Cluster>,
    clock: &Clock,
    shutdown: &CancellationToken,
) -> (Router, Option<Router>, TaskTracker) {
    let Some(cluster) = cluster else {
        return (live_router(live.clone()), None, TaskTracker::new());
    };
    let (live, cluster) = (live.clone(), cluster.clone());
    let Routers { public, private, under_way } =
        placed::routers(live, cluster, clock.clone(), shutdown.clone());
    (public, Some(private), under_way)
}

impl Bridge {
    /// One of several nodes: acts on what it has accepted, stores it, and leaves its chats to the
    /// others, after 10 s in any case. One that is alone has nobody to leave them to. Cancel the
    /// shutdown token first; what is not a POST may go on.
    pub async fn leave(&self) {
        let Some(cluster) = &self.cluster else { return };
        let leave = async || {
            let Leaving { under_way, .. } = &self.leaving;
            under_way.close();
            let stored = async {
                under_way.wait().await;
                self.chats.drained().await;
            };
            if tokio::time::timeout(STORED_WITHIN, stored).await.is_err() {
                let chats = self.chats.len();
                tracing::warn!(chats, "chats were not stored in time; other nodes take them up");
            }
            cluster.leave().await;
        };
        self.leaving.left.get_or_init(leave).await;
    }

    /// Waits until everything that was decided is stored and written, and leaves the cluster;
    /// cancel the shutdown token first. One of several nodes waits no longer than some seconds.
    pub async fn drained(&self) {
        match &self.cluster {
            None => self.chats.drained().await,
            Some(_) => self.leave().await,
        }
        let written = async {
            if let Some(capture) = self.live.now().capture.clone() {
                capture.drained().await;
            }
            self.shadow.drained().await;
        };
        if tokio::time::timeout(FILES_WITHIN, written).await.is_err() {
            tracing::warn!("what was captured or counted was not written in time");
        }
        if let Some(cluster) = &self.cluster {
            cluster.all_told().await;
        }
    }
}

/// Forgets chats that ended long enough ago.
async fn purge(
    (store, relay): (Arc<dyn Store>, Arc<LiveAgent>),
    clock: Clock,
    live: Live,
    shutdown: CancellationToken,
) {
    loop {
        let now = clock.now();
        relay.expire().await;
        let hours = live.config().limits.retention_hours as u64;
        let retention = Duration::from_secs(hours * 3_600);
        let before = now.wall.plus_millis(-(retention.as_millis() as i64));
        match store.purge(before).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "ended chats were purged"),
            Err(error) => tracing::warn!(%error, "ended chats could not be purged; tried again"),
        }
        tokio::select! {
            biased;
            () = clock.until(now.mono.plus(PURGE_EVERY)) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Tells the log of every decision; of one that goes against the calendar as a warning.
#[derive(Debug)]
pub struct LogDecisions;

impl Decisions for LogDecisions {
    fn decided(&self, decided: Decided) {
        let Decided { tenant, chat, route, because, .. } = decided;
        let code = because.code();
        match because {
            Because::AcknowledgedLegacy { .. } | Because::LegacyIgnoredPastRemoval { .. } => {
                tracing::warn!(tenant, %chat, %route, because = code, "{because}");
            }
            _ => tracing::info!(tenant, %chat, %route, because = code, "{because}"),
        }
    }
}
