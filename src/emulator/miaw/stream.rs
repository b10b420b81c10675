//! The event stream: replay, pings, and streams that break on demand.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;

use super::Miaw;
use super::knobs::UnauthorizedBody;
use crate::time::Mono;
use crate::wire::miaw::{LAST_EVENT_ID, ORG_ID, ORG_MISMATCH, SSE_PATH};

const PING: &str = "event: ping\ndata: 0\n\n";
const FOREVER: Duration = Duration::from_secs(86_400);

/// One open stream.
struct Stream {
    service: Arc<Miaw>,
    subject: String,
    expires: Mono,
    cursor: u64,
    epoch: u64,
    opened: Mono,
    next_ping: Mono,
    sent: u64,
    version: watch::Receiver<u64>,
}

enum Turn {
    Send(String),
    Wait(Mono),
    End,
}

impl Miaw {
    pub(super) fn stream(self: &Arc<Self>, headers: &HeaderMap) -> Response {
        let now = self.clock.now();
        let caller = match self.caller(headers) {
            Ok(caller) => caller,
            Err(text) => return self.unauthorized(text),
        };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if text(ORG_ID) != Some(&caller.org) {
            return (StatusCode::BAD_REQUEST, ORG_MISMATCH).into_response();
        }
        let inner = self.lock();
        let Some(subject) = inner.subjects.get(&caller.subject) else {
            return StatusCode::UNAUTHORIZED.into_response();
        };
        let resume = text(LAST_EVENT_ID).and_then(|id| id.trim().parse().ok());
        let stream = Stream {
            service: self.clone(),
            expires: caller.expires,
            cursor: resume.unwrap_or(subject.last_event),
            epoch: inner.stream_epoch,
            opened: now.mono,
            next_ping: now.mono,
            sent: 0,
            version: subject.version.subscribe(),
            subject: caller.subject,
        };
        drop(inner);
        let frames = stream::unfold(stream, |mut stream| async move {
            let frame = stream.next().await?;
            Some((Ok::<_, Infallible>(Bytes::from(frame)), stream))
        });
        let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
        (headers, Body::from_stream(frames)).into_response()
    }

    fn unauthorized(&self, text: &'static str) -> Response {
        match self.lock().knobs.sse_401 {
            UnauthorizedBody::Text => (StatusCode::UNAUTHORIZED, text).into_response(),
            UnauthorizedBody::Spring => {
                let at = self.clock.now().wall;
                let members = r#""status":401,"error":"Unauthorized","path""#;
                let body = format!(r#"{{"timestamp":"{at}",{members}:"{SSE_PATH}"}}"#);
                let headers = [(CONTENT_TYPE, "application/json")];
                (StatusCode::UNAUTHORIZED, headers, body).into_response()
            }
        }
    }
}

impl Stream {
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.turn() {
                Turn::Send(frame) => return Some(frame),
                Turn::End => return None,
                Turn::Wait(until) => tokio::select! {
                    biased;
                    // Fails when the subject is gone, which the next turn sees.
                    _ = self.version.changed() => {}
                    () = self.service.clock.until(until) => {}
                },
            }
        }
    }

    fn turn(&mut self) -> Turn {
        let now = self.service.clock.now().mono;
        let inner = self.service.lock();
        let knobs = &inner.knobs;
        let after = |millis: u64, since: Mono| match millis {
            0 => now.plus(FOREVER),
            millis => since.plus(Duration::from_millis(millis)),
        };
        let drop_at = after(knobs.drop_after_millis, self.opened);
        let used_up = knobs.drop_after_events > 0 && self.sent >= knobs.drop_after_events;
        if now >= self.expires || now >= drop_at || used_up || inner.stream_epoch != self.epoch {
            return Turn::End;
        }
        let Some(subject) = inner.subjects.get(&self.subject) else { return Turn::End };
        // Marked before looking, so that no change is missed.
        self.version.mark_unchanged();
        if let Some(event) = subject.events.iter().find(|event| event.id > self.cursor) {
            self.cursor = event.id;
            self.sent += 1;
            let copies = if knobs.duplicate_events { 2 } else { 1 };
            return Turn::Send(event.frame.repeat(copies));
        }
        if knobs.ping_millis > 0 && now >= self.next_ping {
            self.next_ping = after(knobs.ping_millis, now);
            return Turn::Send(PING.to_owned());
        }
        let ping = if knobs.ping_millis > 0 { self.next_ping } else { now.plus(FOREVER) };
        Turn::Wait(ping.min(drop_at).min(self.expires))
    }
}
