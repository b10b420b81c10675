//! Exactly what is on the wire: serde types and framing, no behaviour.
//!
//! Promised: reading is lenient (unknown members are skipped, `null` counts as absent, open enums
//! keep what they do not know), writing is exact. Not promised: any decision.

pub mod liveagent;
pub mod miaw;
pub mod sse;

mod lenient;
