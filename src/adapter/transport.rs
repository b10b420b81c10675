//! How the bridge reaches Salesforce: one method over HTTP messages.
//!
//! Promised: an error says whether the request can have arrived. In production this is reqwest and
//! hyper, with redirects and decompression off and no proxy but the configured one; in tests a
//! router is called directly, without sockets, so that time can be simulated.

mod held;
pub mod in_process;
pub mod names;
pub mod reqwest;

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};

/// A way to send a request.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request; the answer's body is streamed. `within` bounds the wait for the head of
    /// the answer.
    ///
    /// # Errors
    /// When no answer came; [`TransportError::sent`] tells whether the request may have arrived.
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError>;
}

/// A request extension: the answer may be held or streamed for long, so it must not share a
/// connection with others. On HTTP/2, a hundred held requests keep the next one waiting.
#[derive(Clone, Copy, Debug)]
pub struct LongLived;

/// Why no answer came. The text names hosts and causes, never contents.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct TransportError {
    /// Whether the request may have reached the server.
    pub sent: bool,
    /// What went wrong.
    pub cause: String,
}
