//! The report as one self-contained HTML page: no script, no outside file, prints well.

use std::fmt::Write;

use super::dry_run::{Report, Sample, TenantReport};
use super::finding::Severity;
use super::groups::{self, Group};
use super::markdown::{fate, fed, value};
use crate::mapping::translation::Fate;

mod charts;
mod outlook;

const STYLE: &str = include_str!("html/style.css");

/// Renders the report.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let headline = groups::headline(report);
    let verdict = match report.summary.errors {
        0 if report.summary.warnings == 0 => "clean",
        0 => "warning",
        _ => "error",
    };
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Migration dry run: {headline}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header class=\"{verdict}\">\n<p class=\"kicker\">Live Agent → Messaging for In-App and \
         Web (Enhanced Chat) · migration dry run</p>\n<h1>{headline}</h1>\n\
         <p class=\"asof\">As of <time>{}</time> · {} · {}</p>\n",
        escape(&report.as_of),
        groups::counted(report.summary.tenants, "tenant"),
        groups::counted(report.summary.documents, "document"),
    )?;
    write_bar(report, out)?;
    out.push_str("</header>\n<main>\n");
    write_steps(report, out)?;
    for tenant in &report.tenants {
        write_tenant(tenant, &report.as_of, out)?;
    }
    outlook::shared(report, out)?;
    out.push_str("<section>\n<h2>Findings</h2>\n");
    for group in groups::groups(report) {
        write_group(report, &group, out)?;
    }
    out.push_str("</section>\n");
    write_scope(report, out)?;
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

/// Findings by severity as one bar with its legend.
fn write_bar(report: &Report, out: &mut String) -> std::fmt::Result {
    const WIDTH: usize = 720;
    let s = &report.summary;
    let parts = [
        (s.errors, "error", "error"),
        (s.warnings, "warning", "warning"),
        (s.notes, "note", "note"),
        (s.accepted, "accepted", "accepted"),
    ];
    let total: usize = parts.iter().map(|(count, _, _)| count).sum();
    let label = parts.map(|(count, word, _)| format!("{count} {word}")).join(", ");
    write!(
        out,
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} 22\" role=\"img\" aria-label=\"Findings: {label}\" \
         preserveAspectRatio=\"none\">\n<rect class=\"track\" width=\"{WIDTH}\" height=\"22\" \
         rx=\"4\"/>\n"
    )?;
    let mut before = 0;
    for (count, _, class) in parts.into_iter().filter(|(count, _, _)| *count > 0) {
        let (from, to) = (before * WIDTH / total.max(1), (before + count) * WIDTH / total.max(1));
        let width = to.saturating_sub(from).saturating_sub(2).max(1);
        writeln!(
            out,
            "<rect class=\"{class}\" x=\"{from}\" width=\"{width}\" height=\"22\" rx=\"4\"/>"
        )?;
        before += count;
    }
    out.push_str("</svg>\n<figcaption>");
    for (count, word, class) in parts {
        let word = if class == "accepted" { "accepted".to_owned() } else { plural(count, word) };
        write!(out, "<span class=\"key {class}\"></span><b>{count}</b> {word} ")?;
    }
    out.push_str("</figcaption>\n</figure>\n");
    Ok(())
}

fn plural(count: usize, word: &str) -> String {
    format!("{word}{}", if count == 1 { "" } else { "s" })
}

fn write_steps(report: &Report, out: &mut String) -> std::fmt::Result {
    if report.next_steps.is_empty() {
        return Ok(());
    }
    out.push_str("<section>\n<h2>What to do</h2>\n<ol class=\"steps\">\n");
    for step in &report.next_steps {
        let places = if step.places > 1 {
            format!(" <span class=\"dim\">in {} places</span>", step.places)
        } else {
            String::new()
        };
        writeln!(
            out,
            "<li><span class=\"box\" aria-hidden=\"true\"></span><span class=\"tag {}\">{} {}\
             </span> {}{places}</li>",
            step.severity,
            step.code,
            step.slug,
            escape(&step.todo)
        )?;
    }
    out.push_str("</ol>\n</section>\n");
    Ok(())
}

fn write_tenant(tenant: &TenantReport, as_of: &str, out: &mut String) -> std::fmt::Result {
    let mapping = tenant.mapping.as_deref().unwrap_or("built-in rules alone");
    writeln!(
        out,
        "<section>\n<h2>Tenant {}</h2>\n<p class=\"dim\">Mapping: {}</p>",
        escape(&tenant.id),
        escape(mapping)
    )?;
    if !tenant.routing.is_empty() {
        out.push_str("<h3>Where a new chat goes</h3>\n");
        charts::timeline(&tenant.outlook, as_of, out)?;
        out.push_str(
            "<div class=\"scroll\"><table>\n<thead><tr>\
             <th>When</th><th>UTC</th><th>Local</th><th>Goes to</th><th>Because</th></tr></thead>\n\
             <tbody>\n",
        );
        for row in &tenant.routing {
            let class = if row.route == "legacy" { "legacy" } else { "miaw" };
            writeln!(
                out,
                "<tr><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td>\
                 <span class=\"route {class}\">{}</span></td><td>{}</td></tr>",
                escape(&row.label),
                escape(&row.utc),
                escape(&row.local),
                escape(&row.route),
                escape(&row.because)
            )?;
        }
        out.push_str("</tbody></table></div>\n");
    }
    outlook::calendar(&tenant.outlook, out)?;
    for sample in &tenant.samples {
        write_sample(sample, out)?;
    }
    outlook::tenant(tenant, out)?;
    out.push_str("</section>\n");
    Ok(())
}

/// The field flow: from the label to the attribute.
fn write_sample(sample: &Sample, out: &mut String) -> std::fmt::Result {
    writeln!(out, "<h3>{}</h3>", escape(&sample.document))?;
    charts::flow(&sample.fields, out)?;
    out.push_str(
        "<div class=\"scroll\"><table class=\"flow\">\n<thead><tr><th>Pre-chat field</th>\
         <th>Legacy filled</th><th></th><th>Routing attribute</th><th>Value</th><th>Outcome</th>\
         </tr></thead>\n<tbody>\n",
    );
    for field in &sample.fields {
        let key = field.key.as_deref();
        let shown = key.and_then(|k| sample.routing_attributes.get(k)).map(value);
        let class = match field.fate {
            Fate::Sent => "sent",
            Fate::Cut | Fate::Unplaced => "bad",
            Fate::Collapsed | Fate::Empty | Fate::Dropped => "out",
        };
        let arrow = if key.is_some() { "→" } else { "×" };
        writeln!(
            out,
            "<tr class=\"{class}\"><td>{}</td><td>{}</td><td class=\"arrow\">{arrow}</td>\
             <td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escape(&field.source),
            escape(&fed(field)),
            escape(key.unwrap_or_default()),
            escape(&shown.unwrap_or_default()),
            escape(&fate(field))
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    if let Some(shown) = &sample.opening_message {
        writeln!(
            out,
            "<p>Opening message: <span class=\"pre\">{}</span></p>",
            escape(&value(shown))
        )?;
    }
    if let Some(language) = &sample.language {
        writeln!(out, "<p>Language: <code>{}</code></p>", escape(language))?;
    }
    Ok(())
}

fn write_group(report: &Report, group: &Group<'_>, out: &mut String) -> std::fmt::Result {
    let entry = group.code.entry();
    let class = if group.accepted { "accepted" } else { group.severity.word() };
    let open = if group.severity == Severity::Note || group.accepted { "" } else { " open" };
    writeln!(
        out,
        "<details class=\"{class}\"{open}><summary><span class=\"tag {class}\">{} {}</span> {} \
         <span class=\"dim\">{class} × {}</span></summary>\n<p>{}</p>\n<ul>",
        entry.id,
        entry.slug,
        escape(entry.title),
        group.findings.len(),
        escape(entry.means)
    )?;
    for reported in &group.findings {
        writeln!(
            out,
            "<li><code>{}</code> <span class=\"pre\">{}</span><br><span class=\"dim\">To do:</span> {}",
            escape(&groups::place(report, reported)),
            escape(&reported.finding.message),
            escape(&reported.finding.todo)
        )?;
        if let Some(accepted) = &reported.accepted {
            let reason = escape(&accepted.reason);
            write!(out, "<br><b>Accepted until {}:</b> {reason}", accepted.until)?;
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ul></details>\n");
    Ok(())
}

fn write_scope(report: &Report, out: &mut String) -> std::fmt::Result {
    out.push_str("<section class=\"two\">\n<div><h2>Covered</h2>\n<ul>\n");
    for line in &report.covers {
        writeln!(out, "<li>{}</li>", escape(line))?;
    }
    out.push_str("</ul></div>\n<div><h2>Not covered</h2>\n<ul>\n");
    for line in &report.does_not_cover {
        writeln!(out, "<li>{}</li>", escape(line))?;
    }
    out.push_str(
        "</ul></div>\n</section>\n<section>\n<h2>Evidence</h2>\n<div class=\"scroll\">\
                  <table class=\"evidence\">\n<thead><tr><th>File</th><th>Kind</th><th>Age</th>\
                  <th>Bytes</th><th>SHA-256</th></tr></thead>\n<tbody>\n",
    );
    for item in &report.evidence {
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"num\">{}</td><td><code>{}</code></td>\
             </tr>",
            escape(&item.name),
            item.kind,
            item.age(),
            item.bytes,
            item.sha256
        )?;
    }
    writeln!(
        out,
        "</tbody></table></div>\n<p>Evidence hash <code>{}</code></p>\n<div class=\"sign\">\
         <p>Read and accepted by</p><p>Date</p></div>\n</section>",
        report.evidence_hash
    )
}

/// Escapes for text and for quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => {}
            c => out.push(c),
        }
    }
    out
}
