//! The machine alone: the pure core in a modelled shell that commits and then acts, over a modelled
//! store, service and client. Fast, so it takes many seeds and a crash at every point; its judge
//! knows every corner of `docs/reliability.md`.

mod bridge;
mod client;
pub(crate) mod cluster;
mod desk;
mod front;
mod net;
mod oracle;
mod orders;
pub(crate) mod plan;
pub(crate) mod rng;
pub(crate) mod runs;
mod script;
mod service;
mod store;
mod stream;
mod told;
pub(crate) mod world;
