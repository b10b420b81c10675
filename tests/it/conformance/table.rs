//! The differences between two ways, as a table for people.

use serde_json::Value;

use super::play::{Line, NORMALISED};
use super::script::Script;

/// One difference.
pub(super) struct Row {
    script: &'static str,
    pub(super) step: &'static str,
    pub(super) what: String,
    real: String,
    here: String,
}

pub(super) fn rows(script: &Script, real: &[Line], here: &[Line]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (real, here) in real.iter().zip(here) {
        for (what, real_is, here_is) in differences(real, here) {
            let (script, step) = (script.name, real.step);
            rows.push(Row { script, step, what, real: real_is, here: here_is });
        }
    }
    rows
}

fn differences(real: &Line, here: &Line) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let whole = |what: &str| vec![(what.to_owned(), real.summary(), here.summary())];
    let status = |line: &Line| line.answers.iter().map(|a| a.status).max();
    if status(real) != status(here) || real.note != here.note {
        return whole("answer");
    }
    let (real_told, here_told) = (real.messages(), here.messages());
    let kinds = |told: &[Value]| told.iter().map(kind).collect::<Vec<_>>();
    if kinds(&real_told) != kinds(&here_told) {
        return whole("messages");
    }
    for (real, here) in real_told.iter().zip(&here_told) {
        compare(&kind(real), &real["message"], &here["message"], &mut found);
    }
    if real_told.is_empty() {
        for (real, here) in real.answers.iter().zip(&here.answers) {
            match (real.json(), here.json()) {
                (Some(real), Some(here)) => compare("", &real, &here, &mut found),
                _ if real.body != here.body => {
                    found.push(("body".to_owned(), shown(&real.body), shown(&here.body)));
                }
                _ => {}
            }
            if real.content_type != here.content_type {
                let (real, here) = (shown(&real.content_type), shown(&here.content_type));
                found.push(("content type".to_owned(), real, here));
            }
        }
    }
    found
}

fn kind(message: &Value) -> String {
    message["type"].as_str().unwrap_or("?").to_owned()
}

/// Every member that differs, by its path.
fn compare(at: &str, real: &Value, here: &Value, found: &mut Vec<(String, String, String)>) {
    match (real, here) {
        (Value::Object(real), Value::Object(here)) => {
            let mut names: Vec<_> = real.keys().chain(here.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                let absent = Value::Null;
                let (real, here) = (real.get(name), here.get(name));
                compare(&at, real.unwrap_or(&absent), here.unwrap_or(&absent), found);
            }
        }
        (Value::Array(real), Value::Array(here)) if real.len() == here.len() => {
            for (real, here) in real.iter().zip(here) {
                compare(at, real, here, found);
            }
        }
        _ if real == here => {}
        _ => {
            let row = (format!("`{at}`"), printed(real), printed(here));
            if !found.contains(&row) {
                found.push(row);
            }
        }
    }
}

fn printed(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        other => format!("`{other}`"),
    }
}

fn shown(text: &str) -> String {
    if text.is_empty() { "empty".to_owned() } else { format!("`{text}`") }
}

pub(super) fn print(rows: &[Row]) -> String {
    let mut text = String::from("\nMade alike before comparing:\n\n");
    for entry in NORMALISED {
        text.push_str(&format!("- {entry}\n"));
    }
    text.push_str("\n| script | step | | real service (emulated) | translated |\n");
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for Row { script, step, what, real, here } in rows {
        text.push_str(&format!("| {script} | {step} | {what} | {real} | {here} |\n"));
    }
    text.push('\n');
    text
}
