//! The servers of the address, of which one takes writes, and which of them it is now.
//!
//! Promised: a connection is made to a server that takes writes, wherever it stands in the list,
//! each server tried for a bounded time; the next connection is first tried where the last one was
//! made. A server whose history was left behind, an old primary that came back after a replica was
//! promoted, is not used again by this process, nor by one that finds both at its start.
//!
//! Not promised: that an old primary which still takes writes from others loses them, or that two
//! processes which each reach another half of the network agree. Whoever promotes a replica stops
//! the old primary first.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::sync::Semaphore;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::StoreError;
use super::address::Server;
use super::open::OpenError;
use super::pool::{REQUEST_WAIT, SCHEMA, Waits, chain};
use super::{failed, tls};

/// The longest attempt at one server: connection, TLS, password and all.
pub(super) const SERVER_WAIT: Duration = Duration::from_secs(5);

/// How soon the server notices that this machine is gone, and lets go of what it holds for it:
/// after a quarter of a minute instead of two hours.
const NOTICE: &str = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 5";
/// What was answered is on the server's disk, whatever its or the role's default says; more than
/// that (a replica) is left as it is.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'";
/// Connections at once, those included that were given up and whose server has not answered yet:
/// it keeps them, and others need some too.
const OPEN_MAX: usize = 30;

/// The servers.
pub(super) struct Servers {
    each: Vec<Server>,
    tls: tls::Connector,
    /// Where the next connection is tried first.
    first: AtomicUsize,
    /// Goes up when the connections made so far are of no use any more.
    term: AtomicU64,
    history: Mutex<Option<History>>,
    open: Arc<Semaphore>,
}

/// A connection, and what it is known by.
pub(super) struct Connected {
    pub(super) client: Client,
    server: usize,
    term: u64,
}

/// Which data a server has: those of one `initdb`, and how often a replica of them was promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct History {
    system: u64,
    timeline: u32,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct Unreached {
    error: StoreError,
    /// The words say what to do about TLS.
    tls: bool,
}

impl From<Unreached> for StoreError {
    fn from(unreached: Unreached) -> Self {
        unreached.error
    }
}

impl From<Unreached> for OpenError {
    fn from(unreached: Unreached) -> Self {
        match unreached.error {
            StoreError::Engine { detail } if unreached.tls => Self::Tls(detail),
            error => Self::Server(error),
        }
    }
}

/// An attempt at one server: unless it is kept, also when nobody waits for it any more, the next
/// one begins with the next server.
struct Attempt<'a> {
    servers: &'a Servers,
    server: usize,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.servers.pass_over(self.server);
    }
}

impl Servers {
    pub(super) fn new(each: Vec<Server>, tls: tls::Connector) -> Self {
        let (first, term) = (AtomicUsize::new(0), AtomicU64::new(0));
        let open = Arc::new(Semaphore::new(OPEN_MAX));
        Self { each, tls, first, term, history: Mutex::default(), open }
    }

    /// Looks at every server once, so that the first connection is not made to one that was left
    /// behind. One that does not answer is not waited for.
    pub(super) async fn survey(&self) {
        if self.each.len() > 1 {
            let waits = Waits::REQUESTS;
            join_all((0..self.each.len()).map(|server| self.attempt(server, waits))).await;
        }
    }

    /// Connects to the server that takes writes.
    pub(super) async fn connect(&self) -> Result<Connected, Unreached> {
        self.connect_within(Waits::REQUESTS).await
    }

    /// The same, where each server is given so long.
    pub(super) async fn connect_within(&self, waits: Waits) -> Result<Connected, Unreached> {
        let (count, first) = (self.each.len(), self.first.load(Ordering::Relaxed));
        let mut failures = Vec::new();
        for server in (first..first + count).map(|turn| turn % count) {
            let attempt = Attempt { servers: self, server };
            match self.attempt(server, waits).await {
                Ok(connected) => {
                    std::mem::forget(attempt);
                    self.first.store(server, Ordering::Relaxed);
                    return Ok(connected);
                }
                Err(unreached) => failures.push((server, unreached)),
            }
        }
        Err(self.altogether(failures))
    }

    /// Whether a connection may still be used.
    pub(super) fn is_current(&self, connected: &Connected) -> bool {
        !connected.client.is_closed() && connected.term == self.term.load(Ordering::Relaxed)
    }

    /// The server of this connection takes no writes any more: no connection to it is used again.
    pub(super) fn leave(&self, connected: &Connected) {
        if self.end_term(connected) {
            tracing::warn!(
                "PostgreSQL takes no writes any more; the server that does is looked for"
            );
        }
        self.pass_over(connected.server);
    }

    /// The server of this connection did not answer: others are tried before it, and where there
    /// are others and the wait was long, nobody waits for it on another connection.
    pub(super) fn doubt(&self, connected: &Connected, waited: Duration) {
        if self.each.len() > 1 && waited >= REQUEST_WAIT && self.end_term(connected) {
            tracing::warn!("PostgreSQL does not answer; another server is looked for");
        }
        self.pass_over(connected.server);
    }

    /// Whether it was this connection's term, and not over already.
    fn end_term(&self, connected: &Connected) -> bool {
        let (term, next) = (connected.term, connected.term + 1);
        self.term.compare_exchange(term, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn pass_over(&self, server: usize) {
        let next = (server + 1) % self.each.len();
        // Unless another one was found meanwhile.
        let _ = self.first.compare_exchange(server, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    async fn attempt(&self, server: usize, waits: Waits) -> Result<Connected, Unreached> {
        let wait = waits.server;
        let term = self.term.load(Ordering::Relaxed);
        let Some(at) = self.each.get(server) else { return Err(StoreError::Stopped.into()) };
        let Ok(open) = self.open.clone().try_acquire_owned() else {
            let detail = format!("{OPEN_MAX} connections to PostgreSQL wait for its answers");
            return Err(StoreError::Engine { detail }.into());
        };
        let connecting = async {
            let (client, connection) = at.config.connect(self.tls.clone()).await?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::warn!("a connection to PostgreSQL ended: {}", chain(&error));
                }
                drop(open);
            });
            // On their way together: the server may be far. What waits for a row for longer than
            // anybody waits for it must not be done after all.
            let lock = waits.lock().as_millis();
            let set = format!(
                "SET search_path = {SCHEMA}; {NOTICE}; {DURABLE}; SET lock_timeout = {lock}"
            );
            let (set, history) = join(client.batch_execute(&set), history(&client)).await;
            set?;
            Ok::<_, tokio_postgres::Error>((client, history))
        };
        let (client, history) = match tokio::time::timeout(wait, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(unreached(&error, &at.host)),
            Err(_) => {
                let waited = wait.as_secs_f32();
                let detail = format!("PostgreSQL did not answer within {waited} s");
                return Err(StoreError::Engine { detail }.into());
            }
        };
        let term = history.map_or(Ok(term), |history| self.follow(history, term))?;
        Ok(Connected { client, server, term })
    }

    /// Takes a server's history for the one that holds; answers the term in which it does.
    fn follow(&self, found: History, term: u64) -> Result<u64, StoreError> {
        let mut known = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        match known.replace(found) {
            Some(before) if before.system != found.system || before.timeline < found.timeline => {
                tracing::warn!(
                    from = before.timeline,
                    to = found.timeline,
                    "PostgreSQL was failed over; connections to the server before are given up"
                );
                Ok(self.term.fetch_add(1, Ordering::Relaxed) + 1)
            }
            Some(before) if before.timeline > found.timeline => {
                *known = Some(before);
                Err(StoreError::Engine {
                    detail: format!(
                        "this PostgreSQL server was left behind: it is on timeline {}, and a \
                         replica of it was promoted to {}; stop it and make it a replica",
                        found.timeline, before.timeline
                    ),
                })
            }
            _ => Ok(term),
        }
    }

    /// One error for all servers.
    fn altogether(&self, mut failures: Vec<(usize, Unreached)>) -> Unreached {
        if failures.len() == 1
            && let Some((_, only)) = failures.pop()
        {
            return only;
        }
        let tls = failures.iter().all(|(_, unreached)| unreached.tls);
        let each = failures.iter().filter_map(|(server, unreached)| {
            let name = &self.each.get(*server)?.name;
            Some(match &unreached.error {
                StoreError::Engine { detail } => format!("{name}: {detail}"),
                error => format!("{name}: {error}"),
            })
        });
        let detail = each.collect::<Vec<_>>().join("; ");
        Unreached { error: StoreError::Engine { detail }, tls }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("count", &self.each.len()).finish_non_exhaustive()
    }
}

impl From<StoreError> for Unreached {
    fn from(error: StoreError) -> Self {
        Self { error, tls: false }
    }
}

fn unreached(error: &tokio_postgres::Error, host: &str) -> Unreached {
    if let Some(detail) = tls::explain(error, host) {
        return Unreached { error: StoreError::Engine { detail }, tls: true };
    }
    if chain(error).contains("does not allow writes") {
        let detail = "PostgreSQL takes no writes there: it is a replica, or was set read-only";
        return StoreError::Engine { detail: detail.to_owned() }.into();
    }
    failed(error).into()
}

/// What a server says of its history; `None` where it may not be asked.
async fn history(client: &Client) -> Option<History> {
    let sql = "SELECT (SELECT system_identifier FROM pg_control_system()),
        pg_walfile_name(pg_current_wal_lsn())";
    let rows = client.simple_query(sql).await.ok()?;
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })?;
    let system = row.get(0)?.parse().ok()?;
    // A file of the log is named by its timeline first.
    let timeline = u32::from_str_radix(row.get(1)?.get(..8)?, 16).ok()?;
    Some(History { system, timeline })
}

#[cfg(test)]
mod tests {
    use super::{History, Servers};
    use crate::store::postgres::{address, tls};

    fn servers() -> Servers {
        let each = address::read("postgres://u@a,b,c/db").unwrap();
        Servers::new(each, tls::Connector::new(None).unwrap())
    }

    #[test]
    fn a_promoted_replica_is_followed_and_its_old_primary_is_not() {
        let servers = servers();
        let at = |system, timeline| History { system, timeline };
        assert_eq!(servers.follow(at(7, 1), 0).unwrap(), 0);
        assert_eq!(servers.follow(at(7, 1), 0).unwrap(), 0);
        assert_eq!(servers.follow(at(7, 2), 0).unwrap(), 1, "what was connected before goes");
        let error = servers.follow(at(7, 1), 1).unwrap_err().to_string();
        assert!(error.contains("left behind") && error.contains("timeline 1"), "{error}");
        assert_eq!(servers.follow(at(7, 2), 1).unwrap(), 1);
        assert_eq!(servers.follow(at(8, 1), 1).unwrap(), 2, "another database altogether");
    }

    #[test]
    fn who_was_passed_over_is_tried_last_unless_another_one_was_found() {
        let servers = servers();
        let first = || servers.first.load(std::sync::atomic::Ordering::Relaxed);
        servers.pass_over(0);
        assert_eq!(first(), 1);
        servers.pass_over(0);
        assert_eq!(first(), 1);
        servers.pass_over(1);
        servers.pass_over(2);
        assert_eq!(first(), 0);
    }
}
