//! Messages that the guide does not name and real clients know (live-agent.md 4.2, 4.6, 4.7).
//!
//! Promised: the members that those clients read. Not promised: that every client shows them.

use serde::{Deserialize, Serialize};

use super::message::MessageBody;

macro_rules! bodies {
    ($($name:ident),+ $(,)?) => {
        $(impl MessageBody for $name { const TYPE: &'static str = stringify!($name); })+
    };
}

bodies!(
    AgentJoinedConference,
    AgentLeftConference,
    ChatResumedAfterTransfer,
    FileTransfer,
    RichMessage,
);

/// A further agent joined.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentJoinedConference {
    /// The agent's display name.
    pub name: String,
}

/// A further agent left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentLeftConference {
    /// The agent's display name.
    pub name: String,
}

/// A transfer is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatResumedAfterTransfer {
    /// The display name of who goes on.
    pub name: String,
    /// Whether it came to nothing.
    pub is_transfer_failure: bool,
    /// Whether a bot's picture is wanted.
    pub show_rich_avatar: bool,
}

/// A file is asked for, or what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileTransfer {
    /// `Requested`, `Canceled` (one l), `Success` or `Failure`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where to upload; with `Requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_servlet_url: Option<String>,
    /// What an upload names; with `Requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_token: Option<String>,
    /// Used as `Referer` by some clients; with `Requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdm_servlet_url: Option<String>,
}

/// Options to choose from; an answer names the place in `items`, from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RichMessage {
    /// `ChatWindowButton` or `ChatWindowMenu`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The question; menus only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The options.
    pub items: Vec<RichItem>,
}

/// One option.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RichItem {
    /// What to show.
    pub text: String,
}
