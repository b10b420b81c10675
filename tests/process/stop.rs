//! The end of a chat, of a process, and a second process where there may be one only.

use std::sync::Arc;

use liveagent_bridge::clock::Clock;
use serde_json::json;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::{Program, run};
use crate::site::Site;
use crate::visitor::{Line, Poller};

/// Polls that wait when the process is told to stop.
const PARKED: usize = 50;
/// How long a process may take to stop.
const STOP_MILLIS: i64 = 5_000;

fn email(n: usize) -> String {
    format!("visitor{n}@example.test")
}

/// A chat with an agent, and everything said so far taken by the client.
async fn talk(site: &Site, desk: &Desk, n: usize, acks: bool) -> (Line, Poller, String) {
    let mut line = Line::new(site).await;
    line.init(Some(1), &email(n)).await;
    let chat = desk.chat("a chat", |chat| asked_with(chat, &email(n))).await;
    let id = id(&chat);
    desk.accept(&id).await;
    let mut poller = Poller::new(&line, acks);
    poller.until("ChatEstablished").await;
    (line, poller, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_acks_reads_the_end_once() {
    let site = Site::new("none").await;
    let _bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (mut line, mut poller, id) = talk(&site, &desk, 1, false).await;
    line.post("ChatEnd", Some(2), &json!({ "reason": "client" })).await.ok();
    desk.chat("the end", |chat| chat["id"] == *id && chat["state"] == "ended").await;
    poller.until("ChatEnded").await;
    // However often it asks, and whatever the process remembers by then.
    for _ in 0..20 {
        let answer = line.poll(None).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_parked_polls_go_and_the_next_start_goes_on() {
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    let desk = Arc::new(Desk::new(&site.desk));
    let mut talking = JoinSet::new();
    let site = Arc::new(site);
    for n in 0..PARKED {
        let (site, desk) = (site.clone(), desk.clone());
        talking.spawn(async move { (n, talk(&site, &desk, n, true).await) });
    }
    let talking = talking.join_all().await;

    let ready = Arc::new(Barrier::new(PARKED + 1));
    let mut parked = JoinSet::new();
    for (n, (mut line, poller, id)) in talking {
        let ready = ready.clone();
        parked.spawn(async move {
            line.say(Some(2), "before the stop").await;
            // Of two polls the newer one waits, for certain once the older one is answered.
            let mut polls = JoinSet::new();
            for _ in 0..2 {
                let (mut line, ack) = (poller.line.clone(), poller.acknowledged());
                polls.spawn(async move { line.poll(ack).await.status });
            }
            assert_eq!(polls.join_next().await.unwrap().unwrap(), 204);
            ready.wait().await;
            let status = polls.join_next().await.unwrap().unwrap();
            (n, status, line, poller, id)
        });
    }
    ready.wait().await;
    let clock = Clock::system();
    let told = clock.now().wall;
    site.goes();
    bridge.terminate();
    let ended = bridge.ended().await;
    let took = clock.now().wall.millis_since(told);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(took < STOP_MILLIS, "stopping took {took} ms");
    let let_go = parked.join_all().await;
    assert!(let_go.iter().all(|(_, status, ..)| *status == 204));

    let _bridge = site.serve().await;
    for (n, _, mut line, mut poller, id) in let_go {
        line.say(Some(3), "after the stop").await;
        desk.say(&id, &format!("welcome back {n}")).await;
        let message = poller.until("ChatMessage").await;
        assert_eq!(message["text"], format!("welcome back {n}"));
        let both =
            |chat: &serde_json::Value| chat["id"] == *id && lines(chat, "visitor").len() == 2;
        desk.chat("both lines", both).await;
    }
    assert_eq!(desk.all().len(), PARKED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_store_is_refused() {
    let site = Site::new("none").await;
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (mut line, mut poller, id) = talk(&site, &desk, 1, true).await;

    let config = site.config();
    let second = run(&["serve", "--config", config.to_str().unwrap()], &[]).await;
    assert_eq!((second.code, &*second.out), (Some(1), ""), "{}", second.log);
    let database = site.database();
    for part in [database.to_str().unwrap(), "another process", "stop that one"] {
        assert!(second.log.contains(part), "`{part}` is missing:\n{}", second.log);
    }

    assert!(bridge.running());
    line.say(Some(2), "still there?").await;
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    desk.say(&id, "still here").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_said() {
    let site = Site::new("none").await;
    let _bridge = site.serve().await;
    let text = std::fs::read_to_string(site.config()).unwrap();
    let other = site.folder.path().join("other.toml");
    std::fs::write(&other, text.replace("bridge.sqlite", "other.sqlite")).unwrap();
    let args = ["serve", "--config", other.to_str().unwrap()];
    let log = site.folder.path().join("other.log");
    let ended = Program::start(&args, &[], &log).ended().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.log.contains("choose another `listen`"), "{}", ended.log);
}
