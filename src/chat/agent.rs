//! What a visitor can be told, in the bridge's own terms.

use serde::{Deserialize, Serialize};

use super::content::{Choice, Style};
use super::text::Text;

/// One message of the legacy `System/Messages` stream (live-agent.md 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentEvent {
    /// `ChatRequestSuccess`. Seconds, −1 unknown.
    RequestSuccess {
        /// People ahead.
        queue_position: i64,
        /// Estimated wait in seconds, −1 when unknown.
        wait_seconds: i64,
    },
    /// `ChatRequestFail`.
    RequestFail {
        /// Why.
        reason: FailReason,
    },
    /// `QueueUpdate`.
    QueueUpdate {
        /// People ahead.
        position: i64,
        /// Estimated wait in seconds, −1 when unknown.
        wait_seconds: i64,
    },
    /// `ChatEstablished`.
    Established {
        /// Who is there.
        #[serde(flatten)]
        who: Person,
        /// A bot's menu, for clients that show one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        menu: Vec<Choice>,
    },
    /// `ChatTransferred`: the new person.
    Transferred {
        /// Who is there now.
        #[serde(flatten)]
        who: Person,
        /// A bot's menu, for clients that show one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        menu: Vec<Choice>,
    },
    /// `TransferToButtonInitiated`: on the way to a queue.
    TransferBegan,
    /// `ChatResumedAfterTransfer`: the transfer came to nothing, and this one goes on.
    Resumed(Person),
    /// `AgentJoinedConference`: somebody besides who is there.
    ConferenceJoined(Person),
    /// `AgentLeftConference`.
    ConferenceLeft(Person),
    /// `ChatMessage`.
    Message {
        /// Who speaks; `None` is the system.
        from: Option<Person>,
        /// The words.
        text: Text,
    },
    /// `RichMessage`: options to choose from.
    Options {
        /// Who offers them; `None` is the system.
        from: Option<Person>,
        /// How to show them.
        style: Style,
        /// The question, where it is not told by itself.
        header: Option<Text>,
        /// What can be chosen.
        items: Vec<Text>,
    },
    /// `FileTransfer`.
    FileTransfer(FileStep),
    /// `AgentTyping`.
    Typing(Person),
    /// `AgentNotTyping`.
    NotTyping(Person),
    /// `ChatEnded`.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// How far a file of the visitor has come (live-agent.md 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileStep {
    /// The visitor may send one.
    Requested,
    /// It arrived; or a file of the agent's did.
    Success,
    /// It did not.
    Failure,
    /// Nobody waits for it any more.
    Canceled,
}

/// Someone on the business's side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// MIAW's subject: a user id for people, an id of its own for bots.
    pub subject: String,
    /// The name the visitor sees.
    pub name: Text,
}

/// Why a chat was not started (live-agent.md 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailReason {
    /// Nobody can take the chat.
    Unavailable,
    /// The bridge or the backend could not do it.
    InternalFailure,
}

/// Why a chat ended (live-agent.md 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The agent's side ended it.
    Agent,
    /// The visitor's side ended it.
    Client,
    /// It could not go on.
    Error,
    /// The visitor was silent for too long.
    Idle,
}

impl FailReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "Unavailable",
            Self::InternalFailure => "InternalFailure",
        }
    }
}

impl EndReason {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Client => "client",
            Self::Error => "error",
            Self::Idle => "clientIdleTimeout",
        }
    }
}

impl AgentEvent {
    /// Somebody is there, without a menu.
    #[must_use]
    pub const fn established(who: Person) -> Self {
        Self::Established { who, menu: Vec::new() }
    }

    /// Somebody else is there, without a menu.
    #[must_use]
    pub const fn transferred(who: Person) -> Self {
        Self::Transferred { who, menu: Vec::new() }
    }

    /// Whether clients treat it as a change of the chat's state: such a message travels alone
    /// (client-hazards.md 7).
    #[must_use]
    pub const fn is_state(&self) -> bool {
        !matches!(
            self,
            Self::Message { .. } | Self::Options { .. } | Self::Typing(_) | Self::NotTyping(_)
        )
    }

    /// Whether it is only a typing notice.
    #[must_use]
    pub const fn is_typing(&self) -> bool {
        matches!(self, Self::Typing(_) | Self::NotTyping(_))
    }
}
