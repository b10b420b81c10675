//! The redacted line of one `ChasitorInit`.
//!
//! Promised: no value, visitor's name or key; lengths, JSON types and the names that pre-chat gives
//! to fields, cut to [`LONGEST_NAME`]. The form of the line is [`crate::report::captured`]'s, which
//! is what `dry-run --captured` reads.

use crate::mapping::node::{Node, Value};
use crate::mapping::prechat::{Detail, Entity, EntityField};
use crate::mapping::{self, values};
use crate::report::captured::{
    CapturedDetail, CapturedEntity, CapturedField, CapturedInit, ValueKind,
};
use crate::time::Wall;

/// The longest name that is written, in characters.
pub const LONGEST_NAME: usize = 120;

/// The line of a `ChasitorInit` body; `None` when it cannot be read.
#[must_use]
pub fn redact(body: &str, at: Wall, tenant: &str) -> Option<CapturedInit> {
    let prechat = mapping::read(body).ok()?;
    Some(CapturedInit {
        at: at.to_string(),
        tenant: tenant.to_owned(),
        button_id: prechat.init.button_id.filter(|id| is_id(id)),
        duration_seconds: None,
        details: prechat.details.iter().map(detail).collect(),
        entities: prechat.entities.iter().map(entity).collect(),
        messages: None,
        agent_messages: None,
        bytes: body.len(),
    })
}

/// Only what has the form of a record's id can be nothing else.
fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn detail(detail: &Detail) -> CapturedDetail {
    let text = detail.value.as_ref().and_then(|node| values::text(node, None));
    let target = detail.targets.first();
    CapturedDetail {
        label: detail.label.as_deref().map(name).unwrap_or_default(),
        length_utf16: text.map_or(0, |text| text.text.encode_utf16().count()),
        entity: target.map(|target| name(&target.entity)),
        field: target.map(|target| name(&target.field)),
        transcript_fields: detail.transcript_fields.iter().map(|field| name(field)).collect(),
        display_to_agent: detail.display_to_agent,
        kind: detail.value.as_ref().map_or(ValueKind::Null, kind),
    }
}

fn entity(entity: &Entity) -> CapturedEntity {
    CapturedEntity {
        name: name(&entity.name),
        save_to_transcript: entity.save_to_transcript.as_deref().map(name),
        link_to_entity_name: entity.link_to_entity_name.as_deref().map(name),
        link_to_entity_field: entity.link_to_entity_field.as_deref().map(name),
        show_on_create: entity.show_on_create,
        fields: entity.fields.iter().map(field).collect(),
    }
}

fn field(field: &EntityField) -> CapturedField {
    CapturedField {
        field: name(&field.field),
        label: field.label.as_deref().map(name),
        do_find: field.do_find,
        is_exact_match: field.is_exact_match,
        do_create: field.do_create,
    }
}

const fn kind(node: &Node) -> ValueKind {
    match node.value {
        Value::Null => ValueKind::Null,
        Value::Bool(_) => ValueKind::Boolean,
        Value::Number(_) => ValueKind::Number,
        Value::Text(_) => ValueKind::Text,
        Value::List(_) => ValueKind::List,
        Value::Map(_) => ValueKind::Object,
    }
}

fn name(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_types_are_kept_and_values_are_not() {
        let body = r#"{"buttonId":"573000000000001","visitorName":"Vera","prechatDetails":[
            {"label":"A","value":"Grüße 👋","entityMaps":[{"entityName":"Contact","fieldName":"X"}],
             "transcriptFields":["A__c"],"displayToAgent":false},
            {"label":"B","value":12.50},{"label":"C","value":[1, "secret"]},
            {"label":"D","value":null},{"label":"E","value":true}],
            "prechatEntities":[{"entityName":"Contact","showOnCreate":true,"entityFieldsMaps":[
            {"fieldName":"X","label":"A","doFind":true,"isExactMatch":true,"doCreate":false}]}]}"#;
        let line = redact(body, Wall::from_millis(0), "acme").expect("a line");
        let seen: Vec<(&str, usize, ValueKind)> =
            line.details.iter().map(|d| (d.label.as_str(), d.length_utf16, d.kind)).collect();
        assert_eq!(
            seen,
            [
                ("A", 8, ValueKind::Text),
                ("B", 5, ValueKind::Number),
                ("C", 12, ValueKind::List),
                ("D", 0, ValueKind::Null),
                ("E", 4, ValueKind::Boolean)
            ]
        );
        assert_eq!(line.details[0].field.as_deref(), Some("X"));
        assert!(!line.details[0].display_to_agent);
        assert!(line.entities[0].fields[0].do_find);
        let text = line.to_line();
        assert_eq!(CapturedInit::read(&text), Ok(line));
        for value in ["Gr", "12.5", "secret", "Vera"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
        assert_eq!(
            redact(r#"{"buttonId":"Vera"}"#, Wall::from_millis(0), "a")
                .and_then(|line| line.button_id),
            None
        );
        assert_eq!(redact("{", Wall::from_millis(0), "a"), None);
    }
}
