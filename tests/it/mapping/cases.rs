//! The single-line cases of the specification (5.8) that stand in no other test, a row each.

use liveagent_bridge::mapping;
use liveagent_bridge::mapping::load::load;
use liveagent_bridge::report::dry_run::{Document, Inputs, Tenant, build};
use liveagent_bridge::time::Wall;
use serde_json::json;

use super::{attributes, codes, details, lines, translate};

/// What the document is, the document, its attributes, a code that must be found.
type Case = (&'static str, &'static str, &'static str, &'static str);

macro_rules! contact {
    () => {
        r#"{"entityName":"Contact","entityFieldsMaps":[{"fieldName":"Email","label":"e"}]}"#
    };
}

const ODD: &[Case] = &[
    ("an empty file", "", "{}", "PC002"),
    ("details {} for []", r#"{"prechatDetails":{}}"#, "{}", "PC002"),
    (
        "an entity without entityFieldsMaps",
        r#"[[{"entityName":"Contact"}],[{"label":"e","value":"x"}]]"#,
        r#"{"e":"x"}"#,
        "PC019",
    ),
    (
        "two Contact entities",
        concat!("[[", contact!(), ",", contact!(), r#"],[{"label":"e","value":"x"}]]"#),
        r#"{"_email":"x"}"#,
        "PC020",
    ),
    (
        "an exported handover node",
        r#"{"type":"handoverV2","config":{"text":"Hi","buttonId":"573000000000003",
        "salesforcePrechatEntities":[],
        "salesforcePrechatDetails":[{"label":"a","value":"1"}]}}"#,
        r#"{"a":"1"}"#,
        "PC010",
    ),
    ("no detail feeds the entity", concat!("[", contact!(), "]"), "{}", "PC018"),
    (
        "displayToAgent as text",
        r#"[{"label":"a","value":"1","displayToAgent":"true"}]"#,
        r#"{"a":"1"}"#,
        "PC011",
    ),
    (
        "transcriptFields as a plain text",
        r#"[{"label":"a","value":"1","transcriptFields":"T__c"}]"#,
        r#"{"T_c":"1"}"#,
        "PC016",
    ),
    (
        "a label with a trailing blank and without",
        r#"[{"label":"a","value":"1"},{"label":"a ","value":"2"}]"#,
        r#"{"a":"1","a_2":"2"}"#,
        "PC032",
    ),
    (
        "labels that differ by NFC and NFD",
        concat!(
            "[{\"label\":\"caf\u{e9}\",\"value\":\"1\"},",
            "{\"label\":\"cafe\u{301}\",\"value\":\"2\"}]"
        ),
        r#"{"cafe":"1","cafe_2":"2"}"#,
        "PC032",
    ),
    ("a byte order mark", "\u{feff}[{\"label\":\"a\",\"value\":\"1\"}]", r#"{"a":"1"}"#, "CH202"),
    (
        "half a surrogate pair",
        r#"[{"label":"a","value":"x\ud83d"}]"#,
        "{\"a\":\"x\u{fffd}\"}",
        "PC022",
    ),
    (
        "a namespaced field",
        r#"[{"label":"a","value":"1","transcriptFields":["acme__Tier__c"]}]"#,
        r#"{"acme_Tier_c":"1"}"#,
        "PC120",
    ),
    (
        "Reason and Reason__c",
        r#"[{"label":"Reason","value":"1"},{"label":"Reason__c","value":"2"}]"#,
        r#"{"Reason":"1","Reason_c":"2"}"#,
        "CH202",
    ),
    (
        "_subject fed by two Cases",
        concat!(
            r#"[{"label":"a","value":"1","entityMaps":[{"entityName":"Case","#,
            r#""fieldName":"Subject"}]},{"label":"b","value":"2","entityMaps":"#,
            r#"[{"entityName":"Case","fieldName":"Subject"}]}]"#
        ),
        r#"{"Case_Subject":"2","_subject":"1"}"#,
        "PC035",
    ),
];

#[test]
fn odd_documents() {
    for (what, document, expected, code) in ODD {
        let translation = translate(document);
        assert_eq!(attributes(&translation), *expected, "{what}");
        let found = codes(&translation);
        assert!(found.contains(code), "{what}: {found:?}");
    }
}

#[test]
fn limits_of_values_keys_and_documents() {
    let value = |length: usize| details(&json!([{"label":"a","value":"x".repeat(length)}]));
    assert_eq!(lines(&value(255), &["PC110"]), [""; 0]);
    assert_eq!(lines(&value(256), &["PC110"]), ["E PC110 prechatDetails[0].value"]);
    let key = |length: usize| details(&json!([{"label":"k".repeat(length),"value":"1"}]));
    assert!(!codes(&key(40)).contains(&"PC036") && codes(&key(41)).contains(&"PC036"));
    let big = value(1_000_000);
    assert_eq!((big.attributes["a"].len(), lines(&big, &["PC110"]).len()), (255, 1));
    let many: Vec<_> = (0..500).map(|i| json!({"label":format!("f{i}"),"value":"v"})).collect();
    assert_eq!(details(&json!(many)).attributes.len(), 500);
    let error = mapping::read("{\n prechatDetails: []}").expect_err("unquoted keys");
    assert_eq!((error.line, error.column), (2, 2));
}

/// A rule that never fires and two rules for one key are seen over all samples of a dry run.
#[test]
fn rules_that_never_fire_or_share_a_key() {
    let rules = "version=1\n[[rule]]\nlabel='a'\nto='k'\n[[rule]]\nlabel='b'\nto='k'\n";
    let document = |name: &str, label: &str| Document {
        name: name.to_owned(),
        text: json!([{"label": label, "value": "1"}]).to_string(),
    };
    let report = build(&Inputs {
        as_of: Wall::parse("2026-02-01T00:00:00Z").expect("an instant"),
        show_values: false,
        tenants: vec![Tenant {
            id: "acme".to_owned(),
            mapping_name: None,
            mapping: load("m.toml", rules).expect("sound"),
            deployment_id: String::new(),
            button_id: String::new(),
            routing: Vec::new(),
            findings: Vec::new(),
        }],
        documents: vec![document("1", "a"), document("2", "c")],
    });
    let of = |id: &str| {
        let found = report.findings.iter().filter(|r| r.finding.code.is_named(id));
        found.map(|r| r.finding.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("PC160"), ["mapping.rule[1]"]);
    assert_eq!(of("PC161"), ["mapping.rule[1]"]);
}
