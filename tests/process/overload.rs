//! L1, L2, L5 and L6 over real sockets: slow clients, requests beyond every measure, no file
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

/// The resident memory of a process, in KiB.
pub fn memory(program: &Program) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of a process so far, in hundredths of a second.
pub fn busy(program: &Program) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Sends the request's beginning, then one byte each `every`; what the bridge said when it closed.
async fn drip(mut stream: TcpStream, clock: Clock, every: Duration) -> String {
    let mut answer = Vec::new();
    loop {
        let next = clock.until(clock.now().mono.plus(every));
        tokio::select! {
            // A reset counts as closed.
            read = stream.read_buf(&mut answer) => if matches!(read, Ok(0) | Err(_)) { break },
            () = next => {
                let _ = stream.write_all(b"a").await;
            }
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A message each way, and how long each took until it was answered.
async fn round_trip(
    (line, poller): (&mut Line, &mut Poller),
    (desk, id): (&Desk, &str),
    clock: &Clock,
    n: usize,
) -> Duration {
    let began = clock.now().mono;
    line.say(Some(n as u64 + 2), &format!("asks {n}")).await;
    let took = clock.now().mono.since(began);
    desk.say(id, &format!("answers {n}")).await;
    assert_eq!(poller.until("ChatMessage").await["text"], format!("answers {n}"));
    took
}

/// The time that so many of a hundred stay within.
pub fn percentile(times: &mut [Duration], of: usize) -> u128 {
    times.sort();
    times[(times.len() * of / 100).min(times.len() - 1)].as_millis()
}

/// How many times it goes to and fro without the slow ones, and at least beside them.
const TRIPS: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_senders_are_cut_and_others_are_served() {
    // As it comes, 10 s, and a byte every 5; else quicker.
    let (each, within, every) = long_or((2_500, 10, 5_000), (100, 2, 1_000));
    let within: u128 = within;
    let limits = format!("request_head_seconds = {within}\nrequest_body_seconds = {within}");
    let site = site(&limits).await;
    let bridge = site.serve().await;
    let (desk, clock) = (Desk::new(&site.desk), Clock::system());
    let (mut line, mut poller, id) = talk(&site, &desk).await;
    let mut trips = Vec::new();
    for n in 0..TRIPS {
        trips.push(round_trip((&mut line, &mut poller), (&desk, &id), &clock, n).await);
    }
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
        let (began, clock) = (clock.now().mono, clock.clone());
        slow.spawn(async move {
            let answer = drip(stream, clock.clone(), Duration::from_millis(every)).await;
            (n % 2, answer, clock.now().mono.since(began))
        });
    }
    let (mut beside, mut cut, mut grown) = (Vec::new(), Vec::new(), 0);
    while beside.len() < TRIPS || cut.is_empty() {
        let n = TRIPS + beside.len();
        beside.push(round_trip((&mut line, &mut poller), (&desk, &id), &clock, n).await);
        grown = grown.max(memory(&bridge).saturating_sub(before));
        cut.extend(slow.try_join_next().map(Result::unwrap));
    }
    cut.extend(slow.join_all().await);
    let of = |kind| cut.iter().filter(move |(k, ..)| *k == kind).map(|(_, answer, _)| &**answer);
    assert!(of(0).all(str::is_empty), "half a head is cut without a word");
    assert!(of(1).all(|answer| answer.starts_with("HTTP/1.1 408")), "half a body is 408");
    let (said, slow) = (trips.len() + beside.len(), cut.len());
    desk.chat("every line", |chat| lines(chat, "visitor").len() == said).await;
    // A connection holds a head's buffer at most.
    assert!(grown < slow * 64 + 40_960, "{grown} KiB for {slow} slow connections");
    let took = || cut.iter().map(|(.., took)| took.as_millis());
    let (shortest, longest) = (took().min().unwrap(), took().max().unwrap());
    // Beside other tests the machine may be slow to see it.
    let late = long_or(2_000, 20_000);
    assert!(shortest + 50 >= within * 1_000, "one was cut after {shortest} ms");
    assert!(longest <= within * 1_000 + late, "one was cut after {longest} ms");
    let (alone, beside) = (percentile(&mut trips, 99), percentile(&mut beside, 99));
    assert!(beside <= long_or(100, 5_000), "99 % of others within {beside} ms");
    tell(&format!(
        "L1 slow senders: {slow} cut, the last after {longest} ms (limit {within} s), {grown} KiB \
         more while they were there; a POST of others 99 % within {alone} ms without them, \
         {beside} ms beside them"
    ));
}

/// A request, the status that it must have, and what the answer must say.
type Row = (&'static str, Vec<u8>, u16, &'static str);

/// Requests beyond measure, by a client that has this session.
fn beyond_measure(key: &str) -> Vec<Row> {
    let post = |more: &str, body: &[u8]| {
        let head = format!(
            "POST /chat/rest/Chasitor/ChatMessage HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
             x-liveagent-api-version: 47\r\nx-liveagent-affinity: null\r\n\
             x-liveagent-session-key: {key}\r\n{more}\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let sized =
        |more: &str, body: &[u8]| post(&format!("{more}content-length: {}\r\n", body.len()), body);
    let text = |bytes: usize| format!("{{\"text\":\"{}\"}}", "a".repeat(bytes - 11)).into_bytes();
    let deep = |levels: usize| {
        format!("{{\"text\":{}1{}}}", "[".repeat(levels), "]".repeat(levels)).into_bytes()
    };
    let chunked = |body: &[u8]| {
        let size = format!("{:x}\r\n", body.len());
        let chunks = [size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
        post("transfer-encoding: chunked\r\n", &chunks)
    };
    let url = |bytes: usize| {
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(bytes)).into_bytes()
    };
    let header = format!("x-large: {}\r\n", "a".repeat(16_384));
    let bomb = include_bytes!("fixtures/bomb.json.gz");
    let two = "content-length: 2\r\ncontent-length: 3\r\n";
    // What follows the chunks would be another request, to whoever believed the length.
    let both = [&b"2\r\n{}\r\n0\r\n\r\n"[..], &post("", b"")].concat();
    let both = post("content-length: 5\r\ntransfer-encoding: chunked\r\n", &both);
    let (head, http) = ("longer than 16384 bytes", "cannot be read as a request");
    vec![
        ("a body of 64 KiB and a byte", sized("", &text(65_537)), 413, "larger than 65536 bytes"),
        ("the same in chunks", chunked(&text(65_537)), 413, "larger than 65536 bytes"),
        ("headers of 16 KiB and more", post(&header, b""), 431, head),
        ("101 headers", post(&"x: y\r\n".repeat(101), b""), 431, "more than 100 headers"),
        ("a URL of 10 MiB", url(10 << 20), 431, head),
        ("a URL of 20 KiB", url(20 << 10), 431, head),
        ("a body shorter than it says", post("content-length: 400\r\n", b"{"), 408, "in time"),
        ("a body longer than it says", post("content-length: 2\r\n", b"{}GET /"), 400, "text"),
        ("a length that is none", post("content-length: -1\r\n", b""), 400, http),
        ("two lengths", post(two, b"{}"), 400, http),
        ("a length and chunks", both, 400, "text"),
        ("JSON 100 deep", sized("", &deep(100)), 400, "text"),
        ("JSON 200 deep", sized("", &deep(200)), 400, "not well formed"),
        ("a bomb of 60 MiB", sized("content-encoding: gzip\r\n", bomb), 400, ""),
        ("the same, said to be text", sized("content-type: text/plain\r\n", bomb), 400, ""),
        ("no HTTP", b"\x16\x03\x01\r\n\r\n".to_vec(), 400, http),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_beyond_measure_are_refused_with_their_status() {
    let site = site("request_body_seconds = 2").await;
    let bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let (mut line, ..) = talk(&site, &desk).await;
    let before = memory(&bridge);
    let rows = beyond_measure(&line.key);
    let refused = rows.len();
    for (what, request, status, says) in rows {
        let stream = TcpStream::connect(("127.0.0.1", site.port)).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        // What is refused before its end may be cut while it is still being sent.
        let sending = async {
            let _ = write.write_all(&request).await;
        };
        let mut answer = Vec::new();
        let reading = async {
            let _ = within(what, read.read_to_end(&mut answer)).await;
        };
        tokio::join!(sending, reading);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begins), "{what}: not {status}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: one answer: {answer:?}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(body.contains(says) && !body.is_empty(), "{what}: says `{says}`: {answer:?}");
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{what}: {head}");
        assert!(head.contains("\r\nconnection: close"), "{what}: {head}");
        assert!(!answer.contains("aaaa"), "{what}: what was sent is quoted");
    }
    let grown = memory(&bridge).saturating_sub(before);
    assert!(grown < 20_480, "{grown} KiB");
    line.say(Some(2), "still here").await;
    desk.chat("the line", |chat| lines(chat, "visitor").len() == 1).await;
    tell(&format!("L2 and L6 requests beyond measure: {refused} refused, {grown} KiB more"));
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
