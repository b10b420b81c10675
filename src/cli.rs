//! The command line. One file per subcommand under `cli/`; this one only dispatches.
//!
//! Exit codes: 0 done, 1 failed at run time, 2 wrong usage. `dry-run` and `check` define their own
//! reading of 1 and 2 in their help texts.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod admin;
mod check;
mod demo;
mod dry_run;
mod emulate;
mod explain;
mod import;
mod mapping;
mod route;
mod serve;
mod signal;
mod store;
mod tenant;

/// Keeps programs that speak Salesforce's legacy Live Agent REST API working on MIAW.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs everything in one process with emulated backends, a visitor page and an agent desk
    Demo(demo::Args),
    /// Serves the bridge
    Serve(serve::Args),
    /// Runs emulators of both Salesforce services with an agent desk
    Emulate(emulate::Args),
    /// Looks at tenants of a running bridge and moves them, over its admin API
    Tenant(tenant::Args),
    /// Makes tokens for the admin API
    Admin(admin::Args),
    /// Lists every problem of a configuration
    Check(check::Args),
    /// Prints which backend a new chat gets, and why
    Route(route::Args),
    /// Makes a tenant out of exports: snippets, provider and node JSON, metadata
    Import(import::Args),
    /// Reports what a migration would lose, from pre-chat samples
    DryRun(dry_run::Args),
    /// Proposes, explains and tests mapping files
    Mapping(mapping::Args),
    /// Makes key rings; migrates, checks and erases in a store
    Store(store::Args),
    /// Says what a finding code means and what to do about it
    Explain(explain::Args),
}

/// Parses the arguments, runs the subcommand and maps its outcome to an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Emulate(args) => emulate::run(args),
        Command::Tenant(args) => tenant::run(&args),
        Command::Admin(args) => admin::run(args),
        Command::Check(args) => check::run(&args),
        Command::Route(args) => route::run(args),
        Command::Import(args) => import::run(&args),
        Command::DryRun(args) => dry_run::run(&args),
        Command::Mapping(args) => mapping::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Explain(args) => explain::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("liveagent-bridge: {error:#}");
        ExitCode::from(1)
    })
}
