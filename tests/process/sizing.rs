//! What chats cost, measured: memory, disk, time to start. The figures of docs/operating.md come
//! from here; `LONG=1 cargo test --release --test process sizing` prints those of another machine.
//!
//! Promised is only what is asserted: counts, and that nobody waits for the deadline of a test.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use liveagent_bridge::adapter::miaw::records;
use liveagent_bridge::chat::fact::{Delta, Fact};
use liveagent_bridge::chat::visitor::Begin;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::store::sqlite::{Ring, SqliteStore};
use liveagent_bridge::store::{Commit, NewChat, Store};
use liveagent_bridge::time::Now;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::desk::{Desk, asked_with, id, lines};
use crate::long_or;
use crate::overload::{busy, memory};
use crate::program::{Program, run};
use crate::site::Site;
use crate::visitor::{Line, Poller};

fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug build" } else { "release build" }
}

async fn stop(site: &Site, bridge: &mut Program) -> u64 {
    site.goes();
    bridge.terminate();
    let ended = bridge.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    std::fs::metadata(site.database()).unwrap().len()
}

/// A visitor who says so many lines, each once the echo of the one before is there.
async fn visit(site: Arc<Site>, n: usize, trips: usize) -> (Line, Poller) {
    let mut line = Line::new(&site).await;
    line.init(Some(1), &format!("sizing{n}@example.test")).await;
    let mut poller = Poller::new(&line, true);
    poller.until("ChatEstablished").await;
    speak(&mut line, &mut poller, 2, trips).await;
    (line, poller)
}

async fn speak(line: &mut Line, poller: &mut Poller, from: u64, trips: usize) {
    for number in (from..).take(trips) {
        let text = format!("a line of some forty characters, number {number}");
        line.say(Some(number), &text).await;
        while !poller.until("ChatMessage").await["text"].as_str().unwrap().contains(&text) {}
    }
}

/// All of them, a few at a time: nothing is shown by a crowd at the door.
async fn all<T>(tasks: Vec<T>) -> Vec<(Line, Poller)>
where
    T: Future<Output = (Line, Poller)> + Send + 'static,
{
    let (mut done, mut tasks) = (Vec::new(), tasks.into_iter().peekable());
    while tasks.peek().is_some() {
        let mut some = JoinSet::new();
        for task in tasks.by_ref().take(20) {
            some.spawn(task);
        }
        done.extend(some.join_all().await);
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_chats_cost() {
    let (chats, trips) = (long_or(180, 40), long_or(20, 5));
    let site = Arc::new(Site::new("echo").await);
    let clock = Clock::system();
    let mut bridge = site.serve().await;
    // What the first chat makes is made once.
    all(vec![visit(site.clone(), chats, 1)]).await;
    let before = memory(&bridge);
    let talking = all((0..chats).map(|n| visit(site.clone(), n, 0)).collect()).await;
    let mut parked = JoinSet::new();
    for (line, poller) in &talking {
        let (mut line, ack) = (line.clone(), poller.acknowledged());
        parked.spawn(async move { line.poll(ack).await });
    }
    // A poll of one of them that the next one ends: by then the others are there too.
    let each = memory(&bridge).saturating_sub(before) / chats;
    let small = stop(&site, &mut bridge).await;
    drop(parked);

    let mut bridge = site.serve().await;
    let began = clock.now().mono;
    let speaking = talking.into_iter().map(|(mut line, mut poller)| async move {
        speak(&mut line, &mut poller, 2, trips).await;
        (line, poller)
    });
    let spoke = all(speaking.collect()).await.len();
    let took = clock.now().mono.since(began);
    let large = stop(&site, &mut bridge).await;
    assert_eq!(spoke, chats);
    let done = chats * trips;
    let bytes = large.saturating_sub(small) / done as u64;
    let rate = done as f64 / took.as_secs_f64();
    let build = build();
    tell(&format!(
        "F1 sizing, {build}: {chats} live chats with event stream, {each} KiB of memory each; \
         {small} bytes stored before they spoke; {done} round trips, {rate:.0} a second, \
         {bytes} bytes stored for each"
    ));
}

/// Puts chats into a database that no bridge has open.
async fn put(database: &Path, ended: usize, running: usize, now: Now) {
    let store = SqliteStore::open(database, Ring::Beside).unwrap();
    let begin = Begin { button_id: "573000000000001".to_owned(), ..Begin::default() };
    let began = Fact::Began {
        begin: Box::new(begin),
        success_by: now.mono,
        accept_by: None,
        at: Some(now.wall),
    };
    let first = records::delta(&Delta { at: now, facts: vec![began] });
    let last = records::delta(&Delta { at: now, facts: vec![Fact::Ended] });
    let ids: Vec<Uuid> = (0..ended + running).map(|_| Uuid::new_v4()).collect();
    for some in ids.chunks(64) {
        let opened = some.iter().map(|id| {
            let new = NewChat { id: *id, tenant: "example".to_owned(), at: now.wall };
            store.open(new, first.clone())
        });
        let opened = futures_util::future::join_all(opened).await;
        assert!(opened.iter().all(Result::is_ok));
    }
    for some in ids[..ended].chunks(64) {
        let ends = some.iter().map(|chat| {
            let (delta, ended_at) = (last.clone(), Some(now.wall));
            store.commit(Commit {
                chat: *chat,
                number: 2,
                delta,
                snapshot: None,
                ended_at,
                epoch: None,
            })
        });
        let ends = futures_util::future::join_all(ends).await;
        assert!(ends.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_quickly_with_many_stored_chats() {
    let (ended, running) = (long_or(45_000, 4_500), long_or(5_000, 500));
    let site = Site::new("none").await;
    let clock = Clock::system();
    let mut bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(&site).await;
    line.init(Some(1), "among-many@example.test").await;
    let chat = desk.chat("a chat", |chat| asked_with(chat, "among-many@example.test")).await;
    desk.accept(&id(&chat)).await;
    let mut poller = Poller::new(&line, true);
    poller.until("ChatEstablished").await;
    stop(&site, &mut bridge).await;
    put(&site.database(), ended, running, clock.now()).await;

    let began = clock.now().mono;
    let mut bridge = site.serve().await;
    let ready = clock.now().mono.since(began).as_millis();
    let work = busy(&bridge) * 10;
    line.say(Some(2), "among many").await;
    let served = clock.now().mono.since(began).as_millis();
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    desk.say(&id(&chat), "and back").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "and back");
    let memory = memory(&bridge) / 1_024;
    stop(&site, &mut bridge).await;
    let config = site.config();
    let checked = run(&["store", "check", "--config", config.to_str().unwrap()], &[]).await;
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    tell(&format!(
        "F5 start with {ended} ended and {running} running chats stored, {}: listening after \
         {ready} ms ({work} ms of work), a message taken after {served} ms, {memory} MiB of memory",
        build()
    ));
    // Well under a second where nothing else runs.
    assert!(ready <= 5_000, "it listened after {ready} ms");
    assert!(memory <= 512, "{memory} MiB");
}
