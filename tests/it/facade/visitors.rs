//! Nouns without a session, and browsers.

use http::Request;
use serde_json::{Value, json};

use super::{AFTER, after, recorded, shape};
use crate::stage::{request, stage, tenant};

#[tokio::test]
async fn availability_echoes_every_encoding_of_a_list() {
    let stage = after();
    for (query, ids, waits) in [
        ("Availability.ids=573A", vec!["573A"], false),
        ("Availability.ids=573A,573B", vec!["573A", "573B"], false),
        ("Availability.ids=[573A]", vec!["573A"], false),
        ("Availability.ids=%5B573A%2C573B%5D", vec!["573A", "573B"], false),
        ("Availability.ids=573A&Availability.ids=573B", vec!["573A", "573B"], false),
        ("Availability.ids=005A_573A", vec!["005A_573A"], false),
        ("Availability.ids=573A&Availability.needEstimatedWaitTime=0", vec!["573A"], false),
        ("Availability.ids=573A&Availability.needEstimatedWaitTime=1", vec!["573A"], true),
        ("Availability.ids=", vec![], false),
        ("", vec![], false),
    ] {
        let path = format!("/chat/rest/Visitor/Availability?org_id=00D&deployment_id=572&{query}");
        let ours = stage.get(&path, None).await.json();
        assert_eq!(ours["messages"][0]["type"], "Availability");
        let results = ours["messages"][0]["message"]["results"].as_array().unwrap();
        let echoed: Vec<_> = results.iter().map(|result| result["id"].as_str().unwrap()).collect();
        assert_eq!(echoed, ids, "{query}");
        for result in results {
            assert_eq!(result["isAvailable"], true);
            let wait = if waits { json!(-1) } else { Value::Null };
            assert_eq!(result["estimatedWaitTime"], wait, "{query}");
        }
    }
    let ours = stage.get("/chat/rest/Visitor/Availability?Availability.ids=573A", None).await;
    assert_eq!(shape(&ours.json()), shape(&recorded("la-availability.json")["cases"][0]["body"]));
}

#[tokio::test]
async fn other_nouns_without_a_session() {
    let stage = after();
    let got = stage.get("/chat/rest/Visitor/Settings?Settings.buttonIds=[573A]", None).await;
    let settings = &got.json()["messages"][0];
    assert_eq!(settings["type"], "Settings");
    assert_eq!(settings["message"]["buttons"][0]["id"], "573A");
    assert_eq!(settings["message"]["pingRate"], 50_000);
    let got = stage.get("/chat/rest/Visitor/VisitorId", None).await;
    assert_eq!(got.json()["messages"][0]["type"], "VisitorId");
    for path in ["Visitor/Breadcrumb", "WebEvent/BatchedEvents", "Chasitor/ChasitorResyncState"] {
        let path = format!("/chat/rest/{path}");
        assert_eq!(stage.send(request("POST", &path, None, "[1]")).await.text, "OK", "{path}");
    }
    assert!(stage.decided.0.lock().unwrap().is_empty(), "no chat was decided about");
}

#[tokio::test]
async fn only_allowed_origins_are_let_in() {
    let mut acme = tenant("acme");
    acme.behaviour.cors_origins = vec!["https://shop.example".to_owned()];
    let mut open = tenant("open");
    open.behaviour.cors_origins = vec!["*".to_owned()];
    let stage = stage(AFTER, vec![acme, open]);
    for (host, origin, allowed, credentials) in [
        ("acme.example.test", "https://shop.example", true, true),
        ("acme.example.test", "https://evil.example", false, false),
        ("open.example.test", "https://any.example", true, false),
    ] {
        let ask = |method: &str| {
            Request::builder()
                .method(method)
                .uri("/chat/rest/System/SessionId")
                .header("host", host)
                .header("origin", origin)
                .header("access-control-request-method", "GET")
                .header("x-liveagent-api-version", "52")
                .body(axum::body::Body::empty())
                .unwrap()
        };
        for method in ["OPTIONS", "GET"] {
            let got = stage.send(ask(method)).await;
            let named = got.headers.get("access-control-allow-origin");
            let named = named.map(|origin| origin.to_str().unwrap().to_owned());
            assert_eq!(named.as_deref(), allowed.then_some(origin), "{method} {origin}");
            let may = got.headers.contains_key("access-control-allow-credentials");
            assert_eq!(may, credentials, "{method} {origin}");
            let preflight = method == "OPTIONS" && allowed;
            assert_eq!(got.headers.contains_key("access-control-allow-headers"), preflight);
            let status = match (method, allowed) {
                ("GET", _) => 200,
                (_, true) => 204,
                (_, false) => 405,
            };
            assert_eq!(got.status, status, "{method} {origin}");
        }
    }
}
