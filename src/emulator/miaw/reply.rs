//! Answers and refusals of the messaging service, and strict reading of requests.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::knobs::Knobs;
use crate::wire::miaw::rest::ErrorBody;

pub(super) fn json<B: Serialize>(status: StatusCode, body: &B) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

pub(super) fn error(status: StatusCode, message: &str, code: &str) -> Response {
    json(status, &ErrorBody { message: message.to_owned(), error_code: code.to_owned() })
}

pub(super) fn bad_request(message: &str) -> Response {
    error(StatusCode::BAD_REQUEST, message, "BAD_REQUEST")
}

pub(super) fn too_many(knobs: &Knobs, wait_seconds: u64) -> Response {
    let message = "The rate limit is exceeded. Try again later.";
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, message, "TOO_MANY_REQUESTS");
    if knobs.retry_after {
        response.headers_mut().insert(RETRY_AFTER, wait_seconds.into());
    }
    response
}

/// Reads a body; in strict mode every member must be in `known` (`a` or `a.b`).
pub(super) fn read<T: DeserializeOwned>(
    knobs: &Knobs,
    body: &[u8],
    known: &[&str],
) -> Result<T, Response> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| bad_request(&format!("not JSON at line {}", error.line())))?;
    let Some(members) = value.as_object() else {
        return Err(bad_request("Specify a JSON object."));
    };
    if knobs.strict_json {
        for (name, member) in members {
            let nested = format!("{name}.");
            let inner = known.iter().any(|path| path.starts_with(&nested));
            let inner = member.as_object().filter(|_| inner).into_iter().flatten();
            let mut paths = vec![name.clone()];
            paths.extend(inner.map(|(member, _)| format!("{nested}{member}")));
            if let Some(unknown) = paths.iter().find(|path| !known.contains(&path.as_str())) {
                return Err(bad_request(&format!("Unknown property {unknown}.")));
            }
        }
    }
    serde_json::from_value(value).map_err(|error| {
        // Only this form names a property without quoting what was sent.
        let text = error.to_string();
        let missing = text.strip_prefix("missing field ");
        bad_request(&missing.map_or_else(
            || "A property is of the wrong type.".to_owned(),
            |field| format!("Specify {field}."),
        ))
    })
}
