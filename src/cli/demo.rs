//! `demo`: everything in one process, with a page or without.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::signal::Stops;
use crate::demo::{self, Demo};
use crate::observe::log;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The clock is simulated and starts on the day before the removal; the page can drag it. It has a tour
of less than two minutes, and scenarios to press. Nothing is configured, nothing leaves this machine,
nothing is kept.
Exit codes: 0 stopped, or all was right; 1 failed, or something was wrong.")]
pub(super) struct Args {
    /// Play the whole story without a page and print what everybody saw as one line of JSON
    #[arg(long, conflicts_with = "port")]
    headless: bool,
    /// The port of the page on 127.0.0.1; the next free one if it is in use, 0 for any
    #[arg(long, value_name = "PORT", default_value_t = demo::DEFAULT_PORT)]
    port: u16,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // The page shows what happens; the log is for whoever asks for it.
    if std::env::var_os(log::VARIABLE).is_some() {
        log::start(false);
    }
    let runtime = tokio::runtime::Runtime::new()?;
    if args.headless {
        let report = runtime.block_on(demo::headless())?;
        println!("{}", serde_json::to_string(&report)?);
        return Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    runtime.block_on(page(args.port))?;
    Ok(ExitCode::SUCCESS)
}

async fn page(port: u16) -> anyhow::Result<()> {
    let demo = Demo::start(port).await?;
    let mut stops = Stops::new().context("SIGTERM cannot be handled")?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "Open the address below and press Guided tour: it takes less than two minutes.\n\
         Or play: chat on both sides, drag the clock past the removal, kill the bridge in mid-chat.\n\
         Ctrl-C stops everything."
    )?;
    writeln!(out, "listening  http://{}", demo.address())?;
    out.flush()?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        stops.said().await;
        stop.cancel();
    });
    Ok(demo.serve(shutdown).await?)
}
