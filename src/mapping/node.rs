//! A parsed JSON or TOML value that knows where it stands in its source and keeps the digits of
//! numbers as they were written.
//!
//! Promised: member order and repeated members survive, depth and number of values are limited, no
//! input panics. `Debug` prints no text, since texts may be a visitor's.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::limits::{MAX_JSON_DEPTH, MAX_JSON_VALUES};

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Byte range in the source.
    pub span: Range<usize>,
    /// What stands there.
    pub value: Value,
}

/// The six kinds of JSON.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number with its source digits.
    Number(String),
    /// A text, unescaped.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Members in source order.
    Map(Vec<Member>),
}

/// One member of an object or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub key: String,
    /// Where the name stands; near the value when the format does not tell.
    pub key_span: Range<usize>,
    /// Its value.
    pub node: Node,
}

/// Why a source could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Byte offset of the problem.
    pub at: usize,
    /// What is wrong, without quoting the source.
    pub problem: String,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool"),
            Self::Number(digits) => write!(f, "Number({} digits)", digits.len()),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(members) => f.debug_list().entries(members).finish(),
        }
    }
}

impl Node {
    /// The kind as people call it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, if it is an object.
    #[must_use]
    pub fn members(&self) -> Option<&[Member]> {
        match &self.value {
            Value::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The last member of this name, as JSON readers take it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Member> {
        self.members()?.iter().rev().find(|m| m.key == key)
    }

    /// `null`, an empty list or an empty object.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Map(members) => members.is_empty(),
            _ => false,
        }
    }

    /// Compact JSON text with the source digits of numbers.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(true) => out.push_str("true"),
            Value::Bool(false) => out.push_str("false"),
            Value::Number(digits) => out.push_str(digits),
            Value::Text(text) => push_quoted(out, text),
            Value::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Map(members) => {
                out.push('{');
                for (i, member) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    push_quoted(out, &member.key);
                    out.push(':');
                    member.node.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn push_quoted(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// A parsed document.
pub struct Parsed {
    /// Its value.
    pub root: Node,
    /// How many halves of surrogate pairs were replaced by U+FFFD.
    pub replaced_surrogates: usize,
}

/// Parses JSON. A byte order mark at the start is skipped.
///
/// # Errors
/// The place and the kind of the first syntax error, or the limit that was passed.
pub fn parse_json(source: &str) -> Result<Parsed, Broken> {
    let start = source.len() - source.trim_start_matches('\u{feff}').len();
    let body = &source[start..];
    let raw: &RawValue = serde_json::from_str(body).map_err(|e| syntax(source, start, &e))?;
    let mut reader = Reader { source, values: 0, replaced_surrogates: 0 };
    let root = reader.node(raw, 0)?;
    Ok(Parsed { root, replaced_surrogates: reader.replaced_surrogates })
}

fn syntax(source: &str, start: usize, error: &serde_json::Error) -> Broken {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default().to_owned();
    let line_start = match error.line() {
        0 | 1 => start,
        line => source.match_indices('\n').nth(line - 2).map_or(source.len(), |(i, _)| i + 1),
    };
    let mut at = (line_start + error.column().saturating_sub(1)).min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    Broken { at, problem }
}

struct Reader<'s> {
    source: &'s str,
    values: usize,
    replaced_surrogates: usize,
}

impl<'s> Reader<'s> {
    fn node(&mut self, raw: &'s RawValue, depth: usize) -> Result<Node, Broken> {
        let text = raw.get();
        // `raw` borrows from `source`, so the difference of addresses is its offset.
        let at = (text.as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize);
        let at = at.min(self.source.len());
        let broken = |problem: &str| Broken { at, problem: problem.to_owned() };
        self.values += 1;
        if self.values > MAX_JSON_VALUES {
            return Err(broken(&format!("the document holds more than {MAX_JSON_VALUES} values")));
        }
        if depth > MAX_JSON_DEPTH {
            return Err(broken(&format!("nested deeper than {MAX_JSON_DEPTH} levels")));
        }
        let unreadable = |e: serde_json::Error| broken(&syntax(text, 0, &e).problem);
        let value = match text.as_bytes().first() {
            Some(b'n') => Value::Null,
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'"') => {
                let Lossy(text, count) = serde_json::from_str(text).map_err(unreadable)?;
                self.replaced_surrogates += count;
                Value::Text(text)
            }
            Some(b'[') => {
                let items: Vec<&'s RawValue> = serde_json::from_str(text).map_err(unreadable)?;
                let items = items.into_iter().map(|item| self.node(item, depth + 1));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(unreadable)?;
                let members = members.into_iter().map(|(key, raw)| self.member(key, raw, depth));
                Value::Map(members.collect::<Result<_, _>>()?)
            }
            _ => Value::Number(text.to_owned()),
        };
        Ok(Node { span: at..at + text.len(), value })
    }

    fn member(&mut self, key: Lossy, raw: &'s RawValue, depth: usize) -> Result<Member, Broken> {
        let node = self.node(raw, depth + 1)?;
        self.replaced_surrogates += key.1;
        let before = self.source.get(..node.span.start).unwrap_or_default();
        let end = before.trim_end().trim_end_matches(':').trim_end().len();
        let start = before.get(..end.saturating_sub(1)).and_then(|b| b.rfind('"'));
        Ok(Member { key: key.0, key_span: start.unwrap_or(end)..end, node })
    }
}

/// A text whose lone surrogates were replaced, and how many there were.
struct Lossy(String, usize);

impl<'de> serde::Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Lossy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(repair(bytes))
            }

            fn visit_str<E>(self, text: &str) -> Result<Lossy, E> {
                Ok(Lossy(text.to_owned(), 0))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// serde_json writes a lone surrogate as the three bytes it would have in WTF-8.
fn repair(bytes: &[u8]) -> Lossy {
    let mut rest = bytes;
    let (mut text, mut count) = (String::with_capacity(bytes.len()), 0);
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Lossy(text, count);
            }
            Err(error) => {
                let (valid, broken) = rest.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                text.push('\u{fffd}');
                count += 1;
                rest = broken.get(3..).unwrap_or_default();
            }
        }
    }
}

struct Members<'s>(Vec<(Lossy, &'s RawValue)>);

impl<'s> serde::Deserialize<'s> for Members<'s> {
    fn deserialize<D: Deserializer<'s>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'s> Visitor<'s> for Pairs {
            type Value = Members<'s>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'s>>(self, mut map: A) -> Result<Members<'s>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(key) = map.next_key::<Lossy>()? {
                    pairs.push((key, map.next_value::<&'s RawValue>()?));
                }
                Ok(Members(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Line and column (both from 1, columns in characters) of a byte offset.
#[must_use]
pub fn position(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at.min(source.len())).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before[line_start..].trim_start_matches('\u{feff}').chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

/// The source line of a byte offset with a caret under the place.
#[must_use]
pub fn caret(source: &str, at: usize) -> String {
    const SHOWN_CHARS: usize = 90;
    let (line, column) = position(source, at);
    let text = source.lines().nth(line - 1).unwrap_or_default().trim_start_matches('\u{feff}');
    // A long line is shown around the place only.
    let skip = (column - 1).saturating_sub(SHOWN_CHARS / 2);
    let shown: String = text.chars().skip(skip).take(SHOWN_CHARS).collect();
    let shown = shown.replace(|c: char| c.is_control(), " ");
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let under = " ".repeat(column - 1 - skip);
    format!("{number} | {shown}\n{margin} | {under}^")
}
