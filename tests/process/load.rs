//! Many chats at once, each at the pace of a busy conversation, and what became of all that was
//! said. The bridge between the two sides may come and go meanwhile.
//!
//! Both sides speak by the clock, not by what they hear, so that the load stays the same whatever
//! the bridge does; only what got no answer is waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use liveagent_bridge::clock::Clock;
use liveagent_bridge::time::Mono;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::desk::{asked_with, lines};
use crate::site::Site;
use crate::visitor::{Line, Poller, http};
use crate::within;

/// How often each side of a chat speaks: 22 messages a minute go to a conversation.
const EVERY: Duration = Duration::from_millis(2_730);
/// Chats begin this far apart: no more than the org's 200 tokens in one life of the bridge.
const APART: Duration = Duration::from_millis(25);
/// How often it is looked whether everything has come to the desk, once everything is said.
const LOOK: Duration = Duration::from_millis(200);

/// A visitor's program.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    numbers: bool,
    acks: bool,
}

pub const KINDS: [Kind; 5] = [
    Kind { name: "one", numbers: true, acks: true },
    Kind { name: "two", numbers: true, acks: true },
    Kind { name: "three", numbers: true, acks: true },
    Kind { name: "never-acks", numbers: true, acks: false },
    Kind { name: "never-numbers", numbers: false, acks: true },
];

/// One visitor: the nth of all.
#[derive(Clone, Copy)]
pub struct Who(usize);

impl Who {
    pub fn kind(self) -> Kind {
        KINDS[self.0 % KINDS.len()]
    }

    pub fn name(self) -> String {
        format!("{}-{}", self.kind().name, self.0)
    }

    fn email(self) -> String {
        format!("{}@example.test", self.name())
    }

    pub fn asks(self, n: usize) -> String {
        format!("{} asks {n}", self.name())
    }

    pub fn answers(self, n: usize) -> String {
        format!("{} is answered {n}", self.name())
    }
}

/// How far the run has come, over all chats.
#[derive(Clone, Copy, Default)]
pub struct Progress {
    /// Messages whose POST begins: the next thing that happens is that they are sent.
    pub posted: usize,
    /// What the agents said.
    pub said: usize,
    /// Agents' lines that visitors have.
    pub heard: usize,
}

/// What every part of the run shares.
pub struct Load {
    pub site: Site,
    pub clock: Clock,
    pub progress: watch::Sender<Progress>,
    pub chats: usize,
    /// Messages of each side of each chat.
    pub messages: usize,
    desk: reqwest::Client,
    began: Mono,
    /// The desk's chats, by the visitor's address.
    opened: watch::Sender<HashMap<String, String>>,
}

/// What one visitor did and saw.
pub struct Saw {
    pub who: Who,
    /// When each message was first sent.
    pub sent: Vec<i64>,
    /// The agent's lines, in order, and when they came.
    pub heard: Vec<(String, i64)>,
    pub ended: usize,
    /// Payloads that came again to a client that does not acknowledge.
    pub repeated: usize,
    pub posts_cut: usize,
    pub polls_cut: usize,
    /// The chat as the desk has it at the end.
    pub desk: Value,
}

impl Load {
    pub fn new(site: Site, chats: usize, messages: usize) -> Self {
        let clock = Clock::system();
        let (progress, opened) = (watch::Sender::default(), watch::Sender::default());
        let began = clock.now().mono;
        Self { site, progress, chats, messages, desk: http(), began, opened, clock }
    }

    pub fn everybody(&self) -> impl Iterator<Item = Who> + use<> {
        (0..self.chats).map(Who)
    }

    fn now(&self) -> i64 {
        self.clock.now().wall.millis()
    }

    fn desk_url(&self, rest: &str) -> String {
        format!("{}/{rest}", self.site.desk.trim_end_matches('/'))
    }

    /// Says which of the desk's chats is whose, until all are there.
    pub async fn receive(self: Arc<Self>) {
        let mut events = self.desk.get(self.desk_url("events")).send().await.unwrap();
        let mut rest = String::new();
        while self.opened.borrow().len() < self.chats {
            let chunk = within("a chat at the desk", events.chunk()).await.unwrap();
            rest.push_str(std::str::from_utf8(&chunk.expect("the desk is there")).unwrap());
            while let Some((line, after)) = rest.split_once('\n') {
                let data = line.strip_prefix("data: ").map(serde_json::from_str::<Value>);
                rest = after.to_owned();
                if let Some(Ok(data)) = data {
                    self.received(data["id"].as_str().unwrap()).await;
                }
            }
        }
    }

    /// A chat of the desk has changed; no id: nobody knows which.
    async fn received(&self, id: &str) {
        if self.opened.borrow().values().any(|known| known == id) {
            return;
        }
        let chats = match id {
            "" => self.desk_chat("chats").await["chats"].as_array().unwrap().clone(),
            id => vec![self.desk_chat(&format!("chats/{id}")).await],
        };
        for chat in chats {
            if let Some(who) = self.everybody().find(|who| asked_with(&chat, &who.email())) {
                let id = chat["id"].as_str().unwrap().to_owned();
                self.opened.send_modify(|opened| {
                    opened.insert(who.email(), id);
                });
            }
        }
    }

    async fn desk_chat(&self, path: &str) -> Value {
        self.desk.get(self.desk_url(path)).send().await.unwrap().json().await.unwrap()
    }

    /// How many chats the desk has.
    pub async fn at_the_desk(&self) -> usize {
        self.desk_chat("chats").await["chats"].as_array().unwrap().len()
    }

    async fn act(&self, id: &str, action: &str, body: Value) {
        let url = self.desk_url(&format!("chats/{id}/{action}"));
        let answer = self.desk.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{action}");
    }

    /// Waits until it is this chat's turn to speak for the nth time.
    async fn turn(&self, who: Who, n: usize) {
        let at = APART * who.0 as u32 + EVERY * n as u32;
        self.clock.until(self.began.plus(at)).await;
    }

    /// One chat from beginning to end: the visitor speaks here, the agent and the visitor's polls
    /// beside it.
    pub async fn chat(self: Arc<Self>, who: Who) -> Saw {
        self.turn(who, 0).await;
        let kind = who.kind();
        let mut line = Line::new(&self.site).await;
        let number = |n: usize| kind.numbers.then_some(n as u64);
        line.init(number(1), &who.email()).await;
        let reader = tokio::spawn(self.clone().read(who, Poller::new(&line, kind.acks)));
        let agent = tokio::spawn(self.clone().serve(who));
        let mut sent = Vec::new();
        for n in 1..=self.messages {
            self.turn(who, n).await;
            sent.push(self.now());
            self.progress.send_modify(|progress| progress.posted += 1);
            line.say(number(n + 1), &who.asks(n)).await;
        }
        let id = agent.await.unwrap();
        let desk = within("every line of the visitor", self.complete(&id)).await;
        self.act(&id, "end", json!({})).await;
        let saw = within("the end of the chat", reader).await.unwrap();
        Saw { sent, posts_cut: line.cut, desk, ..saw }
    }

    /// The chat once the desk has all that its visitor said.
    async fn complete(&self, id: &str) -> Value {
        loop {
            let chat = self.desk_chat(&format!("chats/{id}")).await;
            if lines(&chat, "visitor").len() >= self.messages {
                return chat;
            }
            self.clock.until(self.clock.now().mono.plus(LOOK)).await;
        }
    }

    /// An agent: takes the chat and says its lines; which chat it is.
    async fn serve(self: Arc<Self>, who: Who) -> String {
        let email = who.email();
        let mut opened = self.opened.subscribe();
        let there = opened.wait_for(|opened| opened.contains_key(&email));
        let id = within("the chat", there).await.expect("the desk is watched")[&email].clone();
        self.act(&id, "accept", json!({})).await;
        for n in 1..=self.messages {
            self.turn(who, n).await;
            self.act(&id, "say", json!({ "text": who.answers(n) })).await;
            self.progress.send_modify(|progress| progress.said += 1);
        }
        id
    }

    /// Reads to the very end: the agent's lines, the end, the 403.
    async fn read(self: Arc<Self>, who: Who, mut poller: Poller) -> Saw {
        let (mut heard, mut ended) = (Vec::new(), 0);
        while let Some(messages) = poller.next().await {
            for message in messages {
                match message["type"].as_str().unwrap() {
                    "ChatMessage" => {
                        let text = message["message"]["text"].as_str().unwrap().to_owned();
                        heard.push((text, self.now()));
                        self.progress.send_modify(|progress| progress.heard += 1);
                    }
                    "ChatEnded" => ended += 1,
                    _ => assert_eq!(ended, 0, "{message} after the end"),
                }
            }
        }
        let (repeated, polls_cut) = (poller.repeated, poller.line.cut);
        let (sent, posts_cut, desk) = (Vec::new(), 0, Value::Null);
        Saw { who, sent, heard, ended, repeated, posts_cut, polls_cut, desk }
    }
}
