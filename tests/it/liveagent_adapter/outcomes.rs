//! What becomes of a request that the real service answers badly, or not at all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Response, StatusCode};
use liveagent_bridge::adapter::liveagent::LiveAgent;
use liveagent_bridge::adapter::liveagent::health::{HostState, PROBE_EVERY};
use liveagent_bridge::adapter::transport::reqwest::Reqwest;
use liveagent_bridge::config::{Egress, Legacy, Limits, Tenant};
use liveagent_bridge::emulator::Fault;
use liveagent_bridge::facade::router;
use liveagent_bridge::store::Store as _;
use liveagent_bridge::time::Mono;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::visitor::Scene;
use super::{BEFORE, DEAD, KEY, poll};
use crate::stage::{LEGACY, Stage, request, stage, tenant};

fn states(stage: &Stage) -> Vec<HostState> {
    stage.facade.relay.health().into_iter().map(|health| health.state).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_service_says_about_a_chat_is_told_as_it_is() {
    for scene in [Scene::verbatim(), Scene::by_button()] {
        let mut visitor = scene.talking().await;
        for (status, body) in [(503, ""), (409, ""), (403, DEAD), (500, "Internal Server Error")] {
            for (operation, times) in [("ChatMessage", 1), ("Messages", 1)] {
                let fault = Fault {
                    operation: operation.to_owned(),
                    times,
                    status: Some(status),
                    body: body.to_owned(),
                    ..Fault::default()
                };
                scene.knobs(|knobs| knobs.faults.push(fault));
            }
            assert_eq!(visitor.say("a").await, (status, body.to_owned()));
            let polled = visitor.peek().await;
            assert_eq!((polled.status.as_u16(), &*polled.text), (status, body));
        }
        // Out of order: the service's own text.
        let message = serde_json::json!({"text": "a"});
        let out = visitor.post_as(99, "Chasitor/ChatMessage", &message).await;
        assert_eq!(out, (409, "Out of sync Ack. Expected 99. Actual 1".to_owned()));
        assert_eq!(states(&scene.stage), [HostState::Alive]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_after_processing_is_not_asked_for_again() {
    let scene = Scene::verbatim();
    let mut visitor = scene.talking().await;
    let (operation, drop_response) = ("ChatMessage".to_owned(), true);
    scene.knobs(|knobs| {
        knobs.faults.push(Fault { operation, drop_response, ..Fault::default() });
    });
    visitor.say("once").await;
    assert_eq!(scene.heard(), ["once"], "no retry of ours");
    visitor.number -= 1;
    assert_eq!(visitor.say("once").await, (200, "OK".to_owned()), "the client's");
    assert_eq!(scene.heard(), ["once"]);
}

fn answers(stage: &Stage, answer: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) {
    stage.salesforce.put(LEGACY, Router::new().fallback(move || std::future::ready(answer())));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_serves_something_else_is_refusing() {
    let stage = stage(BEFORE, vec![tenant("acme")]);
    for (status, body) in [(301, ""), (404, "<html>"), (200, "<html>parked</html>")] {
        answers(&stage, move || Response::builder().status(status).body(Body::from(body)).unwrap());
        for _ in 0..3 {
            let got = stage.get("/chat/rest/System/SessionId", None).await;
            assert_eq!((got.status.as_u16(), &*got.text), (status, body), "theirs, untouched");
        }
        assert_eq!(states(&stage), [HostState::Refusing]);
        let health = stage.facade.relay.health();
        assert_eq!((&*health[0].tenant, &*health[0].host), ("acme", LEGACY));
        assert!(health[0].last_error.as_ref().unwrap().contains(&status.to_string()));
    }
    super::set_up_on(&stage);
    assert_eq!(stage.session().await, KEY);
    assert_eq!(states(&stage), [HostState::Alive]);
}

#[tokio::test(start_paused = true)]
async fn slow_heads_and_broken_bodies() {
    let stage = stage(BEFORE, vec![tenant("acme")]);
    let hangs = Router::new().fallback(std::future::pending::<Response<Body>>);
    stage.salesforce.put(LEGACY, hangs);
    let begun = stage.clock.now().mono;
    let message = request("POST", "/chat/rest/Chasitor/ChatMessage", Some(KEY), "{}");
    assert_eq!(stage.send(message).await.status, 500);
    assert_eq!(stage.clock.now().mono.since(begun), Duration::from_secs(15));
    let begun = stage.clock.now().mono;
    assert_eq!(stage.send(poll(1)).await.status, 204);
    assert_eq!(stage.clock.now().mono.since(begun), Duration::from_secs(75));
    // The head came, the body breaks: so does the client's.
    answers(&stage, || {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let frames = [Ok(Bytes::from("{\"mess")), Err(broken)];
        Response::new(Body::from_stream(stream::iter(frames)))
    });
    let asked = tower::ServiceExt::oneshot(stage.service.clone(), poll(1)).await.unwrap();
    assert_eq!(asked.status(), 200);
    assert!(http_body_util::BodyExt::collect(asked.into_body()).await.is_err());
}

/// Polls as a client does, until its chat is over: the statuses, and when each came.
async fn polls(stage: &Stage) -> Vec<(u16, Duration)> {
    let begun: Mono = stage.clock.now().mono;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(status, _)| *status == 204) {
        let status = stage.send(poll(4)).await.status.as_u16();
        seen.push((status, stage.clock.now().mono.since(begun)));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_gone_is_not_waited_for_and_its_chats_end() {
    let (stage, salesforce) = super::set_up(BEFORE);
    super::chat_in_progress(&stage, &salesforce).await;
    stage.salesforce.remove(LEGACY);
    let seen = polls(&stage).await;
    let (last, held) = seen.split_last().unwrap();
    assert!(held.iter().all(|(status, _)| *status == 204), "{seen:?}");
    assert_eq!(last.0, 200, "ChatEnded: {seen:?}");
    assert!((150..176).contains(&last.1.as_secs()), "the service's own time-out: {seen:?}");
    let health = &stage.facade.relay.health()[0];
    assert_eq!(health.state, HostState::Gone);
    assert_eq!(health.last_error.as_deref(), Some("nothing answers at la.example.test"));
    for _ in 0..2 {
        assert_eq!(stage.send(poll(5)).await.status, 403);
        assert_eq!(stage.post("ChatMessage", KEY, "{}").await.status, 403);
    }
    let begun = stage.clock.now().mono;
    let got = stage.get("/chat/rest/System/SessionId", None).await;
    assert_eq!((got.status.as_u16(), stage.clock.now().mono), (500, begun), "at once");
    // The host is back: probed once per interval, and what ended stays ended.
    super::set_up_on(&stage);
    stage.clock.until(begun.plus(PROBE_EVERY)).await;
    assert_eq!(stage.session().await, KEY);
    assert_eq!(states(&stage), [HostState::Alive]);
    assert!(stage.chats.posts.lock().unwrap().is_empty(), "no chat changed sides");
}

#[tokio::test(start_paused = true)]
async fn a_rekeyed_chat_ends_with_its_host_and_stays_ended() {
    let mut scene = Scene::by_button();
    let mut visitor = scene.talking().await;
    scene.stage.salesforce.remove(LEGACY);
    let mut last = visitor.peek().await;
    while last.status == 204 {
        last = visitor.peek().await;
    }
    assert!(last.text.contains("ChatEnded"), "{}", last.text);
    assert_eq!(last.json()["sequence"], visitor.ack + 1);
    scene.serve_at(LEGACY);
    assert_eq!(visitor.peek().await.status, 403);
    assert_eq!(visitor.say("late").await.0, 403);
    // Its record is over; what the service still says after a restart is the service's.
    scene.stage.start_again().await;
    let left = scene.stage.store.unfinished(None, 9).await.unwrap();
    assert!(left.is_empty());
    assert!(scene.stage.chats.posts.lock().unwrap().is_empty(), "no chat changed sides");
}

#[tokio::test(start_paused = true)]
async fn while_a_host_is_gone_requests_probe_it_once_per_interval() {
    let (stage, _) = super::set_up(BEFORE);
    stage.salesforce.remove(LEGACY);
    for _ in 0..7 {
        stage.post("ChatMessage", KEY, "{}").await;
        stage.clock.until(stage.clock.now().mono.plus(Duration::from_secs(12))).await;
    }
    assert_eq!(states(&stage), [HostState::Gone]);
    let salesforce = super::set_up_on(&stage);
    for _ in 0..4 {
        assert_eq!(stage.post("ChatMessage", KEY, "{}").await.status, 500, "not asked");
    }
    assert!(salesforce.paths().is_empty());
    stage.clock.until(stage.clock.now().mono.plus(PROBE_EVERY)).await;
    assert_eq!(stage.post("ChatMessage", KEY, "{}").await.text, "OK", "the probe");
    assert_eq!(stage.post("ChatMessage", KEY, "{}").await.text, "OK", "and everybody else");
}

fn tenant_at(base: &str) -> Tenant {
    let mut acme = tenant("acme");
    let legacy = acme.legacy.take().unwrap();
    acme.legacy = Some(Legacy { live_agent_base_url: base.to_owned(), ..legacy });
    acme
}

/// Over real sockets: what went wrong is told apart in the report; clients are answered alike.
#[tokio::test]
async fn names_connections_and_certificates_that_fail() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    // Not a TLS server: whatever comes is answered with a page.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = format!("https://{}", plain.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = plain.accept().await {
            let mut seen = [0; 512];
            let _ = socket.read(&mut seen).await;
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for (base, causes) in [
        (refused, &["refused"][..]),
        (no_tls, &["tls", "InvalidMessage", "corrupt"][..]),
        ("https://la.nowhere.invalid".to_owned(), &["dns", "resolve", "lookup", "connect"][..]),
    ] {
        let mut stage = stage(BEFORE, vec![tenant_at(&base)]);
        let transport = Reqwest::new(&Egress::default(), &Limits::default()).unwrap();
        let store = Arc::new(stage.store.clone());
        let relay = LiveAgent::new(Arc::new(transport), stage.clock.clone(), store);
        stage.facade.relay = Arc::new(relay);
        stage.service = router(stage.facade.clone());
        let got = stage.get("/chat/rest/System/SessionId", None).await;
        let told = (got.status, &*got.text);
        assert_eq!(told, (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
        let health = stage.facade.relay.health();
        let error = health[0].last_error.clone().unwrap_or_default().to_lowercase();
        let named = causes.iter().any(|cause| error.contains(&cause.to_lowercase()));
        assert!(named, "{base}: {error}");
    }
    server.abort();
}

#[tokio::test]
async fn headers_of_proxies_in_front_stay_here_unless_asked_for() {
    for keep in [false, true] {
        let mut acme = tenant("acme");
        acme.behaviour.forwarding_headers = keep;
        let (stage, salesforce) = super::set_up_for(BEFORE, acme);
        let mut request = request("POST", "/chat/rest/Chasitor/ChatMessage", Some(KEY), "{}");
        for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip", "via"] {
            request.headers_mut().insert(name, "a".parse().unwrap());
        }
        request.headers_mut().insert("x-watson-target-domain", "kept".parse().unwrap());
        stage.send(request).await;
        let asked = salesforce.asked.lock().unwrap();
        let headers = &asked.last().unwrap().1;
        assert!(headers.contains_key("x-watson-target-domain"));
        for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip", "via"] {
            assert_eq!(headers.contains_key(name), keep, "{name}");
        }
        assert!(!headers.contains_key("accept"), "the client sent none");
    }
}

#[tokio::test]
async fn a_key_of_ours_in_a_new_session_stays_here() {
    let scene = Scene::by_button();
    let visitor = scene.session().await;
    let (stage, salesforce) = super::set_up(BEFORE);
    let path = "/chat/rest/System/SessionId";
    assert_eq!(stage.get(path, Some(&visitor.key)).await.status, 200);
    let asked = salesforce.asked.lock().unwrap();
    assert!(!asked[0].1.contains_key("x-liveagent-session-key"));
}
