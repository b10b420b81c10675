//! Every error of the admin API as a problem document (RFC 9457).
//!
//! Promised: `type`, `title`, `status`, `detail` and a stable `code`; the detail says what to do
//! and never shows a token, a key or a word of a chat.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

/// The content type of every problem.
pub(super) const KIND: &str = "application/problem+json";

/// What went wrong, as programs read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No bearer token.
    TokenMissing,
    /// A token that is not accepted.
    TokenInvalid,
    /// The token's role does not suffice.
    RoleTooLow,
    /// The tenant is not among the token's.
    TenantOutOfScope,
    /// No such path.
    NoSuchPath,
    /// The path exists, with other methods.
    MethodNotAllowed,
    /// No such tenant.
    NoSuchTenant,
    /// No such chat, or no longer.
    NoSuchChat,
    /// No such report, or no longer.
    NoSuchReport,
    /// A report's file is not what its name says.
    ReportChanged,
    /// A query parameter or the body cannot be read.
    BadRequest,
    /// The body is longer than any that is read.
    BodyTooLarge,
    /// The change list has moved on.
    Conflict,
    /// The change is not a legal move; `reason` says why.
    Refused,
    /// The store does not take writes.
    StoreUnavailable,
    /// The chat did not answer in time.
    Overloaded,
    /// The process should get no new chats now.
    NotReady,
    /// The new configuration has problems; the old one stays.
    ConfigurationWrong,
    /// The mapping that was given has problems.
    MappingWrong,
    /// The pre-chat document that was given cannot be read.
    PrechatWrong,
}

impl Code {
    /// The stable word, its HTTP status and a title.
    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::TokenMissing => ("token-missing", StatusCode::UNAUTHORIZED, "A token is needed"),
            Self::TokenInvalid => {
                ("token-invalid", StatusCode::UNAUTHORIZED, "The token is not accepted")
            }
            Self::RoleTooLow => {
                ("role-too-low", StatusCode::FORBIDDEN, "The role does not allow it")
            }
            Self::TenantOutOfScope => {
                ("tenant-out-of-scope", StatusCode::FORBIDDEN, "The token is not for this tenant")
            }
            Self::NoSuchPath => ("no-such-path", StatusCode::NOT_FOUND, "No such path"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::NoSuchTenant => ("no-such-tenant", StatusCode::NOT_FOUND, "No such tenant"),
            Self::NoSuchChat => ("no-such-chat", StatusCode::NOT_FOUND, "No such chat"),
            Self::BadRequest => {
                ("bad-request", StatusCode::BAD_REQUEST, "The request cannot be read")
            }
            Self::BodyTooLarge => {
                ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large")
            }
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "Somebody changed it meanwhile"),
            Self::Refused => ("refused", StatusCode::UNPROCESSABLE_ENTITY, "The change is refused"),
            Self::NoSuchReport => ("no-such-report", StatusCode::NOT_FOUND, "No such report"),
            Self::ReportChanged => {
                ("report-changed", StatusCode::UNPROCESSABLE_ENTITY, "The report was changed")
            }
            Self::StoreUnavailable => {
                ("store-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The store is not available")
            }
            Self::Overloaded => {
                ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "The bridge is too busy")
            }
            Self::NotReady => ("not-ready", StatusCode::SERVICE_UNAVAILABLE, "Not ready"),
            Self::ConfigurationWrong => (
                "configuration-wrong",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The configuration has problems",
            ),
            Self::MappingWrong => {
                ("mapping-wrong", StatusCode::UNPROCESSABLE_ENTITY, "The mapping has problems")
            }
            Self::PrechatWrong => {
                ("prechat-wrong", StatusCode::UNPROCESSABLE_ENTITY, "The pre-chat cannot be read")
            }
        }
    }
}

/// A problem document; boxed, for it travels through many results.
#[derive(Clone, Debug)]
pub struct Problem(Box<Document>);

#[derive(Clone, Debug, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    /// Members of its own, such as `reason` or `last`.
    #[serde(flatten)]
    more: Map<String, Value>,
    #[serde(skip)]
    allow: Option<String>,
}

impl Problem {
    /// A problem and what to do about it.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (word, status, title) = code.parts();
        Self(Box::new(Document {
            kind: format!("urn:liveagent-bridge:problem:{word}"),
            title,
            status: status.as_u16(),
            code: word,
            detail: detail.into(),
            more: Map::new(),
            allow: None,
        }))
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    /// Names the methods that are allowed.
    #[must_use]
    pub(super) fn allow(mut self, methods: String) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// The answer.
    #[must_use]
    pub(super) fn response(&self) -> Response<Body> {
        let bytes = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = StatusCode::from_u16(self.0.status).unwrap_or_default();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static(KIND);
        headers.insert(header::CONTENT_TYPE, kind);
        if self.0.status == 401 {
            let challenge = match self.0.code {
                "token-invalid" => {
                    "Bearer realm=\"liveagent-bridge admin\", error=\"invalid_token\""
                }
                _ => "Bearer realm=\"liveagent-bridge admin\"",
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(allow) = self.0.allow.as_deref().and_then(|a| HeaderValue::from_str(a).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}
