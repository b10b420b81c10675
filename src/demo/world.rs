//! One run of the demo: a clock, both services on sockets of their own, and a bridge between them.
//!
//! Promised: the bridge is configured from a file's text and reaches the services over the
//! production transport; its store is an SQLite file in a folder that goes away with the world.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::agents;
use super::events::{Event, Events};
use super::tap::{Letters, Tap, Teller};
use crate::adapter::miaw::registry::Registry;
use crate::adapter::transport::reqwest::{EgressError, Reqwest};
use crate::app::{self, BuildError};
use crate::clock::Clock;
use crate::config::{Config, Problems, load_str};
use crate::emulator::{self, Agents, Emulators};
use crate::router::plan::{DEFAULT_REMOVAL, Plan};
use crate::time::Wall;

/// Ids of the demo's org, as its clients send them.
pub(super) const ORGANIZATION: &str = "00D000000000001";
pub(super) const DEPLOYMENT: &str = "572000000000001";
pub(super) const BUTTON: &str = "573000000000001";

const DAY: i64 = 24 * 60 * 60 * 1000;
/// How long before the removal the timeline begins.
const SHOWN_BEFORE: i64 = 30 * DAY;
/// How long before the removal the clock starts: the morning of the day before.
const START_BEFORE: i64 = 15 * 60 * 60 * 1000;
/// The longest wait for chats to be put down at the end.
const STOP_WITHIN: Duration = Duration::from_secs(2);

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
}

/// Everything of one run.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) timeline: Timeline,
    /// The facade.
    pub(super) bridge: Router,
    /// The agents' desk.
    pub(super) desk: Router,
    /// Tells what happens.
    pub(super) tell: Teller,
    /// Whether the agents act by themselves.
    pub(super) auto: watch::Sender<bool>,
    /// Whether the clock was ever past the removal: the bridge does not go back behind it.
    removed: AtomicBool,
    chats: Registry,
    shutdown: CancellationToken,
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
        let legacy = listen(emulators.liveagent_router(), &shutdown).await?;
        let miaw = listen(emulators.miaw_router(), &shutdown).await?;
        let config = config(&folder.0, legacy, miaw)?;
        let tell = Teller {
            clock: clock.clone(),
            events: Arc::new(Events::new()),
            letters: Arc::new(Letters::default()),
        };
        let transport = Reqwest::new(&config.egress, &config.limits)?;
        // Blocks for some milliseconds, before there is anything else to do.
        let opened = app::open_store(&config.store).await?;
        let options = app::Options {
            clock: clock.clone(),
            transport: Arc::new(Tap::new(transport, legacy, tell.clone())),
            opened,
            decisions: Arc::new(tell.clone()),
            shutdown: shutdown.clone(),
        };
        let built = app::build(config, options).await?;
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
            bridge: built.router,
            desk: emulators.desk_router(),
            tell,
            auto,
            removed: AtomicBool::new(false),
            chats: built.chats,
            shutdown: guard.disarm(),
            _folder: folder,
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
        self.tell.events.send(Event::Clock(reading.clone()));
        reading
    }

    /// Puts every chat down.
    pub(super) async fn stop(&self) {
        self.shutdown.cancel();
        // What is not put down by then is not worth waiting for: the store goes away too.
        let _ = tokio::time::timeout(STOP_WITHIN, self.chats.drained()).await;
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

        [[tenant]]
        id = "demo"

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
    let loaded = load_str(&text, folder, &|_| None).map_err(WorldError::Config)?;
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
