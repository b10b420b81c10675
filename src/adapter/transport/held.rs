//! Requests that are held or streamed, by hyper itself: HTTP/1.1 connections that they share with
//! nobody, and not a header that was not given. (reqwest always adds `Accept`, which a relay must
//! not.)
//!
//! Promised: the same proxy, authorities and time-outs as the other client's.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;
use tower::Service;

use super::names::Names;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The client.
#[derive(Clone)]
pub(super) struct Held {
    client: Client<Connector, Full<Bytes>>,
    proxy: Option<Arc<Matcher>>,
}

/// What the client is made of.
pub(super) struct Settings<'a> {
    pub(super) proxy: Option<&'a str>,
    pub(super) no_proxy: String,
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) connect: Duration,
    pub(super) idle: Duration,
    pub(super) names: Names,
}

impl Held {
    pub(super) fn new(settings: Settings<'_>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier::new_with_extra_roots(settings.authorities, provider.clone())?;
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut tls = tls.with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let proxy = settings.proxy.map(|proxy| {
            Arc::new(Matcher::builder().all(proxy).no(settings.no_proxy.as_str()).build())
        });
        let mut http = HttpConnector::new_with_resolver(settings.names);
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector =
            Connector { http, tls: Arc::new(tls), proxy: proxy.clone(), within: settings.connect };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle)
            .build(connector);
        Ok(Self { client, proxy })
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        let mut request = request.map(Full::new);
        // Within a tunnel the proxy is told once, at its beginning.
        if request.uri().scheme() == Some(&Scheme::HTTP)
            && let Some(proxy) = self.proxy.as_ref().and_then(|p| p.intercept(request.uri()))
            && let Some(password) = proxy.basic_auth()
        {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, password.clone());
        }
        self.client.request(request).await
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The proxy's address may hold a password.
        f.debug_struct("Held").field("proxy", &self.proxy.is_some()).finish_non_exhaustive()
    }
}

/// Connects, through the proxy where it is asked to.
#[derive(Clone)]
struct Connector {
    http: HttpConnector<Names>,
    tls: Arc<ClientConfig>,
    proxy: Option<Arc<Matcher>>,
    within: Duration,
}

impl Connector {
    async fn connect(self, to: Uri) -> Result<Conn, AnyError> {
        let mut direct = HttpsConnector::from((self.http, self.tls.clone()));
        let Some(proxy) = self.proxy.and_then(|proxy| proxy.intercept(&to)) else {
            return Ok(Conn::new(direct.call(to).await?, false));
        };
        if to.scheme() == Some(&Scheme::HTTP) {
            return Ok(Conn::new(direct.call(proxy.uri().clone()).await?, true));
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
        if let Some(password) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(password.clone());
        }
        let through = HttpsConnector::from((tunnel, self.tls)).call(to).await?;
        Ok(Conn::new(through, false))
    }
}

impl Service<Uri> for Connector {
    type Response = Conn;
    type Error = AnyError;
    type Future = Pin<Box<dyn Future<Output = Result<Conn, AnyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let within = connector.within;
            match tokio::time::timeout(within, connector.connect(to)).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection of whatever layers.
struct Conn {
    stream: Pin<Box<dyn Stream>>,
    /// Whether requests on it name the whole address.
    whole: bool,
}

impl Conn {
    fn new(stream: impl Stream + 'static, whole: bool) -> Self {
        Self { stream: Box::pin(stream), whole }
    }
}

impl Connection for Conn {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.whole)
    }
}

impl Read for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl Write for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, bufs)
    }
}
