//! What legacy did with pre-chat beyond carrying values, and MIAW does not: find, create, link,
//! show, and fill transcript fields. Each becomes a finding with what to do in the org.

use super::keys;
use super::notes::{Notes, quoted};
use super::prechat::{Entity, EntityField, Prechat};
use super::translation::{Fate, Field};
use crate::report::codes::prechat::{
    CP101, CP102, PC021, PC101, PC102, PC103, PC104, PC105, PC106, PC120, PC121, PC122, PC130,
};
use crate::report::finding::Severity;

/// Reports every loss of one document.
pub(super) fn report(prechat: &Prechat, fields: &[Field], notes: &mut Notes) {
    for entity in &prechat.entities {
        records(entity, fields, notes);
        links(entity, &prechat.entities, notes);
        required(entity, fields, notes);
        if entity.show_on_create {
            let message = format!("{} opened in the console", quoted(&entity.name));
            notes.add(PC105.at(format!("{}.showOnCreate", entity.path), message));
        }
    }
    for field in fields {
        transcript(field, notes);
    }
    let shown: Vec<&str> =
        fields.iter().filter(|f| f.display_to_agent).map(|f| f.source.as_str()).collect();
    if !shown.is_empty() {
        let message = format!("{} value(s) with displayToAgent: {}", shown.len(), some(&shown));
        notes.add(PC106.at("prechatDetails", message));
    }
    if fields.iter().any(|f| matches!(f.fate, Fate::Sent | Fate::Cut)) {
        notes.add(PC130.at("prechatDetails", "sent with the first session only"));
    }
}

/// Is it the transcript's own text?
pub(super) const fn is_body(transcript_field: &str) -> bool {
    transcript_field.eq_ignore_ascii_case("Body")
}

fn some(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|n| quoted(n)).collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", quoted.join(", "))
}

/// The attribute that feeds an entity field.
fn key_of<'f>(fields: &'f [Field], entity: &str, name: &str) -> Option<&'f str> {
    let wanted = format!("{entity}.{name}");
    let feeds = |f: &&Field| f.targets.iter().any(|t| t.eq_ignore_ascii_case(&wanted));
    fields.iter().find(|f| feeds(f) && f.key.is_some())?.key.as_deref()
}

/// The lookup of MessagingSession that takes a record's id.
fn lookup(entity: &str) -> Option<&'static str> {
    Some(match entity.to_ascii_lowercase().as_str() {
        "contact" | "contactid" => "EndUserContactId",
        "account" | "accountid" => "EndUserAccountId",
        "case" | "caseid" => "CaseId",
        "lead" | "leadid" => "LeadId",
        "opportunity" | "opportunityid" => "OpportunityId",
        _ => return None,
    })
}

fn lookup_text(entity: &str) -> String {
    lookup(entity).map_or_else(
        || format!("a custom lookup to {entity}, which must be created on MessagingSession"),
        |name| format!("MessagingSession.{name}"),
    )
}

fn records(entity: &Entity, fields: &[Field], notes: &mut Notes) {
    for field in entity.fields.iter().filter(|f| f.do_find || f.do_create) {
        let exact = if field.is_exact_match { "find by exact match" } else { "find" };
        let lost = match (field.do_find, field.do_create) {
            (true, true) => format!("{exact} and create"),
            (true, false) => exact.to_owned(),
            _ => "create".to_owned(),
        };
        let name = format!("{}.{}", entity.name, field.field);
        let finding =
            PC101.at(field.path.clone(), format!("{}: {lost} no longer happens", quoted(&name)));
        notes.add(finding.with_todo(record_todo(entity, field, fields)));
    }
}

fn record_todo(entity: &Entity, field: &EntityField, fields: &[Field]) -> String {
    let source = key_of(fields, &entity.name, &field.field).map_or_else(
        || "a flow variable (no detail feeds it here)".to_owned(),
        |key| format!("the flow variable of {key}"),
    );
    let (record, name) = (&entity.name, &field.field);
    let find = format!("Get Records {record} where {name} equals {source}");
    let create = format!("Create Records {record} with {name} = {source}");
    let steps = match (field.do_find, field.do_create) {
        (true, true) => format!("{find}; if there is none, {create}"),
        (true, false) => find,
        _ => format!("when no {record} was found, {create}"),
    };
    format!("In the Omni-Channel flow: {steps}; then set {}.", lookup_text(record))
}

fn links(entity: &Entity, entities: &[Entity], notes: &mut Notes) {
    let name = &entity.name;
    if let Some(target) = &entity.link_to_entity_name {
        let path = format!("{}.linkToEntityName", entity.path);
        let by = entity.link_to_entity_field.as_deref().unwrap_or("its lookup");
        let message = format!("{name} is no longer linked to {} by {by}", quoted(target));
        let todo = format!(
            "In the Omni-Channel flow: Update Records {target} set {by} to the {name}'s Id, and \
             set {} and {}.",
            lookup_text(name),
            lookup_text(target)
        );
        notes.add(PC102.at(path.clone(), message).with_todo(todo));
        if !entities.iter().any(|e| e.name.eq_ignore_ascii_case(target)) {
            let message = format!("{} is not declared in prechatEntities", quoted(target));
            let todo = format!(
                "Decide in the flow which {target} is meant: find it, or create it and set {}.",
                lookup_text(target)
            );
            notes.add(PC103.at(path, message).with_todo(todo));
        }
    }
    let Some(saved) = &entity.save_to_transcript else { return };
    let path = format!("{}.saveToTranscript", entity.path);
    if entities.iter().any(|e| e.name.eq_ignore_ascii_case(saved)) {
        let message = format!("{} is an entity name", quoted(saved));
        notes.add(PC104.at(path.clone(), message));
    }
    let message = format!("the {name}'s Id is no longer saved as {}", quoted(saved));
    let todo = format!(
        "In the Omni-Channel flow: Update Records MessagingSession where Id = recordId, set {}.",
        lookup_text(name)
    );
    notes.add(PC102.at(path, message).with_todo(todo));
}

/// Fields without which a record cannot be created.
fn required(entity: &Entity, fields: &[Field], notes: &mut Notes) {
    let needed: &[&str] = match entity.name.to_ascii_lowercase().as_str() {
        "contact" => &["LastName"],
        "lead" => &["LastName", "Company"],
        _ => return,
    };
    if !entity.fields.iter().any(|f| f.do_create) {
        return;
    }
    for name in needed.iter().filter(|name| key_of(fields, &entity.name, name).is_none()) {
        let message = format!("{}.{name} has no value, but is required to create one", entity.name);
        notes.add(PC021.at(entity.path.clone(), message));
    }
}

fn transcript(field: &Field, notes: &mut Notes) {
    for (i, name) in field.transcript_fields.iter().enumerate() {
        let path = format!("{}.transcriptFields[{i}]", field.path);
        if is_body(name) {
            notes.add(PC121.at(path, "`Body` has no successor"));
            continue;
        }
        if let Some(near) = illegal(name) {
            let hint = near.map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            notes.add(PC122.at(path, format!("{} is not an API name{hint}", quoted(name))));
            continue;
        }
        let from = field
            .key
            .as_deref()
            .map_or_else(|| "its value".to_owned(), |key| format!("the flow variable of {key}"));
        let todo = format!(
            "Create {name} on MessagingSession; in the Omni-Channel flow, Update Records \
             MessagingSession where Id = recordId, set {name} = {from}."
        );
        let message = format!("{} on LiveChatTranscript stays empty", quoted(name));
        notes.add(PC120.at(path.clone(), message).with_todo(todo));
        if keys::documented(name).is_some() {
            copilot(field, &path, notes);
        }
    }
}

/// `Some` when it is no legal API name, with the likely one if there is one.
fn illegal(name: &str) -> Option<Option<String>> {
    let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let base = name.strip_suffix("__c").unwrap_or(name);
    if let Some(rest) = name.strip_prefix("c__").filter(|r| !r.is_empty() && word) {
        return Some(Some(format!("{}__c", rest.trim_end_matches("__c"))));
    }
    (!word || base.is_empty() || base.ends_with('_')).then(|| {
        let made = keys::identifier(base, 40);
        (!made.hashed).then(|| format!("{}__c", made.key))
    })
}

fn copilot(field: &Field, path: &str, notes: &mut Notes) {
    /// A user id over this length is rare; session ids are `session-` and a UUID; the token is 64
    /// hex digits; anything else is taken for a UUID.
    const ASSUMED: [(&str, usize); 3] =
        [("input.userId", 80), ("input.sessionId", 44), ("input.URLToken", 64)];
    const ASSUMED_OTHER: usize = 36;
    notes.add(CP101.at(path, "LiveChatTranscript.Copilot__c becomes MessagingSession.Copilot__c"));
    if !field.dynamic {
        return;
    }
    let parts = field.sources.iter().map(|source| {
        ASSUMED.iter().find(|(name, _)| name == source).map_or(ASSUMED_OTHER, |(_, len)| *len)
    });
    let worst = field.fixed_length + parts.sum::<usize>();
    let message = format!(
        "{} fixed characters, {worst} with the longest usual ids, {} allowed",
        field.fixed_length, field.limit
    );
    let finding = CP102.at(path, message);
    let fits = worst <= field.limit;
    notes.add(if fits { finding.with_severity(Severity::Note) } else { finding });
}
