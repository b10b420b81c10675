//! One run of the demo: a clock, both services on sockets of their own, and a bridge between them.
//!
//! Promised: the bridge is configured from a file's text and reaches the services over the
//! production transport; its store is an SQLite file in a folder that goes away with the world. The
//! bridge can be killed and built again; clock, services and agents go on meanwhile.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::agents;
use super::bridge::Running;
use super::events::{Event, Events};
use super::tap::{Letters, Teller};
use crate::adapter::transport::reqwest::EgressError;
use crate::app::BuildError;
use crate::clock::Clock;
use crate::config::{Config, Problems, load_str};
use crate::emulator::{self, Agents, Emulators};
use crate::router::plan::{DEFAULT_REMOVAL, Plan};
use crate::time::Wall;

/// Ids of the demo's org, as its clients send them.
pub(super) const ORGANIZATION: &str = "00D000000000001";
pub(super) const DEPLOYMENT: &str = "572000000000001";
pub(super) const BUTTON: &str = "573000000000001";

/// The one tenant.
pub(super) const TENANT: &str = "demo";

const DAY: i64 = 24 * 60 * 60 * 1000;
/// How long before the removal the timeline begins.
const SHOWN_BEFORE: i64 = 30 * DAY;
/// How long before the removal the clock starts: the morning of the day before.
const START_BEFORE: i64 = 15 * 60 * 60 * 1000;
/// Where the configuration finds the key of admin tokens.
const ADMIN_KEY: &str = "DEMO_ADMIN_KEY";

/// The calendar instants that the demo is about.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Timeline {
    /// Where the slider begins.
    pub(super) begin: Wall,
    /// Where the clock starts.
    pub(super) start: Wall,
    /// The beginning of the margin.
    pub(super) last_call: Wall,
    /// The removal.
    pub(super) removal: Wall,
    /// The real present, and the end of the slider.
    pub(super) today: Wall,
}

impl Timeline {
    fn new(plan: &Plan, real: Wall) -> Self {
        let removal = plan.removal;
        Self {
            begin: removal.plus_millis(-SHOWN_BEFORE),
            start: removal.plus_millis(-START_BEFORE),
            last_call: plan.last_call(),
            removal,
            // A machine whose calendar is before the removal still gets a third zone.
            today: real.max(removal.plus_millis(SHOWN_BEFORE)),
        }
    }

    /// `legacy`, `margin` or `after`.
    pub(super) fn zone(&self, wall: Wall) -> &'static str {
        match wall {
            wall if wall < self.last_call => "legacy",
            wall if wall < self.removal => "margin",
            _ => "after",
        }
    }
}

/// Why a part of the demo could not start.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// No socket for a service.
    #[error("an emulated service cannot listen on 127.0.0.1: {0}")]
    Listen(#[source] io::Error),
    /// No folder for the store.
    #[error("cannot make the folder {}: {source}; set TMPDIR to a writable one", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The built-in configuration is wrong.
    #[error("the demo's own configuration is wrong:\n{0}")]
    Config(Problems),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The bridge could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No threads for the bridge.
    #[error("the bridge gets no threads: {0}")]
    Runtime(#[source] io::Error),
    /// The bridge was killed while it was being built.
    #[error("the bridge was killed while it started; start it again")]
    Died,
}

/// Everything of one run.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) timeline: Timeline,
    /// As the bridge reads it.
    pub(super) config: Config,
    /// The agents' desk.
    pub(super) desk: Router,
    /// Both services.
    pub(super) emulators: Emulators,
    /// Tells what happens.
    pub(super) tell: Teller,
    /// Whether the agents act by themselves.
    pub(super) auto: watch::Sender<bool>,
    /// Whether MIAW refuses everything.
    pub(super) outage: AtomicBool,
    /// How many chats were started for the crowd.
    pub(super) crowd: AtomicUsize,
    /// Ends with the world.
    pub(super) shutdown: CancellationToken,
    /// The bridge; `None` while it is killed.
    running: RwLock<Option<Arc<Running>>>,
    /// One start at a time.
    starting: tokio::sync::Mutex<()>,
    legacy: SocketAddr,
    /// Whether the clock was ever past the removal: the bridge does not go back behind it.
    removed: AtomicBool,
    _folder: Folder,
}

impl World {
    /// A fresh world; its clock starts on the day before the removal.
    pub(super) async fn new() -> Result<Self, WorldError> {
        let folder = Folder::new()?;
        let timeline = Timeline::new(&Plan::default(), Clock::system().now().wall);
        let clock = Clock::starting_at(timeline.start);
        let shutdown = CancellationToken::new();
        // Whatever was started ends when this future fails or is dropped, too.
        let guard = shutdown.clone().drop_guard();
        let emulators = Emulators::new(&clock, Agents::None);
        emulators.set_liveagent(|knobs| knobs.gone_at = Some(DEFAULT_REMOVAL));
        // Tokens expire by the calendar, and this one is dragged over months in a minute.
        let span = timeline.today.millis_since(timeline.begin) / 1_000;
        emulators.set_miaw(|knobs| knobs.token_ttl_seconds = span.unsigned_abs() * 2);
        let legacy = listen(emulators.liveagent_router(), &shutdown).await?;
        let miaw = listen(emulators.miaw_router(), &shutdown).await?;
        let config = config(&folder.0, legacy, miaw)?;
        let tell = Teller {
            clock: clock.clone(),
            events: Arc::new(Events::new()),
            letters: Arc::new(Letters::default()),
        };
        let running = Running::start(&config, legacy, &tell).await?;
        let auto = watch::Sender::new(false);
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(agents::act_by_themselves(
            emulators.desk().clone(),
            clock.clone(),
            auto.subscribe(),
        )));
        let desk_changes = forward_desk(emulators.desk().changes(), tell.events.clone());
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(desk_changes));
        Ok(Self {
            clock,
            timeline,
            config,
            desk: emulators.desk_router(),
            emulators,
            tell,
            auto,
            outage: AtomicBool::new(false),
            crowd: AtomicUsize::new(0),
            shutdown: guard.disarm(),
            running: RwLock::new(Some(Arc::new(running))),
            starting: tokio::sync::Mutex::default(),
            legacy,
            removed: AtomicBool::new(false),
            _folder: folder,
        })
    }

    /// The bridge, unless it is killed.
    pub(super) fn bridge(&self) -> Option<Arc<Running>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn exchange(&self, new: Option<Arc<Running>>) -> Option<Arc<Running>> {
        std::mem::replace(&mut *self.running.write().unwrap_or_else(PoisonError::into_inner), new)
    }

    /// Kills the bridge; says whether there was one.
    pub(super) fn kill(&self) -> bool {
        let Some(bridge) = self.exchange(None) else { return false };
        bridge.kill();
        self.tell.note("The bridge is killed");
        self.tell.events.send(Event::Bridge(self.bridge_reading()));
        true
    }

    /// Builds the bridge again, from its store.
    pub(super) async fn revive(&self) -> Result<(), WorldError> {
        let _one = self.starting.lock().await;
        if self.bridge().is_some() {
            return Ok(());
        }
        let running = Arc::new(Running::start(&self.config, self.legacy, &self.tell).await?);
        let recovered = running.recovered;
        self.exchange(Some(running));
        let chats = if recovered == 1 { "1 chat".to_owned() } else { format!("{recovered} chats") };
        self.tell.note(format!("The bridge is back: {chats} taken up from its store"));
        self.tell.events.send(Event::Bridge(self.bridge_reading()));
        Ok(())
    }

    /// Whether the bridge runs, and what it took up.
    pub(super) fn bridge_reading(&self) -> serde_json::Value {
        let bridge = self.bridge();
        serde_json::json!({
            "up": bridge.is_some(),
            "recovered": bridge.map_or(0, |bridge| bridge.recovered),
        })
    }

    /// The clock, its zone, and whether it was ever past the removal.
    pub(super) fn reading(&self) -> serde_json::Value {
        let now = self.clock.now().wall;
        let past = now >= self.timeline.removal;
        let removed = self.removed.fetch_or(past, Ordering::Relaxed) || past;
        let zone = self.timeline.zone(now);
        serde_json::json!({ "now": now, "at": now.to_string(), "zone": zone, "removed": removed })
    }

    /// Sets the clock; durations are not touched.
    pub(super) fn set_clock(&self, to: Wall) -> serde_json::Value {
        // Where it stands now counts, too: it may have run past the removal by itself.
        let _ = self.reading();
        self.clock.set_wall(to);
        let reading = self.reading();
        self.tell.note(format!("The clock is set to {to}"));
        self.tell.events.send(Event::Clock(reading.clone()));
        reading
    }

    /// Puts every chat down.
    pub(super) async fn stop(&self) {
        self.shutdown.cancel();
        if let Some(bridge) = self.exchange(None) {
            bridge.stop().await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn listen(router: Router, shutdown: &CancellationToken) -> Result<SocketAddr, WorldError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = bound.map_err(WorldError::Listen)?;
    let address = listener.local_addr().map_err(WorldError::Listen)?;
    let serving = emulator::serve(listener, router);
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(serving));
    Ok(address)
}

fn config(folder: &Path, legacy: SocketAddr, miaw: SocketAddr) -> Result<Config, WorldError> {
    let text = format!(
        r#"
        [store]
        path = "chats.sqlite"

        [admin]
        listen = "127.0.0.1:0"

        [[admin.key]]
        algorithm = "HS256"
        secret = {{ env = "{ADMIN_KEY}" }}

        [[tenant]]
        id = "{TENANT}"

        [tenant.legacy]
        live_agent_base_url = "http://{legacy}"
        api_version = "47"
        organization_id = "{ORGANIZATION}"
        deployment_id = "{DEPLOYMENT}"
        button_id = "{BUTTON}"

        [tenant.miaw]
        base_url = "http://{miaw}"
        organization_id = "{ORGANIZATION}"
        embedded_service_developer_name = "Demo_Web"
        capabilities_version = "1"
        "#
    );
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let env = |name: &str| (name == ADMIN_KEY).then(|| key.clone());
    let loaded = load_str(&text, folder, &env).map_err(WorldError::Config)?;
    Ok(loaded.config)
}

/// Says on the demo's stream that something changed at the desk.
async fn forward_desk(mut changes: tokio::sync::broadcast::Receiver<String>, events: Arc<Events>) {
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match changes.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => events.send(Event::Desk),
            Err(RecvError::Closed) => return,
        }
    }
}

/// A folder of its own, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, WorldError> {
        let name = format!("liveagent-bridge-demo-{}", Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(WorldError::Folder { path, source }),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the folder could not be removed");
        }
    }
}
