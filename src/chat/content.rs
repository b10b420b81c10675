//! Questions of the business's side, and what answers them (miaw.md 7.3, 7.4).
//!
//! Promised: whatever the visitor says, nothing of it is lost: what answers no question goes on as
//! plain text.

use serde::{Deserialize, Serialize};

use super::text::Text;

/// One option of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What an answer names; empty where the service gave none.
    pub id: String,
    /// What the visitor sees.
    pub title: Text,
}

/// How a legacy client shows options (live-agent.md 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// `ChatWindowButton`.
    Buttons,
    /// `ChatWindowMenu`.
    Menu,
}

/// A question with options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The id of its message.
    pub message: String,
    /// How to show it.
    pub style: Style,
    /// The options.
    pub items: Vec<Choice>,
}

impl Offer {
    /// Whether an option has this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.items.iter().any(|item| item.id == id)
    }
}

/// What a field of a form takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldKind {
    /// Any text.
    Text,
    /// A day, `2026-03-01`.
    Date,
    /// An instant, `2026-03-01T09:00:00Z`.
    DateTime,
    /// One of these, or several.
    Options {
        /// Which.
        choices: Vec<Choice>,
        /// Whether several may be named.
        several: bool,
    },
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What an answer names.
    pub id: String,
    /// What the visitor sees.
    pub label: Text,
    /// Whether it must be answered.
    pub required: bool,
    /// What it takes.
    pub kind: FieldKind,
}

/// A form. The visitor is asked for one field after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The id of its message.
    pub message: String,
    /// The fields, at least one.
    pub fields: Vec<Field>,
}

/// A question that an answer can be matched with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Options.
    Offer(Offer),
    /// A form.
    Form(Form),
}

/// What a field was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Words.
    Text(Text),
    /// A day.
    Date(String),
    /// An instant.
    DateTime(String),
    /// The options chosen, by their ids.
    Options(Vec<String>),
    /// Nothing: the field is optional.
    Skipped,
}

/// An answer as it goes upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// `ChoicesResponseMessage`.
    Choice {
        /// The question's message.
        message: String,
        /// The option chosen.
        id: String,
    },
    /// `FormResponseMessage`.
    Form {
        /// The form's message.
        message: String,
        /// Field ids and what they were answered.
        values: Vec<(String, Value)>,
    },
}

/// Which option a text names: by its number from 1, or by its title.
#[must_use]
pub fn chosen(items: &[Choice], text: &str) -> Option<usize> {
    let text = text.trim();
    let number = text.strip_prefix('#').unwrap_or(text).trim_end_matches(['.', ')']);
    if let Ok(number) = number.parse::<usize>()
        && (1..=items.len()).contains(&number)
    {
        return Some(number - 1);
    }
    chosen_by_title(items, text)
}

/// Which option has this title.
#[must_use]
pub fn chosen_by_title(items: &[Choice], text: &str) -> Option<usize> {
    let lower = text.trim().to_lowercase();
    let mut titled = items.iter().enumerate().filter(|(_, item)| {
        let title = item.title.as_str().trim();
        !title.is_empty() && title.to_lowercase() == lower
    });
    titled.next().map(|(at, _)| at)
}

impl Field {
    /// What a text answers here; `None` when it answers nothing.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        if text == SKIP && !self.required {
            return Some(Value::Skipped);
        }
        match &self.kind {
            FieldKind::Text => Some(Value::Text(Text::from(text))),
            FieldKind::Date => is_date(text).then(|| Value::Date(text.to_owned())),
            FieldKind::DateTime => {
                crate::time::Wall::parse(text).ok().map(|_| Value::DateTime(text.to_owned()))
            }
            FieldKind::Options { choices, several } => {
                let id = |at: usize| choices.get(at).map(|choice| choice.id.clone());
                if let Some(at) = chosen(choices, text) {
                    return Some(Value::Options(vec![id(at)?]));
                }
                let named = text.split(',').map(|part| chosen(choices, part).and_then(id));
                let named: Option<Vec<String>> = if *several { named.collect() } else { None };
                named.filter(|named| !named.is_empty()).map(Value::Options)
            }
        }
    }

    /// The question for this field.
    #[must_use]
    pub fn question(&self) -> String {
        let mut lines = vec![self.label.as_str().to_owned()];
        match &self.kind {
            FieldKind::Text => {}
            FieldKind::Date => lines.push("(YYYY-MM-DD)".to_owned()),
            FieldKind::DateTime => lines.push("(YYYY-MM-DDThh:mm:ssZ)".to_owned()),
            FieldKind::Options { choices, .. } => lines.extend(numbered(choices)),
        }
        if !self.required {
            lines.push(format!("(optional: {SKIP} skips it)"));
        }
        lines.join("\n")
    }
}

/// What skips an optional field.
const SKIP: &str = "-";

/// The lines `1. …`, `2. …` of options.
pub fn numbered(items: &[Choice]) -> impl Iterator<Item = String> {
    items.iter().enumerate().map(|(at, item)| format!("{}. {}", at + 1, item.title.as_str()))
}

/// The titles of a text's lines `1. …`, `2. …` and so on.
#[must_use]
pub fn listed(text: &str) -> Vec<&str> {
    let mut titles = Vec::new();
    for line in text.lines() {
        let title = line.split_once(". ").filter(|(number, title)| {
            *number == (titles.len() + 1).to_string() && !title.trim().is_empty()
        });
        titles.extend(title.map(|(_, title)| title));
    }
    titles
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10 && crate::time::Wall::parse(&format!("{text}T00:00:00Z")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(titles: &[&str]) -> Vec<Choice> {
        let choice = |(at, title): (usize, &&str)| Choice {
            id: format!("o{at}"),
            title: Text::from(*title),
        };
        titles.iter().enumerate().map(choice).collect()
    }

    #[test]
    fn an_option_is_named_by_number_or_title() {
        let options = items(&["Billing", "Straße", "7"]);
        for (text, want) in [
            ("1", Some(0)),
            (" 2. ", Some(1)),
            ("3)", Some(2)),
            ("#1", Some(0)),
            ("billing", Some(0)),
            (" STRASSE", None),
            ("straße ", Some(1)),
            // No third number seven, but an option of that title.
            ("7", Some(2)),
            ("0", None),
            ("4", None),
            ("1 2", None),
            ("", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(chosen(&options, text), want, "{text:?}");
        }
    }

    #[test]
    fn the_lines_of_a_list_are_found_and_nothing_else() {
        assert_eq!(listed("Pick one\n1. Billing\n2. No. 5"), ["Billing", "No. 5"]);
        assert!(listed("on 3. May\n2. two").is_empty());
        assert!(listed("1. ").is_empty());
    }

    #[test]
    fn a_field_takes_what_it_is_for() {
        let field = |kind, required| Field { id: "f".into(), label: "F".into(), required, kind };
        let several = |several| FieldKind::Options { choices: items(&["Red", "Blue"]), several };
        let ids = |ids: &[&str]| Some(Value::Options(ids.iter().map(|&id| id.into()).collect()));
        for (field, text, want) in [
            (field(FieldKind::Text, true), " any ", Some(Value::Text("any".into()))),
            (field(FieldKind::Text, false), "-", Some(Value::Skipped)),
            (field(FieldKind::Text, true), "-", Some(Value::Text("-".into()))),
            (field(FieldKind::Date, true), "2026-02-28", Some(Value::Date("2026-02-28".into()))),
            (field(FieldKind::Date, true), "2026-02-30", None),
            (field(FieldKind::Date, true), "tomorrow", None),
            (field(several(false), true), "blue", ids(&["o1"])),
            (field(several(false), true), "1, 2", None),
            (field(several(true), true), "2, red", ids(&["o1", "o0"])),
            (field(several(true), true), "2, green", None),
        ] {
            assert_eq!(field.read(text), want, "{text:?} for {:?}", field.kind);
        }
    }
}
