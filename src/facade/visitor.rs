//! The nouns that need no session: Availability, Settings, VisitorId.
//!
//! Promised: ids come back exactly as asked for, in the order asked. MIAW tells nothing about
//! availability before a conversation exists, so every button is available.

use axum::body::Body;
use http::{Response, StatusCode};
use uuid::Uuid;

use super::call::Call;
use super::reply;
use crate::wire::liveagent::message::{
    Availability, AvailabilityResult, ButtonSettings, Settings, VisitorId,
};
use crate::wire::liveagent::{MessageBody, MessagesPayload};

/// Milliseconds between two pings of a browser script; what Salesforce's own script uses.
const PING_RATE: i64 = 50_000;
/// Ids that are answered at most.
const IDS_MAX: usize = 200;
/// The estimated wait in seconds while none is known.
const UNKNOWN_WAIT: i64 = -1;

pub(super) fn availability(call: &Call<'_>) -> Response<Body> {
    let estimated_wait_time = wait(call, "Availability.needEstimatedWaitTime");
    let results = call
        .list("Availability.ids")
        .into_iter()
        .take(IDS_MAX)
        .map(|id| AvailabilityResult { id, is_available: Some(true), estimated_wait_time });
    envelope(&Availability { results: results.collect() })
}

pub(super) fn settings(call: &Call<'_>) -> Response<Body> {
    let estimated_wait_time = wait(call, "Settings.needEstimatedWaitTime");
    let buttons = call.list("Settings.buttonIds").into_iter().take(IDS_MAX).map(|id| {
        let (kind, language) = ("Standard".to_owned(), "en_US".to_owned());
        ButtonSettings { id, kind, language, is_available: Some(true), estimated_wait_time }
    });
    envelope(&Settings {
        ping_rate: PING_RATE,
        content_server_url: String::new(),
        buttons: buttons.collect(),
    })
}

pub(super) fn visitor_id() -> Response<Body> {
    envelope(&VisitorId { session_id: Uuid::new_v4().to_string() })
}

/// The wait, only when it was asked for.
fn wait(call: &Call<'_>, name: &str) -> Option<i64> {
    let asked = call.parameter(name)?;
    matches!(asked.trim(), "1" | "true").then_some(UNKNOWN_WAIT)
}

fn envelope<B: MessageBody>(body: &B) -> Response<Body> {
    reply::json(StatusCode::OK, &MessagesPayload::single(body))
}
