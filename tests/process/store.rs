//! `store`: what it says about a stopped bridge's chats, and what it does not say.

use std::path::Path;

use serde_json::{Value, json};

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::{Ended, run};
use crate::site::Site;
use crate::visitor::{Line, Poller};

const EMAIL: &str = "canary.mail.9917@example.test";
const ASKS: &str = "canary of the visitor 4410";
const SAYS: &str = "canary of the agent 5521";

async fn store(site: &Site, what: &[&str]) -> Ended {
    let config = site.config();
    let (command, rest) = what.split_first().unwrap();
    let args = [&["store", command, "--config", config.to_str().unwrap()], rest].concat();
    run(&args, &[]).await
}

/// The lines that were printed.
fn printed(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A chat with something said on both sides, and the bridge stopped.
async fn a_stopped_chat(site: &Site) -> Line {
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(site).await;
    line.init(Some(1), EMAIL).await;
    let chat = desk.chat("the chat", |chat| asked_with(chat, EMAIL)).await;
    desk.accept(&id(&chat)).await;
    line.say(Some(2), ASKS).await;
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    desk.say(&id(&chat), SAYS).await;
    let mut poller = Poller::new(&line, true);
    assert_eq!(poller.until("ChatMessage").await["text"], SAYS);
    let busy = store(site, &["export", "all"]).await;
    assert_eq!(busy.code, Some(1), "{}", busy.out);
    assert!(busy.log.contains("another process"), "{}", busy.log);
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_shows_shapes_and_texts_only_when_asked() {
    let site = Site::new("none").await;
    let line = a_stopped_chat(&site).await;

    let shapes = store(&site, &["export", "all"]).await;
    assert_eq!(shapes.code, Some(0), "{}", shapes.log);
    let (_, tail) = line.key.rsplit_once('!').unwrap();
    for secret in ["canary", "Ada Agent", "eyJ", tail] {
        assert!(!shapes.out.contains(secret), "`{secret}` is in {}", shapes.out);
    }
    let all = printed(&shapes);
    let chat = all.iter().find(|one| one["chat"] == *line.id).expect("the chat");
    assert_eq!((&chat["tenant"], &chat["ended_at"]), (&json!("example"), &Value::Null));
    let size = format!("<{} characters>", SAYS.chars().count());
    assert!(chat["deltas"].to_string().contains(&size), "{chat}");
    // That the removal was seen is a change.
    let change = all.iter().find(|one| one["change"] == 1).expect("a change");
    assert_eq!((&change["kind"], &change["tenant"]), (&json!("pastRemoval"), &json!("example")));

    let texts = store(&site, &["export", &line.id, "--texts"]).await;
    assert_eq!((texts.code, printed(&texts).len()), (Some(0), 1), "{}", texts.log);
    for said in [EMAIL, ASKS, SAYS, "Ada Agent"] {
        assert!(texts.out.contains(said), "`{said}` is not in {}", texts.out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_is_checked_erased_and_gone() {
    let site = Site::new("none").await;
    let line = a_stopped_chat(&site).await;
    let checked = store(&site, &["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.log);
    assert!(checked.out.contains("1 chats that have not ended, 0 of them"), "{}", checked.out);

    // A byte of what is sealed is not what it was.
    let damage = "UPDATE delta SET body = zeroblob(length(body)) WHERE number = 2";
    let database = rusqlite::Connection::open(site.database()).unwrap();
    assert_eq!(database.execute(damage, []).unwrap(), 1);
    drop(database);
    let damaged = store(&site, &["export", "all", "--texts"]).await;
    assert_eq!(damaged.code, Some(1));
    let told = printed(&damaged);
    let problem = told.iter().find(|one| one["chat"] == *line.id).unwrap();
    assert!(problem["problem"].as_str().unwrap().contains("cannot be opened"), "{problem}");
    let which = format!("stored delta 2 of chat {} cannot be opened", line.id);
    let checked = store(&site, &["check"]).await;
    assert_eq!(checked.code, Some(1), "{}", checked.log);
    assert!(checked.out.contains(&which), "{}", checked.out);
    assert!(checked.out.contains("1 chats that have not ended, 1 of them"), "{}", checked.out);
    // Those of others do not wait for it.
    let mut bridge = site.serve().await;
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    let log = std::fs::read_to_string(site.log()).unwrap();
    assert!(log.contains("a chat was let go: it cannot be read"), "{log}");
    // A row is missing.
    let database = rusqlite::Connection::open(site.database()).unwrap();
    assert_eq!(database.execute("DELETE FROM delta WHERE number = 2", []).unwrap(), 1);
    drop(database);
    let checked = store(&site, &["check"]).await;
    assert_eq!(checked.code, Some(1), "{}", checked.log);
    let which = format!("chat {} has gaps in its history", line.id);
    assert!(checked.out.contains(&which), "{}", checked.out);

    assert_eq!(store(&site, &["erase", &line.id]).await.code, Some(0));
    for gone in [&["erase", &line.id][..], &["export", &line.id]] {
        let again = store(&site, gone).await;
        assert_eq!(again.code, Some(1), "{}", again.log);
        assert!(format!("{}{}", again.out, again.log).contains("is not stored"));
    }
    assert_eq!(store(&site, &["check"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_without_its_ring_is_refused_and_goes_on_with_it() {
    let site = Site::new("none").await;
    let mut line = a_stopped_chat(&site).await;
    let database = site.database();
    let ring = Path::new(database.to_str().unwrap()).with_extension("sqlite.keys");
    let aside = site.folder.path().join("aside.keys");
    std::fs::rename(&ring, &aside).unwrap();
    // Nor is a new one made when the canaries are gone too.
    let canaries = rusqlite::Connection::open(&database).unwrap();
    canaries
        .execute_batch("CREATE TABLE aside AS SELECT * FROM canary; DELETE FROM canary")
        .unwrap();
    drop(canaries);
    let refused = store(&site, &["check"]).await;
    assert!(refused.log.contains("is missing; restore the ring"), "{}", refused.log);
    let canaries = rusqlite::Connection::open(&database).unwrap();
    canaries.execute_batch("INSERT INTO canary SELECT * FROM aside; DROP TABLE aside").unwrap();
    drop(canaries);
    let config = site.config();
    for command in [&["serve"][..], &["store", "check"], &["store", "export", "all"]] {
        let refused = run(&[command, &["--config", config.to_str().unwrap()]].concat(), &[]).await;
        assert_eq!((refused.code, &*refused.out), (Some(1), ""), "{command:?}");
        let told = [ring.to_str().unwrap(), "key ring", "is missing; restore the ring"];
        assert!(told.iter().all(|part| refused.log.contains(part)), "{}", refused.log);
        assert!(!ring.exists(), "no ring is made for what another one sealed");
    }
    std::fs::rename(&aside, &ring).unwrap();
    let _bridge = site.serve().await;
    line.say(Some(3), "still the same chat").await;
    let desk = Desk::new(&site.desk);
    desk.chat("both lines", |chat| lines(chat, "visitor").len() == 2).await;
}

/// The way of docs/operating.md: stop, copy, start; later everything is put back elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_put_back_and_chats_go_on() {
    let site = Site::new("none").await;
    let mut line = a_stopped_chat(&site).await;
    let backup = tempfile::tempdir().unwrap();
    let folder = site.folder.path();
    let copy = |from: &Path, to: &Path| {
        for name in ["bridge.sqlite", "bridge.sqlite.keys"] {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    };
    copy(folder, backup.path());
    let mut bridge = site.serve().await;
    site.goes();
    bridge.kill();

    // The machine is lost: nothing but the backup is left. What a `-wal` of another time would do
    // to it is why the runbook has it removed.
    for entry in folder.read_dir().unwrap().map(|entry| entry.unwrap()) {
        if entry.file_name().to_str().unwrap().starts_with("bridge.sqlite") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    copy(backup.path(), folder);
    let checked = store(&site, &["check"]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.log);
    let _bridge = site.serve().await;
    line.say(Some(3), "from the backup").await;
    let desk = Desk::new(&site.desk);
    desk.chat("both lines", |chat| lines(chat, "visitor").len() == 2).await;
    desk.say(&id(&desk.all()[0]), "and back").await;
}
