//! Nodes that stop in good order, sleep, or are not let in; and the way a balancer chooses.

use std::time::{Duration, Instant};

use super::balancer::{Balancer, Choice, Product};
use super::client::{Client, Kind, now};
use super::site::Site;
use crate::desk::{asked_with, id, lines};
use crate::program::run;
use crate::within;

/// A node that stops in good order is missed for less than the lease it would have had.
const HANDED_OVER: Duration = Duration::from_secs(5);
const FORWARDED: &str = "bridge_requests_forwarded_total";

async fn begun(site: &Site, base: &str, name: &str) -> (Client, String) {
    let mut client = Client::begin(base, name, Kind::Hrk).await;
    let chat = site.desk.chat("a chat is asked for", |chat| asked_with(chat, name)).await;
    site.desk.accept(&id(&chat)).await;
    client.until("ChatEstablished").await;
    (client, id(&chat))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_poll_of_another_nodes_client() {
    let site = Site::new().await;
    let [mut one, two] = site.two().await;
    // The chat is node one's, its client asks node two.
    let (client, desk_id) = begun(&site, &one.base(), "ada@example.test").await;
    let mut client = client.at(&two.base());
    let mut heard = Vec::new();
    site.desk.say(&desk_id, "before").await;
    client.hears(&mut heard, 1).await;
    assert!(two.metric(FORWARDED).await > 0);
    let stopped = async {
        one.stop().await;
        let said = now();
        site.desk.say(&desk_id, "after").await;
        said
    };
    let (said, ()): (Instant, ()) = tokio::join!(stopped, client.hears(&mut heard, 2));
    let texts: Vec<&str> = heard.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["before", "after"]);
    assert!(heard[1].1.duration_since(said) < HANDED_OVER);
    client.say("still here").await;
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_slept_through_its_lease_answers_nothing_old() {
    let site = Site::new().await;
    let [one, two] = site.two().await;
    let (mut at_one, desk_id) = begun(&site, &one.base(), "ada@example.test").await;
    one.signal("STOP");
    let mut at_two = at_one.at(&two.base());
    site.desk.say(&desk_id, "a0").await;
    let mut heard = Vec::new();
    // Node two takes the chat over once the lease has lapsed.
    at_two.hears(&mut heard, 1).await;
    at_two.say("m0").await;
    one.signal("CONT");
    // The client comes back to node one, with what it knows now.
    at_one = at_two.at(&one.base());
    at_one.say("m1").await;
    site.desk.say(&desk_id, "a1").await;
    at_one.hears(&mut heard, 2).await;
    let texts: Vec<&str> = heard.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["a0", "a1"]);
    let is_it = |chat: &serde_json::Value| lines(chat, "visitor").len() >= 2;
    let desk = site.desk.chat("both lines", is_it).await;
    let said: Vec<String> = lines(&desk, "visitor").into_iter().map(|line| line.0).collect();
    assert_eq!(said, ["m0", "m1"]);
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashing_the_affinity_saves_the_hop_and_round_robin_works_too() {
    let site = Site::new().await;
    let nodes = site.two().await;
    for product in [Product::Nginx, Product::Haproxy, Product::Envoy] {
        for (choice, hops) in [(Choice::Affinity, false), (Choice::RoundRobin, true)] {
            let balancer = Balancer::new(site.folder.path(), &nodes, product, choice).await;
            let before = nodes[0].metric(FORWARDED).await + nodes[1].metric(FORWARDED).await;
            for n in 0..4 {
                let name = format!("{product:?}-{n}-{hops}@example.test");
                let (mut client, desk_id) = begun(&site, &balancer.base(), &name).await;
                client.say("m0").await;
                site.desk.say(&desk_id, "a0").await;
                client.hears(&mut Vec::new(), 1).await;
            }
            let after = nodes[0].metric(FORWARDED).await + nodes[1].metric(FORWARDED).await;
            assert_eq!(after > before, hops, "{product:?}: {before} to {after}");
        }
    }
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_must_not_be_there_is_refused() {
    let site = Site::new().await;
    let mut one = site.node("one");
    one.start().await;
    let alone = site.node("alone");
    alone.rewrite(|text| {
        let (before, after) = text.split_once("[cluster]").unwrap();
        let (_, after) = after.split_once("[admin]").unwrap();
        format!("{before}[admin]{after}")
    });
    let log = alone.fails().await;
    assert!(log.contains("another bridge uses this database"), "{log}");
    // A stranger on the private listener.
    let url = format!("{}/chat/rest/System/Messages", one.private());
    let stranger = crate::visitor::http().get(url).header("x-liveagent-bridge-pass", "1 a b c");
    assert_eq!(stranger.send().await.unwrap().status(), 403);
    // A node with other files is let in and told of.
    let mut two = site.node("two");
    two.rewrite(|text| text.replace("1000/min", "999/min"));
    two.start().await;
    assert_eq!(two.metric("bridge_nodes_configured_otherwise").await, 1);
    let ready = two.ready().await;
    assert_eq!(ready["checks"]["cluster"], "configured otherwise than one", "{ready}");
    assert!(two.log().contains("a node is configured otherwise"));
    site.remove().await;
}

/// P3 says within a second; the nodes look twice as often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_made_at_one_node_holds_at_the_other() {
    let site = Site::new().await;
    let [one, two] = site.two().await;
    let config = one.config();
    let args = ["--config", &config, "--role", "operate", "--subject", "pat"];
    let made = run(&[&["admin", "token"][..], &args[..]].concat(), &[]).await;
    assert_eq!(made.code, Some(0), "{}", made.log);
    let token = made.out.trim();
    let (at_one, at_two) = (one.admin(), two.admin());
    let one = [("BRIDGE_ADMIN_URL", &*at_one), ("BRIDGE_ADMIN_TOKEN", token)];
    let two = [("BRIDGE_ADMIN_URL", &*at_two), ("BRIDGE_ADMIN_TOKEN", token)];
    for (verb, frozen) in [("freeze", true), ("unfreeze", false)] {
        let done = run(&["tenant", verb, "example", "--why", "a rest"], &one).await;
        assert_eq!(done.code, Some(0), "{}", done.log);
        let told = now();
        let followed = async {
            loop {
                let shown = run(&["tenant", "show", "example", "--json"], &two).await;
                let tenant: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
                if tenant["frozen"] == frozen {
                    return;
                }
            }
        };
        within("the other node follows", followed).await;
        println!("{verb}: followed after {:?}", told.elapsed());
    }
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_reconnected_and_ended_at_a_node_that_does_not_have_it() {
    let site = Site::new().await;
    let [one, two] = site.two().await;
    let (mut client, desk_id) = begun(&site, &one.base(), "ada@example.test").await;
    site.desk.say(&desk_id, "a0").await;
    let mut heard = Vec::new();
    client.hears(&mut heard, 1).await;
    let mut client = client.at(&two.base());
    client.reconnect().await;
    client.until("ChasitorSessionData").await;
    client.say("m0").await;
    site.desk.say(&desk_id, "a1").await;
    client.hears(&mut heard, 2).await;
    let texts: Vec<&str> = heard.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["a0", "a1"]);
    client.end().await;
    client.until("ChatEnded").await;
    // The owner lives, so nothing was taken over: all of it was passed on.
    assert_eq!(two.metric("bridge_chats_taken_over_total").await, 0);
    assert!(two.metric(FORWARDED).await >= 5);
    site.remove().await;
}
