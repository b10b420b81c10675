//! A claim that has to wait for a chat's row looks at its owner as it is then, and a beat that has
//! to wait for its node's row for too long is not made at all.

use std::time::Duration;

use liveagent_bridge::store::shared::{Beat, Claim, Fence, Shared};
use liveagent_bridge::store::{Commit, Store};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::rules::{delta, id, new_chat};
use crate::server::Database;
use crate::within;

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(1);

fn beat(incarnation: Uuid) -> Beat {
    let (name, fingerprint) = ("node".to_owned(), "same".to_owned());
    Beat { incarnation, name, address: "10.0.0.1:8090".to_owned(), fingerprint, chats: 1 }
}

/// Until so many statements wait for a lock that somebody has.
async fn waiting(client: &Client, wanted: impl Fn(i64) -> bool) {
    let sql = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    within("as many statements wait as should", async {
        while !wanted(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn lapses(store: &dyn Shared, node: Uuid) {
    store.beat(&beat(node), SHORT).await.unwrap();
    within("the lease lapses", async {
        while store
            .nodes()
            .await
            .unwrap()
            .iter()
            .any(|one| one.told.incarnation == node && one.live)
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_owner_that_beat_meanwhile_keeps_its_chat() {
    let place = Database::new().await;
    let store = place.open().await;
    let (owner, claimant) = (id(1), id(2));
    lapses(&store, owner).await;
    store.beat(&beat(claimant), LONG).await.unwrap();
    store.open_as(new_chat(5), b"one".to_vec(), owner).await.unwrap();
    let (busy, look) = (place.client().await, place.client().await);
    busy.batch_execute("BEGIN; SELECT 1 FROM chat FOR UPDATE").await.unwrap();
    let beats_meanwhile = async {
        waiting(&look, |count| count >= 1).await;
        store.beat(&beat(owner), LONG).await.unwrap();
        busy.batch_execute("COMMIT").await.unwrap();
    };
    let (claim, ()) = tokio::join!(store.claim(id(5), claimant), beats_meanwhile);
    assert_eq!(claim, Ok(Claim::Held { owner }));
    place.remove().await;
}

/// The row that is claimed is the one that it waited for.
#[tokio::test]
async fn a_claim_waits_for_a_commit_and_keeps_it() {
    let place = Database::new().await;
    let store = place.open().await;
    let (owner, claimant) = (id(1), id(2));
    lapses(&store, owner).await;
    store.beat(&beat(claimant), LONG).await.unwrap();
    store.open_as(new_chat(5), b"one".to_vec(), owner).await.unwrap();
    let (busy, look) = (place.client().await, place.client().await);
    busy.batch_execute("BEGIN; UPDATE chat SET ended_at = 7").await.unwrap();
    let ends = async {
        waiting(&look, |count| count >= 1).await;
        busy.batch_execute("COMMIT").await.unwrap();
    };
    let (claim, ()) = tokio::join!(store.claim(id(5), claimant), ends);
    assert_eq!(claim, Ok(Claim::Taken { epoch: 2, from: Some(owner) }));
    let loaded = store.load(id(5)).await.unwrap().unwrap();
    assert_eq!(loaded.ended_at.map(|at| at.millis()), Some(7), "what was committed stays");
    let fence = Fence { owner: claimant, epoch: 2 };
    store.commit_as(Commit { epoch: Some(2), ..delta(5, 2, "two") }, fence).await.unwrap();
    place.remove().await;
}

/// One that nobody waits for any more must not come after later ones: it would end their lease.
#[tokio::test]
async fn a_beat_that_was_given_up_is_not_made_after_all() {
    let place = Database::new().await;
    let store = place.open().await;
    let node = id(1);
    store.beat(&beat(node), LONG).await.unwrap();
    let (busy, look) = (place.client().await, place.client().await);
    busy.batch_execute("BEGIN; SELECT 1 FROM node FOR UPDATE").await.unwrap();
    assert!(store.beat(&beat(node), SHORT).await.is_err());
    // Not only its client has given it up.
    waiting(&look, |count| count == 0).await;
    busy.batch_execute("COMMIT").await.unwrap();
    assert!(store.nodes().await.unwrap().iter().all(|node| node.live));
    place.remove().await;
}
