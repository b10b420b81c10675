//! What a visitor's program can ask for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{Secret, Text};
use crate::time::Wall;

/// One POST, already read by the facade.
#[derive(Clone, Debug)]
pub struct Post {
    /// `X-LIVEAGENT-SEQUENCE`, when it was a number.
    pub sequence: Option<u64>,
    /// A hash of noun and body; two POSTs with the same one are the same request.
    pub fingerprint: u64,
    /// What it asks for.
    pub command: VisitorCommand,
}

/// The requests that change a chat.
#[derive(Clone, Debug)]
pub enum VisitorCommand {
    /// `ChasitorInit`: start the chat.
    Begin(Box<Begin>),
    /// `ChatMessage`.
    Say(Text),
    /// A file through the upload servlet; its bytes stay with the shell.
    Upload(FileInfo),
    /// `ChasitorTyping`.
    Typing,
    /// `ChasitorNotTyping`.
    NotTyping,
    /// `RichMessage` `ChatWindowFooterMenu`: an entry of the menu.
    ChooseFromMenu {
        /// Its place, from 0.
        index: usize,
    },
    /// `RichMessage`: an entry of the last list of choices.
    Choose {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// `ChasitorIdleTimeoutWarningEvent`: the client's idle warning began, or was cleared.
    IdleWarning {
        /// Whether the visitor showed a sign of life.
        cleared: bool,
    },
    /// `ChatEnd` because the client's idle timer ran out.
    EndIdle,
    /// `ChatEnd`, `ChatCancel` or `DELETE System/SessionId`.
    End,
    /// A documented noun that changes nothing here.
    Ignored,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its name.
    pub name: Text,
    /// Its media type.
    pub kind: String,
    /// How large it is.
    pub bytes: u64,
}

/// Who the visitor is, to Salesforce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VerifiedUser {
    /// This id; the bridge signs for it.
    Id(Text),
    /// Whoever this identity token names.
    Token(Secret),
}

/// A translated `ChasitorInit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The button the client asked for.
    pub button_id: String,
    /// Routing attributes of the conversation.
    pub attributes: BTreeMap<String, String>,
    /// The conversation's language, in MIAW's form.
    pub language: Option<String>,
    /// What is said in the visitor's name before anything else.
    pub opening: Vec<Text>,
    /// Whether the client wants `QueueUpdate`.
    pub queue_updates: bool,
    /// Who the visitor is; `None`: a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<VerifiedUser>,
    /// Why the chat is here and not on the other backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routed: Option<Routed>,
}

/// The decision that sent a chat here, kept so that it can be explained later; decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// When, by the calendar that decided.
    pub at: Wall,
    /// The backend's code.
    pub route: String,
    /// The rule's code.
    pub because: String,
    /// The rule in a sentence.
    pub sentence: String,
}

/// What a deployment says about visitors' files (miaw.md 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRules {
    /// Whether any may be sent.
    pub allowed: bool,
    /// The largest, in bytes, where that is told.
    pub bytes_max: Option<u64>,
}
