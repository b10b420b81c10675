//! Servers that are far, and servers that say nothing: who waits, and for how long.

use std::time::Duration;

use futures_util::future::join_all;
use liveagent_bridge::store::postgres::PostgresStore;
use liveagent_bridge::store::seal::KeyRing;
use liveagent_bridge::store::{Store, StoreError};
use tokio::sync::watch;

use crate::cluster::client::{Client, Kind};
use crate::cluster::site::Site;
use crate::server::{Database, RING};
use crate::way::{Way, far_from, way_to};

/// Each way.
const FAR: Duration = Duration::from_millis(100);
/// A server is given 5 s, a connection 10 s; the rest is for a busy machine.
const ENOUGH: Duration = Duration::from_secs(20);

#[tokio::test]
async fn however_many_wait_for_a_silent_server_nobody_waits_for_the_others() {
    let place = Database::new().await;
    let way = watch::Sender::new(Way::Open);
    let address = way_to(&place.url().parse().unwrap(), &way).await;
    let ring = KeyRing::from_secret(RING).unwrap();
    let store = PostgresStore::open(address.as_str(), None, ring).await.unwrap();
    way.send_replace(Way::Silent);
    let asked = join_all((0..400).map(|_| store.writable()));
    let answers = tokio::time::timeout(ENOUGH, asked).await.expect("all were answered");
    for answer in answers {
        assert!(matches!(answer, Err(StoreError::Engine { .. })), "{answer:?}");
    }
    way.send_replace(Way::Open);
    // What was found last is everybody's answer for a moment.
    let again = async {
        while store.writable().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), again).await.expect("on again");
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_far_from_its_database_starts_and_keeps_its_lease() {
    let site = Site::new().await;
    let address = far_from(&site.place.url().parse().unwrap(), FAR).await;
    let mut node = site.node("far");
    node.rewrite(|text| text.replace(&site.place.url(), address.as_str()));
    node.start().await;
    Client::begin(&node.base(), "far@example.test", Kind::Hrk).await;
    // As when the server was restarted: connections are made again before the lease lapses.
    let client = site.place.client().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.execute(cut, &[]).await.unwrap();
    let lease = async || {
        let sql = "SELECT extract(epoch FROM expires_at)::float8,
            extract(epoch FROM clock_timestamp())::float8 FROM node";
        let row = client.query_one(sql, &[]).await.unwrap();
        (row.get::<_, f64>(0), row.get::<_, f64>(1))
    };
    let (before, _) = lease().await;
    let renewed = async {
        loop {
            let (until, now) = lease().await;
            assert!(now < until, "the lease lapsed {} s ago", now - until);
            if until > before + 3.0 {
                return;
            }
        }
    };
    crate::within("the lease is renewed", renewed).await;
    assert_eq!(node.metric("bridge_lease_good").await, 1);
    Client::begin(&node.base(), "far-again@example.test", Kind::Hrk).await;
    drop(node);
    site.remove().await;
}
