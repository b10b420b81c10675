//! What a tenant may ask for where the real service is stricter: counters, overlapping polls,
//! affinity, 503; and answers to choices. On the whole bridge.

use std::time::Duration;

use liveagent_bridge::chat::Reply;
use liveagent_bridge::config::{Behaviour, Overlap, Sequence};
use liveagent_bridge::emulator::{Agents, Command};
use serde_json::json;

use super::presence::load;
use super::{AFTER, DEAD};
use crate::bridge_stage::{BridgeStage, Client};
use crate::stage::{request, stage, tenant};

async fn strict(change: impl FnOnce(&mut Behaviour)) -> (BridgeStage, Client) {
    let stage = BridgeStage::with(Agents::None, change).await;
    let client = Client::talking(&stage).await;
    (stage, client)
}

#[tokio::test(start_paused = true)]
async fn a_strict_counter_refuses_what_is_not_the_next_number() {
    let (stage, mut client) = strict(|b| b.sequence = Sequence::Strict).await;
    let body = |text: &str| json!({ "text": text });
    let sync =
        |sent: u64, last: u64| (409, format!("Out of sync Ack. Expected {sent}. Actual {last}"));
    // ChasitorInit was 1.
    assert_eq!(client.post_as(Some(9), "ChatMessage", &body("no")).await, sync(9, 1));
    assert_eq!(client.post_as(Some(2), "ChatMessage", &body("a")).await.0, 200);
    assert_eq!(client.post_as(Some(2), "ChatMessage", &body("a")).await.0, 200, "a retry");
    assert_eq!(client.post_as(Some(2), "ChatMessage", &body("no")).await, sync(2, 2));
    assert_eq!(client.post_as(Some(4), "ChasitorTyping", &json!({})).await, sync(4, 2));
    assert_eq!(client.post_as(Some(3), "ChasitorTyping", &json!({})).await.0, 200);
    assert_eq!(
        client.post_as(None, "ChatMessage", &body("b")).await.0,
        200,
        "none is no wrong one"
    );
    assert_eq!(client.post_as(Some(4), "ChatMessage", &body("c")).await.0, 200);
    let max = u64::MAX;
    assert_eq!(client.post_as(Some(max), "ChatMessage", &body("no")).await, sync(max, 4));
    assert_eq!(client.get("ReconnectSession?ReconnectSession.offset=1").await.status, 200);
    assert_eq!(client.post_as(Some(5), "ChatMessage", &body("no")).await, sync(5, 0));
    assert_eq!(client.post_as(Some(1), "ChasitorResyncState", &json!({})).await.0, 200);
    assert_eq!(client.post_as(Some(2), "ChatMessage", &body("d")).await.0, 200);
    stage.hears(&["a", "b", "c", "d"]).await;
    client.until("ChasitorSessionData").await;
    client.number = 3;
    assert_eq!(client.post("ChatEnd", &json!({"reason": "client"})).await.0, 200);
    client.ends("client").await;
}

#[tokio::test(start_paused = true)]
async fn the_strict_counter_outlives_the_process() {
    let (mut stage, mut client) = strict(|b| b.sequence = Sequence::Strict).await;
    client.says("a").await;
    stage.start_again().await;
    client.moves_to(&stage);
    let got = client.post_as(Some(9), "ChatMessage", &json!({"text": "no"})).await;
    assert_eq!(got, (409, "Out of sync Ack. Expected 9. Actual 2".to_owned()));
    client.says("b").await;
    stage.hears(&["a", "b"]).await;
}

/// Two polls at once; the status of the first and of the second, and when the second came.
async fn overlapping(stage: &BridgeStage, client: &Client) -> (u16, u16, Duration) {
    let begun = stage.clock.now().mono;
    let later = async {
        // The first is held before the second comes.
        stage.seconds(2).await;
        let second = client.peek().await.status.as_u16();
        (second, stage.clock.now().mono.since(begun))
    };
    let first = async { client.peek().await.status.as_u16() };
    let (first, (second, at)) = tokio::join!(first, later);
    (first, second, at)
}

#[tokio::test(start_paused = true)]
async fn a_second_poll_meets_what_the_tenant_chose() {
    for (overlap, expected) in [
        (Overlap::Supersede, (204, 204, Duration::from_secs(26))),
        (Overlap::Conflict, (204, 409, Duration::from_secs(3))),
        (Overlap::Strict, (200, 409, Duration::from_secs(2))),
    ] {
        let (stage, mut client) = strict(|b| b.overlap = overlap).await;
        assert_eq!(overlapping(&stage, &client).await, expected, "{overlap:?}");
        if overlap == Overlap::Strict {
            client.until("ChatEnded").await;
            client.is_gone().await;
            stage.closed_at_desk().await;
        } else {
            stage.agent_says("still here");
            client.until_told("still here").await;
        }
    }
}

#[tokio::test]
async fn affinity_is_looked_at_only_when_asked_for() {
    for (check, other, none) in [(false, 200, 200), (true, 503, 403)] {
        let mut acme = tenant("acme");
        acme.behaviour.check_affinity = check;
        let stage = stage(AFTER, vec![acme]);
        let session = stage.get("/chat/rest/System/SessionId", None).await.json();
        let key = session["key"].as_str().unwrap();
        let token = session["affinityToken"].as_str().unwrap();
        let send = |affinity: &str| {
            let path = "/chat/rest/Chasitor/ChatMessage";
            let mut request = request("POST", path, Some(key), r#"{"text":"a"}"#);
            request.headers_mut().insert("x-liveagent-affinity", affinity.parse().unwrap());
            stage.send(request)
        };
        assert_eq!(send(token).await.status, 200);
        assert_eq!(send("98c41fa0").await.status, other, "{check}");
        for missing in ["null", "", " "] {
            assert_eq!(send(missing).await.status, none, "{check} {missing}");
        }
        if check {
            assert_eq!(send("98c41fa0").await.text, "Invalid Affinity Token");
            assert_eq!(send("null").await.text, DEAD);
        }
        stage.chats.will(Reply::Reconnected);
        let again = stage.get("/chat/rest/System/ReconnectSession", Some(key)).await.json();
        assert_eq!(again["messages"][0]["message"]["affinityToken"], token);
        let path = format!("/chat/rest/System/SessionId/{key}");
        assert_eq!(stage.send(request("DELETE", &path, None, "")).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_does_not_answer_is_503_for_who_asked_for_that() {
    let mut acme = tenant("acme");
    acme.behaviour.failure_is_503 = true;
    let stage = stage(AFTER, vec![acme]);
    let key = stage.session().await;
    stage.chats.will(Reply::Overloaded);
    let got = stage.post("ChatMessage", &key, r#"{"text":"a"}"#).await;
    assert_eq!((got.status.as_u16(), &*got.text), (503, "Invalid Affinity Token"));
    *stage.chats.stuck.lock().unwrap() = true;
    assert_eq!(stage.post("ChatMessage", &key, r#"{"text":"a"}"#).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_choice_is_said_by_its_title() {
    let (stage, mut client) = strict(|_| {}).await;
    let pick =
        |index: i64| json!({"actions": [{"type": "ChatWindowMenu", "index": index, "x": 1}]});
    assert_eq!(client.post("RichMessage", &pick(1)).await.0, 200);
    stage.agent_says("Pick one\n1. Billing\n2. Something else");
    client.until("ChatMessage").await;
    assert_eq!(client.post("RichMessage", &pick(1)).await.0, 200);
    assert_eq!(client.post("RichMessage", &pick(7)).await.0, 200);
    assert_eq!(client.post("RichMessage", &json!({"actions": []})).await.0, 200);
    assert_eq!(client.post("RichMessage", &json!({"actions": 1})).await.0, 400);
    assert_eq!(client.post("RichMessage", &pick(-1)).await.0, 200);
    stage.hears(&["2", "Something else", "8"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_preview_is_shown_as_typing() {
    let (stage, mut client) = strict(|_| {}).await;
    let peek = json!({"position": 0, "text": "hel"});
    assert_eq!(client.post("ChasitorSneakPeek", &peek).await.0, 200);
    stage.seconds(1).await;
    assert_eq!(stage.count("entry"), 1, "one typing notice");
    assert_eq!(stage.heard(), Vec::<String>::new());
    stage.act(Command::End);
    client.ends("agent").await;
}

#[tokio::test]
async fn each_mode_has_its_word_and_the_first_is_the_default() {
    let words = "[tenant.behaviour]\nsequence = 'strict'\noverlapping_poll = 'conflict'\n\
                 affinity = 'check'\nfailure_status = 503\nversion_header = 'optional'\n";
    let acme = load(words).unwrap();
    let behaviour = &acme.behaviour;
    assert_eq!((behaviour.sequence, behaviour.overlap), (Sequence::Strict, Overlap::Conflict));
    assert!(behaviour.check_affinity && behaviour.failure_is_503 && !behaviour.version_required);
    let defaults = "[tenant.behaviour]\nsequence = 'lenient'\noverlapping_poll = 'supersede'\n\
                    affinity = 'ignore'\nfailure_status = 500\nversion_header = 'required'\n";
    assert_eq!(load(defaults).unwrap().behaviour, Behaviour::default());
    for (key, part) in [
        ("sequence = 'loose'", "\"lenient\" or \"strict\""),
        ("overlapping_poll = 'end'", "\"supersede\" or \"conflict\" or \"strict\""),
        ("failure_status = 504", "\"500\" or \"503\""),
    ] {
        let problem = load(&format!("[tenant.behaviour]\n{key}\n")).unwrap_err();
        assert!(problem.contains(part), "{part} is not in\n{problem}");
    }
    let bare =
        http::Request::get("/chat/rest/System/SessionId").header("host", "acme.example.test");
    let mut lenient = tenant("acme");
    lenient.behaviour = acme.behaviour;
    let got = stage(AFTER, vec![lenient]).send(bare.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(got.status, 200, "{}", got.text);
}
