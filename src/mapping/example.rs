//! Table tests of a mapping: a document, what is expected, and the difference in words.
//!
//! Promised: the live translation is run. Nothing is read from disk here.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::translation::Translation;

/// What must come out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The routing attributes, all of them.
    pub attributes: BTreeMap<String, String>,
    /// The conversation's language, if the test says one.
    pub language: Option<String>,
    /// The opening message, if the test says one.
    pub opening_message: Option<String>,
}

impl Expected {
    /// Reads an expectation: the attributes alone, or `{"routingAttributes": …,
    /// "openingMessage": …, "language": …}` as `mapping explain --json` prints them.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}');
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let (members, language, opening_message) = match value.get("routingAttributes") {
            Some(attributes @ Value::Object(_)) => {
                (attributes, word("language"), word("openingMessage"))
            }
            _ => (&value, None, None),
        };
        Ok(Self { attributes: attributes(members)?, language, opening_message })
    }

    /// Every difference; none means the test holds.
    #[must_use]
    pub fn differences(&self, got: &Translation) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut keys: Vec<&String> = self.attributes.keys().chain(got.attributes.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (expected, got) = (self.attributes.get(key), got.attributes.get(key));
            differences.extend(Difference::between(key, expected, got));
        }
        for (what, expected, got) in [
            ("(language)", &self.language, &got.language),
            ("(opening message)", &self.opening_message, &got.opening_message),
        ] {
            if expected.is_some() {
                differences.extend(Difference::between(what, expected.as_ref(), got.as_ref()));
            }
        }
        differences
    }
}

fn attributes(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(members) = value else {
        return Err("expected an object of attributes".to_owned());
    };
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((key.clone(), text.clone())),
        _ => Err(format!("`{key}` is no text; attributes are always text")),
    };
    members.iter().map(pair).collect()
}

/// One line of a failed test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The attribute key.
    pub key: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What came out.
    pub got: Option<String>,
}

impl Difference {
    fn between(key: &str, expected: Option<&String>, got: Option<&String>) -> Option<Self> {
        let (expected, got) = (expected.cloned(), got.cloned());
        (expected != got).then(|| Self { key: key.to_owned(), expected, got })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<String>| match value {
            Some(value) => Value::from(value.as_str()).to_string(),
            None => "(nothing)".to_owned(),
        };
        writeln!(f, "  {}", self.key)?;
        writeln!(f, "    - expected {}", text(&self.expected))?;
        write!(f, "    + got      {}", text(&self.got))?;
        let (Some(expected), Some(got)) = (&self.expected, &self.got) else { return Ok(()) };
        let same = expected.chars().zip(got.chars()).take_while(|(a, b)| a == b).count();
        write!(f, "\n      they differ from character {}", same + 1)
    }
}
