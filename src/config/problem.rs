//! Problems and notes of a configuration, and how people see them.
//!
//! Promised: every problem names where it is, what was wrong, what was expected and what to do.

use std::fmt;
use std::path::PathBuf;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters are meant.
    pub width: usize,
    /// The line's text.
    pub text: String,
}

/// Something that keeps the bridge from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A finding code where there is one, e.g. `CF003`.
    pub code: Option<&'static str>,
    /// Where; `None` when the file itself could not be read.
    pub place: Option<Place>,
    /// The file, also when there is no place in it.
    pub file: PathBuf,
    /// The key's path, e.g. `tenant[0].miaw.base_url`.
    pub key: String,
    /// What was wrong.
    pub message: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

/// Something worth knowing that stops nothing.
pub type Note = Problem;

/// Every problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = &self.place {
            write!(f, ":{}", place.line)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(code) = self.code {
            write!(f, " [{code}]")?;
        }
        if let Some(place) = &self.place {
            let margin = place.line.to_string().len();
            write!(f, "\n{:margin$} |\n{} | {}", "", place.line, place.text)?;
            let indent = place.column.saturating_sub(1);
            write!(f, "\n{:margin$} | {:indent$}{}", "", "", "^".repeat(place.width.max(1)))?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n  expected: {expected}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problem {
    /// The same as JSON, for `check --json`.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "code": self.code,
            "file": self.file.display().to_string(),
            "line": self.place.as_ref().map(|place| place.line),
            "column": self.place.as_ref().map(|place| place.column),
            "key": self.key,
            "message": self.message,
            "expected": self.expected,
            "help": self.help,
        })
    }
}
