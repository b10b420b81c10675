//! What the version before this one stored, and what it can read of what this one stores.
//!
//! Promised: chats stored by the previous version are read whole, and nothing that it wrote changes
//! its name or its meaning. What it does not know, and therefore lets go of a chat for when it is
//! started again, is listed here one by one (docs/decisions/0038). `fixtures/previous` was made by
//! that version (`tests/process/previous-version`) with `make.py` beside it.

use std::path::{Path, PathBuf};

use liveagent_bridge::adapter::miaw::records;
use liveagent_bridge::chat::agent::{AgentEvent, EndReason, FailReason, FileStep};
use liveagent_bridge::chat::content::{Answer, Ask, FieldKind, Style, Value as FieldValue};
use liveagent_bridge::chat::fact::Fact;
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::chat::outbox::AckStyle;
use liveagent_bridge::chat::pending::CommandKind;
use liveagent_bridge::chat::state::{Phase, State};
use liveagent_bridge::store::sqlite::{Ring, SqliteStore};
use liveagent_bridge::store::{Loaded, Store as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

/// Names that the previous version stores and reads, by type.
const KNOWN: [(&str, &str); 13] = [
    (
        "Fact",
        "TakenUp Began Accepted Answered NumbersDistrusted NumbersRestarted Queued Merged \
         Attempted Resolved TokenGranted TokenRenewed Opened Noticed Told Sent Consumed \
         SendAgain AckIs SessionDataDue Joined Left HoldUntil Transferring Conferencing \
         Bot Asked FieldAnswered AskClosed IdleUntil Ended",
    ),
    (
        "AgentEvent",
        "RequestSuccess RequestFail QueueUpdate Established Transferred TransferBegan \
         ConferenceJoined ConferenceLeft Message Options FileTransfer Typing NotTyping \
         Ended",
    ),
    ("FileStep", "Requested Success Failure"),
    ("FailReason", "Unavailable InternalFailure"),
    ("EndReason", "Agent Client Error Idle"),
    ("Style", "Buttons Menu"),
    ("FieldKind", "Text Date DateTime Options"),
    ("Ask", "Offer Form"),
    ("Value", "Text Date DateTime Options Skipped"),
    ("Answer", "Choice Form"),
    ("AckStyle", "Unknown Acks Never"),
    ("CommandKind", "Mint Create Say Answer File Close Revoke"),
    ("Phase", "Requested Waiting Talking Ended"),
];

/// Names that this version stores and the previous one does not know. A new one may only be added
/// with what becomes of the chat, in docs/operating.md; else it is read one version before it is
/// written.
const NEW: [(&str, &str); 3] = [
    // A bot's menu came, or went with its bot.
    ("Fact", "Menu"),
    // A transfer came to nothing.
    ("AgentEvent", "Resumed"),
    // A file was asked for and is not wanted any more.
    ("FileStep", "Canceled"),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/previous")
}

/// A copy of the previous version's store.
fn store() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bridge.sqlite", "bridge.sqlite.keys"] {
        std::fs::copy(fixtures().join(name), folder.path().join(name)).unwrap();
    }
    let store = SqliteStore::open(&folder.path().join("bridge.sqlite"), Ring::Beside).unwrap();
    (folder, store)
}

/// What was said in its chats.
fn chats() -> Vec<Value> {
    let chats = std::fs::read(fixtures().join("chats.json")).unwrap();
    serde_json::from_slice(&chats).unwrap()
}

fn id(chat: &Value) -> Uuid {
    chat["id"].as_str().unwrap().parse().unwrap()
}

async fn load(store: &SqliteStore, chat: &Value) -> Loaded {
    store.load(id(chat)).await.unwrap().unwrap_or_else(|| panic!("{chat} is not stored"))
}

fn texts<'a>(chat: &'a Value, of: &str) -> Vec<&'a str> {
    chat[of].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[tokio::test]
async fn chats_of_the_previous_version_are_read_whole() {
    let (_folder, store) = store();
    let unfinished = store.unfinished_chats(None, 10).await.unwrap();
    assert_eq!(unfinished.len(), 3, "those that have not ended");
    let mut snapshots = 0;
    for chat in chats() {
        let loaded = load(&store, &chat).await;
        assert_eq!(loaded.ended_at.is_some(), chat["phase"] == "Ended", "{chat}");
        let (snapshot, deltas) = records::read(loaded.snapshot.as_deref(), &loaded.deltas).unwrap();
        snapshots += usize::from(snapshot.is_some());
        let mut state = snapshot.map_or_else(|| State::new(ChatId(id(&chat))), |(_, state)| state);
        let facts: Vec<&Fact> = deltas.iter().flat_map(|delta| &delta.facts).collect();
        facts.iter().for_each(|fact| state.apply(fact));
        assert_eq!(json!(state.phase), chat["phase"], "{chat}");
        assert!(json!(state.begin).to_string().contains(chat["name"].as_str().unwrap()), "{chat}");
        assert!(state.pending.is_empty(), "{chat}: everything had been sent");
        let outbox = json!(state.outbox).to_string();
        for text in texts(&chat, "waiting") {
            assert!(outbox.contains(text), "`{text}` still waits for the visitor: {outbox}");
        }
        // The newest lines are kept for whoever the chat is transferred to.
        let transcript = json!(state.transcript).to_string();
        for text in ["asked", "answered"].iter().filter_map(|of| texts(&chat, of).pop()) {
            assert!(transcript.contains(text), "`{text}` is in the transcript: {transcript}");
        }
    }
    assert!(snapshots >= 2, "a long chat has a snapshot, and an ended one");
}

/// Fails where something of `before` is not, equal, in `after`.
fn holds(before: &Value, after: &Value, at: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (name, value) in before {
                let Some(now) = after.get(name) else { panic!("{at}.{name} is gone") };
                holds(value, now, &format!("{at}.{name}"));
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len(), "{at}");
            let pairs = before.iter().zip(after).enumerate();
            pairs.for_each(|(n, (before, after))| holds(before, after, &format!("{at}[{n}]")));
        }
        (before, after) => assert_eq!(before, after, "{at}"),
    }
}

/// It ignores what it does not know beside what it wrote, so that it reads the same again.
#[tokio::test]
async fn what_the_previous_version_wrote_is_written_as_it_wrote_it() {
    let (_folder, store) = store();
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    for chat in chats() {
        let loaded = load(&store, &chat).await;
        let (snapshot, deltas) = records::read(loaded.snapshot.as_deref(), &loaded.deltas).unwrap();
        if let (Some(before), Some((at, state))) = (loaded.snapshot, snapshot) {
            holds(&value(&before), &value(&records::snapshot(at, &state)), "snapshot");
        }
        for (n, (before, delta)) in loaded.deltas.iter().zip(deltas).enumerate() {
            holds(&value(before), &value(&records::delta(&delta)), &format!("delta {n}"));
        }
    }
}

/// The names of an enum's variants, as serde tells somebody who misspells one.
fn names<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_value::<T>(json!("no such name")).err().unwrap().to_string();
    let (_, names) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn a_name_that_the_previous_version_does_not_know_is_no_accident() {
    let stored = [
        ("Fact", names::<Fact>()),
        ("AgentEvent", names::<AgentEvent>()),
        ("FileStep", names::<FileStep>()),
        ("FailReason", names::<FailReason>()),
        ("EndReason", names::<EndReason>()),
        ("Style", names::<Style>()),
        ("FieldKind", names::<FieldKind>()),
        ("Ask", names::<Ask>()),
        ("Value", names::<FieldValue>()),
        ("Answer", names::<Answer>()),
        ("AckStyle", names::<AckStyle>()),
        ("CommandKind", names::<CommandKind>()),
        ("Phase", names::<Phase>()),
    ];
    for (kind, names) in stored {
        let known = KNOWN.iter().find(|(name, _)| *name == kind);
        let known = known.unwrap_or_else(|| panic!("{kind}: {}", names.join(" "))).1;
        let new = NEW.iter().filter(|(name, _)| *name == kind).map(|(_, new)| *new);
        let mut expected: Vec<&str> = known.split(' ').chain(new).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        expected.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, expected, "left: this version's {kind}, right: what may be stored");
    }
}
