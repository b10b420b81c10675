//! The database is away from both nodes for longer than their leases and a balancer's patience:
//! behind every balancer relayed chats begin and go on, polls are held, a POST is answered 500 when
//! its time is over, and nobody is ever answered 503. When the database is back all go on.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::balancer::{Balancer, Choice, Product};
use super::client::{Client, now};
use super::loss::{established, talk};
use super::site::{Node, Site};
use crate::visitor::http;
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

/// A POST of one client, whatever is answered.
async fn post(base: &str, session: &Value, noun: &str, number: u64, body: &Value) -> u16 {
    let request = http()
        .post(format!("{base}/Chasitor/{noun}"))
        .header("X-LIVEAGENT-API-VERSION", "47")
        .header("X-LIVEAGENT-AFFINITY", session["affinityToken"].as_str().unwrap())
        .header("X-LIVEAGENT-SESSION-KEY", session["key"].as_str().unwrap())
        .header("X-LIVEAGENT-SEQUENCE", number)
        .json(body);
    within("an answer to a POST", request.send()).await.unwrap().status().as_u16()
}

/// A session, which nobody needs a database for.
async fn session(base: &str) -> Value {
    let asked = http().get(format!("{base}/System/SessionId"));
    let asked = asked.header("X-LIVEAGENT-API-VERSION", "47");
    let answer = asked.header("X-LIVEAGENT-AFFINITY", "null").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

fn init(session: &Value) -> Value {
    json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "sessionId": session["id"], "userAgent": "t",
        "language": "en", "screenResolution": "1x1", "visitorName": "V", "prechatDetails": [],
        "prechatEntities": [], "receiveQueueUpdates": true, "isPost": true,
    })
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
    let begun = session(&verbatim).await;
    assert_eq!(post(&verbatim, &begun, "ChasitorInit", 1, &init(&begun)).await, 200);
    // It dies of every answer but 200 and 204.
    let mut parked: Client = established(&site.desk, &base, 1).await.client;

    way.send_replace(Way::Silent);
    for node in &nodes {
        is_away(node).await;
    }
    let since = now();
    let sessions = async {
        while since.elapsed() < AWAY {
            session(&verbatim).await;
        }
        let another = session(&verbatim).await;
        assert_eq!(post(&verbatim, &another, "ChasitorInit", 1, &init(&another)).await, 200);
        let says = json!({ "text": "hello" });
        assert_eq!(post(&verbatim, &begun, "ChatMessage", 2, &says).await, 200);
    };
    let waits = async {
        let new = session(&base).await;
        let began = now();
        assert_eq!(post(&base, &new, "ChasitorInit", 1, &init(&new)).await, 500);
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
