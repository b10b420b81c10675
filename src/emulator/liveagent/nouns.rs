//! The visitor's POSTs: reading them strictly, and what they do to a session.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::knobs::Knobs;
use super::session::{Phase, Session};
use crate::emulator::desk::{NewChat, ServiceName, Speaker};
use crate::time::Now;
use crate::wire::liveagent::message::{
    ChatEnded, ChatRequestFail, ChatRequestSuccess, TranscriptEntry,
};
use crate::wire::liveagent::request::{ChasitorInit, ChatEnd, ChatMessage, MultiNoun};
use crate::wire::liveagent::{BadProperty, BadRequest, CHAT_END_REASON};

/// A POST that reads.
pub(super) enum Post {
    Init(Box<ChasitorInit>),
    Message(String),
    Typing(bool),
    End,
    Several(Vec<Post>),
    /// Acknowledged, nothing else.
    Noted,
}

/// Why a POST does not read.
pub(super) enum Unreadable {
    NoSuchNoun,
    Text(&'static str),
    Json(BadRequest),
}

/// What the desk is told once the session's lock is gone.
pub(super) enum Effect {
    Opened(NewChat),
    Said { line: String, text: String },
    Typing(bool),
    Ended(Speaker),
}

/// Reads a POST.
pub(super) fn read(prefix: &str, noun: &str, body: &[u8]) -> Result<Post, Unreadable> {
    Ok(match (prefix, noun) {
        ("Chasitor", "ChasitorInit") => Post::Init(Box::new(json(body)?)),
        ("Chasitor", "ChatMessage") => {
            let message: ChatMessage = json(body)?;
            Post::Message(message.text.ok_or_else(|| missing("text"))?)
        }
        ("Chasitor", "ChasitorTyping") => Post::Typing(true),
        ("Chasitor", "ChasitorNotTyping") => Post::Typing(false),
        ("Chasitor", "ChatEnd") => {
            let end: ChatEnd = json(body)?;
            end.reason.ok_or(Unreadable::Text(CHAT_END_REASON))?;
            Post::End
        }
        ("Chasitor", "ChatCancel") => Post::End,
        ("System", "MultiNoun") => {
            let batch: MultiNoun = json(body)?;
            let known = batch.nouns.iter().filter(|n| n.prefix.as_deref() == Some("Chasitor"));
            let posts = known.map(|wrapper| {
                let noun = wrapper.noun.as_deref().unwrap_or_default();
                match (noun, wrapper.body()) {
                    // The guide's own sample ends a chat in a batch without a reason.
                    ("ChatEnd", _) => Ok(Post::End),
                    (_, body) => read("Chasitor", noun, body.as_bytes()),
                }
            });
            Post::Several(posts.collect::<Result<_, _>>()?)
        }
        ("Chasitor", "ChasitorSneakPeek" | "CustomEvent" | "RichMessage") => {
            json::<Value>(body)?;
            Post::Noted
        }
        (
            "Chasitor",
            "ChasitorResyncState"
            | "ChasitorIdleTimeoutWarningEvent"
            | "SensitiveDataRuleTriggered",
        )
        | ("Agent", "SensitiveDataRuleTriggered")
        | ("Visitor", "Breadcrumb")
        | ("WebEvent", "BatchedEvents") => Post::Noted,
        _ => return Err(Unreadable::NoSuchNoun),
    })
}

/// Whether a POST may come without a session.
pub(super) fn sessionless(prefix: &str, noun: &str) -> bool {
    prefix == "Visitor" || noun == "SensitiveDataRuleTriggered"
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| {
        let details = vec![BadProperty { property: String::new(), message: place(&error) }];
        Unreadable::Json(BadRequest { message: "Request is not valid JSON".to_owned(), details })
    })
}

/// Where JSON stopped making sense, without quoting it.
fn place(error: &serde_json::Error) -> String {
    format!("not understood at line {}, column {}", error.line(), error.column())
}

fn missing(property: &str) -> Unreadable {
    let message = "must not be null".to_owned();
    let details = vec![BadProperty { property: property.to_owned(), message }];
    Unreadable::Json(BadRequest { message: "Validation failed".to_owned(), details })
}

impl Session {
    /// Does what a POST asks.
    pub(super) fn apply(&mut self, post: Post, knobs: &Knobs, now: Now, effects: &mut Vec<Effect>) {
        match post {
            Post::Init(init) => self.init(&init, knobs, effects),
            Post::Message(text) => {
                self.lines += 1;
                self.transcript.push(TranscriptEntry {
                    kind: "Chasitor".to_owned(),
                    name: self.visitor.clone(),
                    content: text.clone(),
                    timestamp: now.wall.millis(),
                    sequence: self.transcript.len() as i64,
                });
                effects.push(Effect::Said { line: format!("m{}", self.lines), text });
            }
            Post::Typing(on) => effects.push(Effect::Typing(on)),
            Post::End => {
                self.phase = Phase::Ended;
                self.push(&ended("client"));
                effects.push(Effect::Ended(Speaker::Visitor));
            }
            Post::Several(posts) => {
                for post in posts {
                    self.apply(post, knobs, now, effects);
                }
            }
            Post::Noted => {}
        }
    }

    fn init(&mut self, init: &ChasitorInit, knobs: &Knobs, effects: &mut Vec<Effect>) {
        self.phase = Phase::Waiting;
        let routed =
            init.button_id.as_deref().or(init.button_overrides.first().map(String::as_str));
        let well_formed = is_id(init.organization_id.as_deref(), "00D")
            && is_id(init.deployment_id.as_deref(), "572")
            && (routed.is_some() || init.agent_id.is_some());
        if !well_formed || !knobs.available {
            let reason = if well_formed { "Unavailable" } else { "NoPost" };
            self.fail(reason);
            return;
        }
        if let Some(name) = init.visitor_name.clone().filter(|name| !name.is_empty()) {
            self.visitor = name;
        }
        self.queue_updates = init.receive_queue_updates.unwrap_or(false);
        self.push(&ChatRequestSuccess {
            connection_timeout: knobs.connection_timeout_millis,
            estimated_wait_time: knobs.estimated_wait_time,
            queue_position: 1,
            visitor_id: self.id.clone(),
            ..ChatRequestSuccess::default()
        });
        effects.push(Effect::Opened(NewChat {
            id: self.id.clone(),
            service: ServiceName::LiveAgent,
            visitor: self.visitor.clone(),
            attributes: attributes(init),
        }));
    }

    pub(super) fn fail(&mut self, reason: &str) {
        self.phase = Phase::Ended;
        self.push(&ChatRequestFail { reason: reason.to_owned(), ..ChatRequestFail::default() });
    }
}

pub(super) fn ended(reason: &str) -> ChatEnded {
    ChatEnded { attached_records: Vec::new(), reason: reason.to_owned() }
}

/// Salesforce ids are 15 or 18 letters and digits with the prefix of their kind.
fn is_id(id: Option<&str>, prefix: &str) -> bool {
    id.is_some_and(|id| {
        matches!(id.len(), 15 | 18)
            && id.starts_with(prefix)
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Labels and values of the pre-chat details, for the agent.
fn attributes(init: &ChasitorInit) -> Vec<(String, String)> {
    let raw = init.prechat_details.as_ref().map_or("[]", |raw| raw.get());
    let details: Vec<Value> = serde_json::from_str(raw).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    details.iter().map(|detail| (text(&detail["label"]), text(&detail["value"]))).collect()
}
