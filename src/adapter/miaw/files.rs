//! Files of visitors on their way: held in memory, and put into the form that MIAW takes (miaw.md
//! 5.5).
//!
//! Promised: all chats together hold at most [`FILES_BYTES_MAX`]; a file leaves memory with its
//! command. Not promised: that it outlives the process.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of files of all chats together.
pub const FILES_BYTES_MAX: usize = 64 << 20;
/// A permit stands for so many bytes.
const UNIT: usize = 1_024;

/// The memory for files of all chats.
#[derive(Clone, Debug)]
pub struct FileMemory(Arc<Semaphore>);

impl Default for FileMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FILES_BYTES_MAX / UNIT)))
    }
}

/// A file in memory.
#[derive(Debug)]
pub struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl FileMemory {
    /// Takes a file in; `None` when there is no room.
    #[must_use]
    pub fn hold(&self, bytes: Bytes) -> Option<Held> {
        let units = u32::try_from(bytes.len().div_ceil(UNIT)).ok()?;
        let room = self.0.clone().try_acquire_many_owned(units).ok()?;
        Some(Held { bytes, _room: room })
    }
}

/// The files of one chat, by the numbers of their commands.
#[derive(Debug, Default)]
pub struct Files(HashMap<u64, Held>);

impl Files {
    /// Keeps the file of this command.
    pub fn keep(&mut self, number: u64, held: Held) {
        self.0.insert(number, held);
    }

    /// The bytes of a command's file.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Bytes> {
        self.0.get(&number).map(|held| held.bytes.clone())
    }

    /// Lets go of the files whose commands are done.
    pub fn retain(&mut self, mut waits: impl FnMut(u64) -> bool) {
        self.0.retain(|number, _| waits(*number));
    }
}

/// The body of `multipart/form-data` with both parts, and its content type. The boundary is an id
/// that nobody could know when the file was made.
#[must_use]
pub fn form(boundary: &str, entry: &[u8], name: &str, kind: &str, bytes: &[u8]) -> (Bytes, String) {
    let name = name.replace(['"', '\\', '\r', '\n'], "_");
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"messageEntry\"\r\n\
         Content-Type: application/json\r\n\r\n"
    );
    let file = format!(
        "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"fileData\"; \
         filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let body = [head.as_bytes(), entry, file.as_bytes(), bytes, tail.as_bytes()].concat();
    (Bytes::from(body), format!("multipart/form-data; boundary={boundary}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_given_back() {
        let memory = FileMemory::default();
        let large = Bytes::from(vec![0; FILES_BYTES_MAX / 2]);
        let first = memory.hold(large.clone()).expect("room");
        let second = memory.hold(large.clone()).expect("room");
        assert!(memory.hold(Bytes::from_static(b"x")).is_none());
        drop(first);
        assert!(memory.hold(large).is_some());
        drop(second);
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        let (body, kind) = form("b", b"{}", "a\"\r\nX: y", "text/plain", b"words");
        let text = String::from_utf8(body.to_vec()).expect("text");
        assert!(text.contains("filename=\"a___X: y\"\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nwords\r\n--b--\r\n"), "{text}");
        assert_eq!(kind, "multipart/form-data; boundary=b");
    }
}
