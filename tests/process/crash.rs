//! `serve` is killed in mid-chat, again and again: nothing is lost, nothing comes twice.

use std::io::Write as _;
use std::sync::Arc;

use liveagent_bridge::clock::Clock;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::desk::{Desk, asked_with, id, lines};
use crate::site::Site;
use crate::visitor::{Line, Poller};
use crate::within;

/// Messages of each side of each chat.
const MESSAGES: usize = 20;
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

/// When the bridge is killed: while POSTs are on their way, in the middle of an agent's line, and
/// just after one was delivered.
const KILLS: [fn(&Progress) -> bool; 5] = [
    |progress| progress.posted >= 4,
    |progress| progress.posted >= 25,
    |progress| progress.said >= 40,
    |progress| progress.heard >= 60,
    |progress| progress.posted >= 90,
];

/// What every part of the run shares.
struct Run {
    site: Site,
    desk: Desk,
    clock: Clock,
    progress: watch::Sender<Progress>,
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
        for n in 1..=MESSAGES {
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
        for n in 1..=MESSAGES {
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
            chat["id"] == *id && lines(chat, "visitor").len() >= MESSAGES
        };
        self.desk.chat("every line of the visitor", all).await;
        self.desk.act(&id, "end", json!({})).await;
    }

    /// Kills the bridge at its moments and starts the next one at once; gives the last one back.
    async fn kill(self: Arc<Self>) -> crate::program::Program {
        let mut bridge = self.site.serve().await;
        let mut progress = self.progress.subscribe();
        for moment in KILLS {
            within("the next kill", progress.wait_for(moment)).await.expect("the run goes on");
            self.site.goes();
            bridge.kill();
            bridge = self.site.serve().await;
        }
        bridge
    }
}

/// What became of the messages of one side.
#[derive(Default)]
struct Tally {
    sent: usize,
    delivered: usize,
    lost: usize,
    repeated: usize,
    longest: i64,
}

impl Tally {
    /// Compares what was said, with its instants, with what the other side has.
    fn add(&mut self, said: &[(String, i64)], had: &[(String, i64)]) {
        self.sent += said.len();
        self.delivered += had.len();
        for (text, at) in said {
            let found: Vec<i64> = had.iter().filter(|(t, _)| t == text).map(|h| h.1).collect();
            self.lost += usize::from(found.is_empty());
            self.repeated += found.len().saturating_sub(1);
            let waited = found.first().map_or(0, |came| came - at);
            self.longest = self.longest.max(waited);
        }
    }

    fn tell(&self, side: &str, out: &mut impl std::io::Write) {
        let Self { sent, delivered, lost, repeated, longest } = self;
        let counts = format!("sent {sent}, delivered {delivered}, lost {lost}");
        writeln!(out, "  {side}: {counts}, repeated {repeated}, longest gap {longest} ms").unwrap();
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
    let run = Arc::new(Run { site, desk, clock, progress });
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
    let (mut to_agents, mut to_visitors) = (Tally::default(), Tally::default());
    for saw in &saw {
        let mine = chats.iter().find(|chat| asked_with(chat, &email(saw.kind))).unwrap();
        let sent = (1..=MESSAGES).map(|n| asks(saw.kind, n)).zip(saw.sent.iter().copied());
        to_agents.add(&sent.collect::<Vec<_>>(), &lines(mine, "visitor"));
        to_visitors.add(&lines(mine, "agent"), &saw.heard);
    }
    let (posts, polls, payloads) = saw.iter().fold((0, 0, 0), |(posts, polls, again), saw| {
        (posts + saw.posts_cut, polls + saw.polls_cut, again + saw.repeated)
    });
    let mut out = std::io::stderr().lock();
    writeln!(out, "{} kills, {} chats:", KILLS.len(), chats.len()).unwrap();
    to_agents.tell("visitors to agents", &mut out);
    to_visitors.tell("agents to visitors", &mut out);
    writeln!(out, "  cut: {posts} POSTs, {polls} polls").unwrap();
    writeln!(out, "  payloads repeated to the client that never acks: {payloads}").unwrap();
    drop(out);

    assert_eq!(chats.len(), CLIENTS.len(), "no chat was asked for twice");
    assert!(posts > 0, "no POST was on its way when the bridge was killed");
    for saw in &saw {
        let kind = saw.kind;
        let mine = chats.iter().find(|chat| asked_with(chat, &email(kind))).unwrap();
        let asked: Vec<_> = (1..=MESSAGES).map(|n| asks(kind, n)).collect();
        let answered: Vec<_> = (1..=MESSAGES).map(|n| answers(kind, n)).collect();
        assert_eq!(texts(&lines(mine, "visitor")), asked, "{}", kind.name);
        assert_eq!(texts(&saw.heard), answered, "{}", kind.name);
        assert_eq!(saw.ended, 1, "{}", kind.name);
    }
}
