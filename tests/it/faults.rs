//! The fault matrix: whatever the wire to Salesforce does, what becomes of it. One table per kind
//! of call; what the emulator's own knobs can do is in `miaw_adapter/faults.rs`.

mod events;
mod h2;
mod names;
pub(crate) mod nouns;
mod polls;
mod relay;
mod rest;
mod tenants;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Response, StatusCode};
use liveagent_bridge::adapter::transport::TransportError;

/// What the bridge sees of an answer.
type Seen = Result<Response<Body>, TransportError>;

const CHUNK: usize = 1 << 14;

fn answer(status: u16, kind: &str, body: impl Into<Body>) -> Seen {
    Ok(Response::builder()
        .status(StatusCode::from_u16(status).expect("a status"))
        .header("content-type", kind)
        .body(body.into())
        .expect("an answer"))
}

/// A body that counts what was read of it.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// So many chunks of this; without an end for `usize::MAX`.
    fn body(&self, chunk: &'static [u8], chunks: usize) -> Body {
        let count = self.0.clone();
        let chunks = stream::repeat(()).take(chunks).map(move |()| {
            count.fetch_add(chunk.len(), Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(chunk))
        });
        Body::from_stream(chunks)
    }

    fn read(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Begins, and breaks.
fn broken(begin: &'static str) -> Body {
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(stream::iter([Ok(Bytes::from_static(begin.as_bytes())), Err(reset)]))
}
