//! What is refused before there is a request, in words.
//!
//! hyper answers a head that is too large, or cannot be read, by itself: a status and no body. Here
//! that answer gets its text on the way out. Promised: an answer of the service is never touched,
//! for only what is written while none is due is hyper's own. Not promised: a text where hyper
//! refuses a request while the answer to the one before is still being written (pipelining).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ServeLimits;
use super::pace::Pacer;

/// In the answers that hyper gives by itself.
const NO_BODY: &str = "content-length: 0\r\n";

/// A stream whose bare refusals get a text.
pub(super) struct Worded<T> {
    stream: T,
    pacer: Pacer,
    limits: ServeLimits,
    /// The rest of a refusal in words.
    own: Option<Bytes>,
}

impl<T> Worded<T> {
    pub(super) const fn new(stream: T, pacer: Pacer, limits: ServeLimits) -> Self {
        Self { stream, pacer, limits, own: None }
    }
}

/// The same refusal with a text; `None` when it is no bare refusal.
fn worded(bare: &[u8], limits: &ServeLimits) -> Option<Bytes> {
    let head = std::str::from_utf8(bare).ok()?;
    let (before, after) = head.split_once(NO_BODY)?;
    let text = match head.split(' ').nth(1)? {
        "431" => format!(
            "the request line and headers are longer than {} bytes, or there are more than {} headers",
            limits.head_bytes, limits.headers
        ),
        "414" => format!("the address of the request is longer than {} bytes", limits.head_bytes),
        "400" => "this cannot be read as a request of HTTP/1.1".to_owned(),
        _ => return None,
    };
    let kind = "content-type: text/plain;charset=utf-8\r\n";
    let length = text.len();
    Some(format!("{before}{kind}content-length: {length}\r\n{after}{text}").into())
}

impl<T: AsyncWrite + Unpin> Worded<T> {
    /// Writes the refusal in words instead of `bare`, if that is one; `None` when it is not.
    fn refuse(&mut self, cx: &mut Context<'_>, bare: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.own.is_none() && !self.pacer.is_answering() {
            self.own = worded(bare, &self.limits);
        }
        let own = self.own.as_mut()?;
        while !own.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, own) {
                Poll::Ready(Ok(0)) => {
                    return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(written)) => drop(own.split_to(written)),
                failed_or_pending => return Some(failed_or_pending),
            }
        }
        self.own = None;
        Some(Poll::Ready(Ok(bare.len())))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Worded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Worded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.refuse(cx, buf) {
            Some(polled) => polled,
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A refusal without a body is one piece.
        if let [bare] = bufs
            && let Some(polled) = self.refuse(cx, bare)
        {
            return polled;
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes once nothing is left to write.
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.pacer.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_bare_refusals_get_a_text() {
        let second = Duration::from_secs(1);
        let limits = ServeLimits {
            connections: 1,
            handshake: second,
            head_bytes: 16_384,
            headers: 100,
            head_time: second,
            idle: second,
            drain: second,
        };
        let text = |answer: &str| {
            let worded = worded(answer.as_bytes(), &limits)?;
            Some(String::from_utf8(worded.to_vec()).unwrap())
        };
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                    content-length: 0\r\ndate: now\r\n\r\n";
        let told = text(bare).unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{told}");
        assert!(head.contains("connection: close") && body.contains("16384"), "{told}");
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "\u{0}",
        ] {
            assert_eq!(text(other), None, "{other}");
        }
    }
}
