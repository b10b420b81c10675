//! The keys of `[tenant.behaviour]` about what passes through chats besides text.

use super::super::section::Section;
use super::super::values::{self, DURATION};
use super::{HOUR, SECOND, word};
use crate::chat::policy::{Content, Rich};

const RICH: [(&str, Rich); 3] = [
    ("numbered_text", Rich::NumberedText),
    ("rich_message", Rich::RichMessage),
    ("both", Rich::Both),
];

/// Reads them; what is absent keeps its default.
pub(super) fn read(section: &Section<'_>) -> Content {
    Content {
        rich: word(section, "rich", &RICH),
        form_wait: section.read("form_wait", Content::default().form_wait, DURATION, |text| {
            values::duration(text, SECOND, HOUR)
        }),
        answers_as_text: word(section, "choice_answers", &[("response", false), ("text", true)]),
    }
}
