//! The report as Markdown.

use std::fmt::Write;

mod outlook;

use super::dry_run::{Report, Sample, Shown, TenantReport};
use super::finding::Severity;
use super::groups::{self, Group};
use crate::mapping::translation::{Fate, Field};

/// Renders the report.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let summary = &report.summary;
    writeln!(out, "# Migration dry run\n")?;
    writeln!(out, "**{}** (as of {})\n", groups::headline(report), report.as_of)?;
    writeln!(
        out,
        "{}, {}, {}, {} accepted; {} and {} looked at.\n",
        groups::counted(summary.errors, "error"),
        groups::counted(summary.warnings, "warning"),
        groups::counted(summary.notes, "note"),
        summary.accepted,
        groups::counted(summary.tenants, "tenant"),
        groups::counted(summary.documents, "document"),
    )?;
    if !report.next_steps.is_empty() {
        writeln!(out, "## What to do\n")?;
        for step in &report.next_steps {
            let todo = escape(&step.todo);
            writeln!(out, "- [ ] **{} {}** ({}) {todo}", step.code, step.slug, step.severity)?;
        }
        writeln!(out)?;
    }
    for tenant in &report.tenants {
        write_tenant(tenant, out)?;
    }
    outlook::shared(report, out)?;
    writeln!(out, "## Findings\n")?;
    for group in groups::groups(report) {
        write_group(report, &group, out)?;
    }
    writeln!(out, "## What this report covers\n")?;
    for line in &report.covers {
        writeln!(out, "- {line}")?;
    }
    writeln!(out, "\nNot covered:\n")?;
    for line in &report.does_not_cover {
        writeln!(out, "- {line}")?;
    }
    writeln!(
        out,
        "\n## Evidence\n\n| File | Kind | Age | Bytes | SHA-256 |\n\
         | --- | --- | --- | ---: | --- |"
    )?;
    for item in &report.evidence {
        let name = escape(&item.name);
        let (kind, age) = (item.kind, item.age());
        writeln!(out, "| {name} | {kind} | {age} | {} | `{}` |", item.bytes, item.sha256)?;
    }
    writeln!(out, "\nEvidence hash: `{}`", report.evidence_hash)
}

fn write_group(report: &Report, group: &Group<'_>, out: &mut String) -> std::fmt::Result {
    let entry = group.code.entry();
    let accepted = if group.accepted { ", accepted" } else { "" };
    let severity = group.severity;
    writeln!(out, "### {} {} — {} ({severity}{accepted})\n", entry.id, entry.slug, entry.title)?;
    writeln!(out, "{}\n", entry.means)?;
    for reported in &group.findings {
        let place = groups::place(report, reported);
        writeln!(out, "- `{}`: {}", code(&place), escape(&reported.finding.message))?;
        if group.severity != Severity::Note || reported.finding.todo != entry.todo {
            writeln!(out, "  - To do: {}", escape(&reported.finding.todo))?;
        }
        if let Some(accepted) = &reported.accepted {
            let reason = escape(&accepted.reason);
            writeln!(out, "  - Accepted until {}: {reason}", accepted.until)?;
        }
    }
    writeln!(out)
}

fn write_tenant(tenant: &TenantReport, out: &mut String) -> std::fmt::Result {
    writeln!(out, "## Tenant {}\n", escape(&tenant.id))?;
    let mapping = tenant.mapping.as_deref().unwrap_or("built-in rules alone");
    writeln!(out, "Mapping: {}\n", escape(mapping))?;
    if !tenant.routing.is_empty() {
        writeln!(out, "| New chat at (UTC) | Local | | Goes to | Because |")?;
        writeln!(out, "| --- | --- | --- | --- | --- |")?;
        for row in &tenant.routing {
            let because = escape(&row.because);
            let (label, route) = (escape(&row.label), escape(&row.route));
            writeln!(out, "| {} | {} | {label} | **{route}** | {because} |", row.utc, row.local)?;
        }
        writeln!(out)?;
    }
    for sample in &tenant.samples {
        write_sample(sample, out)?;
    }
    outlook::tenant(tenant, out)
}

fn write_sample(sample: &Sample, out: &mut String) -> std::fmt::Result {
    writeln!(out, "### {}\n", escape(&sample.document))?;
    writeln!(out, "| Routing attribute | Value |\n| --- | --- |")?;
    for (key, shown) in &sample.routing_attributes {
        writeln!(out, "| `{key}` | {} |", escape(&value(shown)))?;
    }
    if let Some(shown) = &sample.opening_message {
        writeln!(out, "| *opening message* | {} |", escape(&value(shown)))?;
    }
    if let Some(language) = &sample.language {
        writeln!(out, "| *language* | {} |", escape(language))?;
    }
    writeln!(out, "\n| Field | fed | becomes | |\n| --- | --- | --- | --- |")?;
    for field in &sample.fields {
        let fed = escape(&fed(field));
        let key = field.key.as_deref().map_or_else(|| "–".to_owned(), |key| format!("`{key}`"));
        writeln!(out, "| {} | {fed} | {key} | {} |", escape(&field.source), fate(field))?;
    }
    writeln!(out)
}

/// The value, or its length and hash.
pub(super) fn value(shown: &Shown) -> String {
    shown.value.clone().unwrap_or_else(|| format!("{} characters, #{}", shown.length, shown.hash))
}

/// What legacy filled from a field.
pub(super) fn fed(field: &Field) -> String {
    let targets = field.targets.iter().cloned();
    let transcript = field.transcript_fields.iter().map(|t| format!("transcript {t}"));
    targets.chain(transcript).collect::<Vec<_>>().join(", ")
}

/// What became of a field, in words.
pub(super) fn fate(field: &Field) -> String {
    let words = match field.fate {
        Fate::Sent => "sent".to_owned(),
        Fate::Cut => format!("cut from {} to {}", field.length, field.limit),
        Fate::Collapsed => "same as another".to_owned(),
        Fate::Empty => "no value".to_owned(),
        Fate::Dropped => "left out".to_owned(),
        Fate::Unplaced => "nowhere to go".to_owned(),
    };
    if field.dynamic { format!("{words}, dynamic") } else { words }
}

/// Keeps table cells and markup whole, whatever a name holds. Names in backticks stay readable.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        match c {
            '\n' => out.push_str("<br>"),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '`' => {
                in_code = !in_code;
                out.push(c);
            }
            '|' => out.push_str("\\|"),
            '*' | '[' | ']' | '#' | '_' | '\\' if !in_code => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    if in_code {
        out.push('`');
    }
    out
}

fn code(text: &str) -> String {
    text.replace(['`', '\n'], " ")
}
