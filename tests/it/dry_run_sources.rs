//! The dry run with channel metadata, legacy buttons and captured chats.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use liveagent_bridge::metadata::Metadata;
use liveagent_bridge::report::captured::{CapturedDetail, CapturedInit, ValueKind};
use liveagent_bridge::report::schema::schema;
use liveagent_bridge::report::traffic::{Figures, Traffic};
use serde_json::{Value, json};

const PAGE: &str = include_str!("fixtures/prechat/cognigy-page.json");
const CHANNEL: &str = include_str!("fixtures/metadata/Acme_Web.messagingChannel-meta.xml");
const BUTTON: &str = include_str!("fixtures/metadata/Sales.liveChatButton-meta.xml");
const PUBLISHED: &str = include_str!("../../docs/report.schema.json");

const CONFIG: &str = r#"
[[tenant]]
id = "acme"

[tenant.plan]
zone = "Europe/Berlin"

[tenant.legacy]
live_agent_base_url = "https://d.la1-c1.salesforceliveagent.com"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
button_id = "573000000000001"

[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000001"
embedded_service_developer_name = "Acme_Web"
"#;

/// Chats of one day, every seventh one long, every hundredth with an over-long description.
fn capture(chats: u64) -> String {
    let detail = |label: &str, length, target: Option<(&str, &str)>| CapturedDetail {
        label: label.to_owned(),
        length_utf16: length,
        entity: target.map(|(entity, _)| entity.to_owned()),
        field: target.map(|(_, field)| field.to_owned()),
        display_to_agent: true,
        kind: ValueKind::Text,
        ..CapturedDetail::default()
    };
    let mut text = String::new();
    for i in 0..chats {
        let seconds = i * 86_400 / chats;
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let long = if i % 100 == 0 { 700 } else { 40 + usize::try_from(i % 60).unwrap() };
        let init = CapturedInit {
            at: format!("2026-01-20T{hour:02}:{minute:02}:{second:02}Z"),
            tenant: "acme".to_owned(),
            button_id: Some(format!("57300000000000{}", 1 + u64::from(i % 50 == 0))),
            duration_seconds: Some(if i % 7 == 0 { 9_000 } else { 300 + i % 600 }),
            details: vec![
                detail("Last Name", 9, Some(("Contact", "LastName"))),
                detail("Email", 21, Some(("Contact", "Email"))),
                detail("Description", long, Some(("Case", "Description"))),
                detail("Order no", 10, None),
            ],
            messages: Some(5 + i % 9),
            ..CapturedInit::default()
        };
        writeln!(text, "{}", init.to_line()).unwrap();
    }
    text
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [&[("bridge.toml", CONFIG), ("page.json", PAGE)], files].concat() {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn dry_run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    let base = ["dry-run", "--config", "bridge.toml", "--as-of", "2026-02-01T00:00:00Z"];
    command.current_dir(folder).args(base).args(args).output().unwrap()
}

fn report(folder: &Path, args: &[&str]) -> Value {
    let output = dry_run(folder, &[args, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 3), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `severity path: message` of every finding of a code.
fn of(report: &Value, code: &str) -> Vec<String> {
    let text = |f: &Value, name: &str| f[name].as_str().unwrap_or("").to_owned();
    let line =
        |f: &Value| format!("{} {}: {}", text(f, "severity"), text(f, "path"), text(f, "message"));
    let all = report["findings"].as_array().unwrap();
    all.iter().filter(|f| f["code"] == code).map(line).collect()
}

const CHANNEL_FILE: &str = "Acme_Web.messagingChannel-meta.xml";
const BUTTON_FILE: &str = "Sales.liveChatButton-meta.xml";

#[test]
fn attributes_are_compared_with_the_channel() {
    let sample = r#"{"prechatDetails":[
        {"label":"orderno","value":"1"},
        {"label":"Topic","value":"Billing"},
        {"label":"Short","value":"more than ten units"},
        {"label":"Nowhere","value":"x"},
        {"label":"Email","value":"a@b.example","entityMaps":[
            {"entityName":"Contact","fieldName":"Email"}]}]}"#;
    let folder = folder(&[("sample.json", sample), (CHANNEL_FILE, CHANNEL)]);
    let args = ["--prechat", "sample.json", "--metadata", CHANNEL_FILE];
    let report = report(folder.path(), &args);
    let undeclared = of(&report, "CH201");
    assert_eq!(undeclared.len(), 2, "{undeclared:?}");
    assert!(undeclared[0].contains("`OrderNo` is, and upper and lower case count"));
    assert!(undeclared[1].contains("`Nowhere` is not declared"));
    let unmapped = of(&report, "CH203");
    assert_eq!(unmapped.len(), 1, "{unmapped:?}");
    assert!(unmapped[0].contains("`Topic` is mapped to no flow variable"));
    assert!(of(&report, "PC110")[0].contains("`Short`: 19 > 10"));
    let unfed = of(&report, "CH220");
    assert_eq!(unfed.len(), 3, "{unfed:?}");
    assert!(unfed.iter().any(|f| f.contains("`OrderNo`") && f.contains("`orderno` is sent")));
    assert!(of(&report, "CH202").is_empty() && of(&report, "CH205").is_empty());
    assert_eq!((of(&report, "CH204").len(), of(&report, "CH210").len()), (0, 0));
    assert_eq!(report["tenants"][0]["channel"], CHANNEL_FILE);
}

#[test]
fn the_state_of_the_channel_and_of_legacy_buttons_is_reported() {
    let queue = CHANNEL.replace("<sessionHandlerType>Flow<", "<sessionHandlerType>Queue<").replace(
        "<sessionHandlerQueue>Support</sessionHandlerQueue>",
        "<isActive>false</isActive>",
    );
    let folder = folder(&[(CHANNEL_FILE, &queue), (BUTTON_FILE, BUTTON)]);
    let args = ["--prechat", "page.json", "--metadata", CHANNEL_FILE, BUTTON_FILE];
    let report = report(folder.path(), &args);
    for code in ["CH204", "CH210", "CH211", "RT303"] {
        assert_eq!(of(&report, code).len(), 1, "{code}");
    }
    let settings = report["legacy_settings"].as_array().unwrap();
    let fate = |name: &str| {
        let line = settings.iter().find(|s| s["setting"] == name).unwrap();
        (line["fate"].as_str().unwrap(), line["miaw"].as_str().unwrap())
    };
    assert_eq!(fate("enableQueue"), ("carried", "isQueuePositionEnabled = true"));
    assert_eq!(fate("chasitorIdleTimeout").0, "changed");
    assert_eq!(fate("perAgentQueueLength").0, "lost");
    assert_eq!(fate("skill").0, "elsewhere");
    assert!(of(&report, "EV401")[0].starts_with("warning"));
    assert!(of(&report, "AV501")[0].starts_with("warning"));
    for code in ["EV402", "EV403", "EV405", "LS102", "LS103", "LS104", "OB160", "OB161"] {
        assert_eq!(of(&report, code).len(), 1, "{code}");
    }
    assert_eq!(of(&report, "LS101").len(), 4);
}

#[test]
fn metadata_that_cannot_be_read_says_why_and_where() {
    let mut metadata = Metadata::default();
    let list = r#"[{"name":"Copilot URL","externalParameterName":"Copilot_URL","maxLength":255,
        "dataType":"String","actionParameterName":"copilotUrl"}]"#;
    metadata.add("list.json", list).unwrap();
    let parameter = &metadata.channels[0].parameters[0];
    assert_eq!((parameter.key.value.as_str(), parameter.max_len), ("Copilot_URL", Some(255)));
    for (text, part) in [
        ("<Flow/>", "the root element is `Flow`"),
        ("<MessagingChannel>", "x.xml:1:"),
        ("[{\"label\":1}]", "x.xml:1:9"),
        ("[{\"maxLength\":1}]", "entry 0 has no externalParameterName"),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]><MessagingChannel>&b;</MessagingChannel>", "x.xml:1:"),
    ] {
        let error = Metadata::default().add("x.xml", text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn captured_chats_give_lengths_straddle_rates_and_buttons() {
    let folder = folder(&[("day.ndjson", &capture(700))]);
    let report = report(folder.path(), &["--captured", "day.ndjson"]);
    let tenant = &report["tenants"][0];
    let captured = &tenant["captured"];
    assert_eq!((&captured["chats"], &captured["age_days"]), (&json!(700), &json!(11)));
    let fields = captured["fields"].as_array().unwrap();
    let description = fields.iter().find(|f| f["source"] == "Description").unwrap();
    assert_eq!(description["key"], "Case_Description");
    assert_eq!((&description["over"], &description["lengths"]["max"]), (&json!(7), &json!(700)));
    assert!(of(&report, "PC110")[0].contains("7 of 700 captured values are longer than 255"));
    let straddle = &tenant["straddle"];
    assert_eq!(straddle["last_legacy_start"], "2026-02-13T22:00:00Z");
    assert_eq!(straddle["last_safe_legacy_start"], "2026-02-13T21:30:00Z");
    assert_eq!((&straddle["safe"], &straddle["longer_than_margin"]), (&json!(false), &json!(100)));
    assert!(of(&report, "CU011")[0].starts_with("error"));
    assert!(of(&report, "TK601")[0].contains("100 of 700 longer"));
    assert!(of(&report, "RT301")[0].contains("14 captured chats came by button 573000000000002"));
    assert_eq!(report["rates"].as_array().unwrap().len(), 4);
    assert!(of(&report, "RL901").is_empty());
    let days = tenant["calendar"].as_array().unwrap();
    assert_eq!((days.len(), &days[0]["day"]), (39, &json!("T-30")));
    let share = |utc: &str| &days.iter().find(|d| d["utc"] == utc).unwrap()["miaw_percent"];
    assert_eq!(share("2026-02-13T00:00:00Z"), 0);
    assert_eq!(share("2026-02-13T22:00:00Z"), 100);
}

#[test]
fn broken_lines_and_strangers_are_counted_and_quoted_nowhere() {
    let line = capture(1);
    let text = format!("{}{{\"at\":\"Mia\"\n{line}\n", line.replace("acme", "other"));
    let folder = folder(&[("day.ndjson", &text)]);
    let report = report(folder.path(), &["--captured", "day.ndjson"]);
    assert_eq!(report["tenants"][0]["captured"]["chats"], 1);
    let lines = of(&report, "RP102");
    assert!(lines.len() == 1 && lines[0].starts_with("warning day.ndjson:2:"), "{lines:?}");
    assert_eq!(of(&report, "RP103").len(), 1);
    assert!(!report.to_string().contains("Mia"));
}

#[test]
fn the_agents_view_and_the_lossiness_show_their_figures() {
    let folder = folder(&[]);
    let report = report(folder.path(), &["--prechat", "page.json"]);
    let tenant = &report["tenants"][0];
    assert_eq!(tenant["agent_view"].as_array().unwrap().len(), 3);
    // Three values, three record fields, three transcript fields, three seen; all but the values
    // are lost: 100 × 9 ÷ 12.
    assert_eq!(tenant["lossiness"]["score"], 75);
    assert_eq!(tenant["lossiness"]["values_lost"], 0);
}

#[test]
fn ten_thousand_captured_chats_are_reported_in_time_and_the_same_twice() {
    let folder = folder(&[("day.ndjson", &capture(10_000)), (CHANNEL_FILE, CHANNEL)]);
    let args = ["--prechat", "page.json", "--captured", "day.ndjson", "--metadata", CHANNEL_FILE];
    let clock = liveagent_bridge::clock::Clock::system();
    let before = clock.now().mono;
    let one = dry_run(folder.path(), &[&args[..], &["--html"]].concat());
    let took = clock.now().mono.since(before);
    assert!(took.as_secs() < 10, "took {took:?}");
    // Nobody watches a pipe: no bar.
    assert_eq!(String::from_utf8_lossy(&one.stderr), "");
    let two = dry_run(folder.path(), &[&args[..], &["--html"]].concat());
    assert!(one.stdout == two.stdout && one.stdout.len() > 10_000);
    let page = String::from_utf8(one.stdout).unwrap();
    assert!(page.contains("10000 chats") && page.contains("Rates per org"));
    assert!(page.matches("<svg").count() >= 3 && !page.contains("<script"));
    assert!(!page.contains("src=") && !page.contains("http://") && !page.contains("https://"));
}

#[test]
fn percentiles_are_values_that_occurred() {
    let figures = Figures::of((1..=200).rev().collect());
    assert_eq!((figures.p50, figures.p95, figures.p99, figures.max), (100, 190, 198, 200));
    assert_eq!(Figures::of(vec![]), Figures::default());
    assert_eq!(Figures::of(vec![7]).p99, 7);
    let mut traffic = Traffic::default();
    for line in capture(10).lines() {
        traffic.add(&CapturedInit::read(line).unwrap());
    }
    assert_eq!((traffic.chats(), traffic.longer_than(8_999)), (10, 2));
}

#[test]
fn the_schema_is_published_and_real_reports_follow_it() {
    let made: Value = serde_json::from_str(&schema()).unwrap();
    let published: Value = serde_json::from_str(PUBLISHED).unwrap();
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.schema.json");
    std::fs::write(&fresh, schema()).unwrap();
    assert!(made == published, "docs/report.schema.json is old; copy {} there", fresh.display());
    let files = [("day.ndjson", &*capture(50)), (CHANNEL_FILE, CHANNEL), (BUTTON_FILE, BUTTON)];
    let folder = folder(&files);
    let all = ["--captured", "day.ndjson", "--metadata", CHANNEL_FILE, BUTTON_FILE];
    for args in [&["--prechat", "page.json"][..], &all] {
        let mut wrong = Vec::new();
        follow(&made, &made, &report(folder.path(), args), "$", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// As much of JSON Schema as the published one uses.
fn follow(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = &root["$defs"][name.trim_start_matches("#/$defs/")];
        return follow(root, schema, value, at, wrong);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|schema| {
            let mut inner = Vec::new();
            follow(root, schema, value, at, &mut inner);
            inner.is_empty()
        });
        if !fits {
            wrong.push(format!("{at}: fits none"));
        }
        return;
    }
    let fits = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("integer") if schema["minimum"] == 0 => value.is_u64(),
        Some("integer") => value.is_i64(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => schema["enum"].as_array().is_some_and(|words| words.contains(value)),
    };
    if !fits {
        wrong.push(format!("{at}: {value} does not follow {schema}"));
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        follow(root, &schema["items"], item, &format!("{at}[{i}]"), wrong);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let inner = match &schema["properties"][name] {
            Value::Null => &schema["additionalProperties"],
            known => known,
        };
        match inner {
            Value::Bool(_) => wrong.push(format!("{at}.{name}: not in the schema")),
            inner => follow(root, inner, member, &format!("{at}.{name}"), wrong),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap_or("")).is_none() {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
}

#[test]
fn an_end_on_a_line_of_its_own_counts_wherever_it_stands() {
    let whole = capture(70);
    let (mut inits, mut ends) = (String::new(), String::new());
    for (n, line) in whole.lines().enumerate() {
        let mut init = CapturedInit::read(line).unwrap();
        let chat = format!("{:016x}", u64::MAX - n as u64);
        let seconds = init.duration_seconds.take().unwrap();
        let messages = init.messages.take().unwrap();
        writeln!(
            ends,
            r#"{{"end":"{chat}","tenant":"acme","durationSeconds":{seconds},"messages":{messages}}}"#
        )
        .unwrap();
        init.chat = Some(chat);
        writeln!(inits, "{}", init.to_line()).unwrap();
    }
    let lost = "{\"end\":\"77\",\"tenant\":\"acme\",\"durationSeconds\":9}\n";
    let files = [("whole.ndjson", &*whole), ("inits.ndjson", &inits), ("ends.ndjson", &ends)];
    let folder = folder(&[&files[..], &[("lost.ndjson", lost)]].concat());
    let captured = |names: &[&str]| {
        let args: Vec<&str> = names.iter().flat_map(|name| ["--captured", *name]).collect();
        report(folder.path(), &args)["tenants"][0]["captured"].clone()
    };
    let want = captured(&["whole.ndjson"]);
    assert_eq!(want["chats"], 70);
    for names in [
        &["inits.ndjson", "ends.ndjson"][..],
        &["ends.ndjson", "inits.ndjson"],
        &["lost.ndjson", "inits.ndjson", "ends.ndjson"],
    ] {
        assert_eq!(captured(names), want, "{names:?}");
    }
}
