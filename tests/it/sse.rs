//! The event-stream parser: the standard's rules, any split, any bytes.

use liveagent_bridge::wire::miaw::entry::EntryPayload;
use liveagent_bridge::wire::miaw::event::{EventData, EventName};
use liveagent_bridge::wire::sse::{MAX_EVENT_BYTES, MAX_LINE_BYTES, SseError, SseEvent, SseParser};
use proptest::prelude::*;
use serde_json::Value;

fn event(id: Option<&str>, event: &str, data: &str) -> SseEvent {
    SseEvent { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
}

fn parse(bytes: &[u8]) -> Vec<SseEvent> {
    SseParser::new().push(bytes).expect("within the limits")
}

#[test]
fn the_rules_of_the_standard() {
    for (text, expected) in [
        ("data: a\n\n", vec![event(None, "message", "a")]),
        ("data:a\ndata:  b\n\n", vec![event(None, "message", "a\n b")]),
        (
            "\u{feff}data: a\r\rdata: b\r\n\r\n",
            vec![event(None, "message", "a"), event(None, "message", "b")],
        ),
        (": comment\nevent: ping\ndata\n\n", vec![event(None, "ping", "")]),
        ("event: ping\n\ndata: a\n\n", vec![event(None, "message", "a")]),
        (
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            vec![
                event(Some("1"), "message", "a"),
                event(Some("1"), "message", "b"),
                event(None, "message", "c"),
            ],
        ),
        ("id: 1\n\nid: a\0b\ndata: a\n\n", vec![event(Some("1"), "message", "a")]),
        ("data: a\nunknown: b\n\ndata: unfinished\n", vec![event(None, "message", "a")]),
        (
            "data: \n\ndata\ndata\n\n",
            vec![event(None, "message", ""), event(None, "message", "\n")],
        ),
    ] {
        assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn retry_takes_digits_only() {
    let mut parser = SseParser::new();
    parser.push(b"retry: 1500\nretry: soon\nretry:\n\n").expect("reads");
    assert_eq!(parser.retry_millis(), Some(1500));
}

#[test]
fn a_resumed_stream_starts_with_its_id() {
    let mut parser = SseParser::resuming("41");
    let events = parser.push(b"event: ping\ndata: 0\n\n").expect("reads");
    assert_eq!(events, [event(Some("41"), "ping", "0")]);
    assert_eq!(parser.last_event_id(), Some("41"));
}

#[test]
fn limits_hold_and_finished_events_come_first() {
    let mut parser = SseParser::new();
    let mut bytes = b"data: a\n\n".to_vec();
    bytes.resize(bytes.len() + MAX_LINE_BYTES + 1, b'x');
    assert_eq!(parser.push(&bytes).expect("the finished event"), parse(b"data: a\n\n"));
    assert_eq!(parser.push(b"\n"), Err(SseError::LineTooLong));

    let mut parser = SseParser::new();
    let line = format!("data: {}\n", "y".repeat(1 << 16));
    let refused = (0..=MAX_EVENT_BYTES / (1 << 16)).map(|_| parser.push(line.as_bytes()));
    assert!(refused.last().expect("some").is_err_and(|e| e == SseError::EventTooLong));
}

#[test]
fn recorded_events_read_with_typed_payloads() {
    let file = include_str!("fixtures/recorded/miaw-sse-events.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let mut kinds = Vec::new();
    for recorded in file["stream"].as_array().expect("a stream") {
        let name = EventName::from(recorded["event"].as_str().expect("a name"));
        assert!(!matches!(name, EventName::Unknown(_)), "{name:?}");
        let data: EventData = serde_json::from_value(recorded["data"].clone()).expect("data");
        let Some(entry) = data.conversation_entry else { continue };
        let payload = entry.payload().expect("a payload");
        assert!(!matches!(payload, EntryPayload::Unknown(..)), "{}", payload.entry_type());
        assert_eq!(payload.entry_type(), entry.entry_type);
        let again = payload.to_value(&entry.identifier);
        let mut object = entry.clone();
        object.entry_payload = again;
        assert_eq!(object.payload().expect("again").entry_type(), entry.entry_type);
        kinds.push(entry.entry_type);
    }
    assert!(kinds.iter().any(|kind| kind == "Message"), "{kinds:?}");
}

fn stream_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("data: "),
        Just("data:"),
        Just("id: "),
        Just("event: "),
        Just("retry: 1"),
        Just(":"),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\n\n"),
        Just("\0"),
        Just("é🙂"),
        Just("\u{feff}"),
        Just("x"),
        Just(" "),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        bytes in stream_text(),
        cuts in proptest::collection::vec(0usize..200, 0..20),
    ) {
        let whole = parse(&bytes);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut parser = SseParser::new();
        let mut events = Vec::new();
        for pair in cuts.windows(2) {
            events.extend(parser.push(&bytes[pair[0]..pair[1]]).expect("within the limits"));
        }
        prop_assert_eq!(events, whole);
    }

    #[test]
    fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut parser = SseParser::new();
        for chunk in bytes.chunks(7) {
            let _ = parser.push(chunk);
        }
    }
}
