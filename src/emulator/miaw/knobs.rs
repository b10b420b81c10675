//! What can be changed about the emulated MIAW while it runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::verify::{IdentityKey, Verification};
use crate::emulator::faults::Fault;
use crate::wire::miaw::rest::FormField;

/// What a message with an id sent before meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedIds {
    /// 202, and nothing happens.
    Ignore,
    /// 202, and the agent sees it twice.
    AcceptTwice,
    /// 409.
    #[serde(rename = "conflict_409")]
    Conflict409,
}

/// When routing begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingStart {
    /// With the conversation.
    Create,
    /// With its first message.
    FirstMessage,
}

/// When the pre-chat form is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormDisplay {
    /// Never; the deployment has no form.
    None,
    /// Once per conversation.
    Conversation,
    /// Once per session: 417 for a message without one.
    Session,
}

/// How the stream says 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnauthorizedBody {
    /// The gateway's plain text.
    Text,
    /// The event router's JSON.
    Spring,
}

/// The knobs of MIAW. Numbers of 0 switch the thing off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// How long an access token lives.
    pub token_ttl_seconds: u64,
    /// The only deployment there is; any when absent.
    pub es_developer_name: Option<String>,
    /// The routing attributes the channel has; others are dropped silently. All when absent.
    pub known_attributes: Option<Vec<String>>,
    /// What the token's answer says about the deployment.
    pub deployment_type: String,
    /// What the channel makes of identity tokens.
    pub verification: Verification,
    /// Whose identity tokens are believed.
    pub identity_keys: Vec<IdentityKey>,
    /// When the pre-chat form is due.
    pub form: FormDisplay,
    /// The fields of the form; those of the standard parameters when absent.
    pub form_fields: Option<Vec<FormField>>,
    /// `choiceListConfig`, for fields of the type `ChoiceList`.
    pub choice_lists: Value,
    /// Refuse unknown members in requests.
    pub strict_json: bool,
    /// Whether anybody is there; otherwise routing fails.
    pub available: bool,
    /// When routing begins.
    pub routing: RoutingStart,
    /// What a repeated message id meets.
    pub repeated_ids: RepeatedIds,
    /// Split a text that begins or ends with a URL into two messages.
    pub split_urls: bool,
    /// Both messages of a split text get ids of the server's own.
    pub split_ids: bool,
    /// Refuse responses to choices and forms with 400; their words as plain text pass.
    pub refuse_responses: bool,
    /// Acknowledge visitor messages that an agent got.
    pub acknowledge: bool,
    /// Change the order of the events that end a session, from end to end.
    pub shuffle_end_events: bool,
    /// How often a stream sends a ping.
    pub ping_millis: u64,
    /// Drop each stream after so many events.
    pub drop_after_events: u64,
    /// Drop each stream after so long.
    pub drop_after_millis: u64,
    /// Set to true: every open stream is dropped, once.
    pub drop_streams: bool,
    /// Send every event twice.
    pub duplicate_events: bool,
    /// How many events of a subject can be replayed.
    pub replay_buffer: usize,
    /// How the stream says 401.
    pub sse_401: UnauthorizedBody,
    /// Enforce the documented rate limits.
    pub rate_limits: bool,
    /// Send `Retry-After` with 429.
    pub retry_after: bool,
    /// The largest file.
    pub max_file_bytes: usize,
    /// What goes wrong next.
    pub faults: Vec<Fault>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            token_ttl_seconds: 3_600,
            es_developer_name: None,
            known_attributes: None,
            deployment_type: "API".to_owned(),
            verification: Verification::Off,
            identity_keys: Vec::new(),
            form: FormDisplay::Conversation,
            form_fields: None,
            choice_lists: serde_json::json!({ "choiceList": [] }),
            strict_json: true,
            available: true,
            routing: RoutingStart::Create,
            repeated_ids: RepeatedIds::Ignore,
            split_urls: false,
            split_ids: false,
            refuse_responses: false,
            acknowledge: true,
            shuffle_end_events: false,
            ping_millis: 20_000,
            drop_after_events: 0,
            drop_after_millis: 0,
            drop_streams: false,
            duplicate_events: false,
            replay_buffer: 1_000,
            sse_401: UnauthorizedBody::Text,
            rate_limits: true,
            retry_after: true,
            max_file_bytes: 5 << 20,
            faults: Vec::new(),
        }
    }
}
