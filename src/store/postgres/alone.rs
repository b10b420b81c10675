//! One bridge, or the nodes of one cluster, per database.
//!
//! Promised: a bridge that is meant to be alone finds out at its start that there is another one,
//! or a cluster, and a cluster's node that there is a bridge alone; what the server holds for a
//! process goes with its connection, so nothing is left behind by one that died. Not promised:
//! anything while the server is away; afterwards the lock is taken again, and who finds it taken
//! says so.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use super::super::StoreError;
use super::PostgresStore;
use super::open::OpenError;
use super::pool::Pool;

/// The advisory lock of whoever uses the database: "LABo" in ASCII.
const LOCK: i64 = 0x4C41_426F;
/// How long a start waits for an earlier process's connection to be closed.
const START_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked whether the lock is free.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often the server is asked for a sign of life.
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
        let pool = self.leases.another();
        let mut wait = START_WAIT;
        let client = loop {
            let client = pool.connect().await?;
            if lock(&pool, &client, occupancy).await? {
                break client;
            }
            if wait.is_zero() {
                return Err(OpenError::Taken(occupancy));
            }
            tokio::time::sleep(LOOK_EVERY).await;
            wait = wait.saturating_sub(LOOK_EVERY);
        };
        let occupied = Occupied { stop: CancellationToken::new(), lost: CancellationToken::new() };
        let (stop, lost) = (occupied.stop.clone(), occupied.lost());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            keep(&pool, client, occupancy).await;
            lost.cancel();
        }));
        Ok(occupied)
    }
}

async fn lock(pool: &Pool, client: &Client, occupancy: Occupancy) -> Result<bool, StoreError> {
    let shared = match occupancy {
        Occupancy::Alone => "",
        Occupancy::Cluster => "_shared",
    };
    let sql = format!("SELECT pg_try_advisory_lock{shared}({LOCK})");
    let row = pool.in_time(client.query_one(&sql, &[])).await?;
    Ok(row.get(0))
}

/// Holds the lock, and takes it again after the server was away; returns when somebody else has it.
async fn keep(pool: &Pool, mut client: Client, occupancy: Occupancy) {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        if pool.in_time(client.batch_execute("")).await.is_ok() {
            continue;
        }
        // Whether the server is away is told by those who need it.
        let Ok(again) = pool.connect().await else { continue };
        match lock(pool, &again, occupancy).await {
            Ok(true) => client = again,
            Ok(false) => {
                tracing::error!("{}", OpenError::Taken(occupancy));
                return;
            }
            Err(_) => {}
        }
    }
}
