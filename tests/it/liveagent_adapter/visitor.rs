//! A chat through the facade to the emulated legacy service, and what passed between the two.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use liveagent_bridge::config::Tenant;
use liveagent_bridge::emulator::{Agents, Command, Emulators, LiveAgentKnobs};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::stage::{Got, LEGACY, Stage, read, request, stage, tenant, tenant_by_button};

/// A button whose chats go to legacy, in a tenant whose other buttons do not.
pub(super) const BUTTON: &str = "573000000000001";
/// A button whose chats go to MIAW.
pub(super) const OTHER: &str = "573000000000002";

/// What reached the legacy service, and what it answered.
#[derive(Default)]
pub(super) struct Wire(Mutex<Vec<Passed>>);

#[derive(Clone)]
pub(super) struct Passed {
    pub(super) host: String,
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) answer: String,
}

async fn noted(State(wire): State<Arc<Wire>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (line, headers) = (format!("{} {}", parts.method, parts.uri), parts.headers.clone());
    let answer = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
    let (parts, bytes) = answer.into_parts();
    // A broken answer stays broken.
    let Ok(bytes) = bytes.collect().await.map(|whole| whole.to_bytes()) else {
        return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
    };
    wire.0.lock().unwrap().push(Passed {
        host: headers["host"].to_str().unwrap().to_owned(),
        line,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        answer: String::from_utf8_lossy(&bytes).into_owned(),
    });
    Response::from_parts(parts, Body::from(bytes))
}

impl Wire {
    pub(super) fn all(&self) -> Vec<Passed> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn of(&self, part: &str) -> Vec<Passed> {
        self.all().into_iter().filter(|passed| passed.line.contains(part)).collect()
    }

    pub(super) fn count(&self, part: &str) -> usize {
        self.of(part).len()
    }
}

/// Facade, emulator and the wire between them.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) emulators: Emulators,
    pub(super) wire: Arc<Wire>,
}

impl Scene {
    /// Chats are re-keyed: the tenant's buttons differ.
    pub(super) fn by_button() -> Self {
        Self::with(tenant_by_button("acme", OTHER))
    }

    /// Chats are relayed verbatim.
    pub(super) fn verbatim() -> Self {
        Self::with(tenant("acme"))
    }

    pub(super) fn with(tenant: Tenant) -> Self {
        let stage = stage(super::BEFORE, vec![tenant]);
        let emulators = Emulators::new(&stage.clock, Agents::None);
        let wire = Arc::new(Wire::default());
        let scene = Self { stage, emulators, wire };
        scene.serve_at(LEGACY);
        scene
    }

    /// The service answers at this host too.
    pub(super) fn serve_at(&self, host: &str) {
        let router: Router = self.emulators.liveagent_router();
        let router = router.layer(from_fn_with_state(self.wire.clone(), noted));
        self.stage.salesforce.put(host, router);
    }

    pub(super) fn knobs(&self, change: impl FnOnce(&mut LiveAgentKnobs)) {
        self.emulators.set_liveagent(change);
    }

    pub(super) async fn session(&self) -> Visitor {
        let session = self.stage.get("/chat/rest/System/SessionId", None).await;
        assert_eq!(session.status, 200, "{}", session.text);
        Visitor::of(&session.json(), self.stage.service.clone())
    }

    /// A chat that an agent has accepted, read up to there.
    pub(super) async fn talking(&self) -> Visitor {
        let mut visitor = self.session().await;
        assert_eq!(visitor.begin(BUTTON).await, (200, "OK".to_owned()));
        assert_eq!(visitor.poll().await, ["ChatRequestSuccess"]);
        self.act(Command::Accept);
        assert_eq!(visitor.poll().await, ["QueueUpdate", "ChatEstablished"]);
        visitor
    }

    pub(super) fn act(&self, command: Command) {
        let id = self.emulators.desk().chats().pop().expect("a chat").id;
        self.emulators.desk().act(&id, command).expect("possible");
    }

    pub(super) fn says(&self, text: &str) {
        self.act(Command::Say { text: text.to_owned() });
    }

    /// What the desk heard from the visitor of its last chat.
    pub(super) fn heard(&self) -> Vec<String> {
        let chat = self.emulators.desk().chats().pop().expect("a chat");
        crate::bridge_stage::visitor_lines(&chat)
    }

    /// The key under which the service knows its newest session.
    pub(super) fn their_key(&self) -> String {
        let answer = self.wire.of("System/SessionId").pop().expect("a session").answer;
        let session: Value = serde_json::from_str(&answer).unwrap();
        session["key"].as_str().unwrap().to_owned()
    }
}

/// A client's program.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) affinity: String,
    pub(super) number: i64,
    pub(super) ack: i64,
    pub(super) service: Router,
}

impl Visitor {
    /// With what SessionId answered.
    pub(super) fn of(session: &Value, service: Router) -> Self {
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        let (key, id, affinity) = (text("key"), text("id"), text("affinityToken"));
        Self { key, id, affinity, number: 1, ack: -1, service }
    }

    pub(super) fn init(&self, button: &str) -> Value {
        json!({
            "organizationId": "00D000000000001", "deploymentId": "572000000000001",
            "buttonId": button, "sessionId": self.id, "visitorName": "Vera",
            "prechatDetails": [], "prechatEntities": [], "receiveQueueUpdates": true,
            "isPost": true,
        })
    }

    pub(super) async fn begin(&mut self, button: &str) -> (u16, String) {
        let init = self.init(button);
        self.post("Chasitor/ChasitorInit", &init).await
    }

    pub(super) async fn post(&mut self, noun: &str, body: &Value) -> (u16, String) {
        self.number += 1;
        self.post_as(self.number - 1, noun, body).await
    }

    pub(super) async fn post_as(&self, number: i64, noun: &str, body: &Value) -> (u16, String) {
        let mut request = self.request(&Method::POST, noun, &body.to_string());
        request.headers_mut().insert("x-liveagent-sequence", HeaderValue::from(number));
        let got = self.send(request).await;
        (got.status.as_u16(), got.text)
    }

    pub(super) async fn say(&mut self, text: &str) -> (u16, String) {
        self.post("Chasitor/ChatMessage", &json!({ "text": text })).await
    }

    pub(super) async fn get(&self, noun: &str) -> Got {
        self.send(self.request(&Method::GET, noun, "")).await
    }

    /// One poll: the answer's bytes.
    pub(super) async fn peek(&self) -> Got {
        self.get(&format!("System/Messages?ack={}", self.ack)).await
    }

    /// One poll that must bring messages: their types.
    pub(super) async fn poll(&mut self) -> Vec<String> {
        let answer = self.read().await;
        let messages = answer["messages"].as_array().unwrap();
        messages.iter().map(|message| message["type"].as_str().unwrap().to_owned()).collect()
    }

    /// One poll that must bring messages.
    pub(super) async fn read(&mut self) -> Value {
        let got = self.peek().await;
        assert_eq!(got.status, 200, "{}", got.text);
        let answer = got.json();
        self.ack = answer["sequence"].as_i64().expect("a sequence");
        answer
    }

    pub(super) fn request(&self, method: &Method, noun: &str, body: &str) -> http::Request<Body> {
        let path = format!("/chat/rest/{noun}");
        let mut request = request(method.as_str(), &path, Some(&self.key), body);
        let affinity = HeaderValue::from_str(&self.affinity).unwrap();
        request.headers_mut().insert(HeaderName::from_static("x-liveagent-affinity"), affinity);
        request
    }

    pub(super) async fn send(&self, request: http::Request<Body>) -> Got {
        read(self.service.clone().oneshot(request).await.unwrap()).await
    }
}
