//! The opening message: what agents would have seen in legacy's panel, or what did not fit into an
//! attribute, said in the visitor's name.
//!
//! Promised: nothing of a detail with `displayToAgent: false`; parts of at most
//! `MAX_OPENING_PART_LEN`, cut between turns and lines where there are any, never inside a
//! character, and joined again they are the message but for blanks at the cuts. Not promised:
//! pacing; whoever sends the parts keeps to the rate.

use super::file::{Mapping, Opening};
use super::limits::{MAX_OPENING_MESSAGE_BYTES, MAX_OPENING_PART_LEN, MESSAGES_PER_MINUTE};
use super::place::Placer;
use super::values;
use crate::report::codes::platform::TR150;
use crate::report::codes::values::PC116;

/// The message, if there is anything to say.
pub(super) fn message(mapping: &Mapping, placer: &mut Placer<'_>) -> Option<String> {
    let all = mapping.defaults.opening_message == Opening::Details;
    placer.visible.sort_by_key(|shown| shown.order);
    let shown = placer.visible.iter().filter(|shown| all || shown.overflowed);
    let texts: Vec<String> = shown
        .map(|shown| {
            let gap = if shown.turns { "\n" } else { " " };
            format!("{}:{gap}{}", shown.source, shown.text)
        })
        .collect();
    let mut message = texts.join(if all { "\n" } else { "\n\n" });
    if message.len() > MAX_OPENING_MESSAGE_BYTES {
        let fits = |i: &usize| message.is_char_boundary(*i);
        let end = (0..=MAX_OPENING_MESSAGE_BYTES).rev().find(fits).unwrap_or(0);
        message.truncate(end);
        let limit = format!("cut at {MAX_OPENING_MESSAGE_BYTES} bytes");
        placer.notes.add(PC116.at("openingMessage", limit));
    }
    let count = parts(&message).len();
    if count > MESSAGES_PER_MINUTE {
        let text = format!("{count} messages; MIAW takes {MESSAGES_PER_MINUTE} a minute");
        placer.notes.add(TR150.at("openingMessage", text));
    }
    (!message.is_empty()).then_some(message)
}

/// The message in parts that MIAW takes.
pub(super) fn parts(message: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = message.trim_end();
    while values::length(rest) > MAX_OPENING_PART_LEN {
        let hard = values::cut(rest, MAX_OPENING_PART_LEN).len();
        // Text without a single boundary within the limit cannot be: a character is never longer.
        let at = boundary(&rest[..hard]).unwrap_or(hard).max(1);
        let part = rest[..at].trim_end();
        if !part.is_empty() {
            parts.push(part.to_owned());
        }
        rest = rest[at..].trim_start_matches(['\n', ' ']);
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

/// The best place to cut in the second half: between paragraphs, else lines, else words.
fn boundary(window: &str) -> Option<usize> {
    let half = window.len() / 2;
    ["\n\n", "\n", " "].iter().find_map(|mark| window.rfind(mark).filter(|at| *at >= half))
}
