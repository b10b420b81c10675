//! A table of the file, read key by key.
//!
//! Promised: every key is asked for by name, what nobody asked for is a problem with a suggestion,
//! and a value may come from the environment or, for secrets, from a file. Reading goes on after a
//! problem, so that one run shows them all.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::difference::Value;
use super::problem::Problem;
use super::secrets::Secret;
use super::source::{At, Env, Found, Source, nearest};

/// What reading needs everywhere.
#[derive(Clone, Copy)]
pub(super) struct Cx<'a> {
    pub(super) source: &'a Source,
    pub(super) env: Env<'a>,
    pub(super) found: &'a Found,
}

impl Cx<'_> {
    pub(super) fn at(&self, key: impl Into<String>, span: &Range<usize>) -> At {
        At { key: key.into(), place: self.source.place(span) }
    }
}

/// A table and what was asked of it.
pub(super) struct Section<'a> {
    pub(super) cx: Cx<'a>,
    path: String,
    span: Range<usize>,
    table: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

/// A value as text, and where it came from.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) at: At,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        cx: Cx<'a>,
        path: impl Into<String>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
    ) -> Self {
        Self { cx, path: path.into(), span, table, known: RefCell::default() }
    }

    /// The path of the section, as in `tenant[0]`.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The section itself as a place.
    pub(super) fn at(&self) -> At {
        self.cx.at(self.path.clone(), &self.span)
    }

    /// The place a missing key would be at.
    pub(super) fn at_key(&self, key: &str) -> At {
        let span = self.table.get(key).map_or(self.span.clone(), Spanned::span);
        self.cx.at(self.key(key), &span)
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a value; from then on its key is known.
    fn take(&self, key: &'static str) -> Option<Item<'a>> {
        self.known.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some(Item { cx: self.cx, key: self.key(key), span: value.span(), value: value.get_ref() })
    }

    /// A string, or what its reference names.
    pub(super) fn text(&self, key: &'static str) -> Option<Text> {
        self.wrote(key, self.take(key)?.text(false))
    }

    /// A string, number, switch or instant in its written form.
    pub(super) fn scalar(&self, key: &'static str) -> Option<Text> {
        self.wrote(key, self.take(key)?.text(true))
    }

    /// Notes a value down for the difference to the next reading.
    fn wrote(&self, key: &str, text: Option<Text>) -> Option<Text> {
        let text = text?;
        self.cx.found.wrote(self.key(key), Value::Plain(text.value.clone()));
        Some(text)
    }

    /// The same for the contents of a file that a key names.
    pub(super) fn wrote_file(&self, key: &str, contents: &[u8]) {
        let key = format!("{} (the file)", self.key(key));
        self.cx.found.wrote(key, Value::file(contents));
    }

    /// Like `text`, for a key that must be there.
    pub(super) fn required(&self, key: &'static str, expected: &str) -> Option<Text> {
        if !self.table.contains_key(key) {
            self.known.borrow_mut().push(key);
            self.missing(key, expected);
            return None;
        }
        self.scalar(key)
    }

    /// Reports a key that must be there.
    pub(super) fn missing(&self, key: &str, expected: &str) {
        let problem = self.at_key(key).says("is missing").expected(expected);
        self.cx.found.problem(problem.help(format!("add `{key} = …` to this section")));
    }

    /// Reports a key that is not written at all; one that is was told about when it was read.
    pub(super) fn missing_unless_told(&self, key: &str, expected: &str) {
        if !self.table.contains_key(key) {
            self.missing(key, expected);
        }
    }

    /// A value in its written form, read by `parse`; `fallback` when absent or wrong.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        fallback: T,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        self.optional(key, expected, parse).unwrap_or(fallback)
    }

    /// A value in its written form, read by `parse`.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.scalar(key)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.cx.found.problem(text.at.says(message).expected(expected));
                None
            }
        }
    }

    /// A value that must not be printed: a string, an environment variable or a file's content.
    pub(super) fn secret(&self, key: &'static str) -> Option<(Secret, At)> {
        let item = self.take(key)?;
        let at = item.hidden();
        let table = item.value.as_table();
        let text = match table.and_then(|t| t.get("file")).map(Spanned::get_ref) {
            Some(DeValue::String(path)) => {
                let path = self.cx.source.folder().join(path.as_ref());
                match std::fs::read_to_string(&path) {
                    Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                    Err(error) => {
                        let message = format!("`{}` cannot be read: {error}", path.display());
                        self.cx.found.problem(at.says(message).expected("a file with the value"));
                        return None;
                    }
                }
            }
            _ => item.text(false)?.value,
        };
        let secret = Secret::new(text);
        self.cx.found.wrote(self.key(key), Value::Hidden(secret.clone()));
        Some((secret, at))
    }

    /// A list of strings, each of which may be a reference.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<Text>> {
        let item = self.take(key)?;
        let DeValue::Array(items) = item.value else {
            item.wrong("a list of strings, e.g. [\"a\", \"b\"]");
            return None;
        };
        let each = items.iter().enumerate().map(|(i, value)| Item {
            cx: self.cx,
            key: format!("{}[{i}]", item.key),
            span: value.span(),
            value: value.get_ref(),
        });
        let texts: Vec<Text> = each.filter_map(|item| item.text(false)).collect();
        let all: Vec<&str> = texts.iter().map(|text| text.value.as_str()).collect();
        self.cx.found.wrote(self.key(key), Value::Plain(all.join(", ")));
        Some(texts)
    }

    /// A string, or a list of strings.
    pub(super) fn one_or_more(&self, key: &'static str) -> Option<Vec<Text>> {
        let list = self.table.get(key).is_some_and(|v| matches!(v.get_ref(), DeValue::Array(_)));
        if list { self.texts(key) } else { self.text(key).map(|text| vec![text]) }
    }

    /// A table within this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        let item = self.take(key)?;
        let section = item.section();
        if section.is_none() {
            item.wrong(&format!("a section, written `[{}]`", item.key));
        }
        section
    }

    /// A table within this one where one is written; the caller reads the value otherwise.
    pub(super) fn section_if_table(&self, key: &'static str) -> Option<Section<'a>> {
        let table = self.table.get(key)?.get_ref().as_table()?;
        // A reference is a value, not a section.
        if table.contains_key("env") || table.contains_key("file") {
            return None;
        }
        self.section(key)
    }

    /// A list of tables, written `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(item) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = item.value else {
            item.wrong(&format!("a list of sections, each written `[[{}]]`", item.key));
            return Vec::new();
        };
        let each = items.iter().enumerate().filter_map(|(i, value)| {
            let key = format!("{}[{i}]", item.key);
            let one = Item { cx: self.cx, key, span: value.span(), value: value.get_ref() };
            let section = one.section();
            if section.is_none() {
                one.wrong(&format!("a section, written `[[{}]]`", item.key));
            }
            section
        });
        each.collect()
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let at = self.cx.at(self.key(name), &key.span());
            let mut all = known.clone();
            all.sort_unstable();
            let mut problem = at.says("is not a known key").expected(all.join(", "));
            if let Some(near) = nearest(name, all.iter().copied()) {
                problem = problem.help(format!("did you mean `{near}`?"));
            }
            self.cx.found.problem(problem);
        }
    }
}

/// One value.
struct Item<'a> {
    cx: Cx<'a>,
    key: String,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Item<'a> {
    fn at(&self) -> At {
        self.cx.at(self.key.clone(), &self.span)
    }

    /// The place without the value.
    fn hidden(&self) -> At {
        let mut at = self.at();
        let before: String = at.place.text.chars().take(at.place.column - 1).collect();
        at.place.text = format!("{before}…");
        at.place.width = 1;
        at
    }

    fn wrong(&self, expected: &str) {
        let message = format!("is {}", article(self.value.type_str()));
        self.cx.found.problem(self.at().says(message).expected(expected));
    }

    fn section(&self) -> Option<Section<'a>> {
        let table = self.value.as_table()?;
        Some(Section::new(self.cx, self.key.clone(), table, self.span.clone()))
    }

    /// The written form; numbers, switches and instants only when `any` scalar will do.
    fn text(&self, any: bool) -> Option<Text> {
        let value = match self.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Table(table) => return self.reference(table),
            DeValue::Integer(number) if any => number.to_string(),
            DeValue::Float(number) if any => number.to_string(),
            DeValue::Boolean(switch) if any => switch.to_string(),
            DeValue::Datetime(instant) if any => instant.to_string(),
            _ => {
                self.wrong("a string, or { env = \"NAME\" }");
                return None;
            }
        };
        Some(Text { value, at: self.at() })
    }

    /// `{ env = "NAME", default = "…" }`
    fn reference(&self, table: &'a DeTable<'a>) -> Option<Text> {
        let section = Section::new(self.cx, self.key.clone(), table, self.span.clone());
        let plain = |key: &'static str| {
            let item = section.take(key)?;
            match item.value {
                DeValue::String(text) => Some(text.to_string()),
                _ => {
                    item.wrong("a string");
                    None
                }
            }
        };
        let (name, default) = (plain("env"), plain("default"));
        if table.contains_key("file") {
            let problem = self.at().says("is read from a file, but is no secret");
            self.cx.found.problem(problem.expected("a string, or { env = \"NAME\" }"));
            return None;
        }
        section.finish();
        let Some(name) = name else {
            let problem = self.at().says("is a table without `env`");
            self.cx.found.problem(problem.expected("a string, or { env = \"NAME\" }"));
            return None;
        };
        match (self.cx.env)(&name).filter(|value| !value.is_empty()).or(default) {
            Some(value) => {
                let mut at = self.at();
                at.key = format!("{} (environment variable {name})", self.key);
                Some(Text { value, at })
            }
            None => {
                self.cx.found.problem(unset(&self.at(), &name));
                None
            }
        }
    }
}

fn unset(at: &At, name: &str) -> Problem {
    at.says(format!("the environment variable `{name}` is not set"))
        .expected("a value in it")
        .help(format!("set {name}, or write {{ env = \"{name}\", default = \"…\" }}"))
}

fn article(kind: &str) -> String {
    let an = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if an { "an" } else { "a" })
}
