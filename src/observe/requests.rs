//! The facade's answers, counted by noun and class of status.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use http::Response;

use super::metrics::Metrics;
use crate::facade::Asked;

/// The same service, counted. A request whose client went away before the answer is not.
pub fn counted(router: Router, metrics: Arc<Metrics>) -> Router {
    router.layer(from_fn_with_state(metrics, count))
}

async fn count(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let mut response = next.run(request).await;
    let asked = response.extensions_mut().remove::<Asked>();
    let class = match response.status().as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    };
    metrics.requests.add([asked.as_ref().map_or("none", |asked| &asked.0), class]);
    response
}
