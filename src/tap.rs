//! A body that is copied while it passes.
//!
//! Promised: neither delayed nor changed; the copy is bounded and handed over once, when the body
//! has passed or was given up.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// What was copied.
#[derive(Default)]
pub(crate) struct Copy {
    pub(crate) bytes: Vec<u8>,
    /// Whether it is all of the body.
    pub(crate) whole: bool,
}

type Give = Box<dyn FnOnce(Copy) + Send>;

/// A body that is looked at.
pub(crate) struct Tapped {
    body: Body,
    bytes: Vec<u8>,
    room: usize,
    cut: bool,
    give: Option<Give>,
}

impl Tapped {
    pub(crate) fn new(body: Body, room: usize, give: impl FnOnce(Copy) + Send + 'static) -> Self {
        Self { body, bytes: Vec::new(), room, cut: false, give: Some(Box::new(give)) }
    }

    fn hand_over(&mut self, whole: bool) {
        if let Some(give) = self.give.take() {
            give(Copy { bytes: std::mem::take(&mut self.bytes), whole: whole && !self.cut });
        }
    }
}

impl HttpBody for Tapped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                let taken = data.len().min(self.room);
                self.cut |= taken < data.len();
                self.room -= taken;
                self.bytes.extend_from_slice(&data[..taken]);
                // A body of known length is not asked for its end.
                if self.body.is_end_stream() {
                    self.hand_over(true);
                }
            }
            Poll::Ready(None) => self.hand_over(true),
            _ => {}
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

impl Drop for Tapped {
    fn drop(&mut self) {
        let whole = self.body.is_end_stream();
        self.hand_over(whole);
    }
}
