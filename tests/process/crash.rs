//! K1: `serve` is killed in mid-chat, again and again: nothing is lost, nothing comes twice.

use std::sync::Arc;

use liveagent_bridge::clock::Clock;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::desk::{Desk, asked_with, id, lines};
use crate::site::Site;
use crate::tally::Tally;
use crate::visitor::{Line, Poller};
use crate::{long_or, within};

/// How far one side may be ahead of what it has seen of the other.
const AHEAD: usize = 2;

/// A visitor's program.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    numbers: bool,
    acks: bool,
}

const CLIENTS: [Kind; 5] = [
    Kind { name: "one", numbers: true, acks: true },
    Kind { name: "two", numbers: true, acks: true },
    Kind { name: "three", numbers: true, acks: true },
    Kind { name: "never-acks", numbers: true, acks: false },
    Kind { name: "never-numbers", numbers: false, acks: true },
];

/// How far the run has come, over all chats.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// POSTs begun: the next thing that happens is that they are sent.
    posted: usize,
    /// What the agents said.
    said: usize,
    /// Agents' lines that visitors have.
    heard: usize,
}

/// When the bridge is killed for the nth time: in turns while POSTs are on their way, in the middle
/// of an agent's line, and just after one was delivered; spread over all that will be said.
fn is_moment(progress: &Progress, n: usize, kills: usize, messages: usize) -> bool {
    let due = CLIENTS.len() * messages * (n + 1) / (kills + 1);
    match n % 3 {
        0 => progress.posted >= due,
        1 => progress.said >= due,
        _ => progress.heard >= due,
    }
}

/// What every part of the run shares.
struct Run {
    site: Site,
    desk: Desk,
    clock: Clock,
    progress: watch::Sender<Progress>,
    kills: usize,
    /// Messages of each side of each chat.
    messages: usize,
}

/// What one visitor did and saw.
struct Saw {
    kind: Kind,
    /// When each message was first sent.
    sent: Vec<i64>,
    /// The agent's lines, in order, and when they came.
    heard: Vec<(String, i64)>,
    ended: usize,
    repeated: usize,
    posts_cut: usize,
    polls_cut: usize,
}

fn email(kind: Kind) -> String {
    format!("{}@example.test", kind.name)
}

fn asks(kind: Kind, n: usize) -> String {
    format!("{} asks {n}", kind.name)
}

fn answers(kind: Kind, n: usize) -> String {
    format!("{} is answered {n}", kind.name)
}

impl Run {
    fn now(&self) -> i64 {
        self.clock.now().wall.millis()
    }

    /// A visitor: one task polls, this one posts and keeps pace with the agent.
    async fn visit(self: Arc<Self>, kind: Kind) -> Saw {
        let mut line = Line::new(&self.site).await;
        let number = |n: usize| kind.numbers.then_some(n as u64);
        self.progress.send_modify(|progress| progress.posted += 1);
        line.init(number(1), &email(kind)).await;
        let (heard, mut seen) = watch::channel(0);
        let reader = tokio::spawn(self.clone().read(kind, Poller::new(&line, kind.acks), heard));
        let mut sent = Vec::new();
        for n in 1..=self.messages {
            let enough = seen.wait_for(|heard| heard + AHEAD >= n);
            within("the agent's line", enough).await.expect("the reader reads");
            sent.push(self.now());
            self.progress.send_modify(|progress| progress.posted += 1);
            line.say(number(n + 1), &asks(kind, n)).await;
        }
        let mut saw = reader.await.unwrap();
        (saw.sent, saw.posts_cut) = (sent, line.cut);
        saw
    }

    /// Reads to the very end: the agent's lines, the end, the 403.
    async fn read(
        self: Arc<Self>,
        kind: Kind,
        mut poller: Poller,
        heard: watch::Sender<usize>,
    ) -> Saw {
        let mut saw = Saw {
            kind,
            sent: Vec::new(),
            heard: Vec::new(),
            ended: 0,
            repeated: 0,
            posts_cut: 0,
            polls_cut: 0,
        };
        while let Some(messages) = poller.next().await {
            for message in messages {
                match message["type"].as_str().unwrap() {
                    "ChatMessage" => {
                        let text = message["message"]["text"].as_str().unwrap().to_owned();
                        saw.heard.push((text, self.now()));
                        heard.send_replace(saw.heard.len());
                        self.progress.send_modify(|progress| progress.heard += 1);
                    }
                    "ChatEnded" => saw.ended += 1,
                    _ => assert_eq!(saw.ended, 0, "{message} after the end"),
                }
            }
        }
        (saw.repeated, saw.polls_cut) = (poller.repeated, poller.line.cut);
        saw
    }

    /// An agent: takes the chat, says its lines, ends it once everything is said.
    async fn serve(self: Arc<Self>, kind: Kind) {
        let email = email(kind);
        let chat = self.desk.chat("a chat", |chat| asked_with(chat, &email)).await;
        let id = id(&chat);
        self.desk.accept(&id).await;
        for n in 1..=self.messages {
            let seen = |least: usize| {
                let id = &id;
                move |chat: &serde_json::Value| {
                    chat["id"] == **id && lines(chat, "visitor").len() + AHEAD >= least
                }
            };
            self.desk.chat("the visitor's line", seen(n)).await;
            self.desk.say(&id, &answers(kind, n)).await;
            self.progress.send_modify(|progress| progress.said += 1);
        }
        let all = |chat: &serde_json::Value| {
            chat["id"] == *id && lines(chat, "visitor").len() >= self.messages
        };
        self.desk.chat("every line of the visitor", all).await;
        self.desk.act(&id, "end", json!({})).await;
        let over = |chat: &serde_json::Value| chat["id"] == *id && chat["state"] == "ended";
        self.desk.chat("the end", over).await;
    }

    /// Kills the bridge at its moments and starts the next one at once; gives the last one back.
    async fn kill(self: Arc<Self>) -> crate::program::Program {
        let mut bridge = self.site.serve().await;
        let mut progress = self.progress.subscribe();
        for n in 0..self.kills {
            let moment = |progress: &Progress| is_moment(progress, n, self.kills, self.messages);
            within("the next kill", progress.wait_for(moment)).await.expect("the run goes on");
            self.site.goes();
            bridge.kill();
            bridge = self.site.serve().await;
        }
        bridge
    }
}

fn texts(lines: &[(String, i64)]) -> Vec<&str> {
    lines.iter().map(|(text, _)| text.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_survive_kills_in_mid_sentence() {
    let site = Site::new("none").await;
    let desk = Desk::new(&site.desk);
    let (clock, progress) = (Clock::system(), watch::Sender::default());
    let kills = long_or(200, 20);
    let run = Arc::new(Run { site, desk, clock, progress, kills, messages: kills });
    let bridge = tokio::spawn(run.clone().kill());
    let (mut agents, mut visitors) = (JoinSet::new(), JoinSet::new());
    for kind in CLIENTS {
        agents.spawn(run.clone().serve(kind));
        visitors.spawn(run.clone().visit(kind));
    }
    // Whatever fails first is what is told.
    while let Some(served) = agents.join_next().await {
        served.unwrap();
    }
    let saw = visitors.join_all().await;
    drop(bridge.await.unwrap());

    let chats = run.desk.all();
    let mut tally = Tally::default();
    let messages = run.messages;
    for saw in &saw {
        let mine = chats.iter().find(|chat| asked_with(chat, &email(saw.kind))).unwrap();
        let sent = (1..=messages).map(|n| asks(saw.kind, n)).zip(saw.sent.iter().copied());
        tally.add(&sent.collect::<Vec<_>>(), &lines(mine, "visitor"));
        tally.add(&lines(mine, "agent"), &saw.heard);
    }
    let (posts, polls, payloads) = saw.iter().fold((0, 0, 0), |(posts, polls, again), saw| {
        (posts + saw.posts_cut, polls + saw.polls_cut, again + saw.repeated)
    });
    let what = format!("kill -9, {kills} times, {} chats", chats.len());
    let cut =
        format!("cut {posts} POSTs and {polls} polls, payloads again without acks {payloads}");
    tally.tell("K1", &what, &cut);

    assert_eq!(chats.len(), CLIENTS.len(), "no chat was asked for twice");
    assert!(posts > 0, "no POST was on its way when the bridge was killed");
    for saw in &saw {
        let kind = saw.kind;
        let mine = chats.iter().find(|chat| asked_with(chat, &email(kind))).unwrap();
        let asked: Vec<_> = (1..=messages).map(|n| asks(kind, n)).collect();
        let answered: Vec<_> = (1..=messages).map(|n| answers(kind, n)).collect();
        assert_eq!(texts(&lines(mine, "visitor")), asked, "{}", kind.name);
        assert_eq!(texts(&saw.heard), answered, "{}", kind.name);
        assert_eq!(saw.ended, 1, "{}", kind.name);
    }
}
