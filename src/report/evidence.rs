//! What a report was made from: each source with its hash and, where it is known, its date.
//!
//! Promised: dates come from inside the documents or from whoever runs the report, never from the
//! file system, since copying a file changes its date and the same files must give the same report.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context as Hasher, SHA256, digest};
use serde::Serialize;

use super::codes::platform::{RP101, RP104};
use super::finding::Finding;
use crate::mapping::keys::hex;
use crate::time::Wall;

/// Evidence older than this is reported, in days.
pub const OLD_DAYS: i64 = 30;
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// One file by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The file's name.
    pub name: String,
    /// What it is: `prechat`, `configuration`, `mapping`, `metadata`, `captured` or `shadow`.
    pub kind: &'static str,
    /// Its size.
    pub bytes: usize,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// The instant it speaks for.
    pub dated: Option<String>,
    /// Who says so: `document` or `given`.
    pub dated_by: Option<&'static str>,
    /// Whole days from that instant to the report's; negative when the report's is earlier.
    pub age_days: Option<i64>,
}

impl Evidence {
    /// Of a file's bytes.
    #[must_use]
    pub fn of(name: &str, kind: &'static str, bytes: &[u8]) -> Self {
        Self::hashed(name, kind, bytes.len(), digest(&SHA256, bytes).as_ref())
    }

    /// Of a file that was hashed while it was read.
    #[must_use]
    pub fn hashed(name: &str, kind: &'static str, bytes: usize, sha256: &[u8]) -> Self {
        let (name, sha256) = (name.to_owned(), hex(sha256, usize::MAX));
        Self { name, kind, bytes, sha256, dated: None, dated_by: None, age_days: None }
    }

    /// Of an export, which may say when it was last changed.
    #[must_use]
    pub fn of_export(name: &str, kind: &'static str, text: &str) -> Self {
        Self::of(name, kind, text.as_bytes()).dated(changed(text))
    }

    /// The same, dated by its own content.
    #[must_use]
    pub fn dated(mut self, at: Option<Wall>) -> Self {
        if let Some(at) = at {
            (self.dated, self.dated_by) = (Some(at.to_string()), Some("document"));
        }
        self
    }

    /// A date from outside, which holds only where the content has none.
    pub fn date(&mut self, at: Wall) {
        if self.dated.is_none() {
            (self.dated, self.dated_by) = (Some(at.to_string()), Some("given"));
        }
    }

    /// For people: `11 days, by document`.
    #[must_use]
    pub fn age(&self) -> String {
        match (self.age_days, self.dated_by) {
            (Some(1), Some(by)) => format!("1 day, {by}"),
            (Some(days), Some(by)) => format!("{days} days, {by}"),
            _ => "not known".to_owned(),
        }
    }
}

/// `lastChanged` or `createdAt` at the top of an exported JSON document: Unix seconds,
/// milliseconds, or an instant in words.
fn changed(text: &str) -> Option<Wall> {
    /// No export was made before 1973, in milliseconds; as seconds this is the year 5138.
    const FIRST_MILLIS: i64 = 100_000_000_000;
    let root: serde_json::Value = serde_json::from_str(text).ok()?;
    let found = ["lastChanged", "lastChangedAt", "updatedAt", "createdAt"];
    let found = found.iter().find_map(|name| root.get(name))?;
    match (found.as_i64(), found.as_str()) {
        (Some(n), _) if n >= FIRST_MILLIS => Some(Wall::from_millis(n)),
        (Some(n), _) => Some(Wall::from_millis(n.checked_mul(1_000)?)),
        (None, text) => Wall::parse(text?).ok(),
    }
}

/// Gives each source its age, and reports what is old or has no date.
pub(super) fn ages(all: &mut [Evidence], as_of: Wall) -> Vec<Finding> {
    let mut findings = Vec::new();
    for item in all.iter_mut() {
        let at = item.dated.as_deref().and_then(|at| Wall::parse(at).ok());
        item.age_days = at.map(|at| as_of.millis_since(at).div_euclid(DAY));
        if let Some(days) = item.age_days.filter(|days| *days > OLD_DAYS) {
            let message = format!("{} {} is {days} days old", item.kind, item.name);
            findings.push(RP101.at(format!("evidence.{}", item.name), message));
        }
    }
    let undated: Vec<&str> =
        all.iter().filter(|e| e.dated.is_none()).map(|e| e.name.as_str()).collect();
    if !undated.is_empty() {
        let message = format!("no date is known of {}", undated.join(", "));
        findings.push(RP104.at("evidence", message));
    }
    findings
}

/// Names and dates do not count: a moved file is the same evidence.
pub(super) fn hash(all: &[Evidence]) -> String {
    let lines: BTreeSet<String> = all.iter().map(|e| format!("{} {}", e.kind, e.sha256)).collect();
    let mut hasher = Hasher::new(&SHA256);
    lines.iter().for_each(|line| hasher.update(line.as_bytes()));
    hex(hasher.finish().as_ref(), usize::MAX)
}
