//! Every finding code can be produced: by the dry run from the inputs below, or by another command
//! whose test is named. A code that nothing produces is a promise nobody keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use liveagent_bridge::report::codes;
use serde_json::{Value, json};

/// `docs` of the specification: codes that are promised by name.
const PROMISED: &str = "PC101 PC102 PC110 PC120 PC130 CH201 CH202 CH203 CH204 CH210 CH211 RT301 \
    RT302 RT303 EV401 EV402 EV403 EV404 EV405 AV501 AV502 TK601 TK602 FL701 NW801 RL901 TR150 \
    LS101 OB160 OB161 CF001 CF002 CU010 CF003 CU011 OM101 OM102";

/// Codes that only another command can find, with the test that shows it.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("NW801", "check_live.rs", "a_proxy_that_buffers_is_named"),
    ("CF003", "config_check.rs", "one_org_has_one_cutover"),
];

const CONFIG: &str = r#"
[[tenant]]
id = "acme"
mapping = "acme.toml"
[tenant.legacy]
live_agent_base_url = "https://d.la1-c1.salesforceliveagent.com/chat/rest/"
organization_id = "00D000000000001"
deployment_id = "572000000000001"
button_id = "573000000000001"
[tenant.miaw]
base_url = "https://acme.my.salesforce-scrt.com"
organization_id = "00D000000000002"
embedded_service_developer_name = "Acme_Web"
"#;

/// One run of the dry run.
#[derive(Clone)]
struct Run {
    mapping: &'static str,
    /// File name and text; what it is for, its ending tells.
    files: Vec<(&'static str, String)>,
    more: &'static [&'static str],
}

fn prechat(details: &Value) -> (&'static str, String) {
    ("a.prechat", json!({ "prechatDetails": details }).to_string())
}

fn run(mapping: &'static str, details: &Value) -> Run {
    Run { mapping, files: vec![prechat(details)], more: &[] }
}

/// Runs the command and counts the codes of its report.
fn codes_of(run: &Run) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    put("bridge.toml", CONFIG);
    put("acme.toml", &format!("version = 1\n{}", run.mapping));
    let mut command = Command::new(env!("CARGO_BIN_EXE_liveagent-bridge"));
    command.current_dir(folder.path()).args(["dry-run", "--config", "bridge.toml", "--json"]);
    command.args(["--as-of", "2026-02-01T00:00:00Z"]).args(run.more);
    for (name, text) in &run.files {
        put(name, text);
        let kind = match name.rsplit('.').next() {
            Some("prechat") => "--prechat",
            Some("xml") => "--metadata",
            Some("shadow") => "--shadow",
            _ => "--captured",
        };
        command.args([kind, name]);
    }
    let output = command.output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}"));
    for finding in report["findings"].as_array().expect("findings") {
        let text = |name: &str| finding[name].as_str().unwrap_or_default();
        assert!(!text("message").is_empty() && !text("todo").is_empty(), "{finding}");
        assert!(!text("path").is_empty(), "{finding}");
    }
    let findings = report["findings"].as_array().expect("findings").iter();
    findings.filter_map(|f| f["code"].as_str().map(str::to_owned)).collect()
}

fn reading() -> Vec<Run> {
    let text =
        |text: &str| Run { mapping: "", files: vec![("a.prechat", text.to_owned())], more: &[] };
    let many: Vec<Value> =
        (0..1_100).map(|i| json!({"label": i.to_string(), "value": "1"})).collect();
    let entities = json!([
        {"entityName": "Contact", "saveToTranscript": "Contact", "linkToEntityName": "Case",
         "linkToEntityField": "ContactId", "showOnCreate": "true", "entityFieldMaps": [
            {"fieldName": "LastName", "label": "Last Name", "isAutoQueryable": true, "doCreate": true},
            {"fieldName": "Phone", "label": "phone no", "doFind": true, "doCreate": true}]},
        {"entityName": "Contact", "entityFieldsMaps": [], "x": 1},
        {"entityName": "Account"},
    ]);
    let details = json!([
        {"label": "Last Name", "value": "", "entityMaps": [{"entityName": "contact", "fieldName": "LastName"}]},
        {"label": "Phone No", "value": "1", "displayToAgent": true, "transcriptFields": ["Phone__c", "Body"]},
        {"value": "x", "entityMaps": [{"entityName": "Contact", "fieldName": "Title"}], "transcriptFields": ["c__T"]},
        {"label": 7, "value": "x", "entityMaps": "none"},
        {"value": "orphan"}, {"label": "language", "value": "en"},
        {"label": "A b", "value": "1"}, {"label": "A-b", "value": "2"}, {"label": "A.b", "value": "1"},
        {"label": "two", "value": "x", "entityMaps": [{"entityName": "Case", "fieldName": "Reason"},
            {"entityName": "Case", "fieldName": "Status"}]},
        {"label": "C", "value": "x", "entityMaps": [{"entityName": "Contact", "fieldName": "Email"}]},
        {"label": "L", "value": "y", "entityMaps": [{"entityName": "Lead", "fieldName": "Email"}]},
        {"label": "long ".repeat(20), "value": "1"}, {"label": "日本", "value": "1"},
        {"label": "{{context.l}}", "value": "1"}, {"label": "n", "value": null},
        {"label": "list", "value": [1]}, {"label": "ctl", "value": "a\u{7}b"},
        {"label": "long", "value": "x".repeat(300), "displayToAgent": false},
        {"label": "small", "value": "x".repeat(50), "entityMaps": [{"entityName": "Contact", "fieldName": "FirstName"}]},
        {"label": "t", "value": "{{input.text}}"}, {"label": "u", "value": "{{input.text"},
        {"label": "r", "value": "{{contex.city}}"},
        {"label": "Copilot URL", "value": format!("https://c.example/?userId={{{{input.userId}}}}&s={}", "x".repeat(180)),
         "transcriptFields": ["Copilot__c"]},
    ]);
    let whole = json!({"prechatEntities": entities, "prechatDetails": details, "agentId": "005",
        "visitorName": "Ana Cruz", "doFallback": true});
    let disagree = r#"{"prechatEntities":[{"entityName":"Case","entityFieldMaps":[{"fieldName":"A","label":"a"}],
        "entityFieldsMaps":[{"fieldName":"B","label":"b"}]}],"prechatDetails":[
        {"label":"s","value":"\ud83d"}]}"#;
    let name = json!({"visitorName": "Ana Cruz", "prechatDetails": []});
    let huge = json!([{"label": "T", "value": "x".repeat(60_000), "displayToAgent": true},
        {"label": "U", "value": "y".repeat(60_000), "displayToAgent": true},
        {"label": "V", "value": "z".repeat(60_000), "displayToAgent": true}]);
    vec![
        text("{"),
        text("{}"),
        text(&json!({ "prechatDetails": many }).to_string()),
        text(&whole.to_string()),
        text(disagree),
        text(&name.to_string()),
        run("[defaults]\nopening_message = \"details\"", &huge),
    ]
}

fn by_rules() -> Vec<Run> {
    let details = json!([{"label": "a", "value": "q"}, {"label": "b", "value": null}, {"label": "c", "value": "1"},
        {"label": "l", "value": "de-DE"}, {"label": "d", "value": "1"}, {"label": "e", "value": "1"}]);
    let rules = r#"
[[rule]]
label = "a"
to = "a"
table = { x = "y" }
[[rule]]
label = "b"
to = "b"
required = true
[[rule]]
label = "c"
to = "c"
template = "{{ details['none'] }}"
[[rule]]
label = "l"
to = "language"
[[rule]]
label = "d"
drop = true
reason = "not needed"
[[rule]]
label = "never"
to = "a"
default = "1"
[[accept]]
code = "PC120"
reason = "gone"
until = "2026-01-01"
[[accept]]
code = "PC121"
reason = "unused"
until = "2027-01-01"
"#;
    vec![
        run(rules, &details),
        run("[defaults]\nunmapped = \"drop\"", &details),
        run("[defaults]\nunmapped = \"error\"", &details),
        run("[match]\nbuttons = [\"573000000000009\"]", &details),
    ]
}

fn by_sources() -> Vec<Run> {
    let channel = include_str!("fixtures/metadata/Acme_Web.messagingChannel-meta.xml")
        .replace("<sessionHandlerType>Flow<", "<sessionHandlerType>Queue<")
        .replace("<sessionHandlerQueue>Support</sessionHandlerQueue>", "<isActive>false</isActive>")
        .replace(">UnAuth<", ">Auth<")
        .replacen(">String<", ">Number<", 1);
    let button = include_str!("fixtures/metadata/Sales.liveChatButton-meta.xml").to_owned();
    let routing = "<QueueRoutingConfig><capacityWeight>0</capacityWeight></QueueRoutingConfig>";
    let service = "<ServiceChannel><capacityModel>StatusBased</capacityModel></ServiceChannel>";
    let details = json!([{"label": "OrderNo", "value": "1"}, {"label": "Topic", "value": "1"},
        {"label": "Nowhere", "value": "1"}]);
    let mut captured = String::from("{\"at\":\n");
    for i in 0..200 {
        let line = json!({"at": format!("2025-11-20T09:30:{:02}Z", i / 60), "tenant": "acme",
            "buttonId": "573000000000002", "durationSeconds": 90_000, "messages": 400,
            "details": [{"label": "T", "lengthUtf16": 70_000, "displayToAgent": true}]});
        captured.push_str(&format!("{line}\n"));
    }
    captured.push_str(&captured.lines().last().expect("a line").replace("acme", "other"));
    let shadow = json!({"tenant": "acme", "since": "2026-01-31T00:00:00Z", "until": "2026-01-31T09:00:00Z",
        "inits": 9, "mappingSha256": "00", "findings": {}});
    let own = json!({"tenant": "acme", "since": "2026-01-31T00:00:00Z", "until": "2026-01-31T09:00:00Z",
        "inits": 9, "mappingSha256": hash("version = 1\n"), "findings": {"PC032": {"inits": 2, "findings": 3}}});
    vec![
        Run {
            mapping: "",
            files: vec![
                prechat(&details),
                ("Acme_Web.xml", channel),
                ("Sales.xml", button),
                ("Queue.xml", routing.to_owned()),
                ("Service.xml", service.to_owned()),
                ("day.ndjson", captured),
            ],
            more: &[],
        },
        Run {
            mapping: "",
            files: vec![prechat(&details), ("s.shadow", format!("{shadow}\n{own}\n"))],
            more: &[],
        },
        run("", &details),
        run("[[rule]]\nlabel = \"Topic\"\nto = \"topic\"", &details),
    ]
}

fn hash(text: &str) -> String {
    use aws_lc_rs::digest::{SHA256, digest};
    let bytes = digest(&SHA256, text.as_bytes());
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_code_can_be_produced() {
    let runs = [reading(), by_rules(), by_sources()].concat();
    let mut found: BTreeSet<String> = runs.iter().flat_map(codes_of).collect();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for (code, file, name) in ELSEWHERE {
        let read = || std::fs::read_to_string(tests.join(file)).expect("a test file");
        let text = texts.entry(file).or_insert_with(read);
        let test = text.split("\n#[").find(|part| part.contains(&format!("fn {name}(")));
        assert!(test.is_some_and(|test| test.contains(code)), "{file}: {name} shows {code}");
        found.insert((*code).to_owned());
    }
    let all = codes::all().into_iter().map(|code| code.entry().id).collect::<Vec<_>>();
    let missing: Vec<&&str> = all.iter().filter(|id| !found.contains(**id)).collect();
    assert!(missing.is_empty(), "nothing produces {missing:?}");
    let unknown: Vec<&str> = PROMISED.split_whitespace().filter(|id| !all.contains(id)).collect();
    assert!(unknown.is_empty(), "promised, but not in the table: {unknown:?}");
}
