//! `mapping test`: runs `[[test]]` tables, else the pairs `NAME.json` and `NAME.expected.json`
//! beside the mapping file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::{mapping as load, text};
use crate::cli::check::say;
use crate::mapping::example::Expected;
use crate::mapping::file::Example;
use crate::mapping::{self, Mapping};

/// More files than this beside a mapping are no test suite.
const MAX_PAIRS: usize = 10_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all hold, 1 a difference, 2 a file is missing or wrong, or \
                        there is no test. Expected and actual values are printed.")]
pub(super) struct Args {
    /// Mapping files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// One test: what it is called, the document, what must come out.
struct Case {
    name: String,
    prechat: PathBuf,
    button: String,
    expected: Expected,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    let mut held = 0;
    for path in &args.files {
        let mapping = load(path)?;
        let cases = cases(path, &mapping)?;
        if cases.is_empty() {
            bail!(
                "{}: no test; add [[test]] tables, or NAME.json with NAME.expected.json beside it",
                path.display()
            );
        }
        for case in cases {
            if holds(path, &mapping, &case)? {
                held += 1;
            } else {
                failed += 1;
            }
        }
    }
    say(&format!("{held} passed, {failed} failed"))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn holds(path: &Path, mapping: &Mapping, case: &Case) -> anyhow::Result<bool> {
    let title = format!("{}: {}", path.display(), case.name);
    let document = text(&case.prechat)?;
    let translation = match mapping::translate(mapping, &document, &case.button, "") {
        Ok(translation) => translation,
        Err(error) => bail!("{}: {error}\n{}", case.prechat.display(), error.caret),
    };
    let differences = case.expected.differences(&translation);
    say(&format!("{} {title}", if differences.is_empty() { "ok  " } else { "FAIL" }))?;
    for difference in &differences {
        say(&difference.to_string())?;
    }
    Ok(differences.is_empty())
}

fn cases(path: &Path, mapping: &Mapping) -> anyhow::Result<Vec<Case>> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !mapping.tests.is_empty() {
        return mapping.tests.iter().map(|test| declared(folder, test)).collect();
    }
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .take(MAX_PAIRS)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|p| p.to_string_lossy().ends_with(".expected.json"))
        .collect();
    names.sort();
    names.iter().map(|expected| pair(expected)).collect()
}

fn pair(expected: &Path) -> anyhow::Result<Case> {
    let file = expected.file_name().unwrap_or_default().to_string_lossy();
    let name = file.trim_end_matches(".expected.json").to_owned();
    let prechat = expected.with_file_name(format!("{name}.json"));
    Ok(Case { name, prechat, button: String::new(), expected: read(expected)? })
}

fn declared(folder: &Path, test: &Example) -> anyhow::Result<Case> {
    let mut expected = match (&test.expected, &test.expected_file) {
        (Some(attributes), _) => Expected { attributes: attributes.clone(), ..Expected::default() },
        (None, Some(file)) => read(&folder.join(file))?,
        (None, None) => Expected::default(),
    };
    if test.language.is_some() {
        expected.language.clone_from(&test.language);
    }
    if test.opening_message.is_some() {
        expected.opening_message.clone_from(&test.opening_message);
    }
    Ok(Case {
        name: test.name.clone().unwrap_or_else(|| test.prechat.clone()),
        prechat: folder.join(&test.prechat),
        button: test.button.clone().unwrap_or_default(),
        expected,
    })
}

fn read(path: &Path) -> anyhow::Result<Expected> {
    Expected::parse(&text(path)?)
        .map_err(anyhow::Error::msg)
        .with_context(|| path.display().to_string())
}
