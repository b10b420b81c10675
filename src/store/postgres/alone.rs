//! One bridge, or the nodes of one cluster, per database.
//!
//! Promised: a bridge that is meant to be alone finds out at its start that there is another one,
//! or a cluster, and a cluster's node that there is a bridge alone; what the server holds for a
//! process goes with its connection, so nothing is left behind by one that died. Not promised:
//! anything while the server is away; afterwards the lock is taken again, and who finds it taken
//! by somebody else says so. What the server still holds for this process's own connection from
//! before, whose end it did not see, it is told to let go.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::super::StoreError;
use super::PostgresStore;
use super::open::OpenError;
use super::pool::{REQUEST_WAIT, in_time};
use super::servers::{Connected, Servers};

/// The advisory lock of whoever uses the database: "LABo" in ASCII.
const LOCK: i64 = 0x4C41_426F;
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
    /// Cancelled when somebody else took the database while the server was away: this process must
    /// stop.
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
    /// [`OpenError::Taken`] when it is used in a way that excludes this one.
    pub async fn occupy(&self, occupancy: Occupancy) -> Result<Occupied, OpenError> {
        let servers = self.servers.clone();
        let Some(held) = take(&servers, occupancy, None).await? else {
            return Err(OpenError::Taken(occupancy));
        };
        if occupancy == Occupancy::Cluster {
            // The first beat finds its connection made, however far the server is.
            self.leases.session_within(REQUEST_WAIT).await?;
        }
        let occupied = Occupied { stop: CancellationToken::new(), lost: CancellationToken::new() };
        let (stop, lost) = (occupied.stop.clone(), occupied.lost());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            keep(&servers, held, occupancy).await;
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

/// Takes the lock; `None` when somebody has it who does not go. `before` is this process's own
/// connection that had it.
async fn take(
    servers: &Servers,
    occupancy: Occupancy,
    before: Option<&Held>,
) -> Result<Option<Held>, StoreError> {
    let connected = servers.connect().await?;
    if let Some(Held { process, since, .. }) = before {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid = $1 AND backend_start::text = $2";
        in_time(connected.client.execute(sql, &[process, since])).await?;
    }
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
            let (process, since) = (row.get(1), row.get(2));
            return Ok(Some(Held { connected, process, since }));
        }
        if wait.is_zero() {
            return Ok(None);
        }
        tokio::time::sleep(LOOK_EVERY).await;
        wait = wait.saturating_sub(LOOK_EVERY);
    }
}

/// Whether the server of this connection is the one that takes writes.
async fn takes_writes(servers: &Servers, connected: &Connected) -> bool {
    let sql = "SELECT current_setting('transaction_read_only') = 'off'";
    let asked = in_time(connected.client.query_one(sql, &[])).await;
    asked.is_ok_and(|row| row.get(0)) && servers.is_current(connected)
}

/// Holds the lock, and takes it again after the server was away or another one took its place;
/// returns when somebody else has it.
async fn keep(servers: &Servers, mut held: Held, occupancy: Occupancy) {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        if takes_writes(servers, &held.connected).await {
            continue;
        }
        // Whether the server is away is told by those who need it.
        match take(servers, occupancy, Some(&held)).await {
            Ok(Some(again)) => held = again,
            Ok(None) => {
                tracing::error!("{}", OpenError::Taken(occupancy));
                return;
            }
            Err(_) => {}
        }
    }
}
