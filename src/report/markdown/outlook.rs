//! Sections of the Markdown form that need more than mapping and documents.

use std::fmt::Write;

use super::escape;
use crate::report::dry_run::{Report, TenantReport};
use crate::report::forecast::{Day, duration, hundredths};
use crate::report::shadow::Shadowed;

/// Calendar, forecast, captured chats, the agent's view.
pub(super) fn tenant(tenant: &TenantReport, out: &mut String) -> std::fmt::Result {
    let outlook = &tenant.outlook;
    if !outlook.calendar.is_empty() {
        writeln!(out, "### Calendar\n\n{}\n", outlook.shared_calendar())?;
        days(&outlook.calendar, out)?;
        for own in &outlook.button_calendars {
            writeln!(out, "### Calendar of button {}\n", escape(&own.button))?;
            days(&own.calendar, out)?;
        }
    }
    if let Some(s) = &outlook.straddle {
        writeln!(out, "### Chats that run into the removal\n")?;
        writeln!(out, "- the plan's last legacy start: {}", s.last_legacy_start)?;
        writeln!(out, "- last safe start for 99 of 100 chats: {}", s.last_safe_legacy_start)?;
        writeln!(out, "- for the longest captured chat: {}", s.last_safe_for_longest)?;
        writeln!(out, "- by token life: {}", s.last_safe_by_token_life)?;
        writeln!(out, "- captured chats longer than the margin: {}", s.longer_than_margin)?;
        writeln!(out, "- cut on the worst captured day: {}", s.cut_on_the_worst_day)?;
        writeln!(out, "- safe: {}\n", if s.safe { "yes" } else { "no" })?;
    }
    if let Some(c) = &outlook.captured {
        let d = c.durations;
        writeln!(out, "### Captured chats\n")?;
        writeln!(out, "{} chats, {} to {}, {} days old. ", c.chats, c.from, c.to, c.age_days)?;
        writeln!(
            out,
            "Durations: median {}, 95 % {}, 99 % {}, longest {}.\n",
            duration(d.p50),
            duration(d.p95),
            duration(d.p99),
            duration(d.max)
        )?;
        writeln!(
            out,
            "| Label | Attribute | Seen | 50 % | 95 % | 99 % | Longest | Limit | Over |"
        )?;
        writeln!(out, "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for f in &c.fields {
            let l = f.lengths;
            let key = f.key.as_ref().map(|k| format!("`{k}`")).unwrap_or_default();
            let limit = f.limit.map(|l| l.to_string()).unwrap_or_default();
            let (label, lengths) = (
                escape(&f.source),
                [l.p50, l.p95, l.p99, l.max].map(|n| n.to_string()).join(" | "),
            );
            writeln!(out, "| {label} | {key} | {} | {lengths} | {limit} | {} |", l.count, f.over)?;
        }
        writeln!(out)?;
    }
    if let Some(s) = &outlook.shadow {
        shadow(s, out)?;
    }
    view(tenant, out)
}

fn days(calendar: &[Day], out: &mut String) -> std::fmt::Result {
    writeln!(out, "| Day | UTC | Local | to MIAW | Because |\n| --- | --- | --- | ---: | --- |")?;
    for d in calendar {
        let (share, because) = (d.share(), escape(&d.because));
        let strong = if d.change { "**" } else { "" };
        let Day { day, utc, local, .. } = d;
        writeln!(out, "| {day} | {utc} | {local} | {strong}{share}{strong} | {because} |")?;
    }
    writeln!(out)
}

/// How often live traffic has each finding.
fn shadow(s: &Shadowed, out: &mut String) -> std::fmt::Result {
    writeln!(out, "### Shadow counts of live traffic\n\n{}\n", s.headline())?;
    if s.codes.is_empty() {
        return Ok(());
    }
    writeln!(out, "| Finding | | Chats | of 1,000 | Times |\n| --- | --- | ---: | ---: | ---: |")?;
    for c in &s.codes {
        let (code, slug, severity) = (escape(&c.code), c.slug, c.severity);
        writeln!(
            out,
            "| {code} {slug} | {severity} | {} | {} | {} |",
            c.inits, c.per_mille, c.findings
        )?;
    }
    writeln!(out)
}

fn view(tenant: &TenantReport, out: &mut String) -> std::fmt::Result {
    let outlook = &tenant.outlook;
    if outlook.agent_view.is_empty() {
        return Ok(());
    }
    let l = &outlook.lossiness;
    writeln!(out, "### What the agent sees, before and after\n")?;
    writeln!(out, "**Lossiness {} of 100**: {}.", l.score, l.formula)?;
    writeln!(
        out,
        "Values {}, lost {}, cut {}; record fields {}; transcript fields {}; seen {}, seen lost \
         {}.\n",
        l.values,
        l.values_lost,
        l.values_cut,
        l.record_fields,
        l.transcript_fields,
        l.seen,
        l.seen_lost
    )?;
    writeln!(out, "| Label | Legacy | MIAW by itself | What brings it back |")?;
    writeln!(out, "| --- | --- | --- | --- |")?;
    for s in &outlook.agent_view {
        let cells = [&s.source, &s.legacy, &s.miaw, &s.by_flow].map(|cell| escape(cell));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    writeln!(out)
}

/// Rates of each org and settings of legacy components.
pub(super) fn shared(report: &Report, out: &mut String) -> std::fmt::Result {
    if !report.rates.is_empty() {
        writeln!(out, "## Rates per org\n\n| Org | What | Captured peak | At | Limit | Share |")?;
        writeln!(out, "| --- | --- | ---: | --- | ---: | ---: |")?;
        for r in &report.rates {
            let (peak, at) = (hundredths(r.peak_hundredths), r.at.as_deref().unwrap_or("–"));
            let org = &r.organization_id;
            writeln!(
                out,
                "| {org} | {} | {peak} | {at} | {} | {} % |",
                r.what, r.limit, r.percent
            )?;
        }
        writeln!(out)?;
    }
    if !report.legacy_settings.is_empty() {
        writeln!(out, "## Settings of buttons and deployments\n")?;
        writeln!(out, "| Component | Setting | Legacy | Becomes | MIAW |")?;
        writeln!(out, "| --- | --- | --- | --- | --- |")?;
        for s in &report.legacy_settings {
            let cells = [&s.component, &s.setting, &s.legacy].map(|cell| escape(cell));
            let (fate, miaw) = (s.fate.word(), escape(&s.miaw));
            writeln!(out, "| {} | {fate} | {miaw} |", cells.join(" | "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
