//! A fixed number of connections, each made when it is first needed and again when it is of no use
//! any more.
//!
//! Promised: connecting and every request have a time limit. Requests of many chats share a
//! connection; the server answers them one after the other. A connection on which a request was
//! not answered in time is given up, for what is asked behind it would wait as long; all are given
//! up when the server takes no writes any more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Error};

use super::super::StoreError;
use super::failed;
use super::servers::{Connected, Servers, Unreached};
use super::statements::Statements;

/// Connections to the server: as many commits can share one flush of its log.
pub(super) const CONNECTIONS: usize = 8;
/// The longest wait for the answer to a request.
pub(super) const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait for the answer to a beat: shorter than a node waits for it, so that a
/// connection that answers nothing is given up and not only the beat.
pub(super) const BEAT_WAIT: Duration = Duration::from_millis(1_250);
/// Where the tables are.
pub(super) const SCHEMA: &str = "liveagent_bridge";

/// The connections.
pub(super) struct Pool {
    servers: Arc<Servers>,
    slots: Vec<Mutex<Option<Arc<Session>>>>,
    next: AtomicUsize,
    /// The longest wait for an answer.
    wait: Duration,
}

/// One connection and its prepared statements.
pub(super) struct Session {
    connected: Connected,
    /// A request was not answered in time.
    stuck: AtomicBool,
    pub(super) sql: Statements,
}

impl Session {
    pub(super) const fn client(&self) -> &Client {
        &self.connected.client
    }
}

impl Pool {
    /// Connects to nothing yet.
    pub(super) fn new(servers: Arc<Servers>, connections: usize, wait: Duration) -> Self {
        let slots = (0..connections).map(|_| Mutex::default()).collect();
        Self { servers, slots, next: AtomicUsize::new(0), wait }
    }

    /// A connection that was alive a moment ago.
    pub(super) async fn session(&self) -> Result<Arc<Session>, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let Some(slot) = self.slots.get(turn) else { return Err(StoreError::Stopped) };
        let mut slot = slot.lock().await;
        if let Some(session) = slot.as_ref().filter(|session| self.is_of_use(session)) {
            return Ok(session.clone());
        }
        // Nobody waits for this one's answers any longer than they would anyway.
        *slot = None;
        let connected = self.connect().await?;
        let sql = in_time(Statements::prepare(&connected.client)).await?;
        let session = Arc::new(Session { connected, stuck: AtomicBool::new(false), sql });
        *slot = Some(session.clone());
        Ok(session)
    }

    /// A new connection, without statements.
    pub(super) async fn connect(&self) -> Result<Connected, Unreached> {
        self.servers.connect().await
    }

    fn is_of_use(&self, session: &Session) -> bool {
        !session.stuck.load(Ordering::Relaxed) && self.servers.is_current(&session.connected)
    }

    /// Waits for the answer to a request of a session, and draws the consequences when there is
    /// none, or one that only a replica gives.
    pub(super) async fn ask<T>(
        &self,
        session: &Session,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let Ok(answer) = tokio::time::timeout(self.wait, asked).await else {
            session.stuck.store(true, Ordering::Relaxed);
            self.servers.doubt(&session.connected, self.wait);
            return Err(late(self.wait));
        };
        answer.map_err(|error| {
            let error = failed(&error);
            if matches!(error, StoreError::ReadOnly) {
                self.servers.leave(&session.connected);
            }
            error
        })
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn in_time<T>(
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(REQUEST_WAIT, asked).await {
        Ok(answer) => answer.map_err(|error| failed(&error)),
        Err(_) => Err(late(REQUEST_WAIT)),
    }
}

fn late(waited: Duration) -> StoreError {
    let detail = format!("PostgreSQL did not answer within {} s", waited.as_secs_f32());
    StoreError::Engine { detail }
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
