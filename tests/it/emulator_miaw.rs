//! The emulated MIAW, called as a tower service.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::emulator::{
    Agents, ChatState, Command, ConnectionReset, Emulators, Fault, FormDisplay, RepeatedIds,
    RoutingStart, UnauthorizedBody,
};
use liveagent_bridge::time::Wall;
use liveagent_bridge::wire::miaw::entry::{EntryPayload, Role};
use liveagent_bridge::wire::miaw::event::EventData;
use liveagent_bridge::wire::miaw::rest::{EntriesList, TokenResponse};
use liveagent_bridge::wire::sse::{SseEvent, SseParser};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const CONVERSATION: &str = "33333333-4444-4555-8666-777777777777";
const ORG: &str = "00D000000000001";

pub(crate) struct Visitor {
    router: Router,
    token: String,
    last_event_id: String,
}

pub(crate) struct Stream {
    body: axum::body::BodyDataStream,
    parser: SseParser,
    pending: std::collections::VecDeque<SseEvent>,
}

impl Stream {
    /// The next event that is no ping; `None` when the stream ended.
    pub(crate) async fn next(&mut self) -> Option<SseEvent> {
        loop {
            while let Some(event) = self.pending.pop_front() {
                if event.event != "ping" {
                    return Some(event);
                }
            }
            let bytes = self.body.next().await?.expect("no error");
            self.pending.extend(self.parser.push(&bytes).expect("within the limits"));
        }
    }

    async fn take(&mut self, count: usize) -> Vec<SseEvent> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.next().await.expect("an event"));
        }
        events
    }
}

impl Visitor {
    pub(crate) async fn new(emulators: &Emulators) -> Self {
        let router = emulators.miaw_router();
        let (status, text) = post(&router, None, TOKEN, &token_request()).await;
        assert_eq!(status, 200, "{text}");
        let token: TokenResponse = serde_json::from_str(&text).expect("a token");
        let raw: Value = serde_json::from_str(&text).expect("JSON");
        assert!(raw["lastEventId"].is_string());
        let last_event_id = token.last_event_id.expect("an id");
        Self { router, token: token.access_token, last_event_id }
    }

    pub(crate) async fn create(&self) {
        let body = json!({
            "conversationId": CONVERSATION, "esDeveloperName": "Bridge_Client",
            "routingAttributes": { "_firstName": "Ada", "_email": "ada@example.test" },
        });
        assert_eq!(self.post("/conversation", &body).await, (201, String::new()));
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        post(&self.router, Some(&self.token), path, body).await
    }

    async fn say(&self, id: &str, text: &str) -> (u16, String) {
        self.post(&format!("/conversation/{CONVERSATION}/message"), &message(id, text)).await
    }

    async fn send(&self, method: Method, path: &str) -> (u16, String) {
        let request = request(method, Some(&self.token), path).body(Body::empty());
        answer(&self.router, request.expect("a request")).await
    }

    async fn stream(&self, org: &str, last_event_id: Option<&str>) -> http::Response<Body> {
        let mut request = Request::get("/eventrouter/v1/sse?_ts=1")
            .header("Authorization", format!("Bearer {}", self.token))
            .header("X-Org-Id", org);
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let request = request.body(Body::empty()).expect("a request");
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    async fn events(&self) -> Stream {
        let response = self.stream(ORG, Some(&self.last_event_id)).await;
        assert_eq!(response.status(), StatusCode::OK);
        open(response)
    }
}

const TOKEN: &str = "/authorization/unauthenticated/access-token";

pub(crate) fn open(response: http::Response<Body>) -> Stream {
    let body = response.into_body().into_data_stream();
    Stream { body, parser: SseParser::new(), pending: std::collections::VecDeque::new() }
}

fn token_request() -> Value {
    json!({
        "orgId": ORG, "esDeveloperName": "Bridge_Client", "capabilitiesVersion": "1",
        "platform": "Web", "context": { "appName": "bridge", "clientVersion": "1.0.0" },
    })
}

fn message(id: &str, text: &str) -> Value {
    json!({
        "message": { "id": id, "messageType": "StaticContentMessage",
            "staticContent": { "formatType": "Text", "text": text } },
        "esDeveloperName": "Bridge_Client",
    })
}

fn id(number: u32) -> String {
    format!("44444444-5555-4666-8777-{number:012}")
}

fn request(method: Method, token: Option<&str>, path: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(format!("/iamessage/api/v2{path}"));
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    }
}

async fn post(router: &Router, token: Option<&str>, path: &str, body: &Value) -> (u16, String) {
    let request = request(Method::POST, token, path).body(Body::from(body.to_string()));
    answer(router, request.expect("a request")).await
}

pub(crate) async fn answer(router: &Router, request: Request<Body>) -> (u16, String) {
    let response = router.clone().oneshot(request).await.expect("infallible");
    if response.extensions().get::<ConnectionReset>().is_some() {
        return (0, String::new());
    }
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

pub(crate) fn emulators(agents: Agents) -> Emulators {
    Emulators::new(&Clock::starting_at(Wall::from_millis(1_770_000_000_000)), agents)
}

fn names(events: &[SseEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event.trim_start_matches("CONVERSATION_")).collect()
}

fn payload(event: &SseEvent) -> EntryPayload {
    let data: EventData = serde_json::from_str(&event.data).expect("data");
    assert_eq!(data.conversation_id, CONVERSATION);
    let entry = data.conversation_entry.expect("an entry");
    assert!(entry.entry_payload.is_string());
    entry.payload().expect("a payload")
}

#[tokio::test(start_paused = true)]
async fn a_chat_with_the_echo_agent() {
    let emulators = emulators(Agents::Echo);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let mut events = visitor.events().await;
    let greeting = events.take(8).await;
    assert_eq!(
        names(&greeting),
        [
            "ROUTING_RESULT",
            "ROUTING_WORK_RESULT",
            "ROUTING_WORK_RESULT",
            "SESSION_STATUS_CHANGED",
            "PARTICIPANT_CHANGED",
            "TYPING_STARTED_INDICATOR",
            "MESSAGE",
            "TYPING_STOPPED_INDICATOR",
        ]
    );
    let (status, text) = visitor.say(&id(1), "hi").await;
    assert_eq!(status, 202, "{text}");
    assert_eq!(
        serde_json::from_str::<Value>(&text).expect("JSON")["conversationEntries"][0]["id"],
        id(1)
    );
    let reply = events.take(5).await;
    assert_eq!(
        names(&reply),
        [
            "MESSAGE",
            "DELIVERY_ACKNOWLEDGEMENT",
            "TYPING_STARTED_INDICATOR",
            "MESSAGE",
            "TYPING_STOPPED_INDICATOR",
        ]
    );
    let EntryPayload::Message(echo) = payload(&reply[3]) else { panic!("no message") };
    let text = echo.abstract_message.static_content.and_then(|content| content.text);
    assert_eq!(text.as_deref(), Some("echo: hi"));
    let ack: EventData = serde_json::from_str(&reply[1].data).expect("data");
    assert_eq!(ack.conversation_entry.expect("an entry").related_records, [id(1)]);
    visitor.say(&id(2), "agent_end").await;
    let end = events.take(5).await;
    assert_eq!(
        names(&end[2..]),
        ["PARTICIPANT_CHANGED", "SESSION_STATUS_CHANGED", "ROUTING_WORK_RESULT",]
    );
    let EntryPayload::SessionStatusChanged(ended) = payload(&end[3]) else { panic!("no status") };
    assert_eq!(ended.session_ended_by_role, Some(Role::Agent));
    let chat = emulators.desk().chat(CONVERSATION).expect("a chat");
    assert_eq!((chat.state, chat.visitor.as_str()), (ChatState::Ended, "Ada"));
    assert_eq!(chat.lines[1].id, id(1));
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_texts() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let create = |id: &str| json!({ "conversationId": id, "esDeveloperName": "Bridge_Client" });
    let unknown = json!({
        "conversationId": id(9), "esDeveloperName": "Bridge_Client", "prechatDetails": [],
    });
    let message_path = format!("/conversation/{CONVERSATION}/message");
    let none_path = format!("/conversation/{}/message", id(7));
    let format = "Specify the conversationId in UUID format.";
    for (path, body, status, text) in [
        ("/conversation", create(&CONVERSATION.replace("4555", "1555")), 400, format),
        ("/conversation", create("F14A6516-0E6E-43CF-BD5F-B1DDCB932D0E"), 400, format),
        ("/conversation", create(CONVERSATION), 409, "in use"),
        ("/conversation", unknown, 400, "Unknown property prechatDetails."),
        (message_path.as_str(), message("ABC", "x"), 400, "message id in UUID format"),
        (message_path.as_str(), message(&id(1), "x"), 202, "conversationEntries"),
        (none_path.as_str(), message(&id(1), "x"), 404, "not found"),
        ("/conversation/x/close", json!({}), 404, "no such path"),
    ] {
        let (got, answer) = visitor.post(path, &body).await;
        assert_eq!(got, status, "{path} {answer}");
        assert!(answer.contains(text), "{path} {answer}");
    }
    let stranger = Visitor::new(&emulators).await;
    assert_eq!(stranger.say(&id(2), "x").await.0, 403);
    let web = json!({
        "orgId": ORG, "esDeveloperName": "Bridge_Client", "capabilitiesVersion": "1",
        "platform": "Web", "deviceId": "d",
    });
    assert_eq!(post(&visitor.router, None, TOKEN, &web).await.0, 400);
    assert_eq!(
        post(&visitor.router, None, &message_path, &web).await,
        (401, "Jwt is missing".to_owned())
    );
    let long = visitor.stream("00D000000000001AAA", None).await;
    assert_eq!(long.status(), StatusCode::BAD_REQUEST);
    let text = to_bytes(long.into_body(), 1 << 10).await.expect("a body");
    assert_eq!(text, "OrgId in the header and token must match");
}

#[tokio::test(start_paused = true)]
async fn the_stream_replays_after_the_last_id_and_only_then() {
    let emulators = emulators(Agents::Echo);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let mut all = visitor.events().await;
    let first = all.take(8).await;
    let ids: Vec<u64> =
        first.iter().map(|e| e.id.as_deref().expect("an id").parse().expect("a number")).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let mut rest = open(visitor.stream(ORG, first[6].id.as_deref()).await);
    assert_eq!(names(&rest.take(1).await), ["TYPING_STOPPED_INDICATOR"]);
    let mut fresh = open(visitor.stream(ORG, None).await);
    visitor.say(&id(1), "hi").await;
    assert_eq!(names(&fresh.take(2).await), ["MESSAGE", "DELIVERY_ACKNOWLEDGEMENT"]);
    let mut zero = open(visitor.stream(ORG, Some("0")).await);
    assert_eq!(zero.take(1).await[0].id, first[0].id);
}

#[tokio::test(start_paused = true)]
async fn tokens_expire_by_the_stopwatch_not_by_the_calendar() {
    let clock = Clock::starting_at(Wall::from_millis(1_770_000_000_000));
    let emulators = Emulators::new(&clock, Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    clock.set_wall(Wall::from_millis(1_790_000_000_000));
    assert_eq!(visitor.say(&id(1), "x").await.0, 202);
    let (status, text) =
        visitor.send(Method::GET, "/authorization/continuation-access-token").await;
    let again: TokenResponse = serde_json::from_str(&text).expect("a token");
    assert!(status == 200 && again.access_token != visitor.token);
    let mut events = visitor.events().await;
    events.take(2).await;
    assert!(events.next().await.is_none(), "the stream ends with its token");
    assert_eq!(visitor.say(&id(2), "x").await, (401, "Jwt is expired".to_owned()));
    assert_eq!(visitor.stream(ORG, None).await.status(), StatusCode::UNAUTHORIZED);
    emulators.set_miaw(|knobs| knobs.sse_401 = UnauthorizedBody::Spring);
    let spring = visitor.stream(ORG, None).await.into_body();
    let spring: Value =
        serde_json::from_slice(&to_bytes(spring, 1 << 10).await.expect("a body")).expect("JSON");
    assert_eq!(spring["path"], "/eventrouter/v1/sse");
}

#[tokio::test(start_paused = true)]
async fn repeated_ids_by_knob() {
    for (knob, status, seen) in [
        (RepeatedIds::Ignore, 202, 1),
        (RepeatedIds::AcceptTwice, 202, 2),
        (RepeatedIds::Conflict409, 409, 1),
    ] {
        let emulators = emulators(Agents::None);
        emulators.set_miaw(|knobs| knobs.repeated_ids = knob);
        let visitor = Visitor::new(&emulators).await;
        visitor.create().await;
        visitor.say(&id(1), "x").await;
        assert_eq!(visitor.say(&id(1), "x").await.0, status);
        assert_eq!(emulators.desk().chat(CONVERSATION).expect("a chat").lines.len(), seen);
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_routing_and_the_end() {
    let emulators = emulators(Agents::None);
    emulators.set_miaw(|knobs| {
        knobs.routing = RoutingStart::FirstMessage;
        knobs.form = FormDisplay::Session;
    });
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    assert!(emulators.desk().chats().is_empty());
    visitor.say(&id(1), "x").await;
    let path = format!("/conversation/{CONVERSATION}");
    let status =
        |text: &str| serde_json::from_str::<Value>(text).expect("JSON")["routingStatus"].clone();
    assert_eq!(status(&visitor.send(Method::GET, &path).await.1), "INITIAL");
    let desk = emulators.desk();
    desk.act(CONVERSATION, Command::Accept).expect("allowed");
    assert_eq!(status(&visitor.send(Method::GET, &path).await.1), "ROUTED");
    desk.act(CONVERSATION, Command::Transfer).expect("allowed");
    desk.act(CONVERSATION, Command::End).expect("allowed");
    assert_eq!(status(&visitor.send(Method::GET, &path).await.1), "NEEDS_ROUTING");
    assert_eq!(visitor.say(&id(2), "x").await.0, 417);
    let mut again = message(&id(2), "x");
    again["isNewMessagingSession"] = json!(true);
    again["routingAttributes"] = json!({ "Reason": "Billing" });
    assert_eq!(visitor.post(&format!("{path}/message"), &again).await.0, 202);
    assert_eq!(desk.chat(CONVERSATION).expect("a chat").state, ChatState::Waiting);
    assert_eq!(visitor.send(Method::DELETE, &path).await.0, 400);
    let named = format!("{path}?esDeveloperName=Bridge_Client");
    assert_eq!(visitor.send(Method::DELETE, &named).await, (204, String::new()));
    assert_eq!(visitor.say(&id(3), "x").await.0, 400);
    let list = visitor.send(Method::GET, "/conversation/list?inclClosedConvs=true").await.1;
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(list["closedConversationsFound"], 1);
    let mut events = visitor.events().await;
    let mut last = String::new();
    while last != "CONVERSATION_CLOSE_CONVERSATION" {
        last = events.next().await.expect("an event").event;
    }
}

#[tokio::test(start_paused = true)]
async fn entries_are_newest_first_with_object_payloads() {
    let emulators = emulators(Agents::Echo);
    emulators.set_miaw(|knobs| knobs.split_urls = true);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let (_, sent) = visitor.say(&id(1), "see https://example.test").await;
    let sent: Value = serde_json::from_str(&sent).expect("JSON");
    assert_eq!(sent["conversationEntries"].as_array().map(Vec::len), Some(2));
    let path = format!(
        "/conversation/{CONVERSATION}/entries?limit=3&entryTypeFilter=Message%2CRoutingResult"
    );
    let list: EntriesList =
        serde_json::from_str(&visitor.send(Method::GET, &path).await.1).expect("entries");
    let texts: Vec<_> = list
        .conversation_entries
        .iter()
        .map(|entry| {
            assert!(entry.entry_payload.is_object());
            entry.entry_payload["abstractMessage"]["staticContent"]["text"].clone()
        })
        .collect();
    assert_eq!(texts[0], "echo: https://example.test");
    assert_eq!(texts.len(), 3);
    let start = format!("{path}&direction=FromStart");
    let list: EntriesList =
        serde_json::from_str(&visitor.send(Method::GET, &start).await.1).expect("entries");
    assert_eq!(
        list.conversation_entries.last().map(|e| e.entry_type.as_str()),
        Some("RoutingResult")
    );
}

#[tokio::test(start_paused = true)]
async fn limits_faults_and_broken_streams() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    for number in 0..22 {
        assert_eq!(visitor.say(&id(number), "x").await.0, 202);
    }
    assert_eq!(visitor.say(&id(90), "x").await.0, 429);
    tokio::time::advance(Duration::from_secs(60)).await;
    emulators.set_miaw(|knobs| {
        knobs.duplicate_events = true;
        knobs.drop_after_events = 2;
        knobs.faults = vec![
            Fault { operation: "message".to_owned(), status: Some(503), ..Fault::default() },
            Fault { operation: "message".to_owned(), drop_response: true, ..Fault::default() },
            Fault { operation: "message".to_owned(), reset: true, ..Fault::default() },
        ];
    });
    let mut events = visitor.events().await;
    let twice = events.take(4).await;
    assert!(twice[0] == twice[1] && twice[2] == twice[3]);
    assert!(events.next().await.is_none());
    let statuses = [
        visitor.say(&id(91), "a").await.0,
        visitor.say(&id(91), "a").await.0,
        visitor.say(&id(91), "a").await.0,
        visitor.say(&id(91), "a").await.0,
    ];
    assert_eq!(statuses, [503, 0, 0, 202]);
    let lines = emulators.desk().chat(CONVERSATION).expect("a chat").lines;
    assert_eq!(lines.iter().filter(|line| line.text == "a").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn files_typing_acknowledgements_and_cross_origin() {
    let emulators = emulators(Agents::Echo);
    emulators.set_miaw(|knobs| knobs.max_file_bytes = 10);
    let visitor = Visitor::new(&emulators).await;
    visitor.create().await;
    let path = format!("/conversation/{CONVERSATION}");
    let typing = json!({ "entryType": "TypingStartedIndicator", "id": id(1) });
    assert_eq!(visitor.post(&format!("{path}/entry"), &typing).await.0, 200);
    assert!(emulators.desk().chat(CONVERSATION).expect("a chat").visitor_typing);
    let acks =
        json!({ "acks": [{ "id": id(2), "entryType": "Read", "conversationEntryId": id(3) }] });
    assert_eq!(visitor.post(&format!("{path}/acknowledge-entries"), &acks).await.0, 200);
    for (kind, bytes, status) in
        [("image/png", "0123456789", 202), ("image/png", "0123456789x", 413), ("video/x", "0", 415)]
    {
        let entry = json!({
            "message": { "id": id(status), "fileId": id(status) },
            "esDeveloperName": "Bridge_Client",
        });
        let body = format!(
            "--B\r\nContent-Disposition: form-data; name=\"messageEntry\"\r\n\
             Content-Type: application/json\r\n\r\n{entry}\r\n--B\r\n\
             Content-Disposition: form-data; name=\"fileData\"; filename=\"a.png\"\r\n\
             Content-Type: {kind}\r\n\r\n{bytes}\r\n--B--\r\n",
        );
        let upload = request(Method::POST, Some(&visitor.token), &format!("{path}/file"))
            .header("Content-Type", "multipart/form-data; boundary=B")
            .body(Body::from(body))
            .expect("a request");
        assert_eq!(answer(&visitor.router, upload).await.0, status as u16, "{kind}");
    }
    let stored = Request::get(format!("/emulator/miaw/files/{}", id(202))).body(Body::empty());
    assert_eq!(answer(&visitor.router, stored.expect("a request")).await.1, "0123456789");
    let preflight = request(Method::OPTIONS, None, "/conversation")
        .header("Origin", "http://app.test")
        .header("Access-Control-Request-Headers", "authorization,content-type")
        .body(Body::empty())
        .expect("a request");
    let response = visitor.router.clone().oneshot(preflight).await.expect("infallible");
    assert_eq!(response.headers()["access-control-allow-origin"], "http://app.test");
    assert_eq!(response.headers()["access-control-allow-headers"], "authorization,content-type");
}
