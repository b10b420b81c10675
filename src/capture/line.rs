//! The redacted line of one `ChasitorInit`.
//!
//! Promised: no value, visitor's name or key; lengths, JSON types and the names that pre-chat gives
//! to fields, without what looks like somebody's data (`clean`). The form of the line is
//! [`crate::report::captured`]'s, which is what `dry-run --captured` reads.

use super::clean::Cleaner;
use crate::mapping::node::{Node, Value};
use crate::mapping::prechat::{Detail, Entity, EntityField};
use crate::mapping::{self, values};
use crate::report::captured::{
    CapturedDetail, CapturedEntity, CapturedField, CapturedInit, ValueKind,
};
use crate::time::Wall;

/// The line of a `ChasitorInit` body; `None` when it cannot be read.
#[must_use]
pub fn redact(body: &str, at: Wall, tenant: &str) -> Option<CapturedInit> {
    let prechat = mapping::read(body).ok()?;
    let text = |detail: &Detail| values::text(detail.value.as_ref()?, None).map(|text| text.text);
    let said = prechat.details.iter().filter_map(text).map(|text| text.to_string());
    let clean = Cleaner::new(said.chain(prechat.init.visitor_name.clone()));
    Some(CapturedInit {
        at: at.to_string(),
        tenant: tenant.to_owned(),
        chat: None,
        button_id: prechat.init.button_id.filter(|id| is_button(id)),
        duration_seconds: None,
        details: prechat.details.iter().map(|one| detail(one, &clean)).collect(),
        entities: prechat.entities.iter().map(|one| entity(one, &clean)).collect(),
        messages: None,
        agent_messages: None,
        bytes: body.len(),
    })
}

/// Only what has the form of a button's id can be nothing else.
fn is_button(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
    matches!(text.len(), 15 | 18) && text.starts_with("573") && plain
}

fn detail(detail: &Detail, clean: &Cleaner) -> CapturedDetail {
    let text = detail.value.as_ref().and_then(|node| values::text(node, None));
    let target = detail.targets.first();
    let fields = detail.transcript_fields.iter();
    CapturedDetail {
        label: detail.label.as_deref().map(|label| clean.name(label)).unwrap_or_default(),
        length_utf16: text.map_or(0, |text| text.text.encode_utf16().count()),
        entity: target.map(|target| clean.name(&target.entity)),
        field: target.map(|target| clean.name(&target.field)),
        transcript_fields: fields.map(|field| clean.name(field)).collect(),
        display_to_agent: detail.display_to_agent,
        kind: detail.value.as_ref().map_or(ValueKind::Null, kind),
    }
}

fn entity(entity: &Entity, clean: &Cleaner) -> CapturedEntity {
    let name = |text: &Option<String>| text.as_deref().map(|text| clean.name(text));
    CapturedEntity {
        name: clean.name(&entity.name),
        save_to_transcript: name(&entity.save_to_transcript),
        link_to_entity_name: name(&entity.link_to_entity_name),
        link_to_entity_field: name(&entity.link_to_entity_field),
        show_on_create: entity.show_on_create,
        fields: entity.fields.iter().map(|one| field(one, clean)).collect(),
    }
}

fn field(field: &EntityField, clean: &Cleaner) -> CapturedField {
    CapturedField {
        field: clean.name(&field.field),
        label: field.label.as_deref().map(|label| clean.name(label)),
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
