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
    format!("`{}`", text.replace(|c: char| c.is_control() || c == '`', " "))
}

/// The candidate nearest to `word`, if it is near enough to be what was meant.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let folded = word.to_lowercase();
    // Of equally near ones, the one that begins alike is meant.
    let begins = |c: &str| folded.chars().next() != c.chars().next();
    let near = candidates.iter().map(|c| (distance(&folded, &c.to_lowercase()), begins(c), *c));
    let (edits, _, best) = near.min()?;
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    (edits <= allowed).then_some(best)
}

/// Edits from one to the other, where two swapped neighbours count as one edit. Names are short;
/// only their first characters are compared.
fn distance(a: &str, b: &str) -> usize {
    const COMPARED_CHARS: usize = 64;
    let a: Vec<char> = a.chars().take(COMPARED_CHARS).collect();
    let b: Vec<char> = b.chars().take(COMPARED_CHARS).collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
