//! The desk over HTTP: JSON, a stream of changes, and a page for a person.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{Command, Desk, DeskError};

/// How often a silent stream of changes sends a comment.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(in super::super) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/desk", get(|| async { Redirect::permanent("/desk/") }))
        .route("/desk/", get(|| file("text/html", include_str!("desk.html"))))
        .route("/desk/desk.js", get(|| file("text/javascript", include_str!("desk.js"))))
        .route("/desk/desk.css", get(|| file("text/css", include_str!("desk.css"))))
        .route("/desk/chats", get(chats))
        .route("/desk/chats/{id}", get(chat))
        .route("/desk/chats/{id}/{action}", post(act))
        .route("/desk/events", get(events))
        .with_state(desk)
}

async fn file(kind: &str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, format!("{kind};charset=utf-8"))], text).into_response()
}

async fn chats(State(desk): State<Arc<Desk>>) -> Response {
    Json(json!({ "chats": desk.chats() })).into_response()
}

async fn chat(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    desk.chat(&id).map_or_else(|| refused(DeskError::NoSuchChat), |chat| Json(chat).into_response())
}

async fn act(
    State(desk): State<Arc<Desk>>,
    Path((id, action)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let mut command = match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => members,
        _ if body.is_empty() => serde_json::Map::new(),
        _ => return (StatusCode::BAD_REQUEST, "expected a JSON object or no body").into_response(),
    };
    command.insert("action".to_owned(), Value::from(action));
    match serde_json::from_value::<Command>(Value::Object(command)) {
        Ok(command) => match desk.act(&id, command) {
            Ok(()) => chat(State(desk), Path(id)).await,
            Err(error) => refused(error),
        },
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn refused(error: DeskError) -> Response {
    let status = match error {
        DeskError::NoSuchChat => StatusCode::NOT_FOUND,
        DeskError::NotNow(_) | DeskError::NotHere => StatusCode::CONFLICT,
    };
    (status, error.to_string()).into_response()
}

/// Names each chat that changed; an empty id means that changes were missed.
async fn events(State(desk): State<Arc<Desk>>) -> Response {
    let first = Some(Bytes::from_static(b"event: changed\ndata: {\"id\":\"\"}\n\n"));
    let changes = desk.changes();
    let frames = stream::unfold((first, changes), |(first, mut changes)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, Infallible>(first), (None, changes)));
        }
        let frame = match tokio::time::timeout(KEEP_ALIVE, changes.recv()).await {
            Ok(Ok(id)) => format!("event: changed\ndata: {}\n\n", json!({ "id": id })),
            Ok(Err(RecvError::Lagged(_))) => "event: changed\ndata: {\"id\":\"\"}\n\n".to_owned(),
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) => ": still here\n\n".to_owned(),
        };
        Some((Ok(Bytes::from(frame)), (None, changes)))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}
