//! The bridge of the demo, on a runtime of its own, so that it can be killed.
//!
//! Promised: it is built as `serve` builds it, from the configuration and the store. Killing it
//! stops every task of it wherever it is, without a word to anybody: nothing is put down, only the
//! store is left. Not promised: a crash of the machine; what was written stays in its caches.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

use super::tap::{Tap, Teller};
use super::world::WorldError;
use crate::adapter::miaw::registry::Registry;
use crate::adapter::transport::Transport;
use crate::adapter::transport::reqwest::Reqwest;
use crate::admin::Admin;
use crate::app::{self, BuildError};
use crate::clock::Clock;
use crate::config::Config;
use crate::cutover::Cutover;
use crate::store::sqlite::OpenError;

/// Threads of one bridge.
const THREADS: usize = 2;
/// How long a new bridge waits for the killed one to let go of the store.
const STORE_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// The longest wait for chats to be put down at the end.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// A bridge that runs.
pub(super) struct Running {
    /// The facade.
    pub(super) router: Router,
    /// The admin API with the console.
    pub(super) admin: Router,
    /// Where its tasks run.
    pub(super) handle: Handle,
    /// The tenants' plans.
    pub(super) cutover: Cutover,
    /// How many chats of an earlier bridge were taken up.
    pub(super) recovered: usize,
    chats: Registry,
    shutdown: CancellationToken,
    runtime: Owned,
}

/// A runtime that never waits for its tasks when it goes.
struct Owned(Mutex<Option<Runtime>>);

impl Owned {
    fn stop(&self) {
        let runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    /// Builds a bridge from the configuration and what is in its store.
    pub(super) async fn start(
        config: &Config,
        legacy: SocketAddr,
        tell: &Teller,
    ) -> Result<Self, WorldError> {
        let mut builder = Builder::new_multi_thread();
        let made = builder.worker_threads(THREADS).thread_name("bridge").enable_all().build();
        let runtime = made.map_err(WorldError::Runtime)?;
        let handle = runtime.handle().clone();
        let owned = Owned(Mutex::new(Some(runtime)));
        let shutdown = CancellationToken::new();
        let building = build(config.clone(), legacy, tell.clone(), shutdown.clone());
        let built = handle.spawn(building).await.map_err(|_| WorldError::Died)?;
        let (bridge, admin) = built?;
        Ok(Self {
            router: bridge.router,
            admin,
            handle,
            cutover: bridge.cutover,
            recovered: bridge.recovered,
            chats: bridge.chats,
            shutdown,
            runtime: owned,
        })
    }

    /// Ends every task where it is.
    pub(super) fn kill(&self) {
        self.runtime.stop();
    }

    /// Puts every chat down.
    pub(super) async fn stop(&self) {
        self.shutdown.cancel();
        // What is not put down by then is not worth waiting for: the store goes away too.
        let _ = tokio::time::timeout(STOP_WITHIN, self.chats.drained()).await;
        self.kill();
    }
}

async fn build(
    config: Config,
    legacy: SocketAddr,
    tell: Teller,
    shutdown: CancellationToken,
) -> Result<(app::Bridge, Router), WorldError> {
    let transport = Reqwest::new(&config.egress, &config.limits)?;
    let egress: Arc<dyn Transport> = Arc::new(transport.clone());
    let opened = opened(&config, &tell.clock).await?;
    let admin = config.admin.clone();
    let options = app::Options {
        clock: tell.clock.clone(),
        transport: Arc::new(Tap::new(transport, legacy, tell.clone())),
        opened,
        decisions: Arc::new(tell),
        shutdown,
    };
    let bridge = app::build(config, options).await?;
    let api = admin.map(|config| Admin::new(bridge.admin.clone(), &config, &egress).router());
    Ok((bridge, api.unwrap_or_default()))
}

/// The store, once the bridge that had it has let go of it.
async fn opened(config: &Config, clock: &Clock) -> Result<app::Opened, BuildError> {
    let latest = clock.now().mono.plus(STORE_WITHIN);
    loop {
        match app::open_store(&config.store).await {
            Err(BuildError::Open(OpenError::InUse { .. })) if clock.now().mono < latest => {
                clock.until(clock.now().mono.plus(TRY_AGAIN)).await;
            }
            outcome => return outcome,
        }
    }
}
