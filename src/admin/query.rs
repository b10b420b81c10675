//! The query of a request: known parameters, each at most once.

use serde::{Deserialize, Serialize};

use super::problem::{Code, Problem};
use crate::config::values;
use crate::time::Wall;

/// Parameters by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string; what is not among `known` is a mistake.
    pub(super) fn read(text: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
            let wrong = if !known.contains(&name.as_ref()) {
                "is not known here"
            } else if all.iter().any(|(seen, _)| *seen == name) {
                "is given twice"
            } else {
                all.push((name.into_owned(), value.into_owned()));
                continue;
            };
            let name: String = name.chars().take(40).collect();
            let detail = format!("the parameter `{name}` {wrong}; known: {}", list(known));
            return Err(Problem::new(Code::BadRequest, detail));
        }
        Ok(Self(all))
    }

    /// A parameter, unless it is absent or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter, read by `parse`.
    pub(super) fn read_as<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let read = self.text(name).map(parse).transpose();
        read.map_err(|message| Problem::new(Code::BadRequest, format!("`{name}`: {message}")))
    }

    /// An instant.
    pub(super) fn instant(&self, name: &str) -> Result<Option<Wall>, Problem> {
        self.read_as(name, values::instant)
    }

    /// How many entries are wanted, from 1 to `most`.
    pub(super) fn limit(&self, usual: usize, most: usize) -> Result<usize, Problem> {
        let limit = self.read_as("limit", |text| match text.parse::<usize>() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => Err(format!("expected a whole number from 1 to {most}")),
        })?;
        Ok(limit.unwrap_or(usual))
    }
}

fn list(known: &[&str]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}
