//! A relayed chat as operators see it: whose it is, how far, and why it is on legacy.
//!
//! Promised: no key, and nothing that was said. Not promised: that the id of a verbatim chat
//! outlives the process, or is the same on another node; it comes from a salted hash.

use crate::chat::ids::ChatId;
use crate::chat::state::Phase;
use crate::chat::visitor::Routed;

/// What the id of a verbatim chat begins with.
const MARK: &str = "legacy-";

/// What a relayed chat is called towards operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PassingId {
    /// Our own id: of a chat that goes on under a key of ours.
    Chat(ChatId),
    /// Of one under Salesforce's own key.
    Verbatim(u64),
}

impl PassingId {
    /// The name of a chat whose key has this hash.
    pub(super) fn of(hash: &[u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        Self::Verbatim(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Reads what [`std::fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some(hex) = text.strip_prefix(MARK) else {
            return uuid::Uuid::try_parse(text).ok().map(|id| Self::Chat(ChatId(id)));
        };
        let digits = hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        u64::from_str_radix(hex, 16).ok().filter(|_| digits).map(Self::Verbatim)
    }
}

impl std::fmt::Display for PassingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chat(chat) => chat.fmt(f),
            Self::Verbatim(hash) => write!(f, "{MARK}{hash:016x}"),
        }
    }
}

/// A relayed chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Which chat.
    pub id: PassingId,
    /// Whose it is.
    pub tenant: String,
    /// How far it has come; `None` when that was told before this process saw it.
    pub phase: Option<Phase>,
    /// The newest `sequence` that its client was given; -1 before the first.
    pub sequence: i64,
    /// Why it is on legacy, and since when; `None` when another process decided it.
    pub routed: Option<Routed>,
}
