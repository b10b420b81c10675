//! Files of visitors on their way: held in memory, and put into the form that MIAW takes (miaw.md
//! 5.5).
//!
//! Promised: all chats together hold at most [`FILES_BYTES_MAX`]; a file leaves memory with its
//! command. Not promised: that it outlives the process.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::chat::visitor::FileRules;
use crate::wire::miaw::rest::TokenContext;

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

/// Megabytes that a deployment may allow; a larger number is one of bytes, for nobody documents the
/// unit (miaw.md 3.2).
const MEGABYTES_MAX: u64 = 1_024;

/// What the answer to a token request says about visitors' files.
#[must_use]
pub fn rules(context: &TokenContext) -> Option<FileRules> {
    let told = context.configuration.as_ref()?.embedded_service_config.as_ref()?.attachments?;
    let size = told.max_file_size.and_then(|size| u64::try_from(size).ok());
    let bytes = |size: u64| if size <= MEGABYTES_MAX { size << 20 } else { size };
    let bytes_max = size.filter(|size| *size > 0).map(bytes);
    Some(FileRules { allowed: told.end_user_to_agent, bytes_max })
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
    fn a_deployments_rules_are_read_and_never_assumed() {
        let read = |attachments: &str| {
            let config = format!(r#"{{"embeddedServiceConfig":{{{attachments}}}}}"#);
            let context = format!(r#"{{"configuration":{config}}}"#);
            rules(&serde_json::from_str(&context).expect("a context"))
        };
        let told = |members: &str| read(&format!(r#""attachments":{{{members}}}"#));
        let is = |allowed, bytes_max| Some(FileRules { allowed, bytes_max });
        assert_eq!(read(""), None);
        assert_eq!(told(r#""endUserToAgent":true,"maxFileSize":5"#), is(true, Some(5 << 20)));
        assert_eq!(
            told(r#""endUserToAgent":true,"maxFileSize":"2000000""#),
            is(true, Some(2_000_000))
        );
        assert_eq!(told(r#""endUserToAgent":true,"maxFileSize":0"#), is(true, None));
        assert_eq!(told(r#""endUserToAgent":false"#), is(false, None));
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
