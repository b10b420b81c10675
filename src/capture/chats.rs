//! Sightings folded into lines: what belongs to one chat, from its init to its end.
//!
//! Promised: pure but for memory, which is bounded; a repeated init is one chat. A chat that nobody
//! asks about for [`SILENT`] ended when it was last seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::line;
use super::{Seen, Session, Sighting};
use crate::facade;
use crate::report::captured::CapturedInit;
use crate::time::Mono;
use crate::wire::liveagent::MessagesPayload;
use crate::wire::liveagent::request::MultiNoun;

/// Chats that are followed at once; one more is written without its duration.
const FOLLOWED_MAX: usize = 10_000;
/// Longer than any poll is held, relayed ones too.
const SILENT: Duration = Duration::from_secs(180);

struct Chat {
    tenant: Arc<str>,
    line: CapturedInit,
    began: Mono,
    last: Mono,
}

/// The chats that run.
#[derive(Default)]
pub(super) struct Chats {
    running: HashMap<Session, Chat>,
    finished: Vec<(Arc<str>, CapturedInit)>,
}

impl Chats {
    pub(super) fn take(&mut self, sighting: &Sighting) {
        match &sighting.seen {
            Seen::Init(body) => self.init(sighting, &facade::decode(body)),
            Seen::Batch(body) => self.batch(sighting, body),
            Seen::Said => self.said(sighting),
            Seen::Polled(body) => self.polled(sighting, body),
            Seen::Over => self.over(&sighting.session, sighting.at.mono),
        }
    }

    fn init(&mut self, sighting: &Sighting, body: &str) {
        if self.running.contains_key(&sighting.session) {
            return;
        }
        let Some(line) = line::redact(body, sighting.at.wall, &sighting.tenant) else { return };
        let tenant = sighting.tenant.clone();
        if self.running.len() >= FOLLOWED_MAX {
            self.finished.push((tenant, line));
            return;
        }
        let line = CapturedInit { messages: Some(0), agent_messages: Some(0), ..line };
        let (began, last) = (sighting.at.mono, sighting.at.mono);
        self.running.insert(sighting.session, Chat { tenant, line, began, last });
    }

    fn batch(&mut self, sighting: &Sighting, body: &[u8]) {
        let Ok(batch) = serde_json::from_str::<MultiNoun>(&facade::decode(body)) else { return };
        for wrapper in &batch.nouns {
            match wrapper.noun.as_deref() {
                Some("ChasitorInit") => self.init(sighting, &wrapper.body()),
                Some("ChatMessage") => self.said(sighting),
                Some("ChatEnd" | "ChatCancel") => {
                    self.over(&sighting.session, sighting.at.mono);
                }
                _ => {}
            }
        }
    }

    fn said(&mut self, sighting: &Sighting) {
        if let Some(chat) = self.running.get_mut(&sighting.session) {
            chat.last = sighting.at.mono;
            chat.line.messages = chat.line.messages.map(|count| count + 1);
        }
    }

    fn polled(&mut self, sighting: &Sighting, body: &[u8]) {
        let Some(chat) = self.running.get_mut(&sighting.session) else { return };
        chat.last = sighting.at.mono;
        // What is compressed or too long is not understood.
        let Ok(payload) = serde_json::from_slice::<MessagesPayload>(body) else { return };
        let kinds = || payload.messages.iter().map(|message| message.kind.as_str());
        let said = kinds().filter(|kind| *kind == "ChatMessage").count() as u64;
        chat.line.agent_messages = chat.line.agent_messages.map(|count| count + said);
        if kinds().any(|kind| matches!(kind, "ChatEnded" | "ChatRequestFail")) {
            self.over(&sighting.session, sighting.at.mono);
        }
    }

    fn over(&mut self, session: &Session, at: Mono) {
        if let Some(mut chat) = self.running.remove(session) {
            chat.line.duration_seconds = Some(at.since(chat.began).as_secs());
            self.finished.push((chat.tenant, chat.line));
        }
    }

    /// Ends the chats that nobody asks about any more.
    pub(super) fn sweep(&mut self, now: Mono) {
        let silent = |chat: &Chat| now.since(chat.last) >= SILENT;
        let gone: Vec<(Session, Mono)> = self
            .running
            .iter()
            .filter(|(_, chat)| silent(chat))
            .map(|(session, chat)| (*session, chat.last))
            .collect();
        for (session, last) in gone {
            self.over(&session, last);
        }
    }

    /// Lets every chat go; how long they take is not known.
    pub(super) fn close(&mut self) {
        let rest = self.running.drain().map(|(_, chat)| (chat.tenant, chat.line));
        self.finished.extend(rest);
    }

    /// The lines that are ready, in the order their chats ended.
    pub(super) fn finished(&mut self) -> Vec<(Arc<str>, CapturedInit)> {
        std::mem::take(&mut self.finished)
    }
}
