//! The integration tests: one binary, a file per subject.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

mod dry_run;
mod mapping;
mod budget;
mod emulator_desk;
mod emulator_liveagent;
mod emulator_miaw;
mod facade;
mod liveagent_adapter;
mod serve;
mod sse;
mod stage;
mod store_contract;
mod tidy;
