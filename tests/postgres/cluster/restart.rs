//! POSTs under way while the database is restarted under two nodes: none is lost, none comes twice,
//! and no client sees an error.

use tokio::task::JoinSet;

use super::client::KINDS;
use super::loss::{Waits, count, established, talk};
use super::site::Site;
use crate::machine::Machine;
use crate::tally::Tally;

/// Times that everybody speaks while the server goes and comes.
const ROUNDS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_under_way_while_the_database_is_restarted_under_two_nodes() {
    let mut server = Machine::start().await;
    let site = Site::new().await;
    let mut nodes = [site.node("one"), site.node("two")];
    for node in &mut nodes {
        node.rewrite(|text| text.replace(&site.place.url(), server.address.as_str()));
        node.start().await;
    }
    let mut chats = Vec::new();
    for n in 0..2 * KINDS.len() {
        // Begun at one node, going on at the other: half of all that is said is passed on.
        let mut chat = established(&site.desk, &nodes[n % 2].base(), n).await;
        if n < KINDS.len() {
            chat.client = chat.client.at(&nodes[(n + 1) % 2].base());
        }
        chats.push(chat);
    }
    let mut all = Waits::default();
    for _ in 0..ROUNDS {
        let mut talks = JoinSet::new();
        for mut chat in chats {
            let desk = site.desk.clone();
            talks.spawn(async move {
                let waits = talk(&mut chat, &desk).await;
                (chat, waits)
            });
        }
        let (talked, ()) = tokio::join!(talks.join_all(), server.restart());
        chats = Vec::new();
        for (chat, waits) in talked {
            chats.push(chat);
            all.0.extend(waits.0);
        }
    }
    let mut tally = Tally { longest: all.longest().as_millis() as i64, ..Tally::default() };
    for chat in &chats {
        count(chat, &site, &mut tally).await;
    }
    let what = format!("PostgreSQL restarted {ROUNDS} times under two nodes");
    tally.tell("K8", &what, "");
    site.remove().await;
}
