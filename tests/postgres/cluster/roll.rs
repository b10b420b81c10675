//! A rolling restart as docs/cluster.md has it, with many polls parked.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::balancer::{Balancer, Choice, Product};
use super::client::now;
use super::loss::{Chat, Waits, established};
use super::site::{Node, Site};
use crate::tally::Tally;
use crate::{long_or, within};

/// P4.
const GAP_MAX: Duration = Duration::from_secs(8);
const STOP_MAX: Duration = Duration::from_secs(10);
/// Chats that are begun at a time: each node has half of the tokens of a minute.
const AT_ONCE: usize = 20;

async fn parked(nodes: &[Node], count: usize) {
    let all = async {
        loop {
            let mut parked = 0;
            for node in nodes {
                parked += node.parked().await;
            }
            if parked >= count as u64 {
                return;
            }
        }
    };
    within("every poll is parked", all).await;
}

/// Every client polls until it has so many lines; gives the chats back.
fn polling(chats: Vec<Chat>, lines: usize) -> JoinSet<Chat> {
    let mut polls = JoinSet::new();
    for mut chat in chats {
        polls.spawn(async move {
            chat.client.hears(&mut chat.heard, lines).await;
            chat
        });
    }
    polls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_nodes_are_restarted_in_turn_and_no_poll_is_lost() {
    let count = long_or(500, 100);
    let site = Site::new().await;
    let mut nodes = site.two().await;
    let balancer =
        Balancer::new(site.folder.path(), &nodes, Product::Nginx, Choice::RoundRobin).await;
    let mut chats: Vec<Chat> = Vec::new();
    while chats.len() < count {
        let base = balancer.base();
        let some = (chats.len()..count.min(chats.len() + AT_ONCE))
            .map(|n| established(&site.desk, &base, n));
        chats.extend(join_all(some).await);
    }
    let (mut waits, mut stops) = (Waits::default(), Vec::new());
    for turn in 0..2 {
        let mut polls = polling(chats, turn + 1);
        parked(&nodes, count).await;
        let ids = at_the_desk(&site);
        let began = now();
        let text = format!("turn {turn}");
        let say = async {
            join_all(ids.iter().map(async |id| {
                site.desk.say(id, &text).await;
                (id.clone(), now())
            }))
            .await
        };
        let stop = async {
            nodes[turn].stop().await;
            began.elapsed()
        };
        let (took, said) = tokio::join!(stop, say);
        stops.push(took);
        chats = Vec::new();
        while let Some(chat) = polls.join_next().await {
            let chat = chat.expect("a client lives");
            let (_, said) = said.iter().find(|(id, _)| *id == chat.desk_id).unwrap();
            waits.0.push(chat.heard[turn].1.duration_since(*said));
            chats.push(chat);
        }
        nodes[turn].start().await;
        balancer.reaches(&nodes[turn]).await;
    }
    let mut tally = Tally { longest: waits.longest().as_millis() as i64, ..Tally::default() };
    let wanted = ["turn 0", "turn 1"];
    for chat in &chats {
        let heard = |text: &str| chat.heard.iter().filter(|line| line.0 == text).count();
        for text in wanted {
            tally.sent += 1;
            tally.delivered += heard(text).min(1);
            tally.lost += usize::from(heard(text) == 0);
            tally.repeated += heard(text).saturating_sub(1);
        }
    }
    let stops_told: Vec<String> = stops.iter().map(|s| format!("{} ms", s.as_millis())).collect();
    let what = format!("rolling restart of two nodes, {count} parked polls");
    tally.tell("K6", &what, &format!("stops took {}", stops_told.join(", ")));
    assert_eq!((tally.lost, tally.repeated), (0, 0));
    assert!(stops.iter().all(|took| *took <= STOP_MAX), "{stops:?}");
    assert!(waits.longest() <= GAP_MAX, "{:?}", waits.longest());
    assert_eq!(site.tokens().await, count);
    site.remove().await;
}

/// Every chat at the desk.
fn at_the_desk(site: &Site) -> Vec<String> {
    site.desk.all().iter().map(crate::desk::id).collect()
}
