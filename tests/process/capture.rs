//! `[tenant.capture]` and `kill -9`: chats that ran are in the files, and the dry run reads them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::desk::{Desk, asked_with};
use crate::program::run;
use crate::site::Site;
use crate::visitor::{Line, Poller};
use crate::within;

const EMAIL: &str = "canary.mail@example.test";

/// The files of captures, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = files(folder).into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let text = text.collect::<String>();
    assert!(!text.contains("canary"), "{text}");
    // What follows the last line feed is being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits for so many lines; the writer works beside the answers.
async fn wrote(folder: &Path, count: usize) -> Vec<Value> {
    let seen = async {
        loop {
            let lines = lines(folder);
            if lines.len() >= count {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    within("captured lines", seen).await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_that_ran_at_a_kill_are_captured() {
    let site = Site::new("none").await;
    let mut config = std::fs::read_to_string(site.config()).unwrap();
    config.push_str("[tenant.capture]\n");
    std::fs::write(site.config(), config).unwrap();
    let folder = site.folder.path().join("captures");
    let mut bridge = site.serve().await;

    // One chat that ends, and one that runs when the bridge is killed.
    let mut ended = Line::new(&site).await;
    ended.init(Some(1), EMAIL).await;
    let mut poller = Poller::new(&ended, true);
    poller.until("ChatRequestSuccess").await;
    ended.say(Some(2), "canary says").await;
    assert_eq!(ended.post("ChatEnd", Some(3), &json!({ "reason": "client" })).await.status, 200);
    let mut running = Line::new(&site).await;
    running.init(Some(1), "other@example.test").await;
    let before = wrote(&folder, 3).await;
    site.goes();
    bridge.kill();
    assert_eq!(lines(&folder), before, "the file is whole after the kill");
    let inits: Vec<&Value> = before.iter().filter(|line| line["at"].is_string()).collect();
    let ends: Vec<&Value> = before.iter().filter(|line| line["end"].is_string()).collect();
    assert_eq!((inits.len(), ends.len()), (2, 1), "{before:?}");
    assert_eq!(ends[0]["end"], inits[0]["chat"]);
    assert_eq!(
        (&ends[0]["messages"], &inits[1]["details"][0]["label"]),
        (&json!(1), &json!("Email"))
    );

    // The next process begins a file of its own; the chat that went on is not counted twice.
    let bridge = site.serve().await;
    Desk::new(&site.desk).chat("the chat", |chat| asked_with(chat, "other@example.test")).await;
    running.say(Some(2), "canary says more").await;
    assert_eq!(running.post("ChatEnd", Some(3), &json!({ "reason": "client" })).await.status, 200);
    let mut later = Line::new(&site).await;
    later.init(Some(1), EMAIL).await;
    wrote(&folder, 4).await;
    site.goes();
    drop(bridge);
    let files = files(&folder);
    assert_eq!((files.len(), mode(&folder)), (2, 0o700));
    assert!(files.iter().all(|path| mode(path) == 0o600), "{files:?}");

    let config = site.config();
    let mut args = vec!["dry-run", "--json", "--config", config.to_str().unwrap()];
    for file in &files {
        args.extend(["--captured", file.to_str().unwrap()]);
    }
    let report = run(&args, &[]).await;
    let report: Value =
        serde_json::from_str(&report.out).unwrap_or_else(|_| panic!("{}", report.log));
    let captured = &report["tenants"][0]["captured"];
    assert_eq!(captured["chats"], 3, "{captured}");
}
