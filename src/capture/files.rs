//! The files of captured lines: one after the other, bounded in size, number and age.
//!
//! Promised: mode 0600 in a folder of mode 0700; a file is closed when it is full and at midnight
//! UTC; only files of this tenant and of this form of name are ever removed. A file that cannot be
//! written costs lines, which is logged once, and nothing else. Not promised: fsync.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::CaptureConfig;
use crate::report::captured::{CapturedLine, LONGEST_LINE};
use crate::time::Wall;

const DAY_MILLIS: i64 = 86_400_000;
/// Files that may begin within one second.
const SAME_SECOND_MAX: u32 = 1_000;

/// The files of every tenant.
pub(super) struct Files {
    tenants: HashMap<Arc<str>, Folder>,
}

struct Folder {
    tenant: Arc<str>,
    config: CaptureConfig,
    open: Option<Open>,
    /// The day whose old files were removed.
    tidied: Option<i64>,
    failed: bool,
}

struct Open {
    file: BufWriter<File>,
    bytes: usize,
    day: i64,
}

impl Files {
    pub(super) fn new(tenants: impl IntoIterator<Item = (Arc<str>, CaptureConfig)>) -> Self {
        let mut files = Self { tenants: HashMap::new() };
        tenants.into_iter().for_each(|(tenant, config)| files.put(tenant, config));
        files
    }

    /// A tenant's folder, in place of what was known of it.
    pub(super) fn put(&mut self, tenant: Arc<str>, config: CaptureConfig) {
        if self.tenants.get(&tenant).is_some_and(|folder| folder.config == config) {
            return;
        }
        // The open file of the old folder is written when it is dropped.
        let folder =
            Folder { tenant: tenant.clone(), config, open: None, tidied: None, failed: false };
        self.tenants.insert(tenant, folder);
    }

    /// Writes a line; a failure is logged and costs the line.
    pub(super) fn append(&mut self, tenant: &str, line: &CapturedLine, now: Wall) {
        let Some(folder) = self.tenants.get_mut(tenant) else { return };
        let outcome = folder.append(line, now);
        folder.note(outcome);
    }

    /// Hands everything to the system and removes what is too old or too much.
    pub(super) fn flush(&mut self, now: Wall) {
        for folder in self.tenants.values_mut() {
            let flushed = match &mut folder.open {
                Some(open) => open.file.flush(),
                None => Ok(()),
            };
            let outcome = flushed.and_then(|()| folder.tidy(now, false));
            if outcome.is_err() {
                folder.note(outcome);
            }
        }
    }
}

const fn day(now: Wall) -> i64 {
    now.millis().div_euclid(DAY_MILLIS)
}

impl Folder {
    fn note(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => self.failed = false,
            Err(error) => {
                self.open = None;
                if !std::mem::replace(&mut self.failed, true) {
                    let (tenant, path) = (&self.tenant, self.config.folder.display());
                    tracing::error!(%tenant, "captures cannot be written to {path}: {error}");
                }
            }
        }
    }

    fn append(&mut self, line: &CapturedLine, now: Wall) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        if text.len() > LONGEST_LINE {
            // Made of thousands of empty fields; no reader would take it.
            tracing::warn!(tenant = %self.tenant, bytes = text.len(), "a chat was not captured");
            return Ok(());
        }
        text.push('\n');
        let room = self.config.max_file_bytes;
        let fits = |open: &Open| open.day == day(now) && open.bytes + text.len() <= room;
        if !self.open.as_ref().is_some_and(fits) {
            self.begin(now)?;
        }
        if let Some(open) = &mut self.open {
            open.file.write_all(text.as_bytes())?;
            open.bytes += text.len();
        }
        Ok(())
    }

    /// Closes the file and opens the next.
    fn begin(&mut self, now: Wall) -> io::Result<()> {
        if let Some(mut done) = self.open.take() {
            done.file.flush()?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.config.folder)?;
        let stamp = stamp(now);
        for number in 0..SAME_SECOND_MAX {
            let name = format!("{}-{stamp}-{number:03}.ndjson", self.tenant);
            let path = self.config.folder.join(name);
            match OpenOptions::new().create_new(true).append(true).mode(0o600).open(path) {
                Ok(file) => {
                    let file = BufWriter::new(file);
                    self.open = Some(Open { file, bytes: 0, day: day(now) });
                    return self.tidy(now, true);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("too many files begin in one second"))
    }

    /// Once a day, and after each new file.
    fn tidy(&mut self, now: Wall, anew: bool) -> io::Result<()> {
        if !anew && self.tidied == Some(day(now)) {
            return Ok(());
        }
        self.tidied = Some(day(now));
        let mut files = self.files()?;
        files.sort();
        let keep = files.len().saturating_sub(self.config.max_files);
        let oldest = now.plus_millis(-(self.config.retention_days as i64) * DAY_MILLIS);
        for (at, (began, path)) in files.iter().enumerate() {
            // A file may be written for a day.
            if at < keep || began.plus_millis(DAY_MILLIS) <= oldest {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Our files, and when they were begun.
    fn files(&self) -> io::Result<Vec<(Wall, PathBuf)>> {
        let entries = match fs::read_dir(&self.config.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(began) = began(name, &self.tenant) {
                files.push((began, path));
            }
        }
        Ok(files)
    }
}

/// `20260120T093000Z`
fn stamp(now: Wall) -> String {
    let text = now.to_string();
    let second: String = text.chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{second}Z")
}

/// When a file of this tenant was begun; `None` for anything else.
fn began(name: &str, tenant: &str) -> Option<Wall> {
    let rest = name.strip_prefix(tenant)?.strip_prefix('-')?.strip_suffix(".ndjson")?;
    let (stamp, number) = rest.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    if (date.len(), time.len(), number.len()) != (8, 6, 3)
        || ![date, time, number].map(digits).iter().all(|ok| *ok)
    {
        return None;
    }
    let (year, month, of_month) = (date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    Wall::parse(&format!("{year}-{month}-{of_month}T{hour}:{minute}:{second}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::captured::CapturedEnd;
    use std::os::unix::fs::PermissionsExt as _;

    fn files(folder: &std::path::Path, bytes: usize, files: usize, days: usize) -> Files {
        let config = CaptureConfig {
            folder: folder.to_owned(),
            max_file_bytes: bytes,
            max_files: files,
            retention_days: days,
        };
        Files::new([(Arc::from("acme"), config)])
    }

    fn line() -> CapturedLine {
        CapturedLine::End(CapturedEnd { tenant: "acme".to_owned(), ..CapturedEnd::default() })
    }

    fn names(folder: &std::path::Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|e| e.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn names_tell_when_a_file_was_begun() {
        let at = Wall::parse("2026-01-20T09:30:00Z").expect("an instant");
        assert_eq!(stamp(at.plus_millis(7)), "20260120T093000Z");
        assert_eq!(began("acme-20260120T093000Z-000.ndjson", "acme"), Some(at));
        for other in ["acme-x-20260120T093000Z-000.ndjson", "acme-notes.ndjson", "acme-1-2.ndjson"]
        {
            assert_eq!(began(other, "acme"), None, "{other}");
        }
    }

    #[test]
    fn files_are_bounded_in_size_number_and_age() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("captures");
        let at = Wall::parse("2026-01-20T09:30:00Z").expect("an instant");
        let line = line();
        let length = serde_json::to_string(&line).expect("JSON").len() + 1;
        let mut files = files(&folder, length * 2, 3, 7);
        for n in 0..10 {
            files.append("acme", &line, at.plus_millis(n * 1_000));
        }
        files.flush(at);
        assert_eq!(
            names(&folder),
            [
                "acme-20260120T093004Z-000.ndjson",
                "acme-20260120T093006Z-000.ndjson",
                "acme-20260120T093008Z-000.ndjson"
            ]
        );
        for name in names(&folder) {
            let meta = fs::metadata(folder.join(&name)).expect("a file");
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
            assert_eq!(meta.len() as usize, length * 2);
        }
        let mode = fs::metadata(&folder).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(folder.join("notes.txt"), "mine").expect("written");
        files.flush(at.plus_millis(9 * DAY_MILLIS));
        assert_eq!(names(&folder), ["notes.txt"]);
    }

    #[test]
    fn a_file_ends_at_midnight_and_another_tenant_s_files_are_left_alone() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path();
        let late = Wall::parse("2026-01-20T23:59:59Z").expect("an instant");
        fs::write(folder.join("acme-x-20250101T000000Z-000.ndjson"), "").expect("written");
        let mut files = files(folder, 1 << 20, 3, 7);
        for (millis, flushed) in [(0, 1), (999, 1), (1_000, 2), (2_000, 2)] {
            files.append("acme", &line(), late.plus_millis(millis));
            files.flush(late.plus_millis(millis));
            assert_eq!(names(folder).len(), flushed + 1, "{millis}");
        }
        let second = folder.join("acme-20260121T000000Z-000.ndjson");
        let text = fs::read_to_string(&second).expect("the next day's file");
        assert_eq!(text.lines().count(), 2);
        // A file may be written for a day, so it is kept seven days and one.
        for (day, left) in [(7, 3), (8, 1)] {
            files.flush(late.plus_millis(day * DAY_MILLIS + 2_000));
            assert_eq!(names(folder).len(), left, "{day}: {:?}", names(folder));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_lines_and_comes_back() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("captures");
        fs::write(&folder, "a file where the folder should be").expect("written");
        let at = Wall::parse("2026-01-20T09:30:00Z").expect("an instant");
        let mut files = files(&folder, 1 << 20, 3, 7);
        files.append("acme", &line(), at);
        files.flush(at);
        fs::remove_file(&folder).expect("removed");
        files.append("acme", &line(), at);
        files.flush(at);
        assert_eq!(names(&folder), ["acme-20260120T093000Z-000.ndjson"]);
    }
}
