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
mod disk;
mod forgotten;
mod load;
mod overload;
mod program;
#[path = "../it/proxy.rs"]
mod proxy;
mod reload;
mod site;
mod sizing;
mod stop;
mod store;
mod tally;
mod tenants;
mod upgrade;
mod visitor;

use std::time::Duration;

/// No test waits longer for anything; a little more than a poll is held.
const DEADLINE: Duration = Duration::from_secs(30);

/// `tests/run --long` sets `LONG=1`: as often as the promises say, else often enough.
fn long_or<T>(long: T, short: T) -> T {
    if std::env::var_os("LONG").is_some_and(|set| set == "1") { long } else { short }
}

/// Waits for something that must come.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(came) = tokio::time::timeout(DEADLINE, wait).await else {
        panic!("waited {} s: {what}", DEADLINE.as_secs());
    };
    came
}
