//! The configuration read again under running chats: what changes, what stays, what is told.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::app::reload::{Reload, Source};
use liveagent_bridge::app::{self, Bridge, Opened, Options};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::{Difference, Problems, load_with};
use liveagent_bridge::emulator::{Agents, Command, Emulators};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::stage::{Got, LEGACY, SECRET, Seen, read, request};

const TRANSLATED: &str = "2026-03-01T09:00:00Z";
const RELAYED: &str = "2026-01-20T09:00:00Z";

/// The file of the bridge itself.
const BRIDGE: &str = "tenants = \"tenants/*.toml\"\n[store]\npath = \"memory\"\n";

/// A tenant's file.
fn tenant(id: &str, rest: &str) -> String {
    format!(
        r#"id = "{id}"
hosts = ["{id}.example.test"]
{rest}
[legacy]
live_agent_base_url = "https://{LEGACY}"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
button_id = "573000000000001"
[miaw]
base_url = "https://scrt.example.test"
organization_id = "00D000000000001"
embedded_service_developer_name = "Compat_Web"
"#
    )
}

struct World {
    home: TempDir,
    clock: Clock,
    emulators: Emulators,
    bridge: Bridge,
    reload: Reload,
}

impl World {
    /// A bridge with these tenants.
    async fn new(at: &str, bridge: &str, tenants: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        fs::create_dir(home.path().join("tenants")).expect("a folder");
        fs::write(home.path().join("bridge.toml"), bridge).expect("written");
        for (id, text) in tenants {
            fs::write(home.path().join(format!("tenants/{id}.toml")), text).expect("written");
        }
        let clock = Clock::starting_at(Wall::parse(at).expect("an instant"));
        let emulators = Emulators::new(&clock, Agents::None);
        emulators.set_liveagent(|knobs| knobs.check_affinity = false);
        let salesforce = Arc::new(InProcess::new());
        salesforce.put("scrt.example.test", emulators.miaw_router());
        salesforce.put(LEGACY, emulators.liveagent_router());
        let path = home.path().join("bridge.toml");
        let loaded = load_with(&path, &env).map_err(|p| p.to_string()).expect("sound");
        let options = Options {
            clock: clock.clone(),
            transport: salesforce,
            opened: Opened { store: Arc::new(MemoryStore::new()), keys: KeyRing::single(SECRET) },
            decisions: Arc::new(Seen::default()),
            shutdown: CancellationToken::new(),
        };
        let bridge = app::build(loaded.config, options).await.expect("a bridge");
        let source = Source { path, env: Box::new(env) };
        let reload = Reload::builder(source, loaded.written, &bridge, clock.clone()).build();
        Self { home, clock, emulators, bridge, reload }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("removed");
    }

    /// Reads files that are sound.
    async fn reload(&self) -> Difference {
        self.reload.reload().await.map_err(|p| p.to_string()).expect("sound")
    }

    async fn broken(&self) -> Problems {
        self.reload.reload().await.expect_err("problems")
    }

    async fn send(&self, method: &str, host: &str, noun: &str, key: &str, body: &Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let key = Some(key).filter(|key| !key.is_empty());
        let path = format!("/chat/rest/{noun}");
        let mut asked = request(method, &path, key, &body);
        asked.headers_mut().insert("host", host.parse().expect("a host"));
        let router = self.bridge.router.clone();
        let answer = tokio::time::timeout(Duration::from_secs(600), router.oneshot(asked)).await;
        read(answer.expect("in time").expect("an answer")).await
    }

    async fn start(&self, host: &str) -> Got {
        self.send("GET", host, "System/SessionId", "", &Value::Null).await
    }

    /// A chat with an agent, read up to there.
    async fn talking(&self, host: &str) -> Talk<'_> {
        let session = self.start(host).await.json();
        let key = session["key"].as_str().expect("a key").to_owned();
        let mut talk = Talk { world: self, host: host.to_owned(), key, ack: -1 };
        let init = json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": "573000000000001", "sessionId": session["id"], "visitorName": "Vera",
            "language": "en-US", "screenResolution": "1x1", "userAgent": "test",
            "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        });
        let got = self.send("POST", host, "Chasitor/ChasitorInit", &talk.key, &init).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"));
        talk.until("ChatRequestSuccess").await;
        let id = self.emulators.desk().chats().pop().expect("a chat").id;
        self.emulators.desk().act(&id, Command::Accept).expect("possible");
        talk.until("ChatEstablished").await;
        talk
    }

    fn config(&self) -> Arc<liveagent_bridge::config::Config> {
        self.bridge.live.config()
    }
}

fn env(name: &str) -> Option<String> {
    (name == "SCRT_URL").then(|| "https://scrt.example.test".to_owned())
}

/// One chat as its client sees it.
struct Talk<'a> {
    world: &'a World,
    host: String,
    key: String,
    ack: i64,
}

impl Talk<'_> {
    async fn until(&mut self, kind: &str) -> Value {
        for _ in 0..30 {
            let noun = format!("System/Messages?ack={}", self.ack);
            let got = self.world.send("GET", &self.host, &noun, &self.key, &Value::Null).await;
            if got.status == 204 {
                continue;
            }
            assert_eq!(got.status, 200, "before {kind}: {}", got.text);
            let answer = got.json();
            self.ack = answer["sequence"].as_i64().expect("a sequence");
            let messages = answer["messages"].as_array().expect("messages");
            if let Some(found) = messages.iter().find(|message| message["type"] == kind) {
                return found["message"].clone();
            }
        }
        panic!("no {kind}");
    }

    async fn goes_on_to_its_end(&mut self) {
        self.goes_on().await;
        let desk = self.world.emulators.desk();
        let id = desk.chats().pop().expect("a chat").id;
        desk.act(&id, Command::End).expect("possible");
        self.until("ChatEnded").await;
    }

    /// Both sides say something and are heard.
    async fn goes_on(&mut self) {
        let said = json!({ "text": "still here" });
        let (host, key) = (self.host.clone(), self.key.clone());
        let got = self.world.send("POST", &host, "Chasitor/ChatMessage", &key, &said).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"));
        let desk = self.world.emulators.desk();
        let id = desk.chats().pop().expect("a chat").id;
        desk.act(&id, Command::Say { text: "so am I".to_owned() }).expect("possible");
        assert_eq!(self.until("ChatMessage").await["text"], "so am I");
        let heard = desk.chats().pop().expect("a chat");
        assert!(heard.lines.iter().any(|line| line.text == "still here"), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_difference_names_every_key_and_hides_secrets() {
    let egress = "[egress]\nproxy = \"http://u:canary1@proxy.test\"\n";
    let bridge = format!("{BRIDGE}{egress}");
    let acme = tenant("acme", "mapping = \"../map.toml\"\n[behaviour]\npoll_hold = \"24s\"");
    let first = tenant("acme", "[behaviour]\npoll_hold = \"24s\"");
    let world = World::new(TRANSLATED, &bridge, &[("acme", &first)]).await;
    assert!(world.reload().await.is_empty(), "nothing was touched");

    world.write("map.toml", "version = 1\n[defaults]\nunmapped = \"drop\"\n");
    world.write("tenants/acme.toml", &acme.replace("24s", "20s"));
    world.write("tenants/globex.toml", &tenant("globex", ""));
    world.write("bridge.toml", &format!("listen = 9090\n{}", bridge.replace("canary1", "canary2")));
    let difference = world.reload().await;
    let text = difference.to_string();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "tenant globex: added",
            "egress.proxy: changed",
            "listen: added, `9090`; not applied: it needs a restart",
            "tenant acme: behaviour.poll_hold: `24s` -> `20s`",
            "tenant acme: mapping: added, `../map.toml`",
            "tenant acme: mapping (the file ../map.toml): added",
        ]
    );
    let json = serde_json::to_value(&difference).expect("JSON");
    assert!(!json.to_string().contains("canary"), "{json}");
    assert_eq!(json["changes"][1]["needsRestart"], true);
    let config = world.config();
    assert_eq!(config.listen.port(), 8080, "what is shown is what holds");
    assert_eq!(config.tenant("acme").expect("acme").behaviour.poll_hold.as_secs(), 20);

    // What a restart is needed for is told again, and so is a mapping file that changed by itself.
    world.write("map.toml", "version = 1\n[defaults]\nunmapped = \"error\"\n");
    let text = world.reload().await.to_string();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "listen: added, `9090`; not applied: it needs a restart",
            "tenant acme: mapping (the file ../map.toml): changed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn problems_leave_everything_as_it_is() {
    let acme = tenant("acme", "");
    let world = World::new(TRANSLATED, BRIDGE, &[("acme", &acme)]).await;
    let before = world.config();
    world.write("tenants/globex.toml", &tenant("globex", ""));
    world.write("tenants/acme.toml", &tenant("acme", "[behaviour]\npoll_hold = \"24\""));
    world.write("bridge.toml", &BRIDGE.replace("path", "paht"));
    let problems = world.broken().await;
    let text = problems.to_string();
    assert_eq!(problems.0.len(), 2, "{text}");
    assert!(text.contains("bridge.toml:3: store.paht: is not a known key"), "{text}");
    assert!(text.contains("acme.toml:4: behaviour.poll_hold: `24` has no unit"), "{text}");
    assert_eq!(world.config(), before);
    assert_eq!(
        world.start("globex.example.test").await.status,
        200,
        "the only tenant has any host"
    );

    world.remove("bridge.toml");
    assert!(world.broken().await.to_string().contains("cannot be read"));
    world.write("bridge.toml", BRIDGE);
    world.write("tenants/acme.toml", &acme);
    assert_eq!(world.reload().await.tenants_added, ["globex"]);
    assert_eq!(world.start("other.example.test").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_new_tenant_works_at_once_and_a_removed_one_ends_its_chats() {
    let (acme, globex) = (tenant("acme", ""), tenant("globex", ""));
    let world = World::new(TRANSLATED, BRIDGE, &[("acme", &acme)]).await;
    world.write("tenants/globex.toml", &globex);
    world.reload().await;
    let mut talk = world.talking("globex.example.test").await;
    world.remove("tenants/globex.toml");
    assert_eq!(world.reload().await.tenants_removed, ["globex"]);
    // With one tenant left its host means that one: a path says whose the new chat would be.
    world.write("tenants/initech.toml", &tenant("initech", ""));
    world.reload().await;
    let path = request("GET", "/t/globex/chat/rest/System/SessionId", None, "");
    let answer = world.bridge.router.clone().oneshot(path).await.expect("an answer");
    assert_eq!(answer.status(), 404);
    assert_eq!(world.start("globex.example.test").await.status, 404);
    let init = world.send("GET", "globex.example.test", "Visitor/VisitorId", "", &Value::Null);
    assert_eq!(init.await.status, 404, "nothing but running chats");
    talk.goes_on_to_its_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_relayed_chat_outlives_its_tenant_and_its_legacy_half() {
    let (acme, globex) = (tenant("acme", ""), tenant("globex", ""));
    let world = World::new(RELAYED, BRIDGE, &[("acme", &acme), ("globex", &globex)]).await;
    let mut talk = world.talking("acme.example.test").await;
    let chat = world.emulators.desk().chats().pop().expect("a chat");
    assert_eq!(serde_json::to_value(chat.service).expect("JSON"), "liveagent");
    let start = acme.find("[legacy]").expect("there");
    let end = acme.find("[miaw]").expect("there");
    world.write("tenants/acme.toml", &format!("{}{}", &acme[..start], &acme[end..]));
    let text = world.reload().await.to_string();
    assert!(
        text.contains("tenant acme: legacy.button_id: removed, was `573000000000001`"),
        "{text}"
    );
    let new = world.start("acme.example.test").await;
    assert_eq!(new.status, 200, "new chats go to MIAW");
    talk.goes_on().await;
    world.remove("tenants/acme.toml");
    world.reload().await;
    talk.goes_on_to_its_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_chat_goes_on_where_its_host_went() {
    let acme = tenant("acme", "");
    let world = World::new(TRANSLATED, BRIDGE, &[("acme", &acme)]).await;
    // By a name that nobody wrote down, since it is the only tenant.
    let mut by_default = world.talking("bot.example.test").await;
    world.write("tenants/globex.toml", &tenant("globex", ""));
    world.reload().await;
    assert_eq!(world.start("bot.example.test").await.status, 404);
    by_default.goes_on_to_its_end().await;

    let mut by_name = world.talking("acme.example.test").await;
    world.write("tenants/acme.toml", &acme.replace("acme.example.test", "new.example.test"));
    world.reload().await;
    assert_eq!(world.start("acme.example.test").await.status, 404);
    assert_eq!(world.start("new.example.test").await.status, 200);
    // Even when somebody else has the host now.
    let globex = tenant("globex", "").replace("globex.example.test", "acme.example.test");
    world.write("tenants/globex.toml", &globex);
    world.reload().await;
    by_name.goes_on_to_its_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_running_chat_keeps_the_settings_it_began_with() {
    let world = World::new(TRANSLATED, BRIDGE, &[("acme", &tenant("acme", ""))]).await;
    let mut talk = world.talking("acme.example.test").await;
    let elsewhere = tenant("acme", "[behaviour]\nsuccess_after = \"1s\"")
        .replace("https://scrt.example.test", "https://gone.example.test");
    world.write("tenants/acme.toml", &elsewhere);
    world.reload().await;
    talk.goes_on_to_its_end().await;
}

#[tokio::test(start_paused = true)]
async fn capturing_begins_and_ends_with_the_file() {
    let acme = tenant("acme", "");
    let world = World::new(TRANSLATED, BRIDGE, &[("acme", &acme)]).await;
    let folder = world.path("captures");
    let captured = tenant("acme", "[capture]\nfolder = \"../captures\"");
    world.write("tenants/acme.toml", &captured);
    world.reload().await;
    world.talking("acme.example.test").await.goes_on_to_its_end().await;
    world.write("tenants/globex.toml", &tenant("globex", "[capture]\nfolder = \"../captures\""));
    world.write("tenants/acme.toml", &acme);
    world.reload().await;
    for host in ["acme.example.test", "globex.example.test"] {
        world.talking(host).await.goes_on_to_its_end().await;
    }
    world.clock.until(world.clock.now().mono.plus(Duration::from_secs(300))).await;
    world.bridge.live.now().capture.clone().expect("somebody opted in").drained().await;
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .map(|name| name.split('-').next().expect("a tenant").to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["acme", "globex"]);
    let lines = |tenant: &str| -> usize {
        let entries = fs::read_dir(world.path("captures")).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let own = paths.filter(|path| path.to_string_lossy().contains(&format!("/{tenant}-")));
        own.map(|path| fs::read_to_string(path).expect("text").lines().count()).sum()
    };
    // One chat of each while it was asked for; the second one of acme was not.
    assert_eq!(lines("acme"), lines("globex"));
    assert!(lines("acme") > 0);
}
