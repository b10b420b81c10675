//! The one thread that touches the database.
//!
//! Promised: requests run in the order they were queued; whatever is queued at one moment shares
//! one transaction and so one fsync (group commit, no artificial wait); each request has its own
//! savepoint, so one that is refused does not harm the others; nobody is answered before the
//! transaction is on disk; what was forgotten is out of the log as well when the next request runs.
//! Dropping the [`Writer`] lets the queue run dry, then closes the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::super::StoreError;
use super::rows::failed;

/// How many requests may wait; more callers wait for a place.
const QUEUE_REQUESTS: usize = 256;
/// How many requests share one transaction at the most.
const GROUP_REQUESTS: usize = 64;
/// Pages in the log from which an idle writer moves them into the database (4 MiB).
const CHECKPOINT_IDLE_PAGES: i64 = 1_000;
/// Pages in the log from which a busy one does too (64 MiB).
const CHECKPOINT_FORCED_PAGES: i64 = 16_000;

/// What a request does, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is written.
    Read,
    /// Something is written, and counted.
    Write,
    /// The same, and what was overwritten must not stay in the log.
    Forget,
    /// Readiness: written, not counted.
    Probe,
}

/// Since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Transactions with at least one successful write.
    pub transactions: u64,
    /// Successful writes in them. Readiness probes are not counted.
    pub requests: u64,
}

#[derive(Debug, Default)]
struct Counters {
    transactions: AtomicU64,
    requests: AtomicU64,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Box<dyn Request>>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Hands the connection to a new thread.
    pub(super) fn start(db: Connection) -> std::io::Result<Self> {
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS);
        let counters = Arc::new(Counters::default());
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn({
            let counters = Arc::clone(&counters);
            move || run(&db, requests, &counters)
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counters })
    }

    /// Runs `work` in the thread; answers once its transaction is on disk.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        kind: Kind,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request = Typed { kind, work: Some(work), outcome: None, reply };
        let queue = self.queue.as_ref().ok_or(StoreError::Stopped)?;
        queue.send(Box::new(request)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.unwrap_or(Err(StoreError::Stopped))
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            transactions: self.counters.transactions.load(Ordering::Relaxed),
            requests: self.counters.requests.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer thread has panicked");
        }
    }
}

/// A request of any type of answer.
trait Request: Send {
    fn kind(&self) -> Kind;
    /// Does the work and keeps the outcome.
    fn run(&mut self, db: &Connection) -> Result<(), StoreError>;
    /// Tells the caller: the outcome, or what befell the whole group.
    fn answer(self: Box<Self>, group: Result<(), StoreError>);
}

struct Typed<T, F> {
    kind: Kind,
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Request for Typed<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, db: &Connection) -> Result<(), StoreError> {
        let outcome = self.work.take().map_or(Err(StoreError::Stopped), |work| work(db));
        let told = outcome.as_ref().map(drop).map_err(Clone::clone);
        self.outcome = Some(outcome);
        told
    }

    fn answer(self: Box<Self>, group: Result<(), StoreError>) {
        let own = self.outcome.unwrap_or(Err(StoreError::Stopped));
        // Nobody listens when the caller's future was dropped.
        let _ = self.reply.send(group.and(own));
    }
}

fn run(db: &Connection, mut queue: mpsc::Receiver<Box<dyn Request>>, counters: &Counters) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_REQUESTS
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let result = transact(db, &mut group);
        if let Ok(written @ 1..) = result {
            counters.transactions.fetch_add(1, Ordering::Relaxed);
            counters.requests.fetch_add(written, Ordering::Relaxed);
        }
        let forgets = group.iter().any(|request| request.kind() == Kind::Forget);
        let forgot = forgets && matches!(result, Ok(1..));
        let result = result.map(drop);
        for request in group {
            request.answer(result.clone());
        }
        checkpoint(db, queue.is_empty(), forgot);
    }
}

/// Runs the group in one transaction; answers how many writes succeeded. On an error nothing of
/// the group is stored, whatever its requests have heard so far.
fn transact(db: &Connection, group: &mut [Box<dyn Request>]) -> Result<u64, StoreError> {
    let result = execute(db, "BEGIN").and_then(|()| {
        let mut written = 0;
        for request in group {
            written += u64::from(run_alone(db, request.as_mut())?);
        }
        execute(db, "COMMIT").map(|()| written)
    });
    if let Err(error) = &result {
        if !db.is_autocommit()
            && let Err(stuck) = execute(db, "ROLLBACK")
        {
            tracing::error!(%stuck, "the store could not roll back");
        }
        tracing::warn!(%error, "a group of store requests failed");
    }
    result
}

/// Runs one request in its savepoint; answers whether it is a counted write that succeeded. An
/// error means that the whole transaction is lost.
fn run_alone(db: &Connection, request: &mut dyn Request) -> Result<bool, StoreError> {
    let writes = request.kind() != Kind::Read;
    if writes {
        execute(db, "SAVEPOINT request")?;
    }
    let outcome = request.run(db);
    if let Err(error) = &outcome {
        // After some errors (disk, memory) SQLite has rolled back everything by itself.
        if db.is_autocommit() {
            return Err(error.clone());
        }
        if writes {
            execute(db, "ROLLBACK TO request")?;
        }
    }
    if writes {
        execute(db, "RELEASE request")?;
    }
    Ok(outcome.is_ok() && matches!(request.kind(), Kind::Write | Kind::Forget))
}

fn execute(db: &Connection, sql: &str) -> Result<(), StoreError> {
    db.prepare_cached(sql).and_then(|mut sql| sql.execute([])).map(drop).map_err(failed)
}

/// Moves the log into the database: after the answers, and when nobody waits if possible. Once
/// something was forgotten it is emptied too: else the pages as they were would stay in it until
/// others take their places.
fn checkpoint(db: &Connection, idle: bool, forgot: bool) {
    let pages = |mode: &str| -> rusqlite::Result<i64> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let waiting = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?);
        db.prepare_cached(&sql)?.query_row([], waiting)
    };
    let limit = if idle { CHECKPOINT_IDLE_PAGES } else { CHECKPOINT_FORCED_PAGES };
    let result = match forgot {
        true => pages("TRUNCATE"),
        false => pages("NOOP").and_then(|waiting| match waiting {
            few if few < limit => Ok(0),
            _ => pages("PASSIVE"),
        }),
    };
    // Nothing is lost: the log keeps what the database has not got, and the next one tries again.
    if let Err(error) = result {
        tracing::warn!(%error, "the store's log could not be moved into the database");
    }
}
