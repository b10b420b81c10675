//! Makes attribute values from JSON values (rules V1 to V4).

use unicode_normalization::char::is_combining_mark;

use super::limits::MAX_VALUE_BYTES;
use super::node::{Node, Value};
use super::prechat::Target;
use super::transcript;

/// A value as text and what was done to it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// It is JSON text of a list or an object.
    pub json: bool,
    /// The value is a transcript; its turns, for people to read.
    pub turns: Option<String>,
    /// How many control characters were removed.
    pub removed: usize,
    /// It was longer than any value may be and was cut.
    pub capped: bool,
}

/// The text of a value, or `None` when there is nothing to send (V1, V2).
#[must_use]
pub fn text(node: &Node, join: Option<&str>) -> Option<Text> {
    if node.is_nothing() {
        return None;
    }
    let (raw, json) = match (&node.value, join) {
        (Value::Text(text), _) => (text.clone(), false),
        (Value::List(items), Some(separator)) => {
            let parts: Vec<String> = items
                .iter()
                .filter(|item| !item.is_nothing())
                .map(|item| item.text().map_or_else(|| item.to_json(), str::to_owned))
                .collect();
            (parts.join(separator), false)
        }
        (Value::List(_) | Value::Map(_), _) => (node.to_json(), true),
        _ => (node.to_json(), false),
    };
    let cleaned = clean(&raw);
    let turns = transcript::turns(node).map(|turns| clean(&turns).text);
    (!cleaned.text.trim().is_empty()).then_some(Text { json, turns, ..cleaned })
}

/// Line ends become LF, other control characters except tab are removed, the size is capped.
#[must_use]
pub fn clean(raw: &str) -> Text {
    let unified = raw.replace("\r\n", "\n");
    let keep = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let mut text: String = unified.chars().filter(keep).collect();
    let removed = unified.chars().count() - text.chars().count();
    let capped = text.len() > MAX_VALUE_BYTES;
    if capped {
        let end = (0..=MAX_VALUE_BYTES).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
    }
    Text { text, json: false, turns: None, removed, capped }
}

/// Length as Salesforce may count it at worst: UTF-16 units (V3).
#[must_use]
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The longest beginning of at most `limit` UTF-16 units that ends between characters: never
/// inside a pair, and not between a letter and its combining marks or joiners (V3).
#[must_use]
pub fn cut(text: &str, limit: usize) -> &str {
    let mut units = 0;
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        if units + c.len_utf16() > limit {
            end = at;
            break;
        }
        units += c.len_utf16();
    }
    let attached = |at: usize| {
        let joins =
            |c: char| is_combining_mark(c) || matches!(c, '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        text[at..].chars().next().is_some_and(joins) || text[..at].ends_with('\u{200d}')
    };
    let mut soft = end;
    while soft > 0 && soft < text.len() && attached(soft) {
        soft = text[..soft].char_indices().next_back().map_or(0, |(at, _)| at);
    }
    // A text of nothing but marks is cut hard rather than lost.
    &text[..if soft == 0 { end } else { soft }]
}

/// How many characters the record field of a target takes (V4); `None` when it is not known.
#[must_use]
pub fn field_size(target: &Target) -> Option<usize> {
    Some(match target.field.to_ascii_lowercase().as_str() {
        "firstname" | "phone" => 40,
        "lastname" | "email" => 80,
        "subject" => 255,
        _ => return None,
    })
}
