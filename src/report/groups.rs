//! Findings by code, for the forms people read.

use super::dry_run::{Report, Reported};
use super::finding::{Code, Severity};

/// Findings that share code, severity and advice.
pub(super) struct Group<'r> {
    pub(super) code: Code,
    pub(super) severity: Severity,
    pub(super) accepted: bool,
    pub(super) findings: Vec<&'r Reported>,
}

/// The report's findings are sorted, so neighbours belong together.
pub(super) fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for reported in &report.findings {
        let (code, severity) = (reported.finding.code, reported.finding.severity);
        let accepted = reported.accepted.is_some();
        match groups.last_mut() {
            Some(group)
                if (group.code, group.severity, group.accepted) == (code, severity, accepted) =>
            {
                group.findings.push(reported);
            }
            _ => groups.push(Group { code, severity, accepted, findings: vec![reported] }),
        }
    }
    groups
}

/// The place of a finding for people: tenant and document where they tell something.
pub(super) fn place(report: &Report, reported: &Reported) -> String {
    let mut parts = Vec::new();
    if report.tenants.len() > 1 {
        parts.push(reported.tenant.as_str());
    }
    if report.evidence.len() > 1 {
        parts.extend(reported.document.as_deref());
    }
    parts.push(&reported.finding.path);
    parts.join(" · ")
}

/// The headline of a report.
pub(super) const fn headline(report: &Report) -> &'static str {
    match report.verdict {
        super::dry_run::Verdict::Clean => "Ready: nothing is lost that is not accepted",
        super::dry_run::Verdict::Warnings => "Ready with losses: read each warning before signing",
        super::dry_run::Verdict::Errors => "Not ready: errors block the cutover",
    }
}

/// `1 error`, `2 errors`.
pub(super) fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
