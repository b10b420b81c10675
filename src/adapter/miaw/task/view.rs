//! What the task lets operators see of its chat.

use std::sync::PoisonError;

use super::Task;
use crate::adapter::miaw::summary::{Glance, Summary};
use crate::chat::session::Session;
use crate::time::Wall;

impl Task {
    /// Renews what lists and metrics see.
    pub(super) fn show(&self, session: &Session, now: Wall) {
        let glance = Glance::of(session.state(), self.waiting.len(), now);
        *self.glance.lock().unwrap_or_else(PoisonError::into_inner) = Some(glance);
    }

    pub(super) fn describe(&self, session: &Session) -> Summary {
        let seen = *self.glance.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.shared.clock.now();
        let glance = seen.unwrap_or_else(|| Glance::of(session.state(), 0, now.wall));
        let summary = Summary::of(&self.tenant.id, session.state(), glance, now);
        let messages = self.checkpoints.messages();
        Summary { streaming: self.stream.is_some(), live: true, messages, ..summary }
    }
}
