//! The database is away from both nodes for longer than their leases and a balancer's patience:
//! behind every balancer relayed chats begin and go on, polls are held, a POST is answered 500 when
//! its time is over, and nobody is ever answered 503. When the database is back all go on.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::balancer::{Balancer, Choice, Product};
use super::client::{Client, now};
use super::loss::{established, talk};
use super::site::{Node, Site};
use crate::relayed::Relayed;
use crate::way::{Way, way_to};
use crate::within;

/// A balancer has long noticed by then: it looks every 2 s, twice.
const AWAY: Duration = Duration::from_secs(10);

/// A second tenant, whose chats the real service has.
fn relayed(site: &Site, text: &str) -> String {
    let legacy = format!(
        r#"[[tenant]]
id = "relayed"
[tenant.legacy]
live_agent_base_url = "{}"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
[tenant.plan]
removal = "2099-01-01T00:00:00Z"
[tenant.miaw]
base_url = "http://127.0.0.1:9"
organization_id = "00D000000000002"
embedded_service_developer_name = "Unused"
"#,
        site.liveagent
    );
    let text = text.replace("id = \"example\"\n", "id = \"example\"\nhosts = [\"127.0.0.1\"]\n");
    format!("{text}{legacy}")
}

async fn is_away(node: &Node) {
    let unready = async { while node.ready().await["status"] == "ready" {} };
    within("no node is ready", unready).await;
}

async fn goes_on_behind(product: Product) {
    let site = Site::new().await;
    let way = watch::Sender::new(Way::Open);
    let url = way_to(&site.place.url().parse().unwrap(), &way).await;
    let mut nodes = [site.node("one"), site.node("two")];
    for node in &mut nodes {
        node.rewrite(|text| relayed(&site, &text.replace(&site.place.url(), url.as_str())));
        node.start().await;
    }
    let balancer = Balancer::new(site.folder.path(), &nodes, product, Choice::RoundRobin).await;
    let base = balancer.base();
    let verbatim = base.replace("/chat/rest", "/t/relayed/chat/rest");
    let mut chat = established(&site.desk, &base, 0).await;
    talk(&mut chat, &site.desk).await;
    let begun = Relayed::begin(&verbatim).await;
    assert_eq!(begun.init().await, 200);
    // It dies of every answer but 200 and 204.
    let mut parked: Client = established(&site.desk, &base, 1).await.client;

    way.send_replace(Way::Silent);
    for node in &nodes {
        is_away(node).await;
    }
    let since = now();
    let sessions = async {
        while since.elapsed() < AWAY {
            Relayed::begin(&verbatim).await;
        }
        assert_eq!(Relayed::begin(&verbatim).await.init().await, 200);
        assert_eq!(begun.say("hello").await, 200);
    };
    let waits = async {
        let new = Relayed::begin(&base).await;
        let began = now();
        assert_eq!(new.init().await, 500);
        assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
    };
    let (messages, (), ()) = tokio::join!(parked.poll(), sessions, waits);
    assert_eq!(messages, Vec::<Value>::new(), "nothing was said");
    way.send_replace(Way::Open);
    talk(&mut chat, &site.desk).await;
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_away_behind_nginx() {
    goes_on_behind(Product::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_away_behind_haproxy() {
    goes_on_behind(Product::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_away_behind_envoy() {
    goes_on_behind(Product::Envoy).await;
}
