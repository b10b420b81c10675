//! What is wrong with the files, for the person who exported them.
//!
//! Promised: a problem names file and, where there is one, line. It quotes ids, names and
//! addresses, never a value of pre-chat.

use std::fmt;

use serde::Serialize;

use super::fact::Place;
use crate::report::finding::Severity;

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Of an error nothing is written; a warning wants a decision.
    pub severity: Severity,
    /// The file; empty when it is about all of them.
    pub file: String,
    /// From 1; absent when it is about the whole file.
    pub line: Option<usize>,
    /// What was found.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    pub(super) fn at(severity: Severity, place: &Place, message: impl Into<String>) -> Self {
        let (file, line) = (place.file.clone(), Some(place.line));
        Self { severity, file, line, message: message.into(), help: None }
    }

    pub(super) fn about(severity: Severity, file: &str, message: impl Into<String>) -> Self {
        Self { severity, file: file.to_owned(), line: None, message: message.into(), help: None }
    }

    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}: {}", self.severity, self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}
