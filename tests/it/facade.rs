//! The facade as legacy clients know it: statuses, texts, field sets, tolerance.

use axum::body::Body;
use http::Request;
use liveagent_bridge::chat::Reply;
use liveagent_bridge::chat::visitor::VisitorCommand;
use liveagent_bridge::facade::Strictness;
use liveagent_bridge::facade::key::{KeyRing, Owner};
use liveagent_bridge::router::decide::Route;
use liveagent_bridge::time::Wall;
use serde_json::Value;

use crate::stage::{SECRET, Stage, request, stage, staged, tenant};

/// A day on which every new chat goes to MIAW.
const AFTER: &str = "2026-11-23T10:00:00Z";
const DEAD: &str = "Session required but was invalid or not found";

fn after() -> Stage {
    stage(AFTER, vec![tenant("acme")])
}

fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/it/fixtures/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a sample")).expect("JSON")
}

#[tokio::test]
async fn a_session_is_found_behind_every_form_of_base_url() {
    let stage = stage(AFTER, vec![tenant("acme"), tenant("other")]);
    for (path, status) in [
        ("/chat/rest/System/SessionId", 200),
        ("/chat/rest/System/SessionId/", 200),
        ("//chat//rest//System/SessionId", 200),
        ("/rest/System/SessionId", 200),
        ("/System/SessionId", 200),
        ("/System/SessionId?SessionId.ClientType=chasitor", 200),
        ("/t/other/chat/rest/System/SessionId", 200),
        ("/t/other/System/SessionId/", 200),
        ("/t/nobody/chat/rest/System/SessionId", 404),
        ("/chat/rest/System/sessionid", 404),
        ("/chat/rest/Presence/PresenceLogin", 404),
        ("/chat/rest/Conversational/ConversationEnd", 404),
        ("/", 404),
    ] {
        let got = stage.get(path, None).await;
        assert_eq!(got.status, status, "{path}: {}", got.text);
    }
    let mut unknown = request("GET", "/chat/rest/System/SessionId", None, "");
    unknown.headers_mut().insert("host", "elsewhere.test".parse().unwrap());
    assert_eq!(stage.send(unknown).await.status, 404);
}

#[tokio::test]
async fn the_session_has_exactly_the_recorded_members() {
    let got = after().get("/chat/rest/System/SessionId", None).await;
    assert_eq!(got.headers["content-type"], "application/json;charset=UTF-8");
    let (ours, real) = (got.json(), recorded("la-sessionid.json"));
    let real = &real["cases"][0]["response"]["body"];
    assert_eq!(shape(&ours), shape(real));
    let (key, id) = (ours["key"].as_str().unwrap(), ours["id"].as_str().unwrap());
    assert!(key.starts_with(&format!("{id}!")) && !key.contains(['+', '/']), "{key}");
    assert_eq!(ours["affinityToken"].as_str().map(str::len), Some(8));
    assert_eq!(ours["clientPollTimeout"], 40);
}

/// The members of an object and the kinds of their values, at every depth.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, inner)| (name.clone(), shape(inner))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => Value::Null,
    }
}

#[tokio::test]
async fn every_recorded_init_begins_a_chat() {
    let cases = recorded("la-chasitor-init.json");
    for case in cases["cases"].as_array().unwrap() {
        let body = case["body"].to_string().replace(',', ",\r\n");
        let stage = after();
        let key = stage.session().await;
        let mut request = request("POST", "/chat/rest/Chasitor/ChasitorInit", Some(&key), &body);
        let kind = case["content_type"].as_str().unwrap_or("application/json");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        request.headers_mut().insert("accept", "content/json".parse().unwrap());
        if let Some(number) = case["sequence_header"].as_str() {
            request.headers_mut().insert("x-liveagent-sequence", number.parse().unwrap());
        }
        let got = stage.send(request).await;
        assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"), "{}", case["client"]);
        assert_eq!(got.headers["content-type"], "text/plain");
        let posts = stage.chats.posts.lock().unwrap();
        let VisitorCommand::Begin(begin) = &posts[0].1.command else { panic!("{posts:?}") };
        assert_eq!(begin.button_id, case["body"]["buttonId"].as_str().unwrap_or_default());
        assert!(key.starts_with(&posts[0].0.to_string()));
    }
}

#[tokio::test]
async fn every_recorded_post_is_answered_ok() {
    let stage = after();
    let key = stage.session().await;
    for case in recorded("la-posts.json")["cases"].as_array().unwrap() {
        let Some(noun) = case["path"].as_str().and_then(|p| p.strip_prefix("Chasitor/")) else {
            continue;
        };
        let mut bodies: Vec<String> = Vec::new();
        bodies.extend(case["bodies"].as_array().unwrap().iter().map(Value::to_string));
        let raw = case["raw_bodies"].as_array().into_iter().flatten();
        bodies.extend(raw.map(|body| body.as_str().unwrap().to_owned()));
        for body in bodies {
            let got = stage.post(noun, &key, &body).await;
            assert_eq!((got.status.as_u16(), &*got.text), (200, "OK"), "{noun} {body}");
        }
    }
    for noun in ["RichMessage", "ChatCancel", "ChasitorIdleTimeoutWarningEvent"] {
        assert_eq!(stage.post(noun, &key, "").await.text, "OK", "{noun}");
    }
}

#[tokio::test]
async fn errors_have_the_texts_that_clients_compare() {
    let stage = after();
    let key = stage.session().await;
    let chasitor = |noun: &str| format!("/chat/rest/Chasitor/{noun}");
    for (method, path, key, body, status, text) in [
        ("POST", chasitor("ChatMessage"), None, r#"{"text":"a"}"#, 403, DEAD),
        ("GET", "/chat/rest/System/Messages".to_owned(), None, "", 403, DEAD),
        ("GET", "/chat/rest/System/Messages".to_owned(), Some("a!1!b"), "", 403, DEAD),
        ("DELETE", "/chat/rest/System/SessionId/a!1!b=".to_owned(), None, "", 403, DEAD),
        ("GET", chasitor("ChatMessage"), Some(&key), "", 405, "Method not allowed"),
        ("POST", chasitor("Nothing"), Some(&key), "", 404, "No such resource"),
        (
            "POST",
            chasitor("ChatEnd"),
            Some(&key),
            r#"{"reason":null}"#,
            400,
            "Request is not a valid ChatEnd - ChatEnd requires a non-null value on the reason \
             property",
        ),
    ] {
        let got = stage.send(request(method, &path, key, body)).await;
        assert_eq!((got.status.as_u16(), &*got.text), (status, text), "{method} {path} {body}");
    }
    assert!(stage.chats.posts.lock().unwrap().is_empty(), "nothing reached a chat");
}

#[tokio::test]
async fn the_version_header_is_required_unless_told_otherwise() {
    let path = "/chat/rest/System/SessionId";
    let bare = || Request::builder().uri(path).header("host", "acme.example.test");
    let got = after().send(bare().body(Body::empty()).unwrap()).await;
    assert_eq!((got.status.as_u16(), &*got.text), (400, "No version header found"));
    let lenient = Strictness { version_required: false };
    let stage = staged(AFTER, vec![tenant("acme")], lenient);
    assert_eq!(stage.send(bare().body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn bad_bodies_are_refused_without_quoting_them() {
    let stage = after();
    let key = stage.session().await;
    for (noun, body, expected) in [
        ("ChasitorInit", "{\n\"secret\": oops}", "not well formed at line 2 column 11"),
        ("ChasitorInit", "\"secret\"", "not of the expected type at line 1"),
        ("ChasitorInit", "{\"buttonId\":\"secret", "ends too early at line 1"),
        ("ChasitorInit", "{} secret", "not well formed at line 1 column 4"),
        ("ChasitorInit", "", "requires a body"),
        ("ChatMessage", "{}", "requires a text"),
        ("ChatMessage", "[\"secret\"", "at line 1"),
    ] {
        let got = stage.post(noun, &key, body).await;
        assert_eq!(got.status, 400, "{noun} {body}");
        let json = got.json();
        assert!(json["message"].as_str().unwrap().contains(expected), "{body}: {json}");
        assert!(json["details"][0]["property"].is_string(), "{json}");
        assert!(!got.text.contains("secret"), "{json}");
    }
    let large = format!(r#"{{"text":"{}"}}"#, "a".repeat(70_000));
    assert_eq!(stage.post("ChatMessage", &key, &large).await.status, 413);
    let latin = Request::builder()
        .method("POST")
        .uri("/chat/rest/Chasitor/ChatMessage")
        .header("x-liveagent-api-version", "34.0")
        .header("x-liveagent-session-key", &key)
        .header("host", "ACME.example.test:8443")
        .body(Body::from(&b"{\r\n\"text\":\"Gr\xfc\xdfe\"\r\n}"[..]))
        .unwrap();
    assert_eq!(stage.send(latin).await.text, "OK");
    let posts = stage.chats.posts.lock().unwrap();
    let VisitorCommand::Say(text) = &posts[0].1.command else { panic!("{posts:?}") };
    assert_eq!(text.as_str(), "Grüße");
}

#[tokio::test]
async fn forged_keys_are_never_accepted_and_never_passed_on() {
    let ring = KeyRing::single(SECRET);
    let stage = after();
    let key = stage.session().await;
    let Owner::Ours(_) = ring.owner("acme", &key) else { panic!("our own key") };
    let (head, seal) = key.rsplit_once('!').unwrap();
    let mut foreign = 0;
    for n in 0..100_000_u32 {
        // Every forgery keeps the tag; the MAC is guessed, or the session or the time is changed.
        let forged = match n % 3 {
            0 => format!("{head}!{}{n:015}w=", &seal[..11]),
            1 => format!("{:08x}{}!{seal}", n + 1, &head[8..]),
            _ => format!("{}{n:06}!{seal}", &head[..head.len() - 6]),
        };
        match ring.owner("acme", &forged) {
            Owner::Ours(own) => assert_eq!(forged, key, "{own:?}"),
            Owner::Forged => {}
            Owner::Foreign => foreign += 1,
        }
    }
    assert_eq!(foreign, 0, "a key with our tag is ours");
    let forged = format!("{head}!{}", KeyRing::single(SECRET).mint("other", chat(), now()));
    let forged = forged.rsplit_once('!').map(|(_, seal)| format!("{head}!{seal}")).unwrap();
    let got = stage.get("/chat/rest/System/Messages", Some(&forged)).await;
    assert_eq!((got.status.as_u16(), &*got.text), (403, DEAD));
}

fn chat() -> liveagent_bridge::chat::ids::ChatId {
    liveagent_bridge::chat::ids::ChatId(uuid::Uuid::from_u128(1))
}

fn now() -> Wall {
    Wall::parse(AFTER).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_calendar_decides_and_every_decision_is_told() {
    for (at, route, because) in [
        ("2026-02-13T21:59:59Z", Route::Legacy, "auto-legacy"),
        ("2026-02-13T22:00:00Z", Route::Miaw, "within-margin"),
        ("2026-02-14T00:00:00Z", Route::Miaw, "past-removal"),
        (AFTER, Route::Miaw, "past-removal"),
    ] {
        let stage = stage(at, vec![tenant("acme")]);
        let got = stage.get("/chat/rest/System/SessionId", None).await;
        // Nothing answers at the legacy host here.
        assert_eq!(got.status, if route == Route::Legacy { 500 } else { 200 }, "{at}");
        let decided = stage.decided.0.lock().unwrap();
        let [one] = decided.as_slice() else { panic!("{decided:?}") };
        assert_eq!((one.route, one.because.code()), (route, because), "{at}");
        assert_eq!((&*one.tenant, one.at), ("acme", Wall::parse(at).unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_seen_removal_stays_seen_when_the_calendar_is_set_back() {
    let stage = after();
    stage.session().await;
    stage.session().await;
    assert_eq!(stage.cutover.waiting(), [("acme".to_owned(), now())]);
    stage.clock.set_wall(Wall::parse("2025-12-01T00:00:00Z").unwrap());
    stage.session().await;
    assert_eq!(stage.decided.0.lock().unwrap()[2].because.code(), "latched");
}

#[tokio::test(start_paused = true)]
async fn a_key_begins_a_chat_only_while_it_is_fresh() {
    let stage = after();
    let key = stage.session().await;
    stage.clock.set_wall(now().plus_millis(121_000));
    assert_eq!(stage.post("ChasitorInit", &key, "{}").await.text, DEAD);
    assert_eq!(stage.post("ChatMessage", &key, r#"{"text":"a"}"#).await.text, "OK");
}

#[tokio::test]
async fn every_reply_has_its_answer() {
    let stage = after();
    let key = stage.session().await;
    for (reply, status, text) in [
        (Reply::Gone, 403, DEAD),
        (Reply::Overloaded, 500, "Internal Server Error"),
        (Reply::BadRequest("again"), 400, "again"),
    ] {
        stage.chats.will(reply);
        let got = stage.post("ChatMessage", &key, r#"{"text":"a"}"#).await;
        assert_eq!((got.status.as_u16(), &*got.text), (status, text));
        assert_eq!(got.headers["content-type"], "text/plain");
    }
}

#[tokio::test]
async fn without_a_tag_of_ours_a_key_is_foreign() {
    assert_eq!(KeyRing::single(SECRET).owner("acme", "a!1!c2hvcnQ="), Owner::Foreign);
}

mod buttons;
mod messages;
mod modes;
mod presence;
mod properties;
mod scripts;
mod shares;
mod uploads;
mod visitors;
