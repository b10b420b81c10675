//! The production transport and the facade over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use bytes::Bytes;
use http::{Request, StatusCode};
use liveagent_bridge::adapter::transport::reqwest::{EgressError, Reqwest};
use liveagent_bridge::adapter::transport::{LongLived, Transport as _};
use liveagent_bridge::chat::Reply;
use liveagent_bridge::config::{Egress, Limits, Secret};
use liveagent_bridge::serve::{ServeLimits, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::stage::{read, stage, tenant};

const WAIT: Duration = Duration::from_secs(20);

async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let limits = ServeLimits::from(&Limits::default());
    tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
    at
}

fn transport() -> Reqwest {
    Reqwest::new(&Egress::default(), &Limits::default()).expect("a client")
}

fn ask(at: SocketAddr, path: &str) -> Request<Bytes> {
    Request::get(format!("http://{at}{path}")).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn answers_come_as_they_are() {
    let moved = get(async || (StatusCode::FOUND, [("location", "/ok")], "moved"));
    let packed = get(async || ([("content-encoding", "gzip")], "not really"));
    let at = listen(Router::new().route("/moved", moved).route("/packed", packed)).await;
    let moved = transport().send(ask(at, "/moved"), WAIT).await.unwrap();
    assert_eq!(
        (moved.status(), &moved.headers()["location"]),
        (StatusCode::FOUND, &"/ok".parse().unwrap())
    );
    let mut held = ask(at, "/packed");
    held.extensions_mut().insert(LongLived);
    let packed = transport().send(held, WAIT).await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(read(packed).await.text, "not really");
}

#[tokio::test]
async fn an_error_says_whether_the_request_may_have_arrived() {
    let stuck = any(async || std::future::pending::<Body>().await);
    let at = listen(Router::new().fallback(stuck)).await;
    let late = transport().send(ask(at, "/a?name=canary"), Duration::from_millis(20)).await;
    let late = late.expect_err("no answer");
    assert!(late.sent && !late.cause.contains("canary"), "{late}");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = transport().send(ask(free, "/a?name=canary"), WAIT).await.expect_err("refused");
    assert!(!refused.sent && !refused.cause.contains("canary"), "{refused}");
    assert!(refused.cause.contains("127.0.0.1"), "{refused}");
}

#[test]
fn egress_settings_of_no_use_are_named() {
    let limits = Limits::default();
    let proxy = Some(Secret::new("http://user:canary@:bad"));
    let error = Reqwest::new(&Egress { proxy, ..Egress::default() }, &limits).unwrap_err();
    assert!(matches!(error, EgressError::Proxy(_)) && !error.to_string().contains("canary"));
    let empty = tempfile::NamedTempFile::new().unwrap();
    for (path, missing) in [("/no/such/file".into(), true), (empty.path().to_owned(), false)] {
        let egress = Egress { extra_ca_file: Some(path), ..Egress::default() };
        let error = Reqwest::new(&egress, &limits).unwrap_err();
        assert_eq!(matches!(error, EgressError::CaFile { .. }), missing, "{error}");
        assert_eq!(matches!(error, EgressError::NoCertificates(_)), !missing, "{error}");
    }
}

#[tokio::test]
async fn a_receipt_is_told_by_a_real_connection() {
    let stage = stage("2026-11-23T10:00:00Z", vec![tenant("acme")]);
    let key = stage.session().await;
    let at = listen(stage.service.clone()).await;
    for _ in 0..2 {
        stage.chats.will(Reply::Ok);
        let request = Request::post(format!("http://{at}/chat/rest/Chasitor/ChatMessage"))
            .header("x-liveagent-api-version", "52")
            .header("x-liveagent-session-key", &key)
            .body(Bytes::from_static(br#"{"text":"a"}"#))
            .unwrap();
        let answer = transport().send(request, WAIT).await.unwrap();
        assert_eq!(answer.headers()["content-length"], "2");
        assert_eq!(read(answer).await.text, "OK");
    }
    assert_eq!(*stage.chats.told.lock().unwrap(), [true, true]);
}
