//! What reaches the task from outside, as its next input.

use super::{Envelope, Next, Taken, Task};
use crate::chat::Input;
use crate::store::Loaded;
use crate::time::Mono;

/// What was read of a chat of an earlier process, and when its turn is.
pub(in super::super) struct Found {
    pub(in super::super) loaded: Loaded,
    pub(in super::super) turn: Mono,
}

impl Task {
    pub(in super::super) fn with(self, found: Option<Found>, taken: Taken) -> Self {
        Self { found, taken, ..self }
    }

    /// Chats of an earlier process go on one after the other, but for those somebody asks for.
    pub(super) async fn wait_for_turn(&mut self) {
        let Some(Found { turn, .. }) = self.found else { return };
        let shared = self.shared.clone();
        tokio::select! {
            biased;
            envelope = self.inbox.recv() => self.first = envelope,
            () = shared.clock.until(turn) => {}
            () = shared.shutdown.cancelled() => {}
        }
    }

    /// Takes note of who waits, and says what is to be done.
    pub(super) fn asked(&mut self, envelope: Envelope) -> Next {
        Next::Input(match envelope {
            Envelope::Post { post, file, reply, to } => {
                self.arrived = file.map(|file| (post.fingerprint, file));
                self.waiting.insert(reply, to);
                Input::Post { post, reply }
            }
            Envelope::Poll { ack, reply, to, .. } => {
                self.waiting.insert(reply, to);
                Input::Poll { ack, reply }
            }
            Envelope::Reconnect { offset, reply, to } => {
                self.waiting.insert(reply, to);
                Input::Reconnect { offset, reply }
            }
            Envelope::Told { reply, written: true } => Input::Written { reply },
            Envelope::Told { reply, written: false } => {
                self.waiting.remove(&reply);
                Input::Lost { reply }
            }
            Envelope::Describe { to } => return Next::Describe(to),
            Envelope::End { to } => return Next::End(to),
        })
    }
}

/// Waits for an instant, or for ever.
pub(super) async fn until(clock: &crate::clock::Clock, at: Option<crate::time::Mono>) {
    match at {
        Some(at) => clock.until(at).await,
        None => std::future::pending().await,
    }
}
