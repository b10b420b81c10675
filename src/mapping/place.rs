//! Places candidates under keys: reserved keys, collisions, lengths (rules K6 to K9, V3, V4).

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Mapping, Overflow};
use super::keys::{self, LANGUAGE, STANDARD_KEYS};
use super::limits::MAX_ATTRIBUTES;
use super::notes::{Notes, quoted};
use super::prechat::Target;
use super::translation::{Fate, Field, Ground};
use super::values::{self, Text};
use crate::report::codes::platform::{CH202, CH205, CH206};
use crate::report::codes::prechat::{PC003, PC031, PC032, PC033, PC035, PC036, PC037};
use crate::report::codes::values::{PC110, PC112, PC117, PC156};
use crate::report::finding::Severity;

/// A value on its way to a key.
pub(super) struct Candidate {
    /// Lower goes first: explicit, standard by entity, generated.
    pub(super) rank: u8,
    pub(super) order: usize,
    /// The wished key; generated ones are not identifiers yet.
    pub(super) key: String,
    /// The key of second choice when a standard key is taken (K2).
    pub(super) fallback: Option<String>,
    pub(super) text: Text,
    pub(super) field: Field,
}

impl Candidate {
    pub(super) const EXPLICIT: u8 = 0;
    pub(super) const STANDARD: u8 = 1;
    pub(super) const GENERATED: u8 = 8;
}

/// A value that agents may see.
pub(super) struct Visible {
    pub(super) order: usize,
    pub(super) source: String,
    pub(super) text: String,
    /// The text is a transcript's turns.
    pub(super) turns: bool,
    pub(super) overflowed: bool,
}

/// The state of one translation.
pub(super) struct Placer<'m> {
    mapping: &'m Mapping,
    pub(super) notes: Notes,
    pub(super) attributes: BTreeMap<String, String>,
    /// Values before any cut, to tell equal ones from different ones.
    full: BTreeMap<String, String>,
    pub(super) language: Option<String>,
    pub(super) fields: Vec<Field>,
    pub(super) visible: Vec<Visible>,
    pub(super) rules_used: BTreeSet<usize>,
}

impl<'m> Placer<'m> {
    pub(super) const fn new(mapping: &'m Mapping, notes: Notes) -> Self {
        Self {
            mapping,
            notes,
            attributes: BTreeMap::new(),
            full: BTreeMap::new(),
            language: None,
            fields: Vec::new(),
            visible: Vec::new(),
            rules_used: BTreeSet::new(),
        }
    }

    /// Is the key taken?
    pub(super) fn has(&self, key: &str) -> bool {
        self.attributes.contains_key(key)
    }

    pub(super) fn place(&mut self, mut candidate: Candidate) {
        candidate.field.length = values::length(&candidate.text.text);
        let explicit = candidate.rank == Candidate::EXPLICIT;
        if explicit && candidate.key == LANGUAGE {
            self.set_language(candidate);
            return;
        }
        if candidate.rank == Candidate::GENERATED {
            candidate.key = self.generated(&candidate.key, &candidate.field.path);
        }
        if self.collapses(&candidate) {
            candidate.field.fate = Fate::Collapsed;
            candidate.field.key = Some(candidate.key);
            self.fields.push(candidate.field);
            return;
        }
        let key = self.free_key(&mut candidate);
        if self.attributes.len() >= MAX_ATTRIBUTES {
            let message = format!("only {MAX_ATTRIBUTES} attributes are sent");
            self.notes.add(PC003.at(candidate.field.path.clone(), message));
            candidate.field.fate = Fate::Dropped;
            self.fields.push(candidate.field);
            return;
        }
        self.declare(&key, &candidate.field);
        self.store(key, candidate);
    }

    /// Makes a generated key legal (K6, K7, K8).
    fn generated(&mut self, wished: &str, path: &str) -> String {
        let made = keys::identifier(wished, self.mapping.defaults.max_key_len);
        if made.hashed {
            self.notes.add(PC037.at(path, format!("the key is `{}`", made.key)));
        }
        if made.shortened {
            self.notes.add(PC036.at(path, format!("shortened to `{}`", made.key)));
        }
        if made.key == LANGUAGE {
            self.notes.add(PC031.at(path, "the key is `x_language` instead"));
            return format!("x_{LANGUAGE}");
        }
        made.key
    }

    /// Equal values under one key become one (K9).
    fn collapses(&mut self, candidate: &Candidate) -> bool {
        let same = self.full.get(&candidate.key) == Some(&candidate.text.text);
        if same {
            let message = format!("same value as another detail under `{}`", candidate.key);
            self.notes.add(PC033.at(candidate.field.path.clone(), message));
        }
        same
    }

    /// The key, or its second choice, or a numbered one (K2, K9).
    fn free_key(&mut self, candidate: &mut Candidate) -> String {
        if !self.full.contains_key(&candidate.key) {
            return std::mem::take(&mut candidate.key);
        }
        let path = candidate.field.path.clone();
        let mut wished = std::mem::take(&mut candidate.key);
        if let Some(fallback) = candidate.fallback.take() {
            let second = self.generated(&fallback, &path);
            let message = format!("`{wished}` is taken; the key is `{second}`");
            self.notes.add(PC035.at(path.clone(), message));
            candidate.field.ground = Ground::EntityField;
            wished = second;
            if !self.full.contains_key(&wished) {
                return wished;
            }
        }
        let max = self.mapping.defaults.max_key_len;
        let numbered = (2..=MAX_ATTRIBUTES + 2)
            .map(|n| keys::numbered(&wished, n, max))
            .find(|key| !self.full.contains_key(key))
            .unwrap_or_else(|| format!("attr_{}", keys::short_hash(&path)));
        let message = format!("`{wished}` has another value already; the key is `{numbered}`");
        self.notes.add(PC032.at(path, message));
        numbered
    }

    /// Every key needs a parameter on the channel.
    fn declare(&mut self, key: &str, field: &Field) {
        let path = field.path.clone();
        let variable = field.flow_variable.as_deref();
        if STANDARD_KEYS.contains(&key) {
            let name = key.trim_start_matches('_');
            let message = format!("`{key}` needs the standard parameter {name}");
            self.notes.add(CH205.at(path, message));
            return;
        }
        let explicit = matches!(field.ground, Ground::Rule | Ground::Constant);
        let code = if explicit { CH206 } else { CH202 };
        let finding = code.at(path, format!("`{key}` must be declared on the channel"));
        let variable = variable.map_or_else(
            || "a flow variable".to_owned(),
            |variable| format!("the flow variable {variable}"),
        );
        self.notes.add(finding.with_todo(format!(
            "Add a custom parameter with channel variable {key} to the channel, map it to \
             {variable}, and publish."
        )));
    }

    fn limit(&self, field: &Field) -> usize {
        let by_rule = field.rule.and_then(|i| self.mapping.rules[i].max_len);
        by_rule.unwrap_or(self.mapping.defaults.max_value_len)
    }

    fn store(&mut self, key: String, candidate: Candidate) {
        let Candidate { mut field, text, order, .. } = candidate;
        let limit = self.limit(&field);
        field.limit = limit;
        let path = format!("{}.value", field.path);
        let over = field.length > limit || text.capped;
        let policy = self.mapping.defaults.overflow;
        let keeps_full = policy == Overflow::FirstMessage && field.display_to_agent;
        if over {
            self.too_long(&path, &key, &field, keeps_full);
        }
        self.full.insert(key.clone(), text.text.clone());
        field.key = Some(key.clone());
        if over && policy == Overflow::Error {
            field.fate = Fate::Dropped;
        } else {
            let sent = values::cut(&text.text, limit);
            field.fate = if over { Fate::Cut } else { Fate::Sent };
            self.field_sizes(&path, &field, values::length(sent));
            if !sent.trim().is_empty() {
                self.attributes.insert(key, sent.to_owned());
            }
        }
        if field.display_to_agent {
            let overflowed = over && keeps_full;
            let source = field.source.clone();
            let turns = text.turns.is_some();
            let text = text.turns.unwrap_or(text.text);
            self.visible.push(Visible { order, source, text, turns, overflowed });
        }
        self.fields.push(field);
    }

    fn too_long(&mut self, path: &str, key: &str, field: &Field, keeps_full: bool) {
        let (length, limit) = (field.length, field.limit);
        let lost = length.saturating_sub(limit);
        let outcome = match self.mapping.defaults.overflow {
            Overflow::Error => "policy error: it is not sent".to_owned(),
            Overflow::Truncate => format!("policy truncate: {lost} are lost"),
            Overflow::FirstMessage if keeps_full => format!(
                "policy first_message: {lost} do not fit the attribute, the full text follows in \
                 the opening message"
            ),
            Overflow::FirstMessage => format!("policy first_message: {lost} are lost"),
        };
        let finding =
            PC110.at(path, format!("`{key}`: {length} > {limit} UTF-16 units; {outcome}"));
        // A template's length is known only at run time.
        let note = field.dynamic;
        self.notes.add(if note { finding.with_severity(Severity::Note) } else { finding });
        if self.mapping.defaults.overflow == Overflow::FirstMessage && !keeps_full && !note {
            self.notes.add(PC117.at(path, format!("`{key}` has displayToAgent false")));
        }
    }

    /// Record fields in the flow may be smaller than the attribute (V4).
    fn field_sizes(&mut self, path: &str, field: &Field, length: usize) {
        for name in field.targets.iter().filter(|_| !field.dynamic) {
            let Some((entity, name)) = name.split_once('.') else { continue };
            let target = Target { entity: entity.to_owned(), field: name.to_owned() };
            if let Some(size) = values::field_size(&target).filter(|size| length > *size) {
                let message = format!("{target} takes {size} characters, the value has {length}");
                self.notes.add(PC112.at(path, message));
            }
        }
    }

    fn set_language(&mut self, candidate: Candidate) {
        let mut field = candidate.field;
        let read = language(&candidate.text.text);
        let message = match (&read, &self.language) {
            (None, _) => "not a language code such as en_US; ignored".to_owned(),
            (Some(new), Some(old)) if new != old => "set twice; the first one stays".to_owned(),
            (Some(_), _) => format!("{} sets the language", quoted(&field.source)),
        };
        let severity =
            if message.ends_with("language") { Severity::Note } else { Severity::Warning };
        self.notes.add(PC156.at(field.path.clone(), message).with_severity(severity));
        field.fate = if read.is_some() { Fate::Sent } else { Fate::Dropped };
        field.key = Some(LANGUAGE.to_owned());
        self.language = self.language.take().or(read);
        self.fields.push(field);
    }
}

/// `en-US` → `en_US`; `None` for what is no language code.
pub(super) fn language(text: &str) -> Option<String> {
    let mut parts = text.trim().split(['-', '_']);
    let word = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let first = parts.next().filter(|p| word(p, 2..=3))?.to_ascii_lowercase();
    let rest: Vec<String> = parts
        .map(|p| {
            word(p, 2..=4).then(|| if p.len() == 4 { p.to_owned() } else { p.to_ascii_uppercase() })
        })
        .collect::<Option<_>>()?;
    (rest.len() <= 2).then(|| std::iter::once(first).chain(rest).collect::<Vec<_>>().join("_"))
}
