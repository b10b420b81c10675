//! The tables, as a numbered list of migrations.
//!
//! Promised: a database is brought from any older version to [`NEWEST`] in one transaction; one
//! of a newer version, or of another program, is refused untouched. A migration is never edited
//! once released.

use rusqlite::Connection;

/// The version that this program writes.
pub const NEWEST: u32 = MIGRATIONS.len() as u32;

/// Marks the file as ours: "LABr" in ASCII.
const APPLICATION_ID: i64 = 0x4C41_4272;

/// Number n + 1 brings a database from version n to n + 1.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE chat (
        id        BLOB PRIMARY KEY CHECK (length(id) = 16),
        tenant    TEXT NOT NULL,
        opened_at INTEGER NOT NULL,
        ended_at  INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX chat_ended ON chat (ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX chat_unfinished ON chat (id) WHERE ended_at IS NULL;

    CREATE TABLE delta (
        chat   BLOB NOT NULL REFERENCES chat (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        body   BLOB NOT NULL,
        PRIMARY KEY (chat, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE snapshot (
        chat   BLOB PRIMARY KEY REFERENCES chat (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        body   BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE change (
        number INTEGER PRIMARY KEY,
        at     INTEGER NOT NULL,
        body   BLOB NOT NULL
    ) STRICT;

    -- One row for each key that anything may be sealed with.
    CREATE TABLE canary (
        key_id TEXT PRIMARY KEY,
        body   BLOB NOT NULL
    ) STRICT;

    -- What readiness writes to.
    CREATE TABLE probe (
        id    INTEGER PRIMARY KEY CHECK (id = 1),
        times INTEGER NOT NULL
    ) STRICT;
"];

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program wrote it.
    #[error(
        "it has schema version {found}, this program knows versions up to {NEWEST}; run the \
         newer program, or give this one another database"
    )]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Another program's database.
    #[error("it is a database of another program; give an empty or new file")]
    Foreign,
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] rusqlite::Error),
}

/// The version of an open database; 0 when it is empty.
pub(super) fn version(db: &Connection) -> Result<u32, SchemaError> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i64 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match u32::try_from(found) {
        Ok(0) if application == 0 && tables == 0 => Ok(0),
        Ok(found) if found > 0 && application == APPLICATION_ID => Ok(found),
        _ => Err(SchemaError::Foreign),
    }
}

/// Brings the database to [`NEWEST`].
pub(super) fn migrate(db: &mut Connection) -> Result<(), SchemaError> {
    migrate_by(db, &MIGRATIONS)
}

fn migrate_by(db: &mut Connection, migrations: &[&str]) -> Result<(), SchemaError> {
    let found = version(db)?;
    let Some(missing) = migrations.get(found as usize..) else {
        return Err(SchemaError::Newer { found });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = db.transaction()?;
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", migrations.len() as u32)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrating_twice_is_migrating_once() {
        let mut db = Connection::open_in_memory().unwrap();
        assert_eq!(version(&db).unwrap(), 0);
        migrate(&mut db).unwrap();
        migrate(&mut db).unwrap();
        assert_eq!(version(&db).unwrap(), NEWEST);
    }

    /// The previous version's own file, as it left it (`tests/it/previous.rs`).
    fn previous() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.sqlite");
        let made = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/previous/bridge.sqlite");
        std::fs::copy(made, &path).unwrap();
        (folder, Connection::open(path).unwrap())
    }

    /// Every row of every table, in order.
    fn rows(db: &Connection) -> String {
        let mut all = String::new();
        for table in ["chat", "delta", "snapshot", "change", "canary"] {
            let mut rows = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let columns = rows.column_count();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let row = (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).unwrap());
                all.push_str(&format!("{table} {:?}\n", row.collect::<Vec<_>>()));
            }
        }
        all
    }

    #[test]
    fn the_previous_versions_file_is_brought_up_with_all_that_is_in_it() {
        let (_folder, mut db) = previous();
        let before = rows(&db);
        assert!(version(&db).unwrap() >= 1 && before.lines().count() > 10, "{before}");
        migrate(&mut db).unwrap();
        assert_eq!(version(&db).unwrap(), NEWEST);
        assert_eq!(rows(&db), before);
    }

    /// There is one version of the tables so far: a next one, and both ways over it.
    #[test]
    fn a_next_version_migrates_the_file_and_this_one_refuses_it_then() {
        let (_folder, mut db) = previous();
        let before = rows(&db);
        let next = [MIGRATIONS[0], "CREATE TABLE news (id INTEGER PRIMARY KEY) STRICT;"];
        migrate_by(&mut db, &next).unwrap();
        assert_eq!(version(&db).unwrap(), 2);
        db.execute("INSERT INTO news VALUES (7)", []).unwrap();
        assert_eq!(rows(&db), before);
        let refused = migrate(&mut db).unwrap_err();
        assert!(matches!(refused, SchemaError::Newer { found: 2 }), "{refused}");
        assert_eq!(rows(&db), before, "what is refused is left as it was");
        // One that fails halfway leaves the version before.
        let broken = [next[0], next[1], "CREATE TABLE more (x INTEGER) STRICT; no SQL at all"];
        assert!(matches!(migrate_by(&mut db, &broken), Err(SchemaError::Engine(_))));
        assert_eq!(version(&db).unwrap(), 2);
        assert!(db.prepare("SELECT x FROM more").is_err(), "half a migration is none");
    }

    #[test]
    fn newer_and_foreign_databases_are_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        db.pragma_update(None, "user_version", NEWEST + 1).unwrap();
        let error = migrate(&mut db).unwrap_err().to_string();
        assert!(error.contains(&format!("version {}", NEWEST + 1)), "{error}");

        let mut db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(migrate(&mut db), Err(SchemaError::Foreign)));
    }
}
