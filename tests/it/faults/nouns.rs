//! C3 and C4: every documented noun with every mistake, and MultiNoun in every size.

use liveagent_bridge::chat::Reply;
use liveagent_bridge::chat::visitor::VisitorCommand;
use serde_json::{Value, json};

use crate::stage::{Stage, request, stage, tenant};

const AFTER: &str = "2026-11-23T10:00:00Z";
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
const MULTI_NOUN: &str = "/chat/rest/System/MultiNoun";

/// One documented noun, and its statuses.
struct Row {
    noun: &'static str,
    /// What it is asked by; everything else is 405.
    methods: &'static [&'static str],
    body: &'static str,
    /// A body that cannot be read; 200 where there is none to read.
    bad_body: u16,
    /// Without a key.
    no_key: u16,
    /// With a key of ours that somebody changed.
    bad_key: u16,
    /// With the token of another process, where that is looked at.
    affinity: u16,
}

const fn post(noun: &'static str, body: &'static str) -> Row {
    Row { noun, methods: &["POST"], body, bad_body: 400, no_key: 403, bad_key: 403, affinity: 503 }
}

const fn get(noun: &'static str, no_key: u16, affinity: u16) -> Row {
    Row { noun, methods: &["GET"], body: "", bad_body: 200, no_key, bad_key: 403, affinity }
}

/// Needs no session, and acts on none.
const fn alone(noun: &'static str) -> Row {
    Row {
        noun,
        methods: &["GET", "POST"],
        body: "{}",
        bad_body: 200,
        no_key: 200,
        bad_key: 403,
        affinity: 503,
    }
}

const TEXT: &str = r#"{"text":"a"}"#;

const NOUNS: [Row; 26] = [
    Row {
        noun: "System/SessionId",
        methods: &["GET", "DELETE"],
        body: "",
        bad_body: 200,
        no_key: 200,
        bad_key: 200,
        affinity: 200,
    },
    get("System/Messages?ack=-1", 403, 503),
    get("System/ReconnectSession?ReconnectSession.offset=0", 403, 200),
    get("System/ResyncSession", 403, 200),
    post("System/MultiNoun", r#"{"nouns":[]}"#),
    post("Chasitor/ChasitorInit", "{}"),
    post("Chasitor/ChatMessage", TEXT),
    post("Chasitor/ChatEnd", r#"{"reason":"client"}"#),
    post("Chasitor/RichMessage", r#"{"actions":[]}"#),
    Row { bad_body: 200, ..post("Chasitor/ChatCancel", "{}") },
    Row { bad_body: 200, ..post("Chasitor/ChasitorTyping", "{}") },
    Row { bad_body: 200, ..post("Chasitor/ChasitorNotTyping", "{}") },
    post("Chasitor/ChasitorSneakPeek", r#"{"position":0,"text":"a"}"#),
    Row { bad_body: 200, ..post("Chasitor/CustomEvent", r#"{"type":"a","data":"b"}"#) },
    Row { bad_body: 200, ..post("Chasitor/ChasitorIdleTimeoutWarningEvent", "{}") },
    alone("Chasitor/ChasitorResyncState"),
    alone("Chasitor/SensitiveDataRuleTriggered"),
    alone("Agent/SensitiveDataRuleTriggered"),
    alone("Visitor/Breadcrumb"),
    alone("Visitor/WebEvent"),
    alone("WebEvent/BatchedEvents"),
    get("Visitor/Availability?Availability.ids=573000000000001", 200, 200),
    get("Visitor/Settings", 200, 200),
    get("Visitor/VisitorId", 200, 200),
    get("Visitor/Availability.jsonp?callback=cb", 200, 200),
    get("System/MultiNoun.jsonp?nouns=VisitorId&callback=cb", 200, 200),
];

/// Every documented noun, without its query.
pub(crate) fn documented() -> impl Iterator<Item = &'static str> {
    NOUNS.iter().filter_map(|row| row.noun.split('?').next())
}

/// Fresh, for the chat that a noun ends is over for the next one.
async fn with_session() -> (Stage, String) {
    let mut acme = tenant("acme");
    acme.behaviour.check_affinity = true;
    let stage = stage(AFTER, vec![acme]);
    let key = stage.session().await;
    (stage, key)
}

#[derive(Clone, Copy)]
struct Asks<'a> {
    row: &'a Row,
    method: &'a str,
    key: Option<&'a str>,
    affinity: &'a str,
    body: &'a str,
}

impl Asks<'_> {
    async fn status(&self, stage: &Stage) -> u16 {
        match self.row.noun {
            noun if noun.contains("Messages") => stage.chats.will(Reply::Nothing),
            noun if noun.contains("Reconnect") => stage.chats.will(Reply::Reconnected),
            _ => {}
        }
        let path = format!("/chat/rest/{}", self.row.noun);
        let mut request = request(self.method, &path, self.key, self.body);
        request.headers_mut().insert("x-liveagent-affinity", self.affinity.parse().unwrap());
        stage.send(request).await.status.as_u16()
    }
}

async fn own_affinity(stage: &Stage, key: &str) -> String {
    stage.chats.will(Reply::Reconnected);
    let got = stage.get("/chat/rest/System/ReconnectSession", Some(key)).await;
    got.json()["messages"][0]["message"]["affinityToken"].as_str().expect("a token").to_owned()
}

#[tokio::test(start_paused = true)]
async fn every_documented_noun_has_its_statuses() {
    let mut wrong = Vec::new();
    for row in &NOUNS {
        let (stage, key) = with_session().await;
        let affinity = &own_affinity(&stage, &key).await;
        let method = row.methods[row.methods.len() - 1];
        let asks = Asks { row, method, key: Some(&key), affinity, body: row.body };
        let mut forged = key.clone().into_bytes();
        let at = forged.len() - 3;
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("ASCII");
        let happy = if row.noun.contains("Messages") { 204 } else { 200 };
        let bad_body = if row.bad_body == 200 { happy } else { row.bad_body };
        let no_key = Asks { key: None, method: row.methods[0], ..asks };
        let bad_key = Asks { key: Some(&forged), method: row.methods[0], ..asks };
        for (what, asks, expected) in [
            ("affinity", Asks { affinity: "98c41fa0", ..asks }, row.affinity),
            ("bad body", Asks { body: "{\"tex", ..asks }, bad_body),
            ("no key", no_key, row.no_key),
            ("bad key", bad_key, row.bad_key),
            ("happy", asks, happy),
        ] {
            let status = asks.status(&stage).await;
            if status != expected {
                wrong.push(format!("{}, {what}: {status}, not {expected}", row.noun));
            }
        }
        for method in METHODS {
            let allowed = row.methods.contains(&method);
            let status = Asks { method, ..asks }.status(&stage).await;
            if (status == 405) == allowed {
                wrong.push(format!("{method} {}: {status}", row.noun));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_noun_is_404_by_every_method_and_with_any_key() {
    let (stage, key) = with_session().await;
    for noun in [
        "System/Nothing",
        "System/sessionid",
        "Chasitor/chatMessage",
        "Chasitor/",
        "Chasitor/ChatMessage.jsonp",
        "Agent/LoginPresence",
        "Presence/PresenceLogin",
        "Conversational/ConversationEnd",
        "Visitor/Nothing.jsonp",
        "Nothing/Nothing",
    ] {
        for method in METHODS {
            for key in [None, Some(&*key)] {
                let path = format!("/chat/rest/{noun}");
                let got = stage.send(request(method, &path, key, "{}")).await;
                assert_eq!(got.status, 404, "{method} {noun}");
            }
        }
    }
}

fn said(stage: &Stage) -> Vec<String> {
    let posts = stage.chats.posts.lock().unwrap();
    let said = posts.iter().filter_map(|(_, post)| match &post.command {
        VisitorCommand::Say(text) => Some(text.as_str().to_owned()),
        _ => None,
    });
    said.collect()
}

fn says(n: usize) -> Value {
    json!({ "prefix": "Chasitor", "noun": "ChatMessage", "object": { "text": format!("{n}") } })
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

async fn batch(body: &Value) -> (u16, Vec<String>) {
    let stage = stage(AFTER, vec![tenant("acme")]);
    let key = stage.session().await;
    let got = stage.send(request("POST", MULTI_NOUN, Some(&key), &body.to_string())).await;
    (got.status.as_u16(), said(&stage))
}

#[tokio::test]
async fn a_batch_of_any_size() {
    for (count, status) in [(0, 200), (1, 200), (20, 200), (21, 200), (32, 200), (33, 400)] {
        let nouns: Vec<Value> = (0..count).map(says).collect();
        let expected = if status == 200 { numbers(count) } else { Vec::new() };
        for body in [json!({ "nouns": nouns }), json!(nouns)] {
            assert_eq!(batch(&body).await, (status, expected.clone()), "{count}");
        }
    }
}

#[tokio::test]
async fn batches_within_batches() {
    let flat = json!({ "nouns": [says(0), [says(1), [says(2)]], says(3)] });
    assert_eq!(batch(&flat).await, (200, numbers(4)));
    let many: Vec<Value> = (0..33).map(says).collect();
    let hidden = json!({ "nouns": [[many]] });
    assert_eq!(batch(&hidden).await, (400, Vec::new()), "the bound counts within lists");
    let mut deep = json!([says(0)]);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let (status, _) = batch(&json!({ "nouns": deep })).await;
    assert!(matches!(status, 200 | 400), "{status}");
    let inner =
        json!({ "prefix": "System", "noun": "MultiNoun", "object": { "nouns": [says(1)] } });
    let body = json!({ "nouns": [says(0), inner, says(1)] });
    assert_eq!(batch(&body).await, (200, numbers(2)), "a batch as a noun is skipped");
}

#[tokio::test]
async fn one_bad_noun_stops_the_batch_before_anything_is_done() {
    let no_text = json!({ "prefix": "Chasitor", "noun": "ChatMessage", "object": {} });
    let no_body = json!({ "prefix": "Chasitor", "noun": "ChatMessage" });
    for bad in [no_text, no_body, json!("text"), json!(7)] {
        for at in [0, 1, 2] {
            let mut nouns = vec![says(0), says(1)];
            nouns.insert(at, bad.clone());
            let got = batch(&json!({ "nouns": nouns })).await;
            assert_eq!(got, (400, Vec::new()), "{bad} at {at}");
        }
    }
    let unknown = json!({ "prefix": "Chasitor", "noun": "Nothing", "object": {} });
    let other = json!({ "prefix": "ChatBot", "noun": "ChatMessage", "object": { "text": "x" } });
    let nouns = json!({ "nouns": [says(0), unknown, other, says(1)] });
    assert_eq!(batch(&nouns).await, (200, numbers(2)), "what is not known is skipped");
}

#[tokio::test]
async fn the_first_refusal_is_the_answer_and_what_came_before_it_stays() {
    let stage = stage(AFTER, vec![tenant("acme")]);
    let key = stage.session().await;
    stage.chats.will(Reply::Ok);
    stage.chats.will(Reply::Gone);
    let body = json!({ "nouns": [says(0), says(1), says(2)] }).to_string();
    let got = stage.send(request("POST", MULTI_NOUN, Some(&key), &body)).await;
    assert_eq!(got.status, 403);
    assert_eq!(said(&stage), numbers(2), "the third is not acted on");
}
