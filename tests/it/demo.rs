//! The demo: its whole story through the real binary, and what its page is promised.

use std::process::Command;
use std::time::Duration;

use liveagent_bridge::demo::Demo;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[test]
fn headless_crosses_both_boundaries_and_says_so_in_one_line() {
    let program = env!("CARGO_BIN_EXE_liveagent-bridge");
    let output = Command::new(program).args(["demo", "--headless"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["problems"], json!([]));
    assert_eq!(report["ok"], true);
    assert_eq!(output.status.code(), Some(0));

    let decisions = report["decisions"].as_array().unwrap();
    let decided: Vec<_> = decisions.iter().map(|d| [&d["chat"], &d["route"]]).collect();
    assert_eq!(json!(decided), json!([["A", "legacy"], ["B", "miaw"], ["C", "miaw"]]));
    assert!(decisions.iter().all(|d| d["at"].is_string() && d["because"].is_string()));

    let seen = |chat: &str| report["visitors"][chat].as_array().unwrap().clone();
    for chat in ["A", "B", "C"] {
        let ends = seen(chat).iter().filter(|one| one["type"] == "ChatEnded").count();
        assert_eq!(ends, 1, "chat {chat}");
        assert_eq!(seen(chat).last(), Some(&json!({ "status": 403 })), "chat {chat}");
    }
    let asked = |chat: &str| {
        let lines = report["agents"][chat]["lines"].as_array().unwrap();
        let visitor = lines.iter().filter(|line| line["from"] == "visitor");
        visitor.map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(asked("A"), ["A asks before the margin", "A asks inside the margin"]);
    let of_b = ["B asks inside the margin", "B asks after the removal", "B asks today"];
    assert_eq!(asked("B"), of_b);
    assert_eq!(asked("C"), ["C asks today"]);
}

#[tokio::test]
async fn the_page_gets_its_files_its_state_and_a_clock_it_can_set() {
    let demo = Demo::start(0).await.unwrap();
    let base = format!("http://{}", demo.address());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(demo.serve(shutdown.clone()));
    let http = reqwest::Client::new();

    let page = http.get(&base).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    let html = page.text().await.unwrap();
    for file in html.split('"').filter(|part| part.starts_with("/demo/")) {
        let answer = http.get(format!("{base}{file}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{file}");
    }

    let state = || async {
        let answer = http.get(format!("{base}/demo/state")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let before = state().await;
    assert_eq!(before["clock"]["zone"], "legacy");
    let set = |to: Value| {
        let request = http.post(format!("{base}/demo/clock")).json(&json!({ "to": to }));
        async { request.send().await.unwrap().status().as_u16() }
    };
    for refused in [json!("1999-01-01T00:00:00Z"), json!("soon"), json!(null)] {
        assert_eq!(set(refused.clone()).await, 400, "{refused}");
    }
    assert_eq!(set(json!("2026-02-13T23:00:00Z")).await, 200);
    assert_eq!(state().await["clock"]["zone"], "margin");
    assert_eq!(set(before["timeline"]["today"].clone()).await, 200);
    assert_eq!(state().await["clock"]["zone"], "after");

    // A fresh world starts where the first one did.
    let restarted = http.post(format!("{base}/demo/restart")).send().await.unwrap();
    assert_eq!(restarted.status(), 204);
    assert_eq!(state().await["clock"]["zone"], "legacy");

    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

/// A demo, served until it is dropped.
struct Served {
    base: String,
    http: reqwest::Client,
    _shutdown: tokio_util::sync::DropGuard,
}

impl Served {
    async fn start() -> Self {
        let demo = Demo::start(0).await.unwrap();
        let base = format!("http://{}", demo.address());
        let shutdown = CancellationToken::new();
        tokio::spawn(demo.serve(shutdown.clone()));
        Self { base, http: reqwest::Client::new(), _shutdown: shutdown.drop_guard() }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, String) {
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    /// Asks for a session, as a legacy client does.
    async fn session(&self) -> reqwest::Response {
        let request = self.http.get(format!("{}/chat/rest/System/SessionId", self.base));
        let request = request.header("X-LIVEAGENT-API-VERSION", "47");
        request.header("X-LIVEAGENT-AFFINITY", "null").send().await.unwrap()
    }

    async fn state(&self) -> Value {
        self.get("/demo/state").await.json().await.unwrap()
    }

    /// The state once it is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(25));
            loop {
                ticks.tick().await;
                let state = self.state().await;
                if wanted(&state) {
                    return state;
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }
}

fn in_phase(state: &Value, phase: &str) -> usize {
    let chats = state["chats"].as_array().unwrap();
    chats.iter().filter(|chat| chat["phase"] == phase).count()
}

#[tokio::test]
async fn a_killed_bridge_is_built_again_from_its_store_and_the_chats_go_on() {
    let demo = Served::start().await;
    assert_eq!(demo.post("/demo/clock", json!({ "to": "2026-02-13T23:00:00Z" })).await.0, 200);
    assert_eq!(demo.post("/demo/crowd", json!({ "count": 3 })).await.0, 202);
    demo.until("three chats", |state| in_phase(state, "active") == 3).await;

    let (status, told) = demo.post("/demo/bridge", json!({ "up": false })).await;
    assert_eq!((status, told.contains("false")), (200, true), "{told}");
    assert_eq!(demo.get("/chat/rest/System/SessionId").await.status(), 502);
    assert_eq!(demo.get("/console/").await.status(), 502);
    // Clock, desk and page are no part of the bridge. Hours go by, too.
    assert_eq!(demo.post("/demo/clock", json!({ "to": "2026-02-14T05:00:00Z" })).await.0, 200);

    let (status, told) = demo.post("/demo/bridge", json!({ "up": true })).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, told), (200, json!({ "up": true, "recovered": 3 })));
    let desk: Value = demo.get("/desk/chats").await.json().await.unwrap();
    let id = desk["chats"][0]["id"].as_str().unwrap();
    let (status, _) = demo.post(&format!("/desk/chats/{id}/end"), json!({})).await;
    assert_eq!(status, 200);
    // What the agent does after the restart reaches the visitor who began before it.
    let state = demo.until("the end of one", |state| in_phase(state, "ended") == 1).await;
    assert_eq!(in_phase(&state, "active"), 2);
}

#[tokio::test]
async fn rows_of_the_wire_are_kept_with_what_was_sent_and_answered() {
    let demo = Served::start().await;
    let begun = demo.session().await;
    assert_eq!(begun.headers()["x-demo-chat"], "A");
    let state = demo.state().await;
    let rows = state["wire"].as_array().unwrap();
    let row = rows.iter().find(|row| row["from"] == "client").unwrap();
    assert_eq!((&row["what"], &row["status"]), (&json!("GET SessionId"), &json!(200)));
    let decision = rows.iter().find(|row| row["route"] == "legacy").unwrap();
    assert_eq!(decision["chat"], "A");
    let raw = demo.get(&format!("/demo/raw?number={}", row["number"])).await;
    let raw: Value = raw.json().await.unwrap();
    assert_eq!(
        raw["request"].as_str().unwrap().lines().next(),
        Some("GET /chat/rest/System/SessionId")
    );
    assert!(raw["answer"].as_str().unwrap().contains("clientPollTimeout"), "{raw}");
    assert_eq!(demo.get("/demo/raw?number=4711").await.status(), 404);
}

#[tokio::test]
async fn scenarios_refuse_what_cannot_be_with_a_sentence() {
    let demo = Served::start().await;
    for (path, body, expected) in [
        ("/demo/crowd", json!({ "count": 0 }), "from 1 to 50"),
        ("/demo/crowd", json!({ "count": 51 }), "from 1 to 50"),
        ("/demo/outage", json!({ "seconds": 0 }), "from 1 to 30"),
        ("/demo/outage", json!({ "seconds": 31 }), "from 1 to 30"),
        ("/demo/ramp", json!({ "percent": 101 }), "from 0 to 100"),
    ] {
        let (status, told) = demo.post(path, body.clone()).await;
        assert_eq!((status, told.contains(expected)), (409, true), "{path} {body}: {told}");
    }
    assert_eq!(demo.post("/demo/ramp", json!({ "percent": 50 })).await.0, 200);
    let today = demo.state().await["timeline"]["today"].clone();
    assert_eq!(demo.post("/demo/clock", json!({ "to": today })).await.0, 200);
    // The first chat since then sees the removal.
    assert_eq!(demo.session().await.status(), 200);
    let (status, told) = demo.post("/demo/ramp", json!({ "percent": 60 })).await;
    assert_eq!((status, told.contains("was removed")), (409, true), "{told}");
}

#[tokio::test]
async fn the_dry_run_is_a_page_without_scripts_and_the_console_takes_its_token() {
    let demo = Served::start().await;
    let report = demo.get("/demo/report").await;
    let policy = report.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'"), "{policy}");
    let html = report.text().await.unwrap();
    assert!(html.contains("migration dry run") && html.contains("the form of this page"));

    assert_eq!(demo.get("/console/").await.status(), 200);
    assert_eq!(demo.get("/admin/v1/status").await.status(), 401);
    let given: Value = demo.get("/demo/console").await.json().await.unwrap();
    let request = demo.http.get(format!("{}/admin/v1/tenants", demo.base));
    let answer = request.bearer_auth(given["token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("demo"));
}

#[test]
fn the_page_has_the_colors_of_the_console() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let colors = |css: &str| -> Vec<String> {
        let root = css.split(":root {").nth(1).unwrap().split('}').next().unwrap().to_owned();
        root.lines().map(|line| line.trim().to_owned()).collect()
    };
    let console = colors(&read("src/admin/console/style.css"));
    let demo = colors(&read("src/demo/page/page.css"));
    let names = |all: &[String]| -> Vec<String> {
        all.iter().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    };
    let shared = names(&console);
    let shared = names(&demo).into_iter().filter(|name| shared.contains(name)).count();
    let same = demo.iter().filter(|line| console.contains(line) && line.contains(':')).count();
    assert_eq!((same, shared >= 15), (shared, true), "a color differs");
}

#[tokio::test]
async fn a_port_in_use_gives_the_next_one() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let demo = Demo::start(port).await.unwrap();
    assert!(demo.address().port() > port);
}
