//! The first connection: the tables, and the proof that the key ring fits.
//!
//! Promised: nodes that start together bring the tables up to date once; a database of a newer
//! program is refused untouched; data that the ring does not open is refused, and so is a ring
//! without a key that a running bridge may be sealing with, though nothing is sealed with it now.

use std::time::Duration;

use tokio_postgres::Transaction;

use super::super::StoreError;
use super::super::seal::{self, KeyRing, Place, SealError};
use super::alone::{self, Occupancy};
use super::failed;
use super::pool::{SCHEMA, in_time, late};
use super::servers::Servers;
use super::statements::MIGRATIONS;

const CANARY: &[u8] = b"liveagent-bridge canary";
/// The advisory lock under which tables are made: "LABr" in ASCII.
pub(super) const LOCK: i64 = 0x4C41_4272;

/// The longest look at what the ring must open; everything is read when a key has left it.
const FIT_WITHIN: Duration = Duration::from_secs(60);

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read.
    #[error(
        "the address of the store cannot be read: {what}; expected \
         postgres://user:password@host:5432/database, several hosts with a comma between them"
    )]
    Address {
        /// What was wrong, without the address.
        what: String,
    },
    /// No connection, or the server refused something.
    #[error("cannot open the store: {0}; is the server there, and may this user create a schema?")]
    Server(#[from] StoreError),
    /// A newer program wrote it.
    #[error(
        "the store has schema version {found}, this program knows versions up to {newest}; run \
         the newer program, or give this one another database"
    )]
    Newer {
        /// Its version.
        found: i32,
        /// What this program knows.
        newest: usize,
    },
    /// There is sealed data, and the ring does not open it.
    #[error(
        "the key ring does not fit the store: {0}; add the key that the store was sealed with as \
         an `open` line"
    )]
    RingWrong(SealError),
    /// The ring lacks a key that somebody who runs may be sealing with.
    #[error(
        "the key ring does not fit the store: it lacks the key `{0}`, and a bridge that uses this \
         database may be sealing with it; give this one the ring of the others. To change the key, \
         give all of them the new one as `open`, then as `seal`, and take the old one out last. A \
         bridge that was killed counts for up to 15 s"
    )]
    KeyInUse(String),
    /// Others took out the key that this process seals with.
    #[error(
        "the key `{0}`, which this bridge seals with, was taken out of this database by one with \
         another key ring; give all the same ring and start again"
    )]
    KeyRetired(String),
    /// Somebody else uses the database in a way that excludes this process.
    #[error("{}", taken(*.0))]
    Taken(Occupancy),
    /// No certificates to trust, or none that can be trusted.
    #[error("TLS to the store cannot be set up: {0}")]
    Tls(String),
}

const fn taken(wanted: Occupancy) -> &'static str {
    match wanted {
        Occupancy::Alone => {
            "another bridge uses this database, and without `[cluster]` a bridge is alone on its \
             own; stop the other one, give this one another database, or add `[cluster]` to both"
        }
        Occupancy::Cluster => {
            "a bridge without `[cluster]` uses this database alone; stop it, or add `[cluster]` to \
             its configuration too"
        }
    }
}

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To write chats into it, sealed with this ring.
    Serve,
    /// To look at it or erase from it, also beside those who serve and perhaps with a ring that
    /// they do not have yet: nothing is sealed.
    Look,
}

/// Makes or upgrades the tables and checks the ring, in one transaction.
pub(super) async fn prepare(
    servers: &Servers,
    ring: &KeyRing,
    purpose: Purpose,
) -> Result<(), OpenError> {
    let mut client = servers.connect().await?.client;
    let transaction = in_time(client.transaction()).await?;
    // Whoever stands still meanwhile does not keep the others out.
    let lock = format!(
        "SET LOCAL idle_in_transaction_session_timeout = '30s'; SELECT pg_advisory_xact_lock({LOCK})"
    );
    in_time(transaction.batch_execute(&lock)).await?;
    migrate(&transaction).await?;
    let fitted = tokio::time::timeout(FIT_WITHIN, fit(&transaction, ring, purpose)).await;
    fitted.map_err(|_| late(FIT_WITHIN))??;
    in_time(transaction.commit()).await?;
    Ok(())
}

async fn migrate(db: &Transaction<'_>) -> Result<(), OpenError> {
    let make = format!(
        "CREATE SCHEMA IF NOT EXISTS {SCHEMA};
         CREATE TABLE IF NOT EXISTS {SCHEMA}.version (number integer NOT NULL)"
    );
    in_time(db.batch_execute(&make)).await?;
    let found = in_time(db.query_opt("SELECT number FROM version", &[])).await?;
    let found: i32 = found.map_or(0, |row| row.get(0));
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        return Err(OpenError::Newer { found, newest: MIGRATIONS.len() });
    };
    for migration in missing {
        in_time(db.batch_execute(migration)).await?;
    }
    if !missing.is_empty() {
        let newest = MIGRATIONS.len();
        let note = format!("DELETE FROM version; INSERT INTO version VALUES ({newest})");
        in_time(db.batch_execute(&note)).await?;
    }
    Ok(())
}

/// Refuses a ring that cannot open everything; then prepares the database for its sealing key.
async fn fit(db: &Transaction<'_>, ring: &KeyRing, purpose: Purpose) -> Result<(), OpenError> {
    let at = |error: tokio_postgres::Error| OpenError::Server(failed(&error));
    let keys = db.query("SELECT key_id, body FROM canary", &[]).await.map_err(at)?;
    let mut known = false;
    for row in &keys {
        let (id, canary): (String, Vec<u8>) = (row.get(0), row.get(1));
        known |= id == ring.sealing_id();
        match ring.open(&Place::canary(), &canary) {
            Ok(_) => {}
            // A key that was taken out of the ring after its last chat was purged.
            Err(SealError::NoSuchKey { .. }) if !in_use(db, &id).await.map_err(at)? => {
                if purpose == Purpose::Look {
                    continue;
                }
                if alone::may_seal_with(db, &id).await.map_err(at)? {
                    return Err(OpenError::KeyInUse(id));
                }
                db.execute("DELETE FROM canary WHERE key_id = $1", &[&id]).await.map_err(at)?;
            }
            Err(error) => return Err(OpenError::RingWrong(error)),
        }
    }
    if purpose == Purpose::Look {
        return Ok(());
    }
    if !known {
        let canary = ring.seal(&Place::canary(), CANARY.to_vec()).map_err(OpenError::RingWrong)?;
        let sql = "INSERT INTO canary VALUES ($1, $2)";
        db.execute(sql, &[&ring.sealing_id(), &canary]).await.map_err(at)?;
    }
    // Changes outlive every chat, so they follow the sealing key; else no key could ever go.
    let header = seal::header(ring.sealing_id());
    let sql = "SELECT number, body FROM change WHERE substring(body FOR length($1::bytea)) <> $1";
    for row in db.query(sql, &[&header]).await.map_err(at)? {
        let (number, body): (i64, Vec<u8>) = (row.get(0), row.get(1));
        let place = Place::change(number.unsigned_abs());
        let body = ring.open(&place, &body).and_then(|clear| ring.seal(&place, clear));
        let body = body.map_err(OpenError::RingWrong)?;
        let sql = "UPDATE change SET body = $2 WHERE number = $1";
        db.execute(sql, &[&number, &body]).await.map_err(at)?;
    }
    Ok(())
}

/// Whether anything but a canary is sealed with the key. Reads everything once: only asked for a
/// key that has left the ring.
async fn in_use(db: &Transaction<'_>, id: &str) -> Result<bool, tokio_postgres::Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM
        (SELECT body FROM delta UNION ALL
         SELECT body FROM snapshot UNION ALL
         SELECT body FROM change) AS sealed
        WHERE substring(body FOR length($1::bytea)) = $1)";
    let row = db.query_one(sql, &[&seal::header(id)]).await?;
    Ok(row.get(0))
}
