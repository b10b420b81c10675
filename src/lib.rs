//! `liveagent-bridge` keeps programs that speak Salesforce's legacy Live Agent REST API working on
//! Messaging for In-App and Web (MIAW).
//!
//! Reading order: **wire** (what is on the wire) → **core** (`chat`, `router`, `mapping`, `report`,
//! `import`: pure functions and one pure machine) → **shells** (everything that does I/O). An arrow
//! never points back; `tests/it/tidy.rs` holds that.

pub mod time;
pub mod wire;

pub mod chat;
pub mod import;
pub mod mapping;
pub mod metadata;
pub mod report;
pub mod router;

pub mod adapter;
pub mod admin;
pub mod app;
pub mod availability;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod cutover;
pub mod demo;
pub mod dry_run;
pub mod emulator;
pub mod facade;
pub mod observe;
pub mod preflight;
pub mod random;
pub mod serve;
pub mod shadow;
pub mod store;
pub mod support;
mod tap;
