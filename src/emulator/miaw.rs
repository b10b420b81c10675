//! Messaging for In-App and Web, API v2, as a Custom Client knows it.
//!
//! Promised: statuses, bodies and the order of events that clients were seen to depend on; strict
//! requests; each open point a knob. Not promised: push devices, transcripts.
#![expect(clippy::result_large_err, reason = "a refusal is the response itself")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use self::knobs::Knobs;
use self::state::Inner;
use super::desk::{Action, Desk, NewChat, Speaker};
use super::faults::{self, MAX_BODY_BYTES};
use crate::clock::Clock;
use crate::random;
use crate::wire::miaw::entry::{
    EntryPayload, FailureType, MessageEntry, ParticipantOperation, QueuePosition, Role,
    RoutingType, SessionStatus, Typing, WorkType,
};
use crate::wire::miaw::message::AbstractMessage;
use crate::wire::miaw::rest::RoutingStatus;
use crate::wire::miaw::{BASE, SSE_PATH};

mod conversation;
mod file;
pub(super) mod knobs;
mod play;
mod reply;
mod state;
mod stream;
mod token;
pub(super) mod verify;

const KNOBS_PATH: &str = "/emulator/miaw/knobs";
/// How many tokens were given: a client of MIAW is to need one for each conversation.
const TOKENS_PATH: &str = "/emulator/miaw/tokens";
const FILES_PATH: &str = "/emulator/miaw/files/";

/// The service.
pub(super) struct Miaw {
    clock: Clock,
    desk: Arc<Desk>,
    secret: [u8; 32],
    inner: Mutex<Inner>,
}

/// What the desk is told once the lock is gone.
enum Effect {
    Opened(NewChat),
    Said { line: String, text: String },
    Typing(bool),
    Ended(Speaker),
}

pub(super) fn router(service: Arc<Miaw>) -> Router {
    Router::new()
        .route(KNOBS_PATH, faults::knobs_route::<Miaw>())
        .route(TOKENS_PATH, get(tokens))
        .fallback(dispatch)
        .layer(from_fn_with_state(service.clone(), gate))
        .with_state(service)
}

async fn tokens(State(service): State<Arc<Miaw>>) -> Response {
    let given = service.lock().tokens_given;
    axum::Json(serde_json::json!({ "given": given })).into_response()
}

impl faults::Adjustable for Miaw {
    type Knobs = Knobs;

    fn knobs(&self) -> Knobs {
        self.lock().knobs.clone()
    }

    fn adjust(&self, knobs: Knobs) {
        self.set(|now| *now = knobs);
    }
}

/// Cross-origin rules and faults around every request.
async fn gate(State(service): State<Arc<Miaw>>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let mut response = if request.method() == Method::OPTIONS {
        preflight(request.headers())
    } else if [KNOBS_PATH, TOKENS_PATH].contains(&request.uri().path()) {
        next.run(request).await
    } else {
        let operation = operation(request.method(), request.uri().path());
        let fault = faults::take(&mut service.lock().knobs.faults, operation);
        faults::apply(fault, &service.clock, request, next).await
    };
    if let Some(origin) = origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let allowed = response.headers_mut();
    allowed.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, DELETE, OPTIONS"),
    );
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// The name of an operation, for faults.
fn operation(method: &Method, path: &str) -> &'static str {
    let rest = path.strip_prefix(BASE).unwrap_or(path);
    let parts: Vec<_> = rest.trim_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        (&Method::POST, ["authorization", "unauthenticated", "access-token"]) => "token",
        (&Method::POST, ["authorization", "authenticated", "access-token"]) => "verified_token",
        (&Method::GET, ["authorization", "continuation-access-token"]) => "continuation",
        (&Method::DELETE, ["authorization", "token" | "revoke-token"])
        | (&Method::POST, ["authorization", "revoke"]) => "revoke",
        (&Method::POST, ["conversation"]) => "create",
        (&Method::GET, ["conversation", "list"]) => "list",
        (&Method::GET, ["conversation", _]) => "status",
        (&Method::DELETE, ["conversation", _]) => "close",
        (&Method::DELETE, ["conversation", _, "session"]) => "end_session",
        (&Method::POST, ["conversation", _, "message"]) => "message",
        (&Method::POST, ["conversation", _, "file"]) => "file",
        (&Method::POST, ["conversation", _, "entry"]) => "entry",
        (&Method::POST, ["conversation", _, "acknowledge-entries"]) => "acknowledge",
        (&Method::GET, ["conversation", _, "entries"]) => "entries",
        (&Method::GET, ["conversation", _, "transcript"]) => "transcript",
        (&Method::GET, _) if path == SSE_PATH => "sse",
        (&Method::GET, _) if path.starts_with(FILES_PATH) => "download",
        (
            _,
            ["authorization", ..]
            | ["conversation"]
            | [
                "conversation",
                _,
                "session" | "message" | "file" | "entry" | "entries" | "acknowledge-entries",
            ],
        ) => "wrong_method",
        _ => "",
    }
}

async fn dispatch(State(service): State<Arc<Miaw>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let operation = operation(&parts.method, path);
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let id = path.strip_prefix(BASE).and_then(|rest| rest.strip_prefix("/conversation/"));
    let id = id.map_or("", |rest| rest.split('/').next().unwrap_or_default());
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    match operation {
        "token" => return service.mint(&body).unwrap_or_else(|refusal| refusal),
        "verified_token" => return service.mint_verified(&body).unwrap_or_else(|refusal| refusal),
        "download" => return service.download(path.strip_prefix(FILES_PATH).unwrap_or_default()),
        "sse" => return service.stream(&parts.headers),
        "wrong_method" => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
        "" => return reply::error(StatusCode::NOT_FOUND, "There is no such path.", "NOT_FOUND"),
        _ => {}
    }
    let caller = match service.caller(&parts.headers) {
        Ok(caller) => caller,
        Err(text) => return (StatusCode::UNAUTHORIZED, text).into_response(),
    };
    let answer = match operation {
        "continuation" => service.continuation(caller),
        "revoke" => Ok(service.revoke(&caller)),
        "create" => service.create(&caller, &body),
        "list" => Ok(service.list(&caller, &query)),
        "status" => service.status(&caller, id),
        "close" => service.close(&caller, id, &query, true),
        "end_session" => service.close(&caller, id, &query, false),
        "message" => service.message(&caller, id, &body),
        "file" => service.file(&caller, id, &parts.headers, &body),
        "entry" => service.typing(&caller, id, &body),
        "acknowledge" => service.acknowledge(&caller, id, &body),
        "entries" => service.entries(&caller, id, &query),
        _ => Ok(reply::error(
            StatusCode::FORBIDDEN,
            "Transcript download is turned off for this deployment.",
            "FORBIDDEN",
        )),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

impl Miaw {
    pub(super) fn new(clock: Clock, desk: Arc<Desk>) -> Self {
        // Ids start where a recorded answer's did, so that nobody takes them for small numbers.
        let inner = Inner { last_event: 2_147_867_834, ..Inner::default() };
        Self { clock, desk, secret: random::bytes(), inner: Mutex::new(inner) }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Knobs)) {
        let inner = &mut *self.lock();
        change(&mut inner.knobs);
        if std::mem::take(&mut inner.knobs.drop_streams) {
            inner.stream_epoch += 1;
        }
        // Streams look at the knobs again.
        for subject in inner.subjects.values() {
            subject.version.send_modify(|version| *version += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn perform(&self, id: &str, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Opened(chat) => self.desk.opened(chat),
                Effect::Said { line, text } => self.desk.visitor_said(id, &line, &text),
                Effect::Typing(on) => self.desk.visitor_typing(id, on),
                Effect::Ended(by) => self.desk.ended(id, by),
            }
        }
    }

    /// Shows the visitor what an agent did.
    pub(super) fn act(&self, id: &str, action: Action) {
        let now = self.clock.now();
        let mut inner = self.lock();
        let Some(conversation) = inner.conversations.get_mut(id) else { return };
        match action {
            Action::Accept(agent) => {
                conversation.agent = Some(agent.clone());
                conversation.routing = RoutingStatus::Routed;
                inner.announce_work(id, now, WorkType::Assigned);
                inner.announce_work(id, now, WorkType::Accepted);
                inner.announce_status(id, now, SessionStatus::Active, None);
                inner.announce_participant(id, now, ParticipantOperation::Add, &agent);
            }
            Action::Decline => {
                conversation.routing = RoutingStatus::NeedsRouting;
                inner.announce_work(id, now, WorkType::Declined);
                let (kind, failure) = (RoutingType::Initial, FailureType::RoutingError);
                inner.announce_routing(id, now, kind, failure, "No agents are available");
                inner.announce_status(id, now, SessionStatus::Error, None);
            }
            Action::Say { id: line, agent, text } => {
                let message = MessageEntry {
                    abstract_message: AbstractMessage::text(&line, &text),
                    message_reason: None,
                };
                let payload = EntryPayload::Message(Box::new(message));
                inner.publish(id, now, state::agent(&agent), &payload, &line);
            }
            Action::Typing { agent, on } => {
                let typing = Typing { timestamp: Some(now.wall.millis()) };
                let payload = if on {
                    EntryPayload::TypingStarted(typing)
                } else {
                    EntryPayload::TypingStopped(typing)
                };
                let entry = random::uuid().to_string();
                inner.publish(id, now, state::agent(&agent), &payload, &entry);
            }
            Action::Transfer { from, to } => {
                conversation.agent = Some(to.clone());
                conversation.routing = RoutingStatus::Transfer;
                let (kind, failure) = (RoutingType::Transfer, FailureType::None);
                inner.announce_routing(id, now, kind, failure, "");
                inner.announce_participant(id, now, ParticipantOperation::Remove, &from);
                inner.announce_work(id, now, WorkType::Assigned);
                inner.announce_work(id, now, WorkType::Accepted);
                inner.announce_participant(id, now, ParticipantOperation::Add, &to);
                if let Some(conversation) = inner.conversations.get_mut(id) {
                    conversation.routing = RoutingStatus::Routed;
                }
            }
            Action::End => inner.end_session(id, now, &Role::Agent),
            Action::Queue { position, .. } => {
                let work_item_id = inner.record(id);
                let queue = QueuePosition {
                    pending_service_routing_id: None,
                    work_item_id,
                    position: Some(position),
                };
                inner.announce(id, now, &EntryPayload::QueuePosition(queue));
            }
        }
    }
}

/// The window of the documented limit on visitor messages.
const MINUTE: Duration = Duration::from_secs(60);
