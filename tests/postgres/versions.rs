//! A database of the first version of the tables, with chats in progress, and what `store` does to
//! a database in use.

use liveagent_bridge::store::Store as _;
use serde_json::Value;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::{Ended, run};
use crate::server::{Database, RING};
use crate::site::Site;
use crate::visitor::{Line, Poller};

/// The tables as the first version made them.
const FIRST: &str = include_str!("first-version.sql");

/// What the tables and their indexes are, for comparison.
const SHAPE: &str = "SELECT table_name || '.' || column_name || ' ' || data_type || ' '
        || is_nullable || coalesce(' ' || column_default, '')
    FROM information_schema.columns WHERE table_schema = 'liveagent_bridge'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'liveagent_bridge' ORDER BY 1";

pub fn configure(site: &Site, database: &str) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    let store = format!("url = \"{database}\"\nkey_ring = \"{RING}\"");
    let text = text.replace("path = \"bridge.sqlite\"", &store);
    std::fs::write(site.config(), text).unwrap();
}

async fn store(site: &Site, what: &[&str]) -> Ended {
    let config = site.config();
    let (command, rest) = what.split_first().unwrap();
    run(&[&["store", command, "--config", config.to_str().unwrap()], rest].concat(), &[]).await
}

/// An established chat in which the visitor has said one line, and its id at the desk.
async fn chat(site: &Site, desk: &Desk, email: &str) -> (Line, Poller, String) {
    let mut line = Line::new(site).await;
    line.init(Some(1), email).await;
    let chat = desk.chat("the chat", |chat| asked_with(chat, email)).await;
    desk.accept(&id(&chat)).await;
    line.say(Some(2), "before").await;
    let mut poller = Poller::new(&line, true);
    poller.until("ChatEstablished").await;
    heard(desk, &id(&chat), 1).await;
    (line, poller, id(&chat))
}

async fn heard(desk: &Desk, id: &str, count: usize) -> Vec<String> {
    let is_it = |chat: &Value| chat["id"] == *id && lines(chat, "visitor").len() >= count;
    let chat = desk.chat("the lines", is_it).await;
    lines(&chat, "visitor").into_iter().map(|line| line.0).collect()
}

async fn shape(place: &Database) -> Vec<String> {
    let rows = place.client().await.query(SHAPE, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Puts what is stored into tables of the first version, as its own program would have left it.
async fn back_to_the_first_version(place: &Database) {
    let client = place.client().await;
    client.batch_execute("ALTER SCHEMA liveagent_bridge RENAME TO newer").await.unwrap();
    client.batch_execute("CREATE SCHEMA liveagent_bridge").await.unwrap();
    client.batch_execute(FIRST).await.unwrap();
    let copy = "INSERT INTO chat SELECT id, tenant, opened_at, ended_at, next_number
            FROM newer.chat;
        INSERT INTO delta SELECT chat, number, body FROM newer.delta;
        INSERT INTO snapshot SELECT chat, number, body FROM newer.snapshot;
        INSERT INTO change SELECT number, at, body FROM newer.change;
        INSERT INTO canary SELECT key_id, body FROM newer.canary;
        CREATE TABLE version (number integer NOT NULL);
        INSERT INTO version VALUES (1);
        DROP SCHEMA newer CASCADE";
    client.batch_execute(copy).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_in_progress_are_brought_from_the_first_version_and_go_on() {
    let (place, fresh) = (Database::new().await, Database::new().await);
    let site = Site::new("none").await;
    configure(&site, &place.url());
    let desk = Desk::new(&site.desk);
    let mut bridge = site.serve().await;
    let mut chats = Vec::new();
    for n in 0..3 {
        chats.push(chat(&site, &desk, &format!("old{n}@example.test")).await);
    }
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    back_to_the_first_version(&place).await;
    drop(fresh.open().await);
    assert_ne!(shape(&place).await, shape(&fresh).await);

    let migrated = store(&site, &["migrate"]).await;
    assert_eq!((migrated.code, &*migrated.out), (Some(0), "the tables are up to date\n"));
    assert_eq!(shape(&place).await, shape(&fresh).await, "as a new one");
    let checked = store(&site, &["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    assert!(checked.out.contains("3 chats that have not ended, 0 of them"), "{}", checked.out);

    let mut bridge = site.serve().await;
    for (line, poller, id) in &mut chats {
        line.say(Some(3), "after").await;
        assert_eq!(heard(&desk, id, 2).await, ["before", "after"]);
        desk.say(id, "and back").await;
        assert_eq!(poller.until("ChatMessage").await["text"], "and back");
    }
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    place.remove().await;
    fresh.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_checked_exported_and_erased_beside_the_bridge() {
    let place = Database::new().await;
    let site = Site::new("none").await;
    configure(&site, &place.url());
    let desk = Desk::new(&site.desk);
    let mut bridge = site.serve().await;
    let (gone, _, _) = chat(&site, &desk, "gone@example.test").await;
    let (mut stays, mut poller, at_desk) = chat(&site, &desk, "stays@example.test").await;

    let checked = store(&site, &["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    assert!(checked.out.contains("2 chats that have not ended, 0 of them"), "{}", checked.out);
    let shapes = store(&site, &["export", "all"]).await;
    assert_eq!(shapes.code, Some(0), "{}", shapes.log);
    assert!(shapes.out.contains(&gone.id) && !shapes.out.contains("before"), "{}", shapes.out);
    let texts = store(&site, &["export", &gone.id, "--texts"]).await;
    assert_eq!(texts.code, Some(0), "{}", texts.log);
    assert!(texts.out.contains("before") && texts.out.contains("gone@example.test"));

    let erased = store(&site, &["erase", &gone.id]).await;
    assert_eq!((erased.code, erased.out), (Some(0), format!("{} is erased\n", gone.id)));
    for again in [&["erase", &gone.id][..], &["export", &gone.id]] {
        let again = store(&site, again).await;
        assert_eq!(again.code, Some(1), "{}", again.log);
        assert!(format!("{}{}", again.out, again.log).contains("is not stored"));
    }
    // Whatever the bridge still has of it is not written again.
    let (mut gone, text) = (gone, serde_json::json!({ "text": "x" }));
    assert_ne!(gone.post("ChatMessage", Some(3), &text).await.status, 200);
    let left = place.open().await.stored(None, 10).await.unwrap();
    assert_eq!(left.iter().map(ToString::to_string).collect::<Vec<_>>(), [stays.id.clone()]);
    // And the other chat does not notice.
    stays.say(Some(3), "after").await;
    assert_eq!(heard(&desk, &at_desk, 2).await, ["before", "after"]);
    desk.say(&at_desk, "and back").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "and back");
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    place.remove().await;
}
