//! What the store in PostgreSQL promises beyond the contract.

use std::time::Duration;

use futures_util::future::join_all;
use liveagent_bridge::store::postgres::{Occupancy, PostgresStore};
use liveagent_bridge::store::seal::KeyRing;
use liveagent_bridge::store::{Store, StoreError};
use liveagent_bridge::time::Wall;
use tokio::sync::watch;

use crate::rules::{CANARY, delta, id, load, new_chat, open};
use crate::server::{Database, RING, ROTATED};
use crate::way::{Way, way_to};

#[tokio::test]
async fn nodes_that_start_together_make_the_tables_once() {
    let place = Database::new().await;
    let stores = join_all((0..4).map(|_| place.open())).await;
    open(&stores[0], 1).await;
    assert_eq!(load(&stores[3], 1).await.next_number, 2);
    place.remove().await;
}

#[tokio::test]
async fn what_was_stored_is_there_for_another_node() {
    let place = Database::new().await;
    open(&place.open().await, 1).await;
    let other = place.open().await;
    other.commit(delta(1, 2, "two")).await.unwrap();
    assert_eq!(load(&other, 1).await.deltas, [b"one".to_vec(), b"two".to_vec()]);
    place.remove().await;
}

#[tokio::test]
async fn a_cut_connection_is_made_again() {
    let place = Database::new().await;
    let store = place.open().await;
    open(&store, 1).await;
    for _ in 0..16 {
        store.writable().await.unwrap();
    }
    place.cut().await;
    // The first requests may find the loss out; none hangs, and then all is well again.
    let mut number = 2;
    let mut failed = 0;
    while number < 20 {
        match store.commit(delta(1, number, "more")).await {
            Ok(()) => number += 1,
            Err(StoreError::Engine { .. }) => {
                failed += 1;
                number = load_again(&store).await;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(failed < 30, "it does not recover");
    }
    assert_eq!(load(&store, 1).await.deltas.len(), 19);
    place.remove().await;
}

async fn load_again(store: &PostgresStore) -> u64 {
    for _ in 0..30 {
        if let Ok(Some(loaded)) = store.load(id(1)).await {
            return loaded.next_number;
        }
    }
    panic!("it cannot be read any more");
}

#[tokio::test]
async fn no_text_is_in_clear_in_any_table() {
    let place = Database::new().await;
    let store = place.open().await;
    store.open(new_chat(1), CANARY.into()).await.unwrap();
    let mut commit = delta(1, 2, CANARY);
    commit.snapshot = Some(CANARY.into());
    store.commit(commit).await.unwrap();
    store.append_change(Wall::from_millis(1), CANARY.into(), 0).await.unwrap();
    let client = place.client().await;
    for (table, rows) in [("delta", 0), ("snapshot", 1), ("change", 1), ("canary", 1)] {
        let sql = format!("SELECT body FROM {table}");
        let found = client.query(&sql, &[]).await.unwrap();
        assert_eq!(found.len(), rows, "{table}");
        for row in found {
            let body: Vec<u8> = row.get(0);
            assert!(!body.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{table}");
        }
    }
    place.remove().await;
}

#[tokio::test]
async fn a_ring_that_does_not_fit_is_refused_and_a_rotated_one_fits() {
    let place = Database::new().await;
    let store = place.open().await;
    open(&store, 1).await;
    store.append_change(Wall::from_millis(1), b"change".to_vec(), 0).await.unwrap();
    let other = "seal third Fj3vq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjQ=";
    let refusal = place.try_open(other).await.unwrap_err().to_string();
    assert!(refusal.contains("does not fit") && refusal.contains("`first`"), "{refusal}");
    let rotated = place.try_open(ROTATED).await.unwrap();
    assert_eq!(load(&rotated, 1).await.deltas, [b"one".to_vec()]);
    let changes = rotated.changes_after(0, 10).await.unwrap();
    assert_eq!(changes[0].body, b"change");
    place.remove().await;
}

#[tokio::test]
async fn a_newer_database_is_refused_untouched() {
    let place = Database::new().await;
    drop(place.open().await);
    place.client().await.batch_execute("UPDATE version SET number = 99").await.unwrap();
    let refusal = place.try_open(RING).await.unwrap_err().to_string();
    assert!(refusal.contains("version 99"), "{refusal}");
    place.remove().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_said_without_its_password() {
    let ring = || KeyRing::from_secret(RING).unwrap();
    let nowhere = "postgres://user:secret-word@127.0.0.1:1/none";
    let refusal = PostgresStore::open(nowhere, None, ring()).await.unwrap_err().to_string();
    assert!(refusal.contains("cannot open the store"), "{refusal}");
    assert!(!refusal.contains("secret-word"), "{refusal}");
    let nonsense = "postgres://user:secret-word@host:port/none";
    let refusal = PostgresStore::open(nonsense, None, ring()).await.unwrap_err().to_string();
    assert!(refusal.contains("expected postgres://"), "{refusal}");
    assert!(!refusal.contains("secret-word"), "{refusal}");
}

/// Neither has a name that TLS could ask for.
#[tokio::test]
async fn a_socket_file_and_a_bare_address_are_connected_to() {
    let place = Database::new().await;
    let sql = "SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories'";
    let row = place.client().await.query_one(sql, &[]).await.unwrap();
    let (folder, url) = (row.get::<_, String>(0), url::Url::parse(&place.url()).unwrap());
    let (port, name) = (url.port().unwrap(), url.path());
    for host in [format!("host={folder}"), "hostaddr=127.0.0.1".to_owned()] {
        let url = format!("postgres://bridge@:{port}{name}?{host}");
        let store = PostgresStore::open(&url, None, KeyRing::from_secret(RING).unwrap()).await;
        store.unwrap_or_else(|error| panic!("{host}: {error}")).writable().await.unwrap();
    }
    place.remove().await;
}

#[tokio::test]
async fn a_bridge_that_is_alone_keeps_others_out_until_it_goes() {
    let place = Database::new().await;
    let (first, second) = (place.open().await, place.open().await);
    let alone = first.occupy(Occupancy::Alone).await.unwrap();
    for occupancy in [Occupancy::Alone, Occupancy::Cluster] {
        let refusal = second.occupy(occupancy).await.unwrap_err().to_string();
        assert!(refusal.contains("uses this database"), "{refusal}");
        assert!(refusal.contains("`[cluster]`"), "{refusal}");
    }
    drop(alone);
    let node = second.occupy(Occupancy::Cluster).await.unwrap();
    let other = first.occupy(Occupancy::Cluster).await.unwrap();
    let refusal = first.occupy(Occupancy::Alone).await.unwrap_err().to_string();
    assert!(refusal.contains("another bridge"), "{refusal}");
    drop((node, other));
    drop(first.occupy(Occupancy::Alone).await.unwrap());
    place.remove().await;
}

#[tokio::test]
async fn who_loses_the_database_while_the_server_is_away_is_told() {
    let place = Database::new().await;
    let store = place.open().await;
    let alone = store.occupy(Occupancy::Alone).await.unwrap();
    // It takes the lock again by itself, unless somebody else is faster.
    let sql = format!("SELECT pg_try_advisory_lock({})", 0x4C41_426F_i64);
    let mut thief;
    loop {
        place.cut().await;
        thief = place.client().await;
        if thief.query_one(&sql, &[]).await.unwrap().get(0) {
            break;
        }
    }
    tokio::time::timeout(std::time::Duration::from_secs(30), alone.lost().cancelled())
        .await
        .expect("it is told");
    drop(thief);
    place.remove().await;
}

/// The network breaks, and the server does not notice: it still has the lock for the connection of
/// before.
#[tokio::test]
async fn a_bridge_does_not_take_itself_for_another_one() {
    let place = Database::new().await;
    let way = watch::Sender::new(Way::Open);
    let address = way_to(&place.url().parse().unwrap(), &way).await;
    let ring = KeyRing::from_secret(RING).unwrap();
    let store = PostgresStore::open(address.as_str(), None, ring).await.unwrap();
    let alone = store.occupy(Occupancy::Alone).await.unwrap();
    let client = place.client().await;
    let sql = "SELECT coalesce(max(pid), 0) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND mode = 'ExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let holder = async || client.query_one(sql, &[]).await.unwrap().get::<_, i32>(0);
    let before = holder().await;
    assert_ne!(before, 0);
    way.send_replace(Way::Silent);
    let asked = tokio::time::timeout(Duration::from_secs(1), store.writable()).await;
    assert!(asked.is_err(), "nothing is answered");
    way.send_replace(Way::Open);
    let again = async { while [0, before].contains(&holder().await) {} };
    tokio::select! {
        () = crate::within("the lock is taken again", again) => {}
        () = alone.lost().cancelled_owned() => panic!("it took itself for another bridge"),
    }
    let other = place.open().await;
    assert!(other.occupy(Occupancy::Alone).await.is_err());
    place.remove().await;
}
