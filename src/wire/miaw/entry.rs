//! Conversation entries: the envelope and the typed payloads.
//!
//! Promised: a payload of an unknown type, or one that does not read, never hides its envelope.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::AbstractMessage;
use super::open_enum;
use crate::wire::lenient;

open_enum! {
    /// Who someone is in a conversation.
    Role {
        /// The visitor.
        EndUser = "EndUser",
        /// A person of the contact centre.
        Agent = "Agent",
        /// A bot of the contact centre.
        Chatbot = "Chatbot",
        /// The platform.
        System = "System",
        /// Someone who listens in.
        Supervisor = "Supervisor",
        /// Routing.
        Router = "Router",
    }
}

/// Someone in a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Participant {
    /// Who it is.
    pub role: Role,
    /// `iamessage`, `agent`, `chatbot`, `conversation`.
    #[serde(deserialize_with = "lenient::text")]
    pub app_type: Option<String>,
    /// A `005` id for agents, opaque otherwise.
    #[serde(deserialize_with = "lenient::text")]
    pub subject: Option<String>,
    /// Opaque.
    #[serde(deserialize_with = "lenient::text")]
    pub client_identifier: Option<String>,
}

/// One entry, on the stream and in the entries list.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConversationEntry {
    /// Who to show as the sender.
    #[serde(deserialize_with = "lenient::text")]
    pub sender_display_name: Option<String>,
    /// The entry's id; of an echo, the id the client chose.
    #[serde(deserialize_with = "lenient::null_default")]
    pub identifier: String,
    /// The payload's type.
    #[serde(deserialize_with = "lenient::null_default")]
    pub entry_type: String,
    /// The payload: JSON text on the stream, an object in the entries list.
    pub entry_payload: Value,
    /// Who made the entry.
    #[serde(deserialize_with = "lenient::null_default")]
    pub sender: Participant,
    /// Opaque.
    #[serde(deserialize_with = "lenient::null_default")]
    pub context_param_map: Map<String, Value>,
    /// Opaque.
    #[serde(deserialize_with = "lenient::text")]
    pub visibility_strategy: Option<String>,
    /// Milliseconds since 1970, the server's order.
    #[serde(deserialize_with = "lenient::integer")]
    pub transcripted_timestamp: Option<i64>,
    /// The session's record; of an acknowledgement, the acknowledged entry.
    #[serde(deserialize_with = "lenient::texts")]
    pub related_records: Vec<String>,
    /// Milliseconds since 1970, the sender's clock.
    #[serde(deserialize_with = "lenient::integer")]
    pub client_timestamp: Option<i64>,
    /// Opaque.
    #[serde(deserialize_with = "lenient::integer")]
    pub client_duration: Option<i64>,
}

impl std::fmt::Debug for ConversationEntry {
    /// Without payload and names, which are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConversationEntry")
            .field("identifier", &self.identifier)
            .field("entry_type", &self.entry_type)
            .field("role", &self.sender.role)
            .finish_non_exhaustive()
    }
}

impl ConversationEntry {
    /// The typed payload.
    ///
    /// # Errors
    /// The payload is of a known type and does not read as such.
    pub fn payload(&self) -> Result<EntryPayload, serde_json::Error> {
        let parsed;
        let value = match &self.entry_payload {
            Value::String(text) => {
                parsed = serde_json::from_str(text)?;
                &parsed
            }
            other => other,
        };
        let named = value.get("entryType").and_then(Value::as_str);
        EntryPayload::read(named.unwrap_or(&self.entry_type), value)
    }
}

/// What an entry says.
#[derive(Clone)]
pub enum EntryPayload {
    /// Routing began, moved or failed.
    RoutingResult(RoutingResult),
    /// A work item changed.
    RoutingWorkResult(RoutingWorkResult),
    /// The place in the queue.
    QueuePosition(QueuePosition),
    /// Someone joined or left.
    ParticipantChanged(ParticipantChanged),
    /// The session's state.
    SessionStatusChanged(SessionStatusChanged),
    /// A message.
    Message(Box<MessageEntry>),
    /// Someone types.
    TypingStarted(Typing),
    /// Someone no longer types.
    TypingStopped(Typing),
    /// A message arrived.
    DeliveryAcknowledgement(Acknowledgement),
    /// A message was read.
    ReadAcknowledgement(Acknowledgement),
    /// The visitor closed the conversation.
    CloseConversation(CloseConversation),
    /// A type this module does not know, with its payload.
    Unknown(String, Value),
}

impl EntryPayload {
    fn read(kind: &str, value: &Value) -> Result<Self, serde_json::Error> {
        fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
            T::deserialize(value)
        }
        Ok(match kind {
            "RoutingResult" => Self::RoutingResult(typed(value)?),
            "RoutingWorkResult" => Self::RoutingWorkResult(typed(value)?),
            "QueuePosition" => Self::QueuePosition(typed(value)?),
            "ParticipantChanged" => Self::ParticipantChanged(typed(value)?),
            "SessionStatusChanged" => Self::SessionStatusChanged(typed(value)?),
            "Message" => Self::Message(typed(value)?),
            "TypingStartedIndicator" => Self::TypingStarted(typed(value)?),
            "TypingStoppedIndicator" => Self::TypingStopped(typed(value)?),
            "DeliveryAcknowledgement" => Self::DeliveryAcknowledgement(typed(value)?),
            "ReadAcknowledgement" => Self::ReadAcknowledgement(typed(value)?),
            "CloseConversation" => Self::CloseConversation(typed(value)?),
            other => Self::Unknown(other.to_owned(), value.clone()),
        })
    }

    /// The text of `entryType`.
    #[must_use]
    pub fn entry_type(&self) -> &str {
        match self {
            Self::RoutingResult(_) => "RoutingResult",
            Self::RoutingWorkResult(_) => "RoutingWorkResult",
            Self::QueuePosition(_) => "QueuePosition",
            Self::ParticipantChanged(_) => "ParticipantChanged",
            Self::SessionStatusChanged(_) => "SessionStatusChanged",
            Self::Message(_) => "Message",
            Self::TypingStarted(_) => "TypingStartedIndicator",
            Self::TypingStopped(_) => "TypingStoppedIndicator",
            Self::DeliveryAcknowledgement(_) => "DeliveryAcknowledgement",
            Self::ReadAcknowledgement(_) => "ReadAcknowledgement",
            Self::CloseConversation(_) => "CloseConversation",
            Self::Unknown(kind, _) => kind,
        }
    }

    /// The payload as an object, `entryType` and `id` included.
    #[must_use]
    pub fn to_value(&self, id: &str) -> Value {
        let body = match self {
            Self::RoutingResult(body) => serde_json::to_value(body),
            Self::RoutingWorkResult(body) => serde_json::to_value(body),
            Self::QueuePosition(body) => serde_json::to_value(body),
            Self::ParticipantChanged(body) => serde_json::to_value(body),
            Self::SessionStatusChanged(body) => serde_json::to_value(body),
            Self::Message(body) => serde_json::to_value(body),
            Self::TypingStarted(body) | Self::TypingStopped(body) => serde_json::to_value(body),
            Self::DeliveryAcknowledgement(body) | Self::ReadAcknowledgement(body) => {
                serde_json::to_value(body)
            }
            Self::CloseConversation(body) => serde_json::to_value(body),
            Self::Unknown(_, value) => Ok(value.clone()),
        };
        let mut members = match body {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        members.insert("entryType".to_owned(), Value::from(self.entry_type()));
        members.insert("id".to_owned(), Value::from(id));
        Value::Object(members)
    }
}

open_enum! {
    /// Why routing ran.
    RoutingType {
        /// A new session.
        Initial = "Initial",
        /// A transfer.
        Transfer = "Transfer",
        /// A further agent.
        Conference = "Conference",
    }
}

open_enum! {
    /// How routing failed.
    FailureType {
        /// It did not.
        None = "None",
        /// The flow could not be run.
        SubmissionError = "SubmissionError",
        /// Nobody can take the work.
        RoutingError = "RoutingError",
        /// Someone called it off.
        Cancelled = "Cancelled",
    }
}

/// Routing began, moved or failed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoutingResult {
    /// The session's record.
    #[serde(deserialize_with = "lenient::text")]
    pub record_id: Option<String>,
    /// Texts of errors, or of states.
    #[serde(deserialize_with = "lenient::texts")]
    pub error_messages: Vec<String>,
    /// The routing record.
    #[serde(deserialize_with = "lenient::text")]
    pub pending_service_routing_id: Option<String>,
    /// Why routing ran.
    pub routing_type: RoutingType,
    /// `None` is success.
    pub failure_type: FailureType,
    /// A text for people.
    #[serde(deserialize_with = "lenient::text")]
    pub failure_reason: Option<String>,
    /// Why a conference was called off.
    #[serde(deserialize_with = "lenient::text")]
    pub cancel_reason: Option<String>,
    /// How long it may take.
    pub estimated_wait_time: Option<EstimatedWaitTime>,
    /// Whether an outside system routes.
    #[serde(deserialize_with = "lenient::null_default")]
    pub is_externally_routed: bool,
    /// Where to.
    pub routing_configuration_details: Option<Value>,
}

/// How long it may take until someone comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EstimatedWaitTime {
    /// Seconds, when known.
    #[serde(deserialize_with = "lenient::integer")]
    pub estimated_wait_time_in_seconds: Option<i64>,
    /// Whether the org computes it.
    #[serde(rename = "isEWTRequested", deserialize_with = "lenient::null_default")]
    pub is_requested: bool,
}

open_enum! {
    /// What happened to a work item.
    WorkType {
        /// Offered to an agent.
        Assigned = "Assigned",
        /// An agent took it.
        Accepted = "Accepted",
        /// Called off.
        Cancelled = "Cancelled",
        /// The agent closed it.
        Closed = "Closed",
        /// The agent refused it.
        Declined = "Declined",
        /// A transfer failed.
        TransferError = "TransferError",
        /// A transfer succeeded.
        Transferred = "Transferred",
    }
}

/// A work item changed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoutingWorkResult {
    /// What happened.
    pub work_type: WorkType,
    /// The work item.
    #[serde(deserialize_with = "lenient::text")]
    pub work_id: Option<String>,
    /// The session's record.
    #[serde(deserialize_with = "lenient::text")]
    pub work_target_id: Option<String>,
    /// The queue.
    #[serde(deserialize_with = "lenient::text")]
    pub queue_id: Option<String>,
    /// Why routing ran.
    pub routing_type: Option<RoutingType>,
    /// Texts of errors.
    #[serde(deserialize_with = "lenient::texts")]
    pub error_messages: Vec<String>,
}

/// The place in the queue.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueuePosition {
    /// The routing record.
    #[serde(deserialize_with = "lenient::text")]
    pub pending_service_routing_id: Option<String>,
    /// The session's record.
    #[serde(deserialize_with = "lenient::text")]
    pub work_item_id: Option<String>,
    /// The place.
    #[serde(deserialize_with = "lenient::integer")]
    pub position: Option<i64>,
}

open_enum! {
    /// What a participant did.
    ParticipantOperation {
        /// Joined.
        Add = "add",
        /// Left.
        Remove = "remove",
        /// Changed.
        Update = "update",
    }
}

/// Someone joined or left; one event may carry several.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParticipantChanged {
    /// Each change.
    #[serde(deserialize_with = "lenient::null_default")]
    pub entries: Vec<ParticipantChange>,
}

/// One change of [`ParticipantChanged`].
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParticipantChange {
    /// What happened.
    pub operation: ParticipantOperation,
    /// The bot's menu.
    pub menu_metadata: Option<Value>,
    /// To whom.
    #[serde(deserialize_with = "lenient::null_default")]
    pub participant: Participant,
    /// Who to show.
    #[serde(deserialize_with = "lenient::text")]
    pub display_name: Option<String>,
}

open_enum! {
    /// The state of a messaging session.
    SessionStatus {
        /// Made.
        New = "New",
        /// Waits for someone.
        Waiting = "Waiting",
        /// Someone is there.
        Active = "Active",
        /// The visitor was silent for long.
        Inactive = "Inactive",
        /// Over.
        Ended = "Ended",
        /// Waits for consent.
        Consent = "Consent",
        /// Routing failed.
        Error = "Error",
        /// The agent paused the work.
        Paused = "Paused",
    }
}

/// The session's state changed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionStatusChanged {
    /// The conversation.
    #[serde(deserialize_with = "lenient::text")]
    pub conversation_identifier: Option<String>,
    /// Opaque.
    #[serde(deserialize_with = "lenient::text")]
    pub channel_address_identifier: Option<String>,
    /// The session's record.
    #[serde(deserialize_with = "lenient::text")]
    pub session_id: Option<String>,
    /// The state before.
    pub session_status_prev: Option<SessionStatus>,
    /// The state now.
    pub session_status: SessionStatus,
    /// When it started.
    #[serde(deserialize_with = "lenient::integer")]
    pub session_start_time: Option<i64>,
    /// When it ended.
    #[serde(deserialize_with = "lenient::integer")]
    pub session_end_time: Option<i64>,
    /// Who ended it.
    pub session_ended_by_role: Option<Role>,
}

/// A message of anyone.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageEntry {
    /// The message.
    #[serde(deserialize_with = "lenient::null_default")]
    pub abstract_message: AbstractMessage,
    /// `AutomatedResponse`, `Consent`, or nothing.
    #[serde(deserialize_with = "lenient::text")]
    pub message_reason: Option<String>,
}

/// Someone types, or stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Typing {
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "lenient::integer")]
    pub timestamp: Option<i64>,
}

/// A message arrived or was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Acknowledgement {
    /// The entry that is acknowledged.
    #[serde(deserialize_with = "lenient::text")]
    pub acknowledged_conversation_entry_identifier: Option<String>,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "lenient::integer")]
    pub acknowledgement_timestamp: Option<i64>,
}

/// The visitor closed the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CloseConversation {
    /// The conversation.
    #[serde(deserialize_with = "lenient::text")]
    pub conversation_identifier: Option<String>,
}
