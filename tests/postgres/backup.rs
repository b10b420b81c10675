//! What docs/operating.md says about backups of a PostgreSQL store, done: a dump of a database in
//! use shows nothing, is put back elsewhere, and the chats in it go on.

use std::path::PathBuf;
use std::process::Command;

use crate::desk::{Desk, asked_with, id, lines};
use crate::server::{Database, RING};
use crate::site::Site;
use crate::visitor::{Line, Poller};

const EMAIL: &str = "canary.mail.3171@example.test";
const ASKS: &str = "canary of the visitor 6402";
const SAYS: &str = "canary of the agent 7718";

/// A program of PostgreSQL, beside the server's or on the path.
fn tool(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let paths = versions.flatten().map(|version| version.path().join("bin").join(name));
    let found: Option<PathBuf> = paths.filter(|path| path.is_file()).max();
    Command::new(found.unwrap_or_else(|| PathBuf::from(name)))
}

fn configure(site: &Site, database: &str) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    let (before, after) = text.split_once("[store]").unwrap();
    let (_, after) = after.split_once("[[tenant]]").unwrap();
    let store = format!("[store]\nurl = \"{database}\"\nkey_ring = \"{RING}\"\n");
    std::fs::write(site.config(), format!("{before}{store}[[tenant]]{after}")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_shows_nothing_and_chats_go_on_from_it() {
    let (place, elsewhere) = (Database::new().await, Database::new().await);
    let site = Site::new("none").await;
    configure(&site, &place.url());
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(&site).await;
    line.init(Some(1), EMAIL).await;
    let chat = desk.chat("the chat", |chat| asked_with(chat, EMAIL)).await;
    let id = id(&chat);
    desk.accept(&id).await;
    line.say(Some(2), ASKS).await;
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    desk.say(&id, SAYS).await;
    let mut poller = Poller::new(&line, true);
    assert_eq!(poller.until("ChatMessage").await["text"], SAYS);

    // While the bridge works.
    let dump = tool("pg_dump").arg(place.url()).output().expect("pg_dump");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dumped = String::from_utf8(dump.stdout).unwrap();
    assert!(dumped.contains(&line.id), "the dump holds the chat");
    let (_, tail) = line.key.rsplit_once('!').unwrap();
    let name = "Ada Agent";
    for secret in [EMAIL, ASKS, SAYS, "canary.mail", "canary of", tail, name] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dumped.contains(secret), "`{secret}` is in the dump");
        assert!(!dumped.contains(&hex), "`{secret}` is in the dump's hexadecimals");
    }
    site.goes();
    bridge.kill();

    let file = site.folder.path().join("dump.sql");
    std::fs::write(&file, dumped).unwrap();
    let put = ["-q", "-v", "ON_ERROR_STOP=1", "-f", file.to_str().unwrap(), "-d"];
    let put = tool("psql").args(put).arg(elsewhere.url()).output().expect("psql");
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
    configure(&site, &elsewhere.url());
    let mut bridge = site.serve().await;
    line.say(Some(3), "from the dump").await;
    desk.chat("both lines", |chat| lines(chat, "visitor").len() == 2).await;
    desk.say(&id, "and back").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "and back");
    site.goes();
    bridge.terminate();
    assert_eq!(bridge.ended().await.code, Some(0));
    place.remove().await;
    elsewhere.remove().await;
}
