//! One line of a capture file: a redacted `ChasitorInit`, and how its chat went.
//!
//! Promised: no value, visitor's name or key; lengths, JSON types and the names that pre-chat gives
//! to fields, cut to [`LONGEST_NAME`]. Members are only ever added. Not promised: that labels hold
//! no personal data when the sender builds labels from values (`PC038` reports that).
//!
//! One line, broken here for reading:
//!
//! ```json
//! {"at":"2026-01-20T09:30:00Z","tenant":"acme","buttonId":"573000000000001",
//!  "durationSeconds":412,
//!  "details":[{"label":"Last Name","lengthUtf16":9,"entity":"Contact","field":"LastName",
//!              "transcriptFields":["LastName__c"],"displayToAgent":true,"type":"text"}],
//!  "entities":[{"name":"Contact","showOnCreate":true,
//!               "fields":[{"field":"LastName","label":"Last Name","doFind":true,
//!                          "isExactMatch":true,"doCreate":true}]}],
//!  "messages":9,"agentMessages":11,"bytes":1830}
//! ```

use serde::{Deserialize, Serialize};

use crate::mapping::node::{Node, Value};
use crate::mapping::prechat::{Detail, Entity, EntityField};
use crate::mapping::{self, values};
use crate::time::Wall;

/// The longest name that is written, in characters.
pub const LONGEST_NAME: usize = 120;

/// One chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// When the chat was asked for, RFC 3339.
    pub at: String,
    /// The tenant's id.
    pub tenant: String,
    /// The button the client named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button_id: Option<String>,
    /// From the init to the end of the chat; absent when the end was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u64>,
    /// The pre-chat details, in the order of the document.
    #[serde(default)]
    pub details: Vec<DetailLine>,
    /// The declared records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<EntityLine>,
    /// How many messages the visitor sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// How many messages the visitor was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_messages: Option<u64>,
    /// The size of the init's body.
    #[serde(default)]
    pub bytes: usize,
}

/// One pre-chat detail without its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DetailLine {
    /// The label, which is a name and not a value.
    #[serde(default)]
    pub label: String,
    /// The value's length in UTF-16 units, as it would be sent: numbers by their digits, lists and
    /// objects by their compact JSON; 0 for null, missing and empty ones.
    #[serde(default)]
    pub length_utf16: usize,
    /// The entity of the first target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The field of the first target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The transcript fields.
    #[serde(default)]
    pub transcript_fields: Vec<String>,
    /// Whether agents may see it.
    #[serde(default)]
    pub display_to_agent: bool,
    /// The JSON type of the value: `text`, `number`, `boolean`, `null`, `list` or `object`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// One declared record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityLine {
    /// `entityName`
    pub name: String,
    /// `saveToTranscript`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_to_transcript: Option<String>,
    /// `linkToEntityName`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to_entity_name: Option<String>,
    /// `linkToEntityField`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to_entity_field: Option<String>,
    /// `showOnCreate`
    pub show_on_create: bool,
    /// `entityFieldsMaps`
    pub fields: Vec<FieldLine>,
}

/// One field of a declared record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldLine {
    /// `fieldName`
    pub field: String,
    /// `label`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `doFind`
    pub do_find: bool,
    /// `isExactMatch`
    pub is_exact_match: bool,
    /// `doCreate`
    pub do_create: bool,
}

/// The line of a `ChasitorInit` body; `None` when it cannot be read.
#[must_use]
pub fn redact(body: &str, at: Wall, tenant: &str) -> Option<Line> {
    let prechat = mapping::read(body).ok()?;
    Some(Line {
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

fn detail(detail: &Detail) -> DetailLine {
    let text = detail.value.as_ref().and_then(|node| values::text(node, None));
    let target = detail.targets.first();
    DetailLine {
        label: detail.label.as_deref().map(name).unwrap_or_default(),
        length_utf16: text.map_or(0, |text| text.text.encode_utf16().count()),
        entity: target.map(|target| name(&target.entity)),
        field: target.map(|target| name(&target.field)),
        transcript_fields: detail.transcript_fields.iter().map(|field| name(field)).collect(),
        display_to_agent: detail.display_to_agent,
        kind: detail.value.as_ref().map_or("null", kind).to_owned(),
    }
}

fn entity(entity: &Entity) -> EntityLine {
    EntityLine {
        name: name(&entity.name),
        save_to_transcript: entity.save_to_transcript.as_deref().map(name),
        link_to_entity_name: entity.link_to_entity_name.as_deref().map(name),
        link_to_entity_field: entity.link_to_entity_field.as_deref().map(name),
        show_on_create: entity.show_on_create,
        fields: entity.fields.iter().map(field).collect(),
    }
}

fn field(field: &EntityField) -> FieldLine {
    FieldLine {
        field: name(&field.field),
        label: field.label.as_deref().map(name),
        do_find: field.do_find,
        is_exact_match: field.is_exact_match,
        do_create: field.do_create,
    }
}

const fn kind(node: &Node) -> &'static str {
    match node.value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Text(_) => "text",
        Value::List(_) => "list",
        Value::Map(_) => "object",
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
        let seen: Vec<(&str, usize, &str)> = line
            .details
            .iter()
            .map(|d| (d.label.as_str(), d.length_utf16, d.kind.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("A", 8, "text"),
                ("B", 5, "number"),
                ("C", 12, "list"),
                ("D", 0, "null"),
                ("E", 4, "boolean")
            ]
        );
        assert_eq!(line.details[0].field.as_deref(), Some("X"));
        assert!(!line.details[0].display_to_agent);
        assert!(line.entities[0].fields[0].do_find);
        let text = serde_json::to_string(&line).expect("JSON");
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
