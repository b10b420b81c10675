//! `import`: reads exports, prints what they give, writes the files of a tenant.
//!
//! Exit codes: 0 done, 1 files could not be read or written, 2 problems in the exports. With
//! problems nothing is written; nothing is ever overwritten without `--force`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::check::say;
use crate::import::fact::Input;
use crate::import::limits::{MAX_FILE_BYTES, MAX_FILES};
use crate::import::{self, Import, Options, Output, Unrecognized};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 done, 1 could not read or write, 2 problems in the exports")]
pub(super) struct Args {
    /// Exports of one org: snippets, provider or node JSON, metadata XML, in any order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write the files to this folder; without it they are only listed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The tenant's id; made of the org's domain unless given
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// The bridge's public address, for the client's Base URL
    #[arg(long, value_name = "URL")]
    bridge: Option<String>,
    /// Overwrite files that exist
    #[arg(long, requires = "out")]
    force: bool,
    /// Print everything as one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (inputs, unread) = read(&args.files)?;
    let options = Options { tenant: args.tenant.clone(), bridge: args.bridge.clone() };
    let mut import = import::import(&inputs, &options);
    import.unrecognized.extend(unread);
    if args.json {
        say(&serde_json::to_string_pretty(&import)?)?;
    } else {
        say(&import.summary())?;
    }
    if !import.ok {
        eprintln!("liveagent-bridge: the exports have problems, so nothing is written");
        return Ok(ExitCode::from(2));
    }
    match &args.out {
        Some(folder) => write(&import, folder, args)?,
        None if args.json => {}
        None => {
            say("with --out DIR these files would be written:")?;
            for file in &import.files {
                say(&format!("  {} ({} lines)", file.path, file.text.lines().count()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The files as text; what is not text is told, not guessed.
fn read(paths: &[PathBuf]) -> anyhow::Result<(Vec<Input>, Vec<Unrecognized>)> {
    anyhow::ensure!(paths.len() <= MAX_FILES, "at most {MAX_FILES} files are read at once");
    let (mut inputs, mut unread) = (Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        let size = std::fs::metadata(path).with_context(|| format!("cannot read {file}"))?;
        anyhow::ensure!(!size.is_dir(), "{file} is a folder; name the files in it");
        if size.len() > MAX_FILE_BYTES as u64 {
            let reason = format!("larger than {MAX_FILE_BYTES} bytes");
            unread.push(Unrecognized { file, reason });
            continue;
        }
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {file}"))?;
        match String::from_utf8(bytes) {
            Ok(text) => inputs.push(Input { name: file, text }),
            Err(_) => {
                let reason = "not UTF-8 text; save it as UTF-8".to_owned();
                unread.push(Unrecognized { file, reason });
            }
        }
    }
    Ok((inputs, unread))
}

fn write(import: &Import, folder: &Path, args: &Args) -> anyhow::Result<()> {
    let differs = |file: &&Output| {
        let old = std::fs::read(folder.join(&file.path));
        old.is_ok_and(|old| old != file.text.as_bytes())
    };
    let kept: Vec<&str> =
        import.files.iter().filter(differs).map(|file| file.path.as_str()).collect();
    if !kept.is_empty() && !args.force {
        anyhow::bail!(
            "{} would change {} (nothing was written); look at them, then use --force or \
             another folder",
            folder.display(),
            kept.join(", ")
        );
    }
    for file in &import.files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        create(&path, &file.text, args.force)
            .with_context(|| format!("cannot write {}", path.display()))?;
        if !args.json {
            say(&format!("wrote {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes a file. Without force one that came into being meanwhile is left alone.
fn create(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    match options.open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(_) if !force && std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) => Ok(()),
        Err(error) => Err(error),
    }
}
