//! Proposes a mapping file from pre-chat samples, each rule with the ground it stands on.
//!
//! Promised: the proposal passes `load`; what it says of a value is its length and kind, never the
//! value; with a channel at hand every key is one that the channel declares. Not promised: that it
//! is right. It writes down what the built-in rules do, so that people can change it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::file::Rule;
use super::keys::{self, STANDARD_KEYS};
use super::limits::DEFAULT_VALUE_LEN;
use super::node::{Node, Value};
use super::notes::quoted;
use super::prechat::{Detail, Prechat};
use super::translation::{Fate, Field, Ground, Translation};
use crate::metadata::{Channel, Fit};

/// The longest key of a channel that a mapping file can name.
const MAX_CHANNEL_KEY_LEN: usize = 200;

/// Words in a label that often mean a secret.
const SECRETS: [&str; 7] = ["token", "password", "passwd", "secret", "apikey", "iban", "pin"];

/// A sample that was read and translated by the mapping there is already.
pub struct Sample<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The document.
    pub prechat: &'a Prechat,
    /// What the mapping there is makes of it.
    pub translation: &'a Translation,
}

/// One proposed rule.
struct Proposal {
    rule: Rule,
    /// The key that the built-in rules would give.
    built_in: Option<String>,
    grounds: Vec<String>,
    longest: usize,
    samples: BTreeSet<String>,
}

/// The text of a mapping file. Details that a rule of the mapping there is matches already are
/// left out, and so are those for which the channel, where it is known, declares no key.
#[must_use]
pub fn suggest(samples: &[Sample<'_>], channel: Option<&Channel>) -> String {
    let mut proposals: Vec<Proposal> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut unplaced, mut undeclared) = (BTreeSet::new(), BTreeSet::new());
    for sample in samples {
        for field in sample.translation.fields.iter().filter(|f| f.rule.is_none()) {
            let Some(detail) = sample.prechat.details.iter().find(|d| d.path == field.path) else {
                continue;
            };
            if field.fate == Fate::Unplaced {
                unplaced.insert(format!("{} in {}", field.path, comment(sample.name)));
                continue;
            }
            let Some(mut rule) = propose(detail, field, &proposals) else { continue };
            let built_in = rule.to.clone();
            let said = match channel.filter(|_| !rule.drop) {
                Some(channel) => match of_channel(channel, &mut rule, detail, &proposals) {
                    Ok(said) => said,
                    Err(said) => {
                        undeclared.insert(said);
                        continue;
                    }
                },
                None => None,
            };
            let at = *seen.entry(rule.selector().to_lowercase()).or_insert(proposals.len());
            if at == proposals.len() {
                let mut grounds = grounds(detail, field, &rule);
                grounds.extend(said);
                let samples = BTreeSet::new();
                proposals.push(Proposal { rule, built_in, grounds, longest: 0, samples });
            }
            proposals[at].longest = proposals[at].longest.max(field.length);
            proposals[at].samples.insert(comment(sample.name));
        }
    }
    for path in unplaced {
        undeclared.insert(format!("{path} names neither label nor field: no rule can match it."));
    }
    write(samples, channel, &proposals, &undeclared)
}

/// Takes the channel's key, length and flow variable, and says so; the error says why the channel
/// takes no such value.
fn of_channel(
    channel: &Channel,
    rule: &mut Rule,
    detail: &Detail,
    before: &[Proposal],
) -> Result<Option<String>, String> {
    let Some(key) = rule.to.clone().filter(|key| key != keys::LANGUAGE) else { return Ok(None) };
    let own = rule.selector().to_lowercase();
    let of_others = |key: &str| {
        let others = before.iter().filter(|p| p.rule.selector().to_lowercase() != own);
        others.into_iter().any(|p| p.rule.to.as_deref() == Some(key))
    };
    let names = detail.label.iter().chain(detail.targets.iter().map(|t| &t.field));
    let names = names.chain(&detail.transcript_fields).map(String::as_str);
    let standard = STANDARD_KEYS.contains(&key.as_str());
    let fit = channel.fit(&key, names, &|parameter| {
        let legal = keys::objection(&parameter.key.value, MAX_CHANNEL_KEY_LEN).is_none();
        !standard && legal && !of_others(&parameter.key.value)
    });
    let Some(fit) = fit else {
        let what = detail.label.as_deref().map_or_else(|| detail.path.clone(), quoted);
        return Err(comment(&format!(
            "{what} gets no rule: {} declares no parameter like {key}. Add the parameter and run \
             this again, or accept that the value is dropped.",
            channel.file()
        )));
    };
    let parameter = fit.parameter();
    rule.to = Some(parameter.key.value.clone());
    rule.flow_variable = parameter.flow_variable.clone().or(rule.flow_variable.take());
    rule.max_len = parameter.max_len;
    let place = &parameter.key.place;
    Ok(Some(comment(&match fit {
        Fit::Exact(_) => format!("Declared by the channel ({place})."),
        Fit::Alike(_) => format!("The channel spells {key} so ({place}); that spelling counts."),
    })))
}

fn write(
    samples: &[Sample<'_>],
    channel: Option<&Channel>,
    proposals: &[Proposal],
    left_out: &BTreeSet<String>,
) -> String {
    let by_name =
        |s: &Sample<'_>| s.translation.fields.iter().any(|f| f.ground == Ground::VisitorName);
    let mut out = format!(
        "# A proposal from {} sample(s). Read each line, change what is wrong, then:\n\
         #   liveagent-bridge mapping explain --mapping THIS_FILE --prechat SAMPLE\n\
         # What the samples do not show, this file does not know.\n\nversion = 1\n\n[defaults]\n",
        samples.len()
    );
    if let Some(channel) = channel {
        let file = comment(channel.file());
        let head = format!("# Every key is one that {file} declares.\n");
        out.insert_str(out.find("\nversion").unwrap_or_default(), &head);
        let longest = proposals.iter().filter_map(|p| p.rule.to.as_ref()).map(String::len).max();
        if let Some(longest) = longest.filter(|longest| *longest > super::limits::DEFAULT_KEY_LEN) {
            let _ = writeln!(out, "max_key_len = {longest}");
        }
    }
    out.push_str(if samples.iter().any(by_name) {
        "# visitorName fills first and last name, which only `generate` does. Once the details\n\
         # name the visitor, `drop` is safer: nothing goes out that no rule names.\n\
         unmapped = \"generate\"\n"
    } else {
        "# Nothing goes out that no rule names; the dry run reports it.\nunmapped = \"drop\"\n"
    });
    for line in left_out {
        let _ = write!(out, "\n# {line}\n");
    }
    for proposal in proposals {
        rule(&mut out, proposal);
    }
    out
}

fn rule(out: &mut String, proposal: &Proposal) {
    let Proposal { rule, grounds, longest, samples, .. } = proposal;
    out.push('\n');
    for ground in grounds {
        let _ = writeln!(out, "# {ground}");
    }
    let names: Vec<&str> = samples.iter().take(3).map(String::as_str).collect();
    let more = if samples.len() > 3 { ", …" } else { "" };
    let _ = writeln!(out, "# Longest value {longest} UTF-16 units; in {}{more}.", names.join(", "));
    if *longest > DEFAULT_VALUE_LEN {
        let _ = writeln!(
            out,
            "# Longer than {DEFAULT_VALUE_LEN}: the attribute is cut, the full text follows in the \
             opening message."
        );
    }
    out.push_str("[[rule]]\n");
    for (key, value) in [
        ("entity", &rule.entity),
        ("field", &rule.field),
        ("label", &rule.label),
        ("transcript_field", &rule.transcript_field),
        ("to", &rule.to),
        ("join", &rule.join),
        ("flow_variable", &rule.flow_variable),
    ] {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {}", literal(value));
        }
    }
    if let Some(max_len) = rule.max_len {
        let _ = writeln!(out, "max_len = {max_len}");
    }
    if rule.drop {
        let reason = literal(rule.reason.as_deref().unwrap_or_default());
        let _ = writeln!(out, "drop = true\nreason = {reason}");
    }
}

/// The rule that does what the built-in rules do; `None` when nothing sound can be proposed.
fn propose(detail: &Detail, field: &Field, before: &[Proposal]) -> Option<Rule> {
    let taken = |rule: &Rule, to: Option<&str>| {
        let selector = rule.selector().to_lowercase();
        let same = before.iter().find(|p| p.rule.selector().to_lowercase() == selector);
        same.is_some_and(|p| to.is_some() && !p.rule.drop && p.built_in.as_deref() != to)
    };
    let to = field.key.clone();
    let usable = |rule: &Rule| !taken(rule, to.as_deref());
    let mut rule = selectors(detail, field).into_iter().find(usable)?;
    if let Some(label) = detail.label.as_deref().filter(|label| is_secret(label)) {
        rule.drop = true;
        rule.reason = Some(format!("{} looks like a secret", quoted(label)));
        return Some(rule);
    }
    // A value that was missing shows no key; the built-in rules would give this one.
    let wished = to.or_else(|| built_in_key(detail, field))?;
    if field.transcript_fields.iter().any(|f| keys::documented(f) == Some(wished.as_str())) {
        rule.flow_variable = Some("copilotUrl".to_owned());
    }
    rule.to = Some(wished);
    rule.join = detail.value.as_ref().filter(|v| is_plain_list(v)).map(|_| ";".to_owned());
    Some(rule)
}

/// Ways to name a detail, by the ground its key stands on first.
fn selectors(detail: &Detail, field: &Field) -> Vec<Rule> {
    let target = detail
        .targets
        .iter()
        .find(|t| keys::standard(t).is_some_and(|(key, _)| field.key.as_deref() == Some(key)))
        .or_else(|| detail.targets.first());
    let by_target = target.map(|t| Rule {
        entity: Some(t.entity.clone()),
        field: Some(t.field.clone()),
        ..Rule::default()
    });
    let by_label = detail.label.clone().map(|l| Rule { label: Some(l), ..Rule::default() });
    let transcript = detail.transcript_fields.iter().find(|f| !super::losses::is_body(f)).cloned();
    let by_transcript = transcript.map(|f| Rule { transcript_field: Some(f), ..Rule::default() });
    let order = match field.ground {
        Ground::TranscriptField => [by_transcript, by_label, by_target],
        Ground::Label => [by_label, by_transcript, by_target],
        _ => [by_target, by_label, by_transcript],
    };
    order.into_iter().flatten().collect()
}

fn built_in_key(detail: &Detail, field: &Field) -> Option<String> {
    let target = detail.targets.first();
    let by_target = target.map(|t| match keys::standard(t) {
        Some((key, _)) => key.to_owned(),
        None => keys::identifier(&format!("{}_{}", t.entity, t.field), usize::MAX).key,
    });
    let text = field.transcript_fields.first().or(detail.label.as_ref());
    let key = by_target.or_else(|| {
        let text = text?;
        Some(keys::identifier(text, super::limits::DEFAULT_KEY_LEN).key)
    })?;
    (keys::objection(&key, super::limits::DEFAULT_KEY_LEN).is_none() && key != keys::LANGUAGE)
        .then_some(key)
}

fn grounds(detail: &Detail, field: &Field, rule: &Rule) -> Vec<String> {
    let name = detail.label.as_deref().map_or_else(|| detail.path.clone(), quoted);
    let name = comment(&name);
    let feeds = || detail.targets.first().map(|t| comment(&t.to_string())).unwrap_or_default();
    let transcript = || comment(&detail.transcript_fields.join(", "));
    let mut grounds = vec![match (rule.drop, field.ground) {
        (true, _) => format!("{name}: by its label a secret. Remove the drop if it is none."),
        (_, Ground::Standard) => {
            let key = rule.to.as_deref().unwrap_or_default();
            format!("{name} feeds {}: MIAW's standard parameter {key} (K2).", feeds())
        }
        (_, Ground::EntityField) => format!("{name} feeds {}: entity and field (K3).", feeds()),
        (_, Ground::TranscriptField) => {
            format!("{name} fills {}: transcript field (K4).", transcript())
        }
        _ => format!("{name}: its label is all there is (K5)."),
    }];
    if let Some(more) = detail.targets.get(1) {
        grounds.push(format!(
            "It also feeds {}; assign that in the flow (K10).",
            comment(&more.to_string())
        ));
    }
    if field.dynamic {
        grounds
            .push(format!("Known at run time only; reads {}.", comment(&field.sources.join(", "))));
    }
    if rule.join.is_some() {
        grounds
            .push("A list; joined by `;`, since a flow cannot read JSON text easily.".to_owned());
    }
    if !detail.display_to_agent {
        grounds.push("Hidden from agents (displayToAgent false).".to_owned());
    }
    if rule.to.as_deref() == Some("x_language") {
        grounds.push(
            "`language` is reserved (K8); write to = \"language\" if it is the chat's.".to_owned(),
        );
    }
    if field.fate == Fate::Empty {
        grounds.push(
            "No value in the sample; add `default` or `required` if the flow needs one.".to_owned(),
        );
    }
    grounds
}

fn is_secret(label: &str) -> bool {
    let words = label.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    let squashed: String = words.clone().collect();
    let words: Vec<String> = words.collect();
    SECRETS.iter().any(|secret| {
        words.iter().any(|word| word == secret) || secret.len() > 5 && squashed.contains(secret)
    })
}

fn is_plain_list(node: &Node) -> bool {
    let plain = |n: &Node| !matches!(n.value, Value::List(_) | Value::Map(_));
    matches!(&node.value, Value::List(items) if items.iter().all(plain))
}

/// One line without control characters.
fn comment(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// A TOML basic string.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
