//! What real programs send, played again: every request in order, as recorded, against the whole
//! bridge; and what each of them depends on, asserted of the answers.
//!
//! The number and place of polls depended on the server of the recording, so a run of polls is
//! played until what the program waited for has come. Each program is played in both ways of
//! delivery, and acknowledging as it does, as the reference does, and not at all.

use http::{Request, StatusCode};
use liveagent_bridge::config::{Behaviour, Delivery};
use liveagent_bridge::emulator::{Agents, Command};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use crate::bridge_stage::{BridgeStage, DEADLINE};
use crate::stage::{Got, read};

mod described;
mod errors;
mod odd;
mod recorded;

const DELIVERIES: [Delivery; 2] = [Delivery::Single, Delivery::Batch];
const WAYS: [Says; 3] = [Says::AsWritten, Says::Ack, Says::Nothing];
/// pepefloyd reads an answer in pieces of this size, and each piece as a whole one.
const PIECE_BYTES: usize = 1_024;
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
    /// Whether the body is sent in ISO-8859-1.
    latin: bool,
}

impl Step {
    fn is(&self, part: &str) -> bool {
        self.path.contains(part)
    }

    fn polls(&self) -> bool {
        self.is("System/Messages")
    }
}

/// Which messages of an answer a program looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    All,
    First,
    Last,
}

/// A program: what it sends, and what it depends on.
struct Program {
    /// As the recordings and `docs/clients.md` name it.
    name: &'static str,
    steps: Vec<Step>,
    takes: Takes,
    /// The reason that it reads at the end; `agent` when it never ends a chat itself.
    ended: &'static str,
    /// What it depends on besides.
    depends: fn(&Player),
}

impl Program {
    fn new(name: &'static str, steps: Vec<Step>) -> Self {
        Self { name, steps, takes: Takes::All, ended: "client", depends: |_| {} }
    }

    /// Whether it acknowledges what it read.
    fn acks(&self, says: Says) -> bool {
        match says {
            Says::Ack => true,
            Says::Nothing => false,
            Says::AsWritten => self.steps.iter().any(|step| step.path.contains("{ack}")),
        }
    }

    /// Whether it gets to see everything. Who takes one message of an answer must get one at a
    /// time: who never acknowledges always does, and `single` puts a message last and its typing
    /// notices before it.
    fn fits(&self, delivery: Delivery, says: Says) -> bool {
        match self.takes {
            Takes::All => true,
            Takes::First => !self.acks(says),
            Takes::Last => !self.acks(says) || delivery == Delivery::Single,
        }
    }
}

/// Plays a program in every way of delivery and of acknowledging.
async fn plays(program: &Program) {
    for delivery in DELIVERIES {
        for says in WAYS {
            let mut player = Player::new(delivery, says, |_| {}).await;
            player.play(program).await;
            let case = format!("{}, {delivery:?}, {says:?}", program.name);
            player.holds(program, &case);
            if !program.acks(says) && says != Says::AsWritten {
                assert!(player.read.iter().all(|read| read.of == 1), "{case}: one at a time");
            }
            (program.depends)(&player);
        }
    }
}

/// One test for each program, and a list of them all.
macro_rules! programs {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[tokio::test(start_paused = true)]
            async fn is_played() {
                crate::traces::plays(&super::$name()).await;
            }
        })*
        pub(super) fn all() -> Vec<super::Program> {
            vec![$($name()),*]
        }
    };
}
use programs;

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
    delivery: Delivery,
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
    /// The size of the largest answer to a poll.
    longest: usize,
    /// A poll from before the chat.
    early: Option<AbortOnDropHandle<Got>>,
}

impl Player {
    async fn new(delivery: Delivery, says: Says, change: impl FnOnce(&mut Behaviour)) -> Self {
        let set = |behaviour: &mut Behaviour| {
            behaviour.delivery = delivery;
            change(behaviour);
        };
        Self {
            stage: BridgeStage::with(Agents::None, set).await,
            delivery,
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
            longest: 0,
            early: None,
        }
    }

    /// The whole trace, then polls until the chat is over.
    async fn play(&mut self, program: &Program) {
        self.steps(&program.steps).await;
        let poll = program.steps.iter().rfind(|step| step.polls()).expect("a program that polls");
        if program.ended == "agent" {
            self.stage.act(Command::End);
        }
        self.until(poll, "ChatEnded").await;
        let over = self.ask(&self.substituted(poll)).await;
        assert_eq!(over.status, StatusCode::FORBIDDEN, "{}", over.text);
    }

    async fn steps(&mut self, steps: &[Step]) {
        let mut after_poll = false;
        for step in steps {
            if !step.polls() {
                self.send(step).await;
            } else if !after_poll && self.began() {
                self.wait_for_what_comes(step).await;
            } else if !after_poll {
                let asked = asked(&self.stage, &self.substituted(step));
                self.early = Some(AbortOnDropHandle::new(tokio::spawn(asked)));
            }
            after_poll = step.polls();
        }
    }

    fn began(&self) -> bool {
        self.answers.iter().any(|(path, _)| path.contains("ChasitorInit"))
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
            for text in replies_to(self.replies) {
                self.stage.act(Command::Typing { on: true });
                self.stage.agent_says(&text);
            }
            // All of it waits when the program polls: the slow poll that real servers batch for.
            self.stage.seconds(1).await;
            let [_, last] = replies_to(self.replies);
            while !self.read.iter().any(|read| read.body["text"] == last.as_str()) {
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
        let got = match self.early.take() {
            Some(early) => early.await.expect("a poll"),
            None => self.ask(&self.substituted(poll)).await,
        };
        self.polled += 1;
        self.longest = self.longest.max(got.text.len());
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
        Step { path, headers: headers.collect(), body: fill(&step.body), ..step.clone() }
    }

    async fn ask(&self, step: &Step) -> Got {
        asked(&self.stage, step).await
    }

    fn count(&self, kind: &str) -> usize {
        self.read.iter().filter(|read| read.kind == kind).count()
    }

    fn one(&self, kind: &str) -> &Value {
        let found: Vec<&Read> = self.read.iter().filter(|read| read.kind == kind).collect();
        let [one] = found.as_slice() else { panic!("{kind}: {found:?}") };
        &one.body
    }

    /// What every program is promised, and what this one gets to see of it.
    fn holds(&self, program: &Program, case: &str) {
        for read in &self.read {
            if STATES.contains(&&*read.kind) {
                assert_eq!((read.place, read.of), (0, 1), "{case}: {read:?}");
            }
        }
        for kind in ["ChatRequestSuccess", "ChatEstablished", "ChatEnded"] {
            assert_eq!(self.count(kind), 1, "{case}: {kind}");
        }
        assert_eq!(self.read[0].kind, "ChatRequestSuccess", "{case}");
        let expected: Vec<String> = (1..=self.replies).flat_map(replies_to).collect();
        assert_eq!(self.texts(Takes::All), expected, "{case}: each once and in order");
        for read in self.read.iter().filter(|read| read.kind == "ChatMessage") {
            assert!(read.body["name"].is_string(), "{case}: {read:?}");
        }
        assert_eq!(self.one("ChatEnded")["reason"], program.ended, "{case}");
        assert!(self.key.starts_with(&format!("{}!", self.id)), "cut at the first !");
        let whole = self.texts(program.takes) == expected;
        let fits = program.fits(self.delivery, self.says);
        assert_eq!(whole, fits || expected.is_empty(), "{case}: what it gets to see");
    }

    /// The texts that a program reads which looks at these messages of an answer only.
    fn texts(&self, takes: Takes) -> Vec<&str> {
        let read = self.read.iter().filter(|read| match takes {
            Takes::All => true,
            Takes::First => read.place == 0,
            Takes::Last => read.place + 1 == read.of,
        });
        read.filter_map(|read| read.body["text"].as_str()).collect()
    }
}

/// What the agent answers, twice, to the n-th thing that the visitor says.
fn replies_to(n: usize) -> [String; 2] {
    [format!("reply {n}"), format!("more {n}")]
}

fn asked(stage: &BridgeStage, step: &Step) -> impl Future<Output = Got> + use<> {
    let mut request = Request::builder().method(&*step.method).uri(&step.path);
    for (name, value) in &step.headers {
        request = request.header(name, value);
    }
    let body = match step.latin {
        true => step.body.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect(),
        false => step.body.clone().into_bytes(),
    };
    let request = request.header("host", "acme.example.test");
    let request = request.body(axum::body::Body::from(body)).expect("a request");
    let asked = stage.service().oneshot(request);
    async move {
        let answer = tokio::time::timeout(DEADLINE, asked).await.expect("in time");
        read(answer.expect("an answer")).await
    }
}
