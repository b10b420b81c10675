//! Findings, checks and the migration dry run.
