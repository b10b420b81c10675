//! Every operation with every fault: what the visitor is told, what the desk sees, and how often
//! Salesforce was asked.

use liveagent_bridge::config::Behaviour;
use liveagent_bridge::emulator::{Agents, Command, Fault, FormDisplay, RepeatedIds};
use serde_json::json;

use crate::bridge_stage::{BridgeStage, Client};

/// How a fault is set.
type Breaks = fn(&mut Fault);

/// Faults that go by: none of them may cost a message or a chat.
const PASSING: [(&str, Breaks); 10] = [
    ("412", |fault| fault.status = Some(412)),
    ("429", |fault| fault.status = Some(429)),
    ("429 and Retry-After", |fault| {
        fault.status = Some(429);
        fault.retry_after_seconds = Some(7);
    }),
    ("500", |fault| fault.status = Some(500)),
    ("502", |fault| fault.status = Some(502)),
    ("503", |fault| fault.status = Some(503)),
    ("a slow answer", |fault| fault.delay_millis = 5_000),
    ("an answer too late", |fault| fault.delay_millis = 20_000),
    ("a lost answer", |fault| fault.drop_response = true),
    ("a reset", |fault| fault.reset = true),
];

fn undeliverable() -> String {
    Behaviour::default().undeliverable_text
}

#[tokio::test(start_paused = true)]
async fn the_start_of_a_chat_outlives_what_passes() {
    for operation in ["token", "create", "sse", "entries"] {
        for (name, breaks) in PASSING {
            let stage = BridgeStage::with(Agents::Echo, |_| {}).await;
            stage.fault(operation, 2, breaks);
            let mut client = Client::begin(&stage).await;
            client.says("hello").await;
            client.until_told("echo: hello").await;
            let heard = stage.heard();
            assert_eq!(heard, ["hello"], "{operation} {name}");
            assert_eq!(client.count("ChatRequestSuccess"), 1, "{operation} {name}");
            assert_eq!(client.count("ChatEstablished"), 1, "{operation} {name}");
            assert!(stage.all() < 30, "{operation} {name}: {} requests", stage.all());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_outlives_what_passes() {
    for repeated in [RepeatedIds::Ignore, RepeatedIds::Conflict409, RepeatedIds::AcceptTwice] {
        for (name, breaks) in PASSING {
            if name == "an answer too late" && repeated == RepeatedIds::AcceptTwice {
                // It arrives after the conversation was looked at: the one documented duplicate.
                continue;
            }
            let stage = BridgeStage::new().await;
            stage.knobs(|knobs| knobs.repeated_ids = repeated);
            let mut client = Client::talking(&stage).await;
            stage.fault("message", 2, breaks);
            client.says("one").await;
            client.says("two").await;
            let case = format!("{name} {repeated:?}");
            stage.desk_chat(|_| stage.heard().len() >= 2).await;
            stage.seconds(60).await;
            assert_eq!(stage.heard(), ["one", "two"], "{case}");
            client.drain().await;
            assert_eq!(client.texts(), Vec::<&str>::new(), "{case}");
            assert!(stage.count("message") <= 6, "{case}: {}", stage.count("message"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_outlives_a_stream_and_a_list_that_fail_too() {
    for (name, breaks) in PASSING {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("message", 1, |fault| fault.drop_response = true);
        stage.fault("entries", 2, breaks);
        stage.knobs(|knobs| knobs.drop_streams = true);
        stage.fault("sse", 2, |fault| fault.status = Some(503));
        client.says("one").await;
        client.says("two").await;
        stage.agent_says("still here");
        client.until_told("still here").await;
        stage.seconds(60).await;
        assert_eq!(stage.heard(), ["one", "two"], "{name}");
        assert!(stage.count("entries") <= 12, "{name}: {}", stage.count("entries"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_for_a_minute_is_told_and_no_storm_is_made() {
    let lasting: [(&str, Breaks); 6] = [
        ("500", |fault| fault.status = Some(500)),
        ("503", |fault| fault.status = Some(503)),
        ("412", |fault| fault.status = Some(412)),
        ("429", |fault| fault.status = Some(429)),
        ("an answer too late", |fault| {
            fault.delay_millis = 16_000;
            fault.status = Some(500);
        }),
        ("a reset", |fault| fault.reset = true),
    ];
    for everything in [false, true] {
        for (name, breaks) in lasting {
            let stage = BridgeStage::new().await;
            let mut client = Client::talking(&stage).await;
            stage.fault(if everything { "*" } else { "message" }, 1_000, breaks);
            let (before, begun) = (stage.all(), stage.clock.now().mono);
            client.says("lost").await;
            client.until_told(&undeliverable()).await;
            let took = stage.clock.now().mono.since(begun).as_secs();
            let case = format!("{name}, everything: {everything}");
            assert!((55..=80).contains(&took), "{case}: told after {took} s");
            let asked = stage.all() - before;
            assert!(asked <= 25, "{case}: {asked} requests in a minute");
            stage.no_more_faults();
            client.says("again").await;
            stage.desk_chat(|_| stage.heard().contains(&"again".to_owned())).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_off_the_net_is_asked_seldom() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.reachable(false);
    stage.knobs(|knobs| knobs.drop_streams = true);
    let before = stage.all();
    client.says("lost").await;
    client.until_told(&undeliverable()).await;
    let asked = stage.all() - before;
    assert!(asked <= 25, "{asked} requests in a minute");
    stage.reachable(true);
    client.says("again").await;
    stage.agent_says("back");
    client.until_told("back").await;
    stage.hears(&["again"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_hopeless_start_fails_once() {
    for operation in ["token", "create"] {
        let now = [400, 401, 403, 404, 413, 417];
        for (status, reason) in now.map(|status| (status, "InternalFailure")).into_iter().chain([
            (412, "Unavailable"),
            (429, "Unavailable"),
            (500, "Unavailable"),
            (503, "Unavailable"),
        ]) {
            let stage = BridgeStage::new().await;
            stage.fault(operation, 1_000, |fault| fault.status = Some(status));
            let mut client = Client::begin(&stage).await;
            // The request may have failed by then.
            client.say("anybody?").await;
            let fail = client.until("ChatRequestFail").await;
            let case = format!("{operation} {status}");
            assert_eq!(fail["reason"], reason, "{case}");
            client.is_gone().await;
            assert_eq!(client.count("ChatRequestFail"), 1, "{case}");
            assert!(stage.count(operation) <= 12, "{case}: {}", stage.count(operation));
            assert_eq!(stage.heard(), Vec::<String>::new(), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_told_and_the_chat_goes_on() {
    for status in [400, 413, 415] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("message", 1, |fault| fault.status = Some(status));
        client.says("refused").await;
        client.says("taken").await;
        client.until_told(&undeliverable()).await;
        stage.hears(&["taken"]).await;
        assert_eq!(client.count("ChatEnded"), 0, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_not_ours_any_more_ends_politely() {
    for status in [401, 403, 404] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("*", 1_000, |fault| fault.status = Some(status));
        client.says("lost").await;
        client.until_told(&Behaviour::default().lost_text).await;
        client.ends("error").await;
        assert!(client.texts().contains(&&*undeliverable()), "{status}: {:?}", client.texts());
        assert_eq!(stage.count("token"), 1, "no second token for a running chat");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_session_opens_a_new_one_with_the_form() {
    let stage = BridgeStage::new().await;
    stage.knobs(|knobs| knobs.form = FormDisplay::Session);
    let mut client = Client::begin(&stage).await;
    client.until("ChatRequestSuccess").await;
    stage.fault("message", 1, |fault| fault.status = Some(417));
    client.says("hello").await;
    stage.hears(&["hello"]).await;
    let sent = stage.sent("message");
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].body["message"]["id"], sent[1].body["message"]["id"]);
    assert_eq!(sent[0].body.get("isNewMessagingSession"), None);
    assert_eq!(sent[1].body["isNewMessagingSession"], true);
    let created = stage.sent("create");
    assert_eq!(sent[1].body["routingAttributes"], created[0].body["routingAttributes"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_refused_for_want_of_a_session_for_good_is_told() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.fault("message", 2, |fault| fault.status = Some(417));
    client.says("hello").await;
    client.until_told(&undeliverable()).await;
    assert_eq!(stage.count("message"), 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_reaches_salesforce_in_spite_of_what_passes() {
    for (name, breaks) in PASSING {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("close", 2, breaks);
        client.says("last words").await;
        client.post("ChatEnd", &json!({ "reason": "client" })).await;
        client.ends("client").await;
        stage.closed_at_desk().await;
        stage.seconds(90).await;
        assert!(stage.count("close") <= 3, "{name}: {}", stage.count("close"));
        assert_eq!(stage.heard(), ["last words"], "{name}");
    }
    for status in [400, 401, 403, 404, 409] {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("close", 1_000, |fault| fault.status = Some(status));
        client.post("ChatEnd", &json!({ "reason": "client" })).await;
        client.ends("client").await;
        stage.seconds(90).await;
        assert_eq!(stage.count("close"), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn typing_that_fails_harms_nothing() {
    for (name, breaks) in PASSING {
        let stage = BridgeStage::new().await;
        let mut client = Client::talking(&stage).await;
        stage.fault("entry", 1_000, breaks);
        assert_eq!(client.post("ChasitorTyping", &json!({})).await.1, "OK");
        client.says("hello").await;
        stage.hears(&["hello"]).await;
        assert_eq!(stage.count("entry"), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agents_leaving_is_asked_about_and_ends_the_chat_whatever_is_answered() {
    for (name, breaks) in PASSING {
        let stage = BridgeStage::new().await;
        stage.knobs(|knobs| knobs.shuffle_end_events = true);
        let mut client = Client::talking(&stage).await;
        stage.fault("status", 1_000, breaks);
        stage.act(Command::End);
        client.ends("agent").await;
        assert!(stage.count("status") <= 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_asked_for_is_kept() {
    let stage = BridgeStage::new().await;
    let mut client = Client::talking(&stage).await;
    stage.fault("message", 1, |fault| {
        fault.status = Some(503);
        fault.retry_after_seconds = Some(20);
    });
    client.says("patience").await;
    stage.hears(&["patience"]).await;
    let sent = stage.sent("message");
    let waited = sent[1].at.since(sent[0].at).as_secs();
    assert!((20..=30).contains(&waited), "{waited} s");
}
