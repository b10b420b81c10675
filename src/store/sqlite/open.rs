//! Opening the file: permissions, the lock, the schema, and the proof that the key ring fits.
//!
//! Promised: whatever is wrong is found here, before the first request, and said with the file and
//! what to do. A database with sealed data never gets a new key ring beside it by itself.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::super::schema::{self, SchemaError};
use super::super::seal::{self, KeyRing, Place, RingError, SealError};

/// How long to wait for another process to let go of the file, such as the one before a restart.
const LOCK_WAIT: Duration = Duration::from_millis(500);
/// More than there are statements in `rows` and `writer`.
const STATEMENTS_KEPT: usize = 64;
const CANARY: &[u8] = b"liveagent-bridge canary";

/// Where the key ring comes from.
#[derive(Clone, Debug)]
pub enum Ring {
    /// The file `<database>.keys`, created (mode 0600) together with a new database.
    Beside,
    /// This one.
    Given(KeyRing),
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system refused.
    #[error(
        "cannot open the store {}: {source}; the folder must exist, and the file and its folder \
         must be writable for this user", path.display()
    )]
    File {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "the store {} is already open by another process; stop that one, or give this one \
         another path", path.display()
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// It can only be read.
    #[error(
        "the store {} is read-only; make the file and its folder writable for this user",
        path.display()
    )]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("cannot open the store {}: the disk is full; make room", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// It is no SQLite file, or a damaged one.
    #[error(
        "the store {} is damaged or is not an SQLite database; restore it from a backup, or give \
         another path", path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
    },
    /// Its tables are not ours, or of a later version.
    #[error("cannot use the store {}: {source}", path.display())]
    Schema {
        /// The database.
        path: PathBuf,
        /// Why.
        source: SchemaError,
    },
    /// There is no usable key ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// There is sealed data, and the file that would open it is gone.
    #[error(
        "the store {} is sealed and its key ring {} is missing; restore the ring, or move the \
         store away to start with an empty one", path.display(), ring.display()
    )]
    RingMissing {
        /// The database.
        path: PathBuf,
        /// The missing file.
        ring: PathBuf,
    },
    /// There is sealed data, and the ring does not open it.
    #[error(
        "the key ring does not fit the store {}: {source}; add the key that the store was sealed \
         with as an `open` line", path.display()
    )]
    RingWrong {
        /// The database.
        path: PathBuf,
        /// Which key.
        source: SealError,
    },
    /// The engine failed in another way.
    #[error("cannot open the store {}: {source}", path.display())]
    Engine {
        /// The database.
        path: PathBuf,
        /// Its error.
        source: rusqlite::Error,
    },
}

/// A connection that holds the file's lock, and a ring that opens all that is in it.
pub(super) fn open(path: &Path, ring: Ring) -> Result<(Connection, KeyRing), OpenError> {
    let at = |source| explain(path, source);
    create_if_absent(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(at)?;
    if db.is_readonly("main").map_err(at)? {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    prepare(&db).map_err(at)?;
    schema::migrate(&mut db).map_err(|source| match source {
        SchemaError::Engine(source) => explain(path, source),
        source => OpenError::Schema { path: path.to_owned(), source },
    })?;
    let keys = canaries(&db).map_err(at)?;
    let ring = match ring {
        Ring::Given(ring) => ring,
        Ring::Beside => ring_beside(path, keys.is_empty() && is_empty(&db).map_err(at)?)?,
    };
    fit(&mut db, path, &ring, &keys)?;
    Ok((db, ring))
}

fn create_if_absent(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new file is durable only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if cfg!(unix) { File::open(folder.unwrap_or(Path::new(".")))?.sync_all() } else { Ok(()) }
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(LOCK_WAIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Without it SQLite plans a statement anew whenever a bound value differs: a tenth of the
    // writer's time, for plans that never change.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let pragma = |name: &str, value: &str| {
        let sql = format!("PRAGMA {name} = {value}");
        db.prepare(&sql)?.query([])?.next().map(drop)
    };
    pragma("locking_mode", "EXCLUSIVE")?;
    // Takes the lock, and with EXCLUSIVE keeps it until the connection closes.
    db.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    pragma("journal_mode", "WAL")?;
    pragma("synchronous", "FULL")?;
    pragma("foreign_keys", "ON")?;
    // Erased and purged chats are overwritten, not only unlinked.
    pragma("secure_delete", "ON")?;
    // The writer moves the log itself, after its answers.
    pragma("wal_autocheckpoint", "0")?;
    pragma("temp_store", "MEMORY")?;
    pragma("trusted_schema", "OFF")
}

fn ring_beside(path: &Path, nothing_sealed: bool) -> Result<KeyRing, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".keys");
    let ring = PathBuf::from(name);
    match ring.try_exists() {
        Ok(false) if nothing_sealed => {
            let keys = KeyRing::create_file(&ring)?;
            sync_folder(&ring).map_err(|source| RingError::Create { path: ring, source })?;
            Ok(keys)
        }
        Ok(false) => Err(OpenError::RingMissing { path: path.to_owned(), ring }),
        Ok(true) | Err(_) => Ok(KeyRing::from_file(&ring)?),
    }
}

/// Whether nothing sealed is stored, whatever the canaries say.
fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM delta) AND NOT EXISTS (SELECT 1 FROM snapshot)
        AND NOT EXISTS (SELECT 1 FROM change)";
    db.query_row(sql, [], |row| row.get(0))
}

/// The ids of the keys that something may be sealed with, each with its canary.
fn canaries(db: &Connection) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    db.prepare("SELECT key_id, body FROM canary")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Refuses a ring that cannot open everything; then prepares the database for its sealing key.
fn fit(
    db: &mut Connection,
    path: &Path,
    ring: &KeyRing,
    keys: &[(String, Vec<u8>)],
) -> Result<(), OpenError> {
    let at = |source| explain(path, source);
    let wrong = |source| OpenError::RingWrong { path: path.to_owned(), source };
    let transaction = db.transaction().map_err(at)?;
    for (id, canary) in keys {
        match ring.open(&Place::canary(), canary) {
            Ok(_) => {}
            // A key that was taken out of the ring after its last chat was purged.
            Err(SealError::NoSuchKey { .. }) if !in_use(&transaction, id).map_err(at)? => {
                let sql = "DELETE FROM canary WHERE key_id = ?1";
                transaction.execute(sql, [id]).map_err(at)?;
            }
            Err(error) => return Err(wrong(error)),
        }
    }
    if !keys.iter().any(|(id, _)| id == ring.sealing_id()) {
        let canary = ring.seal(&Place::canary(), CANARY.to_vec()).map_err(wrong)?;
        transaction
            .execute("INSERT INTO canary VALUES (?1, ?2)", params![ring.sealing_id(), canary])
            .map_err(at)?;
    }
    for (number, body) in changes_to_seal_again(&transaction, ring.sealing_id()).map_err(at)? {
        let place = Place::change(number as u64);
        let body = ring.open(&place, &body).and_then(|clear| ring.seal(&place, clear));
        let body = body.map_err(wrong)?;
        transaction
            .execute("UPDATE change SET body = ?2 WHERE number = ?1", params![number, body])
            .map_err(at)?;
    }
    transaction.commit().map_err(at)
}

/// Changes outlive every chat, so they follow the sealing key; else no key could ever be retired.
fn changes_to_seal_again(db: &Connection, id: &str) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let header = seal::header(id);
    db.prepare("SELECT number, body FROM change WHERE substr(body, 1, length(?1)) <> ?1")?
        .query_map([header], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Whether anything but a canary is sealed with the key. Reads everything once: only asked for a
/// key that has left the ring.
fn in_use(db: &Connection, id: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM
        (SELECT body FROM delta UNION ALL
         SELECT body FROM snapshot UNION ALL
         SELECT body FROM change)
        WHERE substr(body, 1, length(?1)) = ?1)";
    db.query_row(sql, [seal::header(id)], |row| row.get(0))
}

fn explain(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse { path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => OpenError::Full { path },
        // The engine does not say why; the system does.
        Some(ErrorCode::CannotOpen) => {
            let tried = OpenOptions::new().read(true).write(true).open(&path);
            let source = tried.err().unwrap_or_else(|| io::Error::other(source));
            OpenError::File { path, source }
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path },
        _ => OpenError::Engine { path, source },
    }
}
