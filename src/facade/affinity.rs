//! Affinity tokens: eight hex digits that name the process which holds a session.
//!
//! Promised: the same for a session as long as its process lives, another one afterwards; the nodes
//! of a cluster are one in this, so that a balancer can hash it. They are looked at only for
//! tenants that ask for it, for small clients die of a 503.

use aws_lc_rs::digest;

use super::call::{Call, Noun};
use super::reply::{self, Refusal};
use crate::chat::ids::ChatId;
use crate::random;

/// Gives out a process's tokens.
#[derive(Clone)]
pub struct Affinity {
    secret: [u8; 16],
    /// Those by which other processes may give out theirs.
    known: Vec<[u8; 16]>,
}

impl std::fmt::Debug for Affinity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Affinity")
    }
}

impl Default for Affinity {
    fn default() -> Self {
        Self::random()
    }
}

impl Affinity {
    /// Of a process of its own.
    #[must_use]
    pub fn random() -> Self {
        Self::shared(random::bytes(), Vec::new())
    }

    /// Of all processes that know a secret, or another one of those `known`.
    #[must_use]
    pub const fn shared(secret: [u8; 16], known: Vec<[u8; 16]>) -> Self {
        Self { secret, known }
    }

    /// The token of a session.
    #[must_use]
    pub fn token(&self, chat: ChatId) -> String {
        token_of(&self.secret, chat)
    }

    /// Whether a token is that of a session.
    #[must_use]
    pub fn knows(&self, chat: ChatId, token: &str) -> bool {
        let mut secrets = std::iter::once(&self.secret).chain(&self.known);
        secrets.any(|secret| token_of(secret, chat) == token)
    }

    /// What a request meets that names another process, or none, when its tenant wants that
    /// looked at.
    pub(super) fn refusal(&self, call: &Call<'_>, noun: Noun, chat: ChatId) -> Option<Refusal> {
        let exempt = matches!(noun, Noun::SessionId | Noun::ReconnectSession | Noun::ResyncSession);
        if exempt || !call.tenant.behaviour.check_affinity {
            return None;
        }
        match call.affinity() {
            Some(token) if self.knows(chat, token) => None,
            Some(_) => Some(Box::new(reply::moved())),
            None => Some(Box::new(reply::gone())),
        }
    }
}

fn token_of(secret: &[u8; 16], chat: ChatId) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(secret);
    hash.update(chat.0.as_bytes());
    let head = hash.finish().as_ref().iter().take(4).fold(0_u32, |n, b| n << 8 | u32::from(*b));
    format!("{head:08x}")
}
