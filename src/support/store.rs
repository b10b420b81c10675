//! The store from outside: sizes and modes of its files, counts of what is in it.
//!
//! Promised: nothing is created, locked or changed, so it may be looked at while the bridge runs,
//! by any user who can read it. Counts are those of the last checkpoint, for what is newer is in
//! the log beside the file; tenants, times and numbers are all that is read of a chat.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

/// Tenants whose chats are counted one by one.
const TENANTS_MAX: usize = 500;

pub(super) fn look(path: &Path, ring_given: bool) -> Value {
    let beside = |tail: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(tail);
        PathBuf::from(name)
    };
    let counts = match counts(path) {
        Ok(counts) => counts,
        Err(error) => json!({ "not_read": error }),
    };
    json!({
        "kind": "sqlite",
        "file": file(path),
        "log": file(&beside("-wal")),
        "key_ring": if ring_given { json!("given") } else { file(&beside(".keys")) },
        "at_last_checkpoint": counts,
    })
}

fn file(path: &Path) -> Value {
    match fs::metadata(path) {
        Ok(meta) => json!({
            "bytes": meta.len(), "mode": format!("{:04o}", meta.permissions().mode() & 0o7777),
        }),
        Err(error) => json!({ "not_there": error.kind().to_string() }),
    }
}

/// Read as if nobody could change it: no lock is taken and no file is made beside it. A page that
/// is just being written makes an error or an odd number, which is what a snapshot is worth.
fn counts(path: &Path) -> Result<Value, String> {
    if !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let engine = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(code) => format!("{code:?}"),
        None => "the engine failed".to_owned(),
    };
    let whole = std::path::absolute(path).map_err(|error| error.kind().to_string())?;
    let mut address = url::Url::from_file_path(whole).map_err(|()| "no such path".to_owned())?;
    address.set_query(Some("mode=ro&immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(address.as_str(), flags).map_err(engine)?;
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(engine);
    let mut rows = db
        .prepare(
            "SELECT tenant, count(*) - count(ended_at), count(ended_at), min(opened_at), \
             max(opened_at) FROM chat GROUP BY tenant ORDER BY tenant LIMIT ?1",
        )
        .map_err(engine)?;
    let chats = rows
        .query_map([TENANTS_MAX as i64], |row| {
            let at = |n| Ok::<_, rusqlite::Error>(crate::time::Wall::from_millis(row.get(n)?));
            Ok(json!({
                "tenant": row.get::<_, String>(0)?, "running": row.get::<_, i64>(1)?,
                "ended": row.get::<_, i64>(2)?, "first_began": at(3)?.to_string(),
                "last_began": at(4)?.to_string(),
            }))
        })
        .and_then(Iterator::collect::<Result<Vec<Value>, _>>)
        .map_err(engine)?;
    Ok(json!({
        "schema": one("PRAGMA user_version")?,
        "chats": chats,
        "deltas": one("SELECT count(*) FROM delta")?,
        "snapshots": one("SELECT count(*) FROM snapshot")?,
        "changes": one("SELECT count(*) FROM change")?,
        "sealing_keys": one("SELECT count(*) FROM canary")?,
    }))
}
