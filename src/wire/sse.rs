//! Server-sent events: bytes in, events out, by the rules of the HTML standard.
//!
//! Promised: any split of the bytes gives the same events; time is linear in the bytes; memory is
//! bounded by two named limits; no input panics. Not promised: reconnection, which is the caller's.

use std::mem;

/// The longest line, in bytes, that is read before the stream is given up.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// The most `data`, in bytes, that one event may carry before the stream is given up.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The last event id in force when this event was dispatched; `None` while there is none.
    pub id: Option<String>,
    /// The event's name, `message` when the stream names none.
    pub event: String,
    /// The data lines, joined by line feeds.
    pub data: String,
}

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error("a line of the event stream exceeds {MAX_LINE_BYTES} bytes")]
    LineTooLong,
    /// An event is larger than [`MAX_EVENT_BYTES`].
    #[error("an event of the stream exceeds {MAX_EVENT_BYTES} bytes")]
    EventTooLong,
}

/// The incremental parser of one stream.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    after_cr: bool,
    past_first_line: bool,
    data: String,
    has_data: bool,
    event: String,
    last_event_id: String,
    retry_millis: Option<u64>,
    failed: Option<SseError>,
}

impl SseParser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A parser of a resumed stream: events without an id of their own carry `last_event_id`.
    #[must_use]
    pub fn resuming(last_event_id: &str) -> Self {
        Self { last_event_id: last_event_id.to_owned(), ..Self::default() }
    }

    /// Reads the next bytes and returns the events they complete.
    ///
    /// # Errors
    /// A limit was passed. Events completed before that are returned first; the error then comes
    /// with the next call, and with every later one.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut events = Vec::new();
        match self.read(bytes, &mut events) {
            Ok(()) => Ok(events),
            Err(error) => {
                self.failed = Some(error);
                if events.is_empty() { Err(error) } else { Ok(events) }
            }
        }
    }

    /// The value for the `Last-Event-ID` header of a reconnection, `None` while there is none.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        Some(self.last_event_id.as_str()).filter(|id| !id.is_empty())
    }

    /// How many bytes it holds back for what is yet to come.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.line.len() + self.data.len() + self.event.len() + self.last_event_id.len()
    }

    /// The reconnection time the stream asked for, in milliseconds.
    #[must_use]
    pub const fn retry_millis(&self) -> Option<u64> {
        self.retry_millis
    }

    fn read(&mut self, mut bytes: &[u8], events: &mut Vec<SseEvent>) -> Result<(), SseError> {
        while !bytes.is_empty() {
            if mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_LINE_BYTES {
                return Err(SseError::LineTooLong);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = mem::take(&mut self.line);
            events.extend(self.end_of_line(&line)?);
            // The buffer is kept, so that its memory is allocated once per stream.
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    fn end_of_line(&mut self, line: &[u8]) -> Result<Option<SseEvent>, SseError> {
        let first = !mem::replace(&mut self.past_first_line, true);
        let line = line.strip_prefix(BOM).filter(|_| first).unwrap_or(line);
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return Ok(None),
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &line[line.len()..]),
        };
        self.field(name, value)?;
        Ok(None)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), SseError> {
        match name {
            b"data" => {
                let value = String::from_utf8_lossy(value);
                if self.data.len() + value.len() + 1 > MAX_EVENT_BYTES {
                    return Err(SseError::EventTooLong);
                }
                if mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(&value);
            }
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.last_event_id = String::from_utf8_lossy(value).into_owned();
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let digits = std::str::from_utf8(value).unwrap_or_default();
                self.retry_millis = digits.parse().ok().or(self.retry_millis);
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let event = mem::take(&mut self.event);
        let data = mem::take(&mut self.data);
        if !mem::take(&mut self.has_data) {
            return None;
        }
        Some(SseEvent {
            id: self.last_event_id().map(str::to_owned),
            event: if event.is_empty() { "message".to_owned() } else { event },
            data,
        })
    }
}
