//! Findings, checks and the migration dry run.

pub mod codes;
pub mod finding;
