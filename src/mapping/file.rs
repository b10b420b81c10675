//! The mapping file: one set of types for TOML and JSON.
//!
//! Promised: unknown members are refused; the order of rules is kept. `load` in this folder reads
//! the file and explains what is wrong with it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::keys;
use super::limits::{DEFAULT_KEY_LEN, DEFAULT_VALUE_LEN};

/// A tenant's mapping. `Mapping::default()` is the built-in rules alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Which chats the file is for.
    pub matching: Match,
    /// What holds where no rule says otherwise.
    pub defaults: Defaults,
    /// `[[rule]]`, in file order.
    pub rules: Vec<Rule>,
    /// `[[constant]]`, in file order.
    pub constants: Vec<Constant>,
    /// `[[accept]]`, in file order.
    pub accept: Vec<Accept>,
    /// `[[test]]`, in file order.
    pub tests: Vec<Example>,
    /// The tenant's further mapping files; these have none of their own.
    pub others: Vec<Mapping>,
}

impl Mapping {
    /// Is the file for chats of this button? One without `[match]` is for all.
    #[must_use]
    pub fn is_for(&self, button_id: &str) -> bool {
        let buttons = &self.matching.buttons;
        buttons.is_empty() || buttons.iter().any(|b| keys::same_id(b, button_id))
    }

    /// All files of the tenant, this one first.
    pub fn files(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// The file for chats of this button and its number: the one that names the button, else the
    /// one without `[match]`.
    #[must_use]
    pub fn for_button(&self, button_id: &str) -> Option<(usize, &Self)> {
        let fits = |named: bool| {
            let mut files = self.files().enumerate();
            files.find(|(_, f)| f.is_for(button_id) && f.matching.buttons.is_empty() != named)
        };
        fits(true).or_else(|| fits(false))
    }

    /// A rule by its number over all files.
    #[must_use]
    pub fn rule(&self, number: usize) -> Option<&Rule> {
        self.files().flat_map(|file| &file.rules).nth(number)
    }

    /// How many rules stand in files before this one.
    #[must_use]
    pub fn rules_before(&self, file: usize) -> usize {
        self.files().take(file).map(|file| file.rules.len()).sum()
    }

    /// How reports name a file: `mapping`, `mapping[1]` and so on.
    #[must_use]
    pub fn path(file: usize) -> String {
        if file == 0 { "mapping".to_owned() } else { format!("mapping[{file}]") }
    }

    /// Puts several files together; the error says which two of them claim the same chats.
    ///
    /// # Errors
    /// Two files name one button, or two have no `[match]`.
    pub fn together(files: Vec<Self>) -> Result<Self, (usize, usize, String)> {
        for (i, file) in files.iter().enumerate() {
            let own = &file.matching.buttons;
            for (j, before) in files[..i].iter().enumerate() {
                let theirs = &before.matching.buttons;
                if own.is_empty() && theirs.is_empty() {
                    return Err((j, i, "neither has [match] buttons".to_owned()));
                }
                let mut both = own.iter().filter(|b| theirs.iter().any(|t| keys::same_id(b, t)));
                if let Some(button) = both.next() {
                    return Err((j, i, format!("both name button {}", keys::id_15(button))));
                }
            }
        }
        let mut files = files.into_iter();
        let first = files.next().unwrap_or_default();
        Ok(Self { others: files.collect(), ..first })
    }
}

/// `[match]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The file is for chats of these legacy buttons; of all when there are none here.
    pub buttons: Vec<String>,
}

/// `[defaults]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// The longest value in UTF-16 units.
    pub max_value_len: usize,
    /// The longest generated key.
    pub max_key_len: usize,
    /// What happens to longer values.
    pub overflow: Overflow,
    /// What happens to details without a rule.
    pub unmapped: Unmapped,
    /// Whether keys are compared with channel metadata, where there is any.
    pub channel_names: ChannelNames,
    /// What the opening message holds.
    pub opening_message: Opening,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            max_value_len: DEFAULT_VALUE_LEN,
            max_key_len: DEFAULT_KEY_LEN,
            overflow: Overflow::default(),
            unmapped: Unmapped::default(),
            channel_names: ChannelNames::default(),
            opening_message: Opening::default(),
        }
    }
}

/// What happens to an over-long value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// It is not sent.
    Error,
    /// It is cut.
    Truncate,
    /// It is cut, and the full text follows in the opening message if agents may see it.
    #[default]
    FirstMessage,
}

/// What happens to a detail without a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmapped {
    /// It gets a generated key.
    #[default]
    Generate,
    /// It is left out.
    Drop,
    /// It is left out, and that is an error.
    Error,
}

/// Comparison with channel metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelNames {
    /// Undeclared keys are errors.
    #[default]
    Strict,
    /// Undeclared keys are warnings.
    Lenient,
}

/// What the opening message holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// The full text of over-long values only.
    #[default]
    Overflow,
    /// A line for every detail that agents may see, as legacy's panel showed them.
    Details,
}

/// `[[rule]]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Only for chats of this legacy button.
    pub button: Option<String>,
    /// With `field`: matches details that feed this entity field.
    pub entity: Option<String>,
    /// With `entity`.
    pub field: Option<String>,
    /// Matches the detail of exactly this label.
    pub label: Option<String>,
    /// Matches details that fill this transcript field.
    pub transcript_field: Option<String>,
    /// The attribute key.
    pub to: Option<String>,
    /// Leave the detail out.
    pub drop: bool,
    /// Why it is left out.
    pub reason: Option<String>,
    /// The flow variable the key is mapped to in the org; for reports only.
    pub flow_variable: Option<String>,
    /// The parameter's maximum, in UTF-16 units.
    pub max_len: Option<usize>,
    /// A missing value is an error.
    pub required: bool,
    /// The value when there is none.
    pub default: Option<String>,
    /// Replaces values; one that is not in it becomes `default`, else stays.
    pub table: BTreeMap<String, String>,
    /// Joins a list by this separator instead of writing JSON text.
    pub join: Option<String>,
    /// Makes the value: minijinja over `value`, `details`, `button_id` and so on.
    pub template: Option<String>,
    /// For people.
    pub note: Option<String>,
}

/// How precisely a rule names what it matches; the more precise goes first (K1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Entity and field.
    EntityField,
    /// Label.
    Label,
    /// Transcript field.
    TranscriptField,
}

impl Rule {
    /// How the rule matches; `None` when it names nothing.
    #[must_use]
    pub const fn precision(&self) -> Option<Precision> {
        match (&self.entity, &self.field, &self.label, &self.transcript_field) {
            (Some(_), Some(_), _, _) => Some(Precision::EntityField),
            (_, _, Some(_), _) => Some(Precision::Label),
            (_, _, _, Some(_)) => Some(Precision::TranscriptField),
            _ => None,
        }
    }

    /// What the rule matches, for people and for finding two rules that match the same.
    #[must_use]
    pub fn selector(&self) -> String {
        let what = match (&self.entity, &self.field, &self.label, &self.transcript_field) {
            (Some(entity), Some(field), _, _) => format!("{entity}.{field}"),
            (_, _, Some(label), _) => format!("label `{label}`"),
            (_, _, _, Some(field)) => format!("transcript field {field}"),
            _ => "nothing".to_owned(),
        };
        match &self.button {
            Some(button) => format!("{what} of button {}", keys::id_15(button)),
            None => what,
        }
    }

    /// Does the rule look at chats of this button?
    #[must_use]
    pub fn is_for(&self, button_id: &str) -> bool {
        self.button.as_deref().is_none_or(|button| keys::same_id(button, button_id))
    }
}

/// `[[constant]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// The attribute key.
    pub to: String,
    /// The value; `{button_id}`, `{deployment_id}`, `{visitor_name}` and `{language}` are filled
    /// in.
    pub value: String,
    /// Only for chats of this legacy button.
    #[serde(default)]
    pub button: Option<String>,
    /// For people.
    #[serde(default)]
    pub note: Option<String>,
}

/// The placeholders of a constant.
pub const PLACEHOLDERS: [&str; 4] =
    ["{button_id}", "{deployment_id}", "{visitor_name}", "{language}"];

/// `[[accept]]`: a declared and dated loss.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The finding's id or slug.
    pub code: String,
    /// Where; also everything below it. Absent: everywhere.
    #[serde(default)]
    pub path: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// The last day (UTC) the acceptance holds.
    pub until: jiff::civil::Date,
}

impl Accept {
    /// Does it cover this place? `prechatEntities[0]` covers `prechatEntities[0].fields[1]`.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let Some(own) = self.path.as_deref() else { return true };
        path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// `[[test]]`: a pre-chat document and what must become of it. `mapping test` runs them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows.
    #[serde(default)]
    pub name: Option<String>,
    /// The document, seen from the mapping file's folder.
    pub prechat: String,
    /// The attributes that must come out.
    #[serde(default)]
    pub expected: Option<BTreeMap<String, String>>,
    /// Or the file that holds them.
    #[serde(default)]
    pub expected_file: Option<String>,
    /// The button, where the document names none.
    #[serde(default)]
    pub button: Option<String>,
    /// The conversation's language that must come out.
    #[serde(default)]
    pub language: Option<String>,
    /// The opening message that must come out.
    #[serde(default)]
    pub opening_message: Option<String>,
}
