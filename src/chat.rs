//! The pure core: one chat as a small deterministic machine.
//!
//! > The bridge feeds the machine inputs one at a time, writes down what it decided, and only then
//! > lets the world see the decision.
//!
//! [`session::Session::step`] takes the time and one [`Input`] and returns a [`Step`]: the facts to
//! write down, the effects to perform afterwards, and when to wake it. Promised: no I/O, no clock,
//! no randomness; the same inputs give the same steps. Not promised: anything about delivery; that
//! follows from the shell, which must *commit, then act* (see [`Save`]).

pub mod agent;
pub mod checkpoints;
pub mod content;
pub mod fact;
pub mod happening;
pub mod ids;
pub mod limits;
pub mod mutation;
pub mod outbox;
pub mod pending;
pub mod policy;
pub mod replay;
pub mod session;
pub mod state;
pub mod text;
pub mod translate;

pub mod visitor;

use std::time::Duration;

use crate::time::Mono;
use agent::AgentEvent;
use fact::Fact;
use happening::{Happening, RoutingStatus};
use pending::UpstreamCall;
use state::Line;
use text::Secret;
use visitor::{FileRules, Post};

/// Names one waiting request of the legacy client; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyTo(pub u64);

/// Everything that can happen to a chat.
#[derive(Clone, Debug)]
pub enum Input {
    /// A POST of the visitor's program.
    Post {
        /// What it asks for.
        post: Post,
        /// Who waits for the answer.
        reply: ReplyTo,
    },
    /// A `System/Messages` request. `ack` is the query parameter, when it was a number.
    Poll {
        /// The last `sequence` the client says it consumed.
        ack: Option<i64>,
        /// Who waits for the answer.
        reply: ReplyTo,
    },
    /// `System/ReconnectSession`, with the offset the client names, when it was a number.
    Reconnect {
        /// `ReconnectSession.offset`.
        offset: Option<i64>,
        /// Who waits for the answer.
        reply: ReplyTo,
    },
    /// The answer to a request was handed to the client in full.
    Written {
        /// Which request.
        reply: ReplyTo,
    },
    /// The client of a request went away before its answer was handed over.
    Lost {
        /// Which request.
        reply: ReplyTo,
    },
    /// One event of the conversation's stream.
    Upstream(Happening),
    /// The event stream is open.
    StreamOpen,
    /// The event stream ended or could not be opened.
    StreamLost(Lost),
    /// An upstream call ended.
    Called {
        /// Which call.
        call: CallId,
        /// How it ended.
        outcome: Outcome,
    },
    /// The instant named by `wake_at` has come.
    Deadline,
    /// The machine was loaded from the store after its process ended.
    Recovered,
    /// An operator ends the chat; both sides are told.
    End,
    /// The process is about to stop: let go of whoever waits.
    Drain,
}

/// Why a stream is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Closed, broken or silent for too long: attach again.
    Broken,
    /// The event router answered with this HTTP status.
    Status(u16),
}

/// Names one upstream call so that its outcome finds its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallId {
    /// The command with this number.
    Command(u64),
    /// A look into the conversation before repeating the command with this number.
    Check(u64),
    /// A look into the conversation after a gap of the stream.
    Backfill,
    /// The question who the conversation is routed to.
    Routing,
    /// A typing notice; its outcome does not matter.
    Typing,
    /// Another token for the same user.
    Renew,
}

/// How an upstream call ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An access token was granted.
    Token {
        /// The bearer token.
        bearer: Secret,
        /// Where the stream starts for this token.
        last_event_id: Option<String>,
        /// Its life from now (`exp − iat`), when the token tells.
        lifetime: Option<Duration>,
        /// What the deployment says about visitors' files.
        files: Option<FileRules>,
    },
    /// Accepted.
    Done,
    /// The entries of the conversation, oldest first.
    Entries(Vec<Happening>),
    /// The conversation's routing status.
    Routing(RoutingStatus),
    /// Answered with this error status; `wait` is `Retry-After`.
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long the service asks us to wait.
        wait: Option<Duration>,
    },
    /// Certainly never reached the service.
    NotSent,
    /// It may or may not have happened.
    Unknown,
}

/// What the shell does once the facts of the step are safe.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answer a waiting request.
    Reply(ReplyTo, Reply),
    /// Start an upstream call; report its outcome as [`Input::Called`].
    Call(CallId, UpstreamCall),
    /// Open the event stream after this event id, dropping any open one.
    Attach {
        /// `Last-Event-ID`.
        after: Option<String>,
    },
    /// Close the event stream.
    Detach,
    /// Nothing is left to do: the machine may leave memory.
    Forget,
}

/// The answer to a request of the legacy client.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `200 OK`, body `OK`.
    Ok,
    /// `200` with messages.
    Messages(Payload),
    /// `204`: nothing new.
    Nothing,
    /// `403`: the session is not valid (any more).
    Gone,
    /// `200` with a new affinity token; the POST counter restarts.
    Reconnected,
    /// `400` with this text.
    BadRequest(&'static str),
    /// `409`: the POST counter jumped; nothing was taken.
    OutOfSync {
        /// The number the client sent.
        sent: u64,
        /// The last number that was accepted.
        last: u64,
    },
    /// `409`: another poll of this session is held.
    Conflict,
    /// `500`: a limit was reached; nothing was taken.
    Overloaded,
    /// `500`: whoever worked on the chat left before it answered; another node may have the chat.
    /// The machine itself never says so.
    Dropped,
}

/// One answer of `System/Messages`.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// The messages, in order.
    pub messages: Vec<AgentEvent>,
    /// 0-based number of the last message (live-agent.md 5.1).
    pub sequence: i64,
    /// Position of the last message in the chat's outbox, from 1.
    pub offset: i64,
    /// After a reconnect: the answer begins with `ChasitorSessionData` holding these lines.
    pub transcript: Option<Vec<Line>>,
}

/// When the facts of a step must be on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Save {
    /// There are none.
    #[default]
    No,
    /// They may ride along with the next commit: losing them in a crash does no harm.
    Lazily,
    /// Before any effect of the step is performed.
    BeforeEffects,
}

/// What one input led to.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What was decided, in order.
    pub facts: Vec<Fact>,
    /// When the facts must be safe.
    pub save: Save,
    /// What to do afterwards, in order.
    pub effects: Vec<Effect>,
    /// When to feed [`Input::Deadline`].
    pub wake_at: Option<Mono>,
}
