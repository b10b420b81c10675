//! Messages from the server to the visitor.
//!
//! Promised: every body writes the members that known clients read; [`Message`] keeps types it does
//! not know. Not promised: what order or payload they travel in.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::invitation::Invitation;

/// The answer of `System/Messages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessagesPayload {
    /// The messages, in order.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// The number of the last message, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// The server's own event number, for ReconnectSession only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
}

impl MessagesPayload {
    /// The envelope of the `Visitor` nouns and of ReconnectSession: one message, no numbers.
    #[must_use]
    pub fn single<B: MessageBody>(body: &B) -> Self {
        Self { messages: vec![Message::new(body)], sequence: None, offset: None }
    }
}

/// One message: its type and its body.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The type's name, compared exactly by clients.
    #[serde(rename = "type")]
    pub kind: String,
    /// The body, an object that is never absent.
    #[serde(rename = "message", default = "empty")]
    pub body: Value,
}

impl std::fmt::Debug for Message {
    /// The type only: bodies are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Message {
    /// The message that carries `body`.
    #[must_use]
    pub fn new<B: MessageBody>(body: &B) -> Self {
        let body = serde_json::to_value(body).ok().filter(Value::is_object);
        Self { kind: B::TYPE.to_owned(), body: body.unwrap_or_else(empty) }
    }

    /// The body, when this message is of that type and reads as such.
    #[must_use]
    pub fn read<B: MessageBody>(&self) -> Option<B> {
        (self.kind == B::TYPE).then(|| B::deserialize(&self.body).ok()).flatten()
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// A body and the name of its type.
pub trait MessageBody: Serialize + DeserializeOwned {
    /// The `type` of the message.
    const TYPE: &'static str;
}

macro_rules! bodies {
    ($($name:ident),+ $(,)?) => {
        $(impl MessageBody for $name { const TYPE: &'static str = stringify!($name); })+
    };
}

bodies!(
    ChatRequestSuccess,
    ChatRequestFail,
    QueueUpdate,
    ChatEstablished,
    AgentTyping,
    AgentNotTyping,
    ChatMessage,
    ChatTransferred,
    TransferToButtonInitiated,
    AgentDisconnect,
    ChatEnded,
    CustomEvent,
    ChasitorSessionData,
    ReconnectSession,
    SwitchServer,
    FileTransfer,
    Availability,
    Settings,
    VisitorId,
    Warning,
    EmbeddedServiceError,
);

/// Routed or queued, not yet accepted.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatRequestSuccess {
    /// Milliseconds without a poll after which the session ends.
    pub connection_timeout: i64,
    /// Seconds, -1 when unknown.
    pub estimated_wait_time: i64,
    /// Rules the client should mask by; recorded empty.
    pub sensitive_data_rules: Vec<Value>,
    /// Whether the visitor may save the transcript.
    pub transcript_save_enabled: bool,
    /// The page the visitor is on; empty for API clients.
    pub url: String,
    /// People ahead.
    pub queue_position: i64,
    /// Recorded empty, whatever pre-chat said.
    pub custom_details: Vec<Value>,
    /// The session's id.
    pub visitor_id: String,
    /// Where the visitor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo_location: Option<GeoLocation>,
    /// The post-chat page; an absolute URL when present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_chat_url: Option<String>,
}

impl Default for ChatRequestSuccess {
    fn default() -> Self {
        Self {
            connection_timeout: 150_000,
            estimated_wait_time: -1,
            sensitive_data_rules: Vec::new(),
            transcript_save_enabled: false,
            url: String::new(),
            queue_position: 0,
            custom_details: Vec::new(),
            visitor_id: String::new(),
            geo_location: None,
            post_chat_url: None,
        }
    }
}

/// Where an address is.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GeoLocation {
    /// Two letters.
    pub country_code: String,
    /// The country's name.
    pub country_name: String,
    /// The region, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The city, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The network's owner, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Degrees north, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

/// Nobody will come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatRequestFail {
    /// `Unavailable`, `NoPost`, `InternalFailure`, `Blocked`.
    pub reason: String,
    /// Recorded empty.
    pub attached_records: Vec<Value>,
    /// The post-chat page; an absolute URL when present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_chat_url: Option<String>,
}

/// The place in the queue changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueUpdate {
    /// Seconds, -1 when unknown.
    pub estimated_wait_time: i64,
    /// People ahead.
    pub position: i64,
}

/// An agent accepted the chat.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatEstablished {
    /// The agent's display name.
    pub name: String,
    /// The agent's `005` id.
    pub user_id: String,
    /// Entries of a footer menu; recorded empty.
    pub items: Vec<Value>,
    /// Whether previews of unsent text are wanted.
    pub sneak_peek_enabled: bool,
    /// The visitor's idle timer.
    pub chasitor_idle_timeout: ChasitorIdleTimeout,
}

/// The visitor's idle timer, kept by the client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChasitorIdleTimeout {
    /// Whether there is one.
    pub is_enabled: bool,
    /// Seconds until the warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning_time: Option<i64>,
    /// Seconds until the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// Another agent took the chat over; the members describe the new one.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatTransferred {
    /// The new agent's display name.
    pub name: String,
    /// The new agent's `005` id.
    pub user_id: String,
    /// Entries of a footer menu.
    pub items: Vec<Value>,
    /// Whether previews of unsent text are wanted.
    pub sneak_peek_enabled: bool,
    /// The visitor's idle timer.
    pub chasitor_idle_timeout: ChasitorIdleTimeout,
}

/// The agent types.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentTyping {
    /// The agent's display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The agent's session uuid, not the `005` id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// The agent no longer types.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentNotTyping {
    /// The agent's display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The agent's session uuid, not the `005` id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// The agent said something.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatMessage {
    /// What was said.
    pub text: String,
    /// Who said it; never null, widgets print it.
    pub name: String,
    /// When to show it.
    pub schedule: Schedule,
    /// The agent's `005` id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// When to show a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schedule {
    /// Recorded as 0.
    pub response_delay_milliseconds: f64,
}

/// The chat is on its way to a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferToButtonInitiated {}

/// The agent's connection broke; another one may take the chat.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentDisconnect {
    /// The agent's display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The agent's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

/// The chat is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatEnded {
    /// Recorded empty.
    pub attached_records: Vec<Value>,
    /// `agent`, `client`, `clientIdleTimeout`, `error`.
    pub reason: String,
}

/// An event of the agent's own making.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomEvent {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its content.
    pub data: String,
}

/// First message after a reconnection: the state of the chat.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChasitorSessionData {
    /// People ahead.
    pub queue_position: i64,
    /// Where the visitor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geo_location: Option<GeoLocation>,
    /// The page the visitor is on.
    pub url: String,
    /// Whether previews of unsent text are wanted.
    pub sneak_peek_enabled: bool,
    /// What was said so far.
    pub chat_messages: Vec<TranscriptEntry>,
}

/// One line of [`ChasitorSessionData`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptEntry {
    /// `Agent`, `Chasitor` or `OperatorTransferred`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who said it.
    pub name: String,
    /// What was said.
    pub content: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Its number.
    pub sequence: i64,
}

/// The answer of `System/ReconnectSession`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconnectSession {
    /// Whether the POST counter starts again; absent means it does.
    #[serde(default = "yes")]
    pub reset_sequence: bool,
    /// The new affinity token.
    pub affinity_token: String,
}

const fn yes() -> bool {
    true
}

/// The org lives on another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchServer {
    /// The other base URL, ending in `/chat`.
    pub new_url: String,
}

/// An agent asks for a file, or it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileTransfer {
    /// `Requested`, `Canceled`, `Success` or `Failure`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where the file goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_servlet_url: Option<String>,
    /// Goes along with the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_token: Option<String>,
    /// Sent as `Referer` by one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdm_servlet_url: Option<String>,
}

/// The answer of `Visitor/Availability`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Availability {
    /// One result per id, in the order asked.
    pub results: Vec<AvailabilityResult>,
}

/// Whether one button or agent is there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AvailabilityResult {
    /// Exactly the id that was asked for.
    pub id: String,
    /// Absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_available: Option<bool>,
    /// Seconds, -1 when unknown; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_wait_time: Option<i64>,
}

/// The answer of `Visitor/Settings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Milliseconds between two pings of a browser script.
    pub ping_rate: i64,
    /// Where hosted pages live.
    pub content_server_url: String,
    /// The buttons asked for.
    pub buttons: Vec<ButtonSettings>,
}

/// One button of [`Settings`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ButtonSettings {
    /// The button.
    pub id: String,
    /// `Standard`, `Invite` or `ToAgent`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its language.
    pub language: String,
    /// The address of the chat window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// The address of the pre-chat page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prechat_url: Option<String>,
    /// Absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_available: Option<bool>,
    /// Seconds, -1 when unknown; only when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_wait_time: Option<i64>,
    /// For a button of the type `Invite`.
    #[serde(flatten)]
    pub invitation: Option<Invitation>,
}

/// The answer of `Visitor/VisitorId`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VisitorId {
    /// A fresh uuid.
    pub session_id: String,
}

/// Something a browser script should know, without giving up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Warning {
    /// What is wrong.
    pub text: String,
}

/// There is no configuration of an embedded service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmbeddedServiceError {
    /// Why.
    pub text: String,
    /// Whether asking again may help.
    pub should_retry: bool,
}
