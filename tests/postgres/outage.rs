//! K8: PostgreSQL is restarted, is not reached for a while, takes no more connections. The program
//! runs on a server of this test's own, through a proxy that can fall silent.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use liveagent_bridge::clock::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_postgres::NoTls;

use crate::desk::{Desk, asked_with, id, lines};
use crate::program::Program;
use crate::server::RING;
use crate::site::Site;
use crate::tally::Tally;
use crate::visitor::{Line, Poller, http};
use crate::{long_or, within};

const VISITORS: usize = 3;
/// Recovery that is promised, in milliseconds; held to in the long run, when nothing else runs.
const RECOVERY_MILLIS: i64 = 5_000;

/// A server that can be restarted.
struct Server {
    process: Child,
    address: url::Url,
    restarts: tokio::sync::mpsc::Receiver<()>,
}

impl Server {
    async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/server");
        let mut command = Command::new(script);
        let command = command.env("MAX_CONNECTIONS", "24").stdout(Stdio::piped());
        let mut process = command.spawn().expect("the server's script");
        let out = process.stdout.take().unwrap();
        let (sender, mut restarts) = tokio::sync::mpsc::channel(16);
        let (told, first) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut told = Some(told);
            for line in std::io::BufRead::lines(std::io::BufReader::new(out)) {
                let Ok(line) = line else { return };
                if let Some(address) = line.strip_prefix("listening ") {
                    if let Some(told) = told.take() {
                        let _ = told.send(address.to_owned());
                    }
                    let _ = sender.blocking_send(());
                }
            }
        });
        let address = within("the server", first).await.expect("a server");
        restarts.recv().await;
        Self { process, address: address.parse().unwrap(), restarts }
    }

    async fn restart(&mut self) {
        let command = format!("kill -HUP {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        within("the server is back", self.restarts.recv()).await.expect("the server is back");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let command = format!("kill -TERM {}", self.process.id());
        let _ = Command::new("sh").args(["-c", &command]).status();
        let _ = self.process.wait();
    }
}

/// What the way to the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing arrives, nothing is refused.
    Silent,
}

/// A way to the server; connections from before a silence are cut when it ends.
async fn way_to(server: &url::Url, state: &watch::Sender<Way>) -> url::Url {
    let to = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut address = server.clone();
    address.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let states = state.subscribe();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass(client, to.clone(), states.clone()));
        }
    });
    address
}

async fn pass(mut client: TcpStream, to: String, mut state: watch::Receiver<Way>) {
    let open = *state.borrow_and_update() == Way::Open;
    if open {
        let Ok(mut server) = TcpStream::connect(&to).await else { return };
        let (mut up, mut down) = (vec![0; 16_384], vec![0; 16_384]);
        loop {
            tokio::select! {
                read = client.read(&mut up) => match read {
                    Ok(read @ 1..) if server.write_all(&up[..read]).await.is_ok() => {}
                    _ => return,
                },
                read = server.read(&mut down) => match read {
                    Ok(read @ 1..) if client.write_all(&down[..read]).await.is_ok() => {}
                    _ => return,
                },
                () = until(&mut state, Way::Silent) => break,
            }
        }
    }
    until(&mut state, Way::Open).await;
}

async fn until(state: &mut watch::Receiver<Way>, wanted: Way) {
    let _ = state.wait_for(|state| *state == wanted).await;
}

/// The store of the site's bridges is this database; a second tenant is relayed.
fn configure(site: &Site, database: &url::Url) {
    let text = std::fs::read_to_string(site.config()).unwrap();
    let text = text.replace(
        "path = \"bridge.sqlite\"",
        &format!("url = \"{database}\"\nkey_ring = \"{RING}\""),
    );
    let text = text.replace("[tenant.legacy]", "hosts = [\"127.0.0.1\"]\n[tenant.legacy]");
    let (_, tenant) = text.split_once("[[tenant]]").unwrap();
    let relayed = tenant
        .replace("id = \"example\"", "id = \"relayed\"")
        .replace("hosts = [\"127.0.0.1\"]\n", "");
    // A cutover of its own means an org of its own.
    let (legacy, miaw) = relayed.split_once("[tenant.miaw]").unwrap();
    let miaw = miaw.replace("00D000000000001", "00D000000000002");
    let relayed = format!("{legacy}[tenant.miaw]{miaw}");
    let plan = "[tenant.plan]\nremoval = \"2099-01-01T00:00:00Z\"\n";
    std::fs::write(site.config(), format!("{text}[[tenant]]{relayed}{plan}")).unwrap();
}

/// A chat that is relayed verbatim: it has no use for the store.
struct Relayed {
    base: String,
    key: String,
    affinity: String,
}

impl Relayed {
    async fn begin(site: &Site) -> Self {
        let base = format!("http://127.0.0.1:{}/t/relayed/chat/rest", site.port);
        let asked = http().get(format!("{base}/System/SessionId"));
        let asked = asked.header("X-LIVEAGENT-API-VERSION", "47");
        let answer = asked.header("X-LIVEAGENT-AFFINITY", "null").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let session: Value = answer.json().await.unwrap();
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        Self { base, key: text("key"), affinity: text("affinityToken") }
    }

    /// Begins the chat of this session.
    async fn init(&self) -> u16 {
        let body = json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": "573000000000001", "sessionId": self.key.split('!').next(),
            "userAgent": "t", "language": "en", "screenResolution": "1x1", "visitorName": "V",
            "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        });
        let asked = http().post(format!("{}/Chasitor/ChasitorInit", self.base)).json(&body);
        let asked = asked.header("X-LIVEAGENT-API-VERSION", "47");
        let asked = asked.header("X-LIVEAGENT-AFFINITY", &self.affinity);
        let asked = asked.header("X-LIVEAGENT-SESSION-KEY", &self.key);
        let answer = asked.header("X-LIVEAGENT-SEQUENCE", "1").send().await.unwrap();
        answer.status().as_u16()
    }
}

/// One visitor and its polls, which must never meet an error.
struct Talk {
    line: Line,
    id: String,
    number: u64,
    sent: Vec<(String, i64)>,
    polls: tokio::task::JoinHandle<Vec<String>>,
}

struct Stage {
    desk: Desk,
    clock: Clock,
    talks: Vec<Talk>,
    /// Answers of 500.
    refused: watch::Sender<usize>,
}

impl Stage {
    async fn new(site: &Site) -> Self {
        let desk = Desk::new(&site.desk);
        let mut talks = Vec::new();
        for n in 0..VISITORS {
            let email = format!("outage{n}@example.test");
            let mut line = Line::new(site).await;
            line.init(Some(1), &email).await;
            let chat = desk.chat("a chat", |chat| asked_with(chat, &email)).await;
            desk.accept(&id(&chat)).await;
            let mut poller = Poller::new(&line, true);
            poller.until("ChatEstablished").await;
            let polls = tokio::spawn(async move {
                let mut texts = Vec::new();
                while let Some(messages) = poller.next().await {
                    let said = messages.iter().filter(|message| message["type"] == "ChatMessage");
                    let text =
                        |message: &Value| message["message"]["text"].as_str().unwrap().into();
                    texts.extend(said.map(text));
                }
                texts
            });
            talks.push(Talk { line, id: id(&chat), number: 1, sent: Vec::new(), polls });
        }
        Self { desk, clock: Clock::system(), talks, refused: watch::Sender::default() }
    }

    fn now(&self) -> i64 {
        self.clock.now().wall.millis()
    }

    /// Each says one line until it is acknowledged; answers when the last one was.
    async fn say(&mut self, what: &str) -> i64 {
        let (clock, refused) = (&self.clock, &self.refused);
        let turns = self.talks.iter_mut().enumerate().map(|(n, talk)| async move {
            talk.number += 1;
            let text = format!("{n} {what}");
            talk.sent.push((text.clone(), clock.now().wall.millis()));
            let body = json!({ "text": text });
            loop {
                let answer = talk.line.post("ChatMessage", Some(talk.number), &body).await;
                match answer.status {
                    200 => return clock.now().wall.millis(),
                    500 => refused.send_modify(|refused| *refused += 1),
                    other => panic!("{other}: {}", answer.text),
                }
            }
        });
        let done = futures_util::future::join_all(turns).await;
        done.into_iter().max().unwrap_or_default()
    }

    /// Ends an outage once a POST has waited in vain; answers when.
    fn once_refused<T: Send + 'static>(
        &self,
        outage: T,
        end: impl FnOnce(T) + Send + 'static,
    ) -> tokio::task::JoinHandle<i64> {
        let (clock, mut refused) = (self.clock.clone(), self.refused.subscribe());
        let before = *refused.borrow();
        let least = clock.now().mono.plus(Duration::from_secs(long_or(30, 0)));
        tokio::spawn(async move {
            let one = refused.wait_for(|refused| *refused > before);
            drop(within("a POST that is answered 500", one).await.unwrap());
            clock.until(least).await;
            end(outage);
            clock.now().wall.millis()
        })
    }

    /// Both sides say something while all is well, and the other side has it.
    async fn check(&mut self, what: &str) {
        self.say(what).await;
        for talk in &self.talks {
            let all = |chat: &Value| {
                chat["id"] == *talk.id && lines(chat, "visitor").len() >= talk.sent.len()
            };
            self.desk.chat("every line", all).await;
            self.desk.say(&talk.id, what).await;
        }
    }

    async fn end(self, test: &str, what: &str, more: &str, said: &[&str]) {
        let mut tally = Tally::default();
        for talk in self.talks {
            let chat = self.desk.chat("the chat", |chat| chat["id"] == *talk.id).await;
            let heard = lines(&chat, "visitor");
            let texts = |lines: &[(String, i64)]| {
                lines.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()
            };
            assert_eq!(texts(&heard), texts(&talk.sent));
            tally.add(&talk.sent, &heard);
            self.desk.act(&talk.id, "end", json!({})).await;
            let told = within("the end of the polls", talk.polls).await.unwrap();
            assert_eq!(told, said);
            tally.sent += said.len();
            tally.delivered += told.len();
        }
        tally.tell(test, what, more);
    }
}

/// Cuts every connection but the caller's and keeps what is free then.
async fn take_all_connections(server: &url::Url) -> Vec<tokio_postgres::Client> {
    let connect = || async {
        let (client, connection) = tokio_postgres::connect(server.as_str(), NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    };
    let first = connect().await.unwrap();
    let mut all = vec![first];
    // The bridge asks for its connections again, and must find none.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'liveagent-bridge'";
    loop {
        while let Ok(client) = connect().await {
            all.push(client);
        }
        let cut = all[0].query(cut, &[]).await.unwrap();
        if cut.is_empty() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_outlive_a_restart_a_partition_and_a_full_server() {
    let mut server = Server::start().await;
    let site = Site::new("none").await;
    let way = watch::Sender::new(Way::Open);
    let address = way_to(&server.address, &way).await;
    configure(&site, &address);
    let bridge: Program = site.serve().await;
    let mut stage = Stage::new(&site).await;
    let relayed = Relayed::begin(&site).await;
    let mut recoveries = Vec::new();

    stage.check("before").await;
    server.restart().await;
    let back = stage.now();
    recoveries.push(("restart", stage.say("after the restart").await - back));
    stage.check("restarted").await;

    way.send_replace(Way::Silent);
    let healed = stage.once_refused(way.clone(), |way| {
        way.send_replace(Way::Open);
    });
    let beside = async {
        assert_eq!(relayed.init().await, 200, "the relay does not need the store");
        Relayed::begin(&site).await;
    };
    let (last, ()) = tokio::join!(stage.say("in the silence"), beside);
    recoveries.push(("partition", last - healed.await.unwrap()));
    stage.check("reached again").await;

    let taken = take_all_connections(&server.address).await;
    let count = taken.len();
    let freed = stage.once_refused(taken, drop);
    let last = stage.say("while the server was full").await;
    recoveries.push(("full server", last - freed.await.unwrap()));
    stage.check("with room again").await;

    let told: Vec<String> =
        recoveries.iter().map(|(what, millis)| format!("{what} {millis} ms")).collect();
    let more = format!(
        "{} answers of 500, {count} connections taken, back after {}",
        *stage.refused.borrow(),
        told.join(", ")
    );
    if long_or(true, false) {
        for (what, millis) in recoveries {
            assert!(millis <= RECOVERY_MILLIS, "{what}: {millis} ms");
        }
    }
    let said = ["before", "restarted", "reached again", "with room again"];
    stage.end("K8", "PostgreSQL restarted, silent, full", &more, &said).await;
    drop(bridge);
}
