//! What real programs send, played again: every request in order, as recorded, against the whole
//! bridge; and what each of them depends on, asserted of the answers.
//!
//! The number and place of polls depended on the server of the recording, so a run of polls is
//! played until what the program waited for has come.

use std::time::Duration;

use http::{Request, StatusCode};
use liveagent_bridge::config::{Behaviour, Delivery};
use liveagent_bridge::emulator::{Agents, Command};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::bridge_stage::{BridgeStage, DEADLINE};
use crate::stage::{Got, read};

mod described;
mod recorded;

const OTHERS: [Delivery; 2] = [Delivery::Single, Delivery::Batch];
/// Changes of state, which real programs look for in the first place of an answer.
const STATES: [&str; 6] = [
    "ChatRequestSuccess",
    "QueueUpdate",
    "ChatEstablished",
    "ChatRequestFail",
    "ChatTransferred",
    "ChatEnded",
];

/// One request of a trace.
#[derive(Clone, Debug)]
struct Step {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Step {
    fn is(&self, part: &str) -> bool {
        self.path.contains(part)
    }

    fn polls(&self) -> bool {
        self.is("System/Messages")
    }
}

/// What a program says in `ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// The `sequence` of the last answer.
    Ack,
    /// Nothing.
    Nothing,
    /// Whatever the trace has.
    AsWritten,
}

/// A message, and where in its answer it was.
#[derive(Clone, Debug)]
struct Read {
    place: usize,
    of: usize,
    kind: String,
    body: Value,
}

/// Plays one trace.
struct Player {
    stage: BridgeStage,
    says: Says,
    id: String,
    key: String,
    affinity: String,
    ack: i64,
    offset: i64,
    /// Every message read, in order.
    read: Vec<Read>,
    /// Answers to what is no poll, with their paths.
    answers: Vec<(String, Got)>,
    /// What the visitor said.
    said: Vec<String>,
    /// What the agent answered, one for each of those once an agent is there.
    replies: usize,
    polled: usize,
}

impl Player {
    async fn new(delivery: Delivery, says: Says, change: impl FnOnce(&mut Behaviour)) -> Self {
        let set = |behaviour: &mut Behaviour| {
            behaviour.delivery = delivery;
            change(behaviour);
        };
        Self {
            stage: BridgeStage::with(Agents::None, set).await,
            says,
            id: String::new(),
            key: String::new(),
            affinity: String::new(),
            ack: -1,
            offset: 0,
            read: Vec::new(),
            answers: Vec::new(),
            said: Vec::new(),
            replies: 0,
            polled: 0,
        }
    }

    /// The whole trace, then polls until the chat is over.
    async fn play(&mut self, steps: &[Step]) {
        let mut after_poll = false;
        for step in steps {
            if !step.polls() {
                self.send(step).await;
            } else if !after_poll {
                self.wait_for_what_comes(step).await;
            }
            after_poll = step.polls();
        }
        let poll = steps.iter().rfind(|step| step.polls()).expect("a program that polls");
        self.until(poll, "ChatEnded").await;
        let over = self.ask(&self.substituted(poll)).await;
        assert_eq!(over.status, StatusCode::FORBIDDEN, "{}", over.text);
    }

    async fn send(&mut self, step: &Step) {
        let got = self.ask(&self.substituted(step)).await;
        assert_eq!(got.status, StatusCode::OK, "{}: {}", step.path, got.text);
        if step.method != "GET" {
            assert_eq!(got.text, "OK", "{}", step.path);
            assert_eq!(got.headers["content-type"], "text/plain");
        }
        if step.is("System/SessionId") && step.method == "GET" {
            let session = got.json();
            let text = |name: &str| session[name].as_str().expect("a text").to_owned();
            (self.key, self.id, self.affinity) = (text("key"), text("id"), text("affinityToken"));
            assert!(session["clientPollTimeout"].is_u64(), "{session}");
        } else if step.is("ReconnectSession") {
            let message = &got.json()["messages"][0]["message"];
            self.affinity = message["affinityToken"].as_str().expect("a token").to_owned();
        } else if step.is("Chasitor/ChasitorInit") {
            self.stage.desk_chat(|_| true).await;
        } else if step.is("ChatMessage") {
            let body: Value = serde_json::from_str(&step.body).expect("JSON");
            self.said.push(body["text"].as_str().expect("a text").to_owned());
        } else if step.is("MultiNoun") {
            let body: Value = serde_json::from_str(&step.body).expect("JSON");
            let nouns = body["nouns"].as_array().expect("nouns").iter();
            let said = nouns.filter_map(|noun| noun["object"]["text"].as_str());
            self.said.extend(said.map(str::to_owned));
        }
        self.answers.push((step.path.clone(), got));
    }

    /// Lets the agent act, and polls until it was read.
    async fn wait_for_what_comes(&mut self, poll: &Step) {
        if self.count("ChatEstablished") == 0 {
            self.until(poll, "ChatRequestSuccess").await;
            self.stage.act(Command::Queue { position: 0, wait: None });
            self.until(poll, "QueueUpdate").await;
            self.stage.act(Command::Accept);
            self.until(poll, "ChatEstablished").await;
        }
        let said: Vec<&str> = self.said.iter().map(String::as_str).collect();
        self.stage.hears(&said).await;
        if self.answers.last().is_some_and(|(path, _)| path.contains("ReconnectSession")) {
            self.poll(poll).await;
        }
        while self.replies < self.said.len() {
            self.replies += 1;
            let text = format!("reply {}", self.replies);
            self.stage.act(Command::Typing { on: true });
            self.stage.agent_says(&text);
            let begun = self.read.len();
            while !self.read[begun..].iter().any(|read| read.body["text"] == text.as_str()) {
                self.poll(poll).await;
            }
        }
    }

    async fn until(&mut self, poll: &Step, kind: &str) {
        while self.count(kind) == 0 {
            self.poll(poll).await;
        }
    }

    /// One poll, which must bring something: two programs do not survive an empty answer.
    async fn poll(&mut self, poll: &Step) {
        let got = self.ask(&self.substituted(poll)).await;
        self.polled += 1;
        assert_eq!(got.status, StatusCode::OK, "{} after {:?}", got.text, self.read.last());
        let answer = got.json();
        let messages = answer["messages"].as_array().expect("messages");
        self.ack = answer["sequence"].as_i64().expect("a sequence");
        self.offset = answer["offset"].as_i64().expect("an offset");
        for (place, message) in messages.iter().enumerate() {
            let kind = message["type"].as_str().expect("a type").to_owned();
            let body = message["message"].clone();
            assert!(body.is_object(), "{message}");
            self.read.push(Read { place, of: messages.len(), kind, body });
        }
    }

    /// The request as the program would send it now.
    fn substituted(&self, step: &Step) -> Step {
        let fill = |text: &str| {
            text.replace("{key}", &self.key)
                .replace("{id}", &self.id)
                .replace("{affinity}", &self.affinity)
        };
        let mut path = fill(&step.path);
        if step.polls() && self.says != Says::AsWritten {
            path = path.split('?').next().unwrap_or_default().to_owned();
            if self.says == Says::Ack {
                path = format!("{path}?ack={}", self.ack);
            }
        }
        path = path.replace("{polled}", &self.polled.to_string());
        path = path.replace("{ack}", &self.ack.to_string());
        if let Some((head, _)) = path.split_once("ReconnectSession.offset=") {
            path = format!("{head}ReconnectSession.offset={}", self.offset);
        }
        let headers = step.headers.iter().map(|(name, value)| (name.clone(), fill(value)));
        Step {
            method: step.method.clone(),
            path,
            headers: headers.collect(),
            body: fill(&step.body),
        }
    }

    async fn ask(&self, step: &Step) -> Got {
        let mut request = Request::builder().method(&*step.method).uri(&step.path);
        for (name, value) in &step.headers {
            request = request.header(name, value);
        }
        let request = request.header("host", "acme.example.test");
        let request = request.body(axum::body::Body::from(step.body.clone())).expect("a request");
        let asked = self.stage.service().oneshot(request);
        let answer = tokio::time::timeout(DEADLINE, asked).await.expect("in time");
        read(answer.expect("an answer")).await
    }

    fn count(&self, kind: &str) -> usize {
        self.read.iter().filter(|read| read.kind == kind).count()
    }

    fn one(&self, kind: &str) -> &Value {
        let found: Vec<&Read> = self.read.iter().filter(|read| read.kind == kind).collect();
        let [one] = found.as_slice() else { panic!("{kind}: {found:?}") };
        &one.body
    }

    /// What every program is promised.
    fn holds(&self) {
        for read in &self.read {
            if STATES.contains(&&*read.kind) {
                assert_eq!(read.place, 0, "{read:?}");
                assert_eq!(read.of, 1, "{read:?}");
            }
        }
        for kind in ["ChatRequestSuccess", "ChatEstablished", "ChatEnded"] {
            assert_eq!(self.count(kind), 1, "{kind}");
        }
        assert_eq!(self.read[0].kind, "ChatRequestSuccess");
        let texts: Vec<&str> = self.read.iter().filter_map(|r| r.body["text"].as_str()).collect();
        let replies: Vec<String> = (1..=self.replies).map(|n| format!("reply {n}")).collect();
        assert_eq!(texts, replies, "each once and in order");
        for read in self.read.iter().filter(|read| read.kind == "ChatMessage") {
            assert!(read.body["name"].is_string(), "{read:?}");
        }
        assert_eq!(self.one("ChatEnded")["reason"], "client");
        assert!(self.key.starts_with(&format!("{}!", self.id)), "cut at the first !");
    }

    /// What a program reads that looks at one place of each answer only, and never acknowledges.
    fn reads_only(&self, place: impl Fn(&Read) -> bool) -> Vec<&str> {
        self.read.iter().filter(|read| place(read)).map(|read| &*read.kind).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn empty_polls_between_messages_lose_nothing() {
    // The player above wants every poll to bring something; here one does not.
    let mut player = Player::new(Delivery::Single, Says::Nothing, |_| {}).await;
    let steps = recorded::steps("rocketchat-liveagent");
    for step in steps.iter().take_while(|step| !step.polls()) {
        player.send(step).await;
    }
    let poll = steps.iter().find(|step| step.polls()).expect("polls").clone();
    player.until(&poll, "ChatRequestSuccess").await;
    let held = player.stage.clock.now().mono;
    let got = player.ask(&player.substituted(&poll)).await;
    assert_eq!((got.status.as_u16(), &*got.text), (204, ""));
    assert_eq!(player.stage.clock.now().mono.since(held), Duration::from_secs(24));
    player.stage.act(Command::Accept);
    player.until(&poll, "ChatEstablished").await;
}
