//! Key rings: which are refused, and how a key is changed while nodes run.

use liveagent_bridge::store::Store as _;
use liveagent_bridge::store::postgres::{Occupancy, PostgresStore, Purpose};
use liveagent_bridge::store::seal::KeyRing;
use liveagent_bridge::time::Wall;

use crate::rules::{id, load, open};
use crate::server::{Database, RING, ROTATED};
use crate::within;

const SECOND: &str = "seal second Ej3vq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjQ=";

async fn keys(place: &Database) -> Vec<String> {
    let sql = "SELECT key_id FROM canary ORDER BY key_id";
    let rows = place.client().await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_key_that_a_bridge_seals_with_is_not_taken_for_one_that_nobody_needs() {
    for occupancy in [Occupancy::Cluster, Occupancy::Alone] {
        let place = Database::new().await;
        let one = place.open().await;
        let occupied = one.occupy(occupancy).await.unwrap();
        // Nothing is sealed at this moment.
        let refusal = place.try_open(SECOND).await.unwrap_err().to_string();
        assert!(refusal.contains("does not fit") && refusal.contains("`first`"), "{refusal}");
        assert!(refusal.contains("may be sealing with it"), "{refusal}");
        assert_eq!(keys(&place).await, ["first"]);
        open(&one, 1).await;
        assert!(place.try_open(SECOND).await.is_err());
        drop(occupied);
        place.remove().await;
    }
}

#[tokio::test]
async fn a_key_is_taken_out_while_others_run_that_seal_with_the_new_one() {
    let place = Database::new().await;
    let one = place.open().await;
    let occupied = one.occupy(Occupancy::Cluster).await.unwrap();
    open(&one, 1).await;
    let two = place.try_open(ROTATED).await.unwrap();
    let _stays = two.occupy(Occupancy::Cluster).await.unwrap();
    assert_eq!(load(&two, 1).await.deltas.len(), 1);
    assert!(two.erase(id(1)).await.unwrap());
    assert!(place.try_open(SECOND).await.is_err(), "one still seals with the first");
    drop(occupied);
    let gone = async { while place.try_open(SECOND).await.is_err() {} };
    within("the first key is taken out", gone).await;
    assert_eq!(keys(&place).await, ["second"]);
    let refusal = place.try_open(RING).await.unwrap_err().to_string();
    assert!(refusal.contains("`second`"), "{refusal}");
    place.remove().await;
}

#[tokio::test]
async fn whose_key_was_taken_out_before_it_ran_does_not_run() {
    let place = Database::new().await;
    let one = place.open().await;
    let two = place.try_open(SECOND).await.unwrap();
    let refusal = one.occupy(Occupancy::Cluster).await.unwrap_err().to_string();
    assert!(refusal.contains("`first`") && refusal.contains("taken out"), "{refusal}");
    let _runs = two.occupy(Occupancy::Cluster).await.unwrap();
    place.remove().await;
}

/// Its connection was cut a moment ago, its lease lives.
#[tokio::test]
async fn a_node_whose_connection_is_away_still_counts() {
    let place = Database::new().await;
    let one = place.open().await;
    let sql = "INSERT INTO node VALUES (gen_random_uuid(), 'n', 'a', 'f', 0, clock_timestamp(),
        clock_timestamp() + interval '1 minute')";
    place.client().await.execute(sql, &[]).await.unwrap();
    drop(one);
    assert!(place.try_open(SECOND).await.is_err());
    place.client().await.execute("DELETE FROM node", &[]).await.unwrap();
    place.try_open(SECOND).await.unwrap();
    place.remove().await;
}

/// `store check` beside those who run, with a ring that they do not have yet.
#[tokio::test]
async fn a_look_with_the_next_ring_seals_nothing() {
    let place = Database::new().await;
    let one = place.open().await;
    one.append_change(Wall::from_millis(1), b"one".to_vec(), 0).await.unwrap();
    open(&one, 1).await;
    let ring = KeyRing::from_secret(ROTATED).unwrap();
    let look = PostgresStore::open_for(&place.url(), None, ring, Purpose::Look).await.unwrap();
    assert_eq!(load(&look, 1).await.deltas.len(), 1);
    assert_eq!(look.changes_after(0, 9).await.unwrap().len(), 1);
    assert_eq!(keys(&place).await, ["first"]);
    assert_eq!(one.changes_after(0, 9).await.unwrap().len(), 1, "sealed as it was");
    // A ring that opens nothing is refused as ever.
    let ring = KeyRing::from_secret(SECOND).unwrap();
    assert!(PostgresStore::open_for(&place.url(), None, ring, Purpose::Look).await.is_err());
    place.remove().await;
}

/// The server's or the role's default does not decide whether what was answered is on its disk.
#[tokio::test]
async fn commits_are_on_the_disk_whatever_the_default_says() {
    let place = Database::new().await;
    let off = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off',
        current_database()); END $$;
        CREATE SCHEMA liveagent_bridge; CREATE TABLE liveagent_bridge.seen (value text);
        CREATE FUNCTION liveagent_bridge.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO liveagent_bridge.seen VALUES (current_setting('synchronous_commit'));
            RETURN NEW; END $$";
    place.bare_client().await.batch_execute(off).await.unwrap();
    let store = place.open().await;
    let see = "CREATE TRIGGER see BEFORE INSERT ON delta FOR EACH ROW EXECUTE FUNCTION see()";
    place.client().await.batch_execute(see).await.unwrap();
    open(&store, 1).await;
    let seen = place.client().await.query("SELECT value FROM seen", &[]).await.unwrap();
    let seen: Vec<String> = seen.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, ["on"]);
    place.remove().await;
}
