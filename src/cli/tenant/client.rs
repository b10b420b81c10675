//! The HTTP client of the admin API, and what its refusals mean to the person at the keyboard.
//!
//! Promised: the token goes into one header and nowhere else; over plain HTTP only to this machine.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::adapter::transport::Transport as _;
use crate::adapter::transport::reqwest::Reqwest;
use crate::config::{Egress, Limits};

/// How long the API may take to answer.
const WITHIN: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why there is no answer to print.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) exit: u8,
    message: String,
    /// The problem document, when the API answered one.
    pub(super) problem: Option<Value>,
}

impl Failed {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: 2, message: message.into(), problem: None }
    }

    fn unreached(message: impl Into<String>) -> Self {
        Self { exit: 1, message: message.into(), problem: None }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The API at one address.
pub(super) struct Client {
    transport: Reqwest,
    base: String,
    token: String,
}

impl Client {
    pub(super) fn new(
        base: &str,
        token: String,
        extra_ca_file: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let parsed = url::Url::parse(base).ok().filter(url::Url::has_host);
        let Some(parsed) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            anyhow::bail!("`{base}` is not an address such as http://127.0.0.1:8081");
        };
        let here = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if parsed.scheme() == "http" && !here {
            anyhow::bail!(
                "`{base}` would carry the token in clear over the network; use https://, or a \
                 tunnel to 127.0.0.1"
            );
        }
        let egress = Egress { extra_ca_file, ..Egress::default() };
        let transport = Reqwest::new(&egress, &Limits::default())?;
        let base = format!("{}/admin/v1", base.trim_end_matches('/'));
        Ok(Self { transport, base, token })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failed> {
        self.send(Request::get(format!("{}{path}", self.base)), Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let request = Request::post(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request, Bytes::from(body.to_string())).await
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<Value, Failed> {
        let request = request
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(body)
            .map_err(|_| Failed::usage("the address or the token cannot be sent"))?;
        let base = &self.base;
        let asked = self.transport.send(request, WITHIN).await;
        let answer = asked.map_err(|error| {
            let cause = error.to_string();
            let help = help(&cause);
            Failed::unreached(format!("{cause}; {help}"))
        })?;
        let status = answer.status().as_u16();
        let read = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let bytes = match tokio::time::timeout(WITHIN, read).await {
            Ok(Ok(all)) => all.to_bytes(),
            _ => return Err(Failed::unreached(format!("{base} broke off its answer"))),
        };
        let Ok(document) = serde_json::from_slice::<Value>(&bytes) else {
            let message = format!("{base} answered {status} without JSON; is it the admin API?");
            return Err(Failed::unreached(message));
        };
        if status < 300 { Ok(document) } else { Err(told(status, document)) }
    }
}

/// What to do when nothing was answered.
fn help(cause: &str) -> &'static str {
    if cause.contains("CaUsedAsEndEntity") {
        "the certificate calls itself an authority; a self-signed one must say CA:FALSE"
    } else if cause.contains("invalid peer certificate") {
        "is it made for this name, and is its authority trusted? --ca-file names one"
    } else {
        "does the bridge run with a section [admin]? --admin names its address"
    }
}

/// A problem document as a sentence with what to do next.
fn told(status: u16, problem: Value) -> Failed {
    let detail = problem["detail"].as_str().unwrap_or("the API answered an error");
    let code = problem["code"].as_str().unwrap_or("unknown");
    let (exit, message) = match status {
        401 | 403 => (5, format!("{detail} [{code}]")),
        409 => {
            let next = "look with `tenant history` and decide again; nothing was changed";
            (4, format!("{detail}. {next}"))
        }
        422 => {
            let reason = problem["reason"].as_str().unwrap_or(code);
            (3, format!("refused: {detail} [{reason}]"))
        }
        500.. => (1, format!("{detail} [{code}]; try again")),
        _ => (2, format!("{detail} [{code}]")),
    };
    Failed { exit, message, problem: Some(problem) }
}

/// A segment of a path, safe to put between slashes.
pub(super) fn encoded(segment: &str) -> String {
    utf8_percent_encode(segment, NON_ALPHANUMERIC).to_string()
}
