//! `explain`: what a finding code means, why it matters, how to fix or accept it.
//!
//! Exit codes: 0 done, 2 no such code.

use std::process::ExitCode;

use super::check::say;
use crate::report::codes;
use crate::report::finding::{Entry, Severity};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 2 no such code.")]
pub(super) struct Args {
    /// A code or its slug, such as PC101 or record-lookup-lost; all of them unless given
    #[arg(value_name = "CODE")]
    code: Option<String>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(name) = args.code.as_deref() else {
        return list(args.json);
    };
    let Some(code) = codes::find(name.trim()) else {
        let near = codes::near(name).map_or_else(
            || "`liveagent-bridge explain` lists all".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        eprintln!("liveagent-bridge: there is no finding code `{name}`; {near}");
        return Ok(ExitCode::from(2));
    };
    let entry = code.entry();
    if args.json {
        say(&serde_json::to_string_pretty(&json(entry))?)?;
    } else {
        say(&text(entry))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json_form: bool) -> anyhow::Result<ExitCode> {
    let all = codes::all();
    if json_form {
        let all: Vec<_> = all.iter().map(|code| json(code.entry())).collect();
        say(&serde_json::to_string_pretty(&all)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let width = all.iter().map(|code| code.entry().slug.len()).max().unwrap_or(0);
    for code in all {
        let Entry { id, slug, severity, title, .. } = code.entry();
        say(&format!("{id}  {slug:width$}  {:7}  {title}", severity.word()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn json(entry: &Entry) -> serde_json::Value {
    let Entry { id, slug, severity, title, means, todo } = entry;
    serde_json::json!({
        "code": id, "slug": slug, "severity": severity, "title": title, "means": means,
        "todo": todo,
    })
}

fn text(entry: &Entry) -> String {
    let Entry { id, slug, severity, title, means, todo } = entry;
    let weight = match severity {
        Severity::Error => "The cutover is not ready until this is fixed or accepted.",
        Severity::Warning => "Something is lost or changed; `dry-run --strict` fails on it.",
        Severity::Note => "Worth knowing; nothing fails because of it.",
    };
    let accept = if *severity == Severity::Note {
        String::new()
    } else {
        format!(
            "\nTo accept it, dated, in the tenant's mapping file:\n  [[accept]]\n  code = \"{id}\"\n  \
             path = \"…\"            # the path of the finding; leave out to accept it everywhere\n  \
             reason = \"…\"\n  until = \"YYYY-MM-DD\"   # the last day it holds\n"
        )
    };
    format!(
        "{id} {slug}: {title}\n\nSeverity: {severity}. {weight}\n\nWhat it means:\n  {means}\n\n\
         What to do:\n  {todo}\n{accept}"
    )
    .trim_end()
    .to_owned()
}
