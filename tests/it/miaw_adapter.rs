//! The miaw adapter through the whole bridge: a legacy client in front, the emulated MIAW behind.
//!
//! Only the desk, the client and the wire are looked at, never the bridge's own state.

mod clients;
mod faults;
mod limits;
mod pacing;
mod restarts;
mod stream;
mod talk;
