//! The parser of event streams, and a chat whose stream says anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Response;
use liveagent_bridge::wire::sse::{MAX_EVENT_BYTES, MAX_LINE_BYTES, SseParser};
use proptest::prelude::*;

use super::run;
use crate::bridge_stage::{BridgeStage, Client, Fate};

/// Bytes that are a stream, more or less.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            &b"data: "[..], b"data", b"id: ", b"id:", b"event: ", b"retry: ", b":", b"\n", b"\r",
            b"\r\n", b"\n\n", b"\n\n\n", b"\xef\xbb\xbf", b"\0", b"CONVERSATION_MESSAGE",
            b"CONVERSATION_CLOSE", b"{}", b"{\"conversationId\":", b"99999999999999999999",
        ]).prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (1..9_usize, any::<u8>()).prop_map(|(n, byte)| vec![byte; n * 40_000]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What a stream of any bytes may hold back: a line and an event; name and id are each within a
/// line, whose bytes grow to three where they are no UTF-8.
const HELD_MAX: usize = MAX_LINE_BYTES + MAX_EVENT_BYTES + 2 * 3 * MAX_LINE_BYTES;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_parser_holds_little_back_and_gives_no_more_than_it_got(
        bytes in any_stream(),
        sizes in prop::collection::vec(1..70_000_usize, 1..8),
    ) {
        let mut parser = SseParser::new();
        let (mut rest, mut events, mut given) = (&bytes[..], 0, 0);
        for size in sizes.iter().cycle() {
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            let Ok(found) = parser.push(chunk) else { break };
            events += found.len();
            given += found.iter().map(|event| event.data.len()).sum::<usize>();
            prop_assert!(parser.buffered() <= HELD_MAX, "{} bytes", parser.buffered());
            if rest.is_empty() {
                break;
            }
        }
        let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        prop_assert!(events <= lines, "{events} events of {lines} lines");
        prop_assert!(given <= 3 * bytes.len() + lines, "{given} bytes of {}", bytes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// The chat's stream says this, and breaks; then Salesforce is itself again.
    #[test]
    fn a_chat_outlives_any_stream(bytes in any_stream()) {
        run(async {
            let stage = BridgeStage::new().await;
            let mut client = Client::talking(&stage).await;
            let opened = Arc::new(AtomicUsize::new(0));
            let count = opened.clone();
            stage.tamper(move |operation, _| match operation {
                "sse" if count.fetch_add(1, Ordering::Relaxed) == 0 => {
                    let body = bytes.chunks(1_000).map(Bytes::copy_from_slice);
                    let body = stream::iter(body.map(Ok::<_, std::io::Error>).collect::<Vec<_>>());
                    let answer = Response::builder().header("content-type", "text/event-stream");
                    Fate::Instead(Ok(answer.body(Body::from_stream(body)).expect("an answer")))
                }
                _ => Fate::Passes,
            });
            stage.knobs(|knobs| knobs.drop_streams = true);
            client.says("are you there?").await;
            stage.agent_says("still here");
            client.until_told("still here").await;
            stage.hears(&["are you there?"]).await;
            let opened = opened.load(Ordering::Relaxed);
            assert!(opened <= 6, "opened {opened} times");
        });
    }
}
