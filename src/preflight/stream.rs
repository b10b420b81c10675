//! The event stream: reached with the token, and not held back on its way.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::token::Minted;
use super::{Findings, Live, Told, reach};
use crate::adapter::transport::LongLived;
use crate::config::Tenant;
use crate::wire::miaw::{LAST_EVENT_ID, ORG_ID, SSE_PATH};
use crate::wire::sse::SseParser;

pub(super) async fn listen(live: &Live, tenant: &Tenant, token: &Minted, found: &mut Findings) {
    let mut request = Request::get(format!("{}{SSE_PATH}", tenant.miaw.base_url))
        .header(header::ACCEPT, "text/event-stream")
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::AUTHORIZATION, format!("Bearer {}", token.bearer.0))
        .header(ORG_ID, &tenant.miaw.organization_id);
    if let Some(after) = &token.last_event_id {
        request = request.header(LAST_EVENT_ID, after);
    }
    let Ok(request) = request.extension(LongLived).body(Bytes::new()) else { return };
    let started = live.clock.now().mono;
    let answer = live.transport.send(request, live.wait.max(live.answer_within)).await;
    let (code, message, help) = match answer {
        Err(error) => {
            let (what, help) = reach::plainly(&error, &tenant.miaw.base_url);
            (None, format!("could not reach the event stream: {what} ({error})"), help)
        }
        Ok(answer) => match refusal(&answer) {
            Some(message) => {
                (None, message, "the token is new: look for a proxy that changes headers")
            }
            None => {
                let via = answer.headers().get(header::VIA).and_then(|via| via.to_str().ok());
                let via = via.map(|via| format!("; in between: {via}")).unwrap_or_default();
                let Some(what) = held_back(answer, live.wait).await else {
                    let waited = live.clock.now().mono.since(started).as_secs();
                    found.saw("event stream", format!("first event after {waited} s"));
                    return;
                };
                let message = format!("a proxy seems to buffer the event stream: {what}{via}");
                let help = "turn buffering off for text/event-stream in the proxy on the way out";
                (Some("NW801"), message, help)
            }
        },
    };
    let expected = "200, text/event-stream, and a ping in time";
    let help = help.to_owned();
    found.problem(Told { key: "miaw.base_url", code, message, expected, help });
}

/// Why no event came in time; `None` when one did.
async fn held_back(answer: Response<Body>, wait: Duration) -> Option<String> {
    let (mut body, mut parser, mut bytes) = (answer.into_body(), SseParser::new(), false);
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            bytes |= !data.is_empty();
            if parser.push(&data).is_ok_and(|events| !events.is_empty()) {
                return true;
            }
        }
        false
    };
    let seconds = wait.as_secs();
    match timeout(wait, read).await {
        Ok(true) => None,
        Ok(false) => Some("it was closed before its first event".to_owned()),
        Err(_) if bytes => Some(format!("bytes came, but no event within {seconds} s")),
        Err(_) => Some(format!("its head came, but no byte within {seconds} s")),
    }
}

/// What is wrong with the head of the answer.
fn refusal(answer: &Response<Body>) -> Option<String> {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match answer.status() {
        StatusCode::OK if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) => None,
        StatusCode::OK => Some("the event stream has another content type".to_owned()),
        status => Some(format!("the event stream is answered {status}")),
    }
}
