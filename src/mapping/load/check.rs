//! What serde cannot see in a mapping file: rules that say too little, too much, or the same.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Loader, hint, list};
use crate::mapping::file::{Defaults, Mapping, PLACEHOLDERS, Rule};
use crate::mapping::node::{Node, Value};
use crate::mapping::{keys, template};
use crate::report::codes;

impl Loader<'_> {
    /// What serde cannot see: rules that say too little, too much, or the same.
    pub(super) fn check(&mut self, root: &Node, mapping: &Mapping) {
        for (i, button) in mapping.matching.buttons.iter().enumerate() {
            let span = root.get("match").and_then(|m| m.node.get("buttons"));
            let span = span.and_then(|m| item(&m.node, i)).map_or(0..0, |n| n.span.clone());
            self.button(span, &format!("match.buttons[{i}]"), button);
        }
        self.rules(root, mapping);
        self.constants(root, mapping);
        self.accept(root, mapping);
        self.tests(root, mapping);
        self.defaults(root, &mapping.defaults);
    }

    fn rules(&mut self, root: &Node, mapping: &Mapping) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (i, rule) in mapping.rules.iter().enumerate() {
            let path = format!("rule[{i}]");
            let at = |key: &str| span(root, "rule", i, key);
            if let Some((message, expected)) = rule_objection(rule) {
                self.problem(at(""), &path, message, expected, "");
            }
            if let Some(first) = seen.insert(rule.selector().to_lowercase(), i) {
                let message = format!("matches {}, as rule[{first}] does", rule.selector());
                self.problem(at(""), &path, message, "", "remove one of the two");
            }
            if let Some(to) = &rule.to {
                self.key(at("to"), &format!("{path}.to"), to, mapping);
            }
            if rule.max_len == Some(0) {
                self.problem(at("max_len"), &format!("{path}.max_len"), "0", "at least 1", "");
            }
            if let Some(button) = &rule.button {
                self.button(at("button"), &format!("{path}.button"), button);
            }
            let wrong = rule.template.as_deref().and_then(template::objection);
            if let Some((message, expected, hint)) = wrong {
                let key = format!("{path}.template");
                self.problem(at("template"), &key, message, &expected, &hint);
            }
        }
    }

    fn constants(&mut self, root: &Node, mapping: &Mapping) {
        for (i, constant) in mapping.constants.iter().enumerate() {
            let at = |key: &str| span(root, "constant", i, key);
            self.key(at("to"), &format!("constant[{i}].to"), &constant.to, mapping);
            if let Some(name) = unknown_placeholder(&constant.value) {
                let expected = list(&PLACEHOLDERS);
                let hint = hint(&name, &PLACEHOLDERS);
                let key = format!("constant[{i}].value");
                let message = format!("unknown placeholder `{name}`");
                self.problem(at("value"), &key, message, &expected, &hint);
            }
            if let Some(button) = &constant.button {
                self.button(at("button"), &format!("constant[{i}].button"), button);
            }
        }
    }

    fn accept(&mut self, root: &Node, mapping: &Mapping) {
        for (i, accept) in mapping.accept.iter().enumerate() {
            if codes::find(&accept.code).is_none() {
                let near = codes::near(&accept.code);
                let hint = near.map_or_else(String::new, |n| format!("did you mean `{n}`?"));
                let message = format!("unknown code `{}`", accept.code);
                let key = format!("accept[{i}].code");
                let expected = "a code such as PC101 or its slug; `explain` lists them";
                self.problem(span(root, "accept", i, "code"), &key, message, expected, &hint);
            }
        }
    }

    fn tests(&mut self, root: &Node, mapping: &Mapping) {
        for (i, test) in mapping.tests.iter().enumerate() {
            if test.expected.is_some() == test.expected_file.is_some() {
                let message = if test.expected.is_some() { "both" } else { "neither" };
                let message = format!("{message} of expected and expected_file");
                let at = span(root, "test", i, "");
                self.problem(at, &format!("test[{i}]"), message, "one of the two", "");
            }
        }
    }

    /// Ids of buttons are compared on 15 characters, so that many there must be.
    fn button(&mut self, span: Range<usize>, path: &str, id: &str) {
        let sound = matches!(id.len(), 15 | 18) && id.chars().all(|c| c.is_ascii_alphanumeric());
        if !sound || !id.starts_with("573") {
            let expected = "a button's id: 15 or 18 letters and digits that begin with 573";
            let hint = if id.starts_with("572") { "572 begins a deployment's id" } else { "" };
            self.problem(span, path, format!("`{id}` is no button"), expected, hint);
        }
    }

    fn defaults(&mut self, root: &Node, defaults: &Defaults) {
        let at = root.get("defaults").map_or(0..0, |m| m.key_span.clone());
        if defaults.max_value_len == 0 {
            self.problem(at.clone(), "defaults.max_value_len", "0", "at least 1", "");
        }
        if !(16..=200).contains(&defaults.max_key_len) {
            self.problem(at, "defaults.max_key_len", "out of range", "16 to 200", "");
        }
    }

    fn key(&mut self, span: Range<usize>, path: &str, key: &str, mapping: &Mapping) {
        if let Some((expected, near)) = keys::objection(key, mapping.defaults.max_key_len) {
            let message = format!("`{key}` is not a legal attribute key");
            self.problem(span, path, message, &expected, &format!("did you mean `{near}`?"));
        }
    }
}

fn rule_objection(rule: &Rule) -> Option<(&'static str, &'static str)> {
    let selectors = [rule.entity.is_some(), rule.label.is_some(), rule.transcript_field.is_some()];
    if rule.entity.is_some() != rule.field.is_some() {
        return Some(("entity and field go together", "both of them"));
    }
    match selectors.iter().filter(|given| **given).count() {
        0 => return Some(("matches nothing", "entity and field, label, or transcript_field")),
        1 => {}
        _ => return Some(("matches in several ways", "one of the three; make two rules")),
    }
    if rule.drop && (rule.required || rule.default.is_some() || rule.template.is_some()) {
        return Some(("drops what it also makes", "drop and reason alone"));
    }
    match (&rule.to, rule.drop, &rule.reason) {
        (None, false, _) => Some(("does nothing", "to or drop = true")),
        (Some(_), true, _) => Some(("both to and drop", "one of the two")),
        (None, true, None) => Some(("drops without a reason", "reason = \"…\"")),
        _ => None,
    }
}

/// The first `{name}` that is not a placeholder.
fn unknown_placeholder(value: &str) -> Option<String> {
    value.match_indices('{').find_map(|(at, _)| {
        let end = value[at..].find('}')? + at + 1;
        let name = &value[at..end];
        let word = name[1..name.len() - 1].chars().all(|c| c.is_alphanumeric() || c == '_');
        (word && !PLACEHOLDERS.contains(&name)).then(|| name.to_owned())
    })
}

fn item(list: &Node, i: usize) -> Option<&Node> {
    match &list.value {
        Value::List(items) => items.get(i),
        _ => None,
    }
}

/// Where a member of a table stands, or the table when it has none of this name.
fn span(root: &Node, list: &str, i: usize, key: &str) -> Range<usize> {
    let item = root.get(list).and_then(|m| item(&m.node, i));
    let inner = item.and_then(|n| n.get(key)).map(|m| m.node.span.clone());
    inner.or_else(|| item.map(|n| n.span.clone())).unwrap_or(0..0)
}
