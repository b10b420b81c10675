//! `mapping`: tools for whoever writes a mapping file. One file per verb.
//!
//! Promised: nothing here talks to a network, and the live translation is what runs.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::check::say;
use crate::config;
use crate::mapping::limits::MAX_DOCUMENT_BYTES;
use crate::mapping::{Mapping, load, schema};

mod explain;
mod suggest;
mod test;

/// A file could not be read, or is wrong: the person who called has to change something.
const WRONG: u8 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Proposes a mapping file from pre-chat samples, with the ground for each rule
    Suggest(suggest::Args),
    /// Shows field by field what happens to one pre-chat document
    Explain(explain::Args),
    /// Runs the tests of mapping files and prints differences
    Test(test::Args),
    /// Prints the JSON Schema of mapping files
    Schema,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let outcome = match &args.verb {
        Verb::Suggest(args) => suggest::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Test(args) => test::run(args),
        Verb::Schema => {
            say(schema::text().trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.or_else(|error| {
        eprintln!("liveagent-bridge: {error:#}");
        Ok(ExitCode::from(WRONG))
    })
}

/// Where a mapping and the ids of its tenant come from.
#[derive(Debug, clap::Args)]
struct From {
    /// The mapping file; the built-in rules alone unless given
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    mapping: Option<PathBuf>,
    /// The bridge's configuration: the tenant's mapping file and ids are taken
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which tenant, when the configuration has several
    #[arg(long, value_name = "ID", requires = "config")]
    tenant: Option<String>,
    /// The legacy button, where the document names none
    #[arg(long, value_name = "ID")]
    button: Option<String>,
}

/// A mapping and what a document may leave out.
#[derive(Debug, Default)]
struct Given {
    mapping: Mapping,
    button_id: String,
    deployment_id: String,
    /// The developer name of the MIAW deployment.
    deployment: String,
}

impl From {
    fn read(&self) -> anyhow::Result<Given> {
        let mut given = match (&self.mapping, &self.config) {
            (Some(path), _) => Given { mapping: mapping(path)?, ..Given::default() },
            (None, Some(path)) => tenant(path, self.tenant.as_deref())?,
            (None, None) => Given::default(),
        };
        if let Some(button) = &self.button {
            given.button_id.clone_from(button);
        }
        Ok(given)
    }
}

fn tenant(path: &Path, id: Option<&str>) -> anyhow::Result<Given> {
    let loaded = config::load(path)?;
    let tenants = &loaded.config.tenants;
    let known: Vec<&str> = tenants.iter().map(|t| t.id.as_str()).collect();
    let tenant = match (id, tenants.as_slice()) {
        (Some(id), _) => tenants.iter().find(|t| t.id == id),
        (None, [only]) => Some(only),
        (None, _) => bail!("which tenant? --tenant {}", known.join(" or ")),
    };
    let Some(tenant) = tenant else {
        bail!("no tenant `{}` in the configuration; it has {}", id.unwrap_or(""), known.join(", "));
    };
    let legacy = tenant.legacy.as_ref();
    Ok(Given {
        mapping: tenant.mapping.as_ref().map(|file| file.mapping.clone()).unwrap_or_default(),
        button_id: legacy.and_then(|l| l.button_id.clone()).unwrap_or_default(),
        deployment_id: legacy.map(|l| l.deployment_id.clone()).unwrap_or_default(),
        deployment: tenant.miaw.embedded_service_developer_name.clone(),
    })
}

fn mapping(path: &Path) -> anyhow::Result<Mapping> {
    load::load(&path.display().to_string(), &text(path)?).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let count = problems.len();
        let plural = if count == 1 { "" } else { "s" };
        anyhow::anyhow!("{count} problem{plural}\n{}", lines.join("\n"))
    })
}

/// A file's text; `-` is standard input.
fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let limit = MAX_DOCUMENT_BYTES as u64 + 1;
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).context("standard input")?;
        bytes
    } else {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("{} is not UTF-8 text; save it as UTF-8", path.display()))
}
