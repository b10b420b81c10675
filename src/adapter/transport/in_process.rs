//! A transport without sockets: routers of this process, called directly by host.
//!
//! Promised: time can be simulated, for nothing waits on the operating system; a host without a
//! router is an error that says the request was not sent. For tests and the demo.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use tower::ServiceExt as _;

use super::{Transport, TransportError};

/// Routers by host, as in `scrt.example.test` or `127.0.0.1:8080`.
#[derive(Debug, Default)]
pub struct InProcess {
    routers: RwLock<HashMap<String, Router>>,
}

impl InProcess {
    /// No hosts yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a host up, in place of any earlier router.
    pub fn put(&self, host: &str, router: Router) {
        let mut routers = self.routers.write().unwrap_or_else(PoisonError::into_inner);
        routers.insert(host.to_ascii_lowercase(), router);
    }

    /// Takes a host down; requests that run go on.
    pub fn remove(&self, host: &str) {
        let mut routers = self.routers.write().unwrap_or_else(PoisonError::into_inner);
        routers.remove(&host.to_ascii_lowercase());
    }

    fn router(&self, uri: &Uri) -> Option<Router> {
        let host = uri.authority()?.as_str().to_ascii_lowercase();
        let routers = self.routers.read().unwrap_or_else(PoisonError::into_inner);
        routers.get(&host).cloned()
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let (mut parts, body) = request.into_parts();
        let host = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
        let Some(router) = self.router(&parts.uri) else {
            return Err(TransportError {
                sent: false,
                cause: format!("nothing answers at {host}"),
            });
        };
        if let Ok(host) = HeaderValue::from_str(&host) {
            parts.headers.insert(header::HOST, host);
        }
        // A server sees path and query only.
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse().map_err(|_| TransportError {
            sent: false,
            cause: "the path is not valid".to_owned(),
        })?;
        let asked = router.oneshot(Request::from_parts(parts, Body::from(body)));
        match tokio::time::timeout(within, asked).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(_) => Err(TransportError {
                sent: true,
                cause: format!("{host} did not answer within {} s", within.as_secs()),
            }),
        }
    }
}
