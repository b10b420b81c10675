//! K8: PostgreSQL is restarted, is not reached for a while, takes no more connections. The program
//! runs on a server of this test's own, through a proxy that can fall silent.

use tokio::sync::watch;
use tokio_postgres::NoTls;

use crate::long_or;
use crate::machine::Machine;
use crate::program::Program;
use crate::relayed::Relayed;
use crate::server::RING;
use crate::site::Site;
use crate::stage::Stage;
use crate::way::{Way, way_to};

/// Recovery that is promised, in milliseconds; held to in the long run, when nothing else runs.
const RECOVERY_MILLIS: i64 = 5_000;

/// The store of the site's bridges is this database; a second tenant is relayed.
fn configure(site: &Site, database: &url::Url) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replace(
        "path = \"bridge.sqlite\"",
        &format!("url = \"{database}\"\nkey_ring = \"{RING}\""),
    );
    let text = text.replace("[tenant.legacy]", "hosts = [\"127.0.0.1\"]\n[tenant.legacy]");
    let (_, tenant) = text.split_once("[[tenant]]").unwrap();
    let relayed = tenant
        .replace("id = \"example\"", "id = \"relayed\"")
        .replace("hosts = [\"127.0.0.1\"]\n", "");
    // A cutover of its own means an org of its own.
    let (legacy, miaw) = relayed.split_once("[tenant.miaw]").unwrap();
    let miaw = miaw.replace("00D000000000001", "00D000000000002");
    let relayed = format!("{legacy}[tenant.miaw]{miaw}");
    let plan = "[tenant.plan]\nremoval = \"2099-01-01T00:00:00Z\"\n";
    std::fs::write(site.config(), format!("{text}[[tenant]]{relayed}{plan}")).unwrap();
}

/// Cuts every connection but the caller's and keeps what is free then.
async fn take_all_connections(server: &url::Url) -> Vec<tokio_postgres::Client> {
    let connect = || async {
        let (client, connection) = tokio_postgres::connect(server.as_str(), NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    };
    let first = connect().await.unwrap();
    let mut all = vec![first];
    // The bridge asks for its connections again, and must find none.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'liveagent-bridge'";
    loop {
        while let Ok(client) = connect().await {
            all.push(client);
        }
        let cut = all[0].query(cut, &[]).await.unwrap();
        if cut.is_empty() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_outlive_a_restart_a_partition_and_a_full_server() {
    let mut server = Machine::start().await;
    let site = Site::new("none").await;
    let way = watch::Sender::new(Way::Open);
    let address = way_to(&server.address, &way).await;
    configure(&site, &address);
    let bridge: Program = site.serve().await;
    let mut stage = Stage::new(&site).await;
    let verbatim = format!("http://127.0.0.1:{}/t/relayed/chat/rest", site.port);
    let relayed = Relayed::begin(&verbatim).await;
    let mut recoveries = Vec::new();

    stage.check("before").await;
    // Everybody speaks from before the server stops until it is back.
    let over = std::cell::Cell::new(false);
    let restart = async {
        server.restart().await;
        over.set(true);
    };
    let speech = async {
        let mut spoken = 0;
        while !over.get() {
            stage.say(&format!("in the restart {spoken}")).await;
            spoken += 1;
        }
        spoken
    };
    let ((), spoken) = tokio::join!(restart, speech);
    assert!(spoken > 0);
    let back = stage.now();
    recoveries.push(("restart", stage.say("after the restart").await - back));
    stage.check("restarted").await;

    way.send_replace(Way::Silent);
    let healed = stage.once_refused(way.clone(), |way| {
        way.send_replace(Way::Open);
    });
    let beside = async {
        assert_eq!(relayed.init().await, 200, "the relay does not need the store");
        Relayed::begin(&verbatim).await;
    };
    let (last, ()) = tokio::join!(stage.say("in the silence"), beside);
    recoveries.push(("partition", last - healed.await.unwrap()));
    stage.check("reached again").await;

    let taken = take_all_connections(&server.address).await;
    let count = taken.len();
    let freed = stage.once_refused(taken, drop);
    let last = stage.say("while the server was full").await;
    recoveries.push(("full server", last - freed.await.unwrap()));
    stage.check("with room again").await;

    let told: Vec<String> =
        recoveries.iter().map(|(what, millis)| format!("{what} {millis} ms")).collect();
    let more = format!(
        "{} answers of 500, {count} connections taken, back after {}",
        *stage.refused.borrow(),
        told.join(", ")
    );
    if long_or(true, false) {
        for (what, millis) in recoveries {
            assert!(millis <= RECOVERY_MILLIS, "{what}: {millis} ms");
        }
    }
    let said = ["before", "restarted", "reached again", "with room again"];
    stage.end("K8", "PostgreSQL restarted, silent, full", &more, &said).await;
    drop(bridge);
}
