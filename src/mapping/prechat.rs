//! A pre-chat document in canonical spelling.
//!
//! Promised: every part knows its path in the document it came from. `Debug` prints no values.

use std::fmt;

use super::node::Node;
use crate::report::finding::Finding;

/// What a client sent before the chat.
#[derive(Clone, Debug, Default)]
pub struct Prechat {
    /// Declared records to find or create.
    pub entities: Vec<Entity>,
    /// The values.
    pub details: Vec<Detail>,
    /// The parts of a whole `ChasitorInit` body that matter here.
    pub init: Init,
    /// What reading found; `apply` repeats it.
    pub findings: Vec<Finding>,
}

/// What a `ChasitorInit` body says beside pre-chat.
#[derive(Clone, Default)]
pub struct Init {
    /// `visitorName`
    pub visitor_name: Option<String>,
    /// `language`
    pub language: Option<String>,
    /// `buttonId`
    pub button_id: Option<String>,
    /// `deploymentId`
    pub deployment_id: Option<String>,
}

impl fmt::Debug for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Init");
        out.field("visitor_name", &self.visitor_name.as_ref().map(String::len));
        out.field("language", &self.language).field("button_id", &self.button_id);
        out.field("deployment_id", &self.deployment_id).finish()
    }
}

/// One element of `prechatEntities`.
#[derive(Clone, Debug)]
pub struct Entity {
    /// `entityName`
    pub name: String,
    /// `saveToTranscript`
    pub save_to_transcript: Option<String>,
    /// `linkToEntityName`
    pub link_to_entity_name: Option<String>,
    /// `linkToEntityField`
    pub link_to_entity_field: Option<String>,
    /// `showOnCreate`
    pub show_on_create: bool,
    /// `entityFieldsMaps`
    pub fields: Vec<EntityField>,
    /// Where it stands.
    pub path: String,
}

/// One element of an entity's `entityFieldsMaps`.
#[derive(Clone, Debug)]
pub struct EntityField {
    /// `fieldName`
    pub field: String,
    /// `label`, the join to a detail
    pub label: Option<String>,
    /// `doFind`
    pub do_find: bool,
    /// `isExactMatch`
    pub is_exact_match: bool,
    /// `doCreate`
    pub do_create: bool,
    /// Where it stands.
    pub path: String,
}

/// One element of `prechatDetails`.
#[derive(Clone, Debug)]
pub struct Detail {
    /// `label`; `None` when missing or blank.
    pub label: Option<String>,
    /// `value`; `None` when missing.
    pub value: Option<Node>,
    /// The entity fields it feeds: its own `entityMaps` first, then those joined by label.
    pub targets: Vec<Target>,
    /// `transcriptFields`
    pub transcript_fields: Vec<String>,
    /// `displayToAgent`; legacy shows a detail unless told otherwise.
    pub display_to_agent: bool,
    /// Where it stands.
    pub path: String,
}

/// An entity field that a detail feeds, in the declaration's spelling where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The entity's name.
    pub entity: String,
    /// The field's name.
    pub field: String,
}

impl Target {
    /// Is it this entity and field, upper and lower case aside?
    #[must_use]
    pub fn is(&self, entity: &str, field: &str) -> bool {
        self.entity.eq_ignore_ascii_case(entity) && self.field.eq_ignore_ascii_case(field)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.entity, self.field)
    }
}
