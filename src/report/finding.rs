//! One coded line of a check or a dry run.
//!
//! Promised: a code never changes its meaning, is always printed with its slug, and a finding never
//! carries a visitor's value: paths, names of fields, counts and lengths only.

use std::fmt;

use serde::{Serialize, Serializer};

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Blocks the cutover until it is fixed or accepted.
    Error,
    /// Loses or changes something.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// All of them, heaviest first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// The lower-case word for one.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is known about a code, whatever the place it was found in.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// `PC101`
    pub id: &'static str,
    /// `record-lookup-lost`
    pub slug: &'static str,
    /// Severity unless the place says otherwise.
    pub severity: Severity,
    /// One line for headings.
    pub title: &'static str,
    /// What it means for the people who chat.
    pub means: &'static str,
    /// What to do about it, mostly in the org.
    pub todo: &'static str,
}

/// A finding code. Compared, ordered and printed by its id.
#[derive(Clone, Copy)]
pub struct Code(&'static Entry);

impl Code {
    /// Wraps a row of the code table.
    #[must_use]
    pub const fn new(entry: &'static Entry) -> Self {
        Self(entry)
    }

    /// The row of the code table.
    #[must_use]
    pub const fn entry(self) -> &'static Entry {
        self.0
    }

    /// Does `text` name this code, by id or by slug?
    #[must_use]
    pub fn is_named(self, text: &str) -> bool {
        self.0.id.eq_ignore_ascii_case(text) || self.0.slug.eq_ignore_ascii_case(text)
    }

    /// A finding of this code with its usual severity and its usual advice.
    #[must_use]
    pub fn at(self, path: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding {
            code: self,
            severity: self.0.severity,
            path: path.into(),
            message: message.into(),
            todo: self.0.todo.to_owned(),
        }
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(other.0.id)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.id, self.0.slug)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.id)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.id)
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind.
    pub code: Code,
    /// How much it weighs here.
    pub severity: Severity,
    /// Where: `prechatDetails[2].entityMaps[0].entityName`.
    pub path: String,
    /// What was found there. Never a visitor's value.
    pub message: String,
    /// What to do about it.
    pub todo: String,
}

impl Finding {
    /// The same finding with another severity.
    #[must_use]
    pub const fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same finding with advice for this very place.
    #[must_use]
    pub fn with_todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = todo.into();
        self
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut map = serializer.serialize_struct("Finding", 6)?;
        map.serialize_field("code", &self.code)?;
        map.serialize_field("slug", self.code.entry().slug)?;
        map.serialize_field("severity", &self.severity)?;
        map.serialize_field("path", &self.path)?;
        map.serialize_field("message", &self.message)?;
        map.serialize_field("todo", &self.todo)?;
        map.end()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}] {}: {}", self.severity, self.code, self.path, self.message)
    }
}
