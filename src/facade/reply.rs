//! Answers: from the machine's words to bytes.
//!
//! Promised: the field sets of live-agent.md 4.3 to 4.9, compact JSON, the literal texts.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::affinity::Affinity;
use super::placed::Untaken;
use crate::chat::agent::{AgentEvent, FileStep, Person};
use crate::chat::content::{Choice, Style};
use crate::chat::ids::ChatId;
use crate::chat::state::Line;
use crate::chat::text::Text;
use crate::chat::{Payload, Reply};
use crate::config::Behaviour;
use crate::router::decide::Because;
use crate::time::Wall;
use crate::wire::liveagent::{self, Message, MessagesPayload, message, undocumented};

/// Content type of texts.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
/// Content type of objects.
const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// Content type of scripts.
const SCRIPT: HeaderValue = HeaderValue::from_static("text/javascript;charset=UTF-8");

/// An answer in place of what a request asked for; boxed, for answers are large.
pub(super) type Refusal = Box<Response<Body>>;

/// A plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    with(status, TEXT, text.into())
}

/// The answer to every good POST.
pub(super) fn ok() -> Response<Body> {
    text(StatusCode::OK, liveagent::OK)
}

/// The session is unknown or over.
pub(super) fn gone() -> Response<Body> {
    text(StatusCode::FORBIDDEN, liveagent::SESSION_INVALID)
}

/// Something on this side failed.
pub(super) fn failed() -> Response<Body> {
    text(StatusCode::INTERNAL_SERVER_ERROR, liveagent::INTERNAL_ERROR)
}

/// Why a new chat was refused, by its stable code.
const REFUSED: HeaderName = HeaderName::from_static("x-liveagent-bridge-refused");

/// A new chat is refused: until an instant, where that is known.
pub(super) fn refused(because: &Because, now: Wall) -> Response<Body> {
    let text = format!("New chats are refused: {because}");
    let mut response = with(StatusCode::SERVICE_UNAVAILABLE, TEXT, Bytes::from(text));
    response.headers_mut().insert(REFUSED, HeaderValue::from_static(because.code()));
    if let Because::BrownOut { until, .. } = because {
        let seconds = u64::try_from(until.millis_since(now)).unwrap_or_default().div_ceil(1_000);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// More than a share: nothing was done.
pub(super) fn too_many(what: &'static str) -> Response<Body> {
    let mut refusal = text(StatusCode::TOO_MANY_REQUESTS, what);
    refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    refusal
}

/// The session's process is another one, or does not answer: reconnect.
pub(super) fn moved() -> Response<Body> {
    text(StatusCode::SERVICE_UNAVAILABLE, liveagent::INVALID_AFFINITY)
}

/// Marks the answer to a request that its chat did not take: perhaps another node's does.
pub(super) fn untaken(mut answer: Response<Body>) -> Response<Body> {
    answer.extensions_mut().insert(Untaken);
    answer
}

/// JavaScript.
pub(super) fn script(script: String) -> Response<Body> {
    with(StatusCode::OK, SCRIPT, Bytes::from(script))
}

/// Nothing new.
pub(super) fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An object.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => with(status, JSON, Bytes::from(bytes)),
        Err(_) => failed(),
    }
}

fn with(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What an answer needs to know beside the machine's reply.
pub(super) struct Scene<'a> {
    pub(super) chat: ChatId,
    pub(super) behaviour: &'a Behaviour,
    pub(super) affinity: &'a Affinity,
    pub(super) now: Wall,
    pub(super) upload: Upload,
}

/// Where a visitor's file goes, and what lets it in.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) address: String,
    pub(super) token: String,
}

impl Scene<'_> {
    /// The bytes of a reply.
    pub(super) fn answer(&self, reply: &Reply) -> Response<Body> {
        match reply {
            Reply::Ok => ok(),
            Reply::Messages(payload) => json(StatusCode::OK, &self.payload(payload)),
            Reply::Nothing => nothing(),
            Reply::Gone => gone(),
            Reply::Reconnected => {
                let affinity_token = self.affinity.token(self.chat);
                let body = message::ReconnectSession { reset_sequence: true, affinity_token };
                json(StatusCode::OK, &MessagesPayload::single(&body))
            }
            Reply::BadRequest(problem) => text(StatusCode::BAD_REQUEST, *problem),
            Reply::OutOfSync { sent, last } => {
                text(StatusCode::CONFLICT, liveagent::out_of_sync(*sent, *last))
            }
            Reply::Conflict => text(StatusCode::CONFLICT, liveagent::DUPLICATE_POLL),
            Reply::Overloaded => self.failed(),
            Reply::Dropped => untaken(self.failed()),
        }
    }

    fn failed(&self) -> Response<Body> {
        if self.behaviour.failure_is_503 { moved() } else { failed() }
    }

    fn payload(&self, payload: &Payload) -> MessagesPayload {
        let session_data = payload.transcript.as_ref().map(|lines| self.session_data(lines));
        let told = payload.messages.iter().map(|event| self.message(event));
        MessagesPayload {
            messages: session_data.into_iter().chain(told).collect(),
            sequence: Some(payload.sequence),
            offset: Some(payload.offset),
        }
    }

    fn message(&self, event: &AgentEvent) -> Message {
        let typist = |person: &Person| {
            (Some(self.name(person)), Some(self.chat.person(&person.subject).to_string()))
        };
        match event {
            AgentEvent::RequestSuccess { queue_position, wait_seconds } => {
                Message::new(&message::ChatRequestSuccess {
                    connection_timeout: self.behaviour.connection_timeout.as_millis() as i64,
                    estimated_wait_time: *wait_seconds,
                    queue_position: *queue_position,
                    visitor_id: self.chat.to_string(),
                    post_chat_url: self.behaviour.life.post_chat_url.clone(),
                    ..message::ChatRequestSuccess::default()
                })
            }
            AgentEvent::RequestFail { reason } => Message::new(&message::ChatRequestFail {
                reason: reason.as_str().to_owned(),
                post_chat_url: self.behaviour.life.post_chat_url.clone(),
                ..message::ChatRequestFail::default()
            }),
            AgentEvent::QueueUpdate { position, wait_seconds } => {
                let (position, estimated_wait_time) = (*position, *wait_seconds);
                Message::new(&message::QueueUpdate { estimated_wait_time, position })
            }
            AgentEvent::Established { who, menu } => Message::new(&message::ChatEstablished {
                name: self.name(who),
                user_id: self.user_id(who),
                items: menu.iter().map(menu_item).collect(),
                chasitor_idle_timeout: self.idle_timer(),
                ..message::ChatEstablished::default()
            }),
            AgentEvent::Transferred { who, menu } => Message::new(&message::ChatTransferred {
                name: self.name(who),
                user_id: self.user_id(who),
                items: menu.iter().map(menu_item).collect(),
                chasitor_idle_timeout: self.idle_timer(),
                ..message::ChatTransferred::default()
            }),
            AgentEvent::TransferBegan => Message::new(&message::TransferToButtonInitiated {}),
            AgentEvent::Resumed(person) => Message::new(&self.resumed(person)),
            AgentEvent::ConferenceJoined(person) => {
                Message::new(&undocumented::AgentJoinedConference { name: self.name(person) })
            }
            AgentEvent::ConferenceLeft(person) => {
                Message::new(&undocumented::AgentLeftConference { name: self.name(person) })
            }
            AgentEvent::Message { from, text } => Message::new(&message::ChatMessage {
                text: text.as_str().to_owned(),
                name: from.as_ref().map_or_else(|| self.system_name(), |who| self.name(who)),
                schedule: message::Schedule::default(),
                agent_id: from.as_ref().map(|who| self.user_id(who)),
            }),
            AgentEvent::FileTransfer(step) => Message::new(&self.file_transfer(*step)),
            AgentEvent::Options { style, header, items, .. } => {
                Message::new(&options(*style, header.as_ref(), items))
            }
            AgentEvent::Typing(person) => {
                let (name, agent_id) = typist(person);
                Message::new(&message::AgentTyping { name, agent_id })
            }
            AgentEvent::NotTyping(person) => {
                let (name, agent_id) = typist(person);
                Message::new(&message::AgentNotTyping { name, agent_id })
            }
            AgentEvent::Ended { reason } => Message::new(&message::ChatEnded {
                reason: reason.as_str().to_owned(),
                attached_records: Vec::new(),
            }),
        }
    }

    fn resumed(&self, person: &Person) -> undocumented::ChatResumedAfterTransfer {
        let (name, is_transfer_failure, show_rich_avatar) = (self.name(person), true, false);
        undocumented::ChatResumedAfterTransfer { name, is_transfer_failure, show_rich_avatar }
    }

    /// A file that is asked for comes with the address of this bridge's own servlet.
    fn file_transfer(&self, step: FileStep) -> undocumented::FileTransfer {
        let kind = match step {
            FileStep::Requested => "Requested",
            FileStep::Success => "Success",
            FileStep::Failure => "Failure",
            FileStep::Canceled => "Canceled",
        };
        let asked = (step == FileStep::Requested).then_some(&self.upload);
        undocumented::FileTransfer {
            kind: kind.to_owned(),
            upload_servlet_url: asked.map(|upload| upload.address.clone()),
            file_token: asked.map(|upload| upload.token.clone()),
            cdm_servlet_url: asked.map(|upload| upload.address.clone()),
        }
    }

    /// The timer as the client is told of it.
    fn idle_timer(&self) -> message::ChasitorIdleTimeout {
        let seconds = |span: std::time::Duration| Some(span.as_secs() as i64);
        match &self.behaviour.life.idle {
            Some(idle) => message::ChasitorIdleTimeout {
                is_enabled: true,
                warning_time: seconds(idle.warning),
                timeout: seconds(idle.timeout),
            },
            None => message::ChasitorIdleTimeout::default(),
        }
    }

    /// The machine keeps no times of lines, so all carry that of the answer.
    fn session_data(&self, lines: &[Line]) -> Message {
        let entries = lines.iter().enumerate().map(|(at, line)| message::TranscriptEntry {
            kind: if line.from.is_some() { "Agent" } else { "Chasitor" }.to_owned(),
            name: line.from.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
            content: line.text.as_str().to_owned(),
            timestamp: self.now.millis(),
            sequence: at as i64,
        });
        Message::new(&message::ChasitorSessionData {
            chat_messages: entries.collect(),
            ..message::ChasitorSessionData::default()
        })
    }

    /// Never null and never empty: widgets print it.
    fn name(&self, person: &Person) -> String {
        let name = person.name.as_str();
        if name.trim().is_empty() { self.system_name() } else { name.to_owned() }
    }

    fn system_name(&self) -> String {
        self.behaviour.system_name.clone()
    }

    /// Fifteen characters that begin with 005, as strict clients expect; bots get made-up ones.
    fn user_id(&self, person: &Person) -> String {
        let subject = person.subject.as_str();
        let real = subject.starts_with("005") && subject.bytes().all(|b| b.is_ascii_alphanumeric());
        if real && matches!(subject.len(), 15 | 18) {
            return subject[..15].to_owned();
        }
        let hash = self.chat.person(subject).simple().to_string();
        format!("005{}", &hash[..12])
    }
}

/// An entry of a menu; a client names it by its place and `dialogId`.
fn menu_item(entry: &Choice) -> serde_json::Value {
    let title = entry.title.as_str();
    serde_json::json!({ "type": liveagent::FOOTER_MENU, "id": entry.id, "text": title,
        "value": title, "dialogId": entry.id })
}

/// Options as clients that know them read them.
fn options(style: Style, header: Option<&Text>, items: &[Text]) -> undocumented::RichMessage {
    let item = |text: &Text| undocumented::RichItem { text: text.as_str().to_owned() };
    undocumented::RichMessage {
        kind: match style {
            Style::Buttons => "ChatWindowButton".to_owned(),
            Style::Menu => "ChatWindowMenu".to_owned(),
        },
        header: header.map(|text| text.as_str().to_owned()),
        items: items.iter().map(item).collect(),
    }
}
