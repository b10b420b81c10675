//! The rules of leases and owners, each over any store that several nodes can share.

use std::time::Duration;

use futures_util::future::join_all;
use liveagent_bridge::store::shared::{Beat, Claim, Fence, Shared};
use liveagent_bridge::store::{Commit, Retry, StoreError};
use liveagent_bridge::time::Wall;
use uuid::Uuid;

use super::{CANARY, delta, ended, id, new_chat};

/// Longer than any of these tests.
const LONG: Duration = Duration::from_secs(600);
/// Lapses at once.
const SHORT: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_secs(20);

fn node(n: u128) -> Uuid {
    id(1_000_000 + n)
}

fn beat(n: u128) -> Beat {
    Beat {
        incarnation: node(n),
        name: format!("node-{n}"),
        address: format!("10.0.0.{n}:8090"),
        fingerprint: "same".to_owned(),
        chats: n as u64,
    }
}

/// What a claim answers that takes the chat from a node.
fn taken(epoch: u64, from: u128) -> Result<Claim, StoreError> {
    Ok(Claim::Taken { epoch, from: Some(node(from)) })
}

async fn lives(store: &dyn Shared, n: u128) {
    store.beat(&beat(n), LONG).await.expect("a beat");
}

/// The lease of a node is over when this returns.
async fn lapses(store: &dyn Shared, n: u128) {
    store.beat(&beat(n), SHORT).await.expect("a beat");
    let mut often = tokio::time::interval(SHORT);
    let lapsed = async {
        while is_live(store, n).await {
            often.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, lapsed).await.expect("the lease lapses");
}

async fn is_live(store: &dyn Shared, n: u128) -> bool {
    let nodes = store.nodes().await.expect("readable");
    nodes.iter().any(|one| one.told.incarnation == node(n) && one.live)
}

async fn opened(store: &dyn Shared, chat: u128, owner: u128) -> Fence {
    store.open_as(new_chat(chat), b"one".to_vec(), node(owner)).await.expect("opened");
    Fence { owner: node(owner), epoch: 1 }
}

pub async fn beats_tell_who_lives(store: &dyn Shared) {
    assert_eq!(store.nodes().await.unwrap(), []);
    lives(store, 1).await;
    let nodes = store.beat(&beat(2), LONG).await.unwrap();
    let told: Vec<Beat> = nodes.iter().map(|node| node.told.clone()).collect();
    assert_eq!(told, [beat(1), beat(2)]);
    assert!(nodes.iter().all(|node| node.live));
    let since = nodes[0].since;
    lapses(store, 1).await;
    let again = Beat { fingerprint: "other".to_owned(), chats: 9, ..beat(1) };
    let nodes = store.beat(&again, LONG).await.unwrap();
    assert_eq!((&nodes[0].told, nodes[0].since, nodes[0].live), (&again, since, true));
    store.leave(node(1)).await.unwrap();
    assert_eq!(store.nodes().await.unwrap().len(), 1);
    store.leave(node(1)).await.unwrap();
}

pub async fn opening_takes_ownership(store: &dyn Shared) {
    lives(store, 1).await;
    let fence = opened(store, 5, 1).await;
    let owner = store.owner(id(5)).await.unwrap().expect("there");
    assert_eq!((owner.incarnation, owner.epoch), (Some(node(1)), 1));
    assert_eq!(owner.address.as_deref(), Some("10.0.0.1:8090"));
    store.commit_as(delta(5, 2, "two"), fence).await.unwrap();
    let twice = store.open_as(new_chat(5), b"x".to_vec(), node(2)).await.unwrap_err();
    assert_eq!(twice, StoreError::AlreadyThere { chat: id(5) });
    assert_eq!(store.owned(node(1)).await.unwrap(), [(id(5), 1)]);
    assert_eq!(store.owner(id(6)).await, Ok(None));
    assert_eq!(store.claim(id(6), node(1)).await, Ok(Claim::Unknown));
}

pub async fn a_living_owner_keeps_its_chats(store: &dyn Shared) {
    lives(store, 1).await;
    lives(store, 2).await;
    opened(store, 5, 1).await;
    let held = Claim::Held { owner: node(1) };
    assert_eq!(store.claim(id(5), node(2)).await, Ok(held));
    assert_eq!(store.claim_orphans(node(2), 10).await, Ok(Vec::new()));
    // Its own it may always take again: what it did before is fenced then.
    assert_eq!(store.claim(id(5), node(1)).await, taken(2, 1));
}

pub async fn a_lapsed_or_released_owner_loses_its_chats_and_is_fenced(store: &dyn Shared) {
    lives(store, 2).await;
    lapses(store, 1).await;
    let old = opened(store, 5, 1).await;
    assert_eq!(store.owner(id(5)).await.unwrap().unwrap().address, None);
    assert_eq!(store.claim(id(5), node(2)).await, taken(2, 1));
    // It comes back: what it has not lost it could keep, this one is lost.
    lives(store, 1).await;
    let snapshot = Commit { snapshot: Some(CANARY.into()), ..delta(5, 2, CANARY) };
    for late in [delta(5, 2, CANARY), snapshot, ended(5, 2, 9), delta(5, 7, CANARY)] {
        let error = store.commit_as(late, old).await.unwrap_err();
        assert_eq!(error, StoreError::Fenced { chat: id(5) });
        assert_eq!(error.retry(), Retry::Never);
        assert!(!format!("{error} {error:?}").contains(CANARY));
    }
    let new = Fence { owner: node(2), epoch: 2 };
    store.commit_as(delta(5, 2, "two"), new).await.unwrap();
    let error = store.commit_as(delta(5, 2, "two"), new).await.unwrap_err();
    assert_eq!(error, StoreError::OutOfOrder { chat: id(5), got: 2, next: 3 });
    let early = Fence { epoch: 3, ..new };
    assert!(matches!(
        store.commit_as(delta(5, 3, "x"), early).await,
        Err(StoreError::Fenced { .. })
    ));
    store.leave(node(2)).await.unwrap();
    assert_eq!(store.claim(id(5), node(1)).await, taken(3, 2));
    let unknown = store.commit_as(delta(6, 2, "x"), new).await.unwrap_err();
    assert_eq!(unknown, StoreError::NoSuchChat { chat: id(6) });
    let loaded = store.load(id(5)).await.unwrap().unwrap();
    assert_eq!(loaded.deltas, [b"one".to_vec(), b"two".to_vec()]);
}

pub async fn a_chat_of_a_bridge_that_was_alone_is_nobodys(store: &dyn Shared) {
    lives(store, 1).await;
    store.open(new_chat(5), b"one".to_vec()).await.unwrap();
    assert_eq!(store.claim(id(5), node(1)).await, Ok(Claim::Taken { epoch: 1, from: None }));
    assert_eq!(store.claim(id(5), node(1)).await, taken(2, 1));
}

pub async fn who_has_no_lease_claims_nothing(store: &dyn Shared) {
    lapses(store, 1).await;
    lapses(store, 2).await;
    opened(store, 5, 1).await;
    let fenced = Err(StoreError::Fenced { chat: id(5) });
    assert_eq!(store.claim(id(5), node(2)).await, fenced);
    assert_eq!(store.claim(id(5), node(1)).await, fenced);
    assert_eq!(store.claim_orphans(node(3), 10).await, Ok(Vec::new()));
}

pub async fn of_many_claimants_one_gets_the_chat(store: &dyn Shared) {
    lapses(store, 99).await;
    opened(store, 5, 99).await;
    for n in 1..=8 {
        lives(store, n).await;
    }
    let claims = join_all((1..=8).map(|n| store.claim(id(5), node(n)))).await;
    let taken = claims.iter().filter(|claim| matches!(claim, Ok(Claim::Taken { epoch: 2, .. })));
    assert_eq!(taken.count(), 1, "{claims:?}");
    let owner = store.owner(id(5)).await.unwrap().unwrap().incarnation.unwrap();
    let held = claims.iter().filter(|claim| **claim == Ok(Claim::Held { owner })).count();
    assert_eq!(held, 7, "{claims:?}");
}

pub async fn orphans_are_shared_out_without_overlap(store: &dyn Shared) {
    lapses(store, 99).await;
    for chat in 0..40 {
        opened(store, chat, 99).await;
    }
    // One of a bridge that was alone, one that is over, one whose owner lives.
    store.open(new_chat(100), b"one".to_vec()).await.unwrap();
    let fence = opened(store, 101, 99).await;
    store.commit_as(ended(101, 2, 7), fence).await.unwrap();
    for n in 1..=3 {
        lives(store, n).await;
    }
    opened(store, 102, 3).await;
    let mut all = Vec::new();
    let claimed = async {
        while all.len() < 41 {
            let pages = join_all([1, 2].map(|n| store.claim_orphans(node(n), 7))).await;
            for page in pages {
                let page = page.unwrap();
                assert!(page.len() <= 7);
                all.extend(page);
            }
        }
    };
    tokio::time::timeout(DEADLINE, claimed).await.expect("all are claimed");
    all.sort_unstable();
    let expected = (0..40).map(|n| (id(n), 2)).chain([(id(100), 1)]);
    assert_eq!(all, expected.collect::<Vec<_>>());
    assert_eq!(store.claim_orphans(node(1), 7).await, Ok(Vec::new()));
    let owned: usize = {
        let each = join_all([1, 2].map(|n| store.owned(node(n)))).await;
        each.into_iter().map(|owned| owned.unwrap().len()).sum()
    };
    assert_eq!(owned, 41);
    assert_eq!(store.owned(node(3)).await.unwrap(), [(id(102), 1)]);
}

pub async fn a_forgotten_chat_has_no_owner(store: &dyn Shared) {
    lives(store, 1).await;
    let fence = opened(store, 5, 1).await;
    store.commit_as(ended(5, 2, 7), fence).await.unwrap();
    assert_eq!(store.owned(node(1)).await, Ok(Vec::new()), "it is over");
    assert_eq!(store.claim(id(5), node(1)).await, taken(2, 1));
    assert_eq!(store.purge(Wall::from_millis(8)).await, Ok(1));
    assert_eq!(store.owner(id(5)).await, Ok(None));
    opened(store, 5, 1).await;
    assert_eq!(store.erase(id(5)).await, Ok(true));
    assert_eq!(store.owner(id(5)).await, Ok(None));
}

/// Calls `$each` with the names of all rules.
macro_rules! every_owner_rule {
    ($each:ident) => {
        $each!(
            beats_tell_who_lives,
            opening_takes_ownership,
            a_living_owner_keeps_its_chats,
            a_lapsed_or_released_owner_loses_its_chats_and_is_fenced,
            a_chat_of_a_bridge_that_was_alone_is_nobodys,
            who_has_no_lease_claims_nothing,
            of_many_claimants_one_gets_the_chat,
            orphans_are_shared_out_without_overlap,
            a_forgotten_chat_has_no_owner,
        );
    };
}
pub(crate) use every_owner_rule;
