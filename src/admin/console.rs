//! The console's files: a page, its style and its modules, all of them inside the program.
//!
//! Promised: no file of the machine is read, nothing is loaded from elsewhere, no script or style
//! stands in the page itself. The files are public: what they show comes from the API, with the
//! token that a person signs in with.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

/// Where the console is.
pub const CONSOLE: &str = "/console/";

/// What the page may load: its own files. Nobody may put it into a frame or move its addresses.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const MODULE: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// A sample of `mappings/`.
macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../mappings/samples/", $name, ".json"))
    };
}

/// Every file: name, type, content.
pub static FILES: [(&str, &str, &str); 21] = [
    ("", HTML, include_str!("console/index.html")),
    ("style.css", CSS, include_str!("console/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("console/icon.svg")),
    ("main.js", MODULE, include_str!("console/main.js")),
    ("api.js", MODULE, include_str!("console/api.js")),
    ("dom.js", MODULE, include_str!("console/dom.js")),
    ("words.js", MODULE, include_str!("console/words.js")),
    ("overview.js", MODULE, include_str!("console/overview.js")),
    ("tenant.js", MODULE, include_str!("console/tenant.js")),
    ("moves.js", MODULE, include_str!("console/moves.js")),
    ("timeline.js", MODULE, include_str!("console/timeline.js")),
    ("mapping.js", MODULE, include_str!("console/mapping.js")),
    ("chats.js", MODULE, include_str!("console/chats.js")),
    ("operations.js", MODULE, include_str!("console/operations.js")),
    ("reports.js", MODULE, include_str!("console/reports.js")),
    ("charts.js", MODULE, include_str!("console/charts.js")),
    ("theme.js", MODULE, include_str!("console/theme.js")),
    ("samples/cognigy-page.json", JSON, sample!("cognigy-page")),
    ("samples/contact-and-case.json", JSON, sample!("contact-and-case")),
    ("samples/copilot.json", JSON, sample!("copilot")),
    ("samples/variants.json", JSON, sample!("variants")),
];

/// The answer to a request for the console; `None` where the request is for the API.
pub(super) fn answer(method: &Method, path: &str) -> Option<Response<Body>> {
    if method != Method::GET && method != Method::HEAD {
        return None;
    }
    if path == "/" || path == CONSOLE.trim_end_matches('/') {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(CONSOLE));
        return Some(response);
    }
    let name = path.strip_prefix(CONSOLE)?;
    let (_, kind, text) = FILES.iter().find(|(known, _, _)| *known == name)?;
    let mut response = Response::new(Body::from(*text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    guard(response.headers_mut());
    Some(response)
}

fn guard(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
