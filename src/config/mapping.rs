//! The mapping file a tenant names, held against the mapping's own reader.
//!
//! Promised: its problems are told together with those of the configuration.

use std::path::PathBuf;

use aws_lc_rs::digest::{Context as Hasher, SHA256, digest};

use super::difference::Value;
use super::problem::Problem;
use super::section::{Cx, Text};
use super::source::Source;
use crate::mapping::keys::hex;
use crate::mapping::limits::MAX_MAPPING_FILES;
use crate::mapping::{Mapping, load, problem};

/// A mapping and the files it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingFile {
    /// The files, in the order in which the tenant names them.
    pub paths: Vec<PathBuf>,
    /// What they said when they were read, in the same order.
    pub texts: Vec<String>,
    /// What they say together.
    pub mapping: Mapping,
    /// Of the bytes of all files: tells one mapping from another in shadow counts.
    pub sha256: String,
    /// Of each file's bytes, in their order, as a report names them.
    pub each: Vec<String>,
}

/// Reads the mapping files; whatever is wrong with them is a problem.
pub(super) fn read(cx: Cx<'_>, texts: &[Text]) -> Option<MappingFile> {
    let first = texts.first()?;
    if texts.len() > MAX_MAPPING_FILES {
        let problem = first.at.says(format!("more than {MAX_MAPPING_FILES} mapping files"));
        cx.found.problem(problem);
        return None;
    }
    let mut hasher = Hasher::new(&SHA256);
    let (mut paths, mut sources) = (Vec::new(), Vec::new());
    let mut files = Vec::new();
    let mut each = Vec::new();
    for text in texts {
        if let Some((path, source, file)) = one(cx, text) {
            hasher.update(source.as_bytes());
            each.push(hex(digest(&SHA256, source.as_bytes()).as_ref(), usize::MAX));
            paths.push(path);
            sources.push(source);
            files.push(file);
        }
    }
    if files.len() != texts.len() {
        return None;
    }
    match Mapping::together(files) {
        Ok(mapping) => {
            let sha256 = hex(hasher.finish().as_ref(), usize::MAX);
            Some(MappingFile { paths, texts: sources, mapping, sha256, each })
        }
        Err((one, other, why)) => {
            let (one, other) = (&texts[one], &texts[other]);
            let message =
                format!("`{}` and `{}` claim the same chats: {why}", one.value, other.value);
            let expected = "one file without [match] at most, and each button in one file";
            cx.found.problem(other.at.says(message).expected(expected));
            None
        }
    }
}

fn one(cx: Cx<'_>, text: &Text) -> Option<(PathBuf, String, Mapping)> {
    let path = cx.source.folder().join(&text.value);
    if !path.is_file() {
        let problem = text.at.says(format!("there is no file `{}`", path.display()));
        cx.found.problem(problem.expected("a mapping file, seen from the folder of this file"));
        return None;
    }
    let source = Source::read(&path).map_err(|problem| cx.found.problem(*problem)).ok()?;
    match load::load(&path.display().to_string(), &source.text) {
        Ok(mapping) => {
            let key = format!("mapping (the file {})", text.value);
            cx.found.wrote(key, Value::file(source.text.as_bytes()));
            Some((path, source.text, mapping))
        }
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
