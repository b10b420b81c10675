//! Upstream calls not yet known to have happened, in order.
//!
//! Promised: one call at a time per chat, so order holds; what an id carries is fixed before its
//! first attempt.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::content::Answer;
use super::text::Text;
use super::visitor::FileInfo;

/// One thing to be done upstream. Its number gives its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Counts from 1 within the chat.
    pub number: u64,
    /// What is to be done.
    pub kind: CommandKind,
    /// Its text goes on where the message before it was split: without that one it is not sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

/// What can be to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandKind {
    /// Get an access token.
    Mint,
    /// Create the conversation.
    Create,
    /// Send a message of the visitor.
    Say(Text),
    /// Answer a question.
    Answer {
        /// The answer.
        answer: Answer,
        /// The same in words.
        text: Text,
    },
    /// Send a file of the visitor.
    File {
        /// What is known of it.
        file: FileInfo,
        /// Which POST brought it.
        fingerprint: u64,
    },
    /// Close the conversation.
    Close,
    /// Revoke the access token.
    Revoke,
}

impl CommandKind {
    /// Whether it is something that the visitor said.
    #[must_use]
    pub const fn is_message(&self) -> bool {
        matches!(self, Self::Say(_) | Self::Answer { .. } | Self::File { .. })
    }
}

/// A call for the adapter to make (miaw.md 3 to 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamCall {
    /// `POST …/unauthenticated/access-token`.
    MintToken,
    /// `POST /conversation`.
    CreateConversation {
        /// The conversation's id.
        id: Uuid,
        /// Routing attributes.
        attributes: BTreeMap<String, String>,
        /// The conversation's language.
        language: Option<String>,
    },
    /// `POST /conversation/{id}/message`.
    SendMessage {
        /// The conversation.
        conversation: Uuid,
        /// The message's id.
        id: Uuid,
        /// The words.
        text: Text,
        /// What the words answer, when they answer a question.
        answer: Option<Answer>,
        /// Opens a new messaging session with these attributes and this language (after a 417).
        new_session: Option<(BTreeMap<String, String>, Option<String>)>,
    },
    /// `POST /conversation/{id}/file`, with the bytes that the shell keeps under this number.
    SendFile {
        /// The conversation.
        conversation: Uuid,
        /// The message's id.
        id: Uuid,
        /// The file's id.
        file_id: Uuid,
        /// The command's number.
        number: u64,
        /// What is known of the file.
        file: FileInfo,
        /// Opens a new messaging session with these attributes and this language (after a 417).
        new_session: Option<(BTreeMap<String, String>, Option<String>)>,
    },
    /// `GET …/continuation-access-token`: the same user, and the same end of life.
    ContinueToken,
    /// Revokes the access token; its path is not documented.
    RevokeToken,
    /// `POST /conversation/{id}/entry`.
    Typing {
        /// The conversation.
        conversation: Uuid,
        /// The entry's id.
        id: Uuid,
        /// Started or stopped.
        started: bool,
    },
    /// `GET /conversation/{id}/entries`.
    ListEntries {
        /// The conversation.
        conversation: Uuid,
        /// Only entries from this time on (epoch milliseconds).
        since_millis: i64,
    },
    /// `GET /conversation/{id}`.
    RoutingStatus {
        /// The conversation.
        conversation: Uuid,
    },
    /// `DELETE /conversation/{id}`.
    CloseConversation {
        /// The conversation.
        conversation: Uuid,
    },
}

/// Splits a text into parts of at most `limit` characters, at a line break or blank where there is
/// one in the last quarter. The parts put together are the text.
#[must_use]
pub fn split(text: &str, limit: usize) -> Vec<Text> {
    let limit = limit.max(1);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((hard, _)) = rest.char_indices().nth(limit) {
        let earliest = rest.char_indices().nth(limit - limit / 4).map_or(hard, |(at, _)| at);
        let window = &rest[earliest..hard];
        let soft = window.rfind('\n').or_else(|| window.rfind(' ')).map(|at| earliest + at + 1);
        let at = soft.unwrap_or(hard);
        parts.push(Text::from(&rest[..at]));
        rest = &rest[at..];
    }
    parts.push(Text::from(rest));
    parts
}

/// How many of the first commands may be merged into one message: neighbouring messages whose
/// joined text stays within `limit` characters.
#[must_use]
pub fn mergeable(queue: &VecDeque<Command>, limit: usize) -> usize {
    let mut total = 0;
    let mut count = 0;
    for command in queue {
        let CommandKind::Say(text) = &command.kind else { break };
        total += text.as_str().chars().count() + usize::from(count > 0);
        if count > 0 && total > limit {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_put_together_are_the_text() {
        let long = "word ".repeat(100) + "🙂".repeat(50).as_str();
        for (text, limit) in [("", 5), ("abc", 5), ("abcdef", 5), (long.as_str(), 16)] {
            let parts = split(text, limit);
            assert!(parts.iter().all(|part| part.as_str().chars().count() <= limit));
            let joined: String = parts.iter().map(Text::as_str).collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn only_neighbouring_messages_within_the_limit_merge() {
        let say = |text: &str| CommandKind::Say(text.into());
        let queue = |kinds: Vec<CommandKind>| -> VecDeque<Command> {
            kinds.into_iter().map(|kind| Command { number: 1, kind, continues: false }).collect()
        };
        assert_eq!(mergeable(&queue(vec![say("ab"), say("cd"), say("ef")]), 5), 2);
        assert_eq!(mergeable(&queue(vec![say("ab"), CommandKind::Close, say("c")]), 50), 1);
        assert_eq!(mergeable(&queue(vec![CommandKind::Mint]), 50), 0);
        assert_eq!(mergeable(&queue(vec![say("abcdefgh")]), 5), 1);
    }
}
