//! The table of verdicts against the description's own lists: neither may forget what the other
//! has, nor what the program knows.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::fields::{row, whole};
use super::rows::ROWS;
use crate::faults::nouns;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).expect("readable")
}

/// Every noun, message and member of the description.
fn described() -> BTreeSet<(String, String)> {
    let lists: Value =
        serde_json::from_str(&read("tests/it/fixtures/live-agent-lists.json")).unwrap();
    let mut all = BTreeSet::new();
    for part in ["requests", "messages"] {
        for (of, members) in lists[part].as_object().expect("an object") {
            all.insert((of.clone(), String::new()));
            for member in members.as_array().expect("a list") {
                all.insert((of.clone(), member.as_str().expect("a name").to_owned()));
            }
        }
    }
    assert!(all.len() > 250, "{}", all.len());
    all
}

#[test]
fn whatever_the_description_names_has_a_verdict() {
    let missing: Vec<_> = described()
        .into_iter()
        .filter(|(of, member)| match member.as_str() {
            "" => whole(of).is_none(),
            member => row(of, member).is_none(),
        })
        .collect();
    assert!(missing.is_empty(), "rows.rs has no row for {missing:#?}");
}

/// A verdict about something that nobody described would hide a name that is spelled wrong.
#[test]
fn whatever_has_a_verdict_is_described_or_recorded() {
    let described = described();
    let recorded = ["la-chasitor-init.json", "la-posts.json", "la-messages.json"]
        .map(|name| read(&format!("tests/it/fixtures/recorded/{name}")))
        .concat();
    let nouns: BTreeSet<&str> = nouns::documented().collect();
    for row in ROWS {
        let known = described.contains(&(row.of.to_owned(), String::new()));
        assert!(known || nouns.contains(row.of), "{} is described nowhere", row.of);
        for member in row.members() {
            let last = member.rsplit('.').next().unwrap_or_default();
            let is = described.contains(&(row.of.to_owned(), member.to_owned()))
                || recorded.contains(&format!("\"{last}\""));
            assert!(is, "{} {member} is described nowhere", row.of);
        }
    }
}

/// The messages that the program has types for, taken from its source.
#[test]
fn whatever_the_program_can_say_has_a_verdict() {
    let mut found = 0;
    for file in ["message.rs", "undocumented.rs"] {
        let source = read(&format!("src/wire/liveagent/{file}"));
        for list in source.split("\nbodies!(").skip(1) {
            let names = list.split(");").next().unwrap_or_default();
            for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                assert!(whole(name).is_some(), "rows.rs has no row for {name}");
                found += 1;
            }
        }
    }
    assert!(found > 20, "{found} messages");
    // And each that the facade makes.
    let facade = read("src/facade/reply.rs");
    for (at, _) in facade.match_indices("Message::new(&") {
        let rest = &facade[at + "Message::new(&".len()..];
        let path: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || *c == ':' || *c == '_').collect();
        let name = path.rsplit("::").next().unwrap_or_default();
        if name.starts_with(char::is_uppercase) {
            assert!(whole(name).is_some(), "rows.rs has no row for {name}");
        }
    }
}
