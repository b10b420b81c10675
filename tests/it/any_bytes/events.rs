//! Salesforce's side: recorded events with anything in their places.

use liveagent_bridge::chat::limits::OUTBOX_MAX;
use liveagent_bridge::chat::translate::{read_entry, read_event};
use liveagent_bridge::emulator::Command;
use liveagent_bridge::wire::miaw::entry::ConversationEntry;
use liveagent_bridge::wire::sse::SseEvent;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{any_json, changed, changes, run};
use crate::bridge_stage::{BridgeStage, Client};

const CONVERSATION: &str = "33333333-4444-4555-8666-777777777777";
/// One entry says this much at the most.
const SAYS_MAX: usize = 200;

fn recorded() -> Vec<(String, Value)> {
    let file = include_str!("../fixtures/recorded/miaw-sse-events.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let stream = file["stream"].as_array().expect("a stream").iter();
    let with_entry = stream.filter(|event| event["data"]["conversationEntry"].is_object());
    let named = |event: &Value| {
        let mut entry = event["data"]["conversationEntry"].clone();
        // Opened, so that what is in it is changed as well.
        if let Some(text) = entry["entryPayload"].as_str() {
            entry["entryPayload"] = serde_json::from_str(text).expect("JSON");
        }
        (event["event"].as_str().expect("a name").to_owned(), entry)
    };
    with_entry.map(named).collect()
}

/// An event's name and its entry, whose payload is text again, or not.
fn any_event() -> impl Strategy<Value = (String, Value)> {
    let recorded = prop::sample::select(recorded());
    let parts = (recorded, changes(), any_json(), 0..8_u8);
    parts.prop_map(|((name, entry), changes, other, kind)| {
        let mut entry = changed(&entry, &changes);
        if kind == 0 {
            entry = other;
        } else if kind > 2 && entry.is_object() {
            entry["entryPayload"] = entry["entryPayload"].to_string().into();
        }
        (name, entry)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_event_means_something_bounded((name, entry) in any_event()) {
        let data = json!({ "conversationId": CONVERSATION, "conversationEntry": entry });
        let event = SseEvent { id: Some("7".to_owned()), event: name, data: data.to_string() };
        prop_assert!(read_event(&event, CONVERSATION).len() <= SAYS_MAX);
        if let Ok(entry) = serde_json::from_value::<ConversationEntry>(entry) {
            prop_assert!(read_entry(&entry, None).len() <= SAYS_MAX);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// A chat that hears anything goes on, or ends as chats end: told once, then 403.
    #[test]
    fn a_chat_outlives_any_events(events in prop::collection::vec(any_event(), 1..12)) {
        run(async {
            let stage = BridgeStage::new().await;
            let mut client = Client::talking(&stage).await;
            for (name, entry) in &events {
                stage.inject(name, entry);
                stage.seconds(1).await;
            }
            // It may have ended by what was said in Salesforce's name.
            let chat = stage.desk().chats()[0].id.clone();
            let says = Command::Say { text: "still here".to_owned() };
            let alive = stage.desk().act(&chat, says).is_ok();
            for _ in 0..OUTBOX_MAX {
                let (status, _) = client.poll().await;
                let over = client.count("ChatEnded") + client.count("ChatRequestFail");
                if client.texts().contains(&"still here") || over == 1 {
                    break;
                }
                assert!(matches!(status, 200 | 204), "{status} after {:?}", client.kinds());
            }
            assert!(alive || !client.texts().contains(&"still here"));
            if client.count("ChatEnded") + client.count("ChatRequestFail") == 0 {
                client.says("me too").await;
            } else {
                client.is_gone().await;
            }
        });
    }
}
