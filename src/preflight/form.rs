//! The published pre-chat form against the keys that the mapping file writes.
//!
//! Promised: spelling, maximum length, type, choices, and required fields that may stay empty.
//! Without a mapping file there is nothing to compare: keys come from labels then. Not promised:
//! parameters of the channel that the form does not show; only the org knows those.

use std::collections::BTreeMap;

use serde_json::Value;

use super::token::Minted;
use super::{Findings, Told};
use crate::config::Tenant;
use crate::mapping::did_you_mean;
use crate::mapping::file::{Mapping, PLACEHOLDERS, Unmapped};
use crate::mapping::keys::LANGUAGE;
use crate::wire::miaw::rest::{EmbeddedServiceConfig, FormField};

/// What the mapping file may write to one key.
#[derive(Default)]
struct Fed<'m> {
    /// The longest value.
    length: usize,
    /// Values that are known beforehand.
    known: Vec<&'m str>,
    /// Whether there is a value in every chat.
    always: bool,
}

/// Compares.
pub(super) fn compare(tenant: &Tenant, token: &Minted, found: &mut Findings) {
    let fields: Vec<&FormField> =
        token.config.forms.iter().flat_map(|form| &form.form_fields).collect();
    found.saw("form fields", fields.len().to_string());
    let every = |form: &str| form.eq_ignore_ascii_case("session");
    if token.config.forms.iter().filter_map(|f| f.display_context.as_deref()).any(every) {
        found.saw("form display", "every session; the bridge sends the attributes again");
    }
    let Some(file) = tenant.mapping.as_ref().filter(|_| !fields.is_empty()) else { return };
    let fed = fed(&file.mapping);
    for (key, fed) in &fed {
        match fields.iter().find(|field| field.name == *key) {
            Some(field) => field_fits(field, fed, &token.config, found),
            None => absent(key, &fields, found),
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        required(field, fed.get(field.name.as_str()), &file.mapping, found);
    }
}

/// What the mapping writes, by key.
fn fed(mapping: &Mapping) -> BTreeMap<&str, Fed<'_>> {
    let mut all: BTreeMap<&str, Fed<'_>> = BTreeMap::new();
    for rule in mapping.rules.iter().filter(|rule| !rule.drop) {
        let Some(key) = rule.to.as_deref() else { continue };
        let fed = all.entry(key).or_default();
        fed.length = fed.length.max(rule.max_len.unwrap_or(mapping.defaults.max_value_len));
        fed.always |= rule.button.is_none() && (rule.required || rule.default.is_some());
        if rule.template.is_none() {
            fed.known.extend(rule.table.values().chain(&rule.default).map(String::as_str));
        }
    }
    for constant in &mapping.constants {
        let fed = all.entry(&constant.to).or_default();
        fed.length = fed.length.max(constant.value.encode_utf16().count());
        fed.always |= constant.button.is_none();
        if !PLACEHOLDERS.iter().any(|place| constant.value.contains(place)) {
            fed.known.push(&constant.value);
        }
    }
    all.remove(LANGUAGE);
    all
}

fn told<'a>(code: &'static str, message: String, expected: &'a str, help: String) -> Told<'a> {
    Told { key: "mapping", code: Some(code), message, expected, help }
}

/// A key that no field of the form has.
fn absent(key: &str, fields: &[&FormField], found: &mut Findings) {
    let expected = "a key of the published form, in the same spelling";
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let other_case = names.iter().find(|name| name.eq_ignore_ascii_case(key));
    if let Some(name) = other_case {
        let message = format!("`{key}` is not in the form, but `{name}` is: case counts");
        found.problem(told("CH201", message, expected, format!("write `{name}`")));
        return;
    }
    let message = format!("`{key}` is not in the published form");
    let mut help =
        "fine if it is a parameter of the channel without a field; else add it and publish"
            .to_owned();
    if let Some(near) = did_you_mean(key, &names) {
        help = format!("did you mean `{near}`? Otherwise {help}");
    }
    found.note(told("CH202", message, expected, help));
}

/// A key that the form has: length, type, choices.
fn field_fits(
    field: &FormField,
    fed: &Fed<'_>,
    config: &EmbeddedServiceConfig,
    found: &mut Findings,
) {
    let key = &field.name;
    let most = field.max_length.and_then(|most| usize::try_from(most).ok()).filter(|m| *m > 0);
    if let Some(most) = most.filter(|most| fed.length > *most) {
        let message = format!("`{key}` may have {} characters, the form takes {most}", fed.length);
        let help = format!("set `max_len = {most}` in its rule");
        found.note(told("PC110", message, "values that the form takes", help));
    }
    let kind = field.kind.as_deref().unwrap_or_default();
    if kind.eq_ignore_ascii_case("number") || kind.eq_ignore_ascii_case("checkbox") {
        let message = format!("`{key}` is of the type {kind} in the form; a text is sent");
        let help = "look at what the flow makes of it, or change the field to Text".to_owned();
        found.note(told("CH207", message, "a field of the type Text", help));
    }
    if !kind.eq_ignore_ascii_case("choicelist") {
        return;
    }
    let choices = choices(field, config);
    let unknown: Vec<&str> =
        fed.known.iter().filter(|value| !choices.contains(*value)).copied().collect();
    if choices.is_empty() || unknown.is_empty() {
        return;
    }
    let message = format!(
        "`{key}` takes a choice in the form, and the mapping file writes {} of no choice",
        match unknown.len() {
            1 => "a value".to_owned(),
            n => format!("{n} values"),
        }
    );
    let expected = format!("one of the {} choices of the list", choices.len());
    let help = "write the choices' names in `table`, `default` or the constant".to_owned();
    found.note(told("CH207", message, &expected, help));
}

/// The names of a field's choices.
fn choices<'c>(field: &FormField, config: &'c EmbeddedServiceConfig) -> Vec<&'c str> {
    let id = field.choice_list_id.as_deref();
    let lists = config.choice_list_config.as_ref().and_then(|lists| lists.get("choiceList"));
    let text = |value: &'c Value, key| value.get(key).and_then(Value::as_str);
    let list = lists
        .and_then(Value::as_array)
        .and_then(|lists| lists.iter().find(|list| text(list, "choiceListId") == id));
    let values = list.and_then(|list| list.get("choiceListValues")).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(|v| text(v, "choiceListValueName")).collect()
}

/// A field that must be filled.
fn required(field: &FormField, fed: Option<&Fed<'_>>, mapping: &Mapping, found: &mut Findings) {
    let key = &field.name;
    let kind = if field.is_hidden { "requires the hidden field" } else { "requires" };
    let (message, help) = match fed {
        Some(fed) if fed.always => return,
        Some(_) => (
            format!("the form {kind} `{key}`, and its rules may leave it empty"),
            "set `required = true` or a `default` in a rule for all buttons",
        ),
        None if mapping.defaults.unmapped == Unmapped::Generate => (
            format!("the form {kind} `{key}`, and no rule writes it"),
            "add a rule or a constant, unless a detail's label makes this very key",
        ),
        None => {
            (format!("the form {kind} `{key}`, and nothing writes it"), "add a rule or a constant")
        }
    };
    let expected = "a value for every required field, in every chat";
    found.note(told("CH220", message, expected, help.to_owned()));
}
