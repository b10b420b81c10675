//! Bodies of the visitor's POSTs.
//!
//! Promised: no member is required, unknown members are skipped, `null` is absent, booleans may be
//! texts. Pre-chat stays raw JSON, so that the digits of its numbers survive.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::lenient;

/// The body of `Chasitor/ChasitorInit`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChasitorInit {
    /// The org.
    #[serde(deserialize_with = "lenient::text")]
    pub organization_id: Option<String>,
    /// The deployment.
    #[serde(deserialize_with = "lenient::text")]
    pub deployment_id: Option<String>,
    /// The button.
    #[serde(deserialize_with = "lenient::text")]
    pub button_id: Option<String>,
    /// Direct-to-agent user id.
    #[serde(deserialize_with = "lenient::text")]
    pub agent_id: Option<String>,
    /// With `agent_id`: fall back to the button.
    #[serde(deserialize_with = "lenient::boolean")]
    pub do_fallback: Option<bool>,
    /// The `id` of SessionId.
    #[serde(deserialize_with = "lenient::text")]
    pub session_id: Option<String>,
    /// The visitor's browser.
    #[serde(deserialize_with = "lenient::text")]
    pub user_agent: Option<String>,
    /// The visitor's language.
    #[serde(deserialize_with = "lenient::text")]
    pub language: Option<String>,
    /// The visitor's screen.
    #[serde(deserialize_with = "lenient::text")]
    pub screen_resolution: Option<String>,
    /// The visitor's display name.
    #[serde(deserialize_with = "lenient::text")]
    pub visitor_name: Option<String>,
    /// Pre-chat details, as received.
    pub prechat_details: Option<Box<RawValue>>,
    /// Records to find, create and link, as received.
    pub prechat_entities: Option<Box<RawValue>>,
    /// Ordered routing targets that override the three routing members.
    #[serde(deserialize_with = "lenient::texts")]
    pub button_overrides: Vec<String>,
    /// Whether QueueUpdate messages are wanted.
    #[serde(deserialize_with = "lenient::boolean")]
    pub receive_queue_updates: Option<bool>,
    /// Whether the request was made by POST.
    #[serde(deserialize_with = "lenient::boolean")]
    pub is_post: Option<bool>,
}

impl std::fmt::Debug for ChasitorInit {
    /// Ids only: names and pre-chat are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChasitorInit")
            .field("organization_id", &self.organization_id)
            .field("deployment_id", &self.deployment_id)
            .field("button_id", &self.button_id)
            .finish_non_exhaustive()
    }
}

/// The body of `Chasitor/ChatMessage`, and with `position` that of `Chasitor/ChasitorSneakPeek`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChatMessage {
    /// What the visitor wrote.
    #[serde(deserialize_with = "lenient::text")]
    pub text: Option<String>,
    /// The number of the preview.
    #[serde(deserialize_with = "lenient::integer")]
    pub position: Option<i64>,
}

/// The body of `Chasitor/ChatEnd`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChatEnd {
    /// Why the chat ends; Salesforce refuses the request without it.
    #[serde(deserialize_with = "lenient::text")]
    pub reason: Option<String>,
}

/// The body of `Chasitor/RichMessage`: what the visitor picked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RichMessage {
    /// In order.
    #[serde(deserialize_with = "lenient::null_default")]
    pub actions: Vec<RichAction>,
}

/// One action of a [`RichMessage`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RichAction {
    /// `ChatWindowButton`, `ChatWindowMenu` or `ChatWindowFooterMenu`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// The place of the entry, from 0.
    #[serde(deserialize_with = "lenient::integer")]
    pub index: Option<i64>,
}

/// The body of `Chasitor/CustomEvent`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct CustomEvent {
    /// The event's name.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// The event's content.
    #[serde(deserialize_with = "lenient::text")]
    pub data: Option<String>,
}

/// The body of `System/MultiNoun`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct MultiNoun {
    /// The batched requests, in order; lists within the list are taken apart.
    #[serde(deserialize_with = "flat")]
    pub nouns: Vec<NounWrapper>,
}

fn flat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NounWrapper>, D::Error> {
    Ok(Nouns::deserialize(deserializer)?.0)
}

/// One wrapper, or a list of such, at any depth.
struct Nouns(Vec<NounWrapper>);

impl<'de> Deserialize<'de> for Nouns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NounsVisitor)
    }
}

struct NounsVisitor;

impl<'de> Visitor<'de> for NounsVisitor {
    type Value = Nouns;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a request or a list of requests")
    }

    fn visit_unit<E>(self) -> Result<Nouns, E> {
        Ok(Nouns(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Nouns, A::Error> {
        let one = NounWrapper::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Nouns(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nouns, A::Error> {
        let mut all = Vec::new();
        while let Some(Nouns(some)) = list.next_element()? {
            all.extend(some);
        }
        Ok(Nouns(all))
    }
}

/// One request of a [`MultiNoun`].
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct NounWrapper {
    /// `Chasitor`, or something to skip.
    #[serde(deserialize_with = "lenient::text")]
    pub prefix: Option<String>,
    /// The noun.
    #[serde(deserialize_with = "lenient::text")]
    pub noun: Option<String>,
    /// Its body, as clients send it.
    object: Option<Box<RawValue>>,
    /// Its body as JSON text.
    #[serde(rename = "objectText")]
    object_text: Option<Box<RawValue>>,
    /// The same, as the guide's table has it.
    data: Option<Box<RawValue>>,
}

impl NounWrapper {
    /// The JSON text of the body; an empty object when there is none.
    #[must_use]
    pub fn body(&self) -> String {
        let raw = self.object.as_ref().or(self.object_text.as_ref()).or(self.data.as_ref());
        let Some(raw) = raw else {
            return "{}".to_owned();
        };
        serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_reads_what_clients_send() {
        let init: ChasitorInit = serde_json::from_str(
            r#"{"organizationId":"00D1","receiveQueueUpdates":"true","isPost":null,
                "prechatEntities":null,"unknown":{"a":[1]},"buttonOverrides":null,
                "prechatDetails":[{"label":"n","value":12345678901234567890.10}]}"#,
        )
        .expect("it reads");
        assert_eq!(init.organization_id.as_deref(), Some("00D1"));
        assert_eq!(init.receive_queue_updates, Some(true));
        assert_eq!(init.is_post, None);
        assert!(init.prechat_entities.is_none());
        let details = init.prechat_details.expect("details");
        assert!(details.get().contains("12345678901234567890.10"));
    }

    #[test]
    fn multi_noun_takes_object_and_text_and_lists_of_lists() {
        let batch: MultiNoun = serde_json::from_str(
            r#"{"nouns":[{"prefix":"Chasitor","noun":"ChatMessage","object":{"text":"a"}},
                [{"noun":"ChatMessage","data":"{\"text\":\"b\"}"},[],null,
                [{"noun":"ChatMessage","objectText":"{\"text\":\"c\"}"}]],{"noun":"ChatEnd"}]}"#,
        )
        .expect("it reads");
        let bodies: Vec<_> = batch.nouns.iter().map(NounWrapper::body).collect();
        let text = |letter: &str| format!(r#"{{"text":"{letter}"}}"#);
        assert_eq!(bodies, [text("a"), text("b"), text("c"), "{}".to_owned()]);
    }
}
