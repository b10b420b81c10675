//! The store in a real PostgreSQL, and the program on top of it. `tests/run` installs and starts
//! the server and names it in `TEST_POSTGRES`; without that these tests fail, so that nothing is
//! skipped silently. `cargo test` alone does not run them.
#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../store/rules.rs"]
mod rules;

mod opening;
mod server;

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
