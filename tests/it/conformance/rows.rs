//! The verdicts.

use Verdict::{Changed, Emulated, Equal, Lost};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Same answers, same effect.
    Equal,
    /// Same answers; the bridge does what Salesforce did.
    Emulated,
    /// Works, differently.
    Changed,
    /// Answered, no effect; or never sent.
    Lost,
}

pub(super) struct Row {
    /// `Prefix/Noun`, or the type of a message.
    pub(super) of: &'static str,
    /// Members, with blanks between; none for the whole.
    pub(super) members: &'static str,
    pub(super) is: Verdict,
    pub(super) why: &'static str,
    /// What the report says about it.
    pub(super) finding: Option<&'static str>,
}

const fn row(of: &'static str, members: &'static str, is: Verdict, why: &'static str) -> Row {
    Row { of, members, is, why, finding: None }
}

const fn lost(
    of: &'static str,
    members: &'static str,
    code: &'static str,
    why: &'static str,
) -> Row {
    Row { of, members, is: Lost, why, finding: Some(code) }
}

const SESSION: &str = "the bridge's own, in Salesforce's form";
const NO_FIELD: &str = "MIAW has no field for it";
const FLOW: &str = "MIAW routes in the flow";
const NOBODY: &str = "no source in MIAW";
const EMPTY: &str = "always empty";
const PRE_CHAT: &str = "becomes routing attributes, by the mapping";
const NAMES: &str = "named by the tenant's configuration; not compared";

pub(super) const ROWS: &[Row] = &[
    row("System/SessionId", "", Emulated, "answered by the bridge; the calendar decides"),
    row("System/SessionId", "id key affinityToken", Emulated, SESSION),
    row("System/SessionId", "clientPollTimeout", Equal, ""),
    row("System/Messages", "", Emulated, "held 24 s; see *Delivery*"),
    row("System/Messages", "messages sequence", Equal, ""),
    row("System/Messages", "offset", Changed, "the position in the chat; it grows all the same"),
    row("System/ReconnectSession", "", Changed, "answered also without a 503 before it"),
    row("System/ResyncSession", "", Changed, "the same key: it stays good"),
    row("System/ResyncSession", "isValid", Equal, ""),
    row(
        "System/ResyncSession",
        "key affinityToken",
        Changed,
        "unchanged, where legacy gave new ones",
    ),
    row("System/MultiNoun", "", Emulated, "one after the other, at most 32"),
    row("System/MultiNoun", "nouns nouns.prefix nouns.noun nouns.object", Equal, ""),
    row("System/MultiNoun.jsonp", "", Emulated, "at most 8 nouns"),
    row("Chasitor/ChasitorInit", "", Changed, PRE_CHAT),
    row("Chasitor/ChasitorInit", "organizationId deploymentId", Changed, NAMES),
    row(
        "Chasitor/ChasitorInit",
        "buttonId",
        Emulated,
        "decides the backend and the mapping's rules",
    ),
    row("Chasitor/ChasitorInit", "sessionId", Emulated, "ignored: the key names the session"),
    lost("Chasitor/ChasitorInit", "agentId doFallback buttonOverrides", "LS105", FLOW),
    lost("Chasitor/ChasitorInit", "userAgent screenResolution", "LS106", NO_FIELD),
    row("Chasitor/ChasitorInit", "language", Emulated, "the conversation's language"),
    row("Chasitor/ChasitorInit", "visitorName", Changed, PRE_CHAT),
    row("Chasitor/ChasitorInit", "prechatDetails", Changed, PRE_CHAT),
    row(
        "Chasitor/ChasitorInit",
        "prechatEntities prechatDetails.entityMaps prechatDetails.entityFieldMaps",
        Changed,
        "records are found and made by the flow",
    ),
    row("Chasitor/ChasitorInit", "receiveQueueUpdates", Emulated, "without it no QueueUpdate"),
    row("Chasitor/ChasitorInit", "isPost", Emulated, "not judged"),
    row(
        "Chasitor/ChasitorInit",
        "chatDelay endpoint trackingId unknownThing",
        Equal,
        "not documented, sent by clients, and ignored by both",
    ),
    row("Chasitor/ChatMessage", "", Emulated, "`OK` means: on disk"),
    row("Chasitor/ChatMessage", "text", Emulated, "above 4,000 characters in parts"),
    row("Chasitor/ChatEnd", "", Emulated, "everything said before is still sent"),
    row(
        "Chasitor/ChatEnd",
        "type reason ChatEndReason",
        Emulated,
        "required, its value hardly judged",
    ),
    row("Chasitor/ChatCancel", "", Emulated, "like ChatEnd"),
    row("Chasitor/ChasitorTyping", "", Emulated, "at most every 5 s"),
    row("Chasitor/ChasitorNotTyping", "", Emulated, "the same"),
    row("Chasitor/ChasitorSneakPeek", "", Changed, "the agent sees that the visitor types"),
    lost(
        "Chasitor/ChasitorSneakPeek",
        "text position",
        "LS101",
        "agents see a message once it is sent",
    ),
    row("Chasitor/RichMessage", "", Emulated, "`index` answers the last question"),
    row(
        "Chasitor/ChasitorIdleTimeoutWarningEvent",
        "",
        Emulated,
        "`cleared` starts the timer again",
    ),
    row("Chasitor/ChasitorResyncState", "", Emulated, "`OK`; there is nothing to resync"),
    row("Chasitor/ChasitorResyncState", "organizationId", Emulated, "not looked at"),
    lost("Chasitor/CustomEvent", "", "LS101", NO_FIELD),
    lost("Chasitor/CustomEvent", "type data", "LS101", NO_FIELD),
    lost("Chasitor/SensitiveDataRuleTriggered", "", "LS104", "MIAW masks on its own side"),
    lost("Agent/SensitiveDataRuleTriggered", "", "LS104", "MIAW masks on its own side"),
    lost("Visitor/Breadcrumb", "", "LS101", "visited pages reach nobody"),
    lost("Visitor/WebEvent", "", "LS101", "visited pages reach nobody"),
    lost("WebEvent/BatchedEvents", "", "LS101", "visited pages reach nobody"),
    row("Visitor/Availability", "", Emulated, "as the tenant's configuration has it"),
    row("Visitor/Availability.jsonp", "", Emulated, "the same, in a callback"),
    row("Visitor/Settings", "", Emulated, "the buttons asked for, from the configuration"),
    row("Visitor/VisitorId", "", Emulated, "a fresh id, or the one that `sid` names"),
    row("ChatRequestSuccess", "", Changed, "first, when the conversation exists, within 10 s"),
    row("ChatRequestSuccess", "connectionTimeout url", Equal, ""),
    row(
        "ChatRequestSuccess",
        "queuePosition estimatedWaitTime",
        Changed,
        "not known yet: 0 and -1, where MIAW did not say in time",
    ),
    row("ChatRequestSuccess", "visitorId", Emulated, "the session's id"),
    row("ChatRequestSuccess", "postChatUrl", Emulated, "from the configuration"),
    lost("ChatRequestSuccess", "geoLocation", "LS101", NOBODY),
    lost("ChatRequestSuccess", "sensitiveDataRules", "LS104", EMPTY),
    lost("ChatRequestSuccess", "customDetails transcriptSaveEnabled", "LS108", EMPTY),
    row("ChatRequestFail", "", Emulated, "`Unavailable` or `InternalFailure`"),
    row("ChatRequestFail", "reason", Emulated, "never `Blocked` or `NoPost`"),
    row("ChatRequestFail", "postChatUrl", Emulated, "from the configuration"),
    lost("ChatRequestFail", "attachedRecords", "LS108", EMPTY),
    row("QueueUpdate", "", Changed, "until an agent comes"),
    row(
        "QueueUpdate",
        "position estimatedWaitTime",
        Changed,
        "MIAW tells one of them; the other is 0 or -1",
    ),
    row("ChatEstablished", "", Emulated, "the first agent, or a bot"),
    row("ChatEstablished", "name", Equal, ""),
    row("ChatEstablished", "userId", Emulated, "of 15 characters; made up for bots"),
    row("ChatEstablished", "sneakPeekEnabled", Equal, "false: nobody could see it"),
    row(
        "ChatEstablished",
        "chasitorIdleTimeout",
        Emulated,
        "from the configuration; off by default",
    ),
    row("ChatEstablished", "items", Emulated, "a bot's menu, unless told as text (`rich`)"),
    row("ChatTransferred", "", Emulated, "somebody else joined"),
    row("ChatTransferred", "name sneakPeekEnabled", Equal, ""),
    row("ChatTransferred", "userId", Emulated, "of 15 characters; made up for bots"),
    row(
        "ChatTransferred",
        "chasitorIdleTimeout",
        Emulated,
        "from the configuration; off by default",
    ),
    row("ChatTransferred", "items", Emulated, "a bot's menu, unless told as text (`rich`)"),
    row("ChatMessage", "", Emulated, "text as it is; all else as text"),
    row("ChatMessage", "text name schedule", Equal, ""),
    row("ChatMessage", "agentId", Emulated, "of 15 characters; made up for bots"),
    row("AgentTyping", "", Emulated, "as MIAW tells it"),
    row("AgentTyping", "name agentId", Equal, ""),
    row("AgentNotTyping", "", Emulated, "with the message, or 7 s after the last sign"),
    row("AgentNotTyping", "name agentId", Equal, ""),
    row("ChatEnded", "", Changed, "whoever ended it"),
    row("ChatEnded", "reason", Changed, "`agent`, `client`, `clientIdleTimeout` or `error`"),
    lost("ChatEnded", "attachedRecords", "LS108", "records are the flow's now"),
    row("ChasitorSessionData", "", Changed, "after a reconnect"),
    row(
        "ChasitorSessionData",
        "chatMessages",
        Changed,
        "the last 20 lines, with the time of the answer",
    ),
    row("ChasitorSessionData", "queuePosition url sneakPeekEnabled", Equal, ""),
    lost("ChasitorSessionData", "geoLocation", "LS101", NOBODY),
    row("ReconnectSession", "", Emulated, "the token names the process"),
    row("ReconnectSession", "resetSequence affinityToken", Equal, ""),
    lost("AgentDisconnect", "", "LS107", "MIAW does not tell it from leaving"),
    row("TransferToButtonInitiated", "", Emulated, "unless `transfer_events = false`"),
    row("AgentJoinedConference", "", Emulated, "unless `transfer_events = false`"),
    row("AgentLeftConference", "", Emulated, "unless `transfer_events = false`"),
    lost("ChatResumedAfterTransfer", "", "LS107", "whoever was there speaks on"),
    row("FileTransfer", "", Changed, "asked for by the tenant, for MIAW agents cannot"),
    row("FileTransfer", "type", Changed, "never `Canceled`"),
    row("FileTransfer", "uploadServletUrl cdmServletUrl fileToken", Emulated, "the bridge's own"),
    row("RichMessage", "", Changed, "for clients that know it (`rich`); numbered text otherwise"),
    row("Availability", "", Emulated, "as the tenant's configuration has it"),
    row("Availability", "results", Emulated, "every id as it was written"),
    row("Settings", "", Emulated, "from the configuration"),
    row("Settings", "pingRate buttons", Emulated, "from the configuration; no invitations"),
    row(
        "Settings",
        "contentServerUrl",
        Changed,
        "empty: nobody else can serve Salesforce's scripts",
    ),
    row("VisitorId", "", Emulated, "a fresh id, or the one that `sid` names"),
    row("VisitorId", "sessionId", Emulated, "the same"),
    lost("CustomEvent", "", "LS107", NOBODY),
    lost("NewVisitorBreadcrumb", "", "LS107", NOBODY),
    lost("SensitiveDataRules", "", "LS104", NOBODY),
    lost("SwitchServer", "", "LS103", "the address never changes"),
    lost("AsyncResult", "", "LS107", NOBODY),
];
