//! Requests and answers of the REST operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::entry::ConversationEntry;
use super::message::AbstractMessage;
use super::open_enum;
use crate::wire::lenient;

/// The body of both token requests.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenRequest {
    /// The org.
    #[serde(deserialize_with = "lenient::null_default")]
    pub org_id: String,
    /// The Custom Client deployment.
    #[serde(deserialize_with = "lenient::null_default")]
    pub es_developer_name: String,
    /// `1`.
    #[serde(deserialize_with = "lenient::null_default")]
    pub capabilities_version: String,
    /// `Web` or `Mobile`.
    #[serde(deserialize_with = "lenient::null_default")]
    pub platform: String,
    /// Refused for the platform `Web`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub device_id: Option<String>,
    /// Who the client is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<ClientContext>,
    /// Verified users: `JWT`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub authorization_type: Option<String>,
    /// Verified users: the identity token, a secret.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub customer_identity_token: Option<String>,
    /// With bot protection only.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub captcha_token: Option<String>,
}

/// Who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientContext {
    /// Letters, digits, `_` and `.`, 40 at most.
    #[serde(deserialize_with = "lenient::null_default")]
    pub app_name: String,
    /// Free.
    #[serde(deserialize_with = "lenient::null_default")]
    pub client_version: String,
}

/// The answer of the token and continuation operations.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenResponse {
    /// The token, a secret.
    pub access_token: String,
    /// Where to start the stream; written as text, read as text or number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub last_event_id: Option<String>,
    /// The end user and the deployment.
    #[serde(default)]
    pub context: Option<TokenContext>,
}

/// The end user and the deployment of a token.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenContext {
    /// Empty for web clients.
    #[serde(deserialize_with = "lenient::text")]
    pub device_id: Option<String>,
    /// Whom the token stands for.
    pub end_user: Option<EndUser>,
    /// The deployment.
    pub configuration: Option<Configuration>,
}

/// Whom a token stands for.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndUser {
    /// `iamessage`.
    #[serde(deserialize_with = "lenient::text")]
    pub app_type: Option<String>,
    /// `EndUser`.
    #[serde(deserialize_with = "lenient::text")]
    pub role: Option<String>,
    /// Opaque, but for `/AUTH/` of verified users.
    #[serde(deserialize_with = "lenient::text")]
    pub subject: Option<String>,
    /// `Guest`.
    #[serde(deserialize_with = "lenient::text")]
    pub display_name: Option<String>,
}

/// The deployment's configuration.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    /// The deployment.
    pub embedded_service_config: Option<EmbeddedServiceConfig>,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "lenient::integer")]
    pub timestamp: Option<i64>,
}

/// A deployment.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmbeddedServiceConfig {
    /// Its API name.
    #[serde(deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// `API`, compared without case.
    #[serde(deserialize_with = "lenient::text")]
    pub deployment_type: Option<String>,
    /// Its channel.
    pub embedded_service_messaging_channel: Option<Value>,
    /// Its pre-chat forms.
    #[serde(deserialize_with = "lenient::null_default")]
    pub forms: Vec<Form>,
    /// Its choice lists.
    pub choice_list_config: Option<Value>,
    /// Its rules for files.
    pub attachments: Option<AttachmentRules>,
    /// Its rules for transcripts.
    pub transcript: Option<Value>,
}

/// A pre-chat form.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Form {
    /// `PreChat`.
    #[serde(deserialize_with = "lenient::text")]
    pub form_type: Option<String>,
    /// `Conversation` or `Session`.
    #[serde(deserialize_with = "lenient::text")]
    pub display_context: Option<String>,
    /// Its fields.
    #[serde(deserialize_with = "lenient::null_default")]
    pub form_fields: Vec<FormField>,
}

/// A field of a pre-chat form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FormField {
    /// The routing attribute it fills.
    #[serde(deserialize_with = "lenient::null_default")]
    pub name: String,
    /// Its place.
    #[serde(deserialize_with = "lenient::integer")]
    pub order: Option<i64>,
    /// `Text`, `Email`, `Number`, `Phone`, `Checkbox`, `ChoiceList`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// Whether it must be filled.
    #[serde(deserialize_with = "lenient::null_default")]
    pub required: bool,
    /// The most characters it takes.
    #[serde(deserialize_with = "lenient::integer")]
    pub max_length: Option<i64>,
    /// Whether the visitor does not see it.
    #[serde(deserialize_with = "lenient::null_default")]
    pub is_hidden: bool,
    /// Its choices, where it is a `ChoiceList`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::text")]
    pub choice_list_id: Option<String>,
}

/// A deployment's rules for files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AttachmentRules {
    /// Whether visitors may send files.
    #[serde(deserialize_with = "lenient::null_default")]
    pub end_user_to_agent: bool,
    /// Megabytes, as far as is known.
    #[serde(deserialize_with = "lenient::integer")]
    pub max_file_size: Option<i64>,
}

/// Pre-chat: channel variable names and values, texts only.
pub type RoutingAttributes = BTreeMap<String, String>;

/// The body of the create operation.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateConversation {
    /// A lower-case version 4 UUID of the client's choice.
    pub conversation_id: String,
    /// The deployment.
    pub es_developer_name: String,
    /// Pre-chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_attributes: Option<RoutingAttributes>,
    /// Such as `en_US`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// The body of the send operation.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SendMessage {
    /// The message.
    pub message: AbstractMessage,
    /// The deployment.
    pub es_developer_name: String,
    /// Whether a new session is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_new_messaging_session: Option<bool>,
    /// Pre-chat of the new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_attributes: Option<RoutingAttributes>,
    /// Language of the new session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// The answer of the send and file operations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sent {
    /// The entries that came of it; several when the text was split.
    #[serde(deserialize_with = "lenient::null_default")]
    pub conversation_entries: Vec<SentEntry>,
}

/// One entry of [`Sent`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SentEntry {
    /// The message's id.
    #[serde(deserialize_with = "lenient::null_default")]
    pub id: String,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "lenient::integer")]
    pub client_timestamp: Option<i64>,
}

/// The body of the typing operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypingEntry {
    /// `TypingStartedIndicator` or `TypingStoppedIndicator`.
    pub entry_type: String,
    /// A version 4 UUID.
    pub id: String,
}

/// The body of the acknowledge operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AcknowledgeEntries {
    /// Each acknowledgement.
    #[serde(deserialize_with = "lenient::null_default")]
    pub acks: Vec<Ack>,
}

/// One acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ack {
    /// A version 4 UUID; one client calls it `messageId`.
    #[serde(alias = "messageId", deserialize_with = "lenient::null_default")]
    pub id: String,
    /// `Delivery` or `Read`, with or without `Acknowledgement`.
    #[serde(deserialize_with = "lenient::null_default")]
    pub entry_type: String,
    /// The entry that is acknowledged.
    #[serde(deserialize_with = "lenient::null_default")]
    pub conversation_entry_id: String,
}

/// The answer of the entries operation, newest first.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EntriesList {
    /// The entries; their payloads are objects here.
    #[serde(deserialize_with = "lenient::null_default")]
    pub conversation_entries: Vec<ConversationEntry>,
}

open_enum! {
    /// Where routing stands.
    RoutingStatus {
        /// Under way.
        Initial = "INITIAL",
        /// Someone is there.
        Routed = "ROUTED",
        /// On the way to someone else.
        Transfer = "TRANSFER",
        /// Nobody is there and nothing is pending.
        NeedsRouting = "NEEDS_ROUTING",
    }
}

/// The answer of the status operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationStatus {
    /// The conversation.
    #[serde(default)]
    pub conversation_id: String,
    /// Where routing stands.
    #[serde(default)]
    pub routing_status: RoutingStatus,
}

/// The answer of the list operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConversationList {
    /// How many are open.
    pub open_conversations_found: i64,
    /// How many are closed.
    pub closed_conversations_found: i64,
    /// The conversations of the token's subject.
    #[serde(deserialize_with = "lenient::null_default")]
    pub conversations: Vec<ListedConversation>,
}

/// One conversation of [`ConversationList`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListedConversation {
    /// The conversation.
    #[serde(deserialize_with = "lenient::null_default")]
    pub conversation_id: String,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "lenient::integer")]
    pub start_timestamp: Option<i64>,
    /// Milliseconds since 1970; 0 while open.
    #[serde(deserialize_with = "lenient::integer")]
    pub end_timestamp: Option<i64>,
}

/// The body of an error of the messaging service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorBody {
    /// What was wrong.
    #[serde(deserialize_with = "lenient::null_default")]
    pub message: String,
    /// A code, such as `BAD_REQUEST`.
    #[serde(deserialize_with = "lenient::null_default")]
    pub error_code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_id_reads_as_text_and_as_number() {
        for body in [
            r#"{"accessToken":"t","lastEventId":"7"}"#,
            r#"{"accessToken":"t","lastEventId":7,"context":null,"more":1}"#,
        ] {
            let token: TokenResponse = serde_json::from_str(body).expect("it reads");
            assert_eq!(token.last_event_id.as_deref(), Some("7"));
        }
    }
}
