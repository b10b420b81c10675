//! Sightings folded into lines: what belongs to one chat, from its init to its end.
//!
//! Promised: pure but for memory, which is bounded; a repeated init is one chat. The init is a line
//! at once, the end is another, so that a killed process leaves the chats that ran. A chat that
//! nobody asks about for [`SILENT`] ended when it was last seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::line;
use super::{Seen, Session, Sighting};
use crate::facade;
use crate::mapping::keys::hex;
use crate::report::captured::{CapturedEnd, CapturedInit, CapturedLine};
use crate::time::Mono;
use crate::wire::liveagent::MessagesPayload;
use crate::wire::liveagent::request::MultiNoun;

/// Chats that are followed at once; of one more only the init is written.
const FOLLOWED_MAX: usize = 10_000;
/// Longer than any poll is held, relayed ones too.
const SILENT: Duration = Duration::from_secs(180);
/// The length of a chat's number, which is written in hexadecimal.
const NUMBER_BYTES: usize = 8;

struct Chat {
    tenant: Arc<str>,
    said: u64,
    /// `None` once an answer could not be read.
    heard: Option<u64>,
    began: Mono,
    last: Mono,
}

/// The chats that run.
#[derive(Default)]
pub(super) struct Chats {
    running: HashMap<Session, Chat>,
    lines: Vec<(Arc<str>, CapturedLine)>,
}

/// What init and end of a chat share: the head of a salted hash whose salt nobody keeps.
fn number(session: &Session) -> String {
    hex(session, NUMBER_BYTES)
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
        let followed = self.running.len() < FOLLOWED_MAX;
        let chat = followed.then(|| number(&sighting.session));
        let line = CapturedLine::Init(Box::new(CapturedInit { chat, ..line }));
        self.lines.push((tenant.clone(), line));
        if followed {
            let (began, last) = (sighting.at.mono, sighting.at.mono);
            let chat = Chat { tenant, said: 0, heard: Some(0), began, last };
            self.running.insert(sighting.session, chat);
        }
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
            chat.said += 1;
        }
    }

    fn polled(&mut self, sighting: &Sighting, body: &[u8]) {
        let Some(chat) = self.running.get_mut(&sighting.session) else { return };
        chat.last = sighting.at.mono;
        if body.is_empty() {
            return;
        }
        // What is compressed, cut off or too long is not understood; the end is seen all the same,
        // by the 403 of the next poll or by silence.
        let Ok(payload) = serde_json::from_slice::<MessagesPayload>(body) else {
            chat.heard = None;
            return;
        };
        let kinds = || payload.messages.iter().map(|message| message.kind.as_str());
        let heard = kinds().filter(|kind| *kind == "ChatMessage").count() as u64;
        chat.heard = chat.heard.map(|count| count + heard);
        if kinds().any(|kind| matches!(kind, "ChatEnded" | "ChatRequestFail")) {
            self.over(&sighting.session, sighting.at.mono);
        }
    }

    fn over(&mut self, session: &Session, at: Mono) {
        let Some(chat) = self.running.remove(session) else { return };
        let end = CapturedEnd {
            end: number(session),
            tenant: chat.tenant.to_string(),
            duration_seconds: at.since(chat.began).as_secs(),
            messages: Some(chat.said),
            agent_messages: chat.heard,
        };
        self.lines.push((chat.tenant, CapturedLine::End(end)));
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

    /// The lines that are ready, in the order things happened.
    pub(super) fn lines(&mut self) -> Vec<(Arc<str>, CapturedLine)> {
        std::mem::take(&mut self.lines)
    }
}
