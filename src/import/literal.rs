//! Reads JSON and the object literals of pasted JavaScript with one parser.
//!
//! Promised: any text in, no panic; depth and number of values are limited; numbers keep their
//! digits. Expressions (names, calls, templates such as `{{input.x}}`) are read over and count as
//! null. Not promised: that the text is legal JavaScript.

use super::limits::{MAX_DEPTH, MAX_VALUES};
use crate::mapping::node::{Broken, Member, Node, Value};

/// A whole document.
pub(super) fn document(text: &str) -> Result<Node, Broken> {
    let mut reader = Reader { text, at: 0, values: 0 };
    if text.starts_with('\u{feff}') {
        reader.at = '\u{feff}'.len_utf8();
    }
    let node = reader.value(0)?;
    reader.blank();
    match reader.peek() {
        None | Some(';') => Ok(node),
        Some(_) => Err(reader.broken("something follows the end of the document")),
    }
}

/// The value that begins at `at` or after blanks there.
pub(super) fn value(text: &str, at: usize) -> Result<Node, Broken> {
    Reader { text, at, values: 0 }.value(0)
}

/// The arguments of a call whose opening parenthesis stands at `at`, and where the call ends.
pub(super) fn arguments(text: &str, at: usize) -> Result<(Vec<Node>, usize), Broken> {
    let mut reader = Reader { text, at, values: 0 };
    let arguments = reader.items('(', ')', 0)?;
    Ok((arguments, reader.at))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn broken(&self, problem: &str) -> Broken {
        Broken { at: self.at, problem: problem.to_owned() }
    }

    /// Skips blanks and comments.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            let skip = match &rest[blank..] {
                tail if tail.starts_with("//") => tail.find('\n').unwrap_or(tail.len()),
                tail if tail.starts_with("/*") => tail.find("*/").map_or(tail.len(), |i| i + 2),
                _ => 0,
            };
            self.at += blank + skip;
            if skip == 0 {
                return;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Broken> {
        self.blank();
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.broken(&format!("more than {MAX_VALUES} values")));
        }
        if depth > MAX_DEPTH {
            return Err(self.broken(&format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let start = self.at;
        let value = match self.peek() {
            None => return Err(self.broken("it ends in the middle")),
            Some('{') if self.rest().starts_with("{{") => self.expression()?,
            Some('{') => Value::Map(self.members(depth)?),
            Some('[') => Value::List(self.items('[', ']', depth)?),
            Some(quote @ ('"' | '\'' | '`')) => Value::Text(self.string(quote)?),
            Some(_) => self.expression()?,
        };
        let end = self.at;
        self.blank();
        // What follows a value makes an expression of it, unless the value is a whole document.
        let value = match self.peek() {
            None | Some(',' | ']' | '}' | ')' | ';') => value,
            Some(_) if depth == 0 && matches!(value, Value::Map(_) | Value::List(_)) => value,
            Some(_) => self.expression()?,
        };
        Ok(Node { span: start..end, value })
    }

    fn items(&mut self, open: char, close: char, depth: usize) -> Result<Vec<Node>, Broken> {
        if !self.take(open) {
            return Err(self.broken(&format!("a `{open}` is missing")));
        }
        let mut items = Vec::new();
        loop {
            self.blank();
            if self.take(close) {
                return Ok(items);
            }
            items.push(self.value(depth + 1)?);
            self.blank();
            if !self.take(',') && self.peek() != Some(close) {
                return Err(self.broken(&format!("a `,` or `{close}` is missing")));
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Broken> {
        self.take('{');
        let mut members: Vec<Member> = Vec::new();
        loop {
            self.blank();
            if self.take('}') {
                return Ok(members);
            }
            let start = self.at;
            let key = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.string(quote)?,
                _ => self.word(),
            };
            let key_span = start..self.at;
            self.blank();
            if self.peek().is_none() {
                return Err(self.broken("it ends in the middle"));
            }
            if key_span.is_empty() || !self.take(':') {
                return Err(self.broken("a `name: value` is missing"));
            }
            let node = self.value(depth + 1)?;
            members.push(Member { key, key_span, node });
            self.blank();
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.broken("a `,` or `}` is missing"));
            }
        }
    }

    fn word(&mut self) -> String {
        let word = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '.');
        let word: String = self.rest().chars().take_while(word).collect();
        self.at += word.len();
        word
    }

    fn string(&mut self, quote: char) -> Result<String, Broken> {
        let start = self.at;
        self.bump();
        let mut out = String::new();
        while let Some(c) = self.bump() {
            match c {
                c if c == quote => return Ok(out),
                '\\' => self.escape(&mut out),
                c => out.push(c),
            }
        }
        Err(Broken { at: start, problem: "a text is never closed".to_owned() })
    }

    fn escape(&mut self, out: &mut String) {
        match self.bump() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b' | 'f' | '\n') | None => {}
            Some('u') => {
                let high = self.code_unit();
                let tail = self.rest().strip_prefix("\\u").is_some();
                if (0xd800..0xdc00).contains(&high) && tail {
                    self.at += 2;
                    let pair = [high, self.code_unit()];
                    out.extend(char::decode_utf16(pair).map(|c| c.unwrap_or('\u{fffd}')));
                } else {
                    out.push(char::from_u32(u32::from(high)).unwrap_or('\u{fffd}'));
                }
            }
            Some(c) => out.push(c),
        }
    }

    fn code_unit(&mut self) -> u16 {
        let digits = self.rest().get(..4).unwrap_or_default();
        let unit = u16::from_str_radix(digits, 16);
        if unit.is_ok() {
            self.at += 4;
        }
        unit.unwrap_or(0xfffd)
    }

    /// Reads over an expression up to what ends it on its own level.
    fn expression(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' | '`' => {
                    self.string(c)?;
                    continue;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' | ',' | ';' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            self.bump();
        }
        let word = self.text[start..self.at].trim();
        if word.is_empty() {
            return Err(self.broken("a value is missing"));
        }
        let number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            && serde_json::from_str::<serde_json::Number>(word).is_ok();
        Ok(match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            digits if number => Value::Number(digits.to_owned()),
            _ => Value::Null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_as_they_are_pasted() {
        for (text, json) in [
            ("{a: 'x', \"b\": [1.50, true, null,],}", r#"{"a":"x","b":[1.50,true,null]}"#),
            ("{a: f(1, {b: 2}), // why\n b: `t` /* x */}", r#"{"a":null,"b":"t"}"#),
            ("{\"v\": {{context.x}}, \"w\": 'a' + b}", r#"{"v":null,"w":null}"#),
            ("\u{feff}[\"\\u00e9\\ud83d\\ude00\\ud83d\"]", "[\"é😀\u{fffd}\"]"),
        ] {
            assert_eq!(document(text).unwrap().to_json(), json, "{text}");
        }
        for text in ["", "{", "{a}", "[1", "{a:}", "'x", "{} x", &"[".repeat(100_000)] {
            assert!(document(text).is_err(), "{text}");
        }
    }
}
