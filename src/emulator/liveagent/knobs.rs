//! What can be changed about the emulated legacy service while it runs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::emulator::faults::Fault;
use crate::time::Wall;

/// How many messages one poll answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Everything pending, as the real service does.
    Batch,
    /// One message.
    Single,
}

/// What a poll meets while another one is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// 409 to the newer poll; the chat goes on.
    Conflict,
    /// 409 to the newer poll; the chat ends.
    Strict,
    /// 204 to the older poll; the newer one is held.
    Supersede,
}

/// What a scripted human, or the queue, does with a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// The queue tells a place in it.
    Queue {
        /// The place.
        position: i64,
        /// Seconds, when known.
        #[serde(default)]
        wait: Option<i64>,
    },
    /// Somebody takes it: the next of the roster, or by this name and id.
    Accept {
        /// The display name.
        #[serde(default)]
        name: Option<String>,
        /// The `005` id.
        #[serde(default)]
        user_id: Option<String>,
    },
    /// Nobody takes it.
    Decline,
    /// Something is said.
    Say {
        /// What.
        text: String,
    },
    /// Typing begins or stops.
    Typing {
        /// Whether typing.
        on: bool,
    },
    /// The next of the roster takes over.
    Transfer,
    /// The agent's connection breaks; the chat goes on.
    Disconnect,
    /// A file is asked for.
    RequestFile,
    /// The agent ends it.
    End,
}

/// One line of the script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    /// How long after the line before it; after ChasitorInit for the first.
    #[serde(default)]
    pub after_millis: u64,
    /// What happens.
    #[serde(flatten)]
    pub act: Act,
}

/// The knobs of the legacy service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// How long an empty poll is held before 204.
    pub hold_millis: u64,
    /// Told to clients in SessionId.
    pub client_poll_timeout_seconds: i64,
    /// Told to clients in ChatRequestSuccess.
    pub connection_timeout_millis: i64,
    /// How long a session lives before ChasitorInit.
    pub unused_expiry_millis: u64,
    /// How long a session lives without a poll.
    pub poll_expiry_millis: u64,
    /// How many messages one answer holds.
    pub delivery: Delivery,
    /// What a second poll meets.
    pub overlap: Overlap,
    /// Refuse a POST counter that is not the next one.
    pub strict_sequence: bool,
    /// Refuse an affinity token that is not the session's.
    pub check_affinity: bool,
    /// Answer 405 to ReconnectSession unless a 503 came before.
    pub reconnect_only_after_503: bool,
    /// Answer 500 to a POST before an agent is there, as the guide warns.
    pub early_post_500: bool,
    /// Whether anybody is there; otherwise requests fail with `Unavailable`.
    pub available: bool,
    /// Answered where an estimated wait time is due, -1 when unknown.
    pub estimated_wait_time: i64,
    /// Set to true: every session moves to another server, once (503, then ReconnectSession).
    pub handover: bool,
    /// Set to true: every session is over, once (403).
    pub expire: bool,
    /// The service lives at this base URL: a `Visitor` noun that comes by another host is answered
    /// `SwitchServer`, and so is the next poll of each chat.
    pub switch_server: Option<String>,
    /// What happens to every chat that is asked for, beside what people do at the desk.
    pub script: Vec<Cue>,
    /// From this instant on new sessions are refused with 404.
    #[serde(serialize_with = "write_instant", deserialize_with = "read_instant")]
    pub gone_at: Option<Wall>,
    /// What goes wrong next.
    pub faults: Vec<Fault>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            hold_millis: 30_000,
            client_poll_timeout_seconds: 40,
            connection_timeout_millis: 150_000,
            unused_expiry_millis: 40_000,
            poll_expiry_millis: 150_000,
            delivery: Delivery::Batch,
            overlap: Overlap::Conflict,
            strict_sequence: true,
            check_affinity: true,
            reconnect_only_after_503: true,
            early_post_500: false,
            available: true,
            estimated_wait_time: -1,
            handover: false,
            expire: false,
            switch_server: None,
            script: Vec::new(),
            gone_at: None,
            faults: Vec::new(),
        }
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn write_instant<S: Serializer>(instant: &Option<Wall>, to: S) -> Result<S::Ok, S::Error> {
    instant.map(|wall| wall.to_string()).serialize(to)
}

fn read_instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Wall>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| Wall::parse(&text).map_err(serde::de::Error::custom)).transpose()
}
