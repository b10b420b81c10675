//! From MIAW's words to the machine's: what an event or an entry means (domain.md 2.7, miaw.md 6,
//! 7).
//!
//! Promised: total. What is unknown or broken becomes [`What::Nothing`] or a placeholder text,
//! never an error: one odd entry must not end a chat.

mod content;

use super::agent::Person;
use super::happening::{Happening, What};
use super::text::Text;
use crate::wire::miaw::entry::{
    ConversationEntry, EntryPayload, FailureType, MessageEntry, ParticipantChange,
    ParticipantOperation, Role, RoutingResult, RoutingType, SessionStatus,
};
use crate::wire::miaw::event::{EventData, EventName};
use crate::wire::miaw::message::StaticContent;
use crate::wire::sse::SseEvent;
use content::Content;

/// Reads one event of the stream; events of other conversations only move the event id on.
#[must_use]
pub fn read_event(event: &SseEvent, conversation: &str) -> Vec<Happening> {
    let nothing =
        |what| vec![Happening { event_id: event.id.clone(), entry: None, at_millis: 0, what }];
    let name = EventName::from(event.event.as_str());
    if matches!(name, EventName::Ping | EventName::Unknown(_)) {
        return nothing(What::Nothing);
    }
    let Ok(data) = serde_json::from_str::<EventData>(&event.data) else {
        return nothing(What::Nothing);
    };
    if !data.conversation_id.eq_ignore_ascii_case(conversation) {
        return nothing(What::Nothing);
    }
    match (data.conversation_entry, name) {
        (Some(entry), _) => read_entry(&entry, event.id.as_deref()),
        (None, EventName::CloseConversation) => nothing(What::Closed),
        (None, _) => nothing(What::Nothing),
    }
}

/// Reads one conversation entry. An entry that says several things gives several happenings; only
/// the last one carries the event id, so that a crash in between repeats the rest.
#[must_use]
pub fn read_entry(entry: &ConversationEntry, event_id: Option<&str>) -> Vec<Happening> {
    let meanings = match entry.payload() {
        Ok(payload) => mean(entry, payload),
        Err(_) => vec![What::Nothing],
    };
    let last = meanings.len().saturating_sub(1);
    let key = |at: usize| match at {
        0 => format!("{}:{}", entry.entry_type, entry.identifier),
        at => format!("{}:{}#{at}", entry.entry_type, entry.identifier),
    };
    let happening = |(at, what): (usize, What)| Happening {
        event_id: event_id.filter(|_| at == last).map(str::to_owned),
        entry: (!entry.identifier.is_empty()).then(|| key(at)),
        at_millis: entry.transcripted_timestamp.unwrap_or(0),
        what,
    };
    meanings.into_iter().enumerate().map(happening).collect()
}

fn mean(entry: &ConversationEntry, payload: EntryPayload) -> Vec<What> {
    vec![match payload {
        EntryPayload::Message(message) => return vec![said(entry, &message)],
        EntryPayload::ParticipantChanged(changed) => {
            let meanings: Vec<What> = changed.entries.iter().flat_map(changed_one).collect();
            return if meanings.is_empty() { vec![What::Nothing] } else { meanings };
        }
        EntryPayload::TypingStarted(_) => sender(entry).map_or(What::Nothing, What::Typing),
        EntryPayload::TypingStopped(_) => sender(entry).map_or(What::Nothing, What::NotTyping),
        EntryPayload::RoutingResult(result) => routing(&result),
        EntryPayload::QueuePosition(place) => {
            place.position.map_or(What::Nothing, What::QueuePosition)
        }
        // Who ended it is not asked: the role was seen to be wrong (domain.md 2.4).
        EntryPayload::SessionStatusChanged(changed) => match changed.session_status {
            SessionStatus::Ended => What::SessionEnded,
            SessionStatus::Error => What::SessionFailed,
            SessionStatus::Inactive => What::SessionInactive,
            _ => What::Nothing,
        },
        EntryPayload::CloseConversation(_) => What::Closed,
        // An AI agent at work (miaw.md 6.13); the message that comes of it is told as such.
        EntryPayload::Unknown(kind, _)
            if matches!(kind.as_str(), "ProgressIndicator" | "StreamingToken") =>
        {
            sender(entry).map_or(What::Nothing, What::Typing)
        }
        _ => What::Nothing,
    }]
}

/// The agent or bot that sent an entry.
fn sender(entry: &ConversationEntry) -> Option<Person> {
    let speaks = matches!(entry.sender.role, Role::Agent | Role::Chatbot | Role::Supervisor);
    speaks.then(|| {
        let name = entry.sender_display_name.as_deref();
        person(entry.sender.subject.as_deref(), name, &entry.sender.role)
    })
}

fn person(subject: Option<&str>, name: Option<&str>, role: &Role) -> Person {
    let unnamed = if *role == Role::Chatbot { "Bot" } else { "Agent" };
    let name = name.filter(|name| !name.trim().is_empty()).unwrap_or(unnamed);
    Person { subject: subject.unwrap_or(unnamed).to_owned(), name: Text::from(name) }
}

fn changed_one(change: &ParticipantChange) -> Vec<What> {
    let participant = &change.participant;
    if !matches!(participant.role, Role::Agent | Role::Chatbot) {
        return Vec::new();
    }
    let display = change.display_name.as_deref();
    let who = person(participant.subject.as_deref(), display, &participant.role);
    let bot = participant.role == Role::Chatbot;
    let joining = change.operation == ParticipantOperation::Add;
    let menu = change.menu_metadata.as_ref().filter(|menu| bot && !menu.is_null());
    let menu = menu.map(|menu| What::Menu { items: content::menu(menu), joining });
    let moved = match change.operation {
        ParticipantOperation::Add => Some(What::Joined { who, bot }),
        ParticipantOperation::Remove => return vec![What::Left { subject: who.subject }],
        _ => None,
    };
    menu.into_iter().chain(moved).collect()
}

fn routing(result: &RoutingResult) -> What {
    let wait = result.estimated_wait_time.as_ref();
    let wait_seconds = wait
        .filter(|wait| wait.is_requested)
        .and_then(|wait| wait.estimated_wait_time_in_seconds)
        .filter(|seconds| *seconds >= 0);
    match (&result.routing_type, &result.failure_type) {
        (RoutingType::Initial, FailureType::None) => What::Routed { wait_seconds },
        (RoutingType::Initial, failure) => {
            What::RoutingFailed { nobody: *failure == FailureType::RoutingError }
        }
        (RoutingType::Transfer, FailureType::None) => What::TransferStarted,
        (RoutingType::Transfer, _) => What::TransferFailed,
        (RoutingType::Conference, FailureType::None) => What::ConferenceStarted,
        _ => What::Nothing,
    }
}

fn said(entry: &ConversationEntry, said: &MessageEntry) -> What {
    let message = &said.abstract_message;
    // Automated responses carry the name of whoever is there, who did not say them.
    let automated = said
        .message_reason
        .as_deref()
        .is_some_and(|reason| matches!(reason, "AutomatedResponse" | "Consent"));
    let bot = entry.sender.role == Role::Chatbot;
    match entry.sender.role {
        Role::EndUser if message.id.is_empty() => What::Echo(entry.identifier.clone()),
        Role::EndUser => match message.static_content.as_ref().and_then(echoed_words) {
            Some(text) => What::EchoOf { id: message.id.clone(), text },
            None => What::Echo(message.id.clone()),
        },
        _ => {
            let from = sender(entry).filter(|_| !automated);
            match content::read(message) {
                Content::Words(text) => What::Said { from, bot, text },
                Content::Files(text) => What::Shared { from, bot, text },
                Content::Question(text, ask) => What::Asked { from, bot, text, ask },
                Content::Nothing => What::Nothing,
            }
        }
    }
}

/// The words of the visitor's own message, or the address it was reduced to.
fn echoed_words(content: &StaticContent) -> Option<Text> {
    let link = || content.link_item.as_ref().and_then(|link| link.url.clone());
    let text = content.text.clone().filter(|text| !text.is_empty()).or_else(link);
    text.map(Text::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const CONVERSATION: &str = "33333333-4444-4555-8666-777777777777";

    fn event(name: &str, entry: &Value) -> SseEvent {
        let data = json!({ "conversationId": CONVERSATION, "conversationEntry": entry });
        SseEvent { id: Some("7".into()), event: name.into(), data: data.to_string() }
    }

    fn entry(kind: &str, role: &str, payload: &Value) -> Value {
        json!({
            "senderDisplayName": "Agent G", "identifier": "e1", "entryType": kind,
            "entryPayload": payload.to_string(), "transcriptedTimestamp": 1_700_000_001_000_i64,
            "sender": { "role": role, "appType": "agent", "subject": "005000000000001" },
        })
    }

    fn text(text: &str) -> Value {
        json!({ "entryType": "Message", "id": "e1", "abstractMessage": {
            "messageType": "StaticContentMessage", "id": "m1",
            "staticContent": { "formatType": "Text", "text": text } } })
    }

    fn meaning(name: &str, entry: &Value) -> Vec<What> {
        let event = event(name, entry);
        read_event(&event, CONVERSATION).into_iter().map(|happening| happening.what).collect()
    }

    fn agent() -> Person {
        Person { subject: "005000000000001".into(), name: "Agent G".into() }
    }

    #[test]
    fn every_signal_of_the_event_map_has_its_meaning() {
        let routing = |kind: &str, failure: &str| {
            json!({ "entryType": "RoutingResult", "routingType": kind, "failureType": failure,
                "estimatedWaitTime": { "estimatedWaitTimeInSeconds": 12, "isEWTRequested": true } })
        };
        let people = json!({ "entryType": "ParticipantChanged", "entries": [
            { "operation": "remove", "displayName": "Bot",
              "participant": { "role": "Chatbot", "subject": "0Xx" } },
            { "operation": "add", "displayName": "Agent G",
              "participant": { "role": "Agent", "subject": "005000000000001" } },
            { "operation": "add", "participant": { "role": "Supervisor", "subject": "9" } } ] });
        let status =
            |status: &str| json!({ "entryType": "SessionStatusChanged", "sessionStatus": status });
        let typing = json!({ "entryType": "TypingStartedIndicator" });
        let said = |from| What::Said { from, bot: false, text: "hi".into() };
        for (kind, role, payload, want) in [
            ("Message", "Agent", text("hi"), vec![said(Some(agent()))]),
            ("Message", "System", text("hi"), vec![said(None)]),
            (
                "Message",
                "EndUser",
                text("hi"),
                vec![What::EchoOf { id: "m1".into(), text: "hi".into() }],
            ),
            ("TypingStartedIndicator", "Agent", typing.clone(), vec![What::Typing(agent())]),
            ("TypingStartedIndicator", "EndUser", typing, vec![What::Nothing]),
            (
                "RoutingResult",
                "System",
                routing("Initial", "None"),
                vec![What::Routed { wait_seconds: Some(12) }],
            ),
            (
                "RoutingResult",
                "System",
                routing("Initial", "RoutingError"),
                vec![What::RoutingFailed { nobody: true }],
            ),
            ("RoutingResult", "System", routing("Transfer", "None"), vec![What::TransferStarted]),
            (
                "ParticipantChanged",
                "System",
                people,
                vec![
                    What::Left { subject: "0Xx".into() },
                    What::Joined { who: agent(), bot: false },
                ],
            ),
            ("SessionStatusChanged", "System", status("Ended"), vec![What::SessionEnded]),
            ("SessionStatusChanged", "System", status("Inactive"), vec![What::SessionInactive]),
            ("SessionStatusChanged", "System", status("Error"), vec![What::SessionFailed]),
            (
                "ProgressIndicator",
                "Chatbot",
                json!({ "entryType": "ProgressIndicator" }),
                vec![What::Typing(agent())],
            ),
            ("Future", "System", json!({ "entryType": "Future" }), vec![What::Nothing]),
            ("Message", "Agent", json!("broken"), vec![What::Nothing]),
        ] {
            let got = meaning("CONVERSATION_MESSAGE", &entry(kind, role, &payload));
            assert_eq!(got, want, "{kind} {role}");
        }
        assert_eq!(meaning("CONVERSATION_CLOSE_CONVERSATION", &Value::Null), [What::Closed]);
    }

    #[test]
    fn routing_has_its_meaning_by_type_and_failure() {
        for (kind, failure, want) in [
            ("Transfer", "RoutingError", What::TransferFailed),
            ("Transfer", "Cancelled", What::TransferFailed),
            ("Conference", "None", What::ConferenceStarted),
            ("Conference", "RoutingError", What::Nothing),
            ("Initial", "Unknown", What::RoutingFailed { nobody: false }),
        ] {
            let payload = json!({ "entryType": "RoutingResult", "routingType": kind,
                "failureType": failure });
            let entry = entry("RoutingResult", "System", &payload);
            assert_eq!(meaning("CONVERSATION_ROUTING_RESULT", &entry), [want], "{kind} {failure}");
        }
    }

    #[test]
    fn the_event_id_goes_with_the_last_meaning() {
        let people = json!({ "entryType": "ParticipantChanged", "entries": [
            { "operation": "remove", "participant": { "role": "Agent", "subject": "a" } },
            { "operation": "add", "participant": { "role": "Agent", "subject": "b" } } ] });
        let event =
            event("CONVERSATION_PARTICIPANT_CHANGED", &entry("ParticipantChanged", "S", &people));
        let read = read_event(&event, CONVERSATION);
        assert_eq!(read[0].event_id, None);
        assert_eq!(read[1].event_id, Some("7".into()));
        assert_ne!(read[0].entry, read[1].entry);
    }
}
