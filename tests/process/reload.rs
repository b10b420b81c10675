//! SIGHUP and certificates, while chats run on the real program.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::certificates::Authority;
use crate::desk::{Desk, asked_with, id};
use crate::program::{Program, run};
use crate::proxy::Proxy;
use crate::site::Site;
use crate::visitor::{Line, Poller};
use crate::within;

/// Variables that other programs take their proxy from.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
/// Nobody answers there.
const NOBODY: &str = "http://127.0.0.1:9";

/// What the log says, once it says it after `from` bytes.
async fn logged(log: &Path, from: usize, what: &str) -> String {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let found = async {
        loop {
            looks.tick().await;
            let text = std::fs::read_to_string(log).unwrap();
            if let Some(text) = text.get(from..).filter(|text| text.contains(what)) {
                return text.to_owned();
            }
        }
    };
    within(what, found).await
}

fn hang_up(program: &Program) {
    let command = format!("kill -HUP {}", program.id());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
}

/// A client that trusts one authority and begins every request with a handshake, or keeps its
/// connection.
fn client(authority: &Authority, keeps: bool) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    let idle = if keeps { usize::MAX } else { 0 };
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([root]);
    builder.pool_max_idle_per_host(idle).build().unwrap()
}

/// One legacy session over TLS.
#[derive(Clone)]
struct Secure {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Secure {
    async fn get(&self, noun: &str) -> reqwest::Result<(u16, String)> {
        let request = self.http.get(format!("{}/System/{noun}", self.base));
        let request = request.header("X-LIVEAGENT-API-VERSION", "47");
        let answer = request.header("X-LIVEAGENT-SESSION-KEY", &self.key).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn post(&self, noun: &str, number: u64, body: &Value) {
        let request = self.http.post(format!("{}/Chasitor/{noun}", self.base)).json(body);
        let request = request.header("X-LIVEAGENT-API-VERSION", "47");
        let request = request.header("X-LIVEAGENT-SEQUENCE", number);
        let answer = request.header("X-LIVEAGENT-SESSION-KEY", &self.key).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &*answer.text().await.unwrap()), (200, "OK"));
    }
}

/// A bridge that speaks TLS, and a chat over one connection that is polled all the while.
struct Stand {
    site: Site,
    authority: Authority,
    bridge: Program,
    desk: Desk,
    address: String,
    /// The configuration as it was at first.
    good: String,
    chat: Secure,
    id: String,
    /// How many messages of the agent were read.
    read: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    polling: JoinHandle<()>,
}

impl Stand {
    async fn new() -> Self {
        let site = Site::new("none").await;
        let authority = Authority::new();
        authority.issue(site.folder.path(), "bridge");
        let plain = std::fs::read_to_string(site.config()).unwrap();
        let tls = "[tls]\ncertificate_file = \"bridge.crt\"\nkey_file = \"bridge.key\"\n";
        let good = plain.replace("[store]", &format!("{tls}[store]"));
        std::fs::write(site.config(), &good).unwrap();
        let config = site.config();
        let args = ["serve", "--config", config.to_str().unwrap()];
        let mut bridge = Program::start(&args, &[], &site.log());
        let address = bridge.line("listening").await;
        assert_eq!(address, format!("https://127.0.0.1:{}", site.port));
        let desk = Desk::new(&site.desk);
        let base = format!("{address}/chat/rest");
        let mut chat = Secure { http: client(&authority, true), base, key: String::new() };
        let (status, text) = chat.get("SessionId").await.unwrap();
        assert_eq!(status, 200, "{text}");
        let session: Value = serde_json::from_str(&text).unwrap();
        chat.key = session["key"].as_str().unwrap().to_owned();
        chat.post("ChasitorInit", 1, &init(&session["id"])).await;
        let id = id(&desk.chat("a chat", |chat| asked_with(chat, "tls@example.test")).await);
        desk.accept(&id).await;
        let (count, read) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let polling = tokio::spawn(poll(chat.clone(), count, stopped));
        Self { site, authority, bridge, desk, address, good, chat, id, read, stop, polling }
    }

    /// Writes the configuration and tells the bridge; gives the log once it says `what`.
    async fn reload(&self, text: &str, what: &str) -> String {
        let log = self.site.log();
        let from = std::fs::metadata(&log).unwrap().len() as usize;
        std::fs::write(self.site.config(), text).unwrap();
        hang_up(&self.bridge);
        logged(&log, from, what).await
    }

    /// The chat goes on: what the agent says is read.
    async fn goes_on(&mut self, text: &str) {
        let before = *self.read.borrow();
        self.desk.say(&self.id, text).await;
        let more = self.read.wait_for(|read| *read > before);
        within(text, more).await.expect("the client polls");
    }

    /// Every poll was answered; the chat ends as any other.
    async fn ends(mut self) {
        self.stop.send_replace(true);
        self.desk.say(&self.id, "the last one").await;
        within("the client", self.polling).await.unwrap();
        self.chat.post("ChatEnd", 2, &json!({ "reason": "client" })).await;
        self.bridge.terminate();
        let ended = self.bridge.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
}

/// Polls until told to stop; every answer must come, and be one.
async fn poll(chat: Secure, read: watch::Sender<usize>, stopped: watch::Receiver<bool>) {
    let mut ack = None;
    while !*stopped.borrow() {
        let asked = ack.map_or("Messages?ack=-1".to_owned(), |ack| format!("Messages?ack={ack}"));
        let (status, text) = chat.get(&asked).await.expect("an answer");
        if status == 204 {
            continue;
        }
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let sequence = answer["sequence"].as_i64().unwrap();
        assert!(ack.is_none_or(|ack| sequence == ack + 1), "{sequence} after {ack:?}");
        ack = Some(sequence);
        let messages = answer["messages"].as_array().unwrap();
        let said = messages.iter().filter(|message| message["type"] == "ChatMessage").count();
        read.send_modify(|read| *read += said);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_dropped_while_files_and_certificates_change() {
    let mut stand = Stand::new().await;
    let good = stand.good.clone();
    stand.goes_on("at first").await;

    // A second tenant works at once.
    let more = "[[tenant]]\nid = \"more\"\nhosts = [\"more.test\"]\n[tenant.miaw]\n\
        base_url = \"https://more.my.salesforce-scrt.com\"\n\
        organization_id = \"00D000000000002\"\n\
        embedded_service_developer_name = \"More\"\n";
    stand.reload(&format!("{good}{more}"), "tenant more: added").await;
    let base = format!("{}/t/more/chat/rest", stand.address);
    let other = Secure { http: client(&stand.authority, false), base, key: String::new() };
    assert_eq!(other.get("SessionId").await.unwrap().0, 200);
    // It has no hosts, and is not the only one any more: running chats go on all the same.
    stand.goes_on("after a good file").await;

    // A broken file is told with its place, and nothing else happens.
    let log = stand.reload(&format!("colour = 1\n{good}"), "the last good one stays").await;
    let place = format!("{}:1: colour: is not a known key", stand.site.config().display());
    assert!(log.contains(&place), "{log}");
    assert_eq!(other.get("SessionId").await.unwrap().0, 200);
    stand.goes_on("after a broken file").await;

    // Another certificate, of another authority: who shakes hands from now on gets it.
    let next = Authority::new();
    next.issue(stand.site.folder.path(), "bridge");
    stand.reload(&format!("{good}{more}"), "tls.key_file (the file): changed").await;
    // A client of before may resume its session, which shows no certificate.
    let fresh = Secure { http: client(&stand.authority, false), ..other.clone() };
    assert!(fresh.get("SessionId").await.is_err(), "the old authority knows nothing of it");
    let renewed = Secure { http: client(&next, false), ..other };
    assert_eq!(renewed.get("SessionId").await.unwrap().0, 200);
    stand.goes_on("after a new certificate").await;

    // A broken certificate: the file is the same, and still nothing is taken.
    let key = stand.site.folder.path().join("bridge.key");
    std::fs::write(key, "").unwrap();
    let log = stand.reload(&good, "the last good one stays").await;
    assert!(log.contains("tls.key_file: `") && log.contains("holds no private key"), "{log}");
    assert_eq!(renewed.get("SessionId").await.unwrap().0, 200);
    stand.goes_on("after a broken certificate").await;
    stand.ends().await;
}

fn init(session: &Value) -> Value {
    json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "sessionId": session, "userAgent": "process tests",
        "language": "en", "screenResolution": "1x1", "visitorName": "Vera",
        "prechatDetails": [{
            "label": "Email", "value": "tls@example.test", "displayToAgent": true,
            "entityMaps": [], "transcriptFields": [],
        }],
        "prechatEntities": [], "receiveQueueUpdates": true, "isPost": true,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_goes_out_takes_the_configured_proxy() {
    let site = Site::new("echo").await;
    let proxy = Proxy::start(Some("user:password")).await;
    let text = std::fs::read_to_string(site.config()).unwrap();
    let egress = format!("[egress]\nproxy = \"{}\"\n[store]", proxy.address());
    std::fs::write(site.config(), text.replace("[store]", &egress)).unwrap();
    let config = site.config();
    let args = ["check", "--live", "--wait", "1", "--config", config.to_str().unwrap()];
    run(&args, &[]).await;
    let checked = proxy.seen();
    for wanted in ["access-token", "/sse", "/chat/rest/"] {
        assert!(checked.iter().any(|seen| seen.contains(wanted)), "{wanted}: {checked:#?}");
    }
    let _bridge = site.serve().await;
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(&site).await;
    line.init(Some(1), "proxy@example.test").await;
    desk.chat("a chat", |chat| asked_with(chat, "proxy@example.test")).await;
    Poller::new(&line, true).until("ChatEstablished").await;
    let seen = proxy.seen().split_off(checked.len());
    for wanted in ["access-token", "/conversation", "/sse"] {
        assert!(seen.iter().any(|seen| seen.contains(wanted)), "{wanted}: {seen:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_of_the_environment_is_not_used() {
    let site = Site::new("echo").await;
    let env = PROXY_VARIABLES.map(|name| (name, NOBODY));
    let config = site.config();
    let args = ["serve", "--config", config.to_str().unwrap()];
    let mut bridge = Program::start(&args, &env, &site.log());
    bridge.line("listening").await;
    site.comes();
    let desk = Desk::new(&site.desk);
    let mut line = Line::new(&site).await;
    line.init(Some(1), "env@example.test").await;
    desk.chat("a chat", |chat| asked_with(chat, "env@example.test")).await;
    Poller::new(&line, true).until("ChatEstablished").await;
}
