//! `[tenant.plan.budget]`: how much may go wrong on MIAW before the move is rolled back.
//!
//! Promised: without the section nothing is rolled back by itself.

use std::time::Duration;

use super::super::section::Section;
use super::super::values::{self, DURATION};
use crate::router::budget::BudgetRule;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Every outcome of a window of this many is remembered.
const MOST_CHATS: usize = 10_000;

/// Reads the section; what is absent keeps its default.
pub(super) fn read(section: Section<'_>, has_legacy: bool) -> BudgetRule {
    let d = BudgetRule::default();
    let span = |key, fallback, least| {
        section.read(key, fallback, DURATION, |text| values::duration(text, least, DAY))
    };
    let number = |key, fallback, least: usize, most: usize| {
        let expected = format!("a whole number from {least} to {most}");
        section.read(key, fallback, &expected, |text| values::number(text, least, most))
    };
    let share = number("max_share", usize::from(d.max_share), 0, 99);
    let rule = BudgetRule {
        window: span("window", d.window, MINUTE),
        max_share: u8::try_from(share).unwrap_or(d.max_share),
        min_chats: number("min_chats", d.min_chats, 1, MOST_CHATS),
        accept_within: span("accept_within", d.accept_within, Duration::from_secs(1)),
        missing_after: span("missing_after", d.missing_after, MINUTE),
        missing_chats: number("missing_chats", d.missing_chats, 1, MOST_CHATS),
    };
    if !has_legacy {
        let at = section.at();
        section.cx.found.note(at.says("has no effect without a section [tenant.legacy]"));
    }
    section.finish();
    rule
}
