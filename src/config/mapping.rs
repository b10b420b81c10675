//! The mapping file a tenant names, held against the mapping's own reader.
//!
//! Promised: its problems are told together with those of the configuration.

use std::path::PathBuf;

use super::problem::Problem;
use super::section::{Cx, Text};
use super::source::Source;
use crate::mapping::{Mapping, load, problem};

/// A mapping and the file it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingFile {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub mapping: Mapping,
}

/// Reads the mapping file; whatever is wrong with it is a problem.
pub(super) fn read(cx: Cx<'_>, text: &Text) -> Option<MappingFile> {
    let path = cx.source.folder().join(&text.value);
    if !path.is_file() {
        let problem = text.at.says(format!("there is no file `{}`", path.display()));
        cx.found.problem(problem.expected("a mapping file, seen from the folder of this file"));
        return None;
    }
    let source = Source::read(&path).map_err(|problem| cx.found.problem(*problem)).ok()?;
    match load::load(&path.display().to_string(), &source.text) {
        Ok(mapping) => Some(MappingFile { path, mapping }),
        Err(problems) => {
            located(&source, problems).into_iter().for_each(|p| cx.found.problem(p));
            None
        }
    }
}

fn located(source: &Source, problems: Vec<problem::Problem>) -> Vec<Problem> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let each = problems.into_iter().map(|problem| Problem {
        code: None,
        place: Some(source.place_at(problem.line, problem.column)),
        file: source.path.clone(),
        key: problem.key,
        message: problem.message,
        expected: some(problem.expected),
        help: some(problem.hint),
    });
    each.collect()
}
