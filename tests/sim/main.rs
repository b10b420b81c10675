//! The whole chat in simulation: the pure core, a shell that commits and then acts, a store, a
//! Messaging service, an agent and a legacy client, with faults and crashes drawn from a seed.
//!
//! Promised: a run depends on its seed alone; the oracle judges by what the agent's desk and the
//! client saw, and by what crossed the wires between them and the bridge, never by the bridge's
//! state. A failing seed prints the line that repeats it, and its trace.
//!
//! `SIM_SEEDS=100000 SIM_FROM=1 cargo test --release --test sim seeds` runs more of it;
//! `SIM_MUTATE=dedupe` breaks one safety rule by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::too_many_lines)]
// Events and calls are handed on whole.
#![allow(clippy::needless_pass_by_value)]

#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../src"]
mod source {
    pub mod chat;
    #[path = "cluster/lease.rs"]
    pub mod lease;
    pub mod time;
    pub mod wire;
}
use source::{chat, lease, time, wire};

#[allow(unreachable_pub)]
mod bridge;
#[allow(unreachable_pub)]
mod client;
#[allow(unreachable_pub)]
mod cluster;
#[allow(unreachable_pub)]
mod desk;
#[allow(unreachable_pub)]
mod front;
#[allow(unreachable_pub)]
mod net;
#[allow(unreachable_pub)]
mod oracle;
mod orders;
#[allow(unreachable_pub)]
mod plan;
#[allow(unreachable_pub)]
mod rng;
#[allow(unreachable_pub)]
mod runs;
#[allow(unreachable_pub)]
mod script;
#[allow(unreachable_pub)]
mod service;
#[allow(unreachable_pub)]
mod store;
#[allow(unreachable_pub)]
mod stream;
#[allow(unreachable_pub)]
mod told;
#[allow(unreachable_pub)]
mod world;
