//! The emulated legacy service, called as a tower service.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Method, Request, StatusCode};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::emulator::{
    Agents, ChatState, Command, ConnectionReset, Delivery, Emulators, Fault, Overlap,
};
use liveagent_bridge::time::Wall;
use liveagent_bridge::wire::liveagent::{MessagesPayload, SessionId};
use serde_json::{Value, json};
use tower::ServiceExt;

mod scripted;

struct Visitor {
    router: Router,
    session: SessionId,
}

struct Answer {
    status: StatusCode,
    text: String,
    reset: bool,
}

async fn call(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("infallible");
    let reset = response.extensions().get::<ConnectionReset>().is_some();
    let status = response.status();
    let bytes = if reset { Default::default() } else { read(response.into_body()).await };
    Answer { status, text: String::from_utf8(bytes).expect("UTF-8"), reset }
}

async fn read(body: Body) -> Vec<u8> {
    to_bytes(body, 1 << 20).await.expect("a body").to_vec()
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("/chat/rest/{path}"))
        .header("X-LIVEAGENT-API-VERSION", "49")
}

impl Visitor {
    async fn new(emulators: &Emulators) -> Self {
        let router = emulators.liveagent_router();
        let open = request(Method::GET, "System/SessionId").header("X-LIVEAGENT-AFFINITY", "null");
        let answer = call(&router, open.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let object: Value = serde_json::from_str(&answer.text).expect("JSON");
        assert_eq!(object.as_object().expect("an object").len(), 4);
        let session: SessionId = serde_json::from_value(object).expect("a session");
        assert!(session.key.starts_with(&format!("{}!", session.id)));
        Self { router, session }
    }

    fn call(&self, method: Method, path: &str) -> http::request::Builder {
        request(method, path)
            .header("X-LIVEAGENT-SESSION-KEY", &self.session.key)
            .header("X-LIVEAGENT-AFFINITY", &self.session.affinity_token)
    }

    async fn post(&self, noun: &str, sequence: Option<i64>, body: &str) -> Answer {
        let mut post = self.call(Method::POST, noun);
        if let Some(sequence) = sequence {
            post = post.header("X-LIVEAGENT-SEQUENCE", sequence);
        }
        let body = Body::from(body.to_owned());
        call(&self.router, post.body(body).expect("a request")).await
    }

    async fn get(&self, path: &str) -> Answer {
        let get = self.call(Method::GET, path).body(Body::empty()).expect("a request");
        call(&self.router, get).await
    }

    async fn poll(&self, ack: Option<i64>) -> MessagesPayload {
        let path =
            ack.map_or("System/Messages".to_owned(), |ack| format!("System/Messages?ack={ack}"));
        let answer = self.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        serde_json::from_str(&answer.text).expect("messages")
    }

    async fn start(&self) {
        ok(&self.post("Chasitor/ChasitorInit", Some(1), &init().to_string()).await);
    }
}

fn ok(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "OK"));
}

fn init() -> Value {
    json!({
        "organizationId": "00D000000000001", "deploymentId": "572000000000001",
        "buttonId": "573000000000001", "visitorName": "Dana", "receiveQueueUpdates": true,
        "prechatDetails": [{ "label": "Email", "value": "dana@example.test" }],
    })
}

fn kinds(payload: &MessagesPayload) -> Vec<&str> {
    payload.messages.iter().map(|message| message.kind.as_str()).collect()
}

fn emulators(agents: Agents) -> Emulators {
    Emulators::new(&Clock::starting_at(Wall::from_millis(1_770_000_000_000)), agents)
}

#[tokio::test(start_paused = true)]
async fn a_chat_with_the_echo_agent() {
    let emulators = emulators(Agents::Echo);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    let first = visitor.poll(Some(-1)).await;
    assert_eq!(
        kinds(&first),
        [
            "ChatRequestSuccess",
            "QueueUpdate",
            "ChatEstablished",
            "AgentTyping",
            "ChatMessage",
            "AgentNotTyping",
        ]
    );
    assert_eq!(first.sequence, Some(5));
    assert!(first.offset.is_some_and(|offset| offset > 1_700_000_000));
    ok(&visitor.post("Chasitor/ChatMessage", Some(2), r#"{"text":"hi"}"#).await);
    let reply = visitor.poll(Some(5)).await;
    assert_eq!(reply.messages[1].body["text"], "echo: hi");
    ok(&visitor.post("Chasitor/ChatMessage", Some(3), r#"{"text":"agent_end"}"#).await);
    let end = visitor.poll(reply.sequence).await;
    assert_eq!(end.messages[0].body, json!({ "attachedRecords": [], "reason": "agent" }));
    let after = visitor.get("System/Messages?ack=9").await;
    assert_eq!(after.status, StatusCode::FORBIDDEN);
    assert_eq!(after.text, "Session required but was invalid or not found");
    let chat = emulators.desk().chat(&visitor.session.id).expect("a chat");
    assert_eq!(chat.state, ChatState::Ended);
    assert_eq!(chat.attributes, [("Email".to_owned(), "dana@example.test".to_owned())]);
}

/// Every member of the recorded messages is written, with its JSON type.
#[tokio::test(start_paused = true)]
async fn messages_have_the_recorded_shape() {
    let file = include_str!("fixtures/recorded/la-messages.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let recorded = &file["cases"][0]["body"];
    let emulators = emulators(Agents::Echo);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    let payload = visitor.poll(None).await;
    for message in &payload.messages {
        let mut same = recorded["messages"].as_array().expect("messages").iter();
        let same = same.find(|one| one["type"] == *message.kind).expect("a recorded one");
        for (name, value) in same["message"].as_object().expect("an object") {
            let ours = &message.body[name];
            let known = name == "geoLocation"
                || std::mem::discriminant(ours) == std::mem::discriminant(value);
            assert!(known, "{}.{name} is {ours}", message.kind);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_recorded_init_is_accepted() {
    let file = include_str!("fixtures/recorded/la-chasitor-init.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    for case in file["cases"].as_array().expect("cases") {
        let emulators = emulators(Agents::None);
        let visitor = Visitor::new(&emulators).await;
        ok(&visitor.post("Chasitor/ChasitorInit", None, &case["body"].to_string()).await);
        let payload = visitor.poll(None).await;
        assert_eq!(kinds(&payload), ["ChatRequestSuccess"], "{}", case["client"]);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_texts() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    let bare = Request::get("/chat/rest/System/SessionId").body(Body::empty()).expect("a request");
    let answer = call(&visitor.router, bare).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::BAD_REQUEST, "No version header found")
    );
    visitor.start().await;
    for (noun, sequence, body, status, text) in [
        (
            "Chasitor/ChatMessage",
            Some(9),
            r#"{"text":"a"}"#,
            409,
            "Out of sync Ack. Expected 9. Actual 1",
        ),
        ("Chasitor/ChatEnd", None, "{}", 400, liveagent_bridge::wire::liveagent::CHAT_END_REASON),
        ("Chasitor/Nothing", None, "{}", 404, ""),
        ("Chasitor/ChasitorTyping", Some(2), "", 200, "OK"),
        ("Chasitor/ChasitorTyping", Some(2), "", 200, "OK"),
        ("Chasitor/ChasitorSneakPeek", Some(3), r#"{"position":0,"text":"he"}"#, 200, "OK"),
        ("System/MultiNoun", Some(4), r#"{"nouns":[{"prefix":"ChatBot","noun":"X"}]}"#, 200, "OK"),
        ("Visitor/Breadcrumb", None, r#"{"location":"x"}"#, 200, "OK"),
    ] {
        let answer = visitor.post(noun, sequence, body).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, text), "{noun}");
    }
    let broken = visitor.post("Chasitor/ChatMessage", None, "{").await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert!(serde_json::from_str::<Value>(&broken.text).expect("JSON")["details"].is_array());
    let mut stranger = Visitor::new(&emulators).await;
    stranger.session.affinity_token = "00000000".to_owned();
    let answer = stranger.get("System/Messages").await;
    assert_eq!(answer.text, "Invalid Affinity Token");
    stranger.session.key.push('x');
    assert_eq!(stranger.get("System/Messages").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_redeliver_and_lose_nothing() {
    let emulators = emulators(Agents::Echo);
    emulators.set_liveagent(|knobs| knobs.delivery = Delivery::Single);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    assert_eq!(kinds(&visitor.poll(Some(0)).await), ["ChatRequestSuccess"]);
    assert_eq!(kinds(&visitor.poll(Some(-1)).await), ["ChatRequestSuccess"]);
    assert_eq!(kinds(&visitor.poll(Some(40)).await), ["QueueUpdate"]);
    assert_eq!(kinds(&visitor.poll(None).await), ["ChatEstablished"]);
}

#[tokio::test(start_paused = true)]
async fn polls_are_held_and_do_not_overlap() {
    let clock = Clock::system();
    let emulators = Emulators::new(&clock, Agents::None);
    let visitor = Visitor::new(&emulators).await;
    let started = clock.now().mono;
    assert_eq!(visitor.get("System/Messages?ack=-1").await.status, StatusCode::NO_CONTENT);
    assert_eq!(clock.now().mono.since(started).as_secs(), 30);
    for (overlap, older, newer) in
        [(Overlap::Conflict, 204, 409), (Overlap::Supersede, 204, 204), (Overlap::Strict, 403, 409)]
    {
        emulators.set_liveagent(|knobs| knobs.overlap = overlap);
        let (first, second) =
            tokio::join!(visitor.get("System/Messages"), visitor.get("System/Messages"));
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (older, newer), "{overlap:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_nobody_polls_ends() {
    let emulators = emulators(Agents::Echo);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    visitor.poll(None).await;
    let id = visitor.session.id.as_str();
    let mut changes = emulators.desk().changes();
    while emulators.desk().chat(id).expect("a chat").state != ChatState::Ended {
        // Paused time runs on to the session's end while this waits.
        changes.recv().await.expect("a change");
    }
    assert_eq!(visitor.get("System/Messages").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_handover_reconnects_with_session_data_first() {
    let emulators = emulators(Agents::Echo);
    let mut visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    let offset = visitor.poll(None).await.offset.expect("an offset");
    let healthy = visitor.get("System/ReconnectSession?ReconnectSession.offset=1").await;
    assert_eq!(healthy.status, StatusCode::METHOD_NOT_ALLOWED);
    emulators.set_liveagent(|knobs| knobs.handover = true);
    let moved = visitor.post("Chasitor/ChatMessage", Some(2), r#"{"text":"a"}"#).await;
    assert_eq!((moved.status, moved.text.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
    let path = format!("System/ReconnectSession?ReconnectSession.offset={offset}");
    let answer: Value = serde_json::from_str(&visitor.get(&path).await.text).expect("JSON");
    let message = &answer["messages"][0]["message"];
    assert_eq!(message["resetSequence"], true);
    visitor.session.affinity_token = message["affinityToken"].as_str().expect("a token").to_owned();
    assert_eq!(kinds(&visitor.poll(Some(-1)).await), ["ChasitorSessionData"]);
    ok(&visitor.post("Chasitor/ChasitorResyncState", None, "{}").await);
    ok(&visitor.post("Chasitor/ChatMessage", Some(1), r#"{"text":"a"}"#).await);
    assert_eq!(visitor.poll(None).await.messages[1].body["text"], "echo: a");
}

#[tokio::test(start_paused = true)]
async fn an_agent_at_the_desk() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    ok(&visitor.post("Chasitor/ChatMessage", Some(2), r#"{"text":"early"}"#).await);
    visitor.poll(None).await;
    let desk = emulators.desk();
    let id = visitor.session.id.as_str();
    for (command, kind) in [
        (Command::Queue { position: 2, wait: Some(9) }, "QueueUpdate"),
        (Command::Accept, "QueueUpdate"),
        (Command::Typing { on: true }, "AgentTyping"),
        (Command::Say { text: "Hi".to_owned() }, "ChatMessage"),
        (Command::Transfer, "ChatTransferred"),
        (Command::End, "ChatEnded"),
    ] {
        desk.act(id, command).expect("allowed");
        assert_eq!(kinds(&visitor.poll(None).await)[0], kind);
    }
    let lines = desk.chat(id).expect("a chat").lines;
    assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["early", "Hi"]);
    assert!(desk.act(id, Command::Accept).is_err());
}

#[tokio::test(start_paused = true)]
async fn knobs_change_over_http_and_faults_are_used_up() {
    let emulators = emulators(Agents::Echo);
    let router = emulators.liveagent_router();
    let patch = |body: &str| {
        Request::post("/emulator/liveagent/knobs")
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .expect("a request")
    };
    let answer =
        call(&router, patch(r#"{"hold_millis":5,"gone_at":"2027-01-01T00:00:00Z"}"#)).await;
    assert_eq!(serde_json::from_str::<Value>(&answer.text).expect("JSON")["hold_millis"], 5);
    assert_eq!(call(&router, patch(r#"{"nonsense":1}"#)).await.status, StatusCode::BAD_REQUEST);
    let visitor = Visitor::new(&emulators).await;
    visitor.start().await;
    emulators.set_liveagent(|knobs| {
        knobs.faults = vec![
            Fault { operation: "ChatMessage".to_owned(), status: Some(500), ..Fault::default() },
            Fault { operation: "ChatMessage".to_owned(), drop_response: true, ..Fault::default() },
        ];
    });
    let text = r#"{"text":"a"}"#;
    assert_eq!(visitor.post("Chasitor/ChatMessage", Some(2), text).await.status.as_u16(), 500);
    assert!(visitor.post("Chasitor/ChatMessage", Some(2), text).await.reset);
    ok(&visitor.post("Chasitor/ChatMessage", Some(2), text).await);
    let chat = emulators.desk().chat(&visitor.session.id).expect("a chat");
    assert_eq!(chat.lines.iter().filter(|line| line.text == "a").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn gone_means_no_new_sessions_and_availability_echoes_ids() {
    let emulators = emulators(Agents::None);
    let visitor = Visitor::new(&emulators).await;
    let path = "Visitor/Availability?org_id=o&deployment_id=d&Availability.ids=[573a,005b_573c]";
    let answer = visitor.get(&format!("{path}&Availability.needEstimatedWaitTime=1")).await;
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text).expect("JSON"),
        json!({ "messages": [{ "type": "Availability", "message": { "results": [
            { "id": "573a", "isAvailable": true, "estimatedWaitTime": -1 },
            { "id": "005b_573c", "isAvailable": true, "estimatedWaitTime": -1 },
        ] } }] }),
    );
    emulators.set_liveagent(|knobs| knobs.gone_at = Some(Wall::from_millis(0)));
    let answer = visitor.get("System/SessionId").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let delete = visitor.call(Method::DELETE, &format!("System/SessionId/{}", visitor.session.key));
    let answer = call(&visitor.router, delete.body(Body::empty()).expect("a request")).await;
    ok(&answer);
    assert_eq!(visitor.get("System/Messages").await.status, StatusCode::FORBIDDEN);
}
