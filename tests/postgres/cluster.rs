//! Several real processes on one database: killed, paused, restarted, behind nginx, HAProxy
//! and Envoy.
//!
//! What is checked is what clients and the agents' desk show. The clients die of everything but 200
//! and 204, as Rocket.Chat's and hrk's do.

mod answers;
mod away;
mod balancer;
pub mod client;
mod left;
mod life;
mod loss;
mod plans;
mod restart;
mod roll;
mod rotation;
mod shipped;
pub mod site;

/// A port that stays the same over restarts.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
