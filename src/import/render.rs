//! The button table and the to-do list as Markdown, and the summary for a terminal.
//!
//! Promised: the same import gives the same bytes.

use std::fmt::Write as _;

use super::{Import, Step};

/// A text inside a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).map_or_else(|| "–".to_owned(), cell)
}

/// `buttons.md`
pub(super) fn buttons(import: &Import) -> String {
    let mut out = format!(
        "# Buttons of {}\n\nA button id means nothing to MIAW. Each line says where its chats \
         should go.\n\n\
         | id | name | queue | skills | time-outs | mapping | suggested target |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
        import.tenant
    );
    for button in &import.buttons {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            or_dash(button.id.as_deref()),
            cell(button.title()),
            or_dash(button.queue.as_deref()),
            or_dash(Some(&button.skills.join(", "))),
            or_dash(Some(&button.timeouts.join(", "))),
            or_dash(button.mapping.as_deref()),
            cell(&button.target)
        );
    }
    let titled = import.buttons.iter().map(|b| (b.title(), &b.joined_by, &b.settings));
    let deployment = ("The deployment", &None, &import.deployment_settings);
    for (title, joined, settings) in titled.chain([deployment]) {
        if settings.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n## {}\n", cell(title));
        if let Some(ground) = joined {
            let _ = writeln!(out, "Id and metadata are one button by: {}.\n", cell(ground));
        }
        out.push_str("| legacy setting | value | becomes | in MIAW | read in |\n");
        out.push_str("| --- | --- | --- | --- | --- |\n");
        for setting in settings {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                cell(&setting.name),
                cell(&setting.value),
                setting.fate.label(),
                cell(&setting.miaw),
                cell(&setting.place.to_string())
            );
        }
    }
    out
}

/// `todo.md`
pub(super) fn todo(import: &Import) -> String {
    let open = |step: &&Step| !step.done;
    let minutes: u32 = import.todo.iter().filter(open).map(|step| step.minutes).sum();
    let count = import.todo.iter().filter(open).count();
    let mut out = format!(
        "# To do for {}\n\n{count} steps are open, about {minutes} minutes. A ticked step was \
         seen to be done in an export.\n\nLive Agent Base URL for the client: `{}`\n",
        import.tenant, import.base_url
    );
    let mut group = "";
    for step in &import.todo {
        if step.group != group {
            group = step.group;
            let of_group = import.todo.iter().filter(|s| s.group == group).filter(open);
            let sum: u32 = of_group.map(|s| s.minutes).sum();
            let _ = writeln!(out, "\n## {group} ({sum} min)\n");
        }
        let tick = if step.done { 'x' } else { ' ' };
        let text = step.text.replace(['\n', '\r'], " ");
        let _ = write!(out, "- [{tick}] {text} ({} min)", step.minutes);
        if let Some(ground) = &step.ground {
            let _ = write!(out, " – {}", ground.replace(['\n', '\r'], " "));
        }
        out.push('\n');
    }
    if !import.problems.is_empty() {
        out.push_str("\n## Noticed while reading\n\n");
        for problem in &import.problems {
            let text = problem.to_string().replace("\n  help: ", "; ").replace(['\n', '\r'], " ");
            let _ = writeln!(out, "- {text}");
        }
    }
    out
}

/// What a terminal shows.
pub(super) fn summary(import: &Import) -> String {
    let mut out = format!("tenant {}\n\nrecognised:\n", import.tenant);
    for found in &import.recognized {
        let _ = writeln!(out, "  {}: {}", found.place, found.kind.label());
    }
    if !import.unrecognized.is_empty() {
        out.push_str("\nnot recognised:\n");
    }
    for file in &import.unrecognized {
        let _ = writeln!(out, "  {}: {}", file.file, file.reason);
    }
    if !import.problems.is_empty() {
        out.push('\n');
    }
    for problem in &import.problems {
        let _ = writeln!(out, "{problem}");
    }
    if !import.buttons.is_empty() {
        out.push_str("\nbuttons:\n");
    }
    for button in &import.buttons {
        let id = button.id.as_deref().unwrap_or("(id unknown)");
        let _ = writeln!(out, "  {id} {}: {}", super::id::plain(button.title()), button.target);
    }
    if !import.missing.is_empty() {
        out.push_str("\nmissing, so `check` will not accept the tenant file yet:\n");
    }
    for missing in &import.missing {
        let _ = writeln!(out, "  {} ({})", missing.key, missing.source);
    }
    let open: Vec<&Step> = import.todo.iter().filter(|step| !step.done).collect();
    let minutes: u32 = open.iter().map(|step| step.minutes).sum();
    let _ = writeln!(out, "\nto do: {} steps, about {minutes} minutes (todo.md)", open.len());
    let _ = writeln!(out, "Live Agent Base URL for the client: {}", import.base_url);
    out
}
