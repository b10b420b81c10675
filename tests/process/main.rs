//! The real program: started, killed, stopped and started again; its command lines as scripts use
//! them.
//!
//! Promised: what is checked is only what a legacy client, the agents at the desk, a shell and the
//! files show. Every wait has a deadline, every process is ended by its own id.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs, unreachable_pub)]

mod admin;
mod canary;
mod capture;
#[path = "../it/certificates.rs"]
mod certificates;
mod commands;
mod config;
mod crash;
mod desk;
mod program;
#[path = "../it/proxy.rs"]
mod proxy;
mod reload;
mod site;
mod stop;
mod store;
mod visitor;

use std::time::Duration;

/// No test waits longer for anything; a little more than a poll is held.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for something that must come.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(came) = tokio::time::timeout(DEADLINE, wait).await else {
        panic!("waited {} s: {what}", DEADLINE.as_secs());
    };
    came
}
