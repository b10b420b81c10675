//! Chats that go on through an outage of the store: what each side said, and what became of it.

use std::time::Duration;

use liveagent_bridge::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::desk::{Desk, asked_with, id, lines};
use crate::site::Site;
use crate::tally::Tally;
use crate::visitor::{Line, Poller};
use crate::{long_or, within};

const VISITORS: usize = 3;

/// One visitor and its polls, which must never meet an error.
struct Talk {
    line: Line,
    id: String,
    number: u64,
    sent: Vec<(String, i64)>,
    polls: tokio::task::JoinHandle<Vec<String>>,
}

/// The chats.
pub struct Stage {
    desk: Desk,
    clock: Clock,
    talks: Vec<Talk>,
    /// Answers of 500.
    pub refused: watch::Sender<usize>,
}

impl Stage {
    /// Chats that are established, and polled for.
    pub async fn new(site: &Site) -> Self {
        let desk = Desk::new(&site.desk);
        let mut talks = Vec::new();
        for n in 0..VISITORS {
            let email = format!("outage{n}@example.test");
            let mut line = Line::new(site).await;
            line.init(Some(1), &email).await;
            let chat = desk.chat("a chat", |chat| asked_with(chat, &email)).await;
            desk.accept(&id(&chat)).await;
            let mut poller = Poller::new(&line, true);
            poller.until("ChatEstablished").await;
            let polls = tokio::spawn(async move {
                let mut texts = Vec::new();
                while let Some(messages) = poller.next().await {
                    let said = messages.iter().filter(|message| message["type"] == "ChatMessage");
                    let text =
                        |message: &Value| message["message"]["text"].as_str().unwrap().into();
                    texts.extend(said.map(text));
                }
                texts
            });
            talks.push(Talk { line, id: id(&chat), number: 1, sent: Vec::new(), polls });
        }
        Self { desk, clock: Clock::system(), talks, refused: watch::Sender::default() }
    }

    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn now(&self) -> i64 {
        self.clock.now().wall.millis()
    }

    /// Each says one line until it is acknowledged; answers when the last one was.
    pub async fn say(&mut self, what: &str) -> i64 {
        let (clock, refused) = (&self.clock, &self.refused);
        let turns = self.talks.iter_mut().enumerate().map(|(n, talk)| async move {
            talk.number += 1;
            let text = format!("{n} {what}");
            talk.sent.push((text.clone(), clock.now().wall.millis()));
            let body = json!({ "text": text });
            loop {
                let answer = talk.line.post("ChatMessage", Some(talk.number), &body).await;
                match answer.status {
                    200 => return clock.now().wall.millis(),
                    500 => refused.send_modify(|refused| *refused += 1),
                    other => panic!("{other}: {}", answer.text),
                }
            }
        });
        let done = futures_util::future::join_all(turns).await;
        done.into_iter().max().unwrap_or_default()
    }

    /// Ends an outage once a POST has waited in vain; answers when.
    pub fn once_refused<T: Send + 'static>(
        &self,
        outage: T,
        end: impl FnOnce(T) + Send + 'static,
    ) -> tokio::task::JoinHandle<i64> {
        let (clock, mut refused) = (self.clock.clone(), self.refused.subscribe());
        let before = *refused.borrow();
        let least = clock.now().mono.plus(Duration::from_secs(long_or(30, 0)));
        tokio::spawn(async move {
            let one = refused.wait_for(|refused| *refused > before);
            drop(within("a POST that is answered 500", one).await.unwrap());
            clock.until(least).await;
            end(outage);
            clock.now().wall.millis()
        })
    }

    /// Both sides say something while all is well, and the other side has it.
    pub async fn check(&mut self, what: &str) {
        self.say(what).await;
        for talk in &self.talks {
            let all = |chat: &Value| {
                chat["id"] == *talk.id && lines(chat, "visitor").len() >= talk.sent.len()
            };
            self.desk.chat("every line", all).await;
            self.desk.say(&talk.id, what).await;
        }
    }

    /// Counts, and ends the chats.
    pub async fn end(self, test: &str, what: &str, more: &str, said: &[&str]) {
        let mut tally = Tally::default();
        for talk in self.talks {
            let chat = self.desk.chat("the chat", |chat| chat["id"] == *talk.id).await;
            let heard = lines(&chat, "visitor");
            let texts = |lines: &[(String, i64)]| {
                lines.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>()
            };
            assert_eq!(texts(&heard), texts(&talk.sent));
            tally.add(&talk.sent, &heard);
            self.desk.act(&talk.id, "end", json!({})).await;
            let told = within("the end of the polls", talk.polls).await.unwrap();
            assert_eq!(told, said);
            tally.sent += said.len();
            tally.delivered += told.len();
        }
        tally.tell(test, what, more);
    }
}
