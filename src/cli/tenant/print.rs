//! The API's answers as people read them.
//!
//! Promised: nothing is left out that decides something; `--json` has the rest.

use serde_json::Value;

/// A member as text; nothing for null.
fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The same, with a dash for nothing.
fn or_dash(value: &Value, name: &str) -> String {
    let text = text(value, name);
    if text.is_empty() { "-".to_owned() } else { text }
}

fn members<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Columns as wide as their widest cell.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let mut widths = vec![0; head.len()];
    for row in std::iter::once(&head).chain(rows) {
        for (cell, width) in row.iter().zip(&mut widths) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(padded.collect::<Vec<_>>().join("   ").trim_end());
        out.push('\n');
    }
    out
}

/// Notes that somebody must not overlook.
fn flags(tenant: &Value) -> String {
    let mut flags = Vec::new();
    if tenant["frozen"] == true {
        flags.push("frozen".to_owned());
    }
    if tenant["drift"] == true {
        flags.push("file edited under a standing change".to_owned());
    }
    if let Some(word) = tenant["panic"].as_str() {
        flags.push(format!("panic file: {word}"));
    }
    flags.join(", ")
}

/// Every tenant, a line each.
pub(super) fn list(answer: &Value) -> String {
    let row = |tenant: &Value| {
        let share = format!("{} %", text(tenant, "miawPercent"));
        let next = or_dash(tenant, "nextChange");
        let (last, chats) = (text(tenant, "lastChange"), text(tenant, "liveChats"));
        let relayed = or_dash(tenant, "relayedChats");
        vec![
            text(tenant, "id"),
            text(tenant, "stage"),
            share,
            text(&tenant["decision"], "because"),
            next,
            last,
            relayed,
            chats,
            flags(tenant),
        ]
    };
    let rows: Vec<_> = members(answer, "tenants").iter().map(row).collect();
    let head =
        ["tenant", "stage", "to MIAW", "because", "next", "change", "on legacy", "on MIAW", ""];
    table(&head, &rows)
}

/// Where new chats of a tenant go now.
pub(super) fn now(tenant: &Value) -> String {
    let (id, stage, share) = (text(tenant, "id"), text(tenant, "stage"), &tenant["miawPercent"]);
    let because = text(&tenant["decision"], "sentence");
    let mut out = format!("{id}: `{stage}`, {share} % of new chats go to MIAW: {because}\n");
    if let Some(next) = tenant["nextChange"].as_str() {
        out.push_str(&format!("next change at {next}\n"));
    }
    let flags = flags(tenant);
    if !flags.is_empty() {
        out.push_str(&format!("note: {flags}\n"));
    }
    out
}

/// One tenant.
pub(super) fn tenant(answer: &Value) -> String {
    let mut out = now(answer);
    let (legacy, miaw) = (&answer["legacy"], &answer["miaw"]);
    let rows = [
        ("legacy", or_dash(legacy, "baseUrl")),
        ("legacy button", or_dash(legacy, "buttonId")),
        ("MIAW", text(miaw, "baseUrl")),
        ("MIAW deployment", text(miaw, "developerName")),
        ("last change", text(answer, "lastChange")),
        ("chats on legacy", or_dash(answer, "relayedChats")),
        ("chats on MIAW", text(answer, "liveChats")),
        ("removal seen past", or_dash(answer, "pastRemoval")),
    ];
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, value) in rows {
        out.push_str(&format!("  {name:width$}   {value}\n"));
    }
    out
}

/// The answer for one chat at one instant.
pub(super) fn explained(answer: &Value) -> String {
    let decision = &answer["decision"];
    let (at, local) = (text(answer, "at"), text(answer, "local"));
    let (route, sentence) = (text(decision, "route"), text(decision, "sentence"));
    let button = match answer["button"].as_str() {
        Some(button) => format!(" of button {button}"),
        None => String::new(),
    };
    let lot = text(answer, "draw");
    let mut out =
        format!("a chat{button} that starts at {at} ({local}) with draw {lot}: {route}\n");
    out.push_str(&format!("because {sentence} [{}]\n", text(decision, "because")));
    out.push_str(&format!("{} % of such chats go to MIAW\n", text(answer, "miawPercent")));
    out
}

/// The plan at one instant.
pub(super) fn plan(answer: &Value) -> String {
    let mut out = explained(answer);
    let (file, standing) = (&answer["file"], &answer["standing"]);
    out.push_str(&format!("\nfile {}: ", text(file, "fingerprint")));
    let steps: Vec<String> = members(file, "steps").iter().map(step).collect();
    let steps = if steps.is_empty() { "no steps".to_owned() } else { steps.join(", ") };
    let (last_call, removal) = (text(file, "lastCall"), text(file, "removal"));
    out.push_str(&format!("{steps}; margin from {last_call}, removal {removal}\n"));
    for button in members(file, "buttons") {
        let steps: Vec<String> = members(button, "steps").iter().map(step).collect();
        out.push_str(&format!("  button {}: {}\n", text(button, "button"), steps.join(", ")));
    }
    out.push_str(&stands(standing));
    let rows: Vec<Vec<String>> = members(answer, "calendar")
        .iter()
        .map(|row| {
            let (label, local) = (text(row, "label"), text(row, "local"));
            vec![label, local, text(row, "route"), text(row, "because")]
        })
        .collect();
    out.push('\n');
    out.push_str(&table(&["when", "a chat that starts at", "goes to", "because"], &rows));
    out
}

fn step(step: &Value) -> String {
    format!("`{}` from {}", text(step, "stage"), text(step, "at"))
}

/// What stands by changes.
fn stands(standing: &Value) -> String {
    let mut out = String::new();
    let mut line = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    let by = |one: &Value| {
        let how = if one["said"] == "rollBack" { "rolled back by" } else { "by" };
        let (stage, since, number) = (text(one, "stage"), text(one, "since"), text(one, "number"));
        format!("`{stage}` since {since}, {how} change {number}")
    };
    if standing["tenant"].is_object() {
        line(format!("stands: {}", by(&standing["tenant"])));
    }
    for one in members(standing, "buttons") {
        line(format!("stands for button {}: {}", text(one, "button"), by(one)));
    }
    if let Some(frozen) = standing["frozen"].as_object() {
        let (at, number) = (&frozen["at"], &frozen["number"]);
        line(format!("frozen since {} by change {number}", at.as_str().unwrap_or_default()));
    }
    let vouched = &standing["acknowledgement"];
    if vouched.is_object() {
        let (until, by) = (text(vouched, "until"), text(vouched, "by"));
        line(format!("acknowledged until {until} by {by}: {}", text(vouched, "reason")));
    }
    for window in members(standing, "brownouts") {
        line(format!("brown-out from {} until {}", text(window, "from"), text(window, "until")));
    }
    let evidence = &standing["evidence"];
    if evidence.is_object() {
        let (made, errors) = (text(evidence, "madeAt"), text(evidence, "errors"));
        line(format!("evidence of {made} with {errors} errors: {}", text(evidence, "hash")));
    }
    let drift = &standing["drift"];
    if drift.is_object() {
        let (number, recorded) = (text(drift, "number"), text(drift, "recorded"));
        line(format!(
            "note: change {number} stands and was made under another plan in the file ({recorded})"
        ));
    }
    if let Some(word) = standing["panic"].as_str() {
        line(format!("the panic file says `{word}`"));
    }
    out
}

/// Why a chat is where it is.
pub(super) fn decision(answer: &Value) -> String {
    let (chat, route, at) = (text(answer, "chat"), text(answer, "route"), text(answer, "at"));
    let (sentence, code) = (text(answer, "sentence"), text(answer, "because"));
    format!("chat {chat} went to {route} at {at}\nbecause {sentence} [{code}]\n")
}

/// Every change, a line each.
pub(super) fn history(answer: &Value) -> String {
    let changes = members(answer, "changes");
    if changes.is_empty() {
        return "no changes: the file is followed".to_owned();
    }
    let row = |change: &Value| {
        let (number, at) = (text(change, "number"), text(change, "at"));
        vec![number, at, what(&change["action"]), text(change, "who"), text(change, "why")]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    table(&["change", "at", "what", "who", "why"], &rows)
}

/// A change that was made.
pub(super) fn change(change: &Value) -> String {
    format!("change {}: {}", text(change, "number"), what(&change["action"]))
}

/// A change in a few words: its kind and every member.
fn what(action: &Value) -> String {
    let kind = text(action, "kind");
    let members = action.as_object().into_iter().flatten();
    let rest = members.filter(|(name, _)| *name != "kind").map(|(name, value)| match value {
        Value::String(text) if name == "stage" => format!("`{text}`"),
        Value::String(text) => format!("{name} {text}"),
        Value::Bool(true) => name.clone(),
        other => format!("{name} {other}"),
    });
    std::iter::once(kind).chain(rest).collect::<Vec<_>>().join(" ")
}
