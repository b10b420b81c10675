//! What a translation gives: the attributes, and field by field how they came about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::prechat::Init;
use crate::report::finding::Finding;

/// What is known about the chat beside its pre-chat document.
#[derive(Clone, Default)]
pub struct Context {
    /// The legacy button.
    pub button_id: String,
    /// The legacy deployment.
    pub deployment_id: String,
    /// `visitorName` of the chat.
    pub visitor_name: Option<String>,
    /// `language` of the chat.
    pub language: Option<String>,
}

impl Context {
    /// What a whole `ChasitorInit` body says by itself.
    #[must_use]
    pub fn of(init: &Init) -> Self {
        Self {
            button_id: init.button_id.clone().unwrap_or_default(),
            deployment_id: init.deployment_id.clone().unwrap_or_default(),
            visitor_name: init.visitor_name.clone(),
            language: init.language.clone(),
        }
    }

    /// The same, with these ids where it has none.
    #[must_use]
    pub fn or_ids(mut self, button_id: &str, deployment_id: &str) -> Self {
        for (own, other) in
            [(&mut self.button_id, button_id), (&mut self.deployment_id, deployment_id)]
        {
            if own.is_empty() {
                other.clone_into(own);
            }
        }
        self
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Context");
        out.field("button_id", &self.button_id).field("deployment_id", &self.deployment_id);
        out.field("language", &self.language).finish_non_exhaustive()
    }
}

/// What MIAW gets. `Debug` prints keys and lengths, no values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Translation {
    /// The routing attributes.
    pub attributes: BTreeMap<String, String>,
    /// Text to send as the visitor's first message, if any.
    pub opening_message: Option<String>,
    /// The conversation's language, such as `en_US`.
    pub language: Option<String>,
    /// Everything that was noticed, reading included.
    pub findings: Vec<Finding>,
    /// What became of each detail, constant and built-in source.
    pub fields: Vec<Field>,
    /// The mapping rules that matched a detail, counted over all files of the tenant.
    pub rules_used: BTreeSet<usize>,
}

impl Translation {
    /// Rules are counted over all files of the tenant, and paths name the file.
    pub(super) fn of_file(&mut self, number: usize, rules_before: usize) {
        let file = super::Mapping::path(number);
        let rename = |path: &mut String| {
            if let Some(rest) = path.strip_prefix("mapping.") {
                *path = format!("{file}.{rest}");
            }
        };
        self.findings.iter_mut().for_each(|finding| rename(&mut finding.path));
        for field in &mut self.fields {
            rename(&mut field.path);
            field.rule = field.rule.map(|rule| rule + rules_before);
        }
        self.rules_used = self.rules_used.iter().map(|rule| rule + rules_before).collect();
    }

    /// The opening message in parts of at most `limits::MAX_OPENING_PART_LEN`, cut between turns
    /// and lines.
    #[must_use]
    pub fn opening_parts(&self) -> Vec<String> {
        self.opening_message.as_deref().map(super::opening::parts).unwrap_or_default()
    }
}

impl fmt::Debug for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths: BTreeMap<&str, usize> =
            self.attributes.iter().map(|(k, v)| (k.as_str(), v.len())).collect();
        let mut out = f.debug_struct("Translation");
        out.field("attribute_bytes", &lengths).field("language", &self.language);
        out.field("findings", &self.findings).finish_non_exhaustive()
    }
}

/// By what a key was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// A constant of the mapping file.
    Constant,
    /// A rule of the mapping file (K1).
    Rule,
    /// A standard parameter (K2).
    Standard,
    /// Entity and field (K3).
    EntityField,
    /// A transcript field (K4).
    TranscriptField,
    /// The label (K5).
    Label,
    /// The visitor's name (V7).
    VisitorName,
    /// Nothing.
    None,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Sent as it is.
    Sent,
    /// Sent, cut to its limit.
    Cut,
    /// Equal to another one under the same key.
    Collapsed,
    /// There was nothing to send.
    Empty,
    /// Left out by a rule or a policy.
    Dropped,
    /// It had nowhere to go.
    Unplaced,
}

/// One line of the field flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The label, or what stands for it.
    pub source: String,
    /// Where it stands.
    pub path: String,
    /// The entity fields it fed.
    pub targets: Vec<String>,
    /// The transcript fields it filled.
    pub transcript_fields: Vec<String>,
    /// The attribute key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// By what the key was chosen.
    pub ground: Ground,
    /// The rule's number over all mapping files of the tenant, when a rule chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// The flow variable the mapping file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_variable: Option<String>,
    /// What became of the value.
    pub fate: Fate,
    /// The value's length in UTF-16 units before any cut.
    pub length: usize,
    /// The limit it was held against.
    pub limit: usize,
    /// The value is a template whose text is known only at run time.
    pub dynamic: bool,
    /// Expressions a dynamic value reads, as far as they are plain paths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// How many characters of a dynamic value stand outside its expressions.
    #[serde(skip)]
    pub fixed_length: usize,
    /// Agents saw it in legacy's pre-chat panel.
    pub display_to_agent: bool,
}
