//! The event stream of one chat (miaw.md 6): opened, read and watched.
//!
//! Promised: events come in order with their ids; a stream that is silent for too long, broken or
//! refused ends with exactly one word about why. Opening it again is the core's decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Endpoint;
use crate::adapter::transport::{LongLived, Transport};
use crate::chat::text::Secret;
use crate::chat::translate::read_event;
use crate::chat::{Input, Lost};
use crate::wire::miaw::event::EventName;
use crate::wire::miaw::{LAST_EVENT_ID, ORG_ID, SSE_PATH};
use crate::wire::sse::SseParser;

/// Opening a stream may take this long.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// What one stream is to be opened with.
#[derive(Clone)]
pub struct Attachment {
    /// Where.
    pub endpoint: Endpoint,
    /// As whom.
    pub bearer: Secret,
    /// `Last-Event-ID`.
    pub after: Option<String>,
    /// Only events of this conversation mean anything.
    pub conversation: String,
    /// A silence this long ends it.
    pub silence: Duration,
    /// Counts events of types that are not known.
    pub unknown: Arc<AtomicU64>,
}

/// Opens a stream in the background; dropping the handle closes it.
pub fn open(
    transport: Arc<dyn Transport>,
    attachment: Attachment,
    events: mpsc::Sender<Input>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let lost = match head(&attachment) {
            Some(request) => match transport.send(request, OPEN_WITHIN).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    read(answer.into_body(), &attachment, &events).await
                }
                Ok(answer) => Lost::Status(answer.status().as_u16()),
                Err(error) => {
                    tracing::debug!(cause = %error, "an event stream could not be opened");
                    Lost::Broken
                }
            },
            None => Lost::Broken,
        };
        // The chat may be over; then nobody listens.
        let _ = events.send(Input::StreamLost(lost)).await;
    }))
}

fn head(attachment: &Attachment) -> Option<Request<Bytes>> {
    let mut request = Request::get(format!("{}{SSE_PATH}", attachment.endpoint.base_url))
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::AUTHORIZATION, format!("Bearer {}", attachment.bearer.0))
        .header(ORG_ID, &attachment.endpoint.org_id);
    if let Some(after) = &attachment.after {
        request = request.header(LAST_EVENT_ID, after);
    }
    request.extension(LongLived).body(Bytes::new()).ok()
}

async fn read(
    mut body: axum::body::Body,
    attachment: &Attachment,
    events: &mpsc::Sender<Input>,
) -> Lost {
    if events.send(Input::StreamOpen).await.is_err() {
        return Lost::Broken;
    }
    let mut parser = match &attachment.after {
        Some(after) => SseParser::resuming(after),
        None => SseParser::new(),
    };
    loop {
        let frame = match tokio::time::timeout(attachment.silence, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_)) | None) => return Lost::Broken,
            Err(_) => {
                tracing::info!("an event stream was silent for too long and is opened anew");
                return Lost::Broken;
            }
        };
        let Ok(bytes) = frame.into_data() else { continue };
        let Ok(read) = parser.push(&bytes) else {
            tracing::warn!("an event stream broke its limits and is opened anew");
            return Lost::Broken;
        };
        for event in &read {
            if let EventName::Unknown(name) = EventName::from(event.event.as_str()) {
                attachment.unknown.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(name, "an event of a type that is not known is passed over");
            }
        }
        for happening in read.iter().flat_map(|event| read_event(event, &attachment.conversation)) {
            if events.send(Input::Upstream(happening)).await.is_err() {
                return Lost::Broken;
            }
        }
    }
}
