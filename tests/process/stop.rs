//! The end of a chat, of a process, and a second process where there may be one only.

use std::sync::Arc;

use liveagent_bridge::clock::Clock;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::{Program, run};
use crate::site::Site;
use crate::tally::Tally;
use crate::visitor::{Line, Poller};
use crate::{long_or, within};

/// How long a process may take to stop.
const STOP_MILLIS: i64 = 5_000;

fn email(n: usize) -> String {
    format!("visitor{n}@example.test")
}

/// A chat with an agent, and everything said so far taken by the client.
async fn talk(site: &Site, desk: &Desk, n: usize, acks: bool) -> (Line, Poller, String) {
    talk_by(Line::new(site).await, desk, n, acks).await
}

async fn talk_by(mut line: Line, desk: &Desk, n: usize, acks: bool) -> (Line, Poller, String) {
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

/// Chats of one org: 200 tokens a minute are its budget.
const PER_ORG: usize = 150;

/// As many tenants as so many chats need, each of an org of its own.
fn add_orgs(site: &Site, chats: usize) {
    let mut text = std::fs::read_to_string(site.config()).unwrap();
    let (_, tenant) = text.split_once("[[tenant]]").unwrap();
    let tenant = tenant.to_owned();
    for n in 0..chats.div_ceil(PER_ORG) {
        let tenant = tenant.replace("\"example\"", &format!("\"org{n}\""));
        let tenant = tenant.replace("00D000000000001", &format!("00D00000000010{n}"));
        // Nobody polls until all are there.
        let patient = "[tenant.behaviour]\nabandoned_after = \"30m\"";
        let tenant = tenant.replace("[tenant.behaviour]", patient);
        text.push_str(&format!("[[tenant]]{tenant}"));
    }
    // A crowded machine is not a slow client.
    text.push_str("[limits]\nrequest_head_seconds = 300\nrequest_body_seconds = 300\n");
    std::fs::write(site.config(), text).unwrap();
}

/// So many chats; a few begin at a time, for nothing is shown by a crowd at the door.
async fn talk_many(
    site: &Arc<Site>,
    desk: &Arc<Desk>,
    count: usize,
) -> Vec<(usize, (Line, Poller, String))> {
    let mut talking = Vec::new();
    for some in (0..count).collect::<Vec<_>>().chunks(20) {
        let mut some_talk = JoinSet::new();
        for &n in some {
            let (site, desk) = (site.clone(), desk.clone());
            some_talk.spawn(async move {
                let base = format!("http://127.0.0.1:{}/t/org{}/chat/rest", site.port, n / PER_ORG);
                (n, talk_by(Line::at(&site, base).await, &desk, n, true).await)
            });
        }
        talking.extend(some_talk.join_all().await);
    }
    talking.sort_by_key(|(n, _)| *n);
    talking
}

/// A poll that waits. Of two polls the newer one does, for certain once the older one is answered.
async fn park(poller: &Poller, ready: &Barrier) -> u16 {
    let mut polls = JoinSet::new();
    for _ in 0..2 {
        let (mut line, ack) = (poller.line.clone(), poller.acknowledged());
        polls.spawn(async move { line.poll(ack).await.status });
    }
    assert_eq!(polls.join_next().await.unwrap().unwrap(), 204);
    ready.wait().await;
    polls.join_next().await.unwrap().unwrap()
}

/// A POST whose body has begun to arrive, which the bridge has said.
async fn half_a_message(
    site: &Site,
    line: &Line,
    number: usize,
    text: &str,
) -> (TcpStream, String) {
    let body = json!({ "text": text }).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
    let (_, path) = line.base.split_once(&site.port.to_string()).unwrap();
    let head = format!(
        "POST {path}/Chasitor/ChatMessage HTTP/1.1\r\nhost: a\r\n\
         x-liveagent-api-version: 47\r\nx-liveagent-affinity: null\r\n\
         x-liveagent-session-key: {}\r\nx-liveagent-sequence: {number}\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        line.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"100 Continue\r\n\r\n") {
        let read = within("100 Continue", stream.read_buf(&mut told)).await.unwrap();
        assert!(read > 0, "closed: {}", String::from_utf8_lossy(&told));
    }
    let (first, rest) = body.split_at(5);
    stream.write_all(first.as_bytes()).await.unwrap();
    (stream, rest.to_owned())
}

/// Sends the rest; gives the status.
async fn the_rest((mut stream, rest): (TcpStream, String)) -> u16 {
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
    status.parse().unwrap()
}

/// Somebody goes on with the next process; what became of the lines of before, the first of which
/// was said by `told`, as the other at the latest.
async fn go_on(
    desk: Arc<Desk>,
    (n, _, mut line, mut poller, id): (usize, u16, Line, Poller, String),
    posts: usize,
    told: i64,
) -> Tally {
    let mut due = vec!["before the stop"];
    if n < posts {
        // Said again as by a client that did not get the answer: it is one message.
        line.say(Some(3), "at the stop").await;
        due.push("at the stop");
    }
    line.say(Some(4), "after the stop").await;
    desk.say(&id, &format!("welcome back {n}")).await;
    let message = poller.until("ChatMessage").await;
    assert_eq!(message["text"], format!("welcome back {n}"));
    let all =
        |chat: &serde_json::Value| chat["id"] == *id && lines(chat, "visitor").len() > due.len();
    let chat = desk.chat("all lines", all).await;
    let said = lines(&chat, "visitor");
    let mut tally = Tally::default();
    tally.add(&due.iter().map(|text| ((*text).to_owned(), told)).collect::<Vec<_>>(), &said);
    due.push("after the stop");
    assert_eq!(said.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), due);
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_polls_and_posts_and_the_next_start_goes_on() {
    let (parked_polls, posts) = (long_or(1_000, 100), long_or(100, 20));
    let site = Arc::new(Site::new("none").await);
    add_orgs(&site, parked_polls);
    let mut bridge = site.serve().await;
    let desk = Arc::new(Desk::new(&site.desk));
    let talking = talk_many(&site, &desk, parked_polls).await;
    let clock = Clock::system();
    let ready = Arc::new(Barrier::new(parked_polls + 1));
    let mut parked = JoinSet::new();
    let writers: Vec<Line> =
        talking.iter().take(posts).map(|(_, (line, ..))| line.clone()).collect();
    for (n, (mut line, poller, id)) in talking {
        let ready = ready.clone();
        parked.spawn(async move {
            line.say(Some(2), "before the stop").await;
            let status = park(&poller, &ready).await;
            (n, status, line, poller, id)
        });
    }
    ready.wait().await;
    let mut half = Vec::new();
    for line in &writers {
        half.push(half_a_message(&site, line, 3, "at the stop").await);
    }
    let told = clock.now().wall;
    site.goes();
    bridge.terminate();
    // A poll that is let go is the sign that the bridge stops.
    let first = parked.join_next().await.unwrap().unwrap();
    let answered = futures_util::future::join_all(half.into_iter().map(the_rest)).await;
    let ended = bridge.ended().await;
    let took = clock.now().wall.millis_since(told);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(took < STOP_MILLIS, "stopping took {took} ms");
    let mut let_go = parked.join_all().await;
    let_go.push(first);
    assert!(let_go.iter().all(|(_, status, ..)| *status == 204));
    let taken = answered.iter().filter(|status| **status == 200).count();
    assert_eq!(taken, posts, "{answered:?}");

    let _bridge = site.serve().await;
    let mut going = JoinSet::new();
    for chat in let_go {
        going.spawn(go_on(desk.clone(), chat, posts, told.millis()));
    }
    let mut tally = Tally::default();
    for chat in going.join_all().await {
        tally.join(&chat);
    }
    assert_eq!(desk.all().len(), parked_polls);
    assert_eq!(tally.sent, parked_polls + posts);
    let what = format!("SIGTERM, {parked_polls} parked polls, {posts} POSTs half sent");
    let more = format!("{taken} of the POSTs answered 200, exit after {took} ms");
    tally.tell("K6", &what, &more);
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
