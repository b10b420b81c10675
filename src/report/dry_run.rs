//! The migration dry run: what would become of these pre-chat documents under this configuration.
//!
//! Promised: the live translation is used, not a copy of it; equal inputs give equal bytes; values
//! appear as length and salted hash unless asked for. Not promised: anything about the org itself,
//! since nothing here talks to a network.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::accept::{accept, next_steps};
use super::codes::prechat::PC001;
use super::codes::values::{PC160, PC161};
use super::evidence::{self, Evidence};
use super::finding::{Finding, Severity};
use super::forecast::{self, Rate};
use super::outlook::{self, Outlook};
use super::platform::{self, SettingLine};
use super::redact::Redactor;
use super::sources::Sources;
use crate::mapping::translation::{Field, Translation};
use crate::mapping::{self, Mapping};
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
    /// Captured peaks against the limits of each org.
    pub rates: Vec<Rate>,
    /// Settings of legacy buttons and deployments.
    pub legacy_settings: Vec<SettingLine>,
    /// What was looked at, by hash.
    pub evidence: Vec<Evidence>,
    /// Of all evidence together: another configuration, mapping or document gives another one.
    pub evidence_hash: String,
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
    /// What further sources tell.
    #[serde(flatten)]
    pub outlook: Outlook,
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

const COVERS: [&str; 9] = [
    "every pre-chat document given, read and translated exactly as a live chat would be",
    "records, links and transcript fields that legacy handled by itself",
    "lengths, keys and collisions under the mapping file",
    "the router's answer around the removal date, day by day",
    "channel parameters and legacy buttons, as far as metadata files were given",
    "lengths, durations and rates, as far as captured chats were given",
    "how often live traffic has each finding, as far as shadow counts were given",
    "what agents saw and will see",
    "accepted losses and whether their dates still hold",
];
const DOES_NOT_COVER: [&str; 5] = [
    "the org itself: flow, queue members and publication; metadata files may be out of date",
    "traffic: pre-chats that are neither among the documents nor among captured chats",
    "reports, triggers and automation on LiveChatTranscript or MessagingSession",
    "Salesforce's own Chat Transition Readiness Report, which lists deployments; use both",
    "the network: nothing was called",
];

/// Builds the report from mapping and documents alone.
#[must_use]
pub fn build(inputs: &Inputs) -> Report {
    build_with(inputs, &Sources::default())
}

/// Builds the report.
#[must_use]
pub fn build_with(inputs: &Inputs, sources: &Sources) -> Report {
    let redactor = Redactor::new(inputs);
    let mut findings = Vec::new();
    let (rates, near) = forecast::rates(sources);
    let (legacy_settings, lost) = legacy(sources);
    let mut shared = near;
    let mut all = documents(inputs, sources);
    let ages = evidence::ages(&mut all, inputs.as_of);
    // Buttons and files belong to no single tenant: the first one carries them.
    if let Some(first) = inputs.tenants.first() {
        shared.extend(ages.into_iter().map(|finding| (first.id.clone(), finding)));
        shared.extend(lost.into_iter().map(|finding| (first.id.clone(), finding)));
    }
    let tenants: Vec<TenantReport> = inputs
        .tenants
        .iter()
        .map(|t| {
            let of_org = shared.iter().filter(|(id, _)| *id == t.id).map(|(_, f)| f.clone());
            tenant(t, inputs, sources, &redactor, of_org.collect(), &mut findings)
        })
        .collect();
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
        rates,
        legacy_settings,
        evidence_hash: evidence::hash(&all),
        evidence: all,
        covers: COVERS.to_vec(),
        does_not_cover: DOES_NOT_COVER.to_vec(),
    }
}

/// The documents and everything else that was read.
fn documents(inputs: &Inputs, sources: &Sources) -> Vec<Evidence> {
    let known = |name: &str| sources.evidence.iter().any(|e| e.kind == "prechat" && e.name == name);
    let missing = inputs.documents.iter().filter(|document| !known(&document.name));
    let documents = missing.map(|d| Evidence::of_export(&d.name, "prechat", &d.text));
    documents.chain(sources.evidence.iter().cloned()).collect()
}

/// Legacy components, setting by setting, and their findings.
fn legacy(sources: &Sources) -> (Vec<SettingLine>, Vec<Finding>) {
    let channel = match sources.metadata.channels.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let (mut all, mut findings) = (Vec::new(), Vec::new());
    for component in sources.metadata.legacy() {
        let lines = platform::settings(component, channel);
        findings.extend(platform::settings_lost(component, &lines));
        all.extend(lines);
    }
    (all, findings)
}

fn tenant(
    tenant: &Tenant,
    inputs: &Inputs,
    sources: &Sources,
    redactor: &Redactor,
    shared: Vec<Finding>,
    out: &mut Vec<Reported>,
) -> TenantReport {
    let mut found: Vec<(Option<String>, Finding)> =
        tenant.findings.iter().map(|f| (None, f.clone())).collect();
    found.extend(shared.into_iter().map(|f| (None, f)));
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
    let outlook =
        outlook::build(tenant, sources, inputs.as_of, &samples, &mut found, &mut rules_used);
    found.extend(unused_rules(&tenant.mapping, &rules_used).into_iter().map(|f| (None, f)));
    accept(tenant, inputs.as_of, found, out);
    TenantReport {
        id: tenant.id.clone(),
        mapping: tenant.mapping_name.clone(),
        routing: tenant.routing.clone(),
        samples,
        outlook,
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
    let mut number = 0;
    for (f, file) in mapping.files().enumerate() {
        keys.clear();
        for (i, rule) in file.rules.iter().enumerate() {
            let path = format!("{}.rule[{i}]", Mapping::path(f));
            if !used.contains(&number) {
                let message = format!("no sample matches {}", rule.selector());
                findings.push(PC160.at(path.clone(), message));
            }
            if let Some(first) = rule.to.as_deref().and_then(|to| keys.insert(to, i)) {
                let message = format!("writes the same key as rule[{first}]");
                findings.push(PC161.at(path, message));
            }
            number += 1;
        }
    }
    findings
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
