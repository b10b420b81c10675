//! `check`: every problem of a configuration, without starting anything.
//!
//! Exit codes: 0 no problem (notes may be printed), 2 at least one problem. `serve` refuses to
//! start on the same problems.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::adapter::transport::reqwest::Reqwest;
use crate::clock::Clock;
use crate::config::{self, Loaded, Problem};
use crate::preflight::{self, Checked, Live};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no problem, 2 at least one problem.")]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Prints one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Also asks the real deployment for a token and its event stream; starts no conversation
    #[arg(long)]
    live: bool,
    /// Only this tenant is asked about
    #[arg(long, value_name = "ID", requires = "live")]
    tenant: Option<String>,
    /// Seconds to wait for the first event of the stream
    #[arg(long, value_name = "SECONDS", default_value_t = preflight::WAIT.as_secs(), requires = "live")]
    wait: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let outcome = config::load(&args.config);
    let (loaded, problems) = match outcome {
        Ok(loaded) => (Some(loaded), Vec::new()),
        Err(problems) => (None, problems.0),
    };
    let asked = loaded.as_ref().filter(|_| args.live);
    let live = match asked {
        Some(loaded) => ask(args, loaded)?,
        None => Vec::new(),
    };
    let notes = loaded.as_ref().map(|l| l.notes.as_slice()).unwrap_or_default();
    let (json, config) = (args.json, &args.config);
    if json {
        let ok = problems.is_empty() && fine(&live);
        let list = |all: &[Problem]| all.iter().map(Problem::json).collect::<Vec<_>>();
        let mut report = serde_json::json!({
            "ok": ok, "problems": list(&problems), "notes": list(notes),
        });
        if args.live {
            report["live"] = live.iter().map(Checked::json).collect();
        }
        say(&serde_json::to_string_pretty(&report)?)?;
        return Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(2) });
    }
    for problem in &problems {
        say(&format!("{problem}\n"))?;
    }
    for note in notes {
        say(&format!("note: {note}\n"))?;
    }
    let Some(loaded) = loaded else {
        say(&format!("{}: {}", config.display(), count(problems.len(), "problem")))?;
        return Ok(ExitCode::from(2));
    };
    for checked in &live {
        say(&format!("{checked}\n"))?;
    }
    if !fine(&live) {
        let problems = live.iter().map(|checked| checked.problems.len()).sum();
        say(&format!("{}: {}", config.display(), count(problems, "problem")))?;
        return Ok(ExitCode::from(2));
    }
    say(&format!("{}: {}", config.display(), summary(&loaded)))?;
    Ok(ExitCode::SUCCESS)
}

fn fine(live: &[Checked]) -> bool {
    live.iter().all(|checked| checked.problems.is_empty())
}

/// Asks the deployments, one tenant after the other.
fn ask(args: &Args, loaded: &Loaded) -> anyhow::Result<Vec<Checked>> {
    let config = &loaded.config;
    if let Some(id) = args.tenant.as_deref().filter(|id| config.tenant(id).is_none()) {
        anyhow::bail!("no tenant `{id}` in the configuration");
    }
    let live = Live {
        transport: Arc::new(Reqwest::new(&config.egress, &config.limits)?),
        clock: Clock::system(),
        wait: Duration::from_secs(args.wait),
        answer_within: preflight::ANSWER_WITHIN,
        file: args.config.clone(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut all = Vec::new();
    for tenant in &config.tenants {
        if args.tenant.as_ref().is_none_or(|id| *id == tenant.id) {
            all.push(runtime.block_on(preflight::check(&live, tenant)));
        }
    }
    Ok(all)
}

fn summary(loaded: &Loaded) -> String {
    let notes = match loaded.notes.len() {
        0 => String::new(),
        n => format!(", {}", count(n, "note")),
    };
    format!("no problems, {}{notes}", count(loaded.config.tenants.len(), "tenant"))
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Prints a line; a reader that stopped reading (`check … | head`) is no failure.
pub(super) fn say(line: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
