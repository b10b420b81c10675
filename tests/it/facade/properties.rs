//! Whatever comes in: an answer of the documented statuses, bounded, and no panic.

use axum::body::Body;
use http::{HeaderValue, Method, Request};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tower::ServiceExt as _;

use super::after;

/// Every status that live-agent.md 1.4 knows, and those of our own bounds.
const STATUSES: [u16; 11] = [200, 204, 400, 403, 404, 405, 408, 409, 413, 500, 503];
/// Larger than anything the facade says of its own to a request within the limits.
const ANSWER_MAX: usize = 512 * 1024;

fn segment() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "chat",
        "rest",
        "System",
        "Chasitor",
        "Visitor",
        "Agent",
        "Presence",
        "WebEvent",
        "upload",
        "EmbeddedService",
        "SessionId",
        "Messages",
        "MultiNoun",
        "MultiNoun.jsonp",
        "ChasitorInit",
        "ChatMessage",
        "ChatEnd",
        "RichMessage",
        "ChasitorSneakPeek",
        "ReconnectSession",
        "ResyncSession",
        "ChasitorResyncState",
        "Settings",
        "Availability.jsonp",
        "Availability",
        "VisitorId",
        "Breadcrumb",
        "EmbeddedServiceConfig.jsonp",
        "t",
        "acme",
        "CustomEvent",
    ]);
    prop_oneof![
        8 => known.prop_map(str::to_owned),
        1 => "[!-~&&[^<>#?\"`{}\\\\^|\\[\\]]]{0,12}",
        1 => "(%[0-9a-fA-F]{2}){0,6}",
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "ack",
        "callback",
        "nouns",
        "Availability.ids",
        "Settings.buttonIds",
        "chatKey",
        "fileToken",
        "ReconnectSession.offset",
        "sid",
        "Availability.needEstimatedWaitTime",
    ]);
    let value = prop_oneof![
        "[!-~&&[^<>#\"`{}\\\\^|]]{0,20}",
        "(%[0-9a-fA-F]{2}){0,8}",
        Just("-1".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("[a,b]".to_owned()),
    ];
    let pair = (name, value).prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&"))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let json = prop::sample::select(vec![
        r#"{"text":"a"}"#,
        r#"{"reason":"client"}"#,
        "{}",
        "[]",
        "null",
        "{\"nouns\":[[[[{}]]]]}",
        r#"{"nouns":[{"prefix":"Chasitor","noun":"ChatMessage","object":{"text":"a"}},null]}"#,
        r#"{"buttonId":"573","prechatDetails":[{"label":1}],"prechatEntities":7}"#,
        r#"{"actions":[{"index":18446744073709551615}]}"#,
        "\u{feff}{\"text\":\"ü\"}",
    ]);
    prop_oneof![
        4 => json.prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..400),
        1 => (0..2_000_usize).prop_map(|depth| "[".repeat(depth * 20).into_bytes()),
        1 => (0..2_000_usize).prop_map(|n| format!("{{\"nouns\":{}", "[".repeat(n)).into_bytes()),
        1 => Just(vec![b'a'; 70_000]),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec![
        "x-liveagent-api-version",
        "x-liveagent-affinity",
        "x-liveagent-session-key",
        "x-liveagent-sequence",
        "content-type",
        "origin",
        "accept",
        "access-control-request-method",
    ]);
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..30),
        Just(b"1".to_vec()),
        Just(b"multipart/form-data; boundary=X".to_vec()),
    ];
    prop::collection::vec((name, value), 0..6)
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::GET,
        Method::POST,
        Method::DELETE,
        Method::PUT,
        Method::OPTIONS,
        Method::HEAD,
        Method::PATCH,
    ])
}

/// One request on a bridge of its own, with a session of ours or not.
async fn answered(
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    ours: bool,
) -> Result<(), TestCaseError> {
    let stage = after();
    let Ok(mut request) = Request::builder().method(method).uri(&path).body(Body::from(body))
    else {
        return Ok(());
    };
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.headers_mut().insert(name, value);
        }
    }
    if ours {
        let key = stage.session().await.parse().expect("a header");
        request.headers_mut().insert("x-liveagent-session-key", key);
        request.headers_mut().insert("x-liveagent-api-version", HeaderValue::from_static("52"));
    }
    let response = stage.service.clone().oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    prop_assert!(STATUSES.contains(&status), "{path}: {status}");
    if status == 405 {
        prop_assert!(response.headers().contains_key("allow"), "{path}");
    }
    let kind = response.headers().get("content-type").cloned();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    prop_assert!(bytes.len() <= ANSWER_MAX, "{path}: {} bytes", bytes.len());
    match kind {
        Some(kind) if kind == "application/json;charset=UTF-8" => {
            let json = serde_json::from_slice::<serde_json::Value>(&bytes);
            prop_assert!(json.is_ok(), "{path}");
        }
        Some(kind) => prop_assert!(kind == "text/plain" || kind == "text/javascript;charset=UTF-8"),
        None => prop_assert!(bytes.is_empty(), "{path}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn any_request_has_an_answer_of_the_documented_ones(
        method in method(),
        path in prop::collection::vec(segment(), 0..5),
        query in query(),
        headers in headers(),
        body in body(),
        ours in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().expect("a runtime");
        let path = format!("/{}?{query}", path.join("/"));
        runtime.block_on(answered(method, path, headers, body, ours))?;
    }
}

#[tokio::test]
async fn json_of_any_depth_is_refused_or_taken_and_never_followed_to_its_end() {
    let stage = after();
    let key = stage.session().await;
    for depth in [100, 200, 10_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (noun, body) in [
            ("ChasitorInit", format!("{{\"buttonId\":{deep}}}")),
            ("ChasitorInit", format!("{{\"unknown\":{deep}}}")),
            ("ChatMessage", format!("{{\"text\":\"a\",\"unknown\":{deep}}}")),
            ("ChatMessage", deep.clone()),
        ] {
            let got = stage.post(noun, &key, &body).await;
            assert!(matches!(got.status.as_u16(), 200 | 400), "{noun} {depth}: {}", got.text);
            if got.status == 400 {
                assert!(got.json()["details"].is_array());
            }
        }
    }
}
