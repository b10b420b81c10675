//! `route`, `check`, `dry-run` and usage: exit codes and JSON that scripts rely on.

use serde_json::{Value, json};

use crate::program::run;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bridge.example.toml");
const PAGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/prechat/cognigy-page.json");

/// The JSON that a command prints when all is well.
async fn good(args: &[&str]) -> Value {
    let ended = run(args, &[]).await;
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.log);
    serde_json::from_str(&ended.out).unwrap()
}

#[tokio::test]
async fn route_answers_and_says_why() {
    let (before, after) = ("2026-02-13T21:59:59Z", "2026-02-14T00:00:00Z");
    let asked = ["route", "--at", before, "--at", after, "--draw", "3", "--json"];
    let rows = good(&asked).await;
    let row = |at: &str, route: &str, because: &str, reason: &Value| {
        json!({
            "tenant": "example", "at": at, "route": route, "because": because, "reason": reason,
        })
    };
    assert_eq!(rows[0], row(before, "legacy", "auto-legacy", &rows[0]["reason"]));
    assert_eq!(rows[1], row(after, "miaw", "past-removal", &rows[1]["reason"]));
    assert!(rows.as_array().unwrap().iter().all(|row| row["reason"].is_string()));
    let button = "573000000000001";
    let asked = ["route", "--config", CONFIG, "--tenant", "acme", "--button", button, "--json"];
    let rows = good(&asked).await;
    for row in rows.as_array().unwrap() {
        assert_eq!((&row["tenant"], &row["button"]), (&json!("acme"), &json!(button)));
    }
    assert!(rows.as_array().unwrap().len() >= 4, "the dates that matter, and today");
}

#[tokio::test]
async fn route_tells_wrong_usage_apart() {
    for (args, told) in [
        (&["route", "--at", "soon"][..], "`soon`"),
        (&["route", "--draw", "10000"], "0 to 9999"),
        (&["route", "--tenant", "nobody"], "expected one of example"),
        (&["route", "--config", CONFIG], "--tenant with one of acme, globex"),
        (&["route", "--config", "no/such.toml"], "no/such.toml"),
    ] {
        let ended = run(args, &[]).await;
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{args:?}");
        assert!(ended.log.contains(told), "{args:?}: {}", ended.log);
    }
}

#[tokio::test]
async fn check_agrees_with_the_example() {
    let report = good(&["check", "--json", "--config", CONFIG]).await;
    assert_eq!(report, json!({ "ok": true, "problems": [], "notes": report["notes"] }));
    let ended = run(&["check", "--config", CONFIG], &[]).await;
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("no problems, 2 tenants"), "{}", ended.out);
}

/// A configuration whose services are not there, and a folder for what is written.
fn gone() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bridge.toml");
    // Port 0 cannot be connected to.
    let text = r#"
        [store]
        path = "memory"
        [[tenant]]
        id = "example"
        [tenant.miaw]
        base_url = "http://127.0.0.1:0"
        organization_id = "00D000000000001"
        embedded_service_developer_name = "Web"
    "#;
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap().to_owned();
    (folder, config)
}

#[tokio::test]
async fn check_ends_with_the_codes_it_promises() {
    let (folder, config) = gone();
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "listen = \"here\"").unwrap();
    let egress = folder.path().join("egress.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let empty = "-----BEGIN CERTIFICATE-----";
    std::fs::write(folder.path().join("ca.pem"), empty).unwrap();
    std::fs::write(&egress, format!("egress = {{ extra_ca_file = \"ca.pem\" }}\n{text}")).unwrap();
    let (broken, egress) = (broken.to_str().unwrap(), egress.to_str().unwrap());
    let out = folder.path().join("bundle.json");
    let (out, nowhere) = (out.to_str().unwrap(), "no/such/folder/bundle.json");
    for (args, code, told) in [
        (&["--config", &config][..], 0, "no problems, 1 tenant"),
        (&["--config", &config, "--live"], 2, "could not reach MIAW"),
        (&["--config", &config, "--live", "--tenant", "nobody"], 2, "no tenant `nobody`"),
        (&["--config", egress, "--live"], 2, "is not whole"),
        (&["--config", broken], 2, "2 problems"),
        (&["--config", broken, "--live"], 2, "`here`"),
        (&["--config", &config, "--bundle"], 0, "\"made_at\""),
        (&["--config", &config, "--bundle", "--live"], 2, "\"CF001\""),
        (&["--config", &config, "--bundle", "--json"], 2, "cannot be used with"),
        (&["--config", &config, "--bundle", "--out", out], 0, "is written"),
        (&["--config", &config, "--bundle", "--out", out], 1, "cannot be written"),
        (&["--config", &config, "--bundle", "--out", nowhere], 1, "cannot be written"),
        (&["--config", broken, "--bundle"], 2, "\"problems\""),
        (&["--config", &config, "--out", out], 2, "--bundle"),
    ] {
        let ended = run(&[&["check"], args].concat(), &[]).await;
        let text = format!("{}{}", ended.out, ended.log);
        assert_eq!(ended.code, Some(code), "{args:?}: {text}");
        assert!(text.contains(told), "{args:?}: {text}");
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    assert_eq!(written["tenants"][0]["id"], "example");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(out).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn the_help_of_check_and_the_manual_name_the_same_codes() {
    let help = run(&["check", "--help"], &[]).await.out;
    let (_, codes) = help.split_once("Exit codes:").expect("codes in the help");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(codes.trim_end()), "docs/operating.md should say: {codes}");
}

#[test]
fn the_runbook_has_every_series_of_the_manual() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (manual, runbook) = page.split_once("\n## Runbook").expect("a runbook");
    let rows = manual.lines().filter_map(|line| line.strip_prefix("| `bridge_"));
    let series: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert!(series.len() > 15, "{series:?}");
    for name in series {
        assert!(runbook.contains(name), "bridge_{name} has no entry in the runbook");
    }
}

#[tokio::test]
async fn dry_run_reports_what_would_be_lost() {
    let asked = ["dry-run", "--config", CONFIG, "--prechat", PAGE];
    let at = ["--as-of", "2026-02-01T00:00:00Z"];
    let report = good(&[&asked[..], &at, &["--json"]].concat()).await;
    assert_eq!((&report["verdict"], &report["as_of"]), (&json!("warnings"), &json!(at[1])));
    let findings = report["findings"].as_array().unwrap();
    for (code, slug) in [
        ("PC101", "record-lookup-lost"),
        ("PC102", "record-link-lost"),
        ("PC120", "transcript-field-lost"),
    ] {
        let found = findings.iter().find(|finding| finding["code"] == code).expect(code);
        assert_eq!(found["slug"], slug);
        assert!(found["path"].is_string() && found["todo"].is_string(), "{found}");
    }
    let routing = report["tenants"][0]["routing"].as_array().unwrap();
    let routes: Vec<&Value> = routing.iter().map(|row| &row["route"]).collect();
    assert!(routes.contains(&&json!("legacy")) && routes.contains(&&json!("miaw")), "{routes:?}");
    let markdown = run(&[&asked[..], &at, &["--markdown"]].concat(), &[]).await;
    assert_eq!(markdown.code, Some(0));
    assert!(markdown.out.contains("PC101 record-lookup-lost"), "{}", markdown.out);
    let strict = run(&[&asked[..], &at, &["--strict"]].concat(), &[]).await;
    assert_eq!(strict.code, Some(1));
}

#[tokio::test]
async fn dry_run_tells_errors_from_not_having_run() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{").unwrap();
    let dry_run = ["dry-run", "--config", CONFIG, "--prechat"];
    let ended = run(&[&dry_run[..], &[broken.to_str().unwrap()]].concat(), &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.log);
    let ended = run(&[&dry_run[..], &["no/such.json"]].concat(), &[]).await;
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert!(ended.log.contains("no/such.json"), "{}", ended.log);
    let unknown = ["dry-run", "--config", "no/such.toml", "--prechat", PAGE];
    assert_eq!(run(&unknown, &[]).await.code, Some(3));
}

#[tokio::test]
async fn wrong_usage_is_two() {
    for args in [&["nothing"][..], &["serve"], &["check"], &["dry-run", "--config", CONFIG], &[]] {
        let ended = run(args, &[]).await;
        assert_eq!(ended.code, Some(2), "{args:?}");
        assert!(ended.log.contains("Usage:"), "{args:?}: {}", ended.log);
    }
}
