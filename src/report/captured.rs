//! Captured traffic: one redacted `ChasitorInit` per line of a file (NDJSON), and one line for the
//! end of a chat, so that a process that is killed has written the chats that ran.
//!
//! Promised: what `capture` writes is what `dry-run --captured` reads; no line holds a value, only
//! lengths, types and the names that legacy's pre-chat gives to fields. Unknown members are
//! ignored, so that an older bridge reads a newer file. Not promised: that labels hold
//! no personal data when the sender builds labels from values (`PC038` reports that).
//!
//! Two lines, the first broken here for reading; an init may also hold what its end would say:
//!
//! ```json
//! {"at":"2026-01-20T09:30:00Z","tenant":"acme","chat":"9f86d081884c7d65",
//!  "buttonId":"573000000000001",
//!  "details":[{"label":"Last Name","lengthUtf16":9,"entity":"Contact","field":"LastName",
//!              "transcriptFields":["LastName__c"],"displayToAgent":true,"type":"text"}],
//!  "entities":[{"name":"Contact","showOnCreate":true,
//!               "fields":[{"field":"LastName","label":"Last Name","doFind":true,
//!                          "isExactMatch":true,"doCreate":true}]}],
//!  "bytes":1830}
//! {"end":"9f86d081884c7d65","tenant":"acme","durationSeconds":412,"messages":9,"agentMessages":11}
//! ```

use serde::{Deserialize, Serialize};

use crate::time::Wall;

/// The longest line that is read, in bytes.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// One redacted `ChasitorInit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapturedInit {
    /// When the chat began, RFC 3339.
    pub at: String,
    /// The tenant's id.
    pub tenant: String,
    /// What the line of its end names it by: a random number, nothing of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// The button the client named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button_id: Option<String>,
    /// From the init to the end of the chat; absent when the end was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<u64>,
    /// The pre-chat details, in the order of the document.
    #[serde(default)]
    pub details: Vec<CapturedDetail>,
    /// The declared records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<CapturedEntity>,
    /// How many messages the visitor sent, where it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// How many messages the visitor was sent, where it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_messages: Option<u64>,
    /// The size of the init's body.
    #[serde(default)]
    pub bytes: usize,
}

/// The end of a chat whose init is on a line of its own, before or in an earlier file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapturedEnd {
    /// [`CapturedInit::chat`] of its init.
    pub end: String,
    /// The tenant's id.
    pub tenant: String,
    /// From the init to the end of the chat.
    pub duration_seconds: u64,
    /// How many messages the visitor sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// How many messages the visitor was sent, where all could be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_messages: Option<u64>,
}

/// One line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CapturedLine {
    /// A chat began.
    Init(Box<CapturedInit>),
    /// A chat ended.
    End(CapturedEnd),
}

impl CapturedLine {
    /// Reads one line.
    ///
    /// # Errors
    /// Like [`CapturedInit::read`].
    pub fn read(line: &str) -> Result<Self, String> {
        let init = CapturedInit::read(line).map(|init| Self::Init(Box::new(init)));
        init.or_else(|error| match serde_json::from_str::<CapturedEnd>(line) {
            Ok(end) if line.len() <= LONGEST_LINE => Ok(Self::End(end)),
            _ => Err(error),
        })
    }

    /// The tenant's id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        match self {
            Self::Init(init) => &init.tenant,
            Self::End(end) => &end.tenant,
        }
    }
}

/// One pre-chat detail without its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapturedDetail {
    /// The label, which is a name and not a value.
    #[serde(default)]
    pub label: String,
    /// The value's length in UTF-16 units, as it would be sent: numbers by their digits, lists and
    /// objects by their compact JSON; 0 for null, missing and empty ones.
    #[serde(default)]
    pub length_utf16: usize,
    /// The entity of the first entity map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The field of the first entity map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The transcript fields.
    #[serde(default)]
    pub transcript_fields: Vec<String>,
    /// Whether agents may see it.
    #[serde(default)]
    pub display_to_agent: bool,
    /// The JSON type of the value.
    #[serde(default, rename = "type")]
    pub kind: ValueKind,
}

/// One declared record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapturedEntity {
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
    pub fields: Vec<CapturedField>,
}

/// One field of a declared record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapturedField {
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

/// The JSON type of a detail's value.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// A string.
    #[default]
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`, or no value at all.
    Null,
    /// An array.
    List,
    /// An object.
    Object,
}

impl CapturedInit {
    /// Reads one line.
    ///
    /// # Errors
    /// Says what was wrong and in which column; quotes nothing of the line.
    pub fn read(line: &str) -> Result<Self, String> {
        if line.len() > LONGEST_LINE {
            return Err(format!("the line is longer than {LONGEST_LINE} bytes"));
        }
        let init: Self = serde_json::from_str(line).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => "not a captured chat",
                _ => "not JSON",
            };
            format!("{what}, column {}; expected what `capture` writes", error.column())
        })?;
        match Wall::parse(&init.at) {
            Ok(_) => Ok(init),
            Err(_) => Err("`at` is not an instant such as 2026-02-14T00:00:00Z".to_owned()),
        }
    }

    /// The line, without a line feed.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Only maps with non-text keys could fail, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// When the chat began; the epoch for an instant that `read` would have refused.
    #[must_use]
    pub fn instant(&self) -> Wall {
        Wall::parse(&self.at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_and_broken_ones_quote_nothing() {
        let line = concat!(
            r#"{"at":"2026-01-20T09:30:00Z","tenant":"acme","buttonId":"573000000000001","#,
            r#""durationSeconds":412,"details":[{"label":"Last Name","lengthUtf16":9,"#,
            r#""entity":"Contact","field":"LastName","transcriptFields":["LastName__c"],"#,
            r#""displayToAgent":true,"type":"text"}],"messages":9,"bytes":1830}"#,
        );
        let init = CapturedInit::read(line).expect("a sound line");
        assert_eq!(init.to_line(), line);
        let bare = CapturedInit::read(r#"{"at":"2026-01-20T09:30:00Z","tenant":"a","x":1}"#);
        assert_eq!(bare.map(|i| (i.details.len(), i.duration_seconds)), Ok((0, None)));
        let text = r#"{"end":"9f86","tenant":"acme","durationSeconds":412,"messages":9}"#;
        let end = CapturedLine::read(text).expect("an end");
        assert!(matches!(&end, CapturedLine::End(end) if end.duration_seconds == 412));
        assert_eq!(serde_json::to_string(&end).expect("JSON"), text);
        assert!(matches!(CapturedLine::read(line), Ok(CapturedLine::Init(_))));
        for broken in [
            "{\"end\":\"Mia\"}",
            "{\"end\":\"Mia",
            "{\"at\":\"Mia\"",
            "{\"at\":\"Mia\",\"tenant\":\"a\"}",
            "[\"Mia\"]",
        ] {
            let error = CapturedLine::read(broken).expect_err("refused");
            assert!(!error.contains("Mia"), "{error}");
        }
    }
}
