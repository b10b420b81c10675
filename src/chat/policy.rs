//! What a tenant may choose about the life of a chat and about what passes through it.
//!
//! Promised: the defaults keep every documented client alive; whatever needs an answer of the
//! client's that the guide does not name is off.

use std::time::Duration;

use super::text::Text;

/// What becomes of a chat when the last agent left and no transfer is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentLeave {
    /// It ends at once.
    End,
    /// It ends unless somebody comes within the hold time.
    Hold,
    /// Salesforce is asked where the conversation is routed to; the hold time bounds the wait.
    #[default]
    Ask,
}

/// The visitor's idle timer (live-agent.md 5.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// The chat ends when the visitor is silent for this long after an agent's words.
    pub timeout: Duration,
    /// The visitor is warned after this long; shorter than the timeout.
    pub warning: Duration,
    /// What the bridge says by way of warning; the client's own warning needs none.
    pub warning_text: Option<Text>,
}

/// How questions with options reach the visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rich {
    /// As `RichMessage`, which many clients do not know.
    Message,
    /// As a text with numbered lines, which all show.
    #[default]
    NumberedText,
    /// As both, the text first.
    Both,
}

/// How files of an agent reach the visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentFiles {
    /// As name and address in a message.
    #[default]
    Link,
    /// The same, followed by `FileTransfer` `Success`.
    FileTransfer,
}

/// When the visitor is asked for a file; without being asked no legacy client sends one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Uploads {
    /// Never.
    #[default]
    Off,
    /// As soon as somebody is there, and again after each file.
    Offer,
    /// When an agent says these words, which the visitor does not read.
    OnRequest(Text),
}

/// When the access token of an ended chat is revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revoke {
    /// A verified user's: it opens all that user's conversations.
    #[default]
    Verified,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What passes through a chat besides text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// How questions with options reach the visitor.
    pub rich: Rich,
    /// Answers go upstream as plain text, not as responses to the question.
    pub answers_as_text: bool,
    /// A form that waits for its next answer for this long goes on as plain text.
    pub form_wait: Duration,
    /// How files of an agent reach the visitor.
    pub agent_files: AgentFiles,
    /// When the visitor is asked for a file.
    pub uploads: Uploads,
    /// With these words an agent takes the request for a file back.
    pub file_cancel_text: Option<Text>,
    /// The extensions of visitors' files that the deployment takes; `None`: all that MIAW is known
    /// to take.
    pub file_types: Option<Vec<String>>,
    /// The largest file of a visitor, in bytes.
    pub file_bytes_max: u64,
    /// Where visitors' files go, as their clients reach it; by the name they use when absent.
    pub upload_url: Option<String>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            rich: Rich::default(),
            answers_as_text: false,
            form_wait: Duration::from_secs(300),
            agent_files: AgentFiles::default(),
            uploads: Uploads::default(),
            file_cancel_text: None,
            file_types: None,
            file_bytes_max: 5 << 20,
            upload_url: None,
        }
    }
}

/// How a chat lives and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What becomes of a chat that the last agent left.
    pub agent_leave: AgentLeave,
    /// A chat that nobody has accepted this long after it was asked for fails.
    pub accept_timeout: Option<Duration>,
    /// The visitor's idle timer; `None`: there is none.
    pub idle: Option<Idle>,
    /// What the visitor reads when Salesforce calls the session inactive; it goes on all the same.
    pub inactive_text: Option<Text>,
    /// Whether the visitor is told of transfers under way and of conferences, by messages that real
    /// services send and the guide does not name.
    pub transfer_events: bool,
    /// The page that a client opens after the chat; an absolute address.
    pub post_chat_url: Option<String>,
    /// When the access token of an ended chat is revoked.
    pub revoke: Revoke,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            agent_leave: AgentLeave::default(),
            accept_timeout: None,
            idle: None,
            inactive_text: None,
            transfer_events: true,
            post_chat_url: None,
            revoke: Revoke::default(),
        }
    }
}
