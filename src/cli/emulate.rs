//! `emulate`: both Salesforce services and the agent desk on local ports.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::signal::Stops;
use crate::clock::Clock;
use crate::emulator::{Agents, Emulators, serve};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where MIAW listens; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7702")]
    miaw: String,
    /// Where the legacy Live Agent service listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7701")]
    liveagent: String,
    /// Where the agent desk listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7703")]
    desk: String,
    /// Who sits at the desk
    #[arg(long, value_enum, default_value = "none")]
    agents: Agents,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(emulate(args))
}

async fn emulate(args: Args) -> anyhow::Result<ExitCode> {
    let emulators = Emulators::new(&Clock::system(), args.agents);
    let mut stops = Stops::new().context("SIGTERM cannot be handled")?;
    let mut servers = JoinSet::new();
    for (name, address, router, path) in [
        ("liveagent", args.liveagent, emulators.liveagent_router(), ""),
        ("miaw", args.miaw, emulators.miaw_router(), ""),
        ("desk", args.desk, emulators.desk_router(), "/desk/"),
    ] {
        listen(&mut servers, name, &address, router, path).await?;
    }
    tokio::select! {
        ended = servers.join_next() => {
            ended.context("no server runs")??.context("a listener failed")?;
            Ok(ExitCode::FAILURE)
        }
        () = stops.said() => Ok(ExitCode::SUCCESS),
    }
}

async fn listen(
    servers: &mut JoinSet<std::io::Result<()>>,
    name: &str,
    address: &str,
    router: Router,
    path: &str,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; choose another address with --{name} HOST:PORT")
    })?;
    let bound = listener.local_addr()?;
    // Scripts wait for these lines, so each goes out as soon as it is true.
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name}  http://{bound}{path}")?;
    out.flush()?;
    drop(out);
    servers.spawn(serve(listener, router));
    Ok(())
}
