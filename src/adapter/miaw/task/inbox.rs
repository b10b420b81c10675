//! What reaches the task from outside, as its next input.

use super::{Envelope, Next, Task};
use crate::chat::Input;

impl Task {
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
