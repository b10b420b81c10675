//! What every answer to a request carries, whoever gives it: leave for web origins, the end of the
//! API that is used, and the noun for metrics.

use axum::body::Body;
use http::Response;

use super::call::{Call, Noun};
use super::cors::Cors;
use super::{Asked, deprecation};
use crate::router::plan::Deprecation;

/// The marks of one request's answer.
pub(super) struct Marks {
    cors: Cors,
    deprecation: Option<Deprecation>,
    asked: Option<Noun>,
}

impl Marks {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let deprecation = call.tenant.plan.deprecation.clone();
        Self { cors: Cors::of(call), deprecation, asked: call.noun }
    }

    /// The answer to a preflight of an allowed origin.
    pub(super) fn preflight(&self, call: &Call<'_>) -> Option<Response<Body>> {
        self.cors.preflight(call)
    }

    /// The answer with its marks.
    pub(super) fn on(&self, mut response: Response<Body>) -> Response<Body> {
        self.cors.mark(response.headers_mut());
        if let Some(told) = &self.deprecation {
            deprecation::mark(response.headers_mut(), told);
        }
        self.counted(response)
    }

    /// The answer, marked elsewhere, with what is for this process alone.
    pub(super) fn counted(&self, mut response: Response<Body>) -> Response<Body> {
        if let Some(noun) = self.asked {
            response.extensions_mut().insert(Asked(format!("{noun:?}")));
        }
        response
    }
}
