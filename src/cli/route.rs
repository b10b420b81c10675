//! `route`: which backend a new chat gets, and why.
//!
//! Promised: the answers are the router's own. Without `--at` it prints the dates that matter
//! around the removal, and now; nothing is contacted.

use std::path::PathBuf;
use std::process::ExitCode;

use super::check::say;
use crate::clock::Clock;
use crate::config::{self, values};
use crate::router::calendar::{self, Asked, Row, declared, next_change};
use crate::router::decide::{Because, Draw, PastRemoval, Route};
use crate::router::effective::Effective;
use crate::router::plan::{Plan, Stage};
use crate::time::Wall;

/// The tenant that is shown when no configuration is given.
const EXAMPLE: &str = "example";
/// How long before the removal "well before" is.
const WELL_BEFORE_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; without one a built-in example tenant is used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The tenant's id; needed when there are several
    #[arg(long)]
    tenant: Option<String>,
    /// The button the chat would come in by; without one, the answer for buttons without own steps
    #[arg(long, value_parser = button)]
    button: Option<String>,
    /// An instant to ask about, e.g. 2026-02-14T00:00:00Z or 2026-02-14T00:00:00[Europe/Berlin]
    #[arg(long, value_name = "INSTANT", value_parser = values::instant)]
    at: Vec<Wall>,
    /// The chat's lot in a ramp, 0 to 9999; 0 goes to MIAW first
    #[arg(long, value_name = "N", default_value = "0", value_parser = draw)]
    draw: Draw,
    /// Prints a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

fn draw(text: &str) -> Result<Draw, String> {
    let lot = text.parse().ok().and_then(Draw::new);
    lot.ok_or_else(|| format!("expected a number from 0 to {}", Draw::LOTS - 1))
}

fn button(text: &str) -> Result<String, String> {
    values::salesforce_id(text, "573").map(|()| text.to_owned())
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { config, tenant, button, at, draw, json } = args;
    let built_in = config.is_none();
    let (tenant, plan) = match plan(config, tenant.as_deref()) {
        Ok(found) => found,
        Err(message) => {
            eprintln!("{message}");
            return Ok(ExitCode::from(2));
        }
    };
    let now = whole_second(Clock::system().now().wall);
    // Each row answers for its own date: only the plan decides here, no history.
    let effective = Effective::from(&plan);
    let latch = PastRemoval::NOT_YET;
    let asked = Asked { effective: &effective, button: button.as_deref(), latch, draw };
    let row = |at, label: &str| calendar::row(asked, at, label.to_owned());
    let rows: Vec<Row> = match at.as_slice() {
        [] => overview(asked, now, row),
        asked => asked.iter().map(|at| row(*at, "asked")).collect(),
    };
    if json {
        say(&serde_json::to_string_pretty(&as_json(&tenant, button.as_deref(), &rows))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let what = if built_in { "built-in tenant" } else { "tenant" };
    let of = button.as_ref().map(|button| format!(", button {button}")).unwrap_or_default();
    say(&format!("{what} {tenant}{of}: {}\n", planned(&plan)))?;
    say(&table(&rows, at.is_empty()))?;
    if at.is_empty() {
        say(&sentence(asked, now, &row(now, "today")))?;
    } else {
        for row in &rows {
            say(&format!("{}: {}", row.at, row.decision.because))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Nobody wants to read milliseconds of today.
fn whole_second(wall: Wall) -> Wall {
    wall.plus_millis(-wall.millis().rem_euclid(1_000))
}

/// The tenant asked about and its plan, or what to tell the person.
fn plan(config: Option<PathBuf>, asked: Option<&str>) -> Result<(String, Plan), String> {
    let Some(path) = config else {
        return pick(asked, &[EXAMPLE]).map(|_| (EXAMPLE.to_owned(), Plan::default()));
    };
    let tenants = config::load(&path).map_err(|problems| problems.to_string())?.config.tenants;
    let ids: Vec<&str> = tenants.iter().map(|t| t.id.as_str()).collect();
    let id = pick(asked, &ids)?;
    let plan = tenants.iter().find(|t| t.id == id).map(|t| t.plan.clone()).unwrap_or_default();
    Ok((id.to_owned(), plan))
}

fn pick<'a>(asked: Option<&str>, ids: &[&'a str]) -> Result<&'a str, String> {
    match (asked, ids) {
        (None, [only]) => Ok(*only),
        (None, _) => Err(format!("say which tenant: --tenant with one of {}", ids.join(", "))),
        (Some(id), _) => match ids.iter().find(|known| **known == id) {
            Some(known) => Ok(*known),
            None => Err(format!("there is no tenant `{id}`; expected one of {}", ids.join(", "))),
        },
    }
}

/// The dates that matter: well before, the margin, the removal, the steps, today.
fn overview(asked: Asked<'_>, now: Wall, row: impl Fn(Wall, &str) -> Row) -> Vec<Row> {
    let plan = &asked.effective.plan;
    let mut marks = vec![
        (plan.removal.plus_millis(-WELL_BEFORE_MILLIS), "well before".to_owned()),
        (plan.last_call(), "margin begins".to_owned()),
        (plan.removal, "removal".to_owned()),
        (now, "today".to_owned()),
    ];
    marks.extend(declared(asked));
    marks.sort_by_key(|(at, _)| *at);
    marks.iter().map(|(at, label)| row(*at, label)).collect()
}

fn planned(plan: &Plan) -> String {
    let minutes = plan.margin.as_secs() / 60;
    let margin = match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    };
    let removal = plan.zone.print(plan.removal);
    let zone = match plan.zone.name() {
        "UTC" => String::new(),
        name => format!(" ({name})"),
    };
    format!("removal {removal}{zone}, margin {margin}")
}

/// The rows as aligned columns; the first one only where it says something.
fn table(rows: &[Row], labels: bool) -> String {
    let cells = |row: &Row| {
        let route = row.decision.route.to_string();
        let instant = row.local.clone();
        [row.label.clone(), instant, route, because(&row.decision.because)]
    };
    let head = ["when", "a chat that starts at", "goes to", "because"].map(str::to_owned);
    let lines: Vec<[String; 4]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let mut width = [0; 4];
    for line in &lines {
        for (cell, width) in line.iter().zip(&mut width) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for line in &lines {
        let padded = line.iter().zip(width).map(|(cell, width)| format!("{cell:width$}"));
        let padded = padded.skip(usize::from(!labels));
        let joined = padded.collect::<Vec<_>>().join("   ");
        out.push_str("  ");
        out.push_str(joined.trim_end());
        out.push('\n');
    }
    out
}

/// The rule's code; of a ramp the share too, since the row is about one lot alone.
fn because(because: &Because) -> String {
    match because {
        Because::Ramp { percent, .. } => format!("ramp, {percent} % to miaw"),
        other => other.code().to_owned(),
    }
}

/// One sentence about today, and when that changes.
fn sentence(asked: Asked<'_>, now: Wall, row: &Row) -> String {
    let Asked { effective, button, .. } = asked;
    let name = match row.decision.route {
        Route::Legacy => "goes to legacy",
        Route::Miaw => "goes to MIAW",
        Route::Refused => "is refused",
    };
    let in_force = effective.in_force(button, now).map(|in_force| in_force.stage);
    let ramped = matches!(in_force, Some(Stage::Ramp { .. }));
    let lot = if ramped { " with this draw" } else { "" };
    let next = match next_change(effective, button, now) {
        Some(at) => format!("The next change is at {}.", effective.plan.zone.print(at)),
        None => "The plan has no later change.".to_owned(),
    };
    format!("Today a new chat{lot} {name}: {}. {next}", row.decision.because)
}

fn as_json(tenant: &str, button: Option<&str>, rows: &[Row]) -> serde_json::Value {
    let rows = rows.iter().map(|row| {
        let mut one = serde_json::json!({
            "tenant": tenant,
            "at": row.at.to_string(),
            "route": row.decision.route.code(),
            "because": row.decision.because.code(),
            "reason": row.decision.because.to_string(),
        });
        if let (Some(button), Some(object)) = (button, one.as_object_mut()) {
            object.insert("button".to_owned(), button.into());
        }
        one
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::plan::Step;

    #[test]
    fn a_ramp_is_shown_with_its_share() {
        let at = Wall::parse("2026-01-10T00:00:00Z").unwrap();
        let stage = Stage::Ramp { percent: 25 };
        let plan = Plan { steps: vec![Step { at, stage }], ..Plan::default() };
        let (effective, latch) = (Effective::from(&plan), PastRemoval::NOT_YET);
        let draw = Draw::new(0).unwrap();
        let asked = Asked { effective: &effective, button: None, latch, draw };
        let shown = table(&[calendar::row(asked, at, "asked".to_owned())], false);
        assert!(shown.ends_with("miaw      ramp, 25 % to miaw\n"), "{shown}");
    }
}
