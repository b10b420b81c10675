//! The demo: its whole story through the real binary, and what its page is promised.

use std::process::Command;

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

#[tokio::test]
async fn a_port_in_use_gives_the_next_one() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let demo = Demo::start(port).await.unwrap();
    assert!(demo.address().port() > port);
}
