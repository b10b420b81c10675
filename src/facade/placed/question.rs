//! What is asked of which chat, and how long it is waited for.

use std::time::Duration;

use axum::body::Body;
use http::request::Parts;
use http::{Method, Response};

use super::super::call::{Call, Noun};
use super::super::chat::{POLL_GRACE, POST_WAIT};
use super::super::key::Owner;
use super::super::marks::Marks;
use super::super::{Facade, reply, upload};
use crate::adapter::liveagent::{CALL_WAIT, POLL_WAIT, UPLOAD_WAIT};
use crate::chat::ids::ChatId;
use crate::config::Limits;

/// A request of a chat.
pub(super) struct Question {
    pub(super) chat: ChatId,
    pub(super) tenant: String,
    pub(super) polls: bool,
    pub(super) uploads: bool,
    /// Whether the real service may have the chat.
    pub(super) relays: bool,
    /// How long a node is looked for that answers it.
    pub(super) patience: Duration,
    /// How long the first that is found may take.
    pub(super) answered_within: Duration,
    pub(super) marks: Marks,
    failure_is_503: bool,
}

impl Question {
    /// `None` for what every node answers alike.
    pub(super) fn read(facade: &Facade, parts: &Parts) -> Option<Self> {
        let call = Call::read(&facade.config, parts).ok()?;
        let new = call.noun == Some(Noun::SessionId) && call.method == Method::GET;
        // With a key of a re-keyed chat they are the real service's, and whoever has it asks that.
        let alike = matches!(call.noun, None | Some(Noun::Lookup(_) | Noun::Script(_)))
            && call.tenant.legacy.is_none();
        if new || alike || call.method == Method::OPTIONS {
            return None;
        }
        let chat = match (call.noun, call.key()) {
            // Who has no token is refused before a body is read; a real service judges its own.
            (Some(Noun::Upload), _) if call.tenant.legacy.is_none() => upload::chat(facade, &call)?,
            (Some(Noun::Upload), _) => upload::chat_of(&call.parameter("chatKey")?)?,
            (_, Some(key)) => match facade.keys.owner(&call.tenant.id, key) {
                Owner::Ours(own) => own.chat,
                Owner::Foreign | Owner::Forged => return None,
            },
            (_, None) => return None,
        };
        let (patience, answered_within) = waits(&call, &facade.config.limits);
        Some(Self {
            chat,
            tenant: call.tenant.id.clone(),
            polls: polls(&call),
            uploads: call.noun == Some(Noun::Upload),
            relays: call.tenant.legacy.is_some(),
            patience,
            answered_within,
            marks: Marks::of(&call),
            failure_is_503: call.tenant.behaviour.failure_is_503,
        })
    }

    /// Nobody had the chat for so long.
    pub(super) fn unanswered(&self) -> Response<Body> {
        self.marks.on(match (self.polls, self.uploads, self.failure_is_503) {
            (true, ..) => reply::nothing(),
            (_, true, _) => upload::busy(),
            (_, _, true) => reply::moved(),
            (_, _, false) => reply::failed(),
        })
    }
}

fn polls(call: &Call<'_>) -> bool {
    call.noun == Some(Noun::Messages) && call.method == Method::GET
}

/// How long a node is looked for, and how long one may take that has the chat: as long as the chat,
/// or the service that it is relayed to, takes at the most.
fn waits(call: &Call<'_>, limits: &Limits) -> (Duration, Duration) {
    let relayed = |wait: Duration| if call.tenant.legacy.is_some() { wait } else { Duration::ZERO };
    match call.noun {
        _ if polls(call) => {
            let hold = call.tenant.behaviour.poll_hold;
            (hold, hold.saturating_add(POLL_GRACE).max(relayed(POLL_WAIT)))
        }
        Some(Noun::Upload) => {
            let handed = Duration::from_secs(limits.call_seconds as u64);
            (POST_WAIT, POST_WAIT.max(handed).max(relayed(UPLOAD_WAIT)))
        }
        _ => (POST_WAIT, POST_WAIT.max(relayed(CALL_WAIT))),
    }
}
