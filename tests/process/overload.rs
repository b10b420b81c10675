//! L1, L2 and L5 over real sockets: slow clients, requests beyond every measure, no file
//! descriptors left. Whoever behaves is served meanwhile.

use std::io::Write as _;
use std::time::Duration;

use liveagent_bridge::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::Program;
use crate::site::Site;
use crate::visitor::{Line, Poller};
use crate::{long_or, within};

fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A site whose limits are such that no test has to wait long.
async fn site(limits: &str) -> Site {
    let site = Site::new("none").await;
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), format!("{config}[limits]\n{limits}\n")).unwrap();
    site
}

/// A chat with an agent.
async fn talk(site: &Site, desk: &Desk) -> (Line, Poller, String) {
    let mut line = Line::new(site).await;
    line.init(Some(1), "good@example.test").await;
    let chat = desk.chat("the chat", |chat| asked_with(chat, "good@example.test")).await;
    desk.accept(&id(&chat)).await;
    let mut poller = Poller::new(&line, true);
    poller.until("ChatEstablished").await;
    (line, poller, id(&chat))
}

/// Everything until the bridge closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset counts as closed.
    let _ = within("the bridge closes", stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The resident memory of a process, in KiB.
fn memory(program: &Program) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of a process so far, in hundredths of a second.
fn busy(program: &Program) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_are_cut_and_others_are_served() {
    let each = long_or(2_500, 100);
    let site = site("request_head_seconds = 2\nrequest_body_seconds = 2").await;
    let bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (mut line, mut poller, id) = talk(&site, &desk).await;
    let before = memory(&bridge);
    let head = b"POST /chat/rest/Chasitor/ChatMessage HTTP/1.1\r\nhost: a\r\n";
    let key = format!("x-liveagent-api-version: 47\r\nx-liveagent-session-key: {}\r\n", line.key);
    let mut slow = JoinSet::new();
    for n in 0..2 * each {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        stream.write_all(head).await.unwrap();
        if n % 2 == 1 {
            let end = format!("{key}content-length: 60000\r\n\r\n{{\"text\":\"");
            stream.write_all(end.as_bytes()).await.unwrap();
        }
        slow.spawn(async move { (n % 2, rest(&mut stream).await) });
    }
    // All of them are there while this goes to and fro.
    for n in 0..20 {
        line.say(Some(n + 2), &format!("asks {n}")).await;
        desk.say(&id, &format!("answers {n}")).await;
        assert_eq!(poller.until("ChatMessage").await["text"], format!("answers {n}"));
    }
    let grown = memory(&bridge).saturating_sub(before);
    let cut = slow.join_all().await;
    let of = |kind| cut.iter().filter(move |(k, _)| *k == kind).map(|(_, answer)| answer.as_str());
    assert!(of(0).all(str::is_empty), "half a head is cut without a word");
    assert!(of(1).all(|answer| answer.starts_with("HTTP/1.1 408")), "half a body is 408");
    desk.chat("every line", |chat| lines(chat, "visitor").len() == 20).await;
    let slow = cut.len();
    // A connection holds a head's buffer at most.
    assert!(grown < slow * 64 + 40_960, "{grown} KiB for {slow} slow connections");
    tell(&format!("L1 slow senders: {slow} cut, {grown} KiB more while they were there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_measure_are_refused_with_their_status() {
    let site = site("request_body_seconds = 2").await;
    let bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (mut line, ..) = talk(&site, &desk).await;
    let before = memory(&bridge);
    let post = |more: &str, body: &str| {
        format!(
            "POST /chat/rest/Chasitor/ChatMessage HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             x-liveagent-api-version: 47\r\nx-liveagent-affinity: null\r\n\
             x-liveagent-session-key: {}\r\n{more}\r\n{body}",
            line.key
        )
    };
    let sized = |body: &str| post(&format!("content-length: {}\r\n", body.len()), body);
    let text = |bytes: usize| format!("{{\"text\":\"{}\"}}", "a".repeat(bytes - 11));
    let deep = format!("{{\"text\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let chunked = |body: &str| {
        let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        post("transfer-encoding: chunked\r\n", &chunks)
    };
    let url = |bytes: usize| format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(bytes));
    let header = format!("x-large: {}\r\n", "a".repeat(16_384));
    for (what, request, statuses) in [
        ("a body of 64 KiB and one byte", sized(&text(65_537)), &[413][..]),
        ("the same in chunks", chunked(&text(65_537)), &[413]),
        ("headers of 16 KiB and more", post(&header, ""), &[431]),
        ("101 headers", post(&"x: y\r\n".repeat(101), ""), &[431]),
        ("a URL of 10 MiB", url(10 << 20), &[414, 431]),
        ("a URL of 20 KiB", url(20 << 10), &[414, 431]),
        ("a body shorter than it says", post("content-length: 400\r\n", "{\"text\""), &[408, 400]),
        ("a length that is none", post("content-length: -1\r\n", ""), &[400]),
        ("two lengths", post("content-length: 2\r\ncontent-length: 3\r\n", "{}"), &[400]),
        ("JSON 200 deep", sized(&deep), &[400]),
        ("no HTTP", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), &[400]),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        let (mut read, mut write) = stream.split();
        // What is refused before its end may be cut while it is still being sent.
        let sending = async {
            let _ = write.write_all(request.as_bytes()).await;
        };
        let mut answer = Vec::new();
        let reading = async {
            let _ = within(what, read.read_buf(&mut answer)).await;
        };
        tokio::join!(sending, reading);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        assert!(status.is_some_and(|status| statuses.contains(&status)), "{what}: {answer:?}");
        assert!(!answer.contains("aaaa"), "{what}: what was sent is quoted");
    }
    let grown = memory(&bridge).saturating_sub(before);
    assert!(grown < 20_480, "{grown} KiB");
    line.say(Some(2), "still here").await;
    tell(&format!("L2 requests beyond measure: all refused, {grown} KiB more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_file_descriptors_it_waits_and_goes_on() {
    let site = site("request_head_seconds = 300").await;
    let few = ["sh", "-c", "ulimit -n 96; exec \"$0\" \"$@\""].map(str::to_owned);
    let mut bridge = site.serve_under(&few).await;
    let desk = Desk::new(&site.desk);
    let (mut line, mut poller, id) = talk(&site, &desk).await;
    // Connections that say nothing, more than there are descriptors for.
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(TcpStream::connect(("127.0.0.1", site.port)).await.unwrap());
    }
    let said = async {
        while !std::fs::read_to_string(site.log()).unwrap().contains("connections cannot be") {
            tokio::task::yield_now().await;
        }
    };
    within("the descriptors are used up", said).await;
    // Whoever is connected is served, and nothing spins.
    let (clock, spent) = (Clock::system(), busy(&bridge));
    clock.until(clock.now().mono.plus(Duration::from_secs(2))).await;
    let spent = busy(&bridge) - spent;
    assert!(spent < 100, "{spent} hundredths of a second of work in two seconds of waiting");
    assert!(bridge.running());
    drop(silent);
    // With descriptors again, new connections too, without a restart.
    let mut other = Line::new(&site).await;
    other.init(Some(1), "late@example.test").await;
    desk.chat("a new chat", |chat| asked_with(chat, "late@example.test")).await;
    line.say(Some(2), "and the old one").await;
    desk.say(&id, "goes on").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "goes on");
    let log = std::fs::read_to_string(site.log()).unwrap();
    let told = log.matches("connections cannot be accepted").count();
    assert!(told < 10, "it is said once for each time, not for each attempt: {told}");
    tell(&format!(
        "L5 no file descriptors: {spent} hundredths of a second of work in 2 s, back without a restart"
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_chat_more_than_a_tenant_may_have_is_refused() {
    let site = site("chats_per_tenant = 2").await;
    let _bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (mut line, mut poller, id) = talk(&site, &desk).await;
    let mut second = Line::new(&site).await;
    second.init(Some(1), "second@example.test").await;
    let mut third = Line::new(&site).await;
    let body = serde_json::json!({ "buttonId": "573000000000001", "visitorName": "third" });
    let refused = third.post("ChasitorInit", Some(1), &body).await;
    assert_eq!(refused.status, 500, "{}", refused.text);
    // Those who are in do not notice.
    line.say(Some(2), "still here").await;
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    desk.say(&id, "so am I").await;
    assert_eq!(poller.until("ChatMessage").await["text"], "so am I");
    assert_eq!(desk.all().len(), 2);
}
