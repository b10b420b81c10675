//! `dry-run`: reads the files, calls the pure report, writes one form of it.
//!
//! Exit codes: 0 clean, 1 warnings under `--strict`, 2 errors, 3 could not run.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::app::rehearsal;
use crate::clock::Clock;
use crate::config::{self, Config};

use crate::report::codes;
use crate::report::dry_run::{self, Document, Inputs, Report};
use crate::report::evidence::Evidence;
use crate::report::finding::{Finding, Severity};
use crate::report::sources::Sources;
use crate::report::{html, markdown};
use crate::time::Wall;
use progress::Progress;

mod progress;

const COULD_NOT_RUN: u8 = 3;
/// The largest file of shadow counts, in bytes.
const MAX_SHADOW_BYTES: u64 = 64 * 1024 * 1024;

/// Exit codes: 0 clean, 1 warnings under --strict, 2 errors, 3 could not run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 clean, 1 warnings under --strict, 2 errors, 3 could not run")]
pub(super) struct Args {
    /// The bridge's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A pre-chat document: a whole ChasitorInit body, or prechatEntities and prechatDetails
    #[arg(long, value_name = "FILE", required_unless_present_any = ["captured", "shadow"], num_args = 1..)]
    prechat: Vec<PathBuf>,
    /// Metadata XML: MessagingChannel, EmbeddedServiceConfig, LiveChatButton, LiveChatDeployment,
    /// QueueRoutingConfig, ServiceChannel; or a JSON list of channel parameters
    #[arg(long, value_name = "FILE", num_args = 1..)]
    metadata: Vec<PathBuf>,
    /// Captured chats, one per line, as `capture` writes them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    captured: Vec<PathBuf>,
    /// Shadow counts, as the bridge writes them
    #[arg(long, value_name = "FILE", num_args = 1..)]
    shadow: Vec<PathBuf>,
    /// When evidence was made that does not say so itself: one instant for all of it, or
    /// FILE=INSTANT for one file
    #[arg(long, value_name = "[FILE=]INSTANT", value_parser = DatedBy::parse)]
    evidence_at: Vec<DatedBy>,
    /// The instant the report speaks for, e.g. 2026-02-01T00:00:00Z; now unless given
    #[arg(long, value_name = "INSTANT", value_parser = Wall::parse)]
    as_of: Option<Wall>,
    /// Only this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Print Markdown (the default)
    #[arg(long, group = "form")]
    markdown: bool,
    /// Print one self-contained HTML page
    #[arg(long, group = "form")]
    html: bool,
    /// Print values instead of their length and hash
    #[arg(long)]
    show_values: bool,
    /// Exit with 1 when there are warnings
    #[arg(long)]
    strict: bool,
    /// Write to this file instead of the terminal
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Whose date, and the date.
#[derive(Clone, Debug)]
struct DatedBy {
    file: Option<String>,
    at: Wall,
}

impl DatedBy {
    fn parse(text: &str) -> Result<Self, String> {
        let (file, at) = match text.rsplit_once('=') {
            Some((file, at)) => (Some(file.to_owned()), at),
            None => (None, text),
        };
        Ok(Self { file, at: Wall::parse(at).map_err(|error| error.to_string())? })
    }
}

/// Dates evidence that says nothing itself: by its own name first, then by what holds for all.
fn date(evidence: &mut [Evidence], given: &[DatedBy]) -> anyhow::Result<()> {
    for one in given.iter().filter(|one| one.file.is_some()) {
        let mut named =
            evidence.iter_mut().filter(|e| Some(&e.name) == one.file.as_ref()).peekable();
        let name = one.file.as_deref().unwrap_or_default();
        anyhow::ensure!(named.peek().is_some(), "--evidence-at: no file `{name}` is read here");
        named.for_each(|e| e.date(one.at));
    }
    if let Some(all) = given.iter().find(|one| one.file.is_none()) {
        evidence.iter_mut().for_each(|e| e.date(all.at));
    }
    Ok(())
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match execute(args) {
        Ok(report) => Ok(ExitCode::from(report.exit_code(args.strict))),
        Err(error) => {
            eprintln!("liveagent-bridge: {error:#}");
            Ok(ExitCode::from(COULD_NOT_RUN))
        }
    }
}

fn execute(args: &Args) -> anyhow::Result<Report> {
    let loaded = config::load(&args.config)?;
    for note in &loaded.notes {
        eprintln!("{note}");
    }
    let as_of = args.as_of.unwrap_or_else(|| Clock::system().now().wall);
    let mut inputs = Inputs {
        as_of,
        show_values: args.show_values,
        tenants: tenants(&loaded.config, args.tenant.as_deref(), as_of)?,
        documents: args.prechat.iter().map(|path| document(path)).collect::<Result<_, _>>()?,
    };
    for note in &loaded.notes {
        if let Some((id, finding)) = noted(&loaded.config, note) {
            let tenant = inputs.tenants.iter_mut().find(|tenant| tenant.id == id);
            tenant.into_iter().for_each(|tenant| tenant.findings.push(finding.clone()));
        }
    }
    let sources = sources(args, &loaded.config, &inputs)?;
    let report = dry_run::build_with(&inputs, &sources);
    let text = match (args.json, args.html) {
        (true, _) => report.to_json(),
        (_, true) => html::render(&report),
        _ => markdown::render(&report),
    };
    write(args.out.as_deref(), &text)?;
    Ok(report)
}

/// A coded note of the configuration as a finding of its tenant.
fn noted(config: &Config, note: &config::Note) -> Option<(String, Finding)> {
    let code = codes::find(note.code?)?;
    let index = note.key.strip_prefix("tenant[")?.split(']').next()?.parse::<usize>().ok()?;
    let finding = code.at(note.key.clone(), note.message.clone());
    // What was refused would be a problem; a note was put right by itself.
    let finding = finding.with_severity(Severity::Note);
    let todo = note.help.clone();
    let finding = todo.into_iter().fold(finding, |finding, todo| finding.with_todo(todo));
    Some((config.tenants.get(index)?.id.clone(), finding))
}

/// Reads everything beside mapping and documents.
fn sources(args: &Args, config: &Config, inputs: &Inputs) -> anyhow::Result<Sources> {
    let mut sources = Sources::default();
    let ids: Vec<&str> = inputs.tenants.iter().map(|t| t.id.as_str()).collect();
    let chosen = || config.tenants.iter().filter(|t| ids.contains(&t.id.as_str()));
    let documents = inputs.documents.iter();
    sources.evidence.extend(documents.map(|d| Evidence::of_export(&d.name, "prechat", &d.text)));
    sources.evidence.push(evidence(&args.config, "configuration")?);
    let files = chosen().filter_map(|tenant| tenant.mapping.as_ref());
    for path in files.flat_map(|file| &file.paths) {
        let item = evidence(path, "mapping")?;
        if !sources.evidence.contains(&item) {
            sources.evidence.push(item);
        }
    }
    for path in &args.metadata {
        let Document { name, text } = document(path)?;
        sources.metadata.add(&name, &text).map_err(anyhow::Error::msg)?;
        sources.evidence.push(Evidence::of(&name, "metadata", text.as_bytes()));
    }
    sources.setups = chosen().map(|tenant| (tenant.id.clone(), rehearsal::setup(tenant))).collect();
    for path in &args.captured {
        let item = captured(path, &ids, &mut sources)?;
        sources.evidence.push(item);
    }
    for path in &args.shadow {
        let item = shadow(path, &ids, &mut sources)?;
        sources.evidence.push(item);
    }
    date(&mut sources.evidence, &args.evidence_at)?;
    Ok(sources)
}

fn captured(path: &Path, ids: &[&str], sources: &mut Sources) -> anyhow::Result<Evidence> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let mut progress = Progress::new(file.metadata().map(|m| m.len()).unwrap_or_default());
    let mut reader = BufReader::new(file);
    let read = crate::dry_run::captured::read(&name, &mut reader, ids, sources, |bytes| {
        progress.at(bytes);
    });
    progress.done();
    read
}

fn shadow(path: &Path, ids: &[&str], sources: &mut Sources) -> anyhow::Result<Evidence> {
    let name = path.display().to_string();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len();
    anyhow::ensure!(size <= MAX_SHADOW_BYTES, "{name}: larger than {MAX_SHADOW_BYTES} bytes");
    let Document { name, text } = document(path)?;
    Ok(crate::dry_run::shadow::read(&name, &text, ids, sources))
}

fn evidence(path: &Path, kind: &'static str) -> anyhow::Result<Evidence> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Evidence::of(&path.display().to_string(), kind, &bytes))
}

fn document(path: &Path) -> anyhow::Result<Document> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("{} is not UTF-8 text; save it as UTF-8", path.display()))?;
    Ok(Document { name: path.display().to_string(), text })
}

fn tenants(
    config: &Config,
    only: Option<&str>,
    as_of: Wall,
) -> anyhow::Result<Vec<dry_run::Tenant>> {
    let known: Vec<&str> = config.tenants.iter().map(|t| t.id.as_str()).collect();
    if let Some(id) = only.filter(|id| !known.contains(id)) {
        anyhow::bail!("no tenant `{id}` in the configuration; it has {}", known.join(", "));
    }
    let chosen = config.tenants.iter().filter(|t| only.is_none_or(|id| t.id == id));
    Ok(chosen.map(|tenant| rehearsal::tenant(tenant, as_of)).collect())
}

fn write(out: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match out {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        }
        None => std::io::stdout().write_all(text.as_bytes()).context("cannot write the report"),
    }
}
