//! The integration tests: one binary, a file per subject.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

mod budget;
mod dry_run;
mod mapping;
mod sse;
mod store_contract;
mod tidy;
