//! What becomes of every noun, message and member, in one table: declared here, held against
//! recordings, against what the conformance run saw, and against the codes of the report.

use std::collections::BTreeSet;

use super::rows::{ROWS, Row, Verdict};

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Emulated => "emulated",
            Self::Changed => "changed",
            Self::Lost => "lost",
        }
    }
}

impl Row {
    pub(super) fn members(&self) -> impl Iterator<Item = &'static str> {
        self.members.split(' ').filter(|member| !member.is_empty())
    }

    pub(super) fn is_about_all(&self) -> bool {
        self.members.is_empty()
    }
}

/// The row that a member belongs to; a row for `a` is one for `a.b`, too.
pub(super) fn row(of: &str, member: &str) -> Option<&'static Row> {
    let mut member = member;
    loop {
        let found = ROWS.iter().find(|row| row.of == of && row.members().any(|m| m == member));
        if found.is_some() {
            return found;
        }
        member = member.rsplit_once('.')?.0;
    }
}

/// The row about a whole noun or message.
pub(super) fn whole(of: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.of == of && row.is_about_all())
}

pub(super) fn print() -> String {
    let mut text = String::from("\n| noun or message | members | | why | finding |\n");
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for row in ROWS {
        let members: Vec<_> = row.members().map(|member| format!("`{member}`")).collect();
        let (of, members, is) = (row.of, members.join(", "), row.is.word());
        let found = row.finding.unwrap_or_default();
        text.push_str(&format!("| `{of}` | {members} | {is} | {} | {found} |\n", row.why));
    }
    text.push('\n');
    text
}

/// Every thing and member once.
#[test]
fn nothing_is_judged_twice() {
    let mut seen = BTreeSet::new();
    for row in ROWS {
        if row.is_about_all() {
            assert!(seen.insert((row.of, "")), "{}", row.of);
        }
        for member in row.members() {
            assert!(seen.insert((row.of, member)), "{}.{member}", row.of);
        }
        assert!(whole(row.of).is_some(), "{} has members and no row of its own", row.of);
        assert!(!row.why.is_empty() || row.is == Verdict::Equal, "{} {}", row.of, row.members);
    }
}
