//! What a client did and saw.

use serde_json::Value;

/// One thing the visitor said.
#[derive(Clone, Debug)]
pub struct Said {
    pub text: String,
    pub first_at: u64,
    /// When it was answered `OK`.
    pub taken_at: Option<u64>,
    /// Answers to it that came, but which its client never read, or attempts that another number
    /// or half a minute sets apart: the bridge cannot know the repeat for one.
    pub unknowable: bool,
    /// How often it was sent.
    pub sent: u64,
}

/// One thing the visitor read.
#[derive(Clone, Debug)]
pub struct Heard {
    pub text: String,
    pub at: u64,
}

/// A client's account of its chat.
#[derive(Clone, Debug, Default)]
pub struct Saw {
    pub said: Vec<Said>,
    pub heard: Vec<Heard>,
    /// The types of all messages, in order.
    pub kinds: Vec<String>,
    pub began: bool,
    pub ended_at: Option<u64>,
    /// When the client was told 403.
    pub gone_at: Option<u64>,
    pub end_sent_at: Option<u64>,
    /// Answers with messages that were lost on their way, or never read.
    pub died: u64,
    pub reconnected: u64,
    pub last: i64,
    pub wrong: Vec<String>,
}

impl Saw {
    pub fn new() -> Self {
        Self { last: -1, ..Self::default() }
    }

    /// Reads the answer to a poll.
    pub fn read(&mut self, at: u64, payload: &Value) {
        let messages = payload["messages"].as_array().cloned().unwrap_or_default();
        let Some(sequence) = payload["sequence"].as_i64() else {
            self.wrong.push(format!("no sequence in {payload}"));
            return;
        };
        if messages.is_empty() {
            self.wrong.push("an answer without messages".to_owned());
        }
        self.last = sequence;
        for message in messages {
            let kind = message["type"].as_str().unwrap_or_default().to_owned();
            if kind == "ChatMessage" {
                let text = message["message"]["text"].as_str().unwrap_or_default().to_owned();
                self.heard.push(Heard { text, at });
            }
            if matches!(kind.as_str(), "ChatEnded" | "ChatRequestFail") {
                self.ended_at.get_or_insert(at);
            }
            self.kinds.push(kind);
        }
    }

    pub fn failed(&self) -> bool {
        self.kinds.iter().any(|kind| kind == "ChatRequestFail")
    }

    pub fn notices(&self, text: &str) -> usize {
        self.heard.iter().filter(|heard| heard.text == text).count()
    }
}
