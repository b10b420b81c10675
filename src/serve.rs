//! The accept loop: HTTP/1.1 over TCP or TLS, with bounds that `axum::serve` does not have.
//!
//! Promised: at most so many connections, those that shake hands included, the next ones wait
//! unaccepted; handshakes are bounded in time, headers in time, size and number; idle connections
//! are closed; a head that is too large or no HTTP is refused with a text (see `words`); no
//! connection's failure ends the loop; after `shutdown` nothing is accepted, what
//! runs may finish until the deadline.

mod pace;
pub mod tls;
mod words;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::util::MapRequest;
use tower::{Service, ServiceExt as _};

use crate::config::Limits;
use pace::{Paced, Pacer};
pub use tls::{Tls, TlsFiles};
use words::Worded;

/// How long a connection may wait for its next request: beyond the usual polling of clients.
const IDLE: Duration = Duration::from_secs(75);
/// The pause after the system refused a connection, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a node adds to the headers of a request that it passes on, in bytes and in number.
const PASSED_ON_BYTES: usize = 4_096;
const PASSED_ON_HEADERS: usize = 8;
/// Who passed it on asks elsewhere once this node has left.
const PASSED_ON_DRAIN: Duration = Duration::from_secs(2);
/// hyper takes no smaller buffer.
const SMALLEST_BUFFER: usize = 8_192;

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// Connections at once.
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// All headers of a request together, in bytes.
    pub head_bytes: usize,
    /// How many headers a request may have.
    pub headers: usize,
    /// How long the headers of a request may take, from the connection's or their first byte.
    pub head_time: Duration,
    /// How long a connection may wait for its next request.
    pub idle: Duration,
    /// How long running requests may take to finish after `shutdown`.
    pub drain: Duration,
}

impl From<&Limits> for ServeLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            connections: limits.connections,
            handshake: Duration::from_secs(limits.tls_handshake_seconds as u64),
            head_bytes: limits.request_head_bytes,
            headers: limits.request_headers,
            head_time: Duration::from_secs(limits.request_head_seconds as u64),
            idle: IDLE,
            drain: Duration::from_secs(limits.shutdown_seconds as u64),
        }
    }
}

impl ServeLimits {
    /// For requests that another node passes on, which bear more than the client's did, and are not
    /// waited for at the end.
    #[must_use]
    pub const fn roomier(self) -> Self {
        Self {
            head_bytes: self.head_bytes + PASSED_ON_BYTES,
            headers: self.headers + PASSED_ON_HEADERS,
            drain: PASSED_ON_DRAIN,
            ..self
        }
    }
}

/// Where a request came from: in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A listener, and the TLS that its connections begin with, if any.
#[derive(Debug)]
pub struct Door {
    /// The listener.
    pub listener: TcpListener,
    /// `None` for plain HTTP.
    pub tls: Option<Tls>,
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// Serves a [`Door`], or a listener without TLS, until `shutdown`, then drains.
///
/// # Errors
/// When the listener's own address cannot be read any more.
pub async fn serve<S, B>(
    door: impl Into<Door>,
    service: S,
    limits: ServeLimits,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Door { listener, tls } = door.into();
    let room = Arc::new(Semaphore::new(limits.connections));
    let tasks = TaskTracker::new();
    let abort = CancellationToken::new();
    let mut refused = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => {
                refused = false;
                accepted
            }
            Err(error) => {
                // Said once: it goes on for as long as there are no file descriptors.
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%error, "connections cannot be accepted; tried again");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (shutdown, abort) = (shutdown.clone(), abort.clone());
        let service = MapRequest::new(service.clone(), move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        });
        let tls = tls.clone();
        tasks.spawn(async move {
            let served = async {
                match tls {
                    None => connection(stream, service, limits, shutdown).await,
                    Some(tls) => secured(&tls, stream, service, limits, shutdown).await,
                }
            };
            tokio::select! {
                () = served => {}
                () = abort.cancelled() => {}
            }
            drop(permit);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.drain, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "requests that did not finish in time are cut");
        abort.cancel();
        tasks.wait().await;
    }
    Ok(())
}

type Permit = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, Permit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    // Answers are small and must not wait for a segment to fill. It fails on a connection that is
    // closed already, which is no reason to keep the others waiting.
    let _ = stream.set_nodelay(true);
    Ok((stream, Peer(from), permit))
}

/// A connection that begins with a handshake. It has answered nothing yet, so that a stop does not
/// wait for it.
async fn secured<S, B>(
    tls: &Tls,
    stream: TcpStream,
    service: S,
    limits: ServeLimits,
    shutdown: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let handshake = tokio::time::timeout(limits.handshake, tls.handshake(stream));
    let shaken = tokio::select! {
        shaken = handshake => shaken,
        () = shutdown.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => connection(stream, service, limits, shutdown).await,
        // Whoever knocks without TLS, or does not trust the certificate: everyday on a public port.
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn connection<T, S, B>(
    stream: T,
    service: S,
    limits: ServeLimits,
    shutdown: CancellationToken,
) where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let pacer = Pacer::new();
    let paced = service_fn(|request| {
        let busy = pacer.busy();
        let answer = service.clone().oneshot(request);
        async move { answer.await.map(|response| response.map(|body| busy.until_sent(body))) }
    });
    let paced_stream = Paced::new(stream, pacer.clone());
    let stream = Worded::new(paced_stream, pacer.clone(), limits);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(SMALLEST_BUFFER))
        .serve_connection(TokioIo::new(stream), paced);
    let mut connection = std::pin::pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            // How a client's connection ends is its own affair.
            _ = connection.as_mut() => return,
            () = pacer.too_slow(limits.head_time) => return,
            () = shutdown.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
