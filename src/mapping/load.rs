//! Reads a mapping file and lists every problem of it at once.
//!
//! Promised: the format is told by the file's name (`.json`, else TOML); a mapping is returned only
//! when there is no problem at all. No file is opened here.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::file::Mapping;
use super::limits::{MAX_MAPPING_BYTES, MAX_PROBLEMS};
use super::node::{self, Member, Node, Value};
use super::notes::did_you_mean;
use super::problem::Problem;

mod check;

/// The members of a mapping file.
pub const TOP: &[&str] = &["version", "match", "defaults", "rule", "constant", "accept", "test"];
/// `$schema` lets editors find the schema of a JSON file; `comment` is JSON's place for a comment.
pub const IGNORED: &[&str] = &["$schema", "comment"];

/// Reads a mapping file's text.
///
/// # Errors
/// Every problem, in file order.
pub fn load(name: &str, text: &str) -> Result<Mapping, Vec<Problem>> {
    let mut loader = Loader { name, text, problems: Vec::new() };
    if text.len() > MAX_MAPPING_BYTES {
        loader.problem(0..0, "", format!("larger than {MAX_MAPPING_BYTES} bytes"), "", "");
        return Err(loader.problems);
    }
    let mapping = loader.parse().map(|root| loader.mapping(&root)).unwrap_or_default();
    if loader.problems.is_empty() {
        return Ok(mapping);
    }
    loader.problems.sort_by_key(|p| (p.line, p.column));
    loader.problems.truncate(MAX_PROBLEMS);
    Err(loader.problems)
}

struct Loader<'t> {
    name: &'t str,
    text: &'t str,
    problems: Vec<Problem>,
}

impl Loader<'_> {
    fn problem(
        &mut self,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        expected: &str,
        hint: &str,
    ) {
        let (line, column) = node::position(self.text, span.start);
        self.problems.push(Problem {
            file: self.name.to_owned(),
            line,
            column,
            key: key.to_owned(),
            message: message.into(),
            expected: expected.to_owned(),
            hint: hint.to_owned(),
            caret: node::caret(self.text, span.start),
        });
    }

    fn parse(&mut self) -> Option<Node> {
        if self.name.to_ascii_lowercase().ends_with(".json") {
            return match node::parse_json(self.text) {
                Ok(parsed) => Some(parsed.root),
                Err(broken) => {
                    self.problem(broken.at..broken.at, "", broken.problem, "", "");
                    None
                }
            };
        }
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            self.problem(span, "", error.message().to_owned(), "", "");
        }
        errors.is_empty().then(|| from_table(table.get_ref(), table.span()))
    }

    fn mapping(&mut self, root: &Node) -> Mapping {
        let Some(members) = root.members() else {
            self.problem(root.span.clone(), "", root.kind(), "an object", "");
            return Mapping::default();
        };
        let mut mapping = Mapping::default();
        for member in members {
            match member.key.as_str() {
                "version" | "$schema" | "comment" => {}
                "defaults" => {
                    mapping.defaults =
                        self.decode(&member.node, "defaults", &[]).unwrap_or_default();
                }
                "match" => {
                    mapping.matching = self.decode(&member.node, "match", &[]).unwrap_or_default();
                }
                "test" => mapping.tests = self.list(member, &["prechat"]),
                "rule" => mapping.rules = self.list(member, &[]),
                "constant" => mapping.constants = self.list(member, &["to", "value"]),
                "accept" => mapping.accept = self.list(member, &["code", "reason", "until"]),
                unknown => {
                    let hint = hint(unknown, TOP);
                    let message = format!("unknown key `{unknown}`");
                    self.problem(member.key_span.clone(), unknown, message, &list(TOP), &hint);
                }
            }
        }
        self.version(root);
        if self.problems.is_empty() {
            self.check(root, &mapping);
        }
        mapping
    }

    fn version(&mut self, root: &Node) {
        match root.get("version").map(|m| &m.node) {
            Some(node) if node.to_json() == "1" => {}
            Some(node) => {
                self.problem(node.span.clone(), "version", "unknown version", "version = 1", "");
            }
            None => self.problem(0..0, "version", "missing", "version = 1", "add it as first line"),
        }
    }

    fn list<T: DeserializeOwned>(&mut self, member: &Member, required: &[&str]) -> Vec<T> {
        let Value::List(items) = &member.node.value else {
            let expected = format!("a list, as [[{}]] makes it in TOML", member.key);
            let span = member.key_span.clone();
            self.problem(span, &member.key, member.node.kind(), &expected, "");
            return Vec::new();
        };
        let decoded = items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| self.decode(item, &format!("{}[{i}]", member.key), required));
        decoded.collect()
    }

    /// Decodes one table through serde. A wrong member is reported, taken out, and decoding goes
    /// on, so that one run shows every problem.
    fn decode<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        path: &str,
        required: &[&str],
    ) -> Option<T> {
        let Some(members) = node.members() else {
            self.problem(node.span.clone(), path, node.kind(), "a table", "");
            return None;
        };
        let mut sound = true;
        for key in required.iter().filter(|key| node.get(key).is_none()) {
            self.problem(node.span.clone(), path, format!("`{key}` is missing"), "", "add it");
            sound = false;
        }
        let mut left: Vec<&Member> =
            members.iter().filter(|m| !IGNORED.contains(&m.key.as_str())).collect();
        while left.len() <= members.len() {
            let object = left.iter().map(|m| (m.key.clone(), to_serde(&m.node))).collect();
            let object = serde_json::Value::Object(object);
            let error = match serde_path_to_error::deserialize::<_, T>(object) {
                Ok(decoded) => return sound.then_some(decoded),
                Err(error) => error,
            };
            let at = error.path().to_string();
            let message = error.into_inner().to_string();
            let Some(bad) = culprit(&left, &at, &message) else {
                // A missing member was reported above; anything else belongs to the table.
                if sound {
                    self.problem(node.span.clone(), path, message, "", "");
                }
                return None;
            };
            sound = false;
            let member = left.remove(bad);
            self.refuse(member, path, &message);
        }
        None
    }

    fn refuse(&mut self, member: &Member, path: &str, message: &str) {
        let key = format!("{path}.{}", member.key);
        let unknown_value = message.starts_with("unknown variant");
        if unknown_value || message.starts_with("unknown field") {
            // Serde says "expected one of `a`, `b`, `c`", "expected `a` or `b`", "expected `a`".
            let expected = message.split_once(", expected ").map_or("", |(_, list)| list);
            let options: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let given = if unknown_value {
                member.node.text().unwrap_or_default()
            } else {
                member.key.as_str()
            };
            let what = if unknown_value { "unknown value" } else { "unknown key" };
            let span = if unknown_value { &member.node.span } else { &member.key_span };
            let hint = hint(given, &options);
            let message = format!("{what} `{given}`");
            self.problem(span.clone(), &key, message, &list(&options), &hint);
            return;
        }
        let (message, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        self.problem(member.node.span.clone(), &key, message, expected, "");
    }
}

/// Which of the members serde complained about.
fn culprit(left: &[&Member], at: &str, message: &str) -> Option<usize> {
    let head = at.split(['.', '[']).next().unwrap_or_default();
    let named = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next())
        .unwrap_or(head);
    left.iter().position(|m| m.key == named)
}

fn hint(given: &str, options: &[&str]) -> String {
    did_you_mean(given, options).map_or_else(String::new, |near| format!("did you mean `{near}`?"))
}

fn list(options: &[&str]) -> String {
    format!("one of {}", options.join(", "))
}

fn to_serde(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(digits) => serde_json::from_str(digits).unwrap_or_default(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(to_serde).collect(),
        Value::Map(members) => {
            let pairs = members.iter().map(|m| (m.key.clone(), to_serde(&m.node)));
            serde_json::Value::Object(pairs.collect())
        }
    }
}

fn from_table(table: &DeTable<'_>, span: Range<usize>) -> Node {
    let mut members: Vec<Member> = table
        .iter()
        .map(|(key, value)| Member {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            node: from_value(value.get_ref(), value.span()),
        })
        .collect();
    members.sort_by_key(|m| m.key_span.start);
    Node { span, value: Value::Map(members) }
}

fn from_value(value: &DeValue<'_>, span: Range<usize>) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().trim_start_matches('+');
            let read = i64::from_str_radix(digits, number.radix());
            Value::Number(read.map_or_else(|_| digits.to_owned(), |n| n.to_string()))
        }
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|i| from_value(i.get_ref(), i.span())).collect())
        }
        DeValue::Table(table) => return from_table(table, span),
    };
    Node { span, value }
}
