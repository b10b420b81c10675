//! The store in a real PostgreSQL, and the program on top of it. `tests/run` installs and starts
//! the server and names it in `TEST_POSTGRES`; without that these tests fail, so that nothing is
//! skipped silently. `cargo test` alone does not run them.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs, unreachable_pub, dead_code)]

#[path = "../store/rules.rs"]
mod rules;

mod backup;
#[path = "../it/certificates.rs"]
mod certificates;
mod claims;
mod cluster;
#[path = "../process/desk.rs"]
mod desk;
mod failover;
mod machine;
mod opening;
mod outage;
#[path = "../process/program.rs"]
mod program;
mod relayed;
mod rings;
mod server;
#[path = "../process/site.rs"]
mod site;
mod stage;
#[path = "../process/tally.rs"]
mod tally;
mod tls;
mod versions;
#[path = "../process/visitor.rs"]
mod visitor;
mod waits;
mod way;

use std::time::Duration;

use server::Database;

macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod contract {
            $(#[tokio::test]
            async fn $rule() {
                let place = super::Database::new().await;
                super::rules::$rule(&place.open().await).await;
                place.remove().await;
            })*
        }
    };
}

rules::every_rule!(contract);

macro_rules! owners_contract {
    ($($rule:ident),* $(,)?) => {
        mod owners_contract {
            $(#[tokio::test]
            async fn $rule() {
                let place = super::Database::new().await;
                super::rules::owners::$rule(&place.open().await).await;
                place.remove().await;
            })*
        }
    };
}

rules::owners::every_owner_rule!(owners_contract);

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for something that must come.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(came) = tokio::time::timeout(DEADLINE, wait).await else {
        panic!("waited {} s: {what}", DEADLINE.as_secs());
    };
    came
}

/// `tests/run --long` sets `LONG=1`: as often as the promises say, else often enough.
fn long_or<T>(long: T, short: T) -> T {
    if std::env::var_os("LONG").is_some_and(|set| set == "1") { long } else { short }
}
