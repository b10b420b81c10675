//! Both emulated services, a configuration, and the bridge between them.

use std::net::TcpListener;
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::sync::watch;

use crate::program::Program;
use crate::visitor::{Clients, http};

/// How many bridges there were.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    /// Bridges that listened.
    pub started: usize,
    /// Those that went, or are about to.
    pub gone: usize,
}

impl Turns {
    pub const fn up(self) -> bool {
        self.started > self.gone
    }
}

/// Emulators that outlive every bridge, and the bridge's files.
pub struct Site {
    pub folder: TempDir,
    pub liveagent: String,
    pub miaw: String,
    pub desk: String,
    /// Where every bridge of this site listens.
    pub base: String,
    pub port: u16,
    /// Which bridge there is.
    turns: watch::Sender<Turns>,
    clients: Clients,
    _emulators: Program,
}

impl Site {
    /// Starts the emulators and writes the configuration.
    pub async fn new(agents: &str) -> Self {
        Self::under(&[], agents).await
    }

    /// The same with emulators that another program becomes.
    pub async fn under(wrapper: &[String], agents: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0";
        let args = ["emulate", "--liveagent", any, "--miaw", any, "--desk", any];
        let args = [&args[..], &["--agents", agents]].concat();
        let log = folder.path().join("emulate.log");
        let mut emulators = Program::start_under(wrapper, &args, &[], &log);
        let liveagent = emulators.line("liveagent").await;
        let miaw = emulators.line("miaw").await;
        let desk = emulators.line("desk").await;
        let port = free_port();
        let site = Self {
            folder,
            liveagent,
            miaw,
            desk,
            base: format!("http://127.0.0.1:{port}/chat/rest"),
            port,
            turns: watch::Sender::default(),
            clients: Clients::default(),
            _emulators: emulators,
        };
        std::fs::write(site.config(), site.tenant()).unwrap();
        // These tests are in more of a hurry than people are.
        let knobs = format!("{}/emulator/miaw/knobs", site.miaw);
        let hurry = serde_json::json!({ "rate_limits": false });
        let answer = http().post(knobs).json(&hurry).send().await.unwrap();
        assert!(answer.status().is_success());
        site
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("bridge.toml")
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("bridge.sqlite")
    }

    /// The log of every bridge of this site.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("serve.log")
    }

    fn tenant(&self) -> String {
        let Self { liveagent, miaw, port, .. } = self;
        format!(
            r#"listen = "127.0.0.1:{port}"
[store]
path = "bridge.sqlite"
[[tenant]]
id = "example"
[tenant.legacy]
live_agent_base_url = "{liveagent}"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
button_id = "573000000000001"
[tenant.miaw]
base_url = "{miaw}"
organization_id = "00D000000000001"
embedded_service_developer_name = "Compat_Web"
[tenant.behaviour]
message_budget = "1000/min"
"#
        )
    }

    /// Starts a bridge on the site's port and database, and waits until it listens.
    pub async fn serve(&self) -> Program {
        self.serve_under(&[]).await
    }

    /// The same through another program, which must become the bridge.
    pub async fn serve_under(&self, wrapper: &[String]) -> Program {
        let config = self.config();
        let args = ["serve", "--config", config.to_str().unwrap()];
        let mut bridge = Program::start_under(wrapper, &args, &[], &self.log());
        assert_eq!(bridge.line("listening").await, format!("http://127.0.0.1:{}", self.port));
        self.comes();
        bridge
    }

    /// A bridge listens.
    pub fn comes(&self) {
        self.turns.send_modify(|turns| turns.started += 1);
    }

    /// The next thing that happens is that the bridge goes.
    pub fn goes(&self) {
        self.turns.send_modify(|turns| turns.gone += 1);
    }

    /// What lines ask their bridge with.
    pub fn clients(&self) -> Clients {
        self.clients.clone()
    }

    /// Tells which bridge there is.
    pub fn turns(&self) -> watch::Receiver<Turns> {
        self.turns.subscribe()
    }
}

/// A port that stays the same over restarts.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
