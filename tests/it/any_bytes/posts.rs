//! The visitor's side: any JSON, and bodies without end, to every noun.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Uri};
use liveagent_bridge::config::Limits;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{any_json, changed, changes, run};
use crate::bridge_stage::{BridgeStage, Client};
use crate::stage::{Stage, request, stage, tenant};

const AFTER: &str = "2026-11-23T10:00:00Z";
const NOUNS: [&str; 10] = [
    "Chasitor/ChasitorInit",
    "Chasitor/ChatMessage",
    "Chasitor/ChatEnd",
    "Chasitor/RichMessage",
    "Chasitor/ChasitorSneakPeek",
    "Chasitor/CustomEvent",
    "Chasitor/ChasitorResyncState",
    "Chasitor/ChasitorIdleTimeoutWarningEvent",
    "System/MultiNoun",
    "Visitor/Breadcrumb",
];

/// A body that something real was before it was changed.
fn real_body() -> impl Strategy<Value = Value> {
    let file = include_str!("../fixtures/recorded/la-chasitor-init.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let inits = file["cases"].as_array().expect("cases").iter().map(|case| case["body"].clone());
    let say = json!({ "prefix": "Chasitor", "noun": "ChatMessage", "object": { "text": "a" } });
    let mut all: Vec<Value> = inits.collect();
    all.extend([
        json!({ "text": "a" }),
        json!({ "reason": "client" }),
        json!({ "nouns": [say, [say.clone()]] }),
        json!({ "actions": [{ "type": "ChatWindowMenu", "index": 1 }] }),
    ]);
    prop::sample::select(all)
}

fn query() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"ack="[..],
            b"&",
            b"=",
            b"%",
            b"%2",
            b"%C3%28",
            b"[",
            b"]",
            b",",
            b"-1",
            b"nouns=",
            b"callback=",
            b"Availability.ids=",
            b"ReconnectSession.offset=",
            b"9223372036854775808",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(0x21..=0xff_u8, 0..12),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

async fn with_session() -> (Stage, String) {
    let stage = stage(AFTER, vec![tenant("acme")]);
    let key = stage.session().await;
    (stage, key)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_json_has_an_answer(
        noun in prop::sample::select(&NOUNS[..]),
        real in real_body(),
        changes in changes(),
        other in any_json(),
        made_up in any::<bool>(),
    ) {
        let body = if made_up { other } else { changed(&real, &changes) };
        let status = run(async {
            let (stage, key) = with_session().await;
            let path = format!("/chat/rest/{noun}");
            stage.send(request("POST", &path, Some(&key), &body.to_string())).await.status
        });
        prop_assert!(matches!(status.as_u16(), 200 | 400), "{noun} {body}: {status}");
    }

    #[test]
    fn any_path_and_query_have_an_answer(path in query(), query in query()) {
        let whole = [b"/chat/rest/System/", &path[..], b"?", &query[..]].concat();
        let Ok(uri) = Uri::try_from(whole) else { return Ok(()) };
        let status = run(async {
            let (stage, key) = with_session().await;
            stage.chats.will(liveagent_bridge::chat::Reply::Nothing);
            let mut request = request("GET", "/", Some(&key), "");
            *request.uri_mut() = uri;
            stage.send(request).await.status
        });
        prop_assert!(matches!(status.as_u16(), 200 | 204 | 404 | 405), "{status}");
    }

    #[test]
    fn any_header_has_an_answer(
        key in prop::collection::vec(0x20..=0xff_u8, 0..120),
        number in prop::collection::vec(0x20..=0xff_u8, 0..24),
    ) {
        let header = |bytes: &[u8]| HeaderValue::from_bytes(bytes).ok();
        let (Some(key), Some(number)) = (header(&key), header(&number)) else { return Ok(()) };
        let status = run(async {
            let (stage, good) = with_session().await;
            let path = "/chat/rest/Chasitor/ChatMessage";
            let mut numbered = request("POST", path, Some(&good), r#"{"text":"a"}"#);
            numbered.headers_mut().insert("x-liveagent-sequence", number.clone());
            assert_eq!(stage.send(numbered).await.status, 200);
            let mut forged = request("POST", path, None, r#"{"text":"a"}"#);
            forged.headers_mut().insert("x-liveagent-session-key", key);
            forged.headers_mut().insert("x-liveagent-affinity", number);
            stage.send(forged).await.status
        });
        prop_assert_eq!(status.as_u16(), 403);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever a visitor's program posts, its chat goes on, and the agent's words reach it.
    #[test]
    fn a_chat_outlives_any_post(
        posts in prop::collection::vec((prop::sample::select(&NOUNS[..]), any_json()), 1..8),
    ) {
        run(async {
            let stage = BridgeStage::new().await;
            let mut client = Client::talking(&stage).await;
            let ends = |noun: &str, body: &Value| {
                noun.ends_with("ChatEnd") || body.to_string().contains("\"Chat")
            };
            for (noun, body) in posts.iter().filter(|(noun, body)| !ends(noun, body)) {
                let path = format!("/chat/rest/{noun}");
                let key = Some(client.key.as_str());
                let asked = request("POST", &path, key, &body.to_string());
                let answer = tower::ServiceExt::oneshot(stage.service(), asked).await;
                let status = answer.expect("an answer").status().as_u16();
                assert!(matches!(status, 200 | 400), "{noun} {body}: {status}");
            }
            stage.agent_says("still here");
            client.until_told("still here").await;
        });
    }
}

/// A body without an end, in chunks of this size, is read to the limit and no further.
#[test]
fn a_body_without_an_end_is_read_to_its_bound() {
    let limits = Limits::default();
    for chunk in [1, 100, 10_000, 1_000_000] {
        for noun in NOUNS {
            let read = Arc::new(AtomicUsize::new(0));
            let count = read.clone();
            let chunk = Bytes::from(vec![b'['; chunk]);
            let body = stream::repeat(chunk.clone()).map(move |chunk| {
                count.fetch_add(chunk.len(), Ordering::Relaxed);
                Ok::<_, std::io::Error>(chunk)
            });
            let status = run(async {
                let (stage, key) = with_session().await;
                let mut request = request("POST", &format!("/chat/rest/{noun}"), Some(&key), "");
                *request.body_mut() = Body::from_stream(body);
                stage.send(request).await.status
            });
            let read = read.load(Ordering::Relaxed);
            assert_eq!(status, 413, "{noun}");
            assert!(read <= limits.request_body_bytes + 2 * chunk.len(), "{noun}: {read} bytes");
        }
    }
}
