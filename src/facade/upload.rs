//! Files of the visitor: the upload servlet that a `FileTransfer` message names (live-agent.md 6).
//!
//! Promised: who has no fresh token of the chat uploads nothing; size and type are looked at before
//! anybody is asked; the body is `Success` or `Failure` alone, as clients compare it. Nothing but
//! the part `file` and the query is needed. Not promised: that the file reaches an agent, which is
//! what [`Uploads`] answers.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use multer::{Constraints, Multipart, SizeLimit};
use std::time::Duration;
use uuid::Uuid;

use super::call::Call;
use super::{Facade, reply, route};
use crate::adapter::VisitorFile;
use crate::chat::ids::ChatId;
use crate::config::{FILE_TYPES, Limits};

const SUCCESS: &str = "Success";
const FAILURE: &str = "Failure";
/// Parts that a form may have; clients send up to five.
const PARTS_MAX: usize = 16;
/// What a form may hold besides the file, in bytes.
const OTHER_PARTS_BYTES: u64 = 64 * 1024;
/// Uploads at once; each holds its file in memory.
const UPLOADS_MAX: usize = 16;
/// The longest name of a file, in characters.
const NAME_MAX: usize = 255;

static UPLOADS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(UPLOADS_MAX);

/// What is read of an upload at the most, in bytes.
pub(super) fn body_bytes_max(limits: &Limits) -> usize {
    limits.upload_bytes.saturating_add(OTHER_PARTS_BYTES as usize)
}

/// The answer to an upload that there is no room for, or whose chat nobody has.
pub(super) fn busy() -> Response<Body> {
    reply::text(StatusCode::SERVICE_UNAVAILABLE, FAILURE)
}

/// One upload.
pub(super) async fn answer(facade: &Facade, call: &Call<'_>, body: Body) -> Response<Body> {
    if *call.method != Method::POST {
        return route::wrong_method("POST");
    }
    let Some(chat) = chat(facade, call) else {
        return reply::text(StatusCode::FORBIDDEN, FAILURE);
    };
    let Ok(_turn) = UPLOADS.try_acquire() else {
        return busy();
    };
    let limits = &facade.config.limits;
    let within = Duration::from_secs(limits.request_body_seconds as u64);
    let read = tokio::time::timeout(within, file(call, body, limits.upload_bytes));
    let file = match read.await {
        Ok(Ok(file)) => file,
        Ok(Err(status)) => return reply::text(status, FAILURE),
        Err(_) => return reply::text(StatusCode::REQUEST_TIMEOUT, FAILURE),
    };
    let within = Duration::from_secs(limits.call_seconds as u64);
    let handed = facade.uploads.upload(&call.tenant.id, chat, file);
    let took = tokio::time::timeout(within, handed).await.unwrap_or(false);
    reply::text(StatusCode::OK, if took { SUCCESS } else { FAILURE })
}

/// The chat that a `chatKey` names. One client sends the whole session key.
pub(super) fn chat_of(key: &str) -> Option<ChatId> {
    let id = key.split('!').next().unwrap_or_default();
    Some(ChatId(Uuid::try_parse(id).ok()?))
}

/// The chat of `chatKey`, when `fileToken` is its own.
pub(super) fn chat(facade: &Facade, call: &Call<'_>) -> Option<ChatId> {
    let chat = chat_of(&call.parameter("chatKey")?)?;
    let token = call.parameter("fileToken")?;
    let now = facade.clock.now().wall;
    facade.keys.opens_file(&call.tenant.id, chat, &token, now).then_some(chat)
}

/// The part `file`, looked at.
async fn file(call: &Call<'_>, body: Body, max: usize) -> Result<VisitorFile, StatusCode> {
    let kind = call.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = multer::parse_boundary(kind.unwrap_or_default());
    let boundary = boundary.map_err(|_| StatusCode::BAD_REQUEST)?;
    let sizes = SizeLimit::new().whole_stream(max as u64 + OTHER_PARTS_BYTES);
    let sizes = sizes.per_field(OTHER_PARTS_BYTES).for_field("file", max as u64);
    let limits = Constraints::new().size_limit(sizes);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, limits);
    for _ in 0..PARTS_MAX {
        let Some(part) = form.next_field().await.map_err(|error| status(&error))? else {
            return Err(StatusCode::BAD_REQUEST);
        };
        if part.name() == Some("file") {
            let name = name(part.file_name().unwrap_or_default());
            let told = part.content_type().map(|kind| kind.essence_str().to_ascii_lowercase());
            let types = call.tenant.behaviour.content.file_types.as_deref();
            let kind = kind_of(told, &name, types).ok_or(StatusCode::UNSUPPORTED_MEDIA_TYPE)?;
            let bytes: Bytes = part.bytes().await.map_err(|error| status(&error))?;
            if bytes.is_empty() {
                return Err(StatusCode::BAD_REQUEST);
            }
            return Ok(VisitorFile { name, kind, bytes });
        }
        // What other parts hold is of no use, but it must be read to get past it.
        part.bytes().await.map_err(|error| status(&error))?;
    }
    Err(StatusCode::BAD_REQUEST)
}

const fn status(error: &multer::Error) -> StatusCode {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The last segment of a file's name, without control characters.
fn name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    if name.trim().is_empty() { "file".to_owned() } else { name }
}

/// The type of a file, if it may be sent: as told, or by its name.
fn kind_of(told: Option<String>, name: &str, types: Option<&[String]>) -> Option<String> {
    let taken = |extension: &str| types.is_none_or(|types| types.iter().any(|t| t == extension));
    let mut known = FILE_TYPES.iter().filter(|(extension, _)| taken(extension));
    let found = match told.filter(|told| told != "application/octet-stream") {
        Some(told) => known.find(|(_, kind)| *kind == told),
        None => {
            let (_, named) = name.rsplit_once('.')?;
            known.find(|(extension, _)| named.eq_ignore_ascii_case(extension))
        }
    };
    found.map(|(_, kind)| (*kind).to_owned())
}
