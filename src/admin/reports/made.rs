//! Makes a dry run of a tenant from what a request brings and from what this process knows.
//!
//! Promised: the same pure report as on the command line, values redacted always; nothing of what a
//! request brings is kept but the report. Blocks: it takes a core for as long as it takes.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use super::kept::{About, Texts};
use crate::admin::problem::{Code, Problem};
use crate::admin::views::Instant;
use crate::app::rehearsal;
use crate::config::Tenant;
use crate::dry_run;
use crate::report::dry_run::{Document, Inputs, Report, Verdict, build_with};
use crate::report::evidence::Evidence;
use crate::report::html;
use crate::report::shadow::Shadow;
use crate::report::sources::Sources;
use crate::time::Wall;

/// Files of one request.
const FILES_MAX: usize = 50;
/// The longest name of a file, in characters.
const NAME_CHARS_MAX: usize = 200;

/// What a dry run is asked for with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wish {
    /// Pre-chat documents.
    #[serde(default)]
    documents: Vec<File>,
    /// Metadata XML, or a JSON list of channel parameters.
    #[serde(default)]
    metadata: Vec<File>,
    /// Captured chats.
    #[serde(default)]
    captured: Vec<File>,
    /// Shadow counts as files have them.
    #[serde(default)]
    shadow: Vec<File>,
    /// Whether to look at the shadow counts of this process, too.
    #[serde(default)]
    shadow_counts: bool,
    /// The instant the report speaks for; now unless given.
    as_of: Option<Instant>,
    /// When files were made that do not say so themselves.
    evidence_at: Option<Instant>,
}

/// A file and its text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    name: String,
    text: String,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.text.len())
    }
}

fn wrong(detail: impl Into<String>) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

/// Whether there is something to look at, and every name is a name.
pub(super) fn checked(wish: Wish) -> Result<Wish, Problem> {
    let kinds = [&wish.documents, &wish.metadata, &wish.captured, &wish.shadow];
    let files = || kinds.into_iter().flatten();
    if files().count() > FILES_MAX {
        return Err(wrong(format!("at most {FILES_MAX} files are read")));
    }
    let named = |file: &File| {
        let characters = file.name.chars().count();
        (1..=NAME_CHARS_MAX).contains(&characters) && !file.name.chars().any(char::is_control)
    };
    if !files().all(named) {
        return Err(wrong(format!(
            "`name` of a file is expected to have 1 to {NAME_CHARS_MAX} characters, none of them \
             a control character"
        )));
    }
    if wish.documents.is_empty()
        && wish.captured.is_empty()
        && wish.shadow.is_empty()
        && !wish.shadow_counts
    {
        return Err(wrong(
            "there is nothing to look at: `documents`, `captured`, `shadow` or `shadowCounts`",
        ));
    }
    Ok(wish)
}

/// The report, and how it is listed.
pub(super) fn make(
    tenant: &Tenant,
    wish: Wish,
    counts: &[Shadow],
    now: Wall,
    who: &str,
) -> Result<(About, Texts), Problem> {
    let as_of = wish.as_of.map_or(now, |instant| instant.0);
    let document = |file: File| Document { name: file.name, text: file.text };
    let mut sources = Sources::default();
    own(tenant, now, &mut sources);
    let inputs = Inputs {
        as_of,
        show_values: false,
        tenants: vec![rehearsal::tenant(tenant, as_of)],
        documents: wish.documents.into_iter().map(document).collect(),
    };
    let documents = inputs.documents.iter();
    sources.evidence.extend(documents.map(|d| Evidence::of_export(&d.name, "prechat", &d.text)));
    for File { name, text } in &wish.metadata {
        sources.metadata.add(name, text).map_err(wrong)?;
        sources.evidence.push(Evidence::of(name, "metadata", text.as_bytes()));
    }
    let ids = [tenant.id.as_str()];
    for File { name, text } in &wish.captured {
        let mut reader = text.as_bytes();
        let read = dry_run::captured::read(name, &mut reader, &ids, &mut sources, |_| ());
        sources.evidence.push(read.map_err(|error| wrong(format!("{error:#}")))?);
    }
    for File { name, text } in &wish.shadow {
        let read = dry_run::shadow::read(name, text, &ids, &mut sources);
        sources.evidence.push(read);
    }
    if wish.shadow_counts {
        let lines: Vec<String> =
            counts.iter().filter_map(|c| serde_json::to_string(c).ok()).collect();
        let name = "shadow counts of this process";
        let read = dry_run::shadow::read(name, &lines.join("\n"), &ids, &mut sources);
        sources.evidence.push(read);
    }
    if let Some(at) = wish.evidence_at {
        sources.evidence.iter_mut().for_each(|one| one.date(at.0));
    }
    let report = build_with(&inputs, &sources);
    let texts = Texts { json: report.to_json().into(), html: html::render(&report).into() };
    Ok((about(tenant, &report, &texts, now.min(as_of), who), texts))
}

/// What this process itself says: the configuration in force, as of now.
fn own(tenant: &Tenant, now: Wall, sources: &mut Sources) {
    let setup = rehearsal::setup(tenant);
    let legacy = tenant.legacy.as_ref();
    let lines = [
        format!("tenant {}", tenant.id),
        format!("plan {}", tenant.plan.fingerprint()),
        format!("miaw {} {}", setup.organization_id, setup.deployment),
        format!("legacy {:?}", legacy.map(|half| (&half.deployment_id, &half.button_id))),
        format!("token grace {}", setup.token_grace_s),
    ];
    let name = format!("configuration of {}", tenant.id);
    let hash = digest(&SHA256, lines.join("\n").as_bytes());
    let length = lines.iter().map(|line| line.len() + 1).sum();
    let mut all = vec![Evidence::hashed(&name, "configuration", length, hash.as_ref())];
    for (path, text) in tenant.mapping.iter().flat_map(|file| file.paths.iter().zip(&file.texts)) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        all.push(Evidence::of(&name.unwrap_or_default(), "mapping", text.as_bytes()));
    }
    all.iter_mut().for_each(|one| one.date(now));
    sources.evidence.extend(all);
    sources.setups.insert(tenant.id.clone(), setup);
}

fn about(tenant: &Tenant, report: &Report, texts: &Texts, at: Wall, who: &str) -> About {
    let mappings = report.evidence.iter().filter(|one| one.kind == "mapping");
    let verdict = match report.verdict {
        Verdict::Clean => "clean",
        Verdict::Warnings => "warnings",
        Verdict::Errors => "errors",
    };
    About {
        report: texts.hash(),
        tenant: tenant.id.clone(),
        made_at: at.to_string(),
        made_by: who.to_owned(),
        as_of: report.as_of.clone(),
        verdict: verdict.to_owned(),
        errors: report.summary.errors as u64,
        warnings: report.summary.warnings as u64,
        notes: report.summary.notes as u64,
        accepted: report.summary.accepted as u64,
        documents: report.summary.documents as u64,
        evidence_hash: report.evidence_hash.clone(),
        mappings: mappings.map(|one| one.sha256.clone()).collect(),
        bytes: texts.json.len(),
    }
}
