//! `admin`: what a small installation needs to use the admin API.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use super::check::say;
use crate::admin::Role;
use crate::admin::token::{Order, TTL_MAX, mint};
use crate::clock::Clock;
use crate::config::{self, values};

/// The person who called has to change something.
const WRONG: u8 = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Makes a token, signed with the HS256 key of the configuration
    Token(Token),
}

/// Prints the token alone, for `BRIDGE_ADMIN_TOKEN=$(… admin token …)`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 printed, 2 the configuration or an argument is wrong.")]
struct Token {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What it allows: `read` or `operate`
    #[arg(long, value_parser = role)]
    role: Role,
    /// The tenants it is for, separated by commas; all unless given
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    tenants: Vec<String>,
    /// How long it is good, e.g. 30m, 8h; at most 90 days
    #[arg(long, default_value = "8h", value_parser = ttl)]
    ttl: Duration,
    /// Who will use it; the change list names them
    #[arg(long, value_name = "WHO")]
    subject: String,
    /// The `id` of the key that signs, where there are several
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "expected `read` or `operate`".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    values::duration(text, Duration::from_secs(1), TTL_MAX)
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Verb::Token(args) = args.verb;
    match token(args) {
        Ok(token) => {
            say(&token)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(message) => {
            eprintln!("liveagent-bridge: {message}");
            Ok(ExitCode::from(WRONG))
        }
    }
}

fn token(args: Token) -> Result<String, String> {
    let Token { config, role, mut tenants, ttl, subject, key } = args;
    let loaded = config::load(&config).map_err(|problems| problems.to_string())?.config;
    for tenant in tenants.iter().filter(|id| *id != "*") {
        if loaded.tenant(tenant).is_none() {
            let known: Vec<&str> = loaded.tenants.iter().map(|t| t.id.as_str()).collect();
            return Err(format!("there is no tenant `{tenant}`; expected {}", known.join(", ")));
        }
    }
    let admin = loaded.admin.ok_or_else(|| {
        format!("{} has no section [admin]; see docs/admin-api.md", config.display())
    })?;
    if tenants.is_empty() {
        tenants.push("*".to_owned());
    }
    mint(&admin, &Order { subject, role, tenants, ttl, key }, Clock::system().now().wall)
}
