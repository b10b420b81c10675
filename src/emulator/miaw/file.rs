//! File upload, and the address the agent's side would fetch the file from.
//!
//! Promised: one `messageEntry`, one `fileData`, 413 and 415. Not promised: general multipart.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::conversation::deployment;
use super::reply::{bad_request, error, json};
use super::token::Caller;
use super::{FILES_PATH, Miaw};
use crate::wire::miaw::is_lower_v4;
use crate::wire::miaw::message::{
    AbstractMessage, Attachment, FormatType, MessageType, StaticContent,
};
use crate::wire::miaw::rest::SendMessage;

/// The most files kept; beyond it upload meets 412.
const MAX_FILES: usize = 200;

const TYPES: [&str; 13] = [
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "application/pdf",
    "text/csv",
    "text/plain",
    "application/msword",
    "application/xml",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    message: EntryMessage,
    es_developer_name: String,
    is_new_messaging_session: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryMessage {
    id: String,
    file_id: String,
    text: Option<String>,
}

struct Part<'b> {
    head: String,
    body: &'b [u8],
}

impl Miaw {
    pub(super) fn file(
        &self,
        caller: &Caller,
        id: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Response, Response> {
        let now = self.clock.now();
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = kind.filter(|kind| kind.starts_with("multipart/form-data"));
        let boundary = boundary.and_then(|kind| kind.split("boundary=").nth(1));
        let boundary = boundary.ok_or_else(|| bad_request("Specify multipart/form-data."))?;
        let parts = split(body, boundary.trim_matches('"'));
        let named = |name: &str| {
            let name = format!("name=\"{name}\"");
            parts.iter().find(|part| part.head.contains(&name))
        };
        let entry = named("messageEntry").ok_or_else(|| bad_request("Specify messageEntry."))?;
        let data = named("fileData").ok_or_else(|| bad_request("Specify fileData."))?;
        let entry: Entry = serde_json::from_slice(entry.body)
            .map_err(|_| bad_request("A property of messageEntry is of the wrong type."))?;
        deployment(caller, &entry.es_developer_name)?;
        if !is_lower_v4(&entry.message.id) || !is_lower_v4(&entry.message.file_id) {
            return Err(bad_request("Specify the message id in UUID format."));
        }
        let mut effects = Vec::new();
        let sent = {
            let inner = &mut *self.lock();
            if data.body.len() > inner.knobs.max_file_bytes {
                let message = "The attachment is too large.";
                return Err(error(StatusCode::PAYLOAD_TOO_LARGE, message, "PAYLOAD_TOO_LARGE"));
            }
            let (kind, name) = described(&data.head);
            if !TYPES.contains(&kind.as_str()) {
                let message = "The attachment's type is not allowed.";
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(error(status, message, "UNSUPPORTED_MEDIA_TYPE"));
            }
            if inner.files.len() >= MAX_FILES {
                let message = "The org's file storage is full.";
                return Err(error(StatusCode::PRECONDITION_FAILED, message, "PRECONDITION_FAILED"));
            }
            let file_id = entry.message.file_id;
            let (line, text) = (entry.message.id, entry.message.text);
            let url = format!("{FILES_PATH}{file_id}");
            let message = message(line, text, &file_id, name, &kind, url);
            let request = SendMessage {
                message,
                es_developer_name: entry.es_developer_name,
                is_new_messaging_session: entry.is_new_messaging_session,
                routing_attributes: None,
                language: None,
            };
            let sent = self.send(inner, caller, id, request, now, &mut effects)?;
            inner.files.insert(file_id, (kind, data.body.to_vec()));
            sent
        };
        self.perform(id, effects);
        Ok(json(StatusCode::ACCEPTED, &sent))
    }

    pub(super) fn download(&self, id: &str) -> Response {
        match self.lock().files.get(id) {
            Some((kind, bytes)) => ([(CONTENT_TYPE, kind.clone())], bytes.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// The message that carries a stored file.
pub(super) fn message(
    id: String,
    text: Option<String>,
    file_id: &str,
    name: String,
    kind: &str,
    url: String,
) -> AbstractMessage {
    let attachment = Attachment {
        id: Some(file_id.to_owned()),
        name: Some(name),
        mime_type: Some(kind.to_owned()),
        url: Some(url),
        reference_id: None,
    };
    AbstractMessage {
        message_type: MessageType::StaticContent,
        id,
        static_content: Some(StaticContent {
            format_type: FormatType::Attachments,
            text,
            attachments: Some(vec![attachment]),
            ..StaticContent::default()
        }),
        ..AbstractMessage::default()
    }
}

/// The type and the file name of a part.
fn described(head: &str) -> (String, String) {
    let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with("content-type:"));
    let kind = line.and_then(|line| line.split_once(':')).map_or("", |(_, kind)| kind.trim());
    let kind = kind.split(';').next().unwrap_or_default().to_ascii_lowercase();
    let name = head.split("filename=\"").nth(1).and_then(|rest| rest.split('"').next());
    (kind, name.unwrap_or("file").to_owned())
}

fn split<'b>(body: &'b [u8], boundary: &str) -> Vec<Part<'b>> {
    let delimiter = format!("--{boundary}");
    let mut starts: Vec<usize> = Vec::new();
    let mut from = 0;
    while let Some(at) = find(&body[from..], delimiter.as_bytes()) {
        starts.push(from + at);
        from += at + delimiter.len();
    }
    let between = starts.windows(2).map(|pair| &body[pair[0] + delimiter.len()..pair[1]]);
    between
        .filter_map(|part| {
            let head_end = find(part, b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&part[..head_end]).trim().to_owned();
            let body = &part[head_end + 4..];
            Some(Part { head, body: body.strip_suffix(b"\r\n").unwrap_or(body) })
        })
        .collect()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
