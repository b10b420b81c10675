//! Tables of the page that need more than mapping and documents.

use std::fmt::Write;

use super::escape;
use crate::report::dry_run::{Report, TenantReport};
use crate::report::finding::Severity;
use crate::report::forecast::{Day, duration, hundredths};
use crate::report::outlook::Outlook;
use crate::report::shadow::{Counted, Shadowed};

/// A table of escaped cells; a row may have a class.
fn table(out: &mut String, heads: &[&str], rows: &[(&str, Vec<String>)]) -> std::fmt::Result {
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for head in heads {
        write!(out, "<th>{}</th>", escape(head))?;
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (class, cells) in rows {
        write!(out, "<tr class=\"{class}\">")?;
        for cell in cells {
            write!(out, "<td>{}</td>", escape(cell))?;
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

/// A tenant's calendar in full, folded away.
pub(super) fn calendar(outlook: &Outlook, out: &mut String) -> std::fmt::Result {
    if outlook.calendar.is_empty() {
        return Ok(());
    }
    writeln!(out, "<p>{}</p>", escape(&outlook.shared_calendar()))?;
    days("Calendar, day by day", &outlook.calendar, out)?;
    for own in &outlook.button_calendars {
        days(&format!("Calendar of button {}", own.button), &own.calendar, out)?;
    }
    Ok(())
}

fn days(title: &str, calendar: &[Day], out: &mut String) -> std::fmt::Result {
    writeln!(out, "<details class=\"days\"><summary>{}</summary>", escape(title))?;
    let rows: Vec<(&str, Vec<String>)> = calendar
        .iter()
        .map(|d| {
            let class = if d.change { "change" } else { "" };
            let day = d.day.replace('-', "−");
            (class, vec![day, d.utc.clone(), d.local.clone(), d.share(), d.because.clone()])
        })
        .collect();
    table(out, &["Day", "UTC", "Local", "to MIAW", "Because"], &rows)?;
    out.push_str("</details>\n");
    Ok(())
}

/// Chats and the removal, captured chats, the agent's view.
pub(super) fn tenant(tenant: &TenantReport, out: &mut String) -> std::fmt::Result {
    let outlook = &tenant.outlook;
    if let Some(s) = &outlook.straddle {
        out.push_str("<h3>Chats that run into the removal</h3>\n");
        let row = |name: &str, value: String| ("", vec![name.to_owned(), value]);
        let rows = [
            row("the plan's last legacy start", s.last_legacy_start.clone()),
            row("last safe start for 99 of 100 chats", s.last_safe_legacy_start.clone()),
            row("last safe start for the longest captured chat", s.last_safe_for_longest.clone()),
            row("last safe start by token life", s.last_safe_by_token_life.clone()),
            row("captured chats longer than the margin", s.longer_than_margin.to_string()),
            row("cut on the worst captured day", s.cut_on_the_worst_day.to_string()),
            row("safe", if s.safe { "yes" } else { "no" }.to_owned()),
        ];
        table(out, &["Forecast", ""], &rows)?;
    }
    if let Some(c) = &outlook.captured {
        let d = c.durations;
        writeln!(
            out,
            "<h3>Captured chats</h3>\n<p>{} chats, {} to {}, {} days old. Durations: median {}, \
             95 % {}, 99 % {}, longest {}.</p>",
            c.chats,
            escape(&c.from),
            escape(&c.to),
            c.age_days,
            duration(d.p50),
            duration(d.p95),
            duration(d.p99),
            duration(d.max)
        )?;
        let rows: Vec<(&str, Vec<String>)> = c
            .fields
            .iter()
            .map(|f| {
                let l = f.lengths;
                let mut cells = vec![f.source.clone(), f.key.clone().unwrap_or_default()];
                cells.extend([l.count.to_string()]);
                cells.extend([l.p50, l.p95, l.p99, l.max].map(|n| n.to_string()));
                cells.push(f.limit.map(|l| l.to_string()).unwrap_or_default());
                cells.push(f.over.to_string());
                (if f.over > 0 { "bad" } else { "" }, cells)
            })
            .collect();
        let heads =
            ["Label", "Attribute", "Seen", "50 %", "95 %", "99 %", "Longest", "Limit", "Over"];
        table(out, &heads, &rows)?;
    }
    if let Some(s) = &outlook.shadow {
        shadow(s, out)?;
    }
    view(outlook, out)
}

/// How often live traffic has each finding.
fn shadow(s: &Shadowed, out: &mut String) -> std::fmt::Result {
    let headline = escape(&s.headline());
    writeln!(out, "<h3>Shadow counts of live traffic</h3>\n<p>{headline}</p>")?;
    if s.codes.is_empty() {
        return Ok(());
    }
    let row = |c: &Counted| {
        let class = if c.severity == Severity::Error { "bad" } else { "" };
        let numbers = [c.inits, c.per_mille, c.findings].map(|n| n.to_string());
        let cells = vec![format!("{} {}", c.code, c.slug), c.severity.to_string()];
        (class, [cells, numbers.to_vec()].concat())
    };
    let rows: Vec<(&str, Vec<String>)> = s.codes.iter().map(row).collect();
    table(out, &["Finding", "Severity", "Chats", "of 1,000", "Times"], &rows)
}

fn view(outlook: &Outlook, out: &mut String) -> std::fmt::Result {
    if outlook.agent_view.is_empty() {
        return Ok(());
    }
    let l = &outlook.lossiness;
    writeln!(
        out,
        "<h3>What the agent sees, before and after</h3>\n<p><b class=\"score\">Lossiness {} of \
         100</b><br><span class=\"dim\">{}: values {}, lost {}, cut {}; record fields {}; \
         transcript fields {}; seen {}, seen lost {}</span></p>",
        l.score,
        escape(l.formula),
        l.values,
        l.values_lost,
        l.values_cut,
        l.record_fields,
        l.transcript_fields,
        l.seen,
        l.seen_lost
    )?;
    let rows: Vec<(&str, Vec<String>)> = outlook
        .agent_view
        .iter()
        .map(|s| {
            let cells = [&s.source, &s.legacy, &s.miaw, &s.by_flow].map(Clone::clone);
            (if s.lost { "lost" } else { "" }, cells.to_vec())
        })
        .collect();
    table(out, &["Label", "Legacy", "MIAW by itself", "What brings it back"], &rows)
}

/// Rates of each org and settings of legacy components.
pub(super) fn shared(report: &Report, out: &mut String) -> std::fmt::Result {
    if !report.rates.is_empty() {
        out.push_str("<section>\n<h2>Rates per org</h2>\n");
        let rows: Vec<(&str, Vec<String>)> = report
            .rates
            .iter()
            .map(|r| {
                let at = r.at.clone().unwrap_or_default();
                let peak = hundredths(r.peak_hundredths);
                let (limit, share) = (r.limit.to_string(), format!("{} %", r.percent));
                let cells = vec![r.organization_id.clone(), r.what.to_owned(), peak, at];
                let cells = [cells, vec![limit, share]].concat();
                (if r.percent >= 80 { "bad" } else { "" }, cells)
            })
            .collect();
        table(out, &["Org", "What", "Captured peak", "At", "Limit", "Share"], &rows)?;
        out.push_str("</section>\n");
    }
    if !report.legacy_settings.is_empty() {
        out.push_str("<section>\n<h2>Settings of buttons and deployments</h2>\n");
        let rows: Vec<(&str, Vec<String>)> = report
            .legacy_settings
            .iter()
            .map(|s| {
                let fate = s.fate.word().to_owned();
                let miaw = s.miaw.clone();
                ("", vec![s.component.clone(), s.setting.clone(), s.legacy.clone(), fate, miaw])
            })
            .collect();
        table(out, &["Component", "Setting", "Legacy", "Becomes", "MIAW"], &rows)?;
        out.push_str("</section>\n");
    }
    Ok(())
}
