//! What callers are told of the end of the API that they use.
//!
//! Promised: tenants that declare nothing get no header; `Deprecation` is RFC 9745's, `Sunset` RFC
//! 8594's, and `Link` names one page for both.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::router::plan::Deprecation;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Adds the headers to an answer.
pub(super) fn mark(headers: &mut HeaderMap, told: &Deprecation) {
    let since = format!("@{}", told.since.millis().div_euclid(1_000));
    let date = jiff::Timestamp::from_millisecond(told.sunset.millis()).ok();
    let sunset =
        date.and_then(|date| DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok());
    let link = told.link.as_ref();
    let link = link.map(|page| format!("<{page}>; rel=\"deprecation\", <{page}>; rel=\"sunset\""));
    for (name, value) in [(DEPRECATION, Some(since)), (SUNSET, sunset), (header::LINK, link)] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            // What the real service says by itself of the same gives way; its other links stay.
            if name != header::LINK {
                headers.remove(&name);
            }
            headers.append(name, value);
        }
    }
}
