//! The mapping file a tenant names, held against the mapping's own reader.
//!
//! Promised: its problems are told together with those of the configuration.

use std::path::PathBuf;

use super::problem::Problem;
use super::section::{Cx, Text};
use super::source::Source;
use crate::mapping;

/// The path of the mapping file; whatever is wrong with the file is a problem.
pub(super) fn checked(cx: Cx<'_>, text: &Text) -> PathBuf {
    let path = cx.source.folder().join(&text.value);
    if !path.is_file() {
        let problem = text.at.says(format!("there is no file `{}`", path.display()));
        cx.found.problem(problem.expected("a mapping file, seen from the folder of this file"));
        return path;
    }
    match Source::read(&path) {
        Ok(source) => problems(&source).into_iter().for_each(|p| cx.found.problem(p)),
        Err(problem) => cx.found.problem(*problem),
    }
    path
}

fn problems(source: &Source) -> Vec<Problem> {
    let name = source.path.display().to_string();
    let Err(problems) = mapping::load::load(&name, &source.text) else { return Vec::new() };
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
