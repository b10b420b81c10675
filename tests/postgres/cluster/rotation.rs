//! The key ring of a cluster: what is refused by `serve`, and a change of the key as
//! docs/cluster.md has it, with a chat in progress.

use super::client::{Client, Kind};
use super::site::{Node, Site};
use crate::desk::{asked_with, id, lines};
use crate::server::{RING, ROTATED};

const SECOND: &str = "seal second Ej3vq83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjQ=";

/// The new key, only to open with.
fn announced() -> String {
    format!("{RING}\n{}", SECOND.replace("seal", "open"))
}

async fn restarted(node: &mut Node, ring: &str) {
    node.stop().await;
    node.give_ring(ring);
    node.start().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_without_its_ring_refuses_to_start() {
    let site = Site::new().await;
    let mut one = site.node("one");
    one.start().await;
    let two = site.node("two");
    two.give_ring(SECOND);
    // Nothing is stored yet, and somebody seals with the other key.
    let log = two.fails().await;
    assert!(log.contains("does not fit the store") && log.contains("`first`"), "{log}");
    Client::begin(&one.base(), "ada@example.test", Kind::Hrk).await;
    one.kill();
    let log = two.fails().await;
    assert!(log.contains("does not fit the store") && log.contains("`first`"), "{log}");
    assert!(log.contains("as an `open` line"), "{log}");
    let none = site.node("none");
    none.rewrite(|text| text.replace("key_ring = { file = \"bridge.keys\" }\n", ""));
    let log = none.fails().await;
    assert!(log.contains("key_ring"), "{log}");
    // With its ring it is all there.
    one.start().await;
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_changed_node_by_node_with_a_chat_in_progress() {
    let site = Site::new().await;
    let [mut one, mut two] = site.two().await;
    let mut client = Client::begin(&one.base(), "ada@example.test", Kind::Hrk).await;
    let chat = site.desk.chat("a chat", |chat| asked_with(chat, "ada@example.test")).await;
    site.desk.accept(&id(&chat)).await;
    client.until("ChatEstablished").await;
    let (mut heard, mut wanted) = (Vec::new(), Vec::new());
    for (round, ring) in [announced(), ROTATED.to_owned()].iter().enumerate() {
        for turn in 0..2 {
            let (node, other) = if turn == 0 { (&mut one, &two) } else { (&mut two, &one) };
            let other = other.base();
            restarted(node, ring).await;
            // At both: who writes last seals with a key that the other one opens.
            for (base, side) in [(node.base(), "new"), (other, "old")] {
                client = client.at(&base);
                let text = format!("{round} {turn} {side}");
                client.say(&text).await;
                site.desk.say(&id(&chat), &text).await;
                wanted.push(text);
                client.hears(&mut heard, wanted.len()).await;
            }
        }
    }
    // The chat is sealed with both, so the old key stays.
    one.stop().await;
    one.give_ring(SECOND);
    let log = one.fails().await;
    assert!(log.contains("`first`"), "{log}");
    client = client.at(&two.base());
    client.end().await;
    client.until("ChatEnded").await;
    assert_eq!(heard.into_iter().map(|line| line.0).collect::<Vec<_>>(), wanted);
    let all = |chat: &serde_json::Value| lines(chat, "visitor").len() >= wanted.len();
    let desk = site.desk.chat("all lines", all).await;
    assert_eq!(lines(&desk, "visitor").into_iter().map(|l| l.0).collect::<Vec<_>>(), wanted);
    // Once it is purged the old one goes, node by node.
    site.place.client().await.execute("DELETE FROM chat", &[]).await.unwrap();
    one.start().await;
    restarted(&mut two, SECOND).await;
    Client::begin(&one.base(), "bob@example.test", Kind::Hrk).await;
    site.remove().await;
}
