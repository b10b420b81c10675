//! Configurations as `check` and `serve` read them.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::desk::{Desk, asked_with};
use crate::program::{Program, run};
use crate::site::Site;
use crate::visitor::Line;

const BROKEN: &str = r#"listen = "nowhere"
[[tenant]]
id = "example"
colour = "red"
[tenant.miaw]
base_url = "ftp://example.test"
organization_id = "00D000000000001"
embedded_service_developer_name = { env = "NO_SUCH_NAME" }
"#;
/// Where the problems of `BROKEN` are.
const PROBLEMS: [(&str, u64); 4] = [
    ("listen", 1),
    ("tenant[0].colour", 4),
    ("tenant[0].miaw.base_url", 6),
    ("tenant[0].miaw.embedded_service_developer_name", 8),
];

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bridge.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[tokio::test]
async fn every_problem_is_located_and_nothing_is_started() {
    let (folder, path) = file(BROKEN);
    let config = path.to_str().unwrap();
    let checked = run(&["check", "--config", config], &[]).await;
    let served = run(&["serve", "--config", config], &[]).await;
    assert_eq!((checked.code, served.code), (Some(2), Some(2)));
    assert_eq!((&*checked.log, &*served.out), ("", ""));
    for (key, line) in PROBLEMS {
        let place = format!("{config}:{line}: {key}: ");
        for text in [&checked.out, &served.log] {
            assert!(text.contains(&place), "`{place}` is missing:\n{text}");
            assert!(text.contains("expected: "), "{text}");
        }
    }
    assert!(checked.out.contains("4 problems"), "{}", checked.out);
    assert!(served.log.contains("nothing was started"), "{}", served.log);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "no store was made");
}

#[tokio::test]
async fn problems_are_json_too() {
    let (_folder, path) = file(BROKEN);
    let checked = run(&["check", "--json", "--config", path.to_str().unwrap()], &[]).await;
    assert_eq!(checked.code, Some(2));
    let report: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(report["ok"], false);
    let problems = report["problems"].as_array().unwrap();
    let mut places: Vec<(&str, u64)> = problems
        .iter()
        .map(|one| (one["key"].as_str().unwrap(), one["line"].as_u64().unwrap()))
        .collect();
    places.sort_by_key(|(_, line)| *line);
    assert_eq!(places, PROBLEMS);
    for problem in problems {
        assert_eq!(problem["file"], path.to_str().unwrap());
        assert!(problem["message"].is_string() && problem["expected"].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn a_missing_file_is_a_problem() {
    for command in ["check", "serve"] {
        let ended = run(&[command, "--config", "no/such/file.toml"], &[]).await;
        let told = format!("{}{}", ended.out, ended.log);
        assert_eq!(ended.code, Some(2), "{told}");
        assert!(told.contains("no/such/file.toml"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_come_from_the_environment() {
    let site = Site::new("echo").await;
    let text = std::fs::read_to_string(site.config()).unwrap();
    let port = site.port.to_string();
    let names =
        [("PORT", &*port), ("SCRT_URL", &*site.miaw), ("LA_UPSTREAM_URL", &*site.liveagent)];
    let mut from_env = text.replace(&format!("127.0.0.1:{port}"), &port);
    for (name, value) in names {
        let quoted = format!("\"{value}\"");
        assert!(from_env.contains(&quoted), "{name}");
        from_env = from_env.replace(&quoted, &format!("{{ env = \"{name}\" }}"));
    }
    std::fs::write(site.config(), from_env).unwrap();
    let config = site.config();
    let args = ["serve", "--config", config.to_str().unwrap()];

    let unset = run(&args, &names[..2]).await;
    assert_eq!(unset.code, Some(2));
    assert!(unset.log.contains("LA_UPSTREAM_URL` is not set"), "{}", unset.log);

    let mut bridge = Program::start(&args, &names, &site.log());
    assert_eq!(bridge.line("listening").await, format!("http://127.0.0.1:{port}"));
    site.comes();
    let mut line = Line::new(&site).await;
    line.init(Some(1), "env@example.test").await;
    let desk = Desk::new(&site.desk);
    let chat = desk.chat("a chat", |chat| asked_with(chat, "env@example.test")).await;
    assert_eq!(chat["service"], "miaw");
}
