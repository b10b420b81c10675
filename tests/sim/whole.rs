//! The whole program: nodes as `serve` builds them, over one store in memory, between both emulated
//! services with their desk and legacy clients behind a balancer.
//!
//! What a process has to do with anything else (store, Salesforce, other nodes, clients) passes its
//! gate (`gate`). A dead process is one whose gate stays shut: nothing it still does can be seen.
//! A seed decides delays, losses, repeats, crashes, pauses, cuts and steps of the wall clock; time
//! is tokio's, paused. The judge (`oracle`) sees the desk and the clients, never the bridge.

mod balancer;
mod chaos;
mod client;
mod desk;
mod dice;
mod gate;
mod node;
mod oracle;
pub(crate) mod plan;
pub(crate) mod runs;
mod saw;
mod script;
mod store;
mod wire;
mod world;
