//! The integration tests: one binary, a file per subject.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

mod emulator_liveagent;
mod emulator_miaw;
mod sse;
