//! Every limit of an import, with its unit in its name.

/// The most files of one import.
pub const MAX_FILES: usize = 1_000;
/// The largest file that is read.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;
/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// The most values of one document.
pub const MAX_VALUES: usize = 1_000_000;
/// The most problems kept.
pub const MAX_PROBLEMS: usize = 1_000;
/// The most things recognised in all files together.
pub const MAX_RECOGNIZED: usize = 10_000;
/// The longest text quoted from a file, in characters.
pub const MAX_QUOTED_CHARS: usize = 80;
/// The most calls of one name read from one snippet.
pub const MAX_CALLS: usize = 200;
/// How far before a call the beginning of a comment is looked for.
pub const MAX_COMMENT_BYTES: usize = 64 * 1024;
