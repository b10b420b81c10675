//! Answers whose receipts are told when the connection took them.
//!
//! Promised: a receipt is told when the connection took the last byte, and dropped untold
//! otherwise; whoever passes the answer on elsewhere can take its receipts before that.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::adapter::Receipt;

type Receipts = Mutex<Vec<Receipt>>;

/// In the extensions of an answer: the receipts that its body has.
#[derive(Clone)]
struct Open(Weak<Receipts>);

/// Lets the receipts be told once the connection took the whole answer.
pub(super) fn receipted(response: Response<Body>, receipts: Vec<Receipt>) -> Response<Body> {
    if receipts.is_empty() {
        return response;
    }
    if HttpBody::is_end_stream(response.body()) {
        receipts.into_iter().for_each(Receipt::written);
        return response;
    }
    let receipts = Arc::new(Mutex::new(receipts));
    let open = Open(Arc::downgrade(&receipts));
    let mut response = response.map(|body| Body::new(Receipted { body, receipts }));
    response.extensions_mut().insert(open);
    response
}

/// Takes the receipts that are not told yet; from now on nothing becomes of them with the body.
pub(super) fn receipts_of(response: &mut Response<Body>) -> Vec<Receipt> {
    let open = response.extensions_mut().remove::<Open>();
    open.and_then(|open| open.0.upgrade()).map(|receipts| taken(&receipts)).unwrap_or_default()
}

fn taken(receipts: &Receipts) -> Vec<Receipt> {
    std::mem::take(&mut receipts.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A body that tells its receipts when its last frame is taken. Dropped earlier, it drops them.
struct Receipted {
    body: Body,
    receipts: Arc<Receipts>,
}

impl HttpBody for Receipted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let all = match &polled {
            // With a known length, hyper never asks for what follows the last frame.
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(None) => true,
            _ => false,
        };
        if all {
            taken(&self.receipts).into_iter().for_each(Receipt::written);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
