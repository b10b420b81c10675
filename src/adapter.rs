//! The backends behind the facade: the real Live Agent service and MIAW.

pub mod liveagent;
pub mod miaw;
pub mod transport;

use async_trait::async_trait;

use crate::chat::ids::ChatId;
use crate::chat::visitor::Post;
use crate::chat::{Reply, ReplyTo};

/// The translated chats of this process, as the facade sees them.
///
/// Promised: an answer is given only after what it tells is safe in the store. A chat is started by
/// a post whose command is `Begin`; every other request of an unknown chat is answered `Gone`, but
/// a early poll first waits for the chat to begin.
#[async_trait]
pub trait Chats: Send + Sync + 'static {
    /// A POST of the visitor's program.
    async fn post(&self, tenant: &str, chat: ChatId, post: Post) -> Answer;
    /// `System/Messages`; returns when there is something to say or the hold time is over. `early`:
    /// the session is so young that its chat may still begin.
    async fn poll(&self, tenant: &str, chat: ChatId, ack: Option<i64>, early: bool) -> Answer;
    /// `System/ReconnectSession`.
    async fn reconnect(&self, tenant: &str, chat: ChatId, offset: Option<i64>) -> Answer;
}

/// A file of a visitor, within the limits and of a type that MIAW takes.
#[derive(Clone, PartialEq, Eq)]
pub struct VisitorFile {
    /// Its name, without a path.
    pub name: String,
    /// Its media type.
    pub kind: String,
    /// What is in it.
    pub bytes: bytes::Bytes,
}

impl std::fmt::Debug for VisitorFile {
    /// Without name and contents, which are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.bytes.len();
        f.debug_struct("VisitorFile").field("kind", &self.kind).field("bytes", &bytes).finish()
    }
}

/// Who takes the files of visitors.
#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// Hands a file to a chat; whether the chat took it.
    async fn upload(&self, tenant: &str, chat: ChatId, file: VisitorFile) -> bool;
}

/// Takes none: MIAW's agents ask for no files.
#[derive(Clone, Copy, Debug)]
pub struct NoUploads;

#[async_trait]
impl Uploads for NoUploads {
    async fn upload(&self, _: &str, _: ChatId, _: VisitorFile) -> bool {
        false
    }
}

/// An answer, and whom to tell that it was handed over.
#[derive(Debug)]
pub struct Answer {
    /// What to answer.
    pub reply: Reply,
    /// Whom to tell.
    pub receipt: Option<Receipt>,
}

/// Told when the whole answer was handed to the client's connection. Dropped untold, it reports
/// the answer as lost, so that it is given again.
pub struct Receipt {
    tell: Option<Box<dyn FnOnce(ReplyTo, bool) + Send>>,
    reply: ReplyTo,
}

impl Receipt {
    /// A receipt that tells `tell` whether the answer was written.
    pub fn new(reply: ReplyTo, tell: impl FnOnce(ReplyTo, bool) + Send + 'static) -> Self {
        Self { tell: Some(Box::new(tell)), reply }
    }

    /// The answer was handed over in full.
    pub fn written(mut self) {
        if let Some(tell) = self.tell.take() {
            tell(self.reply, true);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(self.reply, false);
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receipt({:?})", self.reply)
    }
}
