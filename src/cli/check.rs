//! `check`: every problem of a configuration, without starting anything; with `--live` those of
//! the deployment too; with `--bundle` as a file for somebody who helps.
//!
//! Promised: [`EXIT_CODES`], which `docs/operating.md` repeats word for word. `serve` refuses to
//! start on the same problems.

mod bundle;

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::adapter::transport::reqwest::Reqwest;
use crate::clock::Clock;
use crate::config::{self, Loaded, Problem};
use crate::preflight::{self, Checked, Live};

/// What a script can rely on.
const EXIT_CODES: &str = "\
Exit codes:
       check                     check --live                    check --bundle
  0    no problem                none, and Salesforce answers    written, and no problem
  1    -                         [egress] is of no use           could not be written
  2    problems, wrong usage     the same, or problems there     written, with the problems in it

Notes change no exit code. --live looks at nothing while the configuration has problems.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
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
    /// Prints a support bundle instead: one JSON document without secrets, texts and names
    #[arg(long, conflicts_with = "json")]
    bundle: bool,
    /// Where the bundle is written (mode 0600); a file that exists is left alone
    #[arg(long, value_name = "FILE", requires = "bundle")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let outcome = config::load(&args.config);
    let (loaded, problems) = match outcome {
        Ok(loaded) => (Some(loaded), Vec::new()),
        Err(problems) => (None, problems.0),
    };
    let live = match loaded.as_ref().filter(|_| args.live) {
        Some(loaded) => {
            if let Some(id) = unknown_tenant(args, loaded) {
                eprintln!("there is no tenant `{id}` in the configuration");
                return Ok(ExitCode::from(2));
            }
            ask(args, loaded)?
        }
        None => Vec::new(),
    };
    let ok = problems.is_empty() && fine(&live);
    if args.bundle {
        bundle::write(args, loaded.as_ref(), &problems, &live)?;
    } else if args.json {
        print_json(args, loaded.as_ref(), &problems, &live)?;
    } else {
        print(args, loaded.as_ref(), &problems, &live)?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn print_json(
    args: &Args,
    loaded: Option<&Loaded>,
    problems: &[Problem],
    live: &[Checked],
) -> anyhow::Result<()> {
    let notes = loaded.map(|loaded| loaded.notes.as_slice()).unwrap_or_default();
    let list = |all: &[Problem]| all.iter().map(Problem::json).collect::<Vec<_>>();
    let ok = problems.is_empty() && fine(live);
    let mut report =
        serde_json::json!({ "ok": ok, "problems": list(problems), "notes": list(notes) });
    if args.live {
        report["live"] = live.iter().map(Checked::json).collect();
    }
    Ok(say(&serde_json::to_string_pretty(&report)?)?)
}

fn print(
    args: &Args,
    loaded: Option<&Loaded>,
    problems: &[Problem],
    live: &[Checked],
) -> anyhow::Result<()> {
    let config = args.config.display();
    for problem in problems {
        say(&format!("{problem}\n"))?;
    }
    for note in loaded.map(|loaded| loaded.notes.as_slice()).unwrap_or_default() {
        say(&format!("note: {note}\n"))?;
    }
    for checked in live {
        say(&format!("{checked}\n"))?;
    }
    let there: usize = live.iter().map(|checked| checked.problems.len()).sum();
    let told = match loaded {
        Some(loaded) if there == 0 => summary(loaded),
        _ => count(problems.len() + there, "problem"),
    };
    Ok(say(&format!("{config}: {told}"))?)
}

fn fine(live: &[Checked]) -> bool {
    live.iter().all(|checked| checked.problems.is_empty())
}

fn unknown_tenant<'a>(args: &'a Args, loaded: &Loaded) -> Option<&'a str> {
    args.tenant.as_deref().filter(|id| loaded.config.tenant(id).is_none())
}

/// Asks the deployments, one tenant after the other.
fn ask(args: &Args, loaded: &Loaded) -> anyhow::Result<Vec<Checked>> {
    let config = &loaded.config;
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
