//! `mapping suggest`: prints a mapping file for what the samples show.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail};

use super::{From, text};
use crate::cli::check::say;
use crate::mapping::suggest::{Sample, suggest};
use crate::mapping::{self, Context};
use crate::metadata::Metadata;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 done, 2 a file is missing or wrong. The samples' values are \
                        not printed, only their lengths."
)]
pub(super) struct Args {
    /// Pre-chat documents: whole ChasitorInit bodies, or prechatEntities and prechatDetails
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    prechat: Vec<PathBuf>,
    /// Channel metadata: the proposal then holds only keys that the channel declares
    #[arg(long, value_name = "FILE", num_args = 1..)]
    metadata: Vec<PathBuf>,
    #[command(flatten)]
    from: From,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let given = args.from.read()?;
    let mut read = Vec::new();
    for path in &args.prechat {
        let name = path.display().to_string();
        let prechat = mapping::read(&text(path)?)
            .map_err(|error| anyhow!("{name}: {error}\n{}", error.caret))?;
        let context = Context::of(&prechat.init).or_ids(&given.button_id, &given.deployment_id);
        let translation = mapping::apply(&given.mapping, &prechat, &context);
        read.push((name, prechat, translation));
    }
    let samples: Vec<Sample<'_>> = read
        .iter()
        .map(|(name, prechat, translation)| Sample { name, prechat, translation })
        .collect();
    let mut metadata = Metadata::default();
    for path in &args.metadata {
        metadata.add(&path.display().to_string(), &text(path)?).map_err(anyhow::Error::msg)?;
    }
    let channel = metadata.channel_of(&given.deployment);
    if channel.is_none() && !args.metadata.is_empty() {
        let names: Vec<&str> = metadata.channels.iter().map(|c| c.name()).collect();
        bail!(
            "the metadata tells no channel for the tenant's deployment; found {}. Add the \
             deployment's EmbeddedServiceConfig, name --config and --tenant, or give one \
             MessagingChannel file",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        );
    }
    say(suggest(&samples, channel).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
