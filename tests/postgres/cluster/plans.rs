//! P3: a plan changed at one node is in force at the other within a second.

use liveagent_bridge::clock::Clock;

use super::client::{Client, Kind};
use super::site::{Node, Site};
use crate::program::run;
use crate::within;

/// From the change's own instant to the last new chat of another node that does not follow it yet.
const FOLLOWED_MILLIS: i64 = 1_000;

const FORTH: &[&str] = &["stage", "example", "miaw", "--without-evidence"];
const BACK: &[&str] = &["rollback", "example"];

/// Its tenant has a legacy org that answers for long.
fn with_legacy(site: &Site, node: &Node) {
    let legacy = format!(
        "id = \"example\"\n[tenant.plan]\nremoval = \"2099-01-01T00:00:00Z\"\n[tenant.legacy]\n\
         live_agent_base_url = \"{}\"\norganization_id = \"00D000000000001\"\n\
         deployment_id = \"572000000000001\"\nbutton_id = \"573000000000001\"\n",
        site.liveagent
    );
    node.rewrite(|text| text.replace("id = \"example\"\n", &legacy));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_at_node_two_follows_a_change_made_at_node_one_within_a_second() {
    let site = Site::new().await;
    let (mut one, mut two) = (site.node("one"), site.node("two"));
    for node in [&mut one, &mut two] {
        with_legacy(&site, node);
        node.start().await;
    }
    let config = one.config();
    let args = ["--config", &config, "--role", "operate", "--subject", "pat"];
    let made = run(&[&["admin", "token"][..], &args[..]].concat(), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.log);
    let (token, at_one) = (made.out.trim().to_owned(), one.admin());
    let clock = Clock::system();
    let mut route = "miaw";
    for verb in [FORTH, BACK] {
        let (token, at_one) = (token.clone(), at_one.clone());
        let change = tokio::spawn(async move {
            let env = [("BRIDGE_ADMIN_URL", &*at_one), ("BRIDGE_ADMIN_TOKEN", &*token)];
            run(&[&["tenant"][..], verb, &["--why", "a test"]].concat(), &env).await
        });
        // New chats at node two, one after the other, until one follows.
        let (mut old, mut last) = (two.decided(route).await, 0);
        let following = async {
            loop {
                let began = clock.now().wall.millis();
                Client::new(&two.base(), "ada@example.test", Kind::Hrk).await;
                let new = two.decided(route).await;
                if new > old {
                    return began;
                }
                (old, last) = (new, began);
            }
        };
        let followed = within("a session that follows", following).await;
        let done = change.await.unwrap();
        assert_eq!(done.code, Some(0), "{}", done.log);
        let sql = "SELECT at FROM change ORDER BY number DESC LIMIT 1";
        let database = site.place.client().await;
        let at: i64 = database.query_one(sql, &[]).await.unwrap().get(0);
        println!("{route}: followed {} ms after the change", followed - at);
        assert!(last - at <= FOLLOWED_MILLIS, "still the old plan {} ms later", last - at);
        route = "legacy";
    }
    site.remove().await;
}
