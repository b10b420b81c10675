//! Plays a script one way and writes down what the client got.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Request};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::emulator::{Agents, Emulators};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::script::{Act, Script};
use crate::bridge_stage::{BridgeStage, visitor_lines};
use crate::stage::{Got, LEGACY, Stage, read, request, stage, tenant, tenant_by_button};

/// What differs from session to session and is made alike before anything is compared.
pub(super) const NORMALISED: [&str; 7] = [
    "the session's id and every other uuid",
    "the session's key",
    "affinity tokens",
    "`offset`, which must grow all the same",
    "times in `ChasitorSessionData`",
    "parameters of the content type, which nothing fixes",
    "nothing else: status, content type and every other byte are compared",
];

/// Before the removal, so that the plan says legacy.
const BEFORE: &str = "2026-01-10T10:00:00Z";
/// No poll of a script needs to be repeated more often.
const POLLS_MAX: usize = 12;
/// How long the desk may take to get to where the script wants it.
const DESK_WAIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Direct,
    Verbatim,
    Rekeyed,
    Translated,
}

/// What one step brought, made alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) step: &'static str,
    pub(super) answers: Vec<Answer>,
    /// Something that is no answer: what the desk heard, how long a poll took.
    pub(super) note: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

impl Line {
    /// Status, and what came in short: the text, the types of the messages, the members.
    pub(super) fn summary(&self) -> String {
        let mut words = Vec::new();
        let statuses: Vec<String> = self.answers.iter().map(|a| a.status.to_string()).collect();
        let messages: Vec<&str> = self.answers.iter().flat_map(|a| a.kinds()).collect();
        let statuses = if messages.is_empty() { statuses } else { vec!["200".to_owned()] };
        words.push(statuses.join(", "));
        words.push(messages.join(", "));
        if messages.is_empty() {
            words.extend(self.answers.iter().map(Answer::in_short));
        }
        words.push(self.note.clone());
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }

    /// All messages of all answers.
    pub(super) fn messages(&self) -> Vec<Value> {
        self.answers.iter().flat_map(Answer::messages).collect()
    }
}

impl Answer {
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok().filter(Value::is_object)
    }

    pub(super) fn messages(&self) -> Vec<Value> {
        let messages = self.json().and_then(|body| body["messages"].as_array().cloned());
        messages.unwrap_or_default()
    }

    fn kinds(&self) -> Vec<&'static str> {
        let kind = |message: Value| -> &'static str {
            message["type"].as_str().unwrap_or("?").to_owned().leak()
        };
        self.messages().into_iter().map(kind).collect()
    }

    fn in_short(&self) -> String {
        match self.json() {
            Some(Value::Object(members)) => {
                members.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            }
            _ => self.body.clone(),
        }
    }
}

/// The services behind one way, kept alive.
enum Behind {
    Direct,
    Relay { _stage: Box<Stage> },
    Bridge { _stage: Box<BridgeStage> },
}

struct Player {
    _behind: Behind,
    service: Router,
    emulators: Emulators,
    clock: Clock,
    key: Option<String>,
    id: String,
    affinity: String,
    number: i64,
    ack: i64,
    offset: i64,
    /// What is made alike, and how it is written then.
    alike: BTreeMap<String, &'static str>,
}

pub(super) async fn play(way: Way, script: &Script) -> Vec<Line> {
    let mut player = Player::new(way).await;
    let mut lines = Vec::new();
    for step in script.steps {
        let (answers, note) = player.act(&step.act).await;
        let line = Line { step: step.name, answers, note };
        if way == Way::Direct {
            assert_eq!(line.summary(), step.expect, "{}: {}", script.name, step.name);
        }
        lines.push(line);
    }
    lines
}

impl Player {
    async fn new(way: Way) -> Self {
        let (behind, service, emulators, clock) = match way {
            Way::Direct => {
                let at = liveagent_bridge::time::Wall::parse(BEFORE).expect("an instant");
                let clock = Clock::starting_at(at);
                let emulators = Emulators::new(&clock, Agents::None);
                (Behind::Direct, emulators.liveagent_router(), emulators, clock)
            }
            Way::Verbatim | Way::Rekeyed => {
                let tenant = match way {
                    Way::Rekeyed => tenant_by_button("acme", "573000000000002"),
                    _ => tenant("acme"),
                };
                let stage = stage(BEFORE, vec![tenant]);
                let emulators = Emulators::new(&stage.clock, Agents::None);
                stage.salesforce.put(LEGACY, emulators.liveagent_router());
                let (service, clock) = (stage.service.clone(), stage.clock.clone());
                (Behind::Relay { _stage: Box::new(stage) }, service, emulators, clock)
            }
            Way::Translated => {
                let stage = BridgeStage::new().await;
                let (service, clock) = (stage.service(), stage.clock.clone());
                let emulators = stage.emulators.clone();
                (Behind::Bridge { _stage: Box::new(stage) }, service, emulators, clock)
            }
        };
        let (key, id, affinity) = (None, String::new(), "null".to_owned());
        let (number, ack, offset, alike) = (1, -1, 0, BTreeMap::new());
        let _behind = behind;
        Self { _behind, service, emulators, clock, key, id, affinity, number, ack, offset, alike }
    }

    async fn act(&mut self, act: &Act) -> (Vec<Answer>, String) {
        let none = String::new();
        match act {
            Act::Session => {
                let got = self.send(self.request("GET", "System/SessionId", "")).await;
                self.learn(&got.json());
                (vec![self.answer(&got)], none)
            }
            Act::Init => {
                let body = json!({
                    "organizationId": "00D000000000001", "deploymentId": "572000000000001",
                    "buttonId": "573000000000001", "sessionId": self.id, "userAgent": "test",
                    "language": "en-US", "screenResolution": "1x1", "visitorName": "Vera",
                    "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
                    "isPost": true,
                });
                (vec![self.post("Chasitor/ChasitorInit", &body.to_string()).await], none)
            }
            Act::Get(noun) => {
                let got = self.send(self.request("GET", &self.filled(noun), "")).await;
                self.learn(&serde_json::from_str(&got.text).unwrap_or_default());
                (vec![self.answer(&got)], none)
            }
            Act::Delete(noun) => {
                let got = self.send(self.request("DELETE", &self.filled(noun), "")).await;
                (vec![self.answer(&got)], none)
            }
            Act::Post(noun, body) => (vec![self.post(noun, body).await], none),
            Act::PostAs(number, noun, body) => {
                let mut request = self.request("POST", noun, body);
                if let Some(number) = number {
                    let number = HeaderValue::from(*number);
                    request.headers_mut().insert("x-liveagent-sequence", number);
                }
                let got = self.send(request).await;
                (vec![self.answer(&got)], none)
            }
            Act::Until(kind) => (self.until(kind).await, none),
            Act::Poll => self.poll(self.ack).await,
            Act::PollAgain(back) => self.poll(self.ack - back).await,
            Act::TwoPolls => (self.two_polls().await, none),
            Act::Agent(agent) => {
                self.agent(&agent.command()).await;
                (Vec::new(), "done".to_owned())
            }
            Act::Heard => (Vec::new(), self.heard().await),
            Act::Handover => {
                self.emulators.set_liveagent(|knobs| knobs.handover = true);
                (Vec::new(), "done".to_owned())
            }
            Act::Versionless(noun) => {
                let mut request = self.request("GET", noun, "");
                request.headers_mut().remove("x-liveagent-api-version");
                let got = self.send(request).await;
                (vec![self.answer(&got)], none)
            }
        }
    }

    fn filled(&self, noun: &str) -> String {
        let key = self.key.clone().unwrap_or_default();
        noun.replace("{id}", &self.id)
            .replace("{key}", &key)
            .replace("{offset}", &self.offset.to_string())
    }

    fn request(&self, method: &str, noun: &str, body: &str) -> Request<Body> {
        let path = format!("/chat/rest/{noun}");
        let mut request = request(method, &path, self.key.as_deref(), body);
        // Reconnecting names no server.
        if !noun.contains("ReconnectSession") {
            let affinity = HeaderValue::from_str(&self.affinity).expect("a header");
            request.headers_mut().insert("x-liveagent-affinity", affinity);
        }
        request
    }

    async fn send(&self, request: Request<Body>) -> Got {
        read(self.service.clone().oneshot(request).await.expect("an answer")).await
    }

    async fn post(&mut self, noun: &str, body: &str) -> Answer {
        let mut request = self.request("POST", noun, body);
        request.headers_mut().insert("x-liveagent-sequence", HeaderValue::from(self.number));
        self.number += 1;
        let got = self.send(request).await;
        self.answer(&got)
    }

    fn poll_request(&self, ack: i64) -> Request<Body> {
        self.request("GET", &format!("System/Messages?ack={ack}"), "")
    }

    async fn until(&mut self, kind: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        for _ in 0..POLLS_MAX {
            let got = self.send(self.poll_request(self.ack)).await;
            self.learn(&serde_json::from_str(&got.text).unwrap_or_default());
            let found = got.text.contains(&format!("\"{kind}\""));
            // How often nothing came is a matter of the hold, which has a step of its own.
            if got.status != 204 {
                answers.push(self.answer(&got));
            }
            if found || !got.status.is_success() {
                return answers;
            }
        }
        panic!("no {kind} in {answers:#?}");
    }

    async fn poll(&mut self, ack: i64) -> (Vec<Answer>, String) {
        let begun = self.clock.now().mono;
        let got = self.send(self.poll_request(ack)).await;
        let took = self.clock.now().mono.since(begun).as_secs();
        self.learn(&serde_json::from_str(&got.text).unwrap_or_default());
        (vec![self.answer(&got)], format!("in {took} s"))
    }

    async fn two_polls(&mut self) -> Vec<Answer> {
        let (first, second) =
            (self.send(self.poll_request(self.ack)), self.send(self.poll_request(self.ack)));
        let (first, second) = tokio::join!(first, second);
        vec![self.answer(&first), self.answer(&second)]
    }

    /// Once the desk is where that can be done.
    async fn agent(&self, command: &liveagent_bridge::emulator::Command) {
        let desk = self.emulators.desk();
        let mut changes = desk.changes();
        let done = async {
            loop {
                if let Some(chat) = desk.chats().pop()
                    && desk.act(&chat.id, command.clone()).is_ok()
                {
                    return;
                }
                // A watcher that is behind looks again just the same.
                let _ = changes.recv().await;
            }
        };
        tokio::time::timeout(DESK_WAIT, done).await.expect("the desk can");
    }

    async fn heard(&self) -> String {
        // What is still on its way is given time to arrive.
        self.clock.until(self.clock.now().mono.plus(DESK_WAIT)).await;
        let chat = self.emulators.desk().chats().pop().expect("a chat");
        visitor_lines(&chat).join(" / ")
    }

    /// Takes up what an answer tells a client.
    fn learn(&mut self, answer: &Value) {
        if let Some(key) = answer["key"].as_str() {
            self.key = Some(key.to_owned());
            self.alike.insert(key.to_owned(), "<key>");
        }
        if let Some(id) = answer["id"].as_str() {
            self.id = id.to_owned();
        }
        let reconnected = &answer["messages"][0]["message"]["affinityToken"];
        if let Some(token) = answer["affinityToken"].as_str().or(reconnected.as_str()) {
            self.affinity = token.to_owned();
            self.alike.insert(token.to_owned(), "<affinity>");
        }
        if let Some(sequence) = answer["sequence"].as_i64() {
            self.ack = sequence;
        }
        if let Some(offset) = answer["offset"].as_i64() {
            assert!(offset > 0 && offset >= self.offset, "{offset} after {}", self.offset);
            self.offset = offset;
        }
    }

    fn answer(&self, got: &Got) -> Answer {
        let content_type = got.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        let content_type = content_type.and_then(|kind| kind.split(';').next());
        Answer {
            status: got.status.as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: self.made_alike(&got.text),
        }
    }

    fn made_alike(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, word) in &self.alike {
            text = text.replace(value, word);
        }
        let text = numbers_after(&text, "\"offset\":");
        uuids(&numbers_after(&text, "\"timestamp\":"))
    }
}

/// Numbers after a member's name become 0, so that the text stays JSON.
fn numbers_after(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let mut alike = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        alike.push_str(&format!("{name}0{rest}"));
    }
    alike
}

/// Every uuid becomes the same word.
fn uuids(text: &str) -> String {
    let mut alike = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let uuid = rest.get(..36).is_some_and(|part| uuid::Uuid::try_parse(part).is_ok());
        let taken = if uuid { 36 } else { next.len_utf8() };
        alike.push_str(if uuid { "<uuid>" } else { &rest[..taken] });
        rest = &rest[taken..];
    }
    alike
}
