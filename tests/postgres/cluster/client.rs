//! Clients that die of any answer but 200 and 204, and of none.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::visitor::http;
use crate::within;

/// No client waits longer for an answer (client-hazards: 25 to 30 s).
const PATIENCE: Duration = Duration::from_secs(28);

/// Whose program it is (client-hazards 4, 5, 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers its POSTs, acknowledges, reads every message.
    Hrk,
    /// The same without numbers.
    Rx,
    /// Never numbers, never acknowledges, reads the first message of an answer and no other.
    RocketChat,
}

/// Kinds in turns.
pub const KINDS: [Kind; 3] = [Kind::Hrk, Kind::RocketChat, Kind::Rx];

/// One chat of one program.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
    affinity: String,
    pub id: String,
    pub name: String,
    pub kind: Kind,
    next: u64,
    ack: i64,
    /// Payloads that came again: the last one may, to who does not acknowledge, after a loss.
    pub again: usize,
}

impl Client {
    /// A session.
    pub async fn new(base: &str, name: &str, kind: Kind) -> Self {
        let mut client = Self {
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(),
            base: base.to_owned(),
            key: String::new(),
            affinity: "null".to_owned(),
            id: String::new(),
            name: name.to_owned(),
            kind,
            next: 1,
            ack: -1,
            again: 0,
        };
        let session: Value = serde_json::from_str(&client.get("System/SessionId").await).unwrap();
        client.key = session["key"].as_str().unwrap().to_owned();
        client.id = session["id"].as_str().unwrap().to_owned();
        client.affinity = session["affinityToken"].as_str().unwrap().to_owned();
        client
    }

    /// A session whose chat was asked for.
    pub async fn begin(base: &str, name: &str, kind: Kind) -> Self {
        let mut client = Self::new(base, name, kind).await;
        client.init().await;
        client
    }

    pub async fn init(&mut self) {
        let body = json!({
            "organizationId": "00D000000000001",
            "deploymentId": "572000000000001",
            "buttonId": "573000000000001",
            "sessionId": self.id,
            "userAgent": "cluster tests",
            "language": "en",
            "screenResolution": "1x1",
            "visitorName": self.name,
            "prechatDetails": [{
                "label": "Email", "value": self.name, "displayToAgent": true,
                "entityMaps": [], "transcriptFields": [],
            }],
            "prechatEntities": [],
            "receiveQueueUpdates": true,
            "isPost": true,
        });
        self.post("ChasitorInit", &body).await;
    }

    /// The same session, asked for at another address.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), http: http(), ..self.clone() }
    }

    /// This one's POSTs and another one's polls.
    pub fn with_polls_of(self, other: &Self) -> Self {
        Self { ack: other.ack, again: other.again, ..self }
    }

    pub async fn say(&mut self, text: &str) {
        self.post("ChatMessage", &json!({ "text": text })).await;
    }

    /// Moves to wherever it is told, as after a 503.
    pub async fn reconnect(&mut self) {
        let offset = self.ack + 1;
        let noun = format!("System/ReconnectSession?ReconnectSession.offset={offset}");
        let answer: Value = serde_json::from_str(&self.get(&noun).await).unwrap();
        let moved = &answer["messages"][0];
        assert_eq!(moved["type"], "ReconnectSession", "{answer}");
        self.affinity = moved["message"]["affinityToken"].as_str().unwrap().to_owned();
        if moved["message"]["resetSequence"] == true {
            self.next = 1;
        }
    }

    pub async fn end(&mut self) {
        self.post("ChatEnd", &json!({ "type": "ChatEndReason", "reason": "client" })).await;
    }

    async fn post(&mut self, noun: &str, body: &Value) {
        let request = self.http.post(format!("{}/Chasitor/{noun}", self.base)).json(body);
        let number = self.next;
        self.next += 1;
        let request = match self.kind {
            Kind::Hrk => request.header("X-LIVEAGENT-SEQUENCE", number),
            Kind::Rx | Kind::RocketChat => request,
        };
        assert_eq!(self.sent(noun, request).await, "OK");
    }

    async fn get(&self, noun: &str) -> String {
        self.sent(noun, self.http.get(format!("{}/{noun}", self.base))).await
    }

    async fn sent(&self, what: &str, request: reqwest::RequestBuilder) -> String {
        let mut request = request
            .header("X-LIVEAGENT-API-VERSION", "47")
            .header("X-LIVEAGENT-AFFINITY", &self.affinity);
        if !self.key.is_empty() {
            request = request.header("X-LIVEAGENT-SESSION-KEY", &self.key);
        }
        let name = &self.name;
        let answer = request.send().await.unwrap_or_else(|e| panic!("{name} died: {what}: {e:?}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_else(|e| panic!("{name} died: {what}: {e:?}"));
        assert!(status == 200 || status == 204, "{name} died of {status} to {what}: {text}");
        text
    }

    /// One poll: the messages that this client reads, none for a 204.
    pub async fn poll(&mut self) -> Vec<Value> {
        let noun = match self.kind {
            Kind::Hrk | Kind::Rx => format!("System/Messages?ack={}", self.ack),
            Kind::RocketChat => "System/Messages".to_owned(),
        };
        let text = self.get(&noun).await;
        if text.is_empty() {
            return Vec::new();
        }
        let payload: Value = serde_json::from_str(&text).unwrap();
        let sequence = payload["sequence"].as_i64().unwrap();
        let mut messages = payload["messages"].as_array().unwrap().clone();
        if self.kind == Kind::RocketChat {
            messages.truncate(1);
            if sequence == self.ack {
                self.again += 1;
                return Vec::new();
            }
        }
        // ChasitorSessionData has no number of its own.
        let resumed = payload["messages"][0]["type"] == "ChasitorSessionData";
        let least = if resumed { self.ack } else { self.ack + 1 };
        assert!(sequence >= least, "{sequence} after {}: {payload}", self.ack);
        self.ack = sequence;
        messages
    }

    /// Polls until so many texts of the agent are there.
    pub async fn hears(&mut self, heard: &mut Vec<(String, Instant)>, count: usize) {
        let name = self.name.clone();
        let polling = async {
            while heard.len() < count {
                for message in self.poll().await {
                    assert_ne!(message["type"], "ChatEnded", "{name}");
                    if message["type"] == "ChatMessage" {
                        let text = message["message"]["text"].as_str().unwrap().to_owned();
                        heard.push((text, now()));
                    }
                }
            }
        };
        within(&format!("{name} hears {count}"), polling).await;
    }

    /// Polls until a message of this type comes.
    pub async fn until(&mut self, kind: &str) {
        let polling =
            async { while self.poll().await.iter().all(|message| message["type"] != kind) {} };
        within(kind, polling).await;
    }
}

/// A stopwatch of these tests: they run against real processes.
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "real processes run in real time")]
    Instant::now()
}
