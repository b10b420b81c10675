//! The event stream: event names and the envelope of `data`.

use serde::{Deserialize, Serialize};

use super::entry::ConversationEntry;
use super::open_enum;
use crate::wire::lenient;

open_enum! {
    /// The name of an event.
    EventName {
        /// Keep-alive.
        Ping = "ping",
        /// Routing began, moved or failed.
        RoutingResult = "CONVERSATION_ROUTING_RESULT",
        /// A work item was offered, accepted, declined, closed.
        RoutingWorkResult = "CONVERSATION_ROUTING_WORK_RESULT",
        /// The place in the queue.
        QueuePosition = "CONVERSATION_QUEUE_POSITION",
        /// Someone joined or left.
        ParticipantChanged = "CONVERSATION_PARTICIPANT_CHANGED",
        /// The session's state.
        SessionStatusChanged = "CONVERSATION_SESSION_STATUS_CHANGED",
        /// A message of anyone, the visitor's own echo included.
        Message = "CONVERSATION_MESSAGE",
        /// Someone types.
        TypingStarted = "CONVERSATION_TYPING_STARTED_INDICATOR",
        /// Someone no longer types.
        TypingStopped = "CONVERSATION_TYPING_STOPPED_INDICATOR",
        /// A message arrived.
        DeliveryAcknowledgement = "CONVERSATION_DELIVERY_ACKNOWLEDGEMENT",
        /// A message was read.
        ReadAcknowledgement = "CONVERSATION_READ_ACKNOWLEDGEMENT",
        /// An AI agent works.
        ProgressIndicator = "CONVERSATION_PROGRESS_INDICATOR",
        /// A piece of a message an AI agent writes.
        StreamingToken = "CONVERSATION_STREAMING_TOKEN",
        /// The visitor closed the conversation.
        CloseConversation = "CONVERSATION_CLOSE_CONVERSATION",
        /// Consent changed.
        EndUserConsentUpdated = "CONVERSATION_END_USER_CONSENT_UPDATED",
    }
}

/// The `data` of every event but `ping`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventData {
    /// Opaque.
    #[serde(deserialize_with = "lenient::text")]
    pub channel_platform_key: Option<String>,
    /// `embedded_messaging`.
    #[serde(deserialize_with = "lenient::text")]
    pub channel_type: Option<String>,
    /// Opaque.
    #[serde(deserialize_with = "lenient::text")]
    pub channel_address_identifier: Option<String>,
    /// The conversation; one stream carries all of a subject.
    #[serde(deserialize_with = "lenient::null_default")]
    pub conversation_id: String,
    /// What happened; may be `null` when a conversation closes.
    pub conversation_entry: Option<ConversationEntry>,
}
