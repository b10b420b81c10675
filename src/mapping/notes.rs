//! Collects findings up to a limit, and quotes names briefly.

use super::limits::{MAX_FINDINGS, MAX_QUOTED_CHARS};
use crate::report::codes::prechat::PC003;
use crate::report::finding::Finding;

/// A bounded list of findings.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Vec<Finding>);

impl Notes {
    pub(super) const fn from(list: Vec<Finding>) -> Self {
        Self(list)
    }

    /// Keeps a finding unless the limit is reached; the limit itself is reported once.
    pub(super) fn add(&mut self, finding: Finding) {
        match self.0.len() {
            len if len < MAX_FINDINGS => self.0.push(finding),
            MAX_FINDINGS => self.0.push(PC003.at(
                "prechatDetails",
                format!("more than {MAX_FINDINGS} findings; the rest is not listed"),
            )),
            _ => {}
        }
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

/// A label, entity or field name for a message: one line, not long, in backticks.
pub(super) fn quoted(name: &str) -> String {
    let mut text: String = name.chars().take(MAX_QUOTED_CHARS).collect();
    if text.len() < name.len() {
        text.push('…');
    }
    format!("`{}`", text.replace(|c: char| c.is_control(), " "))
}

/// The candidate nearest to `word`, if it is near enough to be what was meant.
pub(super) fn did_you_mean<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let folded = word.to_lowercase();
    let near = |c: &&'c str| (distance(&folded, &c.to_lowercase()), *c);
    let (edits, best) = candidates.iter().map(|c| near(c)).min()?;
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    (edits <= allowed).then_some(best)
}

/// Levenshtein distance over the first characters; names are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
