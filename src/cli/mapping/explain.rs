//! `mapping explain`: what happens to one pre-chat document, field by field.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::{From, text};
use crate::cli::check::say;
use crate::mapping::translation::{Fate, Field, Ground};
use crate::mapping::{self, Mapping, Translation};
use crate::report::finding::{Finding, Severity};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 2 a file is missing or wrong. Values are printed: this \
                        is for documents you may see."
)]
pub(super) struct Args {
    /// A pre-chat document, or - for standard input
    #[arg(long, value_name = "FILE")]
    prechat: PathBuf,
    #[command(flatten)]
    from: From,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let given = args.from.read()?;
    let (button, deployment) = (&given.button_id, &given.deployment_id);
    let document = text(&args.prechat)?;
    let translation = mapping::translate(&given.mapping, &document, button, deployment);
    let translation = translation
        .map_err(|error| anyhow!("{}: {error}\n{}", args.prechat.display(), error.caret))?;
    if args.json {
        say(&serde_json::to_string_pretty(&form(&translation))?)?;
    } else {
        say(people(&given.mapping, &translation).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn form(translation: &Translation) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "code": finding.code, "slug": finding.code.entry().slug,
            "severity": finding.severity, "path": finding.path, "message": finding.message,
        })
    };
    json!({
        "routingAttributes": translation.attributes,
        "openingMessage": translation.opening_message,
        "findings": translation.findings.iter().map(finding).collect::<Vec<_>>(),
        "fields": translation.fields,
    })
}

fn people(mapping: &Mapping, translation: &Translation) -> String {
    let mut out = String::new();
    for field in &translation.fields {
        explain_field(&mut out, mapping, translation, field);
    }
    let own = |path: &str| translation.fields.iter().any(|field| below(path, &field.path));
    let rest: Vec<&Finding> = translation.findings.iter().filter(|f| !own(&f.path)).collect();
    if !rest.is_empty() {
        out.push_str("Beside the details\n");
        rest.iter().for_each(|finding| line(&mut out, finding));
        out.push('\n');
    }
    if let Some(language) = &translation.language {
        out.push_str(&format!("Language {language}\n\n"));
    }
    let parts = translation.opening_parts();
    for (i, part) in parts.iter().enumerate() {
        let indented = part.replace('\n', "\n    ");
        out.push_str(&format!("Opening message {} of {}\n    {indented}\n\n", i + 1, parts.len()));
    }
    let count = |severity| translation.findings.iter().filter(|f| f.severity == severity).count();
    let counts = Severity::ALL.map(|s| format!("{} {s}(s)", count(s)));
    out.push_str(&format!(
        "{} attribute(s), {}. `liveagent-bridge explain CODE` says more.\n",
        translation.attributes.len(),
        counts.join(", ")
    ));
    out
}

fn explain_field(out: &mut String, mapping: &Mapping, translation: &Translation, field: &Field) {
    let key = field.key.as_deref().unwrap_or("(no attribute)");
    out.push_str(&format!("{} ({})\n", field.source, field.path));
    out.push_str(&format!("  → {key}, {}\n", because(mapping, field)));
    let limits = match field.limit {
        // The language is held against no limit.
        0 => format!("{} UTF-16 units", field.length),
        limit => format!("{} of {limit} UTF-16 units", field.length),
    };
    let fate = match field.fate {
        Fate::Sent => format!("sent, {limits}"),
        Fate::Cut => format!("cut, {limits}"),
        Fate::Collapsed => "equal to another value under this key; sent once".to_owned(),
        Fate::Empty => "no value, nothing sent".to_owned(),
        Fate::Dropped => "left out".to_owned(),
        Fate::Unplaced => "nowhere to go".to_owned(),
    };
    out.push_str(&format!("  {fate}\n"));
    let value = field.key.as_ref().and_then(|key| translation.attributes.get(key));
    if let Some(value) = value.filter(|_| matches!(field.fate, Fate::Sent | Fate::Cut)) {
        out.push_str(&format!("  {}\n", Value::from(value.as_str())));
    }
    if field.dynamic {
        out.push_str(&format!("  known at run time only; reads {}\n", field.sources.join(", ")));
    }
    let findings = translation.findings.iter().filter(|f| below(&f.path, &field.path));
    findings.for_each(|finding| line(out, finding));
    out.push('\n');
}

fn because(mapping: &Mapping, field: &Field) -> String {
    let rule = field.rule.and_then(|i| Some((i, mapping.rule(i)?)));
    match (field.ground, rule) {
        (_, Some((i, rule))) => format!("by rule[{i}]: {}", rule.selector()),
        (Ground::Constant, _) => "a constant".to_owned(),
        (Ground::Standard, _) => format!("a standard parameter, from {}", field.targets.join(", ")),
        (Ground::EntityField, _) => format!("from {}", field.targets.join(", ")),
        (Ground::TranscriptField, _) => {
            format!("from transcript field {}", field.transcript_fields.join(", "))
        }
        (Ground::Label, _) => "from its label".to_owned(),
        (Ground::VisitorName, _) => "from visitorName".to_owned(),
        (Ground::Rule | Ground::None, _) => "no rule and no name".to_owned(),
    }
}

fn below(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn line(out: &mut String, finding: &Finding) {
    out.push_str(&format!("  {} {}: {}\n", finding.severity, finding.code, finding.message));
}
