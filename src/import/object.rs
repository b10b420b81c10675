//! Looks members up in an object whatever their spelling: `buttonId`, `Button ID`, `button_id`.
//!
//! Promised: a member that stands twice with different values is a problem, and the last one holds,
//! as JSON readers take it.

use super::fact::{Facts, Located, Source};
use super::id;
use super::problem::Problem;
use crate::mapping::node::{Member, Node, Value};
pub(super) use crate::metadata::fold;
use crate::report::finding::Severity;

/// An object and the file it stands in.
#[derive(Clone, Copy)]
pub(super) struct Object<'n> {
    members: &'n [Member],
    source: &'n Source<'n>,
}

impl<'n> Object<'n> {
    pub(super) fn of(node: &'n Node, source: &'n Source<'n>) -> Option<Self> {
        Some(Self { members: node.members()?, source })
    }

    /// The last member that has one of these names, in the order of the names.
    pub(super) fn member(&self, names: &[&str]) -> Option<&'n Member> {
        names.iter().find_map(|name| self.members.iter().rev().find(|m| fold(&m.key) == *name))
    }

    /// A text or a number under one of these names; a template counts as nothing.
    pub(super) fn text(&self, names: &[&str]) -> Option<Located> {
        let node = &self.member(names)?.node;
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Number(digits) => digits,
            _ => return None,
        };
        let plain = !text.trim().is_empty() && !text.contains("{{");
        plain.then(|| self.source.located(text, node.span.start))
    }

    /// Reports members of these names that stand twice with different values.
    pub(super) fn report_twice(&self, names: &[&str], facts: &mut Facts) {
        for (i, member) in self.members.iter().enumerate() {
            let folded = fold(&member.key);
            if !names.contains(&folded.as_str()) {
                continue;
            }
            let earlier = self.members[..i].iter().rev().find(|m| fold(&m.key) == folded);
            let Some(earlier) = earlier.filter(|e| e.node.to_json() != member.node.to_json())
            else {
                continue;
            };
            let first = self.source.place(earlier.key_span.start);
            let message = format!(
                "{} stands twice in one object with different values; first in line {}",
                id::quoted(&member.key),
                first.line
            );
            let place = self.source.place(member.key_span.start);
            let problem = Problem::at(Severity::Error, &place, message);
            facts.problems.push(problem.help("keep one of the two"));
        }
    }
}
