//! A legacy client: it polls and posts at the same time, over a way that breaks.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::balancer::{Got, Way};
use super::node;
use super::plan::{Acks, Visitor, Way as Route};
use super::saw::{Said, Saw};
use super::world::World;
use crate::machine::rng::Rng;

/// Without an answer for this long a client hangs up.
const TIMEOUT: u64 = 30_000;
/// A retry without a number is known for so long after the first attempt.
const RETRY_IN_TIME: u64 = 27_000;
/// A POST that nobody has answered for so long once nothing goes wrong any more.
const ANSWERED_WITHIN: u64 = 45_000;

struct Client {
    world: Arc<World>,
    visitor: Visitor,
    saw: RefCell<Saw>,
    key: RefCell<String>,
    affinity: RefCell<String>,
    number: Cell<u64>,
    wants_reconnect: Cell<bool>,
    over: Cell<bool>,
    rng: RefCell<Rng>,
}

/// What became of a POST.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Posted {
    Taken,
    Gone,
    Unanswered,
}

/// Plays a visitor's program; what it did and saw.
pub async fn run(world: Arc<World>, visitor: Visitor) -> Saw {
    let rng = RefCell::new(world.rng(&format!("client {}", visitor.name)));
    let client = Client {
        saw: RefCell::new(Saw::new()),
        key: RefCell::default(),
        affinity: RefCell::new("null".to_owned()),
        number: Cell::new(1),
        wants_reconnect: Cell::new(false),
        over: Cell::new(false),
        rng,
        world,
        visitor,
    };
    client.world.until(client.visitor.begins_at).await;
    let name = client.visitor.name.clone();
    let again = client.visitor.fragile;
    let mut posting = Way::new(&client.world, &format!("{name} posts"), again);
    let mut polling = Way::new(&client.world, &format!("{name} polls"), again);
    if client.begin(&mut posting).await {
        tokio::join!(client.polls(&mut polling), client.posts(&mut posting));
    }
    client.saw.into_inner()
}

impl Client {
    fn at(&self) -> u64 {
        self.world.at()
    }

    fn draw(&self, low: u64, high: u64) -> u64 {
        self.rng.borrow_mut().range(low, high)
    }

    fn wrong(&self, what: String) {
        let name = &self.visitor.name;
        self.world.note(|| format!("WRONG at {name}: {what}"));
        self.saw.borrow_mut().wrong.push(what);
    }

    fn request(&self, method: &str, path: &str, body: String) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/chat/rest/{path}"))
            .header("host", node::host(self.visitor.way))
            .header("X-LIVEAGENT-API-VERSION", "52")
            .header("X-LIVEAGENT-AFFINITY", self.affinity.borrow().as_str());
        let key = self.key.borrow();
        if !key.is_empty() {
            request = request.header("X-LIVEAGENT-SESSION-KEY", key.as_str());
        }
        request.body(Bytes::from(body)).expect("a request")
    }

    async fn begin(&self, way: &mut Way) -> bool {
        let request = self.request("GET", "System/SessionId", String::new());
        loop {
            match way.ask(&request, Duration::from_millis(TIMEOUT)).await {
                Got::Answer(StatusCode::OK, text) => {
                    let session: Value = serde_json::from_str(&text).unwrap_or_default();
                    let text = |name: &str| session[name].as_str().unwrap_or_default().to_owned();
                    *self.key.borrow_mut() = text("key");
                    *self.affinity.borrow_mut() = text("affinityToken");
                    break;
                }
                Got::Answer(status, text) if self.visitor.fragile => {
                    self.wrong(format!("SessionId was answered {status} {text}"));
                    return false;
                }
                _ if self.at() > self.world.plan.faults_until + ANSWERED_WITHIN => {
                    self.wrong("no SessionId".to_owned());
                    return false;
                }
                _ => self.world.pass(self.draw(200, 1_500)).await,
            }
        }
        let email = format!("{}@example.test", self.visitor.name);
        let details = json!([{ "label": "E-Mail", "value": email, "displayToAgent": true,
            "transcriptFields": ["c__Email"], "entityFieldMaps": [] }]);
        let body = json!({
            "organizationId": node::ORG, "deploymentId": node::DEPLOYMENT,
            "buttonId": node::button(self.visitor.way), "visitorName": self.visitor.name,
            "language": "en-US", "screenResolution": "1x1", "userAgent": "sim",
            "prechatDetails": details, "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        });
        let begun = self.post(way, "ChasitorInit", &body, None).await;
        self.saw.borrow_mut().began = begun == Posted::Taken;
        if begun != Posted::Taken {
            self.wrong("the chat did not begin".to_owned());
        }
        begun == Posted::Taken
    }

    async fn posts(&self, way: &mut Way) {
        let says = self.visitor.says.clone();
        for (at, text) in says {
            self.world.until(at).await;
            if self.over.get() {
                return;
            }
            let nth = self.saw.borrow().said.len();
            let first_at = self.at();
            let said =
                Said { text: text.clone(), first_at, taken_at: None, unknowable: false, sent: 0 };
            self.saw.borrow_mut().said.push(said);
            match self.post(way, "ChatMessage", &json!({ "text": text }), Some(nth)).await {
                Posted::Taken => {
                    let at = self.at();
                    self.saw.borrow_mut().said[nth].taken_at = Some(at);
                }
                Posted::Gone => return,
                Posted::Unanswered => self.wrong(format!("{text:?} was never answered")),
            }
        }
        let Some(ends_at) = self.visitor.ends_at else { return };
        self.world.until(ends_at).await;
        if self.over.get() {
            return;
        }
        let at = self.at();
        self.saw.borrow_mut().end_sent_at = Some(at);
        if self.post(way, "ChatEnd", &json!({ "reason": "client" }), None).await
            == Posted::Unanswered
        {
            self.wrong("the end was never answered".to_owned());
        }
    }

    /// One POST, again and again until it is answered.
    async fn post(&self, way: &mut Way, noun: &str, body: &Value, said: Option<usize>) -> Posted {
        let first_at = self.at();
        let mut attempts = 0;
        let mut number = self.number.get();
        self.number.set(number + 1);
        let mut unheard = false;
        let give_up = self.gives_up(first_at);
        loop {
            if self.wants_reconnect.take() && noun == "ChatMessage" {
                let heard = self.reconnect(way).await;
                unheard |= !heard;
                if heard {
                    number = 1;
                    self.number.set(2);
                }
                if attempts > 0 && heard {
                    self.marks(said);
                }
            }
            if attempts > 0 && self.is_ambiguous(first_at, number, unheard) {
                self.marks(said);
            }
            attempts += 1;
            if let Some(nth) = said {
                self.saw.borrow_mut().said[nth].sent += 1;
            }
            let mut request = self.request("POST", &format!("Chasitor/{noun}"), body.to_string());
            if self.visitor.numbered {
                request.headers_mut().insert("X-LIVEAGENT-SEQUENCE", number.into());
            }
            let name = &self.visitor.name;
            self.world.note(|| format!("{name} posts {noun} {number}, {}", body["text"]));
            let got = way.ask(&request, Duration::from_millis(TIMEOUT)).await;
            match got {
                Got::Answer(StatusCode::OK, _) => {
                    self.world.note(|| format!("{name} is told OK for {number}"));
                    return Posted::Taken;
                }
                Got::Answer(StatusCode::FORBIDDEN, _) => return Posted::Gone,
                // It was taken before, with an answer that its client never read.
                Got::Answer(StatusCode::BAD_REQUEST, _)
                    if noun == "ChasitorInit" && attempts > 1 && !self.visitor.numbered =>
                {
                    return Posted::Taken;
                }
                Got::Answer(status, text) => {
                    self.world.note(|| format!("{name} is told {status} for {number}"));
                    if self.visitor.fragile || status.is_client_error() && status != 429 {
                        self.wrong(format!("{noun} was answered {status} {text}"));
                    }
                }
                Got::TimedOut => {
                    self.world.note(|| format!("{name} waits no longer for {number}"));
                    if self.visitor.fragile {
                        self.wrong(format!("{noun} was not answered in 30 s"));
                    }
                }
                Got::Broken { written } => {
                    self.world.note(|| format!("{name} is not told of {number}: {written}"));
                    self.is_cut_off(noun, written, said);
                }
            }
            if self.at() > give_up {
                return Posted::Unanswered;
            }
            self.world.pass(self.draw(200, 2_500)).await;
        }
    }

    /// The connection of a POST broke; `written`: the bridge wrote an answer all the same.
    fn is_cut_off(&self, noun: &str, written: bool, said: Option<usize>) {
        if self.visitor.fragile {
            self.wrong(format!("{noun} was not answered"));
        }
        if written && !self.visitor.numbered {
            self.marks(said);
        }
        if self.visitor.reconnects && self.draw(0, 9) < 3 {
            self.wants_reconnect.set(true);
        }
    }

    fn gives_up(&self, first_at: u64) -> u64 {
        first_at.max(self.world.plan.faults_until) + ANSWERED_WITHIN
    }

    /// Whether a retry may not be known by its number, if it has one (corner 2).
    fn is_ambiguous(&self, first_at: u64, number: u64, unheard: bool) -> bool {
        let late = self.at() > first_at + RETRY_IN_TIME;
        late && (!self.visitor.numbered || unheard) || unheard && number == 1
    }

    /// The bridge cannot know what comes now for a repeat.
    fn marks(&self, said: Option<usize>) {
        if let Some(nth) = said {
            self.saw.borrow_mut().said[nth].unknowable = true;
        }
    }

    async fn reconnect(&self, way: &mut Way) -> bool {
        let offset = self.saw.borrow().last + 1;
        let path = format!("System/ReconnectSession?ReconnectSession.offset={offset}");
        let request = self.request("GET", &path, String::new());
        match way.ask(&request, Duration::from_millis(TIMEOUT)).await {
            Got::Answer(StatusCode::OK, _) => {
                self.saw.borrow_mut().reconnected += 1;
                true
            }
            Got::Answer(StatusCode::FORBIDDEN, _) => false,
            _ => {
                self.wants_reconnect.set(true);
                false
            }
        }
    }

    async fn polls(&self, way: &mut Way) {
        let end = self.world.plan.end();
        while self.at() < end {
            let path = match self.visitor.acks {
                Acks::Proper => format!("System/Messages?ack={}", self.saw.borrow().last),
                Acks::Never => "System/Messages".to_owned(),
            };
            let request = self.request("GET", &path, String::new());
            let began = self.at();
            let mut wait = self.draw(1, 200);
            match way.ask(&request, Duration::from_millis(TIMEOUT)).await {
                Got::Answer(StatusCode::OK, text) => {
                    let at = self.at();
                    let name = &self.visitor.name;
                    self.world.note(|| format!("{name} reads {text}"));
                    match serde_json::from_str(&text) {
                        Ok(payload) => self.saw.borrow_mut().read(at, &payload),
                        Err(error) => self.wrong(format!("a poll's answer: {error}")),
                    }
                }
                Got::Answer(StatusCode::NO_CONTENT, _) => {}
                Got::Answer(StatusCode::FORBIDDEN, _) => {
                    let at = self.at();
                    self.saw.borrow_mut().gone_at = Some(at);
                    self.over.set(true);
                    return;
                }
                // The service still holds the poll of a node that it does not know to be dead.
                Got::Answer(StatusCode::CONFLICT, _) if self.visitor.way != Route::Translated => {
                    wait = 1_000;
                }
                Got::Answer(status, text) => {
                    if self.visitor.fragile || status.is_client_error() {
                        self.wrong(format!("a poll was answered {status} {text}"));
                    }
                    wait = 1_000;
                }
                Got::TimedOut => {
                    self.saw.borrow_mut().died += 1;
                    if began > self.world.plan.faults_until + ANSWERED_WITHIN {
                        self.wrong("a poll was held for 30 s".to_owned());
                    }
                }
                Got::Broken { .. } => {
                    self.saw.borrow_mut().died += 1;
                    if self.visitor.fragile {
                        self.wrong("a poll was not answered".to_owned());
                    }
                    wait = self.draw(200, 2_000);
                }
            }
            self.world.pass(wait).await;
        }
    }
}
