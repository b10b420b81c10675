//! Two reports side by side: what is new, what is gone, what weighs differently.
//!
//! Promised: only what both reports say is compared; the order of findings does not matter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What tells one finding from another.
type Place<'a> = (&'a str, &'a str, &'a str, usize);

/// What the later report says other than the earlier one.
pub(super) fn compare(before: &Value, after: &Value) -> Value {
    let (old, new) = (findings(before), findings(after));
    let only = |here: &BTreeMap<Place<'_>, &Value>, there: &BTreeMap<Place<'_>, &Value>| {
        let all = here.iter().filter(|(place, _)| !there.contains_key(*place));
        all.map(|(_, finding)| finding_of(finding)).collect::<Vec<_>>()
    };
    let both = || old.iter().filter_map(|(place, was)| Some((*was, *new.get(place)?)));
    let changed = both()
        .filter(|(was, is)| weight(was) != weight(is))
        .map(|(was, is)| json!({ "before": finding_of(was), "after": finding_of(is) }));
    json!({
        "summary": { "before": summary(before), "after": summary(after) },
        "gone": only(&old, &new),
        "added": only(&new, &old),
        "changed": changed.collect::<Vec<_>>(),
        "same": both().filter(|(was, is)| weight(was) == weight(is)).count(),
        "madeFrom": evidence(before, after),
        "routing": routing(before, after),
    })
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value[member].as_array().into_iter().flatten()
}

fn findings(report: &Value) -> BTreeMap<Place<'_>, &Value> {
    let mut all = BTreeMap::new();
    for finding in list(report, "findings") {
        let (document, code) = (text(finding, "document"), text(finding, "code"));
        let path = text(finding, "path");
        // The same code may be found twice at a place.
        let mut nth = 0;
        while all.contains_key(&(document, code, path, nth)) {
            nth += 1;
        }
        all.insert((document, code, path, nth), finding);
    }
    all
}

/// What may differ of the same finding.
fn weight(finding: &Value) -> (&Value, bool) {
    (&finding["severity"], !finding["accepted"].is_null())
}

/// A finding as the console shows it.
pub(super) fn finding_of(finding: &Value) -> Value {
    json!({
        "severity": finding["severity"],
        "code": finding["code"],
        "slug": finding["slug"],
        "document": finding["document"],
        "path": finding["path"],
        "message": finding["message"],
        "accepted": !finding["accepted"].is_null(),
    })
}

fn summary(report: &Value) -> Value {
    let count = |member: &str| report["summary"][member].as_u64().unwrap_or_default();
    json!({
        "verdict": report["verdict"],
        "asOf": report["as_of"],
        "errors": count("errors"),
        "warnings": count("warnings"),
        "notes": count("notes"),
        "accepted": count("accepted"),
    })
}

/// Which sources only one of both was made from.
fn evidence(before: &Value, after: &Value) -> Value {
    let of = |report: &'_ Value| -> BTreeSet<(String, String, String)> {
        let all = list(report, "evidence");
        all.map(|one| {
            (text(one, "kind").into(), text(one, "name").into(), text(one, "sha256").into())
        })
        .collect()
    };
    let (old, new) = (of(before), of(after));
    let one = |source: &(String, String, String), only: &str| {
        let (kind, name, sha256) = source;
        json!({ "kind": kind, "name": name, "sha256": sha256, "only": only })
    };
    let gone = old.difference(&new).map(|source| one(source, "before"));
    gone.chain(new.difference(&old).map(|source| one(source, "after"))).collect()
}

/// Instants at which a new chat goes elsewhere.
fn routing(before: &Value, after: &Value) -> Value {
    let rows = |report: &'_ Value| -> BTreeMap<String, String> {
        let rows = list(report, "tenants").flat_map(|tenant| list(tenant, "routing"));
        rows.map(|row| (text(row, "utc").to_owned(), text(row, "route").to_owned())).collect()
    };
    let (old, new) = (rows(before), rows(after));
    let both = old.iter().filter_map(|(utc, was)| Some((utc, was, new.get(utc)?)));
    both.filter(|(_, was, is)| was != is)
        .map(|(utc, was, is)| json!({ "at": utc, "before": was, "after": is }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_matched_by_place_and_told_apart_by_weight() {
        let finding = |code: &str, path: &str, severity: &str| {
            let document = "a";
            json!({ "document": document, "code": code, "path": path, "severity": severity })
        };
        let report = |findings: Vec<Value>, route: &str| {
            json!({
                "verdict": "warnings", "as_of": "2026-01-10T00:00:00Z",
                "summary": { "errors": 1 }, "findings": findings,
                "evidence": [{ "kind": "mapping", "name": "m", "sha256": route }],
                "tenants": [{ "routing": [{ "utc": "2026-02-14T00:00:00Z", "route": route }] }],
            })
        };
        let before = report(
            vec![finding("A", "x", "error"), finding("B", "y", "error"), finding("C", "z", "note")],
            "legacy",
        );
        let after = report(
            vec![finding("C", "z", "note"), finding("B", "y", "note"), finding("C", "z", "note")],
            "miaw",
        );
        let told = compare(&before, &after);
        let codes =
            |member: &str| -> Vec<&str> { list(&told, member).map(|f| text(f, "code")).collect() };
        assert_eq!((codes("gone"), codes("added")), (vec!["A"], vec!["C"]));
        assert_eq!(
            (&told["changed"][0]["after"]["severity"], &told["same"]),
            (&json!("note"), &json!(1))
        );
        assert_eq!(told["madeFrom"].as_array().map(Vec::len), Some(2));
        assert_eq!(told["routing"][0]["after"], "miaw");
        let same = compare(&after, &after);
        assert_eq!(
            (&same["gone"], &same["routing"], &same["same"]),
            (&json!([]), &json!([]), &json!(3))
        );
    }
}
