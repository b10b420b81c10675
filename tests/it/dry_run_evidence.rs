//! Evidence: hash and age of every source, and shadow counts as one of them.

use std::path::Path;
use std::process::{Command, Output};

use liveagent_bridge::mapping::{self, Mapping};
use liveagent_bridge::report::shadow::{Count, Shadow};
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};

const CONFIG: &str = r#"
[[tenant]]
id = "acme"
mapping = ["mappings/all.toml", "mappings/vip.toml"]
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000001"
embedded_service_developer_name = "Acme_Web"
"#;
const ALL: &str = "version = 1\n[[rule]]\nlabel = \"Topic\"\nto = \"topic\"\n";
const VIP: &str = "version = 1\n[match]\nbuttons = [\"573000000000009\"]\n[[rule]]\n\
                   label = \"Topic\"\nto = \"vipTopic\"\n[[rule]]\nlabel = \"Never\"\nto = \"never\"\n\
                   [[accept]]\ncode = \"CH206\"\nreason = \"declared\"\nuntil = \"2027-01-01\"\n";
const CHANNEL: &str = include_str!("fixtures/metadata/Acme_Web.messagingChannel-meta.xml");

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("mappings")).expect("made");
    let node = json!({"lastChanged": 1_769_000_000, "config": {}, "buttonId": "573000000000009",
        "prechatDetails": [{"label": "Topic", "value": "x"}]});
    let node = node.to_string();
    for (name, text) in [
        ("bridge.toml", CONFIG),
        ("mappings/all.toml", ALL),
        ("mappings/vip.toml", VIP),
        ("node.json", &node),
        ("channel.xml", CHANNEL),
    ] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn dry_run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    let base = ["dry-run", "--config", "bridge.toml", "--as-of", "2026-02-01T00:00:00Z"];
    let base = [&base[..], &["--prechat", "node.json", "--metadata", "channel.xml"]].concat();
    command.current_dir(folder).args(base).args(args).output().expect("it runs")
}

fn report(folder: &Path, args: &[&str]) -> Value {
    let output = dry_run(folder, &[args, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 3), "{error}");
    serde_json::from_slice(&output.stdout).expect("json")
}

fn messages(report: &Value, code: &str) -> Vec<String> {
    let all = report["findings"].as_array().expect("findings").iter();
    let of = all.filter(|f| f["code"] == code);
    of.map(|f| format!("{}: {}", f["path"].as_str().unwrap_or(""), f["message"])).collect()
}

/// Kind, who dated it and its age in days.
fn ages(report: &Value) -> Vec<(String, Value, Value)> {
    let all = report["evidence"].as_array().expect("evidence").iter();
    all.map(|e| (e["kind"].to_string(), e["dated_by"].clone(), e["age_days"].clone())).collect()
}

#[test]
fn every_source_has_a_hash_and_an_age_or_says_that_it_has_none() {
    let folder = folder();
    let bare = report(folder.path(), &[]);
    let kinds = ["prechat", "configuration", "mapping", "mapping", "metadata"];
    let none = (Value::Null, Value::Null);
    for (i, (kind, by, age)) in ages(&bare).into_iter().enumerate() {
        assert_eq!(kind, format!("\"{}\"", kinds[i]));
        let own = (json!("document"), json!(10));
        assert_eq!((by, age), if i == 0 { own } else { none.clone() }, "{kind}");
    }
    let undated = messages(&bare, "RP104");
    assert!(undated[0].contains("bridge.toml, mappings/all.toml, mappings/vip.toml, channel.xml"));

    // One date for all, another for one file; what dates itself keeps its own.
    let given = ["--evidence-at", "2026-01-30T00:00:00Z", "channel.xml=2025-11-01T00:00:00Z"];
    let given = [given[0], given[1], given[0], given[2]];
    let dated = report(folder.path(), &given);
    let days: Vec<Value> = ages(&dated).into_iter().map(|(_, _, age)| age).collect();
    assert_eq!(days, [10, 2, 2, 2, 92].map(Value::from));
    assert!(messages(&dated, "RP104").is_empty());
    assert!(messages(&dated, "RP101")[0].contains("metadata channel.xml is 92 days old"));
    assert_eq!(dated["evidence_hash"], bare["evidence_hash"], "a date is no other evidence");
    for form in ["--markdown", "--html"] {
        let page = dry_run(folder.path(), &[&given[..], &[form]].concat()).stdout;
        let page = String::from_utf8(page).expect("text");
        assert!(page.contains("92 days, given") && page.contains("10 days, document"));
    }
    let wrong = dry_run(folder.path(), &["--evidence-at", "other.xml=2025-11-01T00:00:00Z"]);
    let error = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(3));
    assert!(error.contains("no file `other.xml` is read here"), "{error}");
}

#[test]
fn each_button_has_its_mapping_file() {
    let folder = folder();
    let report = report(folder.path(), &[]);
    let tenant = &report["tenants"][0];
    assert_eq!(tenant["mapping"], "mappings/all.toml, mappings/vip.toml");
    let field = &tenant["samples"][0]["fields"][0];
    assert_eq!((&field["key"], &field["rule"]), (&json!("vipTopic"), &json!(1)));
    let unused = messages(&report, "PC160");
    assert_eq!(unused.len(), 2, "{unused:?}");
    assert!(
        unused[0].starts_with("mapping.rule[0]") && unused[1].starts_with("mapping[1].rule[1]")
    );
    assert!(messages(&report, "PC163")[0].starts_with("mapping[1].accept[0]"));

    // Two files for one button, or two for all others: which one would hold?
    for (text, why) in [
        (ALL, "neither has [match] buttons"),
        (&VIP.replace("573000000000009", "573000000000009AAA"), "both name button"),
    ] {
        std::fs::write(folder.path().join("mappings/third.toml"), text).expect("written");
        let config = CONFIG
            .replace("\"mappings/vip.toml\"", "\"mappings/vip.toml\", \"mappings/third.toml\"");
        std::fs::write(folder.path().join("bridge.toml"), config).expect("written");
        let output = dry_run(folder.path(), &[]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3));
        assert!(error.contains("claim the same chats") && error.contains(why), "{error}");
    }
}

fn hash(folder: &Path) -> String {
    let config = liveagent_bridge::config::load_with(&folder.join("bridge.toml"), &|_| None);
    let config = config.map_err(|p| p.to_string()).expect("sound").config;
    config.tenants[0].mapping.as_ref().expect("a mapping").sha256.clone()
}

#[test]
fn shadow_counts_are_a_source_with_a_hash_and_an_age() {
    let folder = folder();
    let long = json!({"prechatDetails": [{"label": "Topic", "value": "x".repeat(300)},
        {"label": "Topic", "value": "y".repeat(300)}]});
    let translate = |text: &str| mapping::translate(&Mapping::default(), text, "", "");
    let long = translate(&long.to_string()).expect("readable");
    let plain = translate("{\"prechatDetails\":[{\"label\":\"Topic\",\"value\":\"x\"}]}");
    let plain = plain.expect("readable");
    let at = |text: &str| Wall::parse(text).expect("an instant");
    let mut shadow = Shadow::new("acme", Some(&hash(folder.path())));
    shadow.add(at("2026-01-30T10:00:00Z"), &long.findings);
    shadow.add(at("2026-01-29T10:00:00Z"), &plain.findings);
    shadow.add_unreadable(at("2026-01-31T10:00:00Z"));
    assert_eq!((shadow.since.as_str(), shadow.inits), ("2026-01-29T10:00:00Z", 2));
    let count = |code: &str| shadow.findings[code];
    assert_eq!(count("PC110"), Count { inits: 1, findings: 2 });
    let line = shadow.to_line();
    assert!(!line.contains("xxx") && !line.contains("Topic"), "{line}");
    assert_eq!(Shadow::read(&line), Ok(shadow.clone()));

    let other = Shadow { mapping_sha256: None, ..shadow.clone() }.to_line();
    let stranger = Shadow { tenant: "globex".to_owned(), ..shadow }.to_line();
    let text = format!("{line}\n{line}\n\n{other}\n{stranger}\n{{\"Mia\n");
    std::fs::write(folder.path().join("counts.ndjson"), text).expect("written");
    let report = report(folder.path(), &["--shadow", "counts.ndjson"]);
    let found = &report["tenants"][0]["shadow"];
    assert_eq!((&found["inits"], &found["other_mapping"]), (&json!(4), &json!(2)));
    assert_eq!((&found["unreadable"], &found["age_days"]), (&json!(2), &json!(0)));
    let codes = found["codes"].as_array().expect("codes");
    let long = codes.iter().find(|c| c["code"] == "PC110").expect("PC110");
    assert_eq!((&long["inits"], &long["per_mille"]), (&json!(2), &json!(500)));
    let only = messages(&report, "RP106");
    assert!(only.iter().any(|m| m.contains("PC110 value-too-long in 2 of 4 chats")), "{only:?}");
    assert!(!only.iter().any(|m| m.contains("CH20")), "the channel's metadata answers them");
    assert!(messages(&report, "RP105")[0].contains("2 chats were translated with another"));
    assert!(messages(&report, "RP102")[0].starts_with("counts.ndjson:6:"));
    assert!(messages(&report, "RP103")[0].contains("2 shadowed chats of other tenants"));
    let evidence = report["evidence"].as_array().expect("evidence");
    let own = evidence.iter().find(|e| e["kind"] == "shadow").expect("the file");
    assert_eq!((&own["dated_by"], &own["age_days"]), (&json!("document"), &json!(0)));
    assert!(!report.to_string().contains("Mia"));
    for form in ["--markdown", "--html"] {
        let page = dry_run(folder.path(), &["--shadow", "counts.ndjson", form]).stdout;
        let page = String::from_utf8(page).expect("text");
        assert!(page.contains("Shadow counts of live traffic") && page.contains("4 live chats"));
    }
}
