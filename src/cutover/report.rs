//! The report of a dry run, read as evidence for a move.
//!
//! Promised: a report that is about other tenants shows nothing, and their errors do not count. It
//! was made when its file was last written, or at the instant it speaks for if that is earlier:
//! neither a copy nor `--as-of` makes it younger. One that was made with another version of the
//! tenant's mapping shows nothing.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::mapping::keys::hex;
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
    #[serde(default)]
    evidence: Vec<Looked>,
}

/// A file that the dry run looked at.
#[derive(Deserialize)]
struct Looked {
    kind: String,
    sha256: String,
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

/// Reads a report in its JSON form, for a tenant with these mapping files. Blocks.
pub(super) fn read(path: &Path, tenant: &str, mapping: &[PathBuf]) -> Result<Evidence, String> {
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
    for file in mapping {
        let bytes = std::fs::read(file)
            .map_err(|error| format!("`{}` cannot be read: {error}", file.display()))?;
        let sha256 = hex(digest(&SHA256, &bytes).as_ref(), usize::MAX);
        let same = |looked: &Looked| looked.kind == "mapping" && looked.sha256 == sha256;
        if !report.evidence.iter().any(same) {
            let (report, file) = (path.display(), file.display());
            return Err(format!(
                "`{report}` was made with another version of `{file}`: make the dry run again"
            ));
        }
    }
    let made_at = written.min(Wall::parse(&report.as_of)?);
    let counts = |finding: &&Finding| {
        finding.tenant == tenant && finding.severity == "error" && finding.accepted.is_none()
    };
    let errors = report.findings.iter().filter(counts).count() as u64;
    let mappings = report.evidence.into_iter().filter(|looked| looked.kind == "mapping");
    let mappings = mappings.map(|looked| looked.sha256).collect();
    Ok(Evidence { hash: report.evidence_hash, made_at, errors, mappings, report: None })
}
