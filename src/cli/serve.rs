//! `serve`: the bridge itself.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::signal::{Hangups, Stops};
use crate::adapter::transport::Transport;
use crate::adapter::transport::reqwest::Reqwest;
use crate::admin::Admin;
use crate::app::cluster::{Membership, ToServe, open_to_serve};
use crate::app::reload::{Builder, Reload, Source};
use crate::app::{self, Bridge, LogDecisions, Options};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::{self, AdminConfig, Egress, Loaded, Tenant, Written};
use crate::cutover::Cutover;
use crate::observe::log;
use crate::router::calendar;
use crate::router::decide::Draw;
use crate::serve::{Door, ServeLimits, Tls, serve};
use crate::store::postgres::Occupied;
use crate::time::Wall;

/// The bounds of the admin listener: few callers, small requests.
const ADMIN_LIMITS: ServeLimits = ServeLimits {
    connections: 64,
    head_bytes: 16_384,
    headers: 64,
    head_time: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    drain: Duration::from_secs(2),
    handshake: Duration::from_secs(10),
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 stopped, 1 failed, 2 the configuration has problems.")]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write the log as JSON
    #[arg(long)]
    log_json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    log::start(args.log_json);
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}\n\nnothing was started; `check` prints the same");
            return Ok(ExitCode::from(2));
        }
    };
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run_bridge(loaded, &args.config))?;
    Ok(ExitCode::SUCCESS)
}

async fn run_bridge(loaded: Loaded, path: &Path) -> anyhow::Result<()> {
    let Loaded { config, written, .. } = loaded;
    let clock = Clock::system();
    let hangups = Hangups::new().context("SIGHUP cannot be handled")?;
    let ToServe { opened, membership, occupied } = open_to_serve(&config.store).await?;
    let shutdown = CancellationToken::new();
    let transport = Reqwest::new(&config.egress, &config.limits)?;
    let limits = ServeLimits::from(&config.limits);
    let listen = config.listen;
    let tls = config.tls.clone().map(Tls::new).transpose().context("`[tls]`")?;
    let admin = config.admin.clone();
    let admin_files = admin.as_ref().and_then(|admin| admin.tls.clone());
    let admin_tls = admin_files.map(Tls::new).transpose().context("`[admin.tls]`")?;
    let egress: Arc<dyn Transport> = Arc::new(transport.clone());
    let options = Options {
        clock: clock.clone(),
        transport: Arc::new(transport.clone()),
        opened,
        decisions: Arc::new(LogDecisions),
        shutdown: shutdown.clone(),
    };
    let (tenants, now) = (config.tenants.clone(), options.clock.now().wall);
    let private = private_listener(membership.as_ref()).await?;
    let fingerprint = membership.as_ref().map(Membership::fingerprint);
    // Other nodes are on a private network, and no proxy leads there.
    let direct = Egress { private_addresses: true, ..Egress::default() };
    let link = Arc::new(Reqwest::new(&direct, &config.limits)?);
    let cluster = membership.map(|node| node.join(&written, link, clock.clone()));
    let mut out = std::io::stdout();
    // All before it is one of several, who would wait for it if it failed.
    let listener = bind(listen, "listen").await?;
    let door = admin_door(admin.as_ref(), admin_tls.clone()).await?;
    let bridge = Box::pin(app::build_node(config, options, cluster)).await?;
    say_where_chats_go(&tenants, &bridge.cutover, now);
    if bridge.recovered > 0 {
        tracing::info!(chats = bridge.recovered, "chats of the previous run go on");
    }
    let reload = Reload::builder(Source::file(path), written, &bridge, clock.clone());
    let reload = reload.transport(transport);
    let reload = followed(reload, &tls, &admin_tls, bridge.cluster.clone().zip(fingerprint));
    tokio::spawn(reload_when_told(reload.clone(), hangups, shutdown.clone()));
    for tls in tls.iter().chain(&admin_tls) {
        tokio::spawn(tls.clone().keep_fresh(clock.clone(), shutdown.clone()));
    }
    let lost = occupied.as_ref().map(Occupied::lost).unwrap_or_default();
    tokio::spawn(stop_when_told(Stops::new()?, shutdown.clone(), lost.clone()));
    let watched = CancellationToken::new();
    let mut watching = Vec::new();
    if let (Some(listener), Some(router)) = (private, bridge.private.clone()) {
        writeln!(out, "cluster    http://{}", listener.local_addr()?)?;
        watching.push(tokio::spawn(serve(listener, router, limits.roomier(), watched.clone())));
    }
    if let Some((config, door)) = admin.zip(door) {
        let api = admin_api(&bridge, &config, &egress, &reload);
        let scheme = if door.tls.is_some() { "https" } else { "http" };
        writeln!(out, "admin      {scheme}://{}", door.listener.local_addr()?)?;
        watching.push(tokio::spawn(serve(door, api, ADMIN_LIMITS, watched.clone())));
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    writeln!(out, "listening  {scheme}://{}", listener.local_addr()?)?;
    out.flush()?;
    serve_clients(&bridge, Door { listener, tls }, limits, shutdown).await?;
    // Until here it answered: not ready.
    watched.cancel();
    for watching in watching {
        watching.await??;
    }
    match lost.is_cancelled() {
        true => anyhow::bail!("another bridge took the database while it was away"),
        false => Ok(()),
    }
}

/// Serves until `shutdown`, and answers what was accepted. The others of a cluster do not wait for
/// that.
async fn serve_clients(
    bridge: &Bridge,
    door: Door,
    limits: ServeLimits,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let leaving = async {
        shutdown.cancelled().await;
        bridge.leave().await;
    };
    let serving = async {
        let served = serve(door, bridge.router.clone(), limits, shutdown.clone()).await;
        shutdown.cancel();
        served
    };
    let (served, ()) = tokio::join!(serving, leaving);
    bridge.drained().await;
    served
}

/// Who else follows the configuration.
fn followed(
    reload: Builder,
    tls: &Option<Tls>,
    admin_tls: &Option<Tls>,
    node: Option<(Cluster, impl Fn(&Written) -> String + Send + Sync + 'static)>,
) -> Reload {
    let reload = reload.listener(tls.clone(), "tls", |config| config.tls.as_ref());
    let reload = reload.listener(admin_tls.clone(), "admin.tls", |config| {
        config.admin.as_ref().and_then(|admin| admin.tls.as_ref())
    });
    let reload = match node {
        Some((cluster, fingerprint)) => {
            reload.reader(move |written| cluster.configured_as(fingerprint(written)))
        }
        None => reload,
    };
    reload.build()
}

/// Stops the process at a signal, or when somebody else took its database.
async fn stop_when_told(mut stops: Stops, stop: CancellationToken, lost: CancellationToken) {
    tokio::select! {
        () = stops.said() => {}
        () = lost.cancelled() => {}
    }
    tracing::info!("stopping: polls are let go, what was accepted is stored");
    stop.cancel();
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}; choose another `{key}`"))
}

/// The listener for other nodes.
async fn private_listener(node: Option<&Membership>) -> anyhow::Result<Option<TcpListener>> {
    let Some(listen) = node.map(|node| node.config().listen) else { return Ok(None) };
    bind(listen, "cluster.listen").await.map(Some)
}

/// The admin API, with all that this process can offer it.
fn admin_api(
    bridge: &Bridge,
    config: &AdminConfig,
    egress: &Arc<dyn Transport>,
    reload: &Reload,
) -> Router {
    let api = Admin::new(bridge.admin.clone(), config, egress);
    let api = match &bridge.cluster {
        Some(cluster) => api.with_nodes(cluster.store()),
        None => api,
    };
    api.with_reload(on_request(reload.clone())).router()
}

/// The admin API's listener.
async fn admin_door(
    config: Option<&AdminConfig>,
    tls: Option<Tls>,
) -> anyhow::Result<Option<Door>> {
    let Some(config) = config else { return Ok(None) };
    let listener = bind(config.listen, "admin.listen").await?;
    Ok(Some(Door { listener, tls }))
}

/// Reads the configuration again when the admin API is asked to.
fn on_request(reload: Reload) -> crate::admin::Reload {
    Arc::new(move || {
        let reload = reload.clone();
        Box::pin(async move {
            match reload.reload().await {
                Ok(difference) => Ok(difference.lines()),
                Err(problems) => Err(problems.to_string()),
            }
        })
    })
}

/// Reads the configuration again at every SIGHUP; what came of it is in the log.
async fn reload_when_told(reload: Reload, mut hangups: Hangups, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = hangups.next() => {}
            () = shutdown.cancelled() => return,
        }
        // Its problems are logged there.
        let _ = reload.reload().await;
    }
}

/// One clear line per tenant: where new chats go today, and why.
fn say_where_chats_go(tenants: &[Tenant], cutover: &Cutover, now: Wall) {
    for tenant in tenants {
        let effective = cutover.of(tenant);
        let draw = Draw::of(&tenant.id, "");
        let decision = cutover.decide(tenant, None, now, draw);
        let next = calendar::next_change(&effective, None, now);
        tracing::info!(
            tenant = tenant.id,
            route = %decision.route,
            next_change = next.map(|at| at.to_string()),
            "new chats: {}",
            decision.because
        );
    }
}
