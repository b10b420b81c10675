//! What is wrong with a mapping file, for the person who edits it.

use std::fmt;

/// One problem and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// `rule[2].max_len`
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was expected; empty when the message says it.
    pub expected: String,
    /// What to do; empty when there is nothing to suggest.
    pub hint: String,
    /// The source line with a caret.
    pub caret: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        if !self.caret.is_empty() {
            write!(f, "\n{}", self.caret)?;
        }
        Ok(())
    }
}
