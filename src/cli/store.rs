//! `store`: what can be done to a store beside the running bridge.

mod export;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use uuid::Uuid;

use crate::app;
use crate::config::{self, StoreConfig};
use crate::store::Store;
use crate::store::seal::KeyRing;
use export::Selected;

/// Chats read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed or not found, 2 the configuration has problems."
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Prints a new key ring; keep it where every node can read it and nobody else
    KeyRing,
    /// Brings the tables up to date; `serve` does the same when it starts
    Migrate(Where),
    /// Opens every chat that has not ended, and every change: does the key ring fit, is all whole?
    Check(Where),
    /// Prints what is stored of one chat, or of everything, as lines of JSON
    ///
    /// What people wrote, names, tokens and keys are printed as their lengths. A record that the
    /// key ring does not open is a line with `problem`, and exit code 1.
    Export {
        #[command(flatten)]
        at: Where,
        /// The chat's id; or `all`: every chat, ended ones too, and the change list
        #[arg(value_name = "CHAT|all")]
        what: Selected,
        /// Print also what people wrote, names, tokens and keys: all that the store holds
        #[arg(long)]
        texts: bool,
    },
    /// Forgets one chat, running or not
    Erase {
        #[command(flatten)]
        at: Where,
        /// The chat's id, as the log and the admin API name it
        #[arg(value_name = "CHAT")]
        chat: Uuid,
    },
}

#[derive(Debug, clap::Args)]
struct Where {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let at = match &args.what {
        What::KeyRing => {
            let mut out = std::io::stdout();
            out.write_all(KeyRing::generate()?.to_text().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        What::Migrate(at) | What::Check(at) => at,
        What::Export { at, .. } | What::Erase { at, .. } => at,
    };
    let config = match config::load(&at.config) {
        Ok(loaded) => loaded.config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(2));
        }
    };
    if config.store == StoreConfig::Memory {
        anyhow::bail!(
            "the store of {} is memory: it is gone with its process",
            at.config.display()
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let opened = match &args.what {
            What::KeyRing | What::Migrate(_) => app::open_store(&config.store).await?,
            _ => app::look_into_store(&config.store).await?,
        };
        let store = opened.store;
        match &args.what {
            What::Erase { chat, .. } => erase(store.as_ref(), *chat).await,
            What::Export { what, texts, .. } => {
                let out = std::io::BufWriter::new(std::io::stdout().lock());
                Ok(export::run(store.as_ref(), *what, *texts, out).await?)
            }
            What::Check(_) => check(store.as_ref()).await,
            What::KeyRing | What::Migrate(_) => {
                println!("the tables are up to date");
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

async fn erase(store: &dyn Store, chat: Uuid) -> anyhow::Result<ExitCode> {
    if store.erase(chat).await? {
        println!("{chat} is erased");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{chat} is not stored: it was never there, or is purged or erased already");
    Ok(ExitCode::from(1))
}

async fn check(store: &dyn Store) -> anyhow::Result<ExitCode> {
    let (mut chats, mut bad, mut after) = (0_u64, 0_u64, None);
    loop {
        let page = store.unfinished(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        for chat in &page {
            chats += 1;
            if let Err(error) = store.load(*chat).await {
                bad += 1;
                println!("{chat}: {error}");
            }
        }
    }
    let mut changes = 0;
    loop {
        let page = store.changes_after(changes, PAGE).await?;
        let Some(last) = page.last() else { break };
        changes = last.number;
    }
    println!("{chats} chats that have not ended, {bad} of them unreadable; {changes} changes");
    Ok(ExitCode::from(u8::from(bad > 0)))
}
