//! The migration dry run: what would become of these pre-chat documents under this configuration.
//!
//! Promised: the live translation is used, not a copy of it; equal inputs give equal bytes; values
//! appear as length and salted hash unless asked for. Not promised: anything about the org itself,
//! since nothing here talks to a network.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{Context as Hasher, SHA256, digest};
use serde::Serialize;

use super::codes::prechat::PC001;
use super::codes::values::{PC160, PC161, PC162, PC163};
use super::finding::{Finding, Severity};
use crate::mapping::file::Accept;
use crate::mapping::keys::hex;
use crate::mapping::translation::{Field, Translation};
use crate::mapping::{self, Mapping, values};
use crate::time::Wall;

/// Everything a dry run looks at, as plain data.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The day the report speaks for.
    pub as_of: Wall,
    /// Print values instead of length and hash.
    pub show_values: bool,
    /// The tenants.
    pub tenants: Vec<Tenant>,
    /// The pre-chat documents; each is translated for every tenant.
    pub documents: Vec<Document>,
}

/// One tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// Its mapping file as it was named, `None` for built-in rules alone.
    pub mapping_name: Option<String>,
    /// Its mapping.
    pub mapping: Mapping,
    /// Used where a document does not name its own.
    pub deployment_id: String,
    /// Used where a document does not name its own.
    pub button_id: String,
    /// What the router answers around the removal date.
    pub routing: Vec<RoutingRow>,
    /// Findings about the tenant that were made elsewhere.
    pub findings: Vec<Finding>,
}

/// One pre-chat document.
#[derive(Clone)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.text.len())
    }
}

/// One row of the routing table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoutingRow {
    /// What is special about the instant.
    pub label: String,
    /// The instant in UTC.
    pub utc: String,
    /// The instant in the tenant's zone.
    pub local: String,
    /// `legacy` or `miaw`.
    pub route: String,
    /// Why.
    pub because: String,
}

/// The report. Its JSON form is the interface; Markdown and HTML are derived from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Version of this form.
    pub report_version: u32,
    /// The instant the report speaks for.
    pub as_of: String,
    /// The answer in one word.
    pub verdict: Verdict,
    /// Counts.
    pub summary: Summary,
    /// What to do, heaviest first.
    pub next_steps: Vec<NextStep>,
    /// Every finding, heaviest first.
    pub findings: Vec<Reported>,
    /// Per tenant: routing and samples.
    pub tenants: Vec<TenantReport>,
    /// What was looked at, by hash.
    pub evidence: Vec<Evidence>,
    /// What the report covers.
    pub covers: Vec<&'static str>,
    /// What it does not.
    pub does_not_cover: Vec<&'static str>,
}

/// The answer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is lost.
    Clean,
    /// Something is lost or changed.
    Warnings,
    /// The cutover is not ready.
    Errors,
}

/// Counts of findings that are not accepted, and of accepted ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Not accepted errors.
    pub errors: usize,
    /// Not accepted warnings.
    pub warnings: usize,
    /// Not accepted notes.
    pub notes: usize,
    /// Accepted findings of any severity.
    pub accepted: usize,
    /// Tenants looked at.
    pub tenants: usize,
    /// Documents looked at.
    pub documents: usize,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// The weight of the finding it answers.
    pub severity: Severity,
    /// The finding's id.
    pub code: &'static str,
    /// The finding's slug.
    pub slug: &'static str,
    /// What to do.
    pub todo: String,
    /// In how many places it was found.
    pub places: usize,
}

/// A finding and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// The tenant.
    pub tenant: String,
    /// The document; absent for what concerns the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The finding itself.
    #[serde(flatten)]
    pub finding: Finding,
    /// The acceptance that covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// Why and how long a finding is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The declared reason.
    pub reason: String,
    /// The last day it holds.
    pub until: String,
}

/// One tenant's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantReport {
    /// Its id.
    pub id: String,
    /// Its mapping file.
    pub mapping: Option<String>,
    /// What the router answers around the removal date.
    pub routing: Vec<RoutingRow>,
    /// One per readable document.
    pub samples: Vec<Sample>,
}

/// One translated document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The document's name.
    pub document: String,
    /// The routing attributes.
    pub routing_attributes: BTreeMap<String, Shown>,
    /// The opening message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening_message: Option<Shown>,
    /// The conversation's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Field by field.
    pub fields: Vec<Field>,
}

/// A value, redacted unless the reader asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// UTF-16 units.
    pub length: usize,
    /// Salted with the evidence: equal values have equal hashes within one report only.
    pub hash: String,
    /// The value itself, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// One document by hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The document's name.
    pub name: String,
    /// Its size.
    pub bytes: usize,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

const COVERS: [&str; 5] = [
    "every pre-chat document given, read and translated exactly as a live chat would be",
    "records, links and transcript fields that legacy handled by itself",
    "lengths, keys and collisions under the mapping file",
    "the router's answer around the removal date",
    "accepted losses and whether their dates still hold",
];
const DOES_NOT_COVER: [&str; 5] = [
    "the org: channel parameters, flow, queues and publication were not looked at",
    "traffic: documents that clients send and that are not among the samples",
    "reports, triggers and automation on LiveChatTranscript or MessagingSession",
    "Salesforce's own Chat Transition Readiness Report, which lists deployments; use both",
    "the network: nothing was called",
];

/// Builds the report.
#[must_use]
pub fn build(inputs: &Inputs) -> Report {
    let redactor = Redactor::new(inputs);
    let mut findings = Vec::new();
    let tenants: Vec<TenantReport> =
        inputs.tenants.iter().map(|t| tenant(t, inputs, &redactor, &mut findings)).collect();
    findings.sort_by(|a, b| {
        let key = |r: &Reported| (r.accepted.is_some(), r.finding.severity, r.finding.code);
        key(a).cmp(&key(b))
    });
    let count = |severity| {
        findings.iter().filter(|r| r.accepted.is_none() && r.finding.severity == severity).count()
    };
    let summary = Summary {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
        accepted: findings.iter().filter(|r| r.accepted.is_some()).count(),
        tenants: inputs.tenants.len(),
        documents: inputs.documents.len(),
    };
    let verdict = match (summary.errors, summary.warnings) {
        (0, 0) => Verdict::Clean,
        (0, _) => Verdict::Warnings,
        _ => Verdict::Errors,
    };
    Report {
        report_version: 1,
        as_of: inputs.as_of.to_string(),
        verdict,
        summary,
        next_steps: next_steps(&findings),
        findings,
        tenants,
        evidence: inputs.documents.iter().map(evidence).collect(),
        covers: COVERS.to_vec(),
        does_not_cover: DOES_NOT_COVER.to_vec(),
    }
}

fn evidence(document: &Document) -> Evidence {
    let hash = digest(&SHA256, document.text.as_bytes());
    let sha256 = hex(hash.as_ref(), usize::MAX);
    Evidence { name: document.name.clone(), bytes: document.text.len(), sha256 }
}

fn tenant(
    tenant: &Tenant,
    inputs: &Inputs,
    redactor: &Redactor,
    out: &mut Vec<Reported>,
) -> TenantReport {
    let mut found: Vec<(Option<String>, Finding)> =
        tenant.findings.iter().map(|f| (None, f.clone())).collect();
    let mut samples = Vec::new();
    let mut rules_used = BTreeSet::new();
    for document in &inputs.documents {
        let name = || Some(document.name.clone());
        let (button, deployment) = (&tenant.button_id, &tenant.deployment_id);
        match mapping::translate(&tenant.mapping, &document.text, button, deployment) {
            Err(error) => {
                let message = if redactor.show_values && !error.caret.is_empty() {
                    format!("{error}\n{}", error.caret)
                } else {
                    error.to_string()
                };
                found.push((name(), PC001.at("$", message)));
            }
            Ok(translation) => {
                rules_used.extend(&translation.rules_used);
                found.extend(translation.findings.iter().map(|f| (name(), f.clone())));
                samples.push(sample(document, translation, redactor));
            }
        }
    }
    found.extend(unused_rules(&tenant.mapping, &rules_used).into_iter().map(|f| (None, f)));
    accept(tenant, inputs.as_of, found, out);
    TenantReport {
        id: tenant.id.clone(),
        mapping: tenant.mapping_name.clone(),
        routing: tenant.routing.clone(),
        samples,
    }
}

fn sample(document: &Document, translation: Translation, redactor: &Redactor) -> Sample {
    let shown = |(key, value): (&String, &String)| (key.clone(), redactor.show(value));
    Sample {
        document: document.name.clone(),
        routing_attributes: translation.attributes.iter().map(shown).collect(),
        opening_message: translation.opening_message.as_deref().map(|m| redactor.show(m)),
        language: translation.language,
        fields: translation.fields,
    }
}

fn unused_rules(mapping: &Mapping, used: &BTreeSet<usize>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, rule) in mapping.rules.iter().enumerate() {
        let path = format!("mapping.rule[{i}]");
        if !used.contains(&i) {
            let message = format!("no sample matches {}", rule.selector());
            findings.push(PC160.at(path.clone(), message));
        }
        if let Some(first) = rule.to.as_deref().and_then(|to| keys.insert(to, i)) {
            let message = format!("writes the same key as rule[{first}]");
            findings.push(PC161.at(path, message));
        }
    }
    findings
}

/// Marks what is accepted, and reports acceptances that expired or matched nothing.
fn accept(
    tenant: &Tenant,
    as_of: Wall,
    found: Vec<(Option<String>, Finding)>,
    out: &mut Vec<Reported>,
) {
    let today = jiff::Timestamp::from_millisecond(as_of.millis())
        .map(|t| t.to_zoned(jiff::tz::TimeZone::UTC).date())
        .unwrap_or_default();
    let list = &tenant.mapping.accept;
    let mut used = BTreeSet::<usize>::new();
    let report = |document, finding, accepted| Reported {
        tenant: tenant.id.clone(),
        document,
        finding,
        accepted,
    };
    for (document, finding) in found {
        let covers = |a: &&Accept| finding.code.is_named(&a.code) && a.covers(&finding.path);
        let matching: Vec<usize> =
            list.iter().enumerate().filter(|(_, a)| covers(a)).map(|(i, _)| i).collect();
        used.extend(&matching);
        let standing = matching.iter().map(|i| &list[*i]).find(|a| a.until >= today);
        let accepted =
            standing.map(|a| Accepted { reason: a.reason.clone(), until: a.until.to_string() });
        out.push(report(document, finding, accepted));
    }
    for (i, acceptance) in list.iter().enumerate() {
        let path = format!("mapping.accept[{i}]");
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

fn next_steps(findings: &[Reported]) -> Vec<NextStep> {
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

struct Redactor {
    salt: Vec<u8>,
    show_values: bool,
}

impl Redactor {
    /// The salt comes from the documents: the same run gives the same bytes, and somebody who has
    /// the report alone cannot try values out.
    fn new(inputs: &Inputs) -> Self {
        let mut hasher = Hasher::new(&SHA256);
        for document in &inputs.documents {
            hasher.update(&(document.text.len() as u64).to_be_bytes());
            hasher.update(document.text.as_bytes());
        }
        Self { salt: hasher.finish().as_ref().to_vec(), show_values: inputs.show_values }
    }

    fn show(&self, value: &str) -> Shown {
        let mut hasher = Hasher::new(&SHA256);
        hasher.update(&self.salt);
        hasher.update(value.as_bytes());
        Shown {
            length: values::length(value),
            hash: hex(hasher.finish().as_ref(), 4),
            value: self.show_values.then(|| value.to_owned()),
        }
    }
}

impl Report {
    /// The JSON form, with a newline at its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only maps with non-text keys could fail, and there are none.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }

    /// The exit code: 0 clean, 1 warnings when `strict`, 2 errors.
    #[must_use]
    pub const fn exit_code(&self, strict: bool) -> u8 {
        match self.verdict {
            Verdict::Errors => 2,
            Verdict::Warnings if strict => 1,
            _ => 0,
        }
    }
}
