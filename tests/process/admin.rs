//! The admin listener of a real process, from its token to its stop.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::program::{Program, run};
use crate::site::Site;
use crate::visitor::http;

const SECRET: &str = "a secret of forty bytes, for tests only!";
const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n[[admin.key]]\nalgorithm = \"HS256\"\n\
    secret = { env = \"ADMIN_SECRET\" }\n";

#[tokio::test]
async fn a_process_with_an_admin_listener_is_watched_and_steered() {
    let site = Site::new("none").await;
    let mut config = std::fs::OpenOptions::new().append(true).open(site.config()).unwrap();
    config.write_all(ADMIN.as_bytes()).unwrap();
    let config = site.config();
    let config = config.to_str().unwrap();
    let secret = [("ADMIN_SECRET", SECRET)];
    let mut bridge = Program::start(&["serve", "--config", config], &secret, &site.log());
    let admin = bridge.line("admin").await;
    bridge.line("listening").await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = http().get(format!("{admin}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let page = answer.text().await.unwrap();
        if path == "/metrics" {
            every_series_is_in_the_manual(&page);
        }
    }
    let answer = http().get(format!("{admin}/admin/v1/tenants")).send().await.unwrap();
    assert_eq!(answer.status(), 401);

    let args = ["admin", "token", "--config", config, "--role", "operate", "--subject", "pat"];
    let made = run(&args, &secret).await;
    assert_eq!(made.code, Some(0), "{}", made.log);
    let env = [("BRIDGE_ADMIN_URL", &*admin), ("BRIDGE_ADMIN_TOKEN", made.out.trim())];
    let frozen = run(&["tenant", "freeze", "example", "--why", "a rest"], &env).await;
    assert_eq!(frozen.code, Some(0), "{}", frozen.log);
    let history = run(&["tenant", "history", "example"], &env).await;
    assert!(history.out.contains("freeze") && history.out.contains("pat"), "{}", history.out);

    bridge.terminate();
    let ended = bridge.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains(SECRET) && !ended.log.contains(made.out.trim()));
}

/// A page of the manual.
fn manual(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/");
    std::fs::read_to_string(format!("{folder}{name}")).unwrap()
}

/// The names in the first column of its tables.
fn rows(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split('`').next());
    names.filter(|name| name.starts_with("bridge_")).collect()
}

/// What a family's samples are called.
fn series(kind: &str, name: &str) -> String {
    let suffix = match kind {
        "counter" | "count" => "_total",
        "info" => "_info",
        _ => "",
    };
    format!("{name}{suffix}")
}

fn every_series_is_in_the_manual(metrics: &str) {
    let manual = manual("operating.md");
    let (manual, _) = manual.split_once("\n## Runbook").expect("a runbook");
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let told = types.map(|line| line.split_once(' ').unwrap());
    let told: BTreeSet<String> = told.map(|(name, kind)| series(kind, name)).collect();
    let rows: BTreeSet<String> = rows(manual).into_iter().map(str::to_owned).collect();
    assert_eq!(told, rows, "left: /metrics of one bridge, right: docs/operating.md");
}

/// Also those that only a node of several has, which no test here runs.
#[test]
fn no_alert_is_about_a_series_that_nobody_writes() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/admin/");
    let source: String = ["probes.rs", "nodes.rs"]
        .map(|file| std::fs::read_to_string(format!("{source}{file}")).unwrap())
        .concat();
    let calls = source.split("page.").skip(1).filter_map(|call| {
        let (kind, arguments) = call.split_once('(')?;
        let name = arguments.trim_start().strip_prefix('"')?.split('"').next()?;
        Some(series(kind, name))
    });
    let written: BTreeSet<String> = calls.filter(|name| name.starts_with("bridge_")).collect();
    assert!(written.len() > 25, "{written:?}");
    let pages = [manual("operating.md"), manual("cluster.md")];
    let known: BTreeSet<&str> = pages.iter().flat_map(|page| rows(page)).collect();
    for name in &written {
        assert!(known.contains(&**name), "`{name}` has no row in operating.md or cluster.md");
    }
    for page in &pages {
        for named in page.split("bridge_").skip(1) {
            let end = named.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            let name = format!("bridge_{}", &named[..end.unwrap_or(named.len())]);
            assert!(written.contains(&name), "`{name}` is in the manual, and no series");
        }
    }
}
