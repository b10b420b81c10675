//! Requests and answers as a person reads them: the first line, the headers that mean something
//! here, the body.
//!
//! Promised: nothing longer than [`SHOWN_BYTES`] is kept; tokens are shortened, so that they can be
//! recognized and not used. Only the demo shows contents; the bridge itself never does.

use http::{HeaderMap, StatusCode, Version, request};

/// How much of a body is kept.
const SHOWN_BYTES: usize = 16 * 1024;
/// How much of a token is shown.
const TOKEN_CHARS: usize = 24;
/// What browsers and HTTP clients add by themselves, and what this server does.
const LEFT_OUT: [&str; 15] = [
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "date",
    "dnt",
    "host",
    "origin",
    "pragma",
    "referer",
    "transfer-encoding",
    "user-agent",
    "vary",
    "x-demo-chat",
];

/// A request.
pub(super) fn request(head: &request::Parts, body: &[u8]) -> String {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    text(format!("{} {path}", head.method), &head.headers, body)
}

/// An answer.
pub(super) fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    text(format!("{:?} {status}", Version::HTTP_11), headers, body)
}

fn text(mut out: String, headers: &HeaderMap, body: &[u8]) -> String {
    let own = |name: &str| name.starts_with("sec-") || name.starts_with("access-control-");
    for (name, value) in headers {
        let name = name.as_str();
        if own(name) || LEFT_OUT.contains(&name) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = match name {
            "authorization" => shortened(&value),
            _ => value.into_owned(),
        };
        out.push_str(&format!("\n{name}: {value}"));
    }
    if !body.is_empty() {
        let shown = body.get(..SHOWN_BYTES).unwrap_or(body);
        out.push_str("\n\n");
        out.push_str(&String::from_utf8_lossy(shown));
        if shown.len() < body.len() {
            out.push_str(&format!("\n… and {} bytes more", body.len() - shown.len()));
        }
    }
    out
}

fn shortened(value: &str) -> String {
    let mut kept: String = value.chars().take(TOKEN_CHARS).collect();
    if kept.len() < value.len() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_without_what_its_client_adds_and_without_its_token() {
        let made = http::Request::post("http://127.0.0.1/path?x=1")
            .header("User-Agent", "browser")
            .header("Sec-Fetch-Mode", "cors")
            .header("Authorization", "Bearer abcdefghijklmnopqrstuvwxyz0123456789")
            .header("X-LIVEAGENT-SEQUENCE", "3")
            .body(());
        let (head, ()) = made.unwrap().into_parts();
        let expected = "POST /path?x=1\nauthorization: Bearer abcdefghijklmnopq…\n\
                        x-liveagent-sequence: 3\n\n{}";
        assert_eq!(request(&head, b"{}"), expected);
    }

    #[test]
    fn a_long_body_is_cut_and_says_so() {
        let body = vec![b'a'; SHOWN_BYTES + 5];
        let shown = answer(StatusCode::OK, &HeaderMap::new(), &body);
        assert!(shown.ends_with("a\n… and 5 bytes more"), "{shown}");
        assert!(shown.starts_with("HTTP/1.1 200 OK\n\naaa"), "{shown}");
    }
}
