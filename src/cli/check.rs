//! `check`: every problem of a configuration, without starting anything.
//!
//! Exit codes: 0 no problem (notes may be printed), 2 at least one problem. `serve` refuses to
//! start on the same problems.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{self, Loaded, Problem};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no problem, 2 at least one problem.")]
pub(super) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Prints one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { config, json } = args;
    let outcome = config::load(&config);
    let (loaded, problems) = match outcome {
        Ok(loaded) => (Some(loaded), Vec::new()),
        Err(problems) => (None, problems.0),
    };
    let notes = loaded.as_ref().map(|l| l.notes.as_slice()).unwrap_or_default();
    if json {
        let ok = problems.is_empty();
        let list = |all: &[Problem]| all.iter().map(Problem::json).collect::<Vec<_>>();
        let report = serde_json::json!({
            "ok": ok, "problems": list(&problems), "notes": list(notes),
        });
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
    say(&format!("{}: {}", config.display(), summary(&loaded)))?;
    Ok(ExitCode::SUCCESS)
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
