//! `tenant`: a thin client of the admin API.
//!
//! Promised: what is printed is what the API answered; what is refused is said as a sentence, with
//! what to do next. Exit codes: 0 done, 1 not reached or not able to answer, 2 wrong usage or no
//! such thing, 3 refused, 4 somebody else's change came first, 5 the token does not allow it.

mod client;
mod print;
mod wish;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};

use super::check::say;
use client::{Client, Failed, encoded};

/// The variable with the address of the admin API.
const URL: &str = "BRIDGE_ADMIN_URL";
/// The variable with the token.
const TOKEN: &str = "BRIDGE_ADMIN_TOKEN";
const DEFAULT_URL: &str = "http://127.0.0.1:8081";
/// Changes asked for at a time.
const PAGE: usize = 1_000;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 not reached, 2 wrong usage or no such thing, \
    3 refused, 4 somebody else's change came first, 5 the token does not allow it.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    #[command(flatten)]
    to: To,
    #[command(subcommand)]
    verb: Verb,
}

/// Where the API is and how to get in.
#[derive(Debug, clap::Args)]
struct To {
    /// The address of the admin API; else $BRIDGE_ADMIN_URL, else http://127.0.0.1:8081
    #[arg(long, value_name = "URL", global = true)]
    admin: Option<String>,
    /// The token; better in $BRIDGE_ADMIN_TOKEN, where others on this machine do not see it
    #[arg(long, global = true)]
    token: Option<String>,
    /// A PEM file of authorities that are trusted besides the built-in ones
    #[arg(long, value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// Print the API's answer as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Every tenant and where it stands
    List,
    /// One tenant: backends, stage, what a new chat gets now
    Show(One),
    /// The plan at any instant: what holds, since when, who said so
    Plan(At),
    /// Why a new chat would go where, or why a chat went there
    Explain(Explain),
    /// Every change, who made it and why
    History(One),
    /// Tenant, plan and every change as one JSON document
    Export(One),
    #[command(flatten)]
    Change(wish::Verb),
}

#[derive(Debug, clap::Args)]
struct One {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    tenant: String,
}

#[derive(Debug, clap::Args)]
struct At {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    tenant: String,
    /// An instant, e.g. 2026-02-14T00:00:00Z; now unless given
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    /// The chat's button
    #[arg(long, value_name = "ID")]
    button: Option<String>,
    /// The chat's lot in a ramp, 0 to 9999
    #[arg(long, value_name = "N")]
    draw: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Explain {
    #[command(flatten)]
    at: At,
    /// A chat of the tenant instead of a new one
    #[arg(long, value_name = "ID", conflicts_with_all = ["at", "button", "draw"])]
    chat: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let To { admin, token, ca_file, json } = &args.to;
    let from = |given: &Option<String>, variable: &str| {
        given.clone().or_else(|| std::env::var(variable).ok()).filter(|text| !text.is_empty())
    };
    let url = from(admin, URL).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let Some(token) = from(token, TOKEN) else {
        eprintln!("liveagent-bridge: a token is needed: set {TOKEN}; `admin token` makes one");
        return Ok(ExitCode::from(5));
    };
    let client = Client::new(&url, token, ca_file.clone())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(ask(&client, &args.verb));
    match outcome {
        Ok(answer) => {
            let text = match (json, &answer.text) {
                (false, Some(text)) => text.trim_end().to_owned(),
                _ => serde_json::to_string_pretty(&answer.json).context("no JSON")?,
            };
            say(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failed) => {
            if let (true, Some(problem)) = (json, &failed.problem) {
                say(&serde_json::to_string_pretty(problem).context("no JSON")?)?;
            }
            eprintln!("liveagent-bridge: {failed}");
            Ok(ExitCode::from(failed.exit))
        }
    }
}

/// An answer, as JSON and, where people read it, as text.
struct Answer {
    json: Value,
    text: Option<String>,
}

async fn ask(client: &Client, verb: &Verb) -> Result<Answer, Failed> {
    let shown = |json: Value, print: fn(&Value) -> String| {
        let text = Some(print(&json));
        Answer { json, text }
    };
    match verb {
        Verb::List => Ok(shown(client.get("/tenants").await?, print::list)),
        Verb::Show(One { tenant }) => {
            Ok(shown(client.get(&path(tenant, "")).await?, print::tenant))
        }
        Verb::Plan(at) => Ok(shown(client.get(&plan_path(at)).await?, print::plan)),
        Verb::Explain(Explain { chat: Some(chat), .. }) => {
            let path = format!("/chats/{}/decision", encoded(chat));
            Ok(shown(client.get(&path).await?, print::decision))
        }
        Verb::Explain(Explain { at, chat: None }) => {
            Ok(shown(client.get(&plan_path(at)).await?, print::explained))
        }
        Verb::History(One { tenant }) => {
            let changes = history(client, tenant).await?;
            Ok(shown(json!({ "changes": changes }), print::history))
        }
        Verb::Export(One { tenant }) => {
            let json = json!({
                "tenant": client.get(&path(tenant, "")).await?,
                "plan": client.get(&path(tenant, "/plan")).await?,
                "changes": history(client, tenant).await?,
            });
            Ok(Answer { json, text: None })
        }
        Verb::Change(verb) => {
            let wish = verb.wish().map_err(Failed::usage)?;
            let tenant = client.get(&path(&wish.tenant, "")).await?;
            let seen = tenant["lastChange"].as_u64().unwrap_or_default();
            let body = json!({
                "expected": wish.expected.unwrap_or(seen),
                "why": wish.why,
                "action": wish.action,
            });
            let change = client.post(&path(&wish.tenant, "/changes"), &body).await?;
            let after = client.get(&path(&wish.tenant, "")).await?;
            let text = Some(format!("{}\n{}", print::change(&change), print::now(&after)));
            Ok(Answer { json: change, text })
        }
    }
}

async fn history(client: &Client, tenant: &str) -> Result<Vec<Value>, Failed> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let page = path(tenant, &format!("/changes?after={after}&limit={PAGE}"));
        let page = client.get(&page).await?;
        all.extend(page["changes"].as_array().cloned().unwrap_or_default());
        match page["next"].as_u64() {
            Some(next) if next > after => after = next,
            _ => return Ok(all),
        }
    }
}

fn path(tenant: &str, rest: &str) -> String {
    format!("/tenants/{}{rest}", encoded(tenant))
}

fn plan_path(at: &At) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("at", &at.at), ("button", &at.button), ("draw", &at.draw)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    path(&at.tenant, &format!("/plan{mark}{query}"))
}
