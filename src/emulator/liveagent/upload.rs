//! Files that an agent asks for: `FileTransfer`, and the servlet that takes them.
//!
//! Promised: the chat's key and the token authorise, as in the real service; one file at a time.

use axum::response::Response;
use http::StatusCode;

use super::session::Session;
use super::{LiveAgent, forbidden, text};
use crate::random;
use crate::wire::liveagent::message::FileTransfer;

/// Where files go, on the service's own host.
pub(super) const SERVLET: &str = "/content/servlet/fileupload";
/// The largest file; a client of Salesforce's own stops there.
const FILE_BYTES_MAX: usize = 2_411_724;

/// Asks the visitor for a file, unless one is asked for already.
pub(super) fn request(session: &mut Session) {
    if session.file_token.is_some() {
        return;
    }
    let (token, base) = (random::uuid().simple().to_string(), session.origin.clone());
    session.file_token = Some(token.clone());
    session.push(&FileTransfer {
        kind: "Requested".to_owned(),
        upload_servlet_url: Some(format!("{base}{SERVLET}")),
        file_token: Some(token),
        cdm_servlet_url: Some(format!("{base}/content/servlet/cdm")),
    });
}

impl LiveAgent {
    /// A file from the visitor.
    pub(super) fn upload(&self, query: &[(String, String)], body: &[u8]) -> Response {
        let value = |name: &str| {
            let pair = query.iter().find(|(key, _)| key == name);
            pair.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let (id, token) = (value("chatKey"), value("fileToken"));
        let file = file(body).filter(|file| !file.is_empty() && file.len() <= FILE_BYTES_MAX);
        let named = part(body, b"name=\"chatKey\"").is_none_or(|named| named == id.as_bytes());
        {
            let mut inner = self.lock();
            let Some(session) = inner.sessions.get_mut(id) else { return forbidden() };
            if token.is_empty() || session.file_token.as_deref() != Some(token) || !named {
                return forbidden();
            }
            session.file_token = None;
            let kind = if file.is_some() { "Success" } else { "Failure" }.to_owned();
            session.push(&FileTransfer { kind, ..FileTransfer::default() });
        }
        let Some(file) = file else { return text(StatusCode::OK, "Failure") };
        self.desk.visitor_said(id, token, &format!("[file of {} bytes]", file.len()));
        text(StatusCode::OK, "Success")
    }
}

fn file(body: &[u8]) -> Option<&[u8]> {
    part(body, b"name=\"file\"")
}

/// The content of one part of a form; its boundary is the form's first line.
fn part<'b>(body: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
    let boundary = body.split(|byte| *byte == b'\r').next()?;
    let at = find(body, name)?;
    let start = at + find(&body[at..], b"\r\n\r\n")? + 4;
    let end = find(&body[start..], boundary)?;
    body[start..start + end].strip_suffix(b"\r\n")
}

fn find(body: &[u8], what: &[u8]) -> Option<usize> {
    body.windows(what.len().max(1)).position(|window| window == what)
}
