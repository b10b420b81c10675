//! The legacy Live Agent REST API: headers, literal texts, requests and messages.
//!
//! Promised: request bodies read whatever known clients send; answers carry the field set that
//! known clients depend on. Not promised: numbering, delivery or any other rule.

pub mod invitation;
pub mod message;
pub mod request;
pub mod undocumented;

use serde::{Deserialize, Serialize};

pub use message::{Message, MessageBody, MessagesPayload};

/// The API version; required on every request.
pub const API_VERSION: &str = "x-liveagent-api-version";
/// Names the server that holds the session; the text `null` before there is one.
pub const AFFINITY: &str = "x-liveagent-affinity";
/// The secret of the session.
pub const SESSION_KEY: &str = "x-liveagent-session-key";
/// The client's counter of its POSTs.
pub const SEQUENCE: &str = "x-liveagent-sequence";

/// The affinity of a client without a session, four literal characters.
pub const NO_AFFINITY: &str = "null";

/// The whole body of a successful POST.
pub const OK: &str = "OK";
/// 400: the version header is missing.
pub const NO_VERSION: &str = "No version header found";
/// 403: the session is unknown, over, or its key was not sent.
pub const SESSION_INVALID: &str = "Session required but was invalid or not found";
/// 503: the affinity token is not the session's.
pub const INVALID_AFFINITY: &str = "Invalid Affinity Token";
/// 500: the server failed.
pub const INTERNAL_ERROR: &str = "Internal Server Error";
/// The type of an entry of a menu, and of the action that picks one.
pub const FOOTER_MENU: &str = "ChatWindowFooterMenu";
/// 400: ChatEnd came without its reason.
pub const CHAT_END_REASON: &str =
    "Request is not a valid ChatEnd - ChatEnd requires a non-null value on the reason property";

/// 409: another poll of the session is held; the real text is not known, no client reads it.
pub const DUPLICATE_POLL: &str = "Duplicate long poll";

/// 409: the POST counter jumped. Clients take the last number, so nothing may follow it.
#[must_use]
pub fn out_of_sync<N: std::fmt::Display>(sent: N, last_accepted: N) -> String {
    format!("Out of sync Ack. Expected {sent}. Actual {last_accepted}")
}

/// The answer of `System/SessionId`; one client rejects any further member.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionId {
    /// The secret: `<id>!<epoch ms>!<base64 of 20 bytes>`.
    pub key: String,
    /// The session's uuid, also called the chat key.
    pub id: String,
    /// Seconds after which a client gives a poll up.
    pub client_poll_timeout: i64,
    /// Names the server that holds the session.
    pub affinity_token: String,
}

impl std::fmt::Debug for SessionId {
    /// Without the key, which is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionId").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The answer of the old `System/ResyncSession`, a bare object.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResyncSession {
    /// Whether the session still exists.
    pub is_valid: bool,
    /// Its new key.
    pub key: String,
    /// Its new affinity token.
    pub affinity_token: String,
}

/// The body of a 400 for a request that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadRequest {
    /// What was wrong.
    pub message: String,
    /// Where it was wrong.
    #[serde(default)]
    pub details: Vec<BadProperty>,
}

/// One property that was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadProperty {
    /// The path of the property.
    pub property: String,
    /// What was wrong with it.
    pub message: String,
}
