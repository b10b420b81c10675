//! One file as read: its text, its lines, and what was found wrong in it.
//!
//! Promised: a place points at what the person wrote, in characters, and never shows the value of a
//! key that holds a secret.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::difference::{Value, Written};
use super::problem::{Note, Place, Problem};

/// Asks for an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A file's path and text.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Reads a file; a problem without a place when that fails.
    pub(super) fn read(path: &Path) -> Result<Self, Box<Problem>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Box::new(Problem {
                code: None,
                place: None,
                file: path.to_owned(),
                key: String::new(),
                message: format!("cannot be read: {error}"),
                expected: Some("a TOML file in UTF-8".to_owned()),
                help: Some("check the path and its permissions".to_owned()),
            })
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The folder that relative paths of this file count from.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The place of a byte range; what reaches over its line is cut at the line's end.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let start = self.boundary(span.start);
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.text.get(line_start..).unwrap_or_default();
        let text = rest.split(['\n', '\r']).next().unwrap_or_default();
        let end = self.boundary(span.end).min(line_start + text.len()).max(start);
        Place {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            width: self.text.get(start..end).unwrap_or_default().chars().count().max(1),
            // A tab is one character wide here and eight on the screen.
            text: text.replace('\t', " "),
        }
    }

    /// The place of a line and a column, both from 1.
    pub(super) fn place_at(&self, line: usize, column: usize) -> Place {
        let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let text = text.replace('\t', " ");
        Place { file: self.path.clone(), line, column, width: 1, text }
    }

    fn boundary(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at).rev().find(|i| self.text.is_char_boundary(*i)).unwrap_or(0)
    }
}

/// What was found, in the order it was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) notes: RefCell<Vec<Note>>,
    pub(super) written: RefCell<Written>,
    /// Values whose owner is not known yet.
    values: RefCell<Vec<(String, Value)>>,
}

impl Found {
    pub(super) fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn note(&self, note: Note) {
        self.notes.borrow_mut().push(note);
    }

    pub(super) fn wrote(&self, key: String, value: Value) {
        self.values.borrow_mut().push((key, value));
    }

    /// Where the values of the next tenant will begin.
    pub(super) fn values(&self) -> usize {
        self.values.borrow().len()
    }

    /// What was written since `from` belongs to a tenant.
    pub(super) fn wrote_tenant(&self, id: &str, path: &str, from: usize) {
        let values = self.values.borrow_mut().split_off(from);
        let each = values.into_iter().map(|(key, value)| match key.strip_prefix(path) {
            Some(rest) => (rest.trim_start_matches('.').to_owned(), value),
            None => (key, value),
        });
        self.written.borrow_mut().tenant(id, each);
    }

    /// What is left belongs to the bridge itself.
    pub(super) fn wrote_bridge(&self) {
        self.written.borrow_mut().bridge(self.values.take());
    }
}

/// A key and where its value is: what a problem or a note is made of.
#[derive(Clone, Debug)]
pub(super) struct At {
    pub(super) key: String,
    pub(super) place: Place,
}

impl At {
    /// A problem here; `expected` and `help` are added by its methods.
    pub(super) fn says(&self, message: impl Into<String>) -> Problem {
        Problem {
            code: None,
            file: self.place.file.clone(),
            place: Some(self.place.clone()),
            key: self.key.clone(),
            message: message.into(),
            expected: None,
            help: None,
        }
    }
}

impl Problem {
    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

/// The candidate that was probably meant, if one is near enough.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let reach = (lower.chars().count() / 3).max(1);
    candidates
        .map(|c| (distance(&lower, &c.to_lowercase()), c))
        .filter(|(far, _)| *far <= reach)
        .min_by_key(|(far, _)| *far)
        .map(|(_, c)| c)
}

/// Edits between two words: insert, delete, replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cb, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let up = *cell;
            left = (diagonal + usize::from(ca != *cb)).min(up + 1).min(left + 1);
            diagonal = up;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, far) in [("", "", 0), ("a", "", 1), ("base_ulr", "base_url", 2), ("x", "y", 1)] {
            assert_eq!(distance(a, b), far, "{a} {b}");
        }
        assert_eq!(nearest("base_ulr", ["zone", "base_url"].into_iter()), Some("base_url"));
        assert_eq!(nearest("colour", ["zone", "base_url"].into_iter()), None);
    }
}
