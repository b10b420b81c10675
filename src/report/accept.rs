//! Acceptances and what is left to do.
//!
//! Promised: an acceptance covers its code at its path until its last day (UTC); one that is past
//! its day is an error, one that matched nothing a note.

use std::collections::{BTreeMap, BTreeSet};

use super::codes::values::{PC162, PC163};
use super::dry_run::{Accepted, NextStep, Reported, Tenant};
use super::finding::{Finding, Severity};
use crate::mapping::Mapping;
use crate::mapping::file::Accept;
use crate::time::Wall;

/// Marks what is accepted, and reports acceptances that expired or matched nothing.
pub(super) fn accept(
    tenant: &Tenant,
    as_of: Wall,
    found: Vec<(Option<String>, Finding)>,
    out: &mut Vec<Reported>,
) {
    let today = jiff::Timestamp::from_millisecond(as_of.millis())
        .map(|t| t.to_zoned(jiff::tz::TimeZone::UTC).date())
        .unwrap_or_default();
    let files = tenant.mapping.files().enumerate();
    let (places, list): (Vec<String>, Vec<&Accept>) = files
        .flat_map(|(f, file)| {
            let all = file.accept.iter().enumerate();
            all.map(move |(i, a)| (format!("{}.accept[{i}]", Mapping::path(f)), a))
        })
        .unzip();
    let mut used = BTreeSet::<usize>::new();
    let report = |document, finding, accepted| Reported {
        tenant: tenant.id.clone(),
        document,
        finding,
        accepted,
    };
    for (document, finding) in found {
        let covers = |a: &Accept| finding.code.is_named(&a.code) && a.covers(&finding.path);
        let matching: Vec<usize> =
            list.iter().enumerate().filter(|(_, a)| covers(a)).map(|(i, _)| i).collect();
        used.extend(&matching);
        let standing = matching.iter().map(|i| list[*i]).find(|a| a.until >= today);
        let accepted =
            standing.map(|a| Accepted { reason: a.reason.clone(), until: a.until.to_string() });
        out.push(report(document, finding, accepted));
    }
    for (i, (acceptance, path)) in list.iter().zip(places).enumerate() {
        let (code, until) = (&acceptance.code, acceptance.until);
        if until < today {
            let message = format!("the acceptance of {code} ended on {until}");
            out.push(report(None, PC162.at(path, message), None));
        } else if !used.contains(&i) {
            let message = format!("{code} was not found where it is accepted");
            out.push(report(None, PC163.at(path, message), None));
        }
    }
}

/// What is not accepted and more than a note, once per advice.
pub(super) fn next_steps(findings: &[Reported]) -> Vec<NextStep> {
    let mut steps: Vec<NextStep> = Vec::new();
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let open = findings.iter().filter(|r| r.accepted.is_none());
    for reported in open.filter(|r| r.finding.severity != Severity::Note) {
        let finding = &reported.finding;
        let entry = finding.code.entry();
        match seen.get(&(entry.id, finding.todo.as_str())) {
            Some(at) => steps[*at].places += 1,
            None => {
                seen.insert((entry.id, finding.todo.as_str()), steps.len());
                steps.push(NextStep {
                    severity: finding.severity,
                    code: entry.id,
                    slug: entry.slug,
                    todo: finding.todo.clone(),
                    places: 1,
                });
            }
        }
    }
    steps
}
