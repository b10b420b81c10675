//! A program of the kind the bridge is for: it speaks the legacy Live Agent REST API.

use axum::Router;
use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{BridgeStage, Command, DEADLINE};
use crate::stage::{Got, read, request};

/// What a program says in `ack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acks {
    /// The parameter is missing.
    Never,
    /// The `sequence` of the last answer, −1 at first.
    Real,
    /// How many polls it made.
    Counter,
}

/// One legacy chat as its program sees it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) key: String,
    /// The session's id.
    pub(crate) id: String,
    /// `X-LIVEAGENT-AFFINITY`; what `System/SessionId` answered is in `told_affinity`.
    pub(crate) affinity: String,
    pub(crate) told_affinity: String,
    pub(crate) acks: Acks,
    /// `X-LIVEAGENT-SEQUENCE` of the next POST.
    pub(crate) number: u64,
    /// The last `sequence` read.
    pub(crate) ack: i64,
    pub(crate) polls: i64,
    /// Every message read, in order.
    pub(crate) seen: Vec<Value>,
    service: Router,
}

impl Client {
    /// A session without a chat.
    pub(crate) async fn session(stage: &BridgeStage, acks: Acks) -> Self {
        Self::session_at(stage.service(), acks).await
    }

    /// The same at any service.
    pub(crate) async fn session_at(service: Router, acks: Acks) -> Self {
        let asked = request("GET", "/chat/rest/System/SessionId", None, "");
        let got = read(service.clone().oneshot(asked).await.expect("an answer")).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let session = got.json();
        let text = |name: &str| session[name].as_str().expect("a text").to_owned();
        let (key, id, told_affinity) = (text("key"), text("id"), text("affinityToken"));
        let affinity = "null".to_owned();
        Self {
            key,
            id,
            affinity,
            told_affinity,
            acks,
            number: 1,
            ack: -1,
            polls: 0,
            seen: Vec::new(),
            service,
        }
    }

    /// A chat that was asked for.
    pub(crate) async fn begin(stage: &BridgeStage) -> Self {
        Self::begin_as(stage, Acks::Real).await
    }

    pub(crate) async fn begin_as(stage: &BridgeStage, acks: Acks) -> Self {
        let mut client = Self::session(stage, acks).await;
        assert_eq!(client.init().await, (200, "OK".to_owned()));
        client
    }

    /// A chat that an agent of the test has accepted, read up to there.
    pub(crate) async fn talking(stage: &BridgeStage) -> Self {
        Self::talking_as(stage, Acks::Real).await
    }

    pub(crate) async fn talking_as(stage: &BridgeStage, acks: Acks) -> Self {
        let mut client = Self::begin_as(stage, acks).await;
        let before = stage.desk().chats().len();
        stage.desk_chat(|_| stage.desk().chats().len() >= before.max(1)).await;
        stage.act(Command::Accept);
        client.until("ChatEstablished").await;
        client
    }

    /// The same program after the bridge was started again.
    pub(crate) fn moves_to(&mut self, stage: &BridgeStage) {
        self.service = stage.service();
    }

    /// The same program, at another service for the same chats.
    pub(crate) fn goes_to(&mut self, service: Router) {
        self.service = service;
    }

    pub(crate) async fn init(&mut self) -> (u16, String) {
        self.init_with(json!({})).await
    }

    pub(crate) async fn init_with(&mut self, more: Value) -> (u16, String) {
        let mut body = json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": "573000000000001", "visitorName": "Vera Visitor", "language": "en-US",
            "screenResolution": "1x1", "userAgent": "test", "prechatDetails": [],
            "prechatEntities": [], "receiveQueueUpdates": true, "isPost": true,
        });
        let members = body.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        self.post("ChasitorInit", &body).await
    }

    pub(crate) async fn say(&mut self, text: &str) -> (u16, String) {
        self.post("ChatMessage", &json!({ "text": text })).await
    }

    /// Says something that must be accepted.
    pub(crate) async fn says(&mut self, text: &str) {
        assert_eq!(self.say(text).await, (200, "OK".to_owned()), "{text}");
    }

    pub(crate) async fn post(&mut self, noun: &str, body: &Value) -> (u16, String) {
        self.number += 1;
        self.post_as(Some(self.number - 1), noun, body).await
    }

    /// A POST with a number of the test's choice.
    pub(crate) async fn post_as(
        &self,
        number: Option<u64>,
        noun: &str,
        body: &Value,
    ) -> (u16, String) {
        let answer = self.send(number, noun, body).await;
        let got = read(answer).await;
        (got.status.as_u16(), got.text)
    }

    /// Several nouns in one POST.
    pub(crate) async fn batch(&self, number: Option<u64>, nouns: &Value) -> (u16, String) {
        let answer = self.send_to("/chat/rest/System/MultiNoun", number, nouns).await;
        let got = read(answer).await;
        (got.status.as_u16(), got.text)
    }

    /// A POST without a number whose answer is lost with its connection.
    pub(crate) async fn lose_post(&self, noun: &str, body: &Value) {
        drop(self.send(None, noun, body).await);
    }

    async fn send(&self, number: Option<u64>, noun: &str, body: &Value) -> Response<Body> {
        self.send_to(&format!("/chat/rest/Chasitor/{noun}"), number, body).await
    }

    fn request(&self, method: &str, path: &str, body: &str) -> http::Request<Body> {
        let mut request = request(method, path, Some(&self.key), body);
        let affinity = self.affinity.parse().expect("a header");
        request.headers_mut().insert("X-LIVEAGENT-AFFINITY", affinity);
        request
    }

    async fn send_to(&self, path: &str, number: Option<u64>, body: &Value) -> Response<Body> {
        let mut request = self.request("POST", path, &body.to_string());
        if let Some(number) = number {
            let number = number.to_string().parse().expect("a header");
            request.headers_mut().insert("X-LIVEAGENT-SEQUENCE", number);
        }
        self.service.clone().oneshot(request).await.expect("an answer")
    }

    /// Uploads a file as the last `FileTransfer` asks; gives the body of the answer.
    pub(crate) async fn upload(&self, name: &str, kind: &str, bytes: &[u8]) -> String {
        let asked = self.seen.iter().rev().find(|seen| seen["message"]["fileToken"].is_string());
        let asked = asked.expect("a file is asked for")["message"].clone();
        let text = |member: &str| asked[member].as_str().expect("a text").to_owned();
        let path = text("uploadServletUrl");
        let path = path.split_once("example.test").expect("this bridge").1.to_owned();
        let (chat, token) = (self.key.split('!').next().expect("an id"), text("fileToken"));
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--XX--\r\n"].concat();
        let query = format!("orgId=00D&chatKey={chat}&fileToken={token}&encoding=UTF-8");
        let request = http::Request::post(format!("{path}?{query}"))
            .header("host", "acme.example.test")
            .header("content-type", "multipart/form-data; boundary=XX")
            .body(Body::from(body));
        let answer = self.service.clone().oneshot(request.expect("a request")).await;
        read(answer.expect("an answer")).await.text
    }

    /// One poll, and nothing done with its answer.
    pub(crate) async fn peek(&self) -> Got {
        self.get(&self.next_poll()).await
    }

    fn next_poll(&self) -> String {
        match self.acks {
            Acks::Never => "Messages".to_owned(),
            Acks::Real => format!("Messages?ack={}", self.ack),
            Acks::Counter => format!("Messages?ack={}", self.polls),
        }
    }

    /// A poll whose answer is lost with its connection.
    pub(crate) async fn lose_poll(&mut self) {
        let path = format!("/chat/rest/System/{}", self.next_poll());
        let request = self.request("GET", &path, "");
        drop(self.service.clone().oneshot(request).await);
        self.polls += 1;
    }

    pub(crate) async fn get(&self, noun: &str) -> Got {
        let path = format!("/chat/rest/System/{noun}");
        let request = self.request("GET", &path, "");
        let asked = self.service.clone().oneshot(request);
        let answer = tokio::time::timeout(DEADLINE, asked).await.expect("in time");
        read(answer.expect("an answer")).await
    }

    /// One poll; gives the status and the messages that came.
    pub(crate) async fn poll(&mut self) -> (u16, Vec<Value>) {
        let got = self.peek().await;
        self.polls += 1;
        if got.status != StatusCode::OK {
            return (got.status.as_u16(), Vec::new());
        }
        let answer = got.json();
        self.ack = answer["sequence"].as_i64().expect("a sequence");
        let messages = answer["messages"].as_array().expect("messages").clone();
        self.seen.extend(messages.iter().cloned());
        (200, messages)
    }

    /// Polls until a message of this type came, and gives it.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        let before = self.seen.len();
        let found = async {
            loop {
                let (status, messages) = self.poll().await;
                assert!(matches!(status, 200 | 204), "{status} before {kind}: {:?}", self.seen);
                if let Some(found) = messages.into_iter().find(|message| message["type"] == kind) {
                    return found["message"].clone();
                }
            }
        };
        let waited = tokio::time::timeout(DEADLINE, found).await;
        waited.unwrap_or_else(|_| panic!("no {kind} in {:?}", &self.seen[before..]))
    }

    /// Polls until this was read from the agent or the system.
    pub(crate) async fn until_told(&mut self, text: &str) {
        let mut read = self.seen.len();
        loop {
            self.until("ChatMessage").await;
            if self.seen[read..].iter().any(|seen| seen["message"]["text"] == text) {
                return;
            }
            read = self.seen.len();
        }
    }

    /// Polls until there is nothing more to read.
    pub(crate) async fn drain(&mut self) {
        while self.poll().await.0 == 200 {}
    }

    /// The end: `ChatEnded` once with this reason, then 403.
    pub(crate) async fn ends(&mut self, reason: &str) {
        assert_eq!(self.until("ChatEnded").await["reason"], reason);
        self.is_gone().await;
        assert_eq!(self.count("ChatEnded"), 1, "{:?}", self.kinds());
    }

    pub(crate) async fn is_gone(&mut self) {
        let (status, messages) = self.poll().await;
        assert_eq!(status, 403, "{messages:?}");
        let post = self.say("too late").await;
        assert_eq!(post.0, 403, "{post:?}");
    }

    /// The types of all messages read.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.seen.iter().map(|message| message["type"].as_str().expect("a type")).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.kinds().into_iter().filter(|seen| *seen == kind).count()
    }

    /// The texts of all chat messages read.
    pub(crate) fn texts(&self) -> Vec<&str> {
        let said = self.seen.iter().filter(|message| message["type"] == "ChatMessage");
        said.map(|message| message["message"]["text"].as_str().expect("a text")).collect()
    }
}
