//! What can happen in a MIAW conversation, in the bridge's own terms.

use super::agent::Person;
use super::content::{Ask, Choice};
use super::text::Text;

/// One conversation entry, from the stream or from the entries list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// The stream's event id; `None` when it comes from the entries list.
    pub event_id: Option<String>,
    /// `conversationEntry.identifier`, prefixed by its entry type; `None` when there is none.
    pub entry: Option<String>,
    /// `transcriptedTimestamp` in milliseconds, 0 when unknown.
    pub at_millis: i64,
    /// What it is.
    pub what: What,
}

/// The meaning of an entry (miaw.md 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The visitor's own message, by the id it was sent with.
    Echo(String),
    /// A message to the visitor.
    Said {
        /// Agent, bot or (`None`) the system.
        from: Option<Person>,
        /// Whether it is a bot.
        bot: bool,
        /// What it says, as text.
        text: Text,
    },
    /// Files of the business's side, as words.
    Shared {
        /// Agent, bot or (`None`) the system.
        from: Option<Person>,
        /// Whether it is a bot.
        bot: bool,
        /// Names and addresses.
        text: Text,
    },
    /// A message of the visitor's side, with its words: one that was sent may come back in parts.
    EchoOf {
        /// Its id.
        id: String,
        /// Its words.
        text: Text,
    },
    /// A question to the visitor.
    Asked {
        /// Agent, bot or (`None`) the system.
        from: Option<Person>,
        /// Whether it is a bot.
        bot: bool,
        /// What is said before the options, or all of a form that is told once.
        text: Text,
        /// What can be answered.
        ask: Ask,
    },
    /// Someone types.
    Typing(Person),
    /// Someone stopped typing.
    NotTyping(Person),
    /// An agent or bot came.
    Joined {
        /// Who.
        who: Person,
        /// Whether it is a bot.
        bot: bool,
    },
    /// The menu of a bot.
    Menu {
        /// Its entries; none takes it away.
        items: Vec<Choice>,
        /// Whether the bot's coming follows.
        joining: bool,
    },
    /// An agent or bot left.
    Left {
        /// Whose subject.
        subject: String,
    },
    /// Initial routing succeeded, with the wait in seconds where it is told.
    Routed {
        /// Estimated wait.
        wait_seconds: Option<i64>,
    },
    /// Initial routing failed: nobody will come.
    RoutingFailed {
        /// Whether it failed for want of people (else for a fault).
        nobody: bool,
    },
    /// A transfer was asked for.
    TransferStarted,
    /// A transfer came to nothing: who was there stays, or the conversation is routed anew.
    TransferFailed,
    /// A further agent was asked for.
    ConferenceStarted,
    /// Position in the queue.
    QueuePosition(i64),
    /// The messaging session ended.
    SessionEnded,
    /// The visitor was silent for long: the session is inactive, and goes on with the next word.
    SessionInactive,
    /// The messaging session went to state `Error`.
    SessionFailed,
    /// The conversation was closed.
    Closed,
    /// Known or unknown, and of no consequence to a legacy client.
    Nothing,
}

/// `routingStatus` of a conversation (miaw.md 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingStatus {
    /// Initial routing or a bot's turn.
    Initial,
    /// With someone.
    Routed,
    /// A transfer is under way.
    Transfer,
    /// Nobody is assigned and nothing is pending.
    NeedsRouting,
    /// A word we do not know.
    Unknown,
}
