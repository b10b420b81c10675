//! What belongs to one hop, and a bounded look into an answer.
//!
//! Promised: a body that is larger or slower than it may be passes on as it comes, unread.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, HeaderName, header};

/// The largest answer that is looked at.
const LOOK_BYTES: usize = 1024 * 1024;
/// The wait for the rest of an answer once its head is there.
const LOOK_WAIT: Duration = Duration::from_secs(15);

/// Headers that belong to one connection, or that the next hop sets itself.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::EXPECT,
];
/// The same, without a constant of their own.
const KEEP_ALIVE: [&str; 2] = ["keep-alive", "proxy-connection"];
/// What a proxy in front of the bridge adds; no client of this API sends it.
const FORWARDING: [&str; 8] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// Removes what belongs to one hop, also what `Connection` names; keeps `spared`.
pub(super) fn strip(headers: &mut HeaderMap, spared: &[HeaderName]) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named).filter(|name| !spared.contains(name)) {
        headers.remove(name);
    }
    for name in KEEP_ALIVE {
        headers.remove(name);
    }
}

/// Removes what proxies tell each other about the client.
pub(super) fn strip_forwarding(headers: &mut HeaderMap) {
    for name in FORWARDING {
        headers.remove(name);
    }
}

/// The whole body when it is small and comes at once; else what passes on.
pub(super) async fn look(body: Body) -> Result<Bytes, Body> {
    let mut frames = body.into_data_stream();
    let mut seen = BytesMut::new();
    let late = tokio::time::sleep(LOOK_WAIT);
    tokio::pin!(late);
    let last = loop {
        tokio::select! {
            biased;
            frame = frames.next() => match frame {
                None => return Ok(seen.freeze()),
                Some(Ok(bytes)) if seen.len() + bytes.len() <= LOOK_BYTES => {
                    seen.extend_from_slice(&bytes);
                }
                Some(other) => break Some(other),
            },
            () = &mut late => break None,
        }
    };
    let head = stream::iter([Ok(seen.freeze())]).chain(stream::iter(last));
    Err(Body::from_stream(head.chain(frames)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_cannot_be_looked_at_passes() {
        assert_eq!(look(Body::from("all")).await.ok(), Some(Bytes::from("all")));
        let large = Bytes::from(vec![b'x'; LOOK_BYTES + 1]);
        let passed = look(Body::from(large.clone())).await.expect_err("too large");
        assert_eq!(passed.collect().await.expect("a body").to_bytes(), large);
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let frames = [Ok(Bytes::from("half")), Err(broken)];
        let passed = look(Body::from_stream(stream::iter(frames))).await.expect_err("broken");
        let mut frames = passed.into_data_stream();
        assert_eq!(frames.next().await.and_then(Result::ok), Some(Bytes::from("half")));
        assert!(frames.next().await.is_some_and(|frame| frame.is_err()));
        let slow = stream::iter([Ok::<_, std::io::Error>(Bytes::from("first"))]);
        let slow = look(Body::from_stream(slow.chain(stream::pending()))).await;
        let mut frames = slow.expect_err("too slow").into_data_stream();
        assert_eq!(frames.next().await.and_then(Result::ok), Some(Bytes::from("first")));
    }
}
