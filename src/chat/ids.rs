//! Identifiers, and how the ids that go upstream are derived.
//!
//! Promised: an id depends only on the chat and on what it is for, so a retry after a crash carries
//! the same id. It has the form of a lower-case UUID v4, because MIAW refuses any other
//! (miaw.md 2.2).

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// One legacy chat: the `id` of its SessionId answer, and the first part of its session key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub Uuid);

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ChatId {
    /// The MIAW conversation of this chat.
    #[must_use]
    pub fn conversation(self) -> Uuid {
        self.derive("conversation", 0)
    }

    /// The message id of command `number`.
    #[must_use]
    pub fn message(self, number: u64) -> Uuid {
        self.derive("message", number)
    }

    /// The file id of command `number`.
    #[must_use]
    pub fn file(self, number: u64) -> Uuid {
        self.derive("file", number)
    }

    /// The entry id of a typing notice.
    #[must_use]
    pub fn typing(self, number: u64) -> Uuid {
        self.derive("typing", number)
    }

    /// The UUID that stands for a person in typing notices (live-agent.md 4.2: not the 005 id).
    #[must_use]
    pub fn person(self, subject: &str) -> Uuid {
        self.derive(subject, 1)
    }

    fn derive(self, purpose: &str, number: u64) -> Uuid {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.0.as_bytes());
        context.update(purpose.as_bytes());
        context.update(&number.to_be_bytes());
        let hash = context.finish();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_ref()[..16]);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_distinct_lower_case_version_4() {
        let chat = ChatId(Uuid::from_u128(7));
        let id = chat.message(1);
        assert_eq!(id, chat.message(1));
        assert_ne!(id, chat.message(2));
        assert_ne!(id, chat.typing(1));
        assert_ne!(id, ChatId(Uuid::from_u128(8)).message(1));
        let text = id.to_string();
        assert_eq!(text, text.to_lowercase());
        assert_eq!(text.as_bytes()[14], b'4');
        assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }
}
