//! Whatever comes, from either side: no panic, bounded memory, and a number of steps that the bytes
//! bound. What is bounded is counted: bytes read of a body, bytes held back, events given.

mod events;
mod posts;
mod streams;

use proptest::prelude::*;
use serde_json::{Map, Value};

/// Names that the two dialects know, so that what is made up is not only noise.
const NAMES: [&str; 40] = [
    "type",
    "message",
    "text",
    "reason",
    "nouns",
    "prefix",
    "noun",
    "object",
    "data",
    "actions",
    "index",
    "prechatDetails",
    "prechatEntities",
    "label",
    "value",
    "transcriptFields",
    "entityMaps",
    "entityFieldsMaps",
    "buttonId",
    "visitorName",
    "receiveQueueUpdates",
    "conversationId",
    "conversationEntry",
    "entryPayload",
    "entryType",
    "sender",
    "role",
    "subject",
    "identifier",
    "abstractMessage",
    "messageType",
    "staticContent",
    "formatType",
    "choices",
    "optionItems",
    "entries",
    "operation",
    "routingType",
    "failureType",
    "transcriptedTimestamp",
];

/// Values that mean something in one of them.
const WORDS: [&str; 24] = [
    "",
    "Message",
    "StaticContentMessage",
    "ChoicesMessage",
    "FormMessage",
    "Text",
    "RichLink",
    "Attachments",
    "Buttons",
    "ListPicker",
    "Carousels",
    "ParticipantChanged",
    "RoutingResult",
    "add",
    "remove",
    "Agent",
    "Chatbot",
    "EndUser",
    "System",
    "Transfer",
    "Chasitor",
    "ChatMessage",
    "client",
    "\u{0}\u{feff}\u{202e}👩‍👩‍👧\r\n",
];

/// Any JSON, with the names and words of the dialects in it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&WORDS[..]).prop_map(Value::from),
        ".{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        let name = prop_oneof![
            5 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned),
            1 => ".{0,8}",
        ];
        let object = prop::collection::vec((name, inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::from),
            object.prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every place of a value, as the way to it.
fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut within = |name: String, value: &Value| {
        found.extend(places(value).into_iter().map(|rest| format!("/{name}{rest}")));
    };
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| within(name.clone(), value));
        }
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(at, value)| within(at.to_string(), value));
        }
        _ => {}
    }
    found
}

/// The value with other values at some places.
fn changed(value: &Value, changes: &[(usize, Value)]) -> Value {
    let mut value = value.clone();
    for (at, new) in changes {
        let all = places(&value);
        if let Some(place) = value.pointer_mut(&all[at % all.len()]) {
            *place = new.clone();
        }
    }
    value
}

fn changes() -> impl Strategy<Value = Vec<(usize, Value)>> {
    prop::collection::vec((any::<usize>(), any_json()), 0..4)
}

/// Runs on simulated time.
fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true);
    runtime.build().expect("a runtime").block_on(test)
}
