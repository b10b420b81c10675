//! `[tenant.capture]`: whether redacted traffic is written down, and how much of it is kept.
//!
//! Promised: without the section nothing is captured.

use std::path::PathBuf;

use super::section::Section;
use super::values;

/// The folder unless the section says otherwise.
const FOLDER: &str = "captures";
const MAX_FILE_BYTES: usize = 16 << 20;
const MAX_FILES: usize = 20;
const RETENTION_DAYS: usize = 30;

/// Where captured traffic goes, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// The folder; relative paths in a file count from that file's folder.
    pub folder: PathBuf,
    /// The largest file, in bytes.
    pub max_file_bytes: usize,
    /// How many files are kept.
    pub max_files: usize,
    /// How long a file is kept, in days.
    pub retention_days: usize,
}

/// Reads the section; what is absent keeps its default.
pub(super) fn read(section: Section<'_>) -> CaptureConfig {
    let folder = section.text("folder").map_or_else(|| FOLDER.to_owned(), |text| text.value);
    let number = |key, fallback, least: usize, most: usize| {
        let expected = format!("a whole number from {least} to {most}");
        section.read(key, fallback, &expected, |text| values::number(text, least, most))
    };
    let config = CaptureConfig {
        folder: section.cx.source.folder().join(folder),
        max_file_bytes: number("max_file_bytes", MAX_FILE_BYTES, 65_536, 1 << 30),
        max_files: number("max_files", MAX_FILES, 1, 10_000),
        retention_days: number("retention_days", RETENTION_DAYS, 1, 3_650),
    };
    section.finish();
    config
}
