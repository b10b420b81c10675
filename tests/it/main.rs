//! The integration tests: one binary, a file per subject.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

mod admin;
mod bridge_stage;
mod budget;
mod capture;
mod check_live;
mod config_check;
mod config_plan;
mod cutover;
mod demo;
mod dry_run;
mod dry_run_channel;
mod dry_run_codes;
mod dry_run_evidence;
mod dry_run_sources;
mod emulator_desk;
mod emulator_liveagent;
mod emulator_miaw;
mod facade;
mod import;
mod liveagent_adapter;
mod mapping;
mod miaw_adapter;
mod router_cases;
mod router_dates;
mod router_sequences;
mod serve;
mod sse;
mod stage;
mod store_contract;
mod tidy;
mod traces;
mod transport;
