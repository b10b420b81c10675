//! The verbs of `tenant` and `admin` against an API on a real socket.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::serve::{ServeLimits, serve};
use liveagent_bridge::store::memory::MemoryStore;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{ADMIN_SECRET, Api, quiet_parts};

const NOW: &str = "2026-01-10T09:00:00Z";
const LIMITS: ServeLimits = ServeLimits {
    connections: 16,
    head_bytes: 16_384,
    headers: 64,
    head_time: Duration::from_secs(60),
    idle: Duration::from_secs(60),
    drain: Duration::from_secs(1),
    handshake: Duration::from_secs(10),
};

/// The API on a socket, and the program as its client.
struct Desk {
    at: SocketAddr,
    token: String,
    _stop: DropGuard,
}

impl Desk {
    async fn new() -> Self {
        let api = Api::new(quiet_parts(NOW, Arc::new(MemoryStore::new())).await);
        let token = api.token("operate");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, api.service, LIMITS, stop.clone()));
        Self { at, token, _stop: stop.drop_guard() }
    }

    async fn run(&self, args: &[&str]) -> Output {
        self.run_as(&self.token, args).await
    }

    async fn run_as(&self, token: &str, args: &[&str]) -> Output {
        let mut command = program();
        command
            .arg("tenant")
            .args(args)
            .env("BRIDGE_ADMIN_URL", format!("http://{}", self.at))
            .env("BRIDGE_ADMIN_TOKEN", token);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// What a verb prints that must succeed.
    async fn good(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", errors(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    command.env_remove("BRIDGE_ADMIN_URL").env_remove("BRIDGE_ADMIN_TOKEN");
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_looked_at_and_moved() {
    let desk = Desk::new().await;
    let list = desk.good(&["list"]).await;
    assert!(list.contains("acme     legacy"), "{list}");
    assert!(desk.good(&["show", "acme"]).await.contains("https://la.example.test"));
    let why = ["--why", "as agreed"];
    let stage = |rest: &[&'static str]| [&["stage", "acme"], rest, &why].concat();
    let moved = desk.good(&stage(&["ramp", "20", "%", "--without-evidence"])).await;
    assert!(moved.contains("change 1: stage `ramp 20 %`"), "{moved}");
    assert!(moved.contains("20 % of new chats go to MIAW"), "{moved}");
    let explained = desk.good(&["explain", "acme", "--draw", "1999"]).await;
    assert!(explained.contains("with draw 1999: miaw"), "{explained}");
    let plan = desk.good(&["plan", "acme", "--at", "2026-02-14T00:00:00Z"]).await;
    assert!(plan.contains("stands: `ramp 20 %` since"), "{plan}");
    assert!(plan.contains("past-removal"), "{plan}");
    for verb in ["freeze", "unfreeze", "rollback"] {
        desk.good(&[verb, "acme", "--why", "to be sure"]).await;
    }
    let history = desk.good(&["history", "acme"]).await;
    assert_eq!(history.lines().count(), 5, "{history}");
    assert!(history.contains("pat@ops.example.test"), "{history}");
    let export: Value = serde_json::from_str(&desk.good(&["export", "acme"]).await).unwrap();
    assert_eq!(export["changes"].as_array().unwrap().len(), 4);
    assert_eq!(export["plan"]["standing"]["tenant"]["said"], "rollBack");
    let json: Value = serde_json::from_str(&desk.good(&["--json", "list"]).await).unwrap();
    assert_eq!(json["tenants"][0]["id"], "acme");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_changing_verb_says_what_the_api_takes() {
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let report = json!({
        "as_of": NOW, "evidence_hash": "0f".repeat(32), "summary": { "errors": 0 },
        "tenants": [{ "id": "acme" }],
    });
    std::fs::write(&path, report.to_string()).unwrap();
    let report = path.to_str().unwrap();
    for args in [
        &["evidence", "acme", "--report", report][..],
        &["stage", "acme", "shadow"],
        &["stage", "acme", "ramp 5 %", "--button", "573000000000001"],
        &["follow", "acme", "--button", "573000000000001"],
        &["brownout", "acme", "--from", "2026-01-11T09:00:00Z", "--until", "2026-01-11T10:00:00Z"],
        &["end-brownout", "acme"],
        &["acknowledge", "acme", "--until", "2026-02-20T00:00:00Z"],
        &["withdraw", "acme"],
    ] {
        desk.good(&[args, &["--why", "as agreed"]].concat()).await;
    }
    let wrong = desk.run(&["evidence", "other", "--report", report, "--why", "x"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(errors(&wrong).contains("no report about `other`"), "{}", errors(&wrong));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_sentences_with_exit_codes_of_their_own() {
    let desk = Desk::new().await;
    desk.good(&["freeze", "acme", "--why", "a rest"]).await;
    let fails = async |args: &[&str], exit: i32, needle: &str| {
        let output = desk.run(args).await;
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {said}");
        assert!(said.contains(needle), "{args:?}: {said}");
    };
    fails(&["freeze", "acme", "--why", "again"], 3, "refused: the plan is frozen").await;
    fails(&["unfreeze", "acme", "--why", "x", "--expected", "0"], 4, "`tenant history`").await;
    fails(&["show", "nobody"], 2, "no such tenant").await;
    fails(&["plan", "acme", "--at", "soon"], 2, "bad-request").await;
    fails(&["stage", "acme", "miaw"], 2, "--why").await;
    fails(&["rollback", "acme", "--why", "x", "--without-evidence"], 2, "no evidence").await;
    fails(&["list", "--admin", "http://bridge.example.test"], 1, "in clear").await;
    let output = desk.run_as("abc", &["list"]).await;
    assert_eq!(output.status.code(), Some(5), "{}", errors(&output));
    let output = desk.run_as("", &["list"]).await;
    assert_eq!(output.status.code(), Some(5));
    assert!(errors(&output).contains("BRIDGE_ADMIN_TOKEN"), "{}", errors(&output));
    // Nobody listens at port 1.
    fails(&["list", "--admin", "http://127.0.0.1:1"], 1, "--admin names its address").await;
    let problem = desk.run(&["--json", "freeze", "acme", "--why", "again"]).await;
    let problem: Value = serde_json::from_slice(&problem.stdout).unwrap();
    assert_eq!((&problem["code"], &problem["reason"]), (&json!("refused"), &json!("no-change")));
}

#[test]
fn a_token_is_made_from_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bridge.toml");
    let mut file = std::fs::File::create(&path).unwrap();
    write!(
        file,
        "[admin]\nlisten = 8081\n[[admin.key]]\nalgorithm = \"HS256\"\n\
         secret = {{ env = \"ADMIN_SECRET\" }}\n[[tenant]]\nid = \"acme\"\n[tenant.miaw]\n\
         base_url = \"https://acme.my.salesforce-scrt.com\"\norganization_id = \"00D000000000062\"\n\
         embedded_service_developer_name = \"Web_Support\"\n"
    )
    .unwrap();
    let run = |args: &[&str]| {
        let fixed = ["admin", "token", "--config", path.to_str().unwrap(), "--subject", "pat"];
        let mut command = program();
        command.args(fixed).args(args).env("ADMIN_SECRET", ADMIN_SECRET).output().unwrap()
    };
    let made = run(&["--role", "read", "--tenants", "acme", "--ttl", "30m"]);
    assert_eq!(made.status.code(), Some(0), "{}", errors(&made));
    let token = String::from_utf8(made.stdout).unwrap();
    assert_eq!(token.trim().split('.').count(), 3, "{token}");
    for (args, needle) in [
        (&["--role", "read", "--tenants", "nobody"][..], "no tenant `nobody`"),
        (&["--role", "root"], "`read` or `operate`"),
        (&["--role", "read", "--ttl", "100000h"], "not between"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(errors(&output).contains(needle), "{args:?}: {}", errors(&output));
    }
}
