//! The files of shadow counts: one a day and tenant.
//!
//! Promised: mode 0600 in a folder of mode 0700; lines are only ever appended; only files of this
//! form of name are removed, once they are older than [`RETENTION_DAYS`]. Not promised: fsync.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::time::Wall;

/// How long a file is kept.
pub(super) const RETENTION_DAYS: i64 = 90;
const DAY_MILLIS: i64 = 86_400_000;
const SUFFIX: &str = ".shadow.ndjson";
/// `2026-01-20`
const DATE_LENGTH: usize = 10;

/// Whole days since the epoch.
pub(super) const fn day(at: Wall) -> i64 {
    at.millis().div_euclid(DAY_MILLIS)
}

fn date(day: i64) -> String {
    Wall::from_millis(day.saturating_mul(DAY_MILLIS))
        .to_string()
        .chars()
        .take(DATE_LENGTH)
        .collect()
}

/// Appends lines to the tenant's file of a day, and removes the tenant's old ones when it is new.
pub(super) fn append(folder: &Path, tenant: &str, of: i64, lines: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(format!("{tenant}-{}{SUFFIX}", date(of)));
    let new = !path.exists();
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // One write, so that several processes may share a folder.
    file.write_all(lines.as_bytes())?;
    if new { tidy(folder, tenant, of) } else { Ok(()) }
}

fn tidy(folder: &Path, tenant: &str, today: i64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if began(name, tenant).is_some_and(|day| day + RETENTION_DAYS < today) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The day of a file of this tenant; `None` for anything else.
fn began(name: &str, tenant: &str) -> Option<i64> {
    let of = name.strip_prefix(tenant)?.strip_prefix('-')?.strip_suffix(SUFFIX)?;
    let wall = Wall::parse(&format!("{of}T00:00:00Z")).ok()?;
    (date(day(wall)) == of).then_some(day(wall))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("an entry").file_name().into_string().expect("text")
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_a_day_for_its_owner_alone_and_old_ones_go() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("a/shadow");
        let first = day(Wall::parse("2026-01-20T23:59:59.999Z").expect("an instant"));
        append(&folder, "acme", first, "one\n").expect("written");
        append(&folder, "acme", first, "two\n").expect("written");
        append(&folder, "acme-x", first, "other\n").expect("written");
        fs::write(folder.join("acme-notes.shadow.ndjson"), "mine").expect("written");
        append(&folder, "acme", first + RETENTION_DAYS, "later\n").expect("written");
        let old = folder.join("acme-2026-01-20.shadow.ndjson");
        assert_eq!(fs::read_to_string(&old).expect("kept"), "one\ntwo\n");
        assert_eq!(fs::metadata(&old).expect("a file").permissions().mode() & 0o777, 0o600);
        let mode = fs::metadata(&folder).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        append(&folder, "acme", first + RETENTION_DAYS + 1, "last\n").expect("written");
        assert_eq!(
            names(&folder),
            [
                "acme-2026-04-20.shadow.ndjson",
                "acme-2026-04-21.shadow.ndjson",
                "acme-notes.shadow.ndjson",
                "acme-x-2026-01-20.shadow.ndjson",
            ]
        );
    }
}
