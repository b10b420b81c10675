//! Makes attribute keys from labels and field names (rules K2 to K7).
//!
//! Promised: every key made here is one of the four standard keys or starts with a letter, holds
//! only letters, digits and single underscores, and is no longer than asked for.

use std::fmt::Write;

use aws_lc_rs::digest;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::prechat::Target;

/// The keys of MIAW's standard parameters.
pub const STANDARD_KEYS: [&str; 4] = ["_firstName", "_lastName", "_email", "_subject"];

/// The key MIAW consumes as the conversation's language.
pub const LANGUAGE: &str = "language";

/// Transcript fields with a documented channel variable of their own (Cognigy's Copilot page).
const DOCUMENTED: [(&str, &str); 1] = [("Copilot__c", "Copilot_URL")];

/// The standard key of an entity field and the rank of its entity; a lower rank goes first (K2).
#[must_use]
pub fn standard(target: &Target) -> Option<(&'static str, u8)> {
    let rank =
        ["contact", "lead", "case"].iter().position(|e| target.entity.eq_ignore_ascii_case(e))?;
    let key = match (rank, target.field.to_ascii_lowercase().as_str()) {
        (0 | 1, "firstname") => STANDARD_KEYS[0],
        (0 | 1, "lastname") => STANDARD_KEYS[1],
        (0 | 1, "email") => STANDARD_KEYS[2],
        (2, "subject") => STANDARD_KEYS[3],
        _ => return None,
    };
    Some((key, rank as u8))
}

/// The documented channel variable of a transcript field.
#[must_use]
pub fn documented(transcript_field: &str) -> Option<&'static str> {
    let pair = DOCUMENTED.iter().find(|(f, _)| f.eq_ignore_ascii_case(transcript_field))?;
    Some(pair.1)
}

/// A generated key and what had to be done to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The key.
    pub key: String,
    /// It was longer and was cut (K7).
    pub shortened: bool,
    /// Nothing usable was left and it is made of a hash (K6).
    pub hashed: bool,
}

/// Makes an identifier of any text (K6, K7).
#[must_use]
pub fn identifier(source: &str, max_chars: usize) -> Made {
    let mut key = String::with_capacity(source.len());
    let folded = source.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(fold);
    for c in folded {
        match c {
            Some(c) => key.push(c),
            None if key.ends_with('_') || key.is_empty() => {}
            None => key.push('_'),
        }
    }
    key.truncate(key.trim_end_matches('_').len());
    if key.is_empty() {
        return Made {
            key: format!("attr_{}", short_hash(source)),
            shortened: false,
            hashed: true,
        };
    }
    if !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
        key.insert_str(0, "x_");
    }
    let shortened = key.len() > max_chars;
    if shortened {
        // Room for `_` and eight hex digits.
        key.truncate(max_chars.saturating_sub(9));
        key.truncate(key.trim_end_matches('_').len());
        key = format!("{key}_{}", short_hash(source));
    }
    Made { key, shortened, hashed: false }
}

/// One character of a key, or `None` for a separator. Letters with no decomposition are spelled.
fn fold(c: char) -> impl Iterator<Item = Option<char>> {
    let spelled = match c {
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "AE",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        _ => "",
    };
    let single = spelled.is_empty().then(|| c.is_ascii_alphanumeric().then_some(c));
    spelled.chars().map(Some).chain(single)
}

/// A numbered variant of a taken key that keeps the length limit (K9).
#[must_use]
pub fn numbered(key: &str, number: usize, max_chars: usize) -> String {
    let tail = format!("_{number}");
    let room = max_chars.saturating_sub(tail.len());
    let head: String = key.chars().take(room).collect();
    // A standard key has a leading underscore, which its numbered variant must not have.
    format!("{}{tail}", head.trim_matches('_'))
}

/// What is wrong with a key that a person wrote, and what they may have meant.
#[must_use]
pub fn objection(key: &str, max_chars: usize) -> Option<(String, String)> {
    if STANDARD_KEYS.contains(&key) || key == LANGUAGE {
        return None;
    }
    let legal = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !key.contains("__")
        && !key.ends_with('_');
    if !legal {
        let expected = "letters, digits and single underscores, a letter first";
        return Some((expected.to_owned(), identifier(key, max_chars).key));
    }
    (key.len() > max_chars)
        .then(|| (format!("at most {max_chars} characters"), identifier(key, max_chars).key))
}

/// The 15 characters of an id that count; the last three of 18 are a checksum of their case.
#[must_use]
pub fn id_15(id: &str) -> &str {
    if id.len() == 18 && id.is_ascii() { &id[..15] } else { id }
}

/// Are these the same Salesforce id, in 15 or 18 characters?
#[must_use]
pub fn same_id(a: &str, b: &str) -> bool {
    !a.is_empty() && id_15(a) == id_15(b)
}

/// The first eight hex digits of a text's SHA-256.
#[must_use]
pub fn short_hash(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref(), 4)
}

/// The first `bytes` bytes in hex.
#[must_use]
pub fn hex(hash: &[u8], bytes: usize) -> String {
    hash.iter().take(bytes).fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
