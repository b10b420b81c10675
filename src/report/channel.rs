//! What a messaging channel makes of the attributes: `CH20x`, `CH21x`, `CH220`.
//!
//! Promised: keys are compared exactly, as MIAW does; a key that differs only in case, punctuation
//! or a letter is named in the advice. Not promised: anything about the flow behind the channel.

use std::collections::{BTreeMap, BTreeSet};

use super::codes::platform::{CH201, CH203, CH204, CH207, CH210, CH211, CH220};
use super::codes::values::PC110;
use super::finding::{Finding, Severity};
use crate::mapping::did_you_mean;
use crate::mapping::file::{ChannelNames, Mapping};
use crate::mapping::keys::STANDARD_KEYS;
use crate::mapping::translation::{Fate, Field};
use crate::metadata::{Channel, Parameter, fold};

/// The attribute MIAW consumes itself.
const LANGUAGE: &str = "language";

/// The channel as a whole, whatever is sent.
#[must_use]
pub fn state(channel: &Channel) -> Vec<Finding> {
    if channel.listed {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let at = |setting: &str| format!("channel.{}.{setting}", channel.name());
    if let Some(kind) = channel.get("sessionHandlerType")
        && kind.eq_ignore_ascii_case("queue")
    {
        let message = format!("sessionHandlerType is {kind}: no flow receives the attributes");
        findings.push(CH204.at(at("sessionHandlerType"), message));
    }
    if channel.get("sessionHandlerQueue").unwrap_or_default().is_empty() {
        let message = "no fallback queue is named; whether a queue has members is not in metadata";
        findings.push(CH210.at(at("sessionHandlerQueue"), message));
    }
    if channel.on("isActive") == Some(false) {
        findings.push(CH211.at(at("isActive"), "the channel is not active"));
    }
    findings
}

/// The fields of one document against the channel's parameters.
#[must_use]
pub fn compare(channel: &Channel, mapping: &Mapping, fields: &[Field]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for field in fields.iter().filter(|f| matches!(f.fate, Fate::Sent | Fate::Cut)) {
        let Some(key) = field.key.as_deref().filter(|key| *key != LANGUAGE) else { continue };
        if !seen.insert(key) {
            continue;
        }
        let Some(parameter) = channel.parameter(key) else {
            findings.push(undeclared(channel, mapping, key, &field.path));
            continue;
        };
        findings.extend(unmapped(channel, parameter, &field.path));
        findings.extend(not_text(parameter, &field.path));
        let own = field.length > field.limit;
        if let Some(max) = parameter.max_len.filter(|max| field.length > *max && !own) {
            let message = format!(
                "`{key}`: {} > {max} UTF-16 units, the maxLength of {}",
                field.length,
                place(channel, parameter)
            );
            let finding = PC110.at(format!("{}.value", field.path), message).with_todo(format!(
                "Raise the parameter's maximum, or set max_len = {max} in a rule for it."
            ));
            findings.push(match field.dynamic {
                true => finding.with_severity(Severity::Note),
                false => finding,
            });
        }
    }
    findings
}

/// Parameters that nothing feeds.
#[must_use]
pub fn unfed(channel: &Channel, keys: &BTreeSet<String>) -> Vec<Finding> {
    let unfed = channel.parameters.iter().filter(|p| !keys.contains(&p.key.value));
    unfed
        .map(|parameter| {
            let variable = parameter.flow_variable.as_deref();
            let variable = variable.map_or_else(String::new, |v| format!("; flow variable {v}"));
            let near = near(&parameter.key.value, keys.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |key| format!("; `{key}` is sent"));
            let message = format!("nothing feeds `{}`{variable}{near}", parameter.key.value);
            CH220.at(format!("channel.{}.{}", channel.name(), parameter.path), message)
        })
        .collect()
}

/// A key that the channel does not declare.
pub(super) fn undeclared(channel: &Channel, mapping: &Mapping, key: &str, at: &str) -> Finding {
    let names: Vec<&str> = channel.parameters.iter().map(|p| p.key.value.as_str()).collect();
    let standard = STANDARD_KEYS.contains(&key);
    // One standard key is no slip for another.
    let slip = || did_you_mean(key, &names).filter(|_| !standard);
    let near = near(key, names.iter().copied()).or_else(slip);
    let message = match near {
        Some(near) if near.eq_ignore_ascii_case(key) => format!(
            "`{key}` is not declared in {}; `{near}` is, and upper and lower case count",
            channel.file()
        ),
        Some(near) => {
            format!("`{key}` is not declared in {}; did you mean `{near}`?", channel.file())
        }
        None => format!("`{key}` is not declared in {}", channel.file()),
    };
    let severity = match mapping.defaults.channel_names {
        ChannelNames::Strict => Severity::Error,
        ChannelNames::Lenient => Severity::Warning,
    };
    let todo = match (near, standard) {
        (_, true) => format!(
            "Add the standard parameter {} to the channel and map it to a flow variable.",
            key.trim_start_matches('_')
        ),
        (Some(near), false) => format!(
            "Map the field to `{near}` by a rule with to = \"{near}\", or add a custom parameter \
             with channel variable {key}."
        ),
        (None, false) => format!(
            "Add a custom parameter with channel variable {key}, map it to a flow variable, and \
             publish."
        ),
    };
    CH201.at(at, message).with_severity(severity).with_todo(todo)
}

/// A declared parameter without a flow variable.
pub(super) fn unmapped(channel: &Channel, parameter: &Parameter, at: &str) -> Option<Finding> {
    if parameter.flow_variable.is_some() {
        return None;
    }
    let message =
        format!("`{}` is mapped to no flow variable in {}", parameter.key.value, channel.file());
    Some(CH203.at(at, message))
}

/// A parameter of another type than text.
fn not_text(parameter: &Parameter, at: &str) -> Option<Finding> {
    let (key, kind) = (&parameter.key.value, &parameter.data_type);
    let message = || format!("`{key}` is of type {kind}; the value is sent as text");
    parameter.is_not_text().then(|| CH207.at(at, message()))
}

fn place(channel: &Channel, parameter: &Parameter) -> String {
    format!("{} {}", channel.file(), parameter.path)
}

/// A name that differs only in case or punctuation.
fn near<'n>(key: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let own = fold(key);
    let mut by_bare: BTreeMap<bool, &str> = BTreeMap::new();
    for name in names.filter(|name| *name != key && !own.is_empty() && fold(name) == own) {
        by_bare.entry(!name.eq_ignore_ascii_case(key)).or_insert(name);
    }
    by_bare.into_values().next()
}
