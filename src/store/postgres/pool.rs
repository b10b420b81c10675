//! A fixed number of connections, each made when it is first needed and again when it broke.
//!
//! Promised: connecting and every request have a time limit. Requests of many chats share a
//! connection; the server answers them one after the other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, Error};

use super::super::StoreError;
use super::open::OpenError;
use super::statements::Statements;
use super::{failed, tls};

/// Connections to the server: as many commits can share one flush of its log.
pub(super) const CONNECTIONS: usize = 8;
/// The longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest wait for the answer to a request.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Where the tables are.
pub(super) const SCHEMA: &str = "liveagent_bridge";

/// The connections.
pub(super) struct Pool {
    config: Config,
    tls: tls::Connector,
    slots: Vec<Mutex<Option<Arc<Session>>>>,
    next: AtomicUsize,
}

/// One connection and its prepared statements.
pub(super) struct Session {
    client: Client,
    pub(super) sql: Statements,
}

impl Session {
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }
}

impl Pool {
    /// Reads the address; connects to nothing yet.
    pub(super) fn new(url: &str, connections: usize) -> Result<Self, OpenError> {
        let mut config: Config =
            url.parse().map_err(|error: Error| OpenError::Address { what: chain(&error) })?;
        config.connect_timeout(CONNECT_WAIT).tcp_user_timeout(REQUEST_WAIT);
        if config.get_application_name().is_none() {
            config.application_name("liveagent-bridge");
        }
        let slots = (0..connections).map(|_| Mutex::default()).collect();
        Ok(Self { config, tls: tls::Connector::new()?, slots, next: AtomicUsize::new(0) })
    }

    /// The same server, with connections of its own.
    pub(super) fn another(&self) -> Self {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let slots = self.slots.iter().map(|_| Mutex::default()).collect();
        Self { config, tls, slots, next: AtomicUsize::new(0) }
    }

    /// A connection that was alive a moment ago.
    pub(super) async fn session(&self) -> Result<Arc<Session>, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let Some(slot) = self.slots.get(turn) else { return Err(StoreError::Stopped) };
        let mut slot = slot.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| !session.client.is_closed()) {
            return Ok(session.clone());
        }
        let client = self.connect().await?;
        let sql = self.in_time(Statements::prepare(&client)).await?;
        let session = Arc::new(Session { client, sql });
        *slot = Some(session.clone());
        Ok(session)
    }

    /// A new connection, without statements.
    pub(super) async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, connection) = self.in_time(connecting).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!("a connection to PostgreSQL ended: {}", chain(&error));
            }
        });
        let search = format!("SET search_path = {SCHEMA}");
        self.in_time(client.batch_execute(&search)).await?;
        Ok(client)
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn in_time<T>(
        &self,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(REQUEST_WAIT, asked).await {
            Ok(answer) => answer.map_err(|error| failed(&error)),
            Err(_) => Err(StoreError::Engine {
                detail: format!("PostgreSQL did not answer within {} s", REQUEST_WAIT.as_secs()),
            }),
        }
    }
}

/// An error with its causes. None of them holds the password.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connections", &self.slots.len()).finish_non_exhaustive()
    }
}
