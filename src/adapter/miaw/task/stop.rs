//! How a task ends with its process.

use super::{Envelope, Next, Stop, Task};
use crate::adapter::Answer;
use crate::chat::session::Session;
use crate::chat::{Effect, Input, Reply};

impl Task {
    /// What came until now is answered; what it asks for is done by the next process.
    pub(super) async fn shut_down(&mut self, session: &mut Session) -> Result<(), Stop> {
        while let Some(envelope) = self.first.take().or_else(|| self.inbox.try_recv().ok()) {
            match envelope {
                Envelope::Post { file: None, .. } | Envelope::Told { .. } => {
                    if let Next::Input(input) = self.asked(envelope) {
                        self.last_turn(session, input).await?;
                    }
                }
                Envelope::Poll { to, .. } => {
                    let nothing = Answer { reply: Reply::Nothing, receipt: None };
                    drop(to.send(nothing));
                }
                // The asker is told by the drop, and asks the next process. A file would be in the
                // memory of this one only.
                Envelope::Post { .. } | Envelope::Reconnect { .. } => {}
                Envelope::Describe { .. } | Envelope::End { .. } => {}
            }
        }
        self.last_turn(session, Input::Drain).await?;
        Err(Stop::Shutdown)
    }

    /// One step with its commit and its answers, and nothing else.
    async fn last_turn(&mut self, session: &mut Session, input: Input) -> Result<(), Stop> {
        let step = session.step(self.shared.clock.now(), input);
        self.late.extend(step.facts);
        if !self.late.is_empty() {
            self.flush(session).await?;
        }
        for effect in step.effects {
            if matches!(effect, Effect::Reply(..)) {
                self.perform(session, effect).await?;
            }
        }
        Ok(())
    }
}
