//! Findings without what they quote.
//!
//! Promised: of a message only our own words are left: whatever stands in backticks or double
//! quotes is replaced, and so is the rest of a text with an unpaired one. Of a key's path only what
//! looks like a setting's name is kept, and nothing of a mapping's tables.

use serde_json::{Value, json};

use super::file_name;
use crate::config::Problem;

/// Levels of a key's path that are kept: `tenant[0].miaw.base_url` has three.
const LEVELS: usize = 3;

/// A finding by code and place.
pub(super) fn finding(problem: &Problem) -> Value {
    found(problem, &problem.key)
}

/// The same for one that was found live, whose key begins with the tenant's id.
pub(super) fn live_finding(problem: &Problem, tenant: &str) -> Value {
    let key = problem.key.strip_prefix(tenant).and_then(|key| key.strip_prefix('.'));
    found(problem, key.unwrap_or(&problem.key))
}

fn found(problem: &Problem, at: &str) -> Value {
    // What nobody knows is not ours.
    let unknown = problem.message.contains("known key");
    json!({
        "code": problem.code,
        "file": file_name(&problem.file),
        "line": problem.place.as_ref().map(|place| place.line),
        "column": problem.place.as_ref().map(|place| place.column),
        "key": key(at, unknown),
        "message": without_quotes(&problem.message),
    })
}

/// The text with `…` for everything it quotes.
pub(super) fn without_quotes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '"']) {
        let (before, quoted) = rest.split_at(at);
        let mark = if quoted.starts_with('`') { '`' } else { '"' };
        out.push_str(before);
        out.push('…');
        rest = match quoted.get(1..).and_then(|inner| inner.split_once(mark)) {
            Some((_, after)) => after,
            None => "",
        };
    }
    out.push_str(rest);
    out
}

fn key(path: &str, unknown: bool) -> String {
    let setting = |part: &&str| {
        let name = part.split('[').next().unwrap_or_default();
        let tail = part.get(name.len()..).unwrap_or_default();
        let number = tail.strip_prefix('[').and_then(|tail| tail.strip_suffix(']'));
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let numbered = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        !name.is_empty() && plain && (tail.is_empty() || number.is_some_and(numbered))
    };
    let path = path.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('.').collect();
    let kept: Vec<&str> = parts
        .iter()
        .take(LEVELS.min(parts.len() - usize::from(unknown)))
        .scan(false, |below_table, part| {
            let go_on = !*below_table;
            *below_table = part.starts_with("table");
            go_on.then_some(*part)
        })
        .take_while(setting)
        .collect();
    let cut = if kept.len() < parts.len() { ".…" } else { "" };
    format!("{}{cut}", kept.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_quoted_is_left() {
        for (text, want) in [
            ("`Vera` is not an address", "… is not an address"),
            ("a \"Vera `x\" b", "a … b"),
            ("an unpaired ` Vera", "an unpaired …"),
            ("`a` and `b`", "… and …"),
            ("grüßt `ä`ö", "grüßt …ö"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_quotes(text), want);
        }
    }

    #[test]
    fn a_key_that_nobody_knows_is_left_out() {
        assert_eq!(key("tenant[0].vera", true), "tenant[0].…");
        assert_eq!(key("vera", true), ".…");
    }

    #[test]
    fn keys_hold_names_of_settings_only() {
        for (path, want) in [
            ("tenant[0].miaw.base_url", "tenant[0].miaw.base_url"),
            ("rule[3].table.Vera Miller", "rule[3].table.…"),
            ("rule[3].table.vera", "rule[3].table.…"),
            ("tenant[1].Vera", "tenant[1].…"),
            ("listen (environment variable VERA)", "listen"),
            ("", ".…"),
        ] {
            assert_eq!(key(path, false), want);
        }
    }
}
