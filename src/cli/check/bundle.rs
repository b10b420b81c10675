//! `check --bundle`: the support bundle on standard output or in a file.
//!
//! Promised: a file that exists is never written to; a new one is for its owner only.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::Context as _;

use super::{Args, say};
use crate::clock::Clock;
use crate::config::{Loaded, Problem};
use crate::preflight::Checked;
use crate::support::{Material, bundle};

pub(super) fn write(
    args: &Args,
    loaded: Option<&Loaded>,
    problems: &[Problem],
    live: &[Checked],
) -> anyhow::Result<()> {
    let now = Clock::system().now().wall;
    let material = Material { file: &args.config, loaded, problems, live, now };
    let text = serde_json::to_string_pretty(&bundle(&material))?;
    let Some(path) = &args.out else { return Ok(say(&text)?) };
    let cannot = || format!("the bundle cannot be written to {}", path.display());
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(cannot)?;
    writeln!(file, "{text}").with_context(cannot)?;
    Ok(say(&format!("{} is written; read it before you send it", path.display()))?)
}
