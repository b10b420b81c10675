//! Faults on demand, and knobs that can be changed while the emulators run.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Clock;

/// The most bytes a request to an emulator may have.
pub(super) const MAX_BODY_BYTES: usize = 8 << 20;

/// What goes wrong with the next requests of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// The operation (`ChatMessage`, `Messages`, `message`, `sse`, …), or `*`.
    pub operation: String,
    /// How many requests are hit; 0 means one.
    pub times: u32,
    /// Answered instead of processing the request.
    pub status: Option<u16>,
    /// The body of that answer.
    pub body: String,
    /// Sent with that answer.
    pub retry_after_seconds: Option<u64>,
    /// Waited before anything else.
    pub delay_millis: u64,
    /// The request is processed and its answer lost with the connection.
    pub drop_response: bool,
    /// The connection breaks before the request is processed.
    pub reset: bool,
}

/// Marks a response that stands for a broken connection; the server closes the socket instead.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionReset;

/// Why knobs were not changed.
#[derive(Debug, thiserror::Error)]
#[error("knobs not changed: {0}; expected an object with members of GET on the same path")]
pub struct KnobsError(#[from] serde_json::Error);

/// Takes the next fault for `operation` from the list.
pub(super) fn take(faults: &mut Vec<Fault>, operation: &str) -> Option<Fault> {
    let at = faults.iter().position(|f| f.operation == "*" || f.operation == operation)?;
    let fault = faults[at].clone();
    if fault.times <= 1 {
        faults.remove(at);
    } else {
        faults[at].times -= 1;
    }
    Some(fault)
}

/// Runs the request, with the fault if there is one.
pub(super) async fn apply(
    fault: Option<Fault>,
    clock: &Clock,
    request: Request,
    next: Next,
) -> Response {
    let Some(fault) = fault else { return next.run(request).await };
    if fault.delay_millis > 0 {
        let wait = std::time::Duration::from_millis(fault.delay_millis);
        clock.until(clock.now().mono.plus(wait)).await;
    }
    if fault.reset {
        return reset();
    }
    if let Some(status) = fault.status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, fault.body).into_response();
        if let Some(seconds) = fault.retry_after_seconds {
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    let response = next.run(request).await;
    if fault.drop_response { reset() } else { response }
}

/// A response that breaks the connection, under our server and, by its failing body, under others.
fn reset() -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = futures_util::stream::iter([Err::<Bytes, _>(broken)]);
    let mut response = Response::new(Body::from_stream(body));
    response.extensions_mut().insert(ConnectionReset);
    response
}

/// The knobs after a JSON merge patch.
fn merged<K>(knobs: &K, patch: &Value) -> Result<K, KnobsError>
where
    K: Serialize + DeserializeOwned,
{
    let mut value = serde_json::to_value(knobs)?;
    match (value.as_object_mut(), patch.as_object()) {
        (Some(members), Some(changes)) => {
            members.extend(changes.iter().map(|(name, change)| (name.clone(), change.clone())));
        }
        _ => value = patch.clone(),
    }
    Ok(serde_json::from_value(value)?)
}

/// A service whose knobs can be read and changed over HTTP.
pub(super) trait Adjustable: Send + Sync + 'static {
    type Knobs: Serialize + DeserializeOwned + Send;
    /// As they are now.
    fn knobs(&self) -> Self::Knobs;
    /// From now on.
    fn adjust(&self, knobs: Self::Knobs);
}

/// `GET` shows the knobs, `POST` merges into them.
pub(super) fn knobs_route<S: Adjustable>() -> MethodRouter<Arc<S>> {
    get(read_knobs::<S>).post(change_knobs::<S>)
}

async fn read_knobs<S: Adjustable>(State(service): State<Arc<S>>) -> Response {
    Json(service.knobs()).into_response()
}

async fn change_knobs<S: Adjustable>(
    State(service): State<Arc<S>>,
    Json(patch): Json<Value>,
) -> Response {
    match merged(&service.knobs(), &patch) {
        Ok(knobs) => {
            let answer = Json(&knobs).into_response();
            service.adjust(knobs);
            answer
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}
