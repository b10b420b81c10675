//! One bridge, or the nodes of one cluster, per database.
//!
//! Promised: a bridge that is meant to be alone finds out at its start that there is another one,
//! or a cluster, and a cluster's node that there is a bridge alone; what the server holds for a
//! process goes with its connection, so nothing is left behind by one that died. Not promised:
//! anything while the server is away; afterwards the lock is taken again, and who finds it taken
//! by somebody else says so. What the server still holds for this process's own connection from
//! before, whose end it did not see, it is told to let go.
//!
//! Beside the lock each process shows which key it seals with, so that nobody takes that key for
//! one that nobody needs any more.

use std::time::Duration;

use tokio_postgres::{Client, Error, Transaction};
use tokio_util::sync::CancellationToken;

use super::super::StoreError;
use super::PostgresStore;
use super::open::{self, OpenError};
use super::pool::{REQUEST_WAIT, in_time};
use super::servers::{Connected, Servers};

/// The advisory lock of whoever uses the database: "LABo" in ASCII.
const LOCK: i64 = 0x4C41_426F;
/// The first half of the lock that shows a key: "LABk" in ASCII.
const KEY_LOCK: i32 = 0x4C41_426B;
/// How long it is waited for an earlier connection to be closed.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked whether the lock is free.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the server is asked whether it lives and takes writes.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// How a database is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupancy {
    /// By this process and no other.
    Alone,
    /// By the nodes of one cluster.
    Cluster,
}

/// The right to use a database. Given up when dropped.
#[derive(Debug)]
pub struct Occupied {
    stop: CancellationToken,
    lost: CancellationToken,
}

impl Occupied {
    /// Cancelled when somebody else took the database, or took out its key, while the server was
    /// away: this process must stop.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl PostgresStore {
    /// Takes the database for this process, or joins the cluster that has it.
    ///
    /// # Errors
    /// [`OpenError::Taken`] when it is used in a way that excludes this one,
    /// [`OpenError::KeyRetired`] when one with another key ring was let in since it was opened.
    pub async fn occupy(&self, occupancy: Occupancy) -> Result<Occupied, OpenError> {
        let servers = self.servers.clone();
        let key = self.ring().sealing_id().to_owned();
        let held = take(&servers, occupancy, &key, None).await?;
        if occupancy == Occupancy::Cluster {
            // The first beat finds its connection made, however far the server is.
            self.leases.session_within(REQUEST_WAIT).await?;
        }
        let occupied = Occupied { stop: CancellationToken::new(), lost: CancellationToken::new() };
        let (stop, lost) = (occupied.stop.clone(), occupied.lost());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            keep(&servers, held, occupancy, &key).await;
            lost.cancel();
        }));
        Ok(occupied)
    }
}

/// The connection that the lock goes with, and how the server knows it.
struct Held {
    connected: Connected,
    process: i32,
    since: String,
}

/// Takes the lock. `before` is this process's own connection that had it.
///
/// # Errors
/// [`OpenError::Taken`] when somebody has it who does not go, [`OpenError::KeyRetired`] when others
/// took out the key that this process seals with.
async fn take(
    servers: &Servers,
    occupancy: Occupancy,
    key: &str,
    before: Option<&Held>,
) -> Result<Held, OpenError> {
    let mut connected = servers.connect().await?;
    if let Some(Held { process, since, .. }) = before {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid = $1 AND backend_start::text = $2";
        in_time(connected.client.execute(sql, &[process, since])).await?;
    }
    // First, so that nobody is seen with the other lock and without this one.
    let show = format!("SELECT pg_advisory_lock_shared({KEY_LOCK}, {})", shown(key));
    in_time(connected.client.batch_execute(&show)).await?;
    let shared = match occupancy {
        Occupancy::Alone => "",
        Occupancy::Cluster => "_shared",
    };
    let sql = format!(
        "SELECT pg_try_advisory_lock{shared}({LOCK}), pid, backend_start::text
        FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    );
    let mut wait = LOCK_WAIT;
    loop {
        let row = in_time(connected.client.query_one(&sql, &[])).await?;
        if row.get(0) {
            if !is_known(&mut connected.client, key).await? {
                return Err(OpenError::KeyRetired(key.to_owned()));
            }
            let (process, since) = (row.get(1), row.get(2));
            return Ok(Held { connected, process, since });
        }
        if wait.is_zero() {
            return Err(OpenError::Taken(occupancy));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        wait = wait.saturating_sub(LOOK_EVERY);
    }
}

/// Whether the database still knows the key, after whoever is just being let in.
async fn is_known(client: &mut Client, key: &str) -> Result<bool, StoreError> {
    let transaction = in_time(client.transaction()).await?;
    let lock = format!("SELECT pg_advisory_xact_lock({})", open::LOCK);
    in_time(transaction.batch_execute(&lock)).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM canary WHERE key_id = $1)";
    let row = in_time(transaction.query_one(sql, &[&key])).await?;
    in_time(transaction.commit()).await?;
    Ok(row.get(0))
}

/// Whether somebody who uses the database may be sealing with a key: one who shows it or shows
/// none, or a node with a lease whose connection is away.
pub(super) async fn may_seal_with(db: &Transaction<'_>, key: &str) -> Result<bool, Error> {
    let sql = format!(
        "WITH held AS (
            SELECT pid, classid::bigint AS class, objid::bigint AS object, objsubid FROM pg_locks
            WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),
        users AS (SELECT pid FROM held WHERE objsubid = 1 AND class = 0 AND object = {LOCK}),
        others AS (
            SELECT pid FROM held
            WHERE objsubid = 2 AND class = {KEY_LOCK} AND object <> {key})
        SELECT EXISTS (SELECT pid FROM users EXCEPT SELECT pid FROM others)
        OR (SELECT count(*) FROM users)
            < (SELECT count(*) FROM node WHERE expires_at > clock_timestamp())",
        key = shown(key)
    );
    Ok(db.query_one(&sql, &[]).await?.get(0))
}

/// The second half of the lock that shows a key (FNV-1a, without the sign bit): two keys with the
/// same one are taken for each other, and the older one then stays.
fn shown(key: &str) -> u32 {
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    key.bytes().fold(0x811C_9DC5, mix) >> 1
}

/// Whether the server of this connection is the one that takes writes.
async fn takes_writes(servers: &Servers, connected: &Connected) -> bool {
    let sql = "SELECT current_setting('transaction_read_only') = 'off'";
    let asked = in_time(connected.client.query_one(sql, &[])).await;
    asked.is_ok_and(|row| row.get(0)) && servers.is_current(connected)
}

/// Holds the lock, and takes it again after the server was away or another one took its place;
/// returns when somebody else has it.
async fn keep(servers: &Servers, mut held: Held, occupancy: Occupancy, key: &str) {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        if takes_writes(servers, &held.connected).await {
            continue;
        }
        match take(servers, occupancy, key, Some(&held)).await {
            Ok(again) => held = again,
            Err(error @ (OpenError::Taken(_) | OpenError::KeyRetired(_))) => {
                tracing::error!("{error}");
                return;
            }
            // Whether the server is away is told by those who need it.
            Err(_) => {}
        }
    }
}
