//! A fixed number of connections, each made when it is first needed and again when it is of no use
//! any more.
//!
//! Promised: getting a connection, connecting included, and every request have a time limit,
//! however many wait. A connection is made beside those who wait for it, once for all of them: who
//! gives up waiting does not undo what was reached. Requests of many chats share a connection; the
//! server answers them one after the other. A connection on which a request was not answered in
//! time is given up, for what is asked behind it would wait as long; all are given up when the
//! server takes no writes any more.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::{Client, Error};

use super::super::StoreError;
use super::failed;
use super::servers::{Connected, SERVER_WAIT, Servers};
use super::statements::Prepared;

/// Connections to the server: as many commits can share one flush of its log.
pub(super) const CONNECTIONS: usize = 8;
/// The longest wait for a connection, and then for the answer to a request.
pub(super) const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// The same for a beat: shorter than a node waits for it, so that a connection that answers nothing
/// is given up and not only the beat.
pub(super) const BEAT_WAIT: Duration = Duration::from_millis(1_250);
/// The pause of a connection that could not be made: a server that is full or recovering is not
/// asked by everybody as fast as they can.
const AGAIN: Duration = Duration::from_millis(100);
/// Where the tables are.
pub(super) const SCHEMA: &str = "liveagent_bridge";

/// How long a pool's requests wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// For a connection, and then for an answer.
    pub(super) request: Duration,
    /// For one server to take a new connection.
    pub(super) server: Duration,
}

impl Waits {
    /// Of chats.
    pub(super) const REQUESTS: Self = Self { request: REQUEST_WAIT, server: SERVER_WAIT };
    /// Of leases: a server that is silent is not waited for until the lease is long over.
    pub(super) const BEATS: Self =
        Self { request: BEAT_WAIT, server: Duration::from_millis(2_500) };

    /// For a row that somebody has, at the server: nobody waits for the answer any longer. A beat
    /// that was given up must not come to the lease after later ones.
    pub(super) fn lock(self) -> Duration {
        self.request.mul_f32(0.8)
    }
}

/// The connections, on which the statements `S` are prepared.
pub(super) struct Pool<S> {
    servers: Arc<Servers>,
    slots: Vec<Arc<Slot<S>>>,
    next: AtomicUsize,
    waits: Waits,
}

/// Where one connection is.
struct Slot<S>(Mutex<State<S>>);

enum State<S> {
    Empty,
    /// What becomes of it, once it is known.
    Making(watch::Receiver<Option<Made<S>>>),
    There(Arc<Session<S>>),
}

type Made<S> = Result<Arc<Session<S>>, StoreError>;

/// One connection and its prepared statements.
pub(super) struct Session<S> {
    connected: Connected,
    /// A request was not answered in time.
    stuck: AtomicBool,
    pub(super) sql: S,
}

impl<S> Session<S> {
    pub(super) const fn client(&self) -> &Client {
        &self.connected.client
    }
}

impl<S> Slot<S> {
    fn state(&self) -> MutexGuard<'_, State<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Prepared> Pool<S> {
    /// Connects to nothing yet.
    pub(super) fn new(servers: Arc<Servers>, connections: usize, waits: Waits) -> Self {
        let slots = (0..connections).map(|_| Arc::new(Slot(Mutex::new(State::Empty)))).collect();
        Self { servers, slots, next: AtomicUsize::new(0), waits }
    }

    /// A connection that was alive a moment ago.
    pub(super) async fn session(&self) -> Result<Arc<Session<S>>, StoreError> {
        self.session_within(self.waits.request).await
    }

    /// The same, with another wait than requests have.
    pub(super) async fn session_within(
        &self,
        wait: Duration,
    ) -> Result<Arc<Session<S>>, StoreError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let Some(slot) = self.slots.get(turn) else { return Err(StoreError::Stopped) };
        let mut made = {
            let mut state = slot.state();
            match &*state {
                State::There(session) if self.is_of_use(session) => return Ok(session.clone()),
                State::Making(made) => made.clone(),
                // Nobody waits for a useless one's answers any longer than they would anyway.
                State::There(_) | State::Empty => {
                    let made = self.make(slot.clone());
                    *state = State::Making(made.clone());
                    made
                }
            }
        };
        match tokio::time::timeout(wait, made.wait_for(Option::is_some)).await {
            Ok(Ok(made)) => made.clone().unwrap_or(Err(StoreError::Stopped)),
            // The task is gone with its runtime.
            Ok(Err(_)) => Err(StoreError::Stopped),
            Err(_) => {
                let waited = wait.as_secs_f32();
                let detail = format!("no connection to PostgreSQL within {waited} s");
                Err(StoreError::Engine { detail })
            }
        }
    }

    /// Makes the connection of a slot, whether or not somebody goes on waiting for it.
    fn make(&self, slot: Arc<Slot<S>>) -> watch::Receiver<Option<Made<S>>> {
        let (tell, made) = watch::channel(None);
        let (servers, waits) = (self.servers.clone(), self.waits);
        tokio::spawn(async move {
            let session = connect(&servers, waits).await;
            if let Ok(session) = &session {
                *slot.state() = State::There(session.clone());
            }
            let failed = session.is_err();
            tell.send_replace(Some(session));
            if failed {
                // Until then that is everybody's answer.
                tokio::time::sleep(AGAIN).await;
                *slot.state() = State::Empty;
            }
        });
        made
    }

    fn is_of_use(&self, session: &Session<S>) -> bool {
        !session.stuck.load(Ordering::Relaxed) && self.servers.is_current(&session.connected)
    }

    /// Waits for the answer to a request of a session, and draws the consequences when there is
    /// none, or one that only a replica gives.
    pub(super) async fn ask<T>(
        &self,
        session: &Session<S>,
        asked: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let wait = self.waits.request;
        let Ok(answer) = tokio::time::timeout(wait, asked).await else {
            session.stuck.store(true, Ordering::Relaxed);
            self.servers.doubt(&session.connected, wait);
            return Err(late(wait));
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

/// A new connection with its statements, all of which are asked for at once.
async fn connect<S: Prepared>(servers: &Servers, waits: Waits) -> Made<S> {
    let connected = servers.connect_within(waits).await?;
    let sql = in_time(S::prepare(&connected.client)).await?;
    Ok(Arc::new(Session { connected, stuck: AtomicBool::new(false), sql }))
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

pub(super) fn late(waited: Duration) -> StoreError {
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

impl<S> fmt::Debug for Pool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connections", &self.slots.len()).finish_non_exhaustive()
    }
}
