//! Compares what a chat sends with what the channel declares.
//!
//! Promised: keys are compared exactly, as MIAW does, and a key that differs in upper and lower
//! case only is named. Not promised: reading the channel's metadata; who has it fills `Channel`.

use super::file::{ChannelNames, Mapping};
use super::keys::{LANGUAGE, STANDARD_KEYS};
use super::notes::{did_you_mean, quoted};
use super::translation::{Fate, Field, Translation};
use crate::report::codes::platform::{CH201, CH203, CH207, CH220};
use crate::report::codes::values::PC110;
use crate::report::finding::{Finding, Severity};

/// A channel's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its standard parameters by their attribute keys, such as `_email`.
    pub standard: Vec<String>,
    /// Its custom parameters.
    pub parameters: Vec<Parameter>,
}

/// A custom parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameter {
    /// `externalParameterName`: the channel variable, which is the attribute key.
    pub variable: String,
    /// `parameterDataType`
    pub data_type: String,
    /// `maxLength`
    pub max_len: Option<usize>,
    /// The flow variables it is mapped to.
    pub flow_variables: Vec<String>,
}

impl Channel {
    fn declares(&self, key: &str) -> bool {
        self.standard.iter().any(|s| s == key) || self.parameters.iter().any(|p| p.variable == key)
    }

    fn names(&self) -> Vec<&str> {
        let custom = self.parameters.iter().map(|p| p.variable.as_str());
        self.standard.iter().map(String::as_str).chain(custom).collect()
    }
}

/// What the channel makes of one translation.
#[must_use]
pub fn compare(channel: &Channel, mapping: &Mapping, translation: &Translation) -> Vec<Finding> {
    let sent = |field: &&Field| matches!(field.fate, Fate::Sent | Fate::Cut);
    let mut findings = Vec::new();
    for field in translation.fields.iter().filter(sent) {
        let Some(key) = field.key.as_deref().filter(|key| *key != LANGUAGE) else { continue };
        if channel.declares(key) {
            let parameter = channel.parameters.iter().find(|p| p.variable == key);
            findings.extend(parameter.into_iter().flat_map(|p| against(p, field)));
        } else {
            findings.push(undeclared(channel, mapping, key, &field.path));
        }
    }
    let fed = |key: &str| translation.attributes.contains_key(key);
    for parameter in channel.parameters.iter().filter(|p| !fed(&p.variable)) {
        let message = format!("nothing feeds {}", quoted(&parameter.variable));
        findings.push(CH220.at(format!("channel.{}", parameter.variable), message));
    }
    findings
}

fn undeclared(channel: &Channel, mapping: &Mapping, key: &str, path: &str) -> Finding {
    let names = channel.names();
    let other_case = names.iter().find(|name| name.eq_ignore_ascii_case(key));
    let message = match (other_case, did_you_mean(key, &names)) {
        (Some(name), _) => format!("`{key}` is declared as `{name}`; upper and lower case count"),
        (None, Some(near)) => format!("`{key}` is not declared; did you mean `{near}`?"),
        (None, None) => format!("`{key}` is not declared"),
    };
    let finding = CH201.at(path, message);
    let lenient = mapping.defaults.channel_names == ChannelNames::Lenient;
    let finding = if lenient { finding.with_severity(Severity::Warning) } else { finding };
    if STANDARD_KEYS.contains(&key) {
        let name = key.trim_start_matches('_');
        return finding.with_todo(format!("Add the standard parameter {name} to the channel."));
    }
    finding
}

fn against(parameter: &Parameter, field: &Field) -> Vec<Finding> {
    let key = &parameter.variable;
    let mut findings = Vec::new();
    let data_type = parameter.data_type.as_str();
    if !data_type.is_empty()
        && !["String", "Text"].iter().any(|t| t.eq_ignore_ascii_case(data_type))
    {
        let message = format!("`{key}` is of type {data_type}; the value is sent as text");
        findings.push(CH207.at(field.path.clone(), message));
    }
    if parameter.flow_variables.is_empty() {
        findings.push(CH203.at(field.path.clone(), format!("`{key}` has no parameter mapping")));
    }
    let limit = parameter.max_len.filter(|max| *max < field.limit && *max < field.length);
    if let Some(max) = limit.filter(|_| !field.dynamic) {
        let message = format!(
            "`{key}`: {} > {max} UTF-16 units, the channel's maximum; set max_len in a rule",
            field.length
        );
        findings.push(PC110.at(format!("{}.value", field.path), message));
    }
    findings
}
