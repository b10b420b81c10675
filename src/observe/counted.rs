//! The store and the way out, counted: each does what the one inside does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use uuid::Uuid;

use super::metrics::Metrics;
use crate::adapter::transport::{Transport, TransportError};
use crate::clock::Clock;
use crate::store::{Change, Commit, Loaded, NewChat, Store, StoreError, Unfinished};
use crate::time::Wall;
use crate::wire::miaw;

/// Something, and where it is counted.
pub struct Counted<T: ?Sized> {
    metrics: Arc<Metrics>,
    clock: Clock,
    inner: Arc<T>,
}

impl<T: ?Sized> Counted<T> {
    /// Counts what goes through `inner`.
    pub fn new(inner: Arc<T>, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self { metrics, clock, inner }
    }
}

impl Counted<dyn Store> {
    async fn write<V>(
        &self,
        kind: &str,
        write: impl Future<Output = Result<V, StoreError>>,
    ) -> Result<V, StoreError> {
        let began = self.clock.now().mono;
        let outcome = write.await;
        self.metrics.store_time.observe(self.clock.now().mono.since(began));
        let word = match &outcome {
            Ok(_) => "ok",
            Err(StoreError::Conflict { .. } | StoreError::OutOfOrder { .. }) => "conflict",
            Err(StoreError::Fenced { .. }) => "fenced",
            Err(StoreError::Full) => "full",
            Err(_) => "failed",
        };
        self.metrics.store.add([kind, word]);
        outcome
    }
}

#[async_trait]
impl Store for Counted<dyn Store> {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        self.write("open", self.inner.open(chat, first)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.write("commit", self.inner.commit(commit)).await
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(chat).await
    }

    async fn take(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        self.inner.take(chat).await
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.inner.unfinished(after, limit).await
    }

    async fn unfinished_chats(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Unfinished>, StoreError> {
        self.inner.unfinished_chats(after, limit).await
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.inner.stored(after, limit).await
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        self.write("purge", self.inner.purge(ended_before)).await
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        self.write("erase", self.inner.erase(chat)).await
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.inner.changes_after(number, limit).await
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        self.write("change", self.inner.append_change(at, body, after)).await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.inner.writable().await
    }

    fn may_act(&self) -> bool {
        self.inner.may_act()
    }
}

#[async_trait]
impl Transport for Counted<dyn Transport> {
    async fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Body>, TransportError> {
        let (backend, operation) = named(request.method(), request.uri().path());
        let began = self.clock.now().mono;
        let outcome = self.inner.send(request, within).await;
        if backend == "miaw" && operation != "stream" {
            self.metrics.upstream_time.observe(self.clock.now().mono.since(began));
        }
        let word = match &outcome {
            Ok(response) => answered(response.status()),
            Err(error) if error.sent => "no_answer",
            Err(_) => "not_reached",
        };
        self.metrics.upstream.add([backend, operation, word]);
        outcome
    }
}

fn answered(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "throttled",
        401 | 403 => "denied",
        400..=499 => "refused",
        500.. => "failed",
        _ => "ok",
    }
}

/// Whose API a request is for, and which operation of it.
fn named(method: &Method, path: &str) -> (&'static str, &'static str) {
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.contains("/chat/rest/") {
        let operation = match last {
            "SessionId" => "session",
            "Messages" => "poll",
            "ChasitorInit" => "init",
            _ => "other",
        };
        return ("legacy", operation);
    }
    let operation = match last {
        "sse" => "stream",
        _ if !path.starts_with(miaw::BASE) => return ("other", "other"),
        _ if method == Method::DELETE && path.contains("/authorization/") => "revoke",
        "access-token" => "token",
        "message" => "message",
        "entry" => "entry",
        "entries" => "entries",
        "file" => "file",
        "conversation" => "create",
        _ if method == Method::DELETE => "close",
        _ => "status",
    };
    ("miaw", operation)
}
