//! K8, the other half: the primary dies and its replica is promoted; the bridge, whose address
//! names both, goes on there without a restart, and never goes back to what was left behind. Real
//! servers with streaming replication; what is acknowledged is on both (`synchronous_commit`).

use tokio::sync::watch;
use tokio_postgres::Client;

use crate::cluster::free_port;
use crate::machine::Machine;
use crate::program::Program;
use crate::server::RING;
use crate::site::Site;
use crate::stage::Stage;
use crate::way::{Way, way_to};
use crate::{long_or, within};

/// From the promotion to the last acknowledgement, in milliseconds, when connections are cut; held
/// to in the long run, when nothing else runs.
const RECOVERY_MILLIS: i64 = 5_000;
/// The same when the old primary does not even refuse: requests that wait there end first.
const SILENT_RECOVERY_MILLIS: i64 = 20_000;
const BRIDGES: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'liveagent-bridge'";

/// A primary and the replica that has all that the primary acknowledges.
async fn pair() -> (Machine, Machine) {
    let primary = Machine::start().await;
    let replica = Machine::replica_of(&primary).await;
    let client = primary.client().await;
    set(&client, "synchronous_standby_names = 'replica'").await;
    let follows = async {
        let sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        while count(&client, sql).await != 1 {}
    };
    within("the replica follows", follows).await;
    (primary, replica)
}

async fn set(client: &Client, what: &str) {
    client.batch_execute(&format!("ALTER SYSTEM SET {what}")).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// The store of the site's bridge is on one of these, in this order; `more` are other sections.
fn configure(site: &Site, ports: [u16; 2], more: &str) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    let [a, b] = ports;
    let url = format!("postgres://bridge@127.0.0.1:{a},127.0.0.1:{b}/postgres");
    let url = format!("{url}?target_session_attrs=read-write");
    let store = format!("url = \"{url}\"\nkey_ring = \"{RING}\"\n{more}");
    let text = text.replace("path = \"bridge.sqlite\"", &store);
    std::fs::write(site.config(), text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_go_on_at_the_promoted_replica_and_never_back() {
    let (mut primary, mut replica) = pair().await;
    let site = Site::new("none").await;
    configure(&site, [primary.port(), replica.port()], "");
    let mut bridge: Program = site.serve().await;
    let mut stage = Stage::new(&site).await;
    stage.check("before").await;

    // While everybody speaks.
    let fall = async {
        primary.kill().await;
        replica.promote().await;
    };
    let clock = stage.clock().clone();
    let speech = async {
        for n in 0..4 {
            stage.say(&format!("in the fall {n}")).await;
        }
        stage.say("after the fall").await
    };
    let promoted = async {
        fall.await;
        clock.now().wall.millis()
    };
    let (last, promoted) = tokio::join!(speech, promoted);
    let mut recoveries = vec![("promotion", last - promoted)];
    stage.check("promoted").await;

    // The old primary comes back as it was: the first of the list, and taking writes.
    primary.restart().await;
    let old = primary.client().await;
    let new = replica.client().await;
    new.execute(CUT, &[]).await.unwrap();
    stage.check("beside the old one").await;
    assert_eq!(count(&old, BRIDGES).await, 0, "nothing goes back");
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    let bridge = site.serve().await;
    stage.check("restarted").await;
    assert_eq!(count(&old, BRIDGES).await, 0, "nothing goes back after a restart");
    assert!(count(&new, BRIDGES).await > 0);

    // It takes no writes any more, without cutting anybody: as if it had been demoted.
    set(&new, "default_transaction_read_only = on").await;
    let writable = stage.once_refused(new, |new| {
        tokio::spawn(async move {
            new.batch_execute("SET default_transaction_read_only = off").await.unwrap();
            set(&new, "default_transaction_read_only = off").await;
        });
    });
    let last = stage.say("while nobody took writes").await;
    recoveries.push(("read-only", last - writable.await.unwrap()));
    stage.check("writable").await;

    let told: Vec<String> =
        recoveries.iter().map(|(what, millis)| format!("{what} {millis} ms")).collect();
    let refused = *stage.refused.borrow();
    let more = format!("{refused} answers of 500, on again after {}", told.join(", "));
    if long_or(true, false) {
        for (what, millis) in recoveries {
            assert!(millis <= RECOVERY_MILLIS, "{what}: {millis} ms");
        }
    }
    let said = ["before", "promoted", "beside the old one", "restarted", "writable"];
    stage.end("K8", "PostgreSQL primary killed, replica promoted", &more, &said).await;
    drop(bridge);
}

/// Ends the bridge's connections.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'liveagent-bridge'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_answers_nothing_is_left_for_the_promoted_replica() {
    let (primary, mut replica) = pair().await;
    let way = watch::Sender::new(Way::Open);
    let address = way_to(&primary.address, &way).await;
    let site = Site::new("none").await;
    // A node of a cluster has a lease to renew beside.
    let cluster = format!("[cluster]\nlisten = \"127.0.0.1:{}\"", free_port());
    configure(&site, [address.port().unwrap(), replica.port()], &cluster);
    let bridge: Program = site.serve().await;
    let mut stage = Stage::new(&site).await;
    stage.check("before").await;
    way.send_replace(Way::Silent);
    // The operator makes sure that the old one takes nothing any more.
    drop(primary);
    replica.promote().await;
    let promoted = stage.now();
    let recovery = stage.say("in the silence").await - promoted;
    stage.check("promoted").await;
    let refused = *stage.refused.borrow();
    let more = format!("{refused} answers of 500, on again after promotion {recovery} ms");
    if long_or(true, false) {
        assert!(recovery <= SILENT_RECOVERY_MILLIS, "{recovery} ms");
    }
    let what = "PostgreSQL primary silent, replica promoted";
    stage.end("K8", what, &more, &["before", "promoted"]).await;
    drop(bridge);
}
