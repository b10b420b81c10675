//! How fast a client sends its headers.
//!
//! hyper has one timer for idle connections and for headers under way; a slow sender must be cut
//! much earlier than an idle connection. So the first byte after an answer starts a timer here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Between requests.
    Idle,
    /// Headers are arriving, or the connection is new.
    Head,
    /// A request is being answered.
    Busy,
}

/// Shared by a connection's stream, its service and its guard.
#[derive(Clone)]
pub(super) struct Pacer(Arc<Shared>);

struct Shared {
    doing: watch::Sender<Doing>,
    /// Whether an answer of the service is due, or not all of it is written.
    answering: AtomicBool,
}

impl Pacer {
    pub(super) fn new() -> Self {
        let (doing, answering) = (watch::Sender::new(Doing::Head), AtomicBool::new(false));
        Self(Arc::new(Shared { doing, answering }))
    }

    /// The headers are there; the request runs until the guard is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.0.answering.store(true, Ordering::Relaxed);
        self.0.doing.send_replace(Doing::Busy);
        Busy(self.clone())
    }

    /// Whether what is being written may be an answer of the service.
    pub(super) fn is_answering(&self) -> bool {
        self.0.answering.load(Ordering::Relaxed)
    }

    /// Everything that there was to write has been written.
    pub(super) fn flushed(&self) {
        if *self.0.doing.borrow() != Doing::Busy {
            self.0.answering.store(false, Ordering::Relaxed);
        }
    }

    /// Returns when headers have been arriving for `limit`.
    pub(super) async fn too_slow(&self, limit: Duration) {
        let mut doing = self.0.doing.subscribe();
        loop {
            if doing.wait_for(|doing| *doing == Doing::Head).await.is_err() {
                return;
            }
            let done = doing.wait_for(|doing| *doing != Doing::Head);
            if tokio::time::timeout(limit, done).await.is_err() {
                return;
            }
        }
    }

    fn bytes_came(&self) {
        self.0.doing.send_if_modified(|doing| {
            let starts = *doing == Doing::Idle;
            if starts {
                *doing = Doing::Head;
            }
            starts
        });
    }
}

/// A request is being answered.
pub(super) struct Busy(Pacer);

impl Busy {
    /// Keeps the request running until its answer's body was taken or dropped.
    pub(super) const fn until_sent<B>(self, body: B) -> BusyBody<B> {
        BusyBody { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.doing.send_replace(Doing::Idle);
    }
}

/// A body that keeps its request running.
pub(super) struct BusyBody<B> {
    body: B,
    _busy: Busy,
}

impl<B: Body + Unpin> Body for BusyBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that tells its pacer when bytes come.
pub(super) struct Paced<T> {
    stream: T,
    pacer: Pacer,
}

impl<T> Paced<T> {
    pub(super) const fn new(stream: T, pacer: Pacer) -> Self {
        Self { stream, pacer }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pacer.bytes_came();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
