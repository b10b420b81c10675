//! Facts: what the machine decided, in the form that is written down.
//!
//! The state of a chat is the fold of its facts ([`super::state::State::apply`]); nothing else
//! changes it. A new version must be able to read the facts of the previous one: add variants and
//! optional fields, never change the meaning of one.

use serde::{Deserialize, Serialize};

use super::agent::{AgentEvent, Person};
use super::content::{Ask, Offer, Value};
use super::outbox::AckStyle;
use super::pending::Command;
use super::replay::Seen;
use super::text::{Secret, Text};
use super::visitor::{Begin, FileRules};
use crate::time::{Mono, Now, Wall};

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// Another process goes on: what follows is told by its clocks.
    TakenUp {
        /// The last reading of the process before.
        saved: Now,
        /// The first one of this process.
        now: Now,
    },
    /// The chat was asked for.
    Began {
        /// What was asked.
        begin: Box<Begin>,
        /// When the visitor is told of success at the latest.
        success_by: Mono,
        /// When the chat fails unless somebody came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept_by: Option<Mono>,
        /// When, by the calendar; facts of older versions do not tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Wall>,
    },
    /// A POST was acted on.
    Accepted(Seen),
    /// The answer to a POST was written.
    Answered {
        /// Which POST.
        fingerprint: u64,
    },
    /// The client's POST numbers mean nothing.
    NumbersDistrusted,
    /// The client was told to count its POSTs from the start.
    NumbersRestarted,
    /// Something is to be done upstream.
    Queued(Command),
    /// The first messages of the queue became one.
    Merged {
        /// How many.
        count: usize,
        /// The joined text.
        text: Text,
    },
    /// The first command was attempted; it is given up at this instant.
    Attempted {
        /// Its number.
        number: u64,
        /// When it is given up.
        give_up_at: Mono,
    },
    /// A command needs no more attention.
    Resolved {
        /// Its number.
        number: u64,
    },
    /// An access token was granted.
    TokenGranted {
        /// The bearer token.
        bearer: Secret,
        /// Where the stream starts.
        last_event_id: Option<String>,
        /// When the chat must end for want of a token.
        ends_at: Option<Mono>,
        /// What the deployment says about visitors' files.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        files: Option<FileRules>,
    },
    /// An access token of the same user took the place of the one before.
    TokenRenewed {
        /// The bearer token.
        bearer: Secret,
        /// When the chat must end for want of a token.
        ends_at: Option<Mono>,
    },
    /// The conversation exists.
    Opened,
    /// An entry of the conversation was dealt with.
    Noticed {
        /// The stream's event id.
        event_id: Option<String>,
        /// The entry.
        entry: Option<String>,
        /// Its time.
        at_millis: i64,
    },
    /// The visitor is told something.
    Told(AgentEvent),
    /// An answer ending with this message was handed out.
    Sent {
        /// Its last number.
        through: i64,
        /// The poll it answers named that number already: no acknowledgement can.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        foreseen: bool,
    },
    /// The client consumed everything up to this message.
    Consumed {
        /// Its number.
        through: i64,
    },
    /// What was sent and not consumed is to be sent again.
    SendAgain {
        /// Whether it counts against the limit of repeats.
        counted: bool,
    },
    /// The client's `ack` is of this style.
    AckIs(AckStyle),
    /// The next answer must begin with `ChasitorSessionData`, or must not any more.
    SessionDataDue(bool),
    /// Someone of the business's side came.
    Joined(Person),
    /// Someone of the business's side left.
    Left {
        /// Whose subject.
        subject: String,
    },
    /// Without anybody new the chat ends at this instant; `None`: no such danger.
    HoldUntil(Option<Mono>),
    /// A transfer is under way, or not any more.
    Transferring(bool),
    /// A further agent was asked for, or came.
    Conferencing(bool),
    /// This one is a bot.
    Bot {
        /// Whose subject.
        subject: String,
    },
    /// A bot has a menu, or nobody has.
    Menu(Option<Offer>),
    /// The visitor was asked something that can be answered.
    Asked(Ask),
    /// The next field of the form was answered.
    FieldAnswered {
        /// What it was answered.
        value: Value,
        /// The same in words.
        text: Text,
        /// The form goes on as plain text then.
        until: Mono,
    },
    /// What the visitor says next is no answer any more.
    AskClosed,
    /// The visitor is awaited until this instant, or was heard.
    IdleUntil {
        /// Until when; `None`: nobody waits for the visitor.
        at: Option<Mono>,
        /// Whether the chat ends then; else the visitor is warned.
        warned: bool,
    },
    /// The chat is over; what is still pending is done for the other side's sake.
    Ended,
}

/// A group of facts as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Delta {
    /// When they were decided.
    pub at: Now,
    /// In order.
    pub facts: Vec<Fact>,
}

impl Fact {
    /// Whether losing the fact in a crash does no harm, because what follows brings it about again.
    #[must_use]
    pub const fn may_be_late(&self) -> bool {
        matches!(
            self,
            Self::TakenUp { .. }
                | Self::Answered { .. }
                | Self::Attempted { .. }
                | Self::Resolved { .. }
                | Self::Noticed { .. }
                | Self::Consumed { .. }
                | Self::SendAgain { .. }
                | Self::SessionDataDue(_)
        )
    }
}
