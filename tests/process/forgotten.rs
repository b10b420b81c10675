//! What is erased, or kept for as long as it should be, is on the disk no more: neither the rows
//! nor the pages that they were on, in the database and in its log.
//!
//! What people wrote is sealed and never seen there (`canary.rs`); here it is the sealed bytes and
//! the chat's id that must be gone.

use liveagent_bridge::clock::Clock;
use rusqlite::Connection;
use uuid::Uuid;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::{Program, run};
use crate::site::Site;
use crate::visitor::{Line, Poller};
use crate::within;

/// Longer than what blobs of one key have in common at their beginning, and than the id.
const PIECE: usize = 48;
const DAY: i64 = 24 * 3_600_000;

/// A chat with something said on both sides.
async fn talk(site: &Site, desk: &Desk, email: &str) -> (Line, Poller, String) {
    let mut line = Line::new(site).await;
    line.init(Some(1), email).await;
    let chat = id(&desk.chat("the chat", |chat| asked_with(chat, email)).await);
    desk.accept(&chat).await;
    line.say(Some(2), "something").await;
    desk.chat("the line", |one| one["id"] == *chat && lines(one, "visitor").len() == 1).await;
    desk.say(&chat, "something else").await;
    let mut poller = Poller::new(&line, true);
    poller.until("ChatMessage").await;
    (line, poller, chat)
}

/// The store's files, one behind the other.
fn files(site: &Site) -> Vec<u8> {
    let names = ["bridge.sqlite", "bridge.sqlite-wal"].map(|name| site.folder.path().join(name));
    names.iter().filter_map(|name| std::fs::read(name).ok()).flatten().collect()
}

fn holds(bytes: &[u8], piece: &[u8]) -> bool {
    bytes.windows(piece.len()).any(|window| window == piece)
}

/// What shows that a chat is stored: its id, and the end of each of its blobs.
fn traces(site: &Site, chat: Uuid) -> Vec<Vec<u8>> {
    // Beside the database, so that its log is neither moved nor removed.
    let aside = tempfile::tempdir().unwrap();
    for name in ["bridge.sqlite", "bridge.sqlite-wal"] {
        // There is no log after a stop.
        let _ = std::fs::copy(site.folder.path().join(name), aside.path().join(name));
    }
    let database = Connection::open(aside.path().join("bridge.sqlite")).unwrap();
    let bodies = "SELECT body FROM delta WHERE chat = ?1
        UNION ALL SELECT body FROM snapshot WHERE chat = ?1";
    let mut bodies = database.prepare(bodies).unwrap();
    let bodies = bodies.query_map([chat.as_bytes()], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let ends = bodies.map(|body| {
        let body = body.unwrap();
        body[body.len() - PIECE..].to_vec()
    });
    let mut traces: Vec<Vec<u8>> = ends.collect();
    assert!(!traces.is_empty(), "{chat} is stored");
    traces.push(chat.as_bytes().to_vec());
    traces
}

/// Fails unless all of them are there, or none.
fn search(site: &Site, traces: &[Vec<u8>], there: bool, what: &str) {
    let files = files(site);
    for (n, trace) in traces.iter().enumerate() {
        assert_eq!(holds(&files, trace), there, "{what}: trace {n} of {}", traces.len());
    }
}

fn kill(site: &Site, bridge: &mut Program) {
    site.goes();
    bridge.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_erased_chat_is_left_in_the_files() {
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (gone, ..) = talk(&site, &desk, "gone@example.test").await;
    let (mut kept, ..) = talk(&site, &desk, "kept@example.test").await;
    // All of it is in the log still.
    kill(&site, &mut bridge);
    let [gone, left] = [&gone, &kept].map(|line| line.id.parse::<Uuid>().unwrap());
    let (traces, others) = (traces(&site, gone), traces(&site, left));
    search(&site, &traces, true, "before");

    let config = site.config();
    let erase = ["store", "erase", "--config", config.to_str().unwrap(), &gone.to_string()];
    let erased = run(&erase, &[]).await;
    assert_eq!(erased.code, Some(0), "{}", erased.log);
    search(&site, &traces, false, "after");
    search(&site, &others, true, "the other chat");
    let _bridge = site.serve().await;
    kept.say(Some(3), "still here").await;
    desk.chat("both lines", |chat| lines(chat, "visitor").len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_ended_chat_is_left_in_the_files_after_its_retention() {
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (old, mut poller, chat) = talk(&site, &desk, "old@example.test").await;
    desk.act(&chat, "end", serde_json::json!({})).await;
    poller.until("ChatEnded").await;
    let (fresh, mut poller, chat) = talk(&site, &desk, "fresh@example.test").await;
    desk.act(&chat, "end", serde_json::json!({})).await;
    poller.until("ChatEnded").await;
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    let [old, fresh] = [&old, &fresh].map(|line| line.id.parse::<Uuid>().unwrap());

    // A second more than a day ago, and a minute less. What the bridge wrote itself may be missing:
    // it was stopped at once.
    let now = Clock::system().now().wall.millis();
    let ended = |chat: Uuid, ago: i64| {
        let sql = "UPDATE chat SET ended_at = ?2 WHERE id = ?1";
        let database = Connection::open(site.database()).unwrap();
        let set = database.execute(sql, rusqlite::params![chat.as_bytes(), now - ago]).unwrap();
        assert_eq!(set, 1, "the chat is stored");
    };
    ended(old, DAY + 1_000);
    ended(fresh, DAY - 60_000);
    let (traces, others) = (traces(&site, old), traces(&site, fresh));
    search(&site, &traces, true, "before");
    let _bridge = site.serve().await;
    // It is looked for at the start, and then every ten minutes.
    let said = || std::fs::read_to_string(site.log()).unwrap().contains("ended chats were purged");
    let forgotten = async {
        while !said() || traces.iter().any(|trace| holds(&files(&site), trace)) {
            tokio::task::yield_now().await;
        }
    };
    within("nothing is left of the old chat, while the bridge runs", forgotten).await;
    search(&site, &others, true, "a chat within its retention");
}
