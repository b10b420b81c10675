//! Emulators, a database, and the nodes between them.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::free_port;
use crate::desk::Desk;
use crate::program::Program;
use crate::server::{Database, RING};
use crate::visitor::http;

/// Everything but the nodes' processes.
pub struct Site {
    pub place: Database,
    pub folder: TempDir,
    pub desk: Arc<Desk>,
    miaw: String,
    pub liveagent: String,
    _emulators: Program,
}

/// One node: its ports stay the same over restarts.
pub struct Node {
    pub name: &'static str,
    pub port: u16,
    pub admin: u16,
    private: u16,
    config: PathBuf,
    log: PathBuf,
    program: Option<Program>,
}

impl Site {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0";
        let args = ["emulate", "--liveagent", any, "--miaw", any, "--desk", any];
        let args = [&args[..], &["--agents", "none"]].concat();
        let mut emulators = Program::start(&args, &[], &folder.path().join("emulate.log"));
        let liveagent = emulators.line("liveagent").await;
        let miaw = emulators.line("miaw").await;
        let desk = Arc::new(Desk::new(&emulators.line("desk").await));
        std::fs::write(folder.path().join("bridge.keys"), RING).unwrap();
        std::fs::write(folder.path().join("admin.secret"), ADMIN_SECRET).unwrap();
        let knobs = format!("{miaw}/emulator/miaw/knobs");
        let hurry = serde_json::json!({ "rate_limits": false });
        let answer = http().post(knobs).json(&hurry).send().await.unwrap();
        assert!(answer.status().is_success());
        let place = Database::new().await;
        Self { place, folder, desk, miaw, liveagent, _emulators: emulators }
    }

    /// A node that has not been started.
    pub fn node(&self, name: &'static str) -> Node {
        let [port, admin, private] = std::array::from_fn(|_| free_port());
        let (url, miaw) = (self.place.url(), &self.miaw);
        let cluster = format!("[cluster]\nlisten = \"127.0.0.1:{private}\"\nname = \"{name}\"\n");
        let text = format!(
            r#"listen = "127.0.0.1:{port}"
[store]
url = "{url}"
key_ring = {{ file = "bridge.keys" }}
{cluster}
[admin]
listen = "127.0.0.1:{admin}"
[[admin.key]]
algorithm = "HS256"
secret = {{ file = "admin.secret" }}
[[tenant]]
id = "example"
[tenant.miaw]
base_url = "{miaw}"
organization_id = "00D000000000001"
embedded_service_developer_name = "Compat_Web"
[tenant.behaviour]
message_budget = "1000/min"
"#
        );
        let config = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&config, text).unwrap();
        let log = self.folder.path().join(format!("{name}.log"));
        Node { name, port, admin, private, config, log, program: None }
    }

    /// Two nodes that run.
    pub async fn two(&self) -> [Node; 2] {
        let mut nodes = [self.node("one"), self.node("two")];
        for node in &mut nodes {
            node.start().await;
        }
        nodes
    }

    /// How many guest tokens the emulated MIAW has given.
    pub async fn tokens(&self) -> usize {
        let url = format!("{}/emulator/miaw/tokens", self.miaw);
        let answer: Value = http().get(url).send().await.unwrap().json().await.unwrap();
        answer["given"].as_u64().unwrap() as usize
    }

    pub async fn remove(self) {
        self.place.remove().await;
    }
}

const ADMIN_SECRET: &str = "a-secret-of-the-tests-that-is-long-enough";

impl Node {
    /// Starts it and waits until it listens.
    pub async fn start(&mut self) {
        let mut program = self.begin();
        program.line("listening").await;
        self.program = Some(program);
    }

    fn begin(&self) -> Program {
        Program::start(&["serve", "--config", self.config.to_str().unwrap()], &[], &self.log)
    }

    /// Runs it to its end, for one that does not get far.
    pub async fn fails(&self) -> String {
        let ended = self.begin().ended().await;
        assert_ne!(ended.code, Some(0));
        ended.log
    }

    /// Gives it a key ring of its own.
    pub fn give_ring(&self, ring: &str) {
        let file = format!("{}.keys", self.name);
        std::fs::write(self.config.with_file_name(&file), ring).unwrap();
        self.rewrite(|text| {
            let (before, after) = text.split_once("key_ring = { file = \"").unwrap();
            let (_, after) = after.split_once('"').unwrap();
            format!("{before}key_ring = {{ file = \"{file}\"{after}")
        });
    }

    /// Edits its configuration.
    pub fn rewrite(&self, with: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, with(text)).unwrap();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.program.take().expect("it runs").kill();
    }

    /// SIGTERM, until it has ended.
    pub async fn stop(&mut self) {
        let mut program = self.program.take().expect("it runs");
        program.terminate();
        assert_eq!(program.ended().await.code, Some(0));
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.program.as_ref().expect("it runs").id();
        let command = format!("kill -{name} {id}");
        assert!(
            std::process::Command::new("sh").args(["-c", &command]).status().unwrap().success()
        );
    }

    pub fn runs(&self) -> bool {
        self.program.is_some()
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}/chat/rest", self.port)
    }

    /// The file it is started with.
    pub fn config(&self) -> String {
        self.config.to_str().unwrap().to_owned()
    }

    /// Its admin listener.
    pub fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin)
    }

    /// Its private listener.
    pub fn private(&self) -> String {
        format!("http://127.0.0.1:{}", self.private)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A figure of its metrics, zero when there is none.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// The sum of a figure over its labels.
    pub async fn sum(&self, name: &str) -> u64 {
        let (text, start) = (self.metrics().await, format!("{name}{{"));
        let lines = text.lines().filter(|line| line.starts_with(&start));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// How many polls wait at it.
    pub async fn parked(&self) -> u64 {
        self.sum("bridge_polls_parked").await + self.metric("bridge_polls_parked").await
    }

    async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.admin);
        http().get(url).send().await.unwrap().text().await.unwrap()
    }

    /// How many requests of clients it has answered.
    pub async fn requests(&self) -> u64 {
        self.sum("bridge_requests_total").await
    }

    /// How many chats it has decided to send this way.
    pub async fn decided(&self, route: &str) -> u64 {
        let (text, route) = (self.metrics().await, format!("route=\"{route}\""));
        let is_it = |line: &&str| line.starts_with("bridge_decisions_total{");
        let lines = text.lines().filter(is_it).filter(|line| line.contains(&route));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// A probe's answer.
    pub async fn ready(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/readyz", self.admin);
        http().get(url).send().await.unwrap().json().await.unwrap()
    }
}
