//! Logs, metrics, and what was decided.

pub mod counted;
pub mod decisions;
pub mod history;
pub mod log;
pub mod metrics;
pub mod requests;
