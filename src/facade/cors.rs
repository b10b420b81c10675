//! Browsers: which web origins may call a tenant's facade.
//!
//! Promised: without `cors_origins` nothing is added. Origins that are named may send credentials
//! (one widget does, live-agent.md 1.1); those that `*` lets in may not.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, header};

use super::call::Call;
use super::reply;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, cache-control, x-liveagent-api-version, x-liveagent-affinity, \
     x-liveagent-session-key, x-liveagent-sequence",
);
/// Seconds a browser may remember a preflight; browsers cap it themselves.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// What one request's origin may do.
pub(super) struct Cors {
    allowed: Option<HeaderValue>,
    named: bool,
}

impl Cors {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let origins = &call.tenant.behaviour.cors_origins;
        let origin = call.headers.get(header::ORIGIN);
        let named = origin.is_some_and(|origin| {
            origins.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes())
        });
        let any = origins.iter().any(|allowed| allowed == "*");
        Self { allowed: origin.filter(|_| named || any).cloned(), named }
    }

    /// The answer to a preflight of an allowed origin.
    pub(super) fn preflight(&self, call: &Call<'_>) -> Option<Response<Body>> {
        let asked = call.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if call.method != Method::OPTIONS || !asked || self.allowed.is_none() {
            return None;
        }
        let mut response = reply::nothing();
        let headers = response.headers_mut();
        self.mark(headers);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let Some(origin) = &self.allowed else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if self.named {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}
