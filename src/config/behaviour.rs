//! `[tenant.behaviour]`: how chats of a tenant behave where clients or orgs differ.
//!
//! Promised: the `Default` is what a tenant without the section gets.

mod content;
mod life;

use std::time::Duration;

use super::section::Section;
use super::values::{self, DURATION, SWITCH};

pub use crate::chat::limits::{Delivery, Overlap, Sequence};
pub use crate::chat::policy::{Content, Life};
pub use content::FILE_TYPES;

/// The settings of one tenant's chats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// How long a poll is held before it is answered 204.
    pub poll_hold: Duration,
    /// A chat whose client has not polled for this long is ended at the backend too.
    pub abandoned_after: Duration,
    /// `clientPollTimeout` of the SessionId answer, in seconds.
    pub client_poll_timeout_s: u32,
    /// `connectionTimeout` of `ChatRequestSuccess`.
    pub connection_timeout: Duration,
    /// How polls are answered once a client acknowledges.
    pub delivery: Delivery,
    /// `ChatRequestSuccess` is sent this long after init at the latest.
    pub success_after: Duration,
    /// An agent who leaves ends the chat unless another comes within this time.
    pub agent_leave_hold: Duration,
    /// Whether a bot's joining counts as `ChatEstablished`.
    pub bot_establishes: bool,
    /// A chat is ended politely this long before its token expires.
    pub token_grace: Duration,
    /// Whether messages of the system, automated responses included, reach the visitor.
    pub system_messages: bool,
    /// The name that system messages, automated ones and the bridge's own carry.
    pub system_name: String,
    /// Said when a visitor's message could not be delivered.
    pub undeliverable_text: String,
    /// Said before the chat ends because its token does.
    pub token_end_text: String,
    /// Said before the chat ends because Salesforce no longer answers for it.
    pub lost_text: String,
    /// How many messages a conversation may send per minute; more are merged and paced.
    pub message_budget_per_minute: u32,
    /// The longest text of one message, in characters; longer ones are split.
    pub text_limit_chars: usize,
    /// A message that could not be sent for this long after its first attempt is given up.
    pub send_give_up: Duration,
    /// An event stream without a byte for this long is opened anew.
    pub stream_silence: Duration,
    /// How `X-LIVEAGENT-SEQUENCE` is taken.
    pub sequence: Sequence,
    /// What a second poll of a session meets while the first is held.
    pub overlap: Overlap,
    /// Whether `X-LIVEAGENT-AFFINITY` must be the one that this process gave out.
    pub check_affinity: bool,
    /// Whether a chat that does not answer in time is answered 503 in place of 500, so that its
    /// client reconnects.
    pub failure_is_503: bool,
    /// Whether a request without `X-LIVEAGENT-API-VERSION` is answered 400.
    pub version_required: bool,
    /// How chats live and end.
    pub life: Life,
    /// Whether headers that a proxy in front of the bridge added go to the legacy service too.
    pub forwarding_headers: bool,
    /// What passes through them besides text.
    pub content: Content,
    /// The web origins that may call the facade from a browser; `*` allows all.
    pub cors_origins: Vec<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            poll_hold: Duration::from_secs(24),
            abandoned_after: Duration::from_secs(150),
            client_poll_timeout_s: 40,
            connection_timeout: Duration::from_secs(150),
            delivery: Delivery::Single,
            success_after: Duration::from_secs(10),
            agent_leave_hold: Duration::from_secs(10),
            bot_establishes: true,
            token_grace: Duration::from_secs(5 * 60),
            system_messages: true,
            system_name: "System".to_owned(),
            undeliverable_text: "Your last message could not be delivered. Please send it again."
                .to_owned(),
            token_end_text: "This chat has reached its longest possible duration and ends now."
                .to_owned(),
            lost_text: "The connection to the contact center was lost. This chat ends now."
                .to_owned(),
            message_budget_per_minute: 22,
            text_limit_chars: 4_000,
            send_give_up: Duration::from_secs(60),
            stream_silence: Duration::from_secs(90),
            sequence: Sequence::Lenient,
            overlap: Overlap::Supersede,
            check_affinity: false,
            failure_is_503: false,
            version_required: true,
            life: Life::default(),
            forwarding_headers: false,
            content: Content::default(),
            cors_origins: Vec::new(),
        }
    }
}
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Clients give a poll up after 25 to 30 s; a proxy in between may allow a little more.
const LONGEST_POLL_HOLD: Duration = Duration::from_secs(60);
/// A text of the bridge's own, in characters.
const LONGEST_TEXT: usize = 1_000;
/// What MIAW takes in one message, in characters.
const LONGEST_MESSAGE: usize = 10_000;

impl Behaviour {
    /// Reads the section; what is absent keeps its default.
    pub(super) fn read(section: Section<'_>) -> Self {
        let d = Self::default();
        let within = |key, fallback, least: Duration, most: Duration| {
            let parse = |text: &str| values::duration(text, least, most);
            section.read(key, fallback, DURATION, parse)
        };
        let switch = |key, fallback| section.read(key, fallback, SWITCH, values::switch);
        let poll_hold = within("poll_hold", d.poll_hold, SECOND, LONGEST_POLL_HOLD);
        let abandoned_after = within("abandoned_after", d.abandoned_after, SECOND * 2, HOUR * 24);
        if abandoned_after <= poll_hold {
            let at = section.at_key("abandoned_after");
            let message = "is not longer than `poll_hold`, so every waiting client would be ended";
            section.cx.found.problem(at.says(message).expected("a few times `poll_hold`"));
        }
        let whole = "a whole number";
        let behaviour = Self {
            poll_hold,
            abandoned_after,
            client_poll_timeout_s: section.read(
                "client_poll_timeout",
                d.client_poll_timeout_s,
                "a whole number of seconds",
                seconds,
            ),
            connection_timeout: within("connection_timeout", d.connection_timeout, SECOND, HOUR),
            delivery: word(&section, "delivery", &DELIVERIES),
            success_after: within("success_after", d.success_after, Duration::ZERO, SECOND * 60),
            agent_leave_hold: within(
                "agent_leave_hold",
                d.agent_leave_hold,
                Duration::ZERO,
                SECOND * 600,
            ),
            bot_establishes: switch("bot_establishes", d.bot_establishes),
            token_grace: within("token_grace", d.token_grace, SECOND * 10, HOUR),
            system_messages: switch("system_messages", d.system_messages),
            system_name: own_text(&section, "system_name", d.system_name),
            undeliverable_text: own_text(&section, "undeliverable_text", d.undeliverable_text),
            token_end_text: own_text(&section, "token_end_text", d.token_end_text),
            lost_text: own_text(&section, "lost_text", d.lost_text),
            message_budget_per_minute: section.read(
                "message_budget",
                d.message_budget_per_minute,
                "a number per minute, e.g. \"22/min\"",
                values::per_minute,
            ),
            text_limit_chars: section.read("text_limit", d.text_limit_chars, whole, |text| {
                values::number(text, 100, LONGEST_MESSAGE)
            }),
            send_give_up: within("send_give_up", d.send_give_up, SECOND, HOUR),
            stream_silence: within("stream_silence", d.stream_silence, SECOND, SECOND * 600),
            sequence: word(&section, "sequence", &SEQUENCES),
            overlap: word(&section, "overlapping_poll", &OVERLAPS),
            check_affinity: word(&section, "affinity", &[("ignore", false), ("check", true)]),
            failure_is_503: word(&section, "failure_status", &[("500", false), ("503", true)]),
            version_required: word(
                &section,
                "version_header",
                &[("required", true), ("optional", false)],
            ),
            life: life::read(&section),
            forwarding_headers: switch("forwarding_headers", d.forwarding_headers),
            content: content::read(&section),
            cors_origins: origins(&section),
        };
        section.finish();
        behaviour
    }
}

fn seconds(text: &str) -> Result<u32, String> {
    let value = values::number(text, 1, 3_600)?;
    u32::try_from(value).map_err(|_| format!("`{text}` is too large"))
}

const DELIVERIES: [(&str, Delivery); 2] =
    [("single", Delivery::Single), ("batch", Delivery::Batch)];
const SEQUENCES: [(&str, Sequence); 2] =
    [("lenient", Sequence::Lenient), ("strict", Sequence::Strict)];
const OVERLAPS: [(&str, Overlap); 3] = [
    ("supersede", Overlap::Supersede),
    ("conflict", Overlap::Conflict),
    ("strict", Overlap::Strict),
];

/// One of a few words; the first is the default.
pub(super) fn word<T: Copy, const N: usize>(
    section: &Section<'_>,
    key: &'static str,
    words: &[(&str, T); N],
) -> T {
    let names: Vec<String> = words.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let parse = |text: &str| match words.iter().find(|(name, _)| *name == text.trim()) {
        Some((_, value)) => Ok(*value),
        None => Err(format!("`{text}` is none of the words for `{key}`")),
    };
    section.read(key, words[0].1, &names.join(" or "), parse)
}

fn own_text(section: &Section<'_>, key: &'static str, fallback: String) -> String {
    optional_text(section, key).unwrap_or(fallback)
}

fn optional_text(section: &Section<'_>, key: &'static str) -> Option<String> {
    let text = section.text(key)?;
    let long = text.value.chars().count();
    if text.value.trim().is_empty() || long > LONGEST_TEXT {
        let message =
            if long == 0 { "is empty".to_owned() } else { format!("has {long} characters") };
        let expected = format!("a text of 1 to {LONGEST_TEXT} characters");
        section.cx.found.problem(text.at.says(message).expected(expected));
        return None;
    }
    Some(text.value)
}

fn origins(section: &Section<'_>) -> Vec<String> {
    let written = section.texts("cors_origins").unwrap_or_default();
    let read = written.into_iter().filter_map(|text| {
        let given = text.value.trim();
        let origin = url::Url::parse(given).ok().map(|u| u.origin());
        match origin.filter(url::Origin::is_tuple) {
            _ if given == "*" => Some("*".to_owned()),
            Some(origin) if origin.ascii_serialization() == given.to_ascii_lowercase() => {
                Some(origin.ascii_serialization())
            }
            other => {
                let problem = text.at.says(format!("`{given}` is not a web origin"));
                let mut problem = problem.expected("\"*\", or scheme and host alone");
                if let Some(origin) = other {
                    problem = problem.help(format!("write \"{}\"", origin.ascii_serialization()));
                }
                section.cx.found.problem(problem);
                None
            }
        }
    });
    read.collect()
}
