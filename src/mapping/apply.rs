//! The one translation: pre-chat in, routing attributes out (rules K1 to K10, V1 to V7).
//!
//! Promised: total and deterministic; keys are legal and unique, values within their limits; a
//! constant or a rule is never displaced by what a visitor sends; a detail with
//! `displayToAgent: false` never reaches the opening message.

use std::sync::Arc;

use super::file::{Mapping, Rule, Unmapped};
use super::keys;
use super::losses;
use super::notes::{Notes, quoted};
use super::opening;
use super::place::{Candidate, Placer};
use super::prechat::{Detail, Prechat};
use super::script::{self, KNOWN_ROOTS, Script};
use super::template::{self, Details};
use super::translation::{Context, Fate, Field, Ground, Translation};
use super::values::{self, Text};
use crate::report::codes::prechat::{PC030, PC034, PC038, PC039};
use crate::report::codes::values::{
    PC111, PC113, PC114, PC140, PC141, PC142, PC150, PC151, PC152, PC153, PC154, PC155, PC157,
    PC158,
};

/// Translates one pre-chat document by the mapping file for its button.
#[must_use]
pub fn apply(mapping: &Mapping, prechat: &Prechat, context: &Context) -> Translation {
    let mut notes = Notes::from(prechat.findings.clone());
    match mapping.for_button(&context.button_id) {
        Some((0, file)) => by_file(file, prechat, context, notes),
        Some((number, file)) => {
            let mut translation = by_file(file, prechat, context, notes);
            translation.of_file(number, mapping.rules_before(number));
            translation
        }
        None => {
            let message = "the built-in rules hold; [match] does not name this button";
            notes.add(PC158.at("mapping.match.buttons", message));
            by_file(&Mapping::default(), prechat, context, notes)
        }
    }
}

fn by_file(mapping: &Mapping, prechat: &Prechat, context: &Context, notes: Notes) -> Translation {
    let templates = mapping.rules.iter().any(|rule| rule.template.is_some());
    let details = templates.then(|| Details::of(prechat));
    let mut run = Run { mapping, context, details, placer: Placer::new(mapping, notes) };
    let mut candidates = run.constants();
    for (i, detail) in prechat.details.iter().enumerate() {
        candidates.extend(run.detail(i, detail));
    }
    candidates.extend(run.absent(prechat.details.len()));
    // Explicit before built-in, Contact before Lead before Case, then the order of the document.
    candidates.sort_by_key(|c| (c.rank, c.order));
    for candidate in candidates {
        run.placer.place(candidate);
    }
    run.visitor_name();
    run.finish(prechat)
}

struct Run<'a> {
    mapping: &'a Mapping,
    context: &'a Context,
    /// What templates may read; `None` when no rule has one.
    details: Option<Arc<Details>>,
    placer: Placer<'a>,
}

impl Run<'_> {
    fn constants(&mut self) -> Vec<Candidate> {
        let context = self.context;
        let name = context.visitor_name.as_deref().unwrap_or_default();
        let language = context.language.as_deref().unwrap_or_default();
        let fill =
            |value: &str| fill(value, &context.button_id, &context.deployment_id, name, language);
        let here = |button: &Option<String>| {
            button.as_deref().is_none_or(|button| keys::same_id(button, &context.button_id))
        };
        let constants = self.mapping.constants.iter().enumerate();
        let constants = constants.filter(|(_, c)| here(&c.button)).filter_map(|(i, constant)| {
            let text = values::clean(&fill(&constant.value));
            let path = format!("mapping.constant[{i}]");
            let field = field(format!("constant {}", constant.to), path, Ground::Constant);
            let rank = Candidate::EXPLICIT;
            let key = constant.to.clone();
            (!text.text.trim().is_empty()).then_some(Candidate {
                rank,
                order: i,
                key,
                fallback: None,
                text,
                field,
            })
        });
        constants.collect()
    }

    /// Decides a detail's key and value; `None` when it is left out.
    fn detail(&mut self, order: usize, detail: &Detail) -> Option<Candidate> {
        let matched = matching(self.mapping, detail, &self.context.button_id);
        let rule = matched.map(|i| &self.mapping.rules[i]);
        let mut field = field(source(detail), detail.path.clone(), Ground::None);
        field.targets = detail.targets.iter().map(ToString::to_string).collect();
        field.transcript_fields.clone_from(&detail.transcript_fields);
        field.display_to_agent = detail.display_to_agent;
        field.rule = matched;
        field.flow_variable = rule.and_then(|r| r.flow_variable.clone());
        self.placer.rules_used.extend(matched);
        if rule.is_some_and(|r| r.drop) {
            let reason = rule.and_then(|r| r.reason.as_deref()).unwrap_or_default();
            self.placer.notes.add(PC150.at(detail.path.clone(), format!("dropped: {reason}")));
            return self.left_out(field, Fate::Dropped);
        }
        let Some((ground, rank, key, fallback)) = key_of(detail, rule) else {
            return self.unplaced(detail, field);
        };
        field.ground = ground;
        if rule.is_none() && !self.unmapped(detail) {
            return self.left_out(field, Fate::Dropped);
        }
        let Some(text) = self.value(detail, rule, &mut field) else {
            return self.left_out(field, Fate::Empty);
        };
        self.further_targets(detail, &key);
        Some(Candidate { rank, order, key, fallback, text, field })
    }

    fn left_out(&mut self, mut field: Field, fate: Fate) -> Option<Candidate> {
        field.fate = fate;
        self.placer.fields.push(field);
        None
    }

    fn unplaced(&mut self, detail: &Detail, field: Field) -> Option<Candidate> {
        let (code, message) = match detail.label.as_deref() {
            Some(label) => (PC038, format!("{} is not a fixed label", quoted(label))),
            None => (PC030, "neither label nor entity field nor transcript field".to_owned()),
        };
        self.placer.notes.add(code.at(detail.path.clone(), message));
        self.left_out(field, Fate::Unplaced)
    }

    /// May a detail without a rule be sent?
    fn unmapped(&mut self, detail: &Detail) -> bool {
        let code = match self.mapping.defaults.unmapped {
            Unmapped::Generate => return true,
            Unmapped::Drop => PC153,
            Unmapped::Error => PC154,
        };
        let message = format!("no rule for {}", quoted(&source(detail)));
        self.placer.notes.add(code.at(detail.path.clone(), message));
        false
    }

    /// The text to send (V1, V2, V5, and the rule's table, default and required).
    fn value(&mut self, detail: &Detail, rule: Option<&Rule>, field: &mut Field) -> Option<Text> {
        let path = format!("{}.value", detail.path);
        let join = rule.and_then(|r| r.join.as_deref());
        let mut text = detail.value.as_ref().and_then(|node| values::text(node, join));
        let default = rule.and_then(|r| r.default.as_deref());
        let found = text.as_ref().and_then(|t| {
            let typed = detail.value.as_ref().and_then(script::typed);
            typed.or_else(|| script::find(&t.text))
        });
        if let Some(script) = found {
            field.dynamic = true;
            field.sources.clone_from(&script.sources);
            field.fixed_length = script.fixed_chars;
            self.template(&path, &script);
        }
        if let (Some(given), Some(rule)) = (&mut text, rule.filter(|r| !r.table.is_empty())) {
            match (rule.table.get(given.text.as_str()), default) {
                (Some(mapped), _) => given.text.clone_from(mapped),
                (None, default) => {
                    let taken = if default.is_some() { "the default" } else { "the value itself" };
                    let message = format!("not in the table; {taken} is sent");
                    self.placer.notes.add(PC151.at(path.clone(), message));
                    given.text = default.map_or_else(|| given.text.clone(), str::to_owned);
                }
            }
        }
        if let (Some(given), Some(source)) = (&text, rule.and_then(|r| r.template.as_deref())) {
            text = self.made(&path, source, detail, &given.text, field);
        }
        if let Some(text) = text {
            self.oddities(&path, &text);
            return Some(text);
        }
        if let Some(default) = default {
            self.placer.notes.add(PC155.at(path, "no value; the rule's default is sent"));
            return Some(values::clean(default));
        }
        let code = if rule.is_some_and(|r| r.required) { PC152 } else { PC111 };
        let kind = detail.value.as_ref().map_or("missing", |node| match node.kind() {
            "a text" => "blank",
            "null" => "null",
            _ => "empty",
        });
        let message = format!("{} is {kind}", quoted(&source(detail)));
        self.placer.notes.add(code.at(path, message));
        None
    }

    /// What a rule's template makes of a value; `None` when it fails or gives nothing.
    fn made(
        &mut self,
        path: &str,
        source: &str,
        detail: &Detail,
        value: &str,
        field: &mut Field,
    ) -> Option<Text> {
        let label = detail.label.as_deref();
        let details = self.details.as_ref()?;
        match template::render(source, value, label, details, self.context) {
            Ok(rendered) => {
                // What it took from a hidden detail stays hidden.
                field.display_to_agent &= !rendered.hidden;
                let text = values::clean(&rendered.text);
                (!text.text.trim().is_empty()).then_some(text)
            }
            Err(reason) => {
                self.placer.notes.add(PC157.at(path, reason));
                None
            }
        }
    }

    fn oddities(&mut self, path: &str, text: &Text) {
        let notes = &mut self.placer.notes;
        if text.json {
            notes.add(PC113.at(path, "sent as compact JSON text"));
        }
        if text.removed > 0 {
            notes.add(PC114.at(path, format!("{} control character(s) removed", text.removed)));
        }
    }

    fn template(&mut self, path: &str, script: &Script) {
        let notes = &mut self.placer.notes;
        if script.unbalanced {
            notes.add(PC141.at(path, "`{{` without `}}`"));
            return;
        }
        let read = script.sources.join(", ");
        notes.add(PC140.at(path, format!("dynamic: reads {}", quoted(&read))));
        for root in script.roots.iter().filter(|r| !KNOWN_ROOTS.contains(&r.as_str())) {
            let near = super::notes::did_you_mean(root, KNOWN_ROOTS);
            let hint = near.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            notes.add(PC142.at(path, format!("{} is unknown{hint}", quoted(root))));
        }
    }

    fn further_targets(&mut self, detail: &Detail, key: &str) {
        let placed = detail
            .targets
            .iter()
            .position(|t| keys::standard(t).is_some_and(|(standard, _)| standard == key));
        for (i, target) in detail.targets.iter().enumerate() {
            if i == placed.unwrap_or(0) {
                continue;
            }
            let message = format!("{} also feeds {target}", quoted(&source(detail)));
            let todo = format!("In the Omni-Channel flow, also assign this value to {target}.");
            self.placer.notes.add(PC034.at(detail.path.clone(), message).with_todo(todo));
        }
    }

    /// Rules that no detail matched, but that have a default or are required.
    fn absent(&mut self, order: usize) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for (i, rule) in self.mapping.rules.iter().enumerate() {
            let unused = !self.placer.rules_used.contains(&i);
            let wanted = unused && rule.is_for(&self.context.button_id);
            let Some(to) = rule.to.as_ref().filter(|_| wanted) else {
                continue;
            };
            let path = format!("mapping.rule[{i}]");
            match &rule.default {
                Some(default) => {
                    self.placer.notes.add(PC155.at(path.clone(), "no detail; default sent"));
                    let mut field = field(rule.selector(), path, Ground::Rule);
                    field.rule = Some(i);
                    field.flow_variable.clone_from(&rule.flow_variable);
                    candidates.push(Candidate {
                        rank: Candidate::EXPLICIT,
                        order: order + i,
                        key: to.clone(),
                        fallback: None,
                        text: values::clean(default),
                        field,
                    });
                }
                None if rule.required => {
                    let message = format!("no detail matches {}", rule.selector());
                    self.placer.notes.add(PC152.at(path, message));
                }
                None => {}
            }
        }
        candidates
    }

    /// The visitor's name fills first and last name when no detail did (V7).
    fn visitor_name(&mut self) {
        let [first, last, ..] = keys::STANDARD_KEYS;
        if self.mapping.defaults.unmapped != Unmapped::Generate
            || self.placer.has(first)
            || self.placer.has(last)
        {
            return;
        }
        let name = self.context.visitor_name.as_deref().unwrap_or_default();
        let name = values::clean(name).text.trim().to_owned();
        if name.is_empty() {
            return;
        }
        self.placer.notes.add(PC039.at("visitorName", "split at its last blank"));
        let (head, tail) = name.rsplit_once(char::is_whitespace).unwrap_or((&name, ""));
        for (key, part) in [(first, head.trim()), (last, tail.trim())] {
            if !part.is_empty() {
                let mut field =
                    field("visitorName".to_owned(), "visitorName".to_owned(), Ground::VisitorName);
                field.display_to_agent = true;
                let text = Text { text: part.to_owned(), ..Text::default() };
                let key = key.to_owned();
                let rank = Candidate::STANDARD;
                self.placer.place(Candidate { rank, order: 0, key, fallback: None, text, field });
            }
        }
    }

    fn finish(self, prechat: &Prechat) -> Translation {
        let Self { mapping, context, mut placer, .. } = self;
        placer.fields.sort_by_key(|f| document_order(prechat, f));
        losses::report(prechat, &placer.fields, &mut placer.notes);
        let opening_message = opening::message(mapping, &mut placer);
        let from_context = context.language.as_deref().and_then(super::place::language);
        Translation {
            attributes: placer.attributes,
            opening_message,
            language: placer.language.or(from_context),
            findings: placer.notes.into_vec(),
            fields: placer.fields,
            rules_used: placer.rules_used,
        }
    }
}

/// Details in their order, then what came from elsewhere.
fn document_order(prechat: &Prechat, field: &Field) -> (usize, String) {
    let at = field.path.strip_prefix("prechatDetails").and_then(|rest| {
        rest.rsplit_once('[').and_then(|(_, n)| n.trim_end_matches(']').parse().ok())
    });
    (at.unwrap_or(prechat.details.len()), field.path.clone())
}

/// The rule for a detail: entity and field go before label, label before transcript field (K1).
/// Of equally precise rules, the one that names the chat's button goes first.
fn matching(mapping: &Mapping, detail: &Detail, button_id: &str) -> Option<usize> {
    let matches = |rule: &Rule| match (&rule.entity, &rule.field, &rule.label) {
        (Some(entity), Some(field), _) => detail.targets.iter().any(|t| t.is(entity, field)),
        (_, _, Some(label)) => detail.label.as_ref() == Some(label),
        _ => rule.transcript_field.as_ref().is_some_and(|name| {
            detail.transcript_fields.iter().any(|f| f.eq_ignore_ascii_case(name))
        }),
    };
    let rules = mapping.rules.iter().enumerate();
    let matching = rules.filter(|(_, rule)| rule.is_for(button_id) && matches(rule));
    let order = |i: usize, rule: &Rule| (rule.precision(), rule.button.is_none(), i);
    matching.min_by_key(|(i, rule)| order(*i, rule)).map(|(i, _)| i)
}

/// The key, by what it was chosen, its rank, and the key of second choice (K1 to K5).
fn key_of(detail: &Detail, rule: Option<&Rule>) -> Option<(Ground, u8, String, Option<String>)> {
    if let Some(to) = rule.and_then(|r| r.to.clone()) {
        return Some((Ground::Rule, Candidate::EXPLICIT, to, None));
    }
    let by_entity = detail.targets.first().map(|t| format!("{}_{}", t.entity, t.field));
    let standard = detail.targets.iter().find_map(|t| keys::standard(t).map(|found| (found, t)));
    if let Some(((key, rank), target)) = standard {
        let second = format!("{}_{}", target.entity, target.field);
        let rank = Candidate::STANDARD + rank;
        return Some((Ground::Standard, rank, key.to_owned(), Some(second)));
    }
    if let Some(key) = by_entity {
        return Some((Ground::EntityField, Candidate::GENERATED, key, None));
    }
    let transcript = detail.transcript_fields.iter().find(|f| !losses::is_body(f));
    if let Some(name) = transcript {
        let key = keys::documented(name).unwrap_or(name);
        return Some((Ground::TranscriptField, Candidate::GENERATED, key.to_owned(), None));
    }
    let label = detail.label.as_deref().filter(|l| script::find(l).is_none())?;
    Some((Ground::Label, Candidate::GENERATED, label.to_owned(), None))
}

/// What a detail is called: its label, else a field it feeds, else its path.
fn source(detail: &Detail) -> String {
    let target = || detail.targets.first().map(ToString::to_string);
    let transcript = || detail.transcript_fields.first().cloned();
    let name = detail.label.clone().or_else(target).or_else(transcript);
    name.unwrap_or_else(|| detail.path.clone())
}

/// Fills placeholders in one pass, so that a filled-in text is never filled again.
fn fill(value: &str, button: &str, deployment: &str, name: &str, language: &str) -> String {
    let filled = [button, deployment, name, language];
    let pairs = super::file::PLACEHOLDERS.iter().zip(filled);
    let mut out = String::new();
    let mut rest = value;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let known = pairs.clone().find(|(placeholder, _)| rest.starts_with(**placeholder));
        let (text, used) = known.map_or(("{", 1), |(placeholder, text)| (text, placeholder.len()));
        out.push_str(text);
        rest = &rest[used..];
    }
    out.push_str(rest);
    out
}

fn field(source: String, path: String, ground: Ground) -> Field {
    Field {
        source,
        path,
        targets: Vec::new(),
        transcript_fields: Vec::new(),
        key: None,
        ground,
        rule: None,
        flow_variable: None,
        fate: Fate::Sent,
        length: 0,
        limit: 0,
        dynamic: false,
        sources: Vec::new(),
        fixed_length: 0,
        display_to_agent: false,
    }
}
