//! The demo: the bridge, both services, a visitor page and an agent desk in one process.
//!
//! Promised: nothing here decides anything about a chat; the visitor speaks the legacy protocol to
//! the facade, the agents work at the emulators' desk, and all three parts talk over real sockets.
//! The calendar is simulated, durations are not. The bridge can be killed and built again from its
//! store. Everything is on loopback and gone at the exit.
//! Not promised: anything for production; the addresses below are not an interface of the bridge.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /` | the page |
//! | `GET /demo/state` | all that a page needs to begin: clock, zones, ids, decisions, wire rows |
//! | `GET /demo/clock` | `{"now","at","zone","removed"}`, explained below |
//! | `POST /demo/clock` | sets it: `{"to": milliseconds or RFC 3339}`; durations are not touched |
//! | `GET /demo/events` | a stream of everything as it happens, each with its name |
//! | `GET /demo/decisions` | a stream of `decision` alone, from the first one on |
//! | `POST /demo/agents` | `{"auto": true}`: the agents accept and answer by themselves |
//! | `POST /demo/restart` | throws everything away and begins anew |
//! | `GET /demo/raw?number=7` | the request and the answer of a wire row |
//! | `POST /demo/crowd` | `{"count": 20}`: so many visitors who chat by themselves |
//! | `POST /demo/bridge` | `{"up": false}` kills the bridge, `{"up": true}` builds it again |
//! | `POST /demo/outage` | `{"seconds": 8}`: MIAW refuses everything for so long |
//! | `POST /demo/ramp` | `{"percent": 50}`: a change of the tenant's stage |
//! | `GET /demo/report` | the dry run as a page |
//! | `GET /demo/console` | `{"token"}` for the console |
//!
//! `now` is in milliseconds, `at` the same as RFC 3339, `zone` is `legacy`, `margin` or `after`;
//! `removed` says whether the clock was ever past the removal: the bridge does not go back behind
//! it.
//!
//! Anything else is the facade, but for the desk below `/desk`, and the console with the admin API
//! below `/console/` and `/admin/`. The facade answers `SessionId` with one header more,
//! `x-demo-chat`: the letter under which the chat is shown; while the bridge is killed every answer
//! is 502. A wire row says who sent what kind of message to whom; what was in it is asked for by
//! the row's number.

mod agents;
mod api;
mod bridge;
mod crowd;
mod events;
mod headless;
mod raw;
mod scenes;
mod tap;
mod visitor;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use events::Decision;
pub use headless::{Report, headless};
pub use world::WorldError;

use crate::serve::{ServeLimits, serve};

/// Where the page is unless another port is asked for.
pub const DEFAULT_PORT: u16 = 8787;
/// How many ports after the asked one are tried when it is in use.
const PORTS_TRIED: u16 = 20;
/// Open streams never finish by themselves, so their end is not waited for.
const DRAIN: Duration = Duration::from_millis(300);
/// How often a silent stream sends a comment.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Far more than one browser opens.
const CONNECTIONS_MAX: usize = 256;

/// A demo that is ready to be served.
pub struct Demo {
    listener: TcpListener,
    address: SocketAddr,
    state: api::State,
}

/// Why the demo could not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No port was free.
    #[error("no port from {first} to {last} is free on 127.0.0.1; give another one with --port")]
    NoPort {
        /// The first that was tried.
        first: u16,
        /// The last that was tried.
        last: u16,
        /// Why the last one could not be had.
        source: io::Error,
    },
    /// A part of it failed.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The web server failed.
    #[error("the web server failed: {0}")]
    Serve(#[from] io::Error),
}

impl Demo {
    /// Starts every part. Port 0 is any port; otherwise the next free one from `port` on.
    ///
    /// # Errors
    /// Says which part could not start, and what to do.
    pub async fn start(port: u16) -> Result<Self, DemoError> {
        let listener = listen(port).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, state: api::State::new(address).await? })
    }

    /// Where the page is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then takes everything down.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self, shutdown: CancellationToken) -> Result<(), DemoError> {
        let limits = ServeLimits {
            connections: CONNECTIONS_MAX,
            handshake: Duration::from_secs(10),
            head_bytes: 32 * 1024,
            headers: 100,
            head_time: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            drain: DRAIN,
        };
        let router = api::router(self.state.clone());
        let served = serve(self.listener, router, limits, shutdown).await;
        self.state.stop().await;
        Ok(served?)
    }
}

async fn listen(port: u16) -> Result<TcpListener, DemoError> {
    let last = if port == 0 { 0 } else { port.saturating_add(PORTS_TRIED) };
    let mut at = port;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, at)).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && at < last => at += 1,
            Err(source) => return Err(DemoError::NoPort { first: port, last: at, source }),
        }
    }
}
