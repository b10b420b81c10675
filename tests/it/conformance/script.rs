//! What is played: steps, and what the real service is expected to answer.

use liveagent_bridge::emulator::Command;

/// One chat, or what is asked without one.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) steps: &'static [Step],
}

pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) act: Act,
    /// Status and content in short, as `Line::summary` prints it; of the emulated service.
    pub(super) expect: &'static str,
}

pub(super) enum Act {
    /// `System/SessionId`; what it gives is used from then on.
    Session,
    /// `ChasitorInit` with the session's id.
    Init,
    /// GET of a noun; `{id}`, `{key}` and `{offset}` are filled in.
    Get(&'static str),
    Delete(&'static str),
    /// A POST with the next number.
    Post(&'static str, &'static str),
    /// A POST with a number of its own.
    PostAs(Option<i64>, &'static str, &'static str),
    /// Polls until a message of this type came.
    Until(&'static str),
    /// One poll; how long it took is part of the answer.
    Poll,
    /// One poll that acknowledges less than was read.
    PollAgain(i64),
    /// A poll while another one is held: both.
    TwoPolls,
    /// An agent does something.
    Agent(Agent),
    /// What the desk heard from the visitor so far.
    Heard,
    /// The service moves every session to another server.
    Handover,
    /// A request without the version header.
    Versionless(&'static str),
}

pub(super) enum Agent {
    Queue,
    Accept,
    Decline,
    Typing,
    Say(&'static str),
    Transfer,
    End,
}

impl Agent {
    pub(super) fn command(&self) -> Command {
        match self {
            Self::Queue => Command::Queue { position: 2, wait: Some(30) },
            Self::Accept => Command::Accept,
            Self::Decline => Command::Decline,
            Self::Typing => Command::Typing { on: true },
            Self::Say(text) => Command::Say { text: (*text).to_owned() },
            Self::Transfer => Command::Transfer,
            Self::End => Command::End,
        }
    }
}

const DEAD: &str = "403 Session required but was invalid or not found";

const fn step(name: &'static str, act: Act, expect: &'static str) -> Step {
    Step { name, act, expect }
}

const SESSION: Step =
    step("SessionId", Act::Session, "200 affinityToken, clientPollTimeout, id, key");
const INIT: Step = step("ChasitorInit", Act::Init, "200 OK");
const SUCCESS: Step =
    step("the request succeeds", Act::Until("ChatRequestSuccess"), "200 ChatRequestSuccess");
const ACCEPT: Step = step("an agent accepts", Act::Agent(Agent::Accept), "done");
const ESTABLISHED: Step =
    step("ChatEstablished", Act::Until("ChatEstablished"), "200 QueueUpdate, ChatEstablished");

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "a chat", steps: CHAT },
    Script { name: "handover", steps: HANDOVER },
    Script { name: "DELETE", steps: DELETED },
    Script { name: "nobody takes it", steps: DECLINED },
    Script { name: "no session", steps: WITHOUT_SESSION },
];

const CHAT: &[Step] = &[
    SESSION,
    INIT,
    SUCCESS,
    step("a second ChasitorInit", Act::Init, "400 Chat already requested"),
    step("a place in the queue", Act::Agent(Agent::Queue), "done"),
    step("QueueUpdate", Act::Until("QueueUpdate"), "200 QueueUpdate"),
    ACCEPT,
    ESTABLISHED,
    step("ChasitorTyping", Act::Post("Chasitor/ChasitorTyping", "{}"), "200 OK"),
    step("ChasitorNotTyping, no body", Act::Post("Chasitor/ChasitorNotTyping", ""), "200 OK"),
    step("ChatMessage", Act::Post("Chasitor/ChatMessage", r#"{"text":"one"}"#), "200 OK"),
    step(
        "the same number and body",
        Act::PostAs(Some(5), "Chasitor/ChatMessage", r#"{"text":"one"}"#),
        "200 OK",
    ),
    step(
        "a number out of order",
        Act::PostAs(Some(99), "Chasitor/ChatMessage", r#"{"text":"out of order"}"#),
        "409 Out of sync Ack. Expected 99. Actual 5",
    ),
    step("no number", Act::PostAs(None, "Chasitor/ChatMessage", r#"{"text":"two"}"#), "200 OK"),
    step("the agent types", Act::Agent(Agent::Typing), "done"),
    step("AgentTyping", Act::Until("AgentTyping"), "200 AgentTyping"),
    step("the agent answers", Act::Agent(Agent::Say("Hello")), "done"),
    step("an agent's ChatMessage", Act::Until("ChatMessage"), "200 ChatMessage"),
    step("the same ack again", Act::PollAgain(1), "200 ChatMessage in 0 s"),
    step(
        "ChasitorSneakPeek",
        Act::Post("Chasitor/ChasitorSneakPeek", r#"{"position":1,"text":"thr"}"#),
        "200 OK",
    ),
    step("CustomEvent", Act::Post("Chasitor/CustomEvent", r#"{"type":"a","data":"b"}"#), "200 OK"),
    step(
        "MultiNoun",
        Act::Post(
            "System/MultiNoun",
            r#"{"nouns":[{"prefix":"Chasitor","noun":"ChasitorTyping","object":{}},{"prefix":"Chasitor","noun":"ChatMessage","object":{"text":"three"}}]}"#,
        ),
        "200 OK",
    ),
    step("the agent transfers", Act::Agent(Agent::Transfer), "done"),
    step("ChatTransferred", Act::Until("ChatTransferred"), "200 ChatTransferred"),
    step("an empty poll", Act::Poll, "204 in 30 s"),
    step("a poll while one is held", Act::TwoPolls, "204, 409"),
    step(
        "ChatMessage that is not JSON",
        Act::Post("Chasitor/ChatMessage", "{"),
        "400 details, message",
    ),
    step(
        "ChatMessage without a text",
        Act::Post("Chasitor/ChatMessage", "{}"),
        "400 details, message",
    ),
    step(
        "ChatEnd without a reason",
        Act::Post("Chasitor/ChatEnd", "{}"),
        "400 Request is not a valid ChatEnd - ChatEnd requires a non-null value on the reason property",
    ),
    step("a noun that is not known", Act::Post("Chasitor/Nobody", "{}"), "404"),
    step("a method that is not known", Act::Delete("Chasitor/ChatMessage"), "405"),
    step("ChatEnd", Act::PostAs(Some(9), "Chasitor/ChatEnd", r#"{"reason":"client"}"#), "200 OK"),
    step("ChatEnded", Act::Until("ChatEnded"), "200 ChatEnded"),
    step("a poll after the end", Act::Poll, DEAD_POLL),
    step(
        "a POST after the end",
        Act::PostAs(Some(10), "Chasitor/ChatMessage", r#"{"text":"late"}"#),
        DEAD,
    ),
    step("what the agent read", Act::Heard, "one / two / three"),
];

const DEAD_POLL: &str = "403 Session required but was invalid or not found in 0 s";

const HANDOVER: &[Step] = &[
    SESSION,
    INIT,
    SUCCESS,
    ACCEPT,
    ESTABLISHED,
    step("ChatMessage", Act::Post("Chasitor/ChatMessage", r#"{"text":"one"}"#), "200 OK"),
    step("the service moves the session", Act::Handover, "done"),
    step("ChatMessage meanwhile", Act::Post("Chasitor/ChatMessage", r#"{"text":"two"}"#), "503"),
    step("a poll meanwhile", Act::Poll, "503 in 0 s"),
    step(
        "ReconnectSession",
        Act::Get("System/ReconnectSession?ReconnectSession.offset={offset}"),
        "200 ReconnectSession",
    ),
    step("ChasitorSessionData", Act::Until("ChasitorSessionData"), "200 ChasitorSessionData"),
    step(
        "ChasitorResyncState",
        Act::PostAs(
            None,
            "Chasitor/ChasitorResyncState",
            r#"{"organizationId":"00D000000000001"}"#,
        ),
        "200 OK",
    ),
    step(
        "ChatMessage, numbered from 1",
        Act::PostAs(Some(1), "Chasitor/ChatMessage", r#"{"text":"two"}"#),
        "200 OK",
    ),
    step("ResyncSession", Act::Get("System/ResyncSession/{id}"), "200 affinityToken, isValid, key"),
    step("the agent ends", Act::Agent(Agent::End), "done"),
    step("ChatEnded", Act::Until("ChatEnded"), "200 ChatEnded"),
    step("a poll after the end", Act::Poll, DEAD_POLL),
    step("what the agent read", Act::Heard, "one / two"),
];

const DELETED: &[Step] = &[
    SESSION,
    INIT,
    SUCCESS,
    step("DELETE SessionId", Act::Delete("System/SessionId/{key}"), "200 OK"),
    step("a POST after DELETE", Act::Post("Chasitor/ChatMessage", r#"{"text":"late"}"#), DEAD),
    step("DELETE again", Act::Delete("System/SessionId/{key}"), DEAD),
];

const DECLINED: &[Step] = &[
    SESSION,
    INIT,
    SUCCESS,
    step("every agent declines", Act::Agent(Agent::Decline), "done"),
    step("ChatRequestFail", Act::Until("ChatRequestFail"), "200 ChatRequestFail"),
    step("a poll after the failure", Act::Poll, DEAD_POLL),
];

const WITHOUT_SESSION: &[Step] = &[
    step(
        "Availability",
        Act::Get(
            "Visitor/Availability?Availability.ids=[573000000000001,573000000000002]&Availability.needEstimatedWaitTime=1",
        ),
        "200 Availability",
    ),
    step(
        "Settings",
        Act::Get(
            "Visitor/Settings?Settings.buttonIds=573000000000001&Settings.needEstimatedWaitTime=1",
        ),
        "200 Settings",
    ),
    step("VisitorId", Act::Get("Visitor/VisitorId"), "200 VisitorId"),
    step(
        "Breadcrumb",
        Act::PostAs(None, "Visitor/Breadcrumb", r#"{"location":"https://a.test"}"#),
        "200 OK",
    ),
    step("no version header", Act::Versionless("System/SessionId"), "400 No version header found"),
    step("Messages without a key", Act::Poll, DEAD_POLL),
    step("a noun that is not known", Act::Get("System/Nobody"), "404"),
];
