//! Decisions for new chats: counted, remembered for a while, and stored with the chat they are for.
//!
//! Promised: the newest decisions can be explained; that of a translated chat for as long as the
//! chat is kept. Not here: the reasons of chats on legacy, which the relay keeps.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::metrics::Metrics;
use crate::adapter::{Answer, Chats};
use crate::chat::ids::ChatId;
use crate::chat::visitor::{Post, VisitorCommand};
use crate::facade::{Decided, Decisions};

/// Decisions that are remembered in this process.
const REMEMBERED_MAX: usize = 20_000;

/// Remembers what was decided, and tells the next one.
pub struct Watched {
    inner: Arc<dyn Decisions>,
    metrics: Arc<Metrics>,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    decided: HashMap<ChatId, Decided>,
    oldest_first: VecDeque<ChatId>,
}

impl Watched {
    /// Passes decisions on to `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Decisions>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics, recent: Mutex::default() }
    }

    /// What was decided about a chat, when that was not long ago.
    #[must_use]
    pub fn of(&self, chat: ChatId) -> Option<Decided> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.decided.get(&chat).cloned()
    }
}

impl Decisions for Watched {
    fn decided(&self, decided: Decided) {
        let (route, because) = (decided.route.code(), decided.because.code());
        self.metrics.decisions.add([&decided.tenant, route, because]);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.decided.insert(decided.chat, decided.clone()).is_none() {
            recent.oldest_first.push_back(decided.chat);
        }
        if recent.oldest_first.len() > REMEMBERED_MAX
            && let Some(oldest) = recent.oldest_first.pop_front()
        {
            recent.decided.remove(&oldest);
        }
        drop(recent);
        self.inner.decided(decided);
    }
}

/// Chats that begin with the reason why they are here.
pub struct Reasoned {
    chats: Arc<dyn Chats>,
    watched: Arc<Watched>,
}

impl Reasoned {
    /// Adds the reasons to what is handed to `chats`.
    #[must_use]
    pub fn new(chats: Arc<dyn Chats>, watched: Arc<Watched>) -> Self {
        Self { chats, watched }
    }
}

#[async_trait]
impl Chats for Reasoned {
    async fn post(&self, tenant: &str, chat: ChatId, mut post: Post) -> Answer {
        if let VisitorCommand::Begin(begin) = &mut post.command {
            begin.routed = self.watched.of(chat).map(|decided| decided.routed());
        }
        self.chats.post(tenant, chat, post).await
    }

    async fn poll(&self, tenant: &str, chat: ChatId, ack: Option<i64>, early: bool) -> Answer {
        self.chats.poll(tenant, chat, ack, early).await
    }

    async fn reconnect(&self, tenant: &str, chat: ChatId, offset: Option<i64>) -> Answer {
        self.chats.reconnect(tenant, chat, offset).await
    }
}
