//! A chat as operators see it: how far it is, never what was said.
//!
//! Promised: no text, name, attribute, token or key of a chat is in here.

use crate::chat::checkpoints::Checkpoint;
use crate::chat::ids::ChatId;
use crate::chat::pending::CommandKind;
use crate::chat::state::{Phase, State};
use crate::chat::visitor::Routed;
use crate::time::{Mono, Now, Wall};

/// What is known at a glance; renewed with every step of the chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// How far the chat has come.
    pub phase: Phase,
    /// When it was asked for; `None` for a chat begun by a version that did not write it down.
    pub began: Option<Wall>,
    /// Messages of the visitor.
    pub said: u64,
    /// Events for the visitor so far: messages, typing, states.
    pub told: u64,
    /// Events the visitor's program has not consumed yet.
    pub outbox: usize,
    /// Calls that are still to be made at MIAW.
    pub pending: usize,
    /// Polls that wait for something to say.
    pub parked: usize,
    /// When something last happened.
    pub active: Wall,
}

impl Glance {
    pub(super) fn of(state: &State, parked: usize, active: Wall) -> Self {
        Self {
            phase: state.phase,
            began: state.began,
            said: state.said,
            told: state.outbox.next().unsigned_abs(),
            outbox: state.outbox.waiting(),
            pending: state.pending.len(),
            parked,
            active,
        }
    }
}

/// A chat in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which chat.
    pub chat: ChatId,
    /// Whose it is.
    pub tenant: String,
    /// `None` before its first step.
    pub glance: Option<Glance>,
}

/// Everything that operators may know of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Which chat.
    pub chat: ChatId,
    /// Whose it is.
    pub tenant: String,
    /// What is known at a glance.
    pub glance: Glance,
    /// The button it came in by.
    pub button: String,
    /// Why it is on MIAW, where that is known.
    pub routed: Option<Routed>,
    /// The calls that are still to be made at MIAW, in order.
    pub pending: Vec<&'static str>,
    /// When the chat must end for want of a token.
    pub token_ends: Option<Wall>,
    /// Whether the event stream is open, or being opened.
    pub streaming: bool,
    /// Whether a task of this process has it.
    pub live: bool,
    /// How far its newest messages have come, oldest first.
    pub messages: Vec<Checkpoint>,
}

impl Summary {
    pub(super) fn of(tenant: &str, state: &State, glance: Glance, now: Now) -> Self {
        let wall = |at: Mono| {
            let ahead = at.millis() as i64 - now.mono.millis() as i64;
            now.wall.plus_millis(ahead)
        };
        Self {
            chat: state.chat,
            tenant: tenant.to_owned(),
            glance,
            button: state.begin.button_id.clone(),
            routed: state.begin.routed.clone(),
            pending: state.pending.iter().map(|command| operation(&command.kind)).collect(),
            token_ends: state.token_ends.filter(|_| state.phase != Phase::Ended).map(wall),
            streaming: false,
            live: false,
            messages: Vec::new(),
        }
    }
}

/// The word for a call, as in the metrics.
const fn operation(kind: &CommandKind) -> &'static str {
    match kind {
        CommandKind::Mint => "token",
        CommandKind::Create => "create",
        CommandKind::Say(_) | CommandKind::Answer { .. } => "message",
        CommandKind::File { .. } => "file",
        CommandKind::Close => "close",
        CommandKind::Revoke => "revoke",
    }
}
