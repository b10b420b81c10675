//! The report of a dry run, read as evidence for a move.
//!
//! Promised: a report that is about other tenants shows nothing, and their errors do not count. It
//! was made when its file was last written, or at the instant it speaks for if that is earlier:
//! neither a copy nor `--as-of` makes it younger.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::Deserialize;

use crate::router::change::Evidence;
use crate::time::Wall;

/// The longest report.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Deserialize)]
struct Report {
    as_of: String,
    evidence_hash: String,
    findings: Vec<Finding>,
    tenants: Vec<Tenant>,
}

#[derive(Deserialize)]
struct Finding {
    tenant: String,
    severity: String,
    #[serde(default)]
    accepted: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Tenant {
    id: String,
}

/// Reads a report in its JSON form. Blocks.
pub(super) fn read(path: &Path, tenant: &str) -> Result<Evidence, String> {
    let unreadable = |error| format!("`{}` cannot be read: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let written = file.metadata().and_then(|about| about.modified()).map_err(unreadable)?;
    let written = written.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = Wall::from_millis(i64::try_from(written.as_millis()).unwrap_or(i64::MAX));
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        let (file, line) = (path.display(), error.line());
        format!("`{file}` is not a report of `dry-run --json` (line {line})")
    })?;
    if !report.tenants.iter().any(|one| one.id == tenant) {
        return Err(format!("`{}` is about other tenants", path.display()));
    }
    let made_at = written.min(Wall::parse(&report.as_of)?);
    let counts = |finding: &&Finding| {
        finding.tenant == tenant && finding.severity == "error" && finding.accepted.is_none()
    };
    let errors = report.findings.iter().filter(counts).count() as u64;
    Ok(Evidence { hash: report.evidence_hash, made_at, errors })
}
