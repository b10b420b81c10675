//! What the table of verdicts is held against.

use std::collections::BTreeSet;
use std::path::Path;

use liveagent_bridge::report::{codes, platform};
use serde_json::Value;

use super::fields::{row, whole};
use super::play::Line;
use super::rows::{ROWS, Verdict};
use super::table;
use crate::faults::nouns;

/// Every member of a value by its path, those within lists too.
fn members(at: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                members(&path, value, found);
                found.insert(path);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| members(at, value, found)),
        _ => {}
    }
}

fn judged(of: &str, value: &Value) {
    assert!(whole(of).is_some(), "rows.rs has no row for {of}");
    let mut found = BTreeSet::new();
    members("", value, &mut found);
    for member in found {
        assert!(row(of, &member).is_some(), "rows.rs has no row for {of}.{member}");
    }
}

/// Everything that a script brought has a row.
pub(super) fn members_are_judged<'a>(lines: impl Iterator<Item = &'a Line>) {
    for message in lines.flat_map(Line::messages) {
        judged(message["type"].as_str().expect("a type"), &message["message"]);
    }
}

/// What the run showed to differ is not called equal.
pub(super) fn differences_are_judged(rows: &[table::Row]) {
    for found in rows {
        let what = found.what.trim_matches('`');
        let Some((of, member)) = what.split_once('.') else { continue };
        // Members of an answer that is no message, such as those of an error.
        if whole(of).is_none() {
            continue;
        }
        let judged = row(of, member).unwrap_or_else(|| panic!("no row for {of}.{member}"));
        assert_ne!(judged.is, Verdict::Equal, "{}: {of}.{member} differs", found.step);
    }
}

fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/it/fixtures/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a sample")).expect("JSON")
}

/// Every `{"type", "message"}` within a value.
fn messages(value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(kind)), Some(body @ Value::Object(_))) =
                (object.get("type"), object.get("message"))
            {
                found.push((kind.clone(), body.clone()));
            }
            object.values().for_each(|value| messages(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| messages(value, found)),
        _ => {}
    }
}

#[test]
fn everything_recorded_is_judged() {
    let mut found = Vec::new();
    for name in
        ["la-messages.json", "la-availability.json", "la-file-transfer.json", "la-reconnect.json"]
    {
        messages(&recorded(name), &mut found);
    }
    assert!(found.len() > 20, "{}", found.len());
    found.iter().for_each(|(kind, body)| judged(kind, body));
    for case in recorded("la-chasitor-init.json")["cases"].as_array().expect("cases") {
        judged("Chasitor/ChasitorInit", &case["body"]);
    }
    for case in recorded("la-posts.json")["cases"].as_array().expect("cases") {
        let Some(bodies) = case["bodies"].as_array() else { continue };
        let path = case["path"].as_str().expect("a path");
        bodies.iter().for_each(|body| judged(path, body));
    }
    let session = &recorded("la-sessionid.json")["cases"][0]["response"]["body"];
    judged("System/SessionId", session);
}

#[test]
fn every_documented_noun_is_judged() {
    for noun in nouns::documented() {
        assert!(whole(noun).is_some(), "rows.rs has no row for {noun}");
    }
}

#[test]
fn each_lost_thing_has_a_finding_that_reports_show() {
    let shown: BTreeSet<&str> = platform::differences(None, false)
        .iter()
        .map(|finding| finding.code.entry().id)
        .filter(|id| id.starts_with("LS1"))
        .collect();
    for row in ROWS {
        assert_eq!(row.is == Verdict::Lost, row.finding.is_some(), "{} {}", row.of, row.members);
        let Some(id) = row.finding else { continue };
        assert!(id.starts_with("LS1") && codes::find(id).is_some(), "{id} is no code");
        assert!(shown.contains(id), "no report shows {id}");
    }
    let named: BTreeSet<&str> = ROWS.iter().filter_map(|row| row.finding).collect();
    let unnamed: Vec<_> = shown.difference(&named).collect();
    assert_eq!(unnamed, [&"LS102"], "only the page after the chat is the configuration's");
}

/// The explained tables of the page say the same as the verdicts.
#[test]
fn the_page_does_not_contradict_itself() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(super::DOC);
    let page = std::fs::read_to_string(path).expect("readable");
    let explained = page.split("## Translated chats: every noun").next().expect("a beginning");
    let words = [
        ("equal", Verdict::Equal),
        ("emulated", Verdict::Emulated),
        ("changed", Verdict::Changed),
        ("lost", Verdict::Lost),
    ];
    let mut compared = 0;
    for line in explained.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<&str> = line.split(" | ").collect();
        let Some((_, verdict)) = words.iter().find(|(word, _)| *word == columns[1]) else {
            continue;
        };
        for name in columns[0].split('`').skip(1).step_by(2) {
            let name = name.split(' ').next_back().unwrap_or_default();
            let Some(judged) = whole(name) else { continue };
            assert_eq!(judged.is, *verdict, "{name}: the explained table, and rows.rs");
            compared += 1;
        }
    }
    assert!(compared > 35, "{compared} rows compared");
}
