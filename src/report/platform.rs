//! What differs between the two services whatever is sent: events, availability, lost features,
//! automation, and the settings of legacy buttons and deployments.
//!
//! Promised: a difference that no evidence speaks for is a note; it becomes a warning where channel
//! or button metadata shows that it matters here. Every line says what it was taken from.

use serde::Serialize;

use super::codes::platform::{
    AV501, AV502, EV401, EV402, EV403, EV404, EV405, FL701, LS101, LS102, LS103, LS104, LS105,
    LS106, LS107, LS108, OB160, OB161, OM101, OM102, RT301, RT303, TK602,
};
use super::finding::{Finding, Severity};
use super::traffic::Traffic;
use crate::mapping::Mapping;
use crate::metadata::{Channel, Component, Kind, Metadata};

/// One setting of a legacy button or deployment and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingLine {
    /// `LiveChatButton Sales`
    pub component: String,
    /// The setting's name.
    pub setting: String,
    /// Its value in the file; texts that visitors see are given by their length.
    pub legacy: String,
    /// What becomes of it.
    pub fate: SettingFate,
    /// What stands for it on the channel, with its value where the channel's file is known.
    pub miaw: String,
}

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingFate {
    /// Both sides say the same.
    Carried,
    /// It has a counterpart that says something else or has to be set.
    Changed,
    /// It lives in another place of the org.
    Elsewhere,
    /// Nothing stands for it.
    Lost,
}

impl SettingFate {
    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Carried => "carried",
            Self::Changed => "changed",
            Self::Elsewhere => "set elsewhere",
            Self::Lost => "lost",
        }
    }
}

/// What stands for a legacy setting.
enum Successor {
    /// A setting of the channel.
    Channel(&'static str),
    /// Another place of the org.
    Place(&'static str),
    /// Nothing, and why.
    Nothing(&'static str),
}
use Successor::{Channel as On, Nothing, Place};

/// Every setting that is compared; others of the file are names and defaults.
const SETTINGS: &[(&str, Successor)] = &[
    ("autoGreeting", Place("automated response of the channel")),
    ("chasitorIdleTimeout", On("endUserIdleTimeOut")),
    ("chasitorIdleTimeoutWarning", Nothing("no idle warning; send one from the client")),
    ("chatPage", Nothing("the client is not a Salesforce page")),
    ("connectionTimeoutDuration", Nothing("the bridge's [tenant.behaviour] connection_timeout")),
    ("connectionWarningDuration", Nothing("no warning")),
    ("customAgentName", Place("display name of agents on the channel")),
    ("domainWhiteList", Place("CORS and trusted domains; cors_origins of the bridge")),
    ("enableQueue", On("isQueuePositionEnabled")),
    ("enableTranscriptSave", Place("transcript download of the deployment")),
    ("hasQueue", On("isQueuePositionEnabled")),
    ("inviteRenderer", Nothing("no proactive invitation")),
    ("numberOfReroutingAttempts", Place("routing configuration of the queue")),
    ("offlinePageUrl", Nothing("the client shows its own page")),
    ("overallQueueLength", On("queueThreshold")),
    ("perAgentQueueLength", Nothing("capacity of the presence configuration")),
    ("postChatPageUrl", Nothing("the client opens its own page")),
    ("postChatUrl", Nothing("the client opens its own page")),
    ("preChatFormPageUrl", Nothing("the client asks by itself")),
    ("preChatFormUrl", Nothing("the client asks by itself")),
    ("pushTimeOut", Place("push time-out of the routing configuration")),
    ("queue", On("sessionHandlerQueue")),
    ("routingType", Place("Omni-Channel flow (Route Work)")),
    ("skill", Place("skills-based routing in the Omni-Channel flow")),
    ("windowLanguage", Place("language of the conversation, attribute `language`")),
];
/// Settings whose texts visitors see: only their length is printed.
const TEXTS: [&str; 2] = ["autoGreeting", "customAgentName"];

/// Setting by setting, what becomes of a legacy component.
#[must_use]
pub fn settings(component: &Component, channel: Option<&Channel>) -> Vec<SettingLine> {
    let known = channel.filter(|channel| !channel.listed);
    let mut lines = Vec::new();
    for (setting, successor) in SETTINGS {
        let Some(value) = component.joined(setting) else { continue };
        let (fate, miaw) = match successor {
            Place(place) => (SettingFate::Elsewhere, (*place).to_owned()),
            Nothing(why) => (SettingFate::Lost, (*why).to_owned()),
            On(name) => match known.map(|settings| settings.get(name)) {
                Some(Some(new)) if new.eq_ignore_ascii_case(&value) => {
                    (SettingFate::Carried, format!("{name} = {new}"))
                }
                Some(Some(new)) => (SettingFate::Changed, format!("{name} = {new}")),
                Some(None) => (SettingFate::Changed, format!("{name}, not set")),
                None => (SettingFate::Changed, (*name).to_owned()),
            },
        };
        let legacy = match TEXTS.contains(setting) {
            true => format!("{} characters", value.chars().count()),
            false => value,
        };
        let component = format!("{} {}", component.kind.name(), component.developer_name);
        let setting = (*setting).to_owned();
        lines.push(SettingLine { component, setting, legacy, fate, miaw });
    }
    lines
}

/// `RT303` for one component.
#[must_use]
pub fn settings_lost(component: &Component, lines: &[SettingLine]) -> Option<Finding> {
    let names = |fate: SettingFate| -> Vec<&str> {
        lines.iter().filter(|l| l.fate == fate).map(|l| l.setting.as_str()).collect()
    };
    let parts = [SettingFate::Lost, SettingFate::Changed, SettingFate::Elsewhere]
        .into_iter()
        .map(|fate| (fate, names(fate)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(fate, names)| format!("{}: {}", fate.word(), names.join(", ")));
    let parts: Vec<String> = parts.collect();
    let path = format!("{}.{}", component.kind.name(), component.developer_name);
    (!parts.is_empty()).then(|| RT303.at(path, parts.join("; ")))
}

/// `RT301`: captured buttons for which nothing on the MIAW side stands.
#[must_use]
pub fn buttons(own: &str, mapping: &Mapping, traffic: &Traffic) -> Vec<Finding> {
    let short = |id: &str| id.get(..15).unwrap_or(id).to_owned();
    let passed_on = |id: &str| {
        let file = mapping.for_button(id);
        file.is_some_and(|(_, f)| f.constants.iter().any(|c| c.value.contains("{button_id}")))
    };
    let named = |id: &str| {
        mapping.files().any(|file| {
            let constants = file.constants.iter().map(|c| &c.button);
            let buttons = constants.chain(file.rules.iter().map(|r| &r.button)).flatten();
            let mut buttons = buttons.chain(&file.matching.buttons);
            buttons.any(|button| short(button) == short(id))
        })
    };
    let others = traffic.buttons.iter().filter(|(id, _)| !id.is_empty());
    others
        .filter(|(id, _)| short(id) != short(own) && !passed_on(id) && !named(id))
        .map(|(id, chats)| {
            let message = format!(
                "{chats} captured chats came by button {id}; the tenant's button is {}, and no \
                 constant passes the button on",
                if own.is_empty() { "not declared" } else { own }
            );
            RT301.at(format!("captured.buttonId.{id}"), message).with_todo(
                "Add a constant with value = \"{button_id}\" and route by it in the flow, or give \
                 the button a tenant of its own.",
            )
        })
        .collect()
}

/// What differs whatever is sent.
#[must_use]
pub fn differences(channel: Option<&Channel>, has_buttons: bool) -> Vec<Finding> {
    let settings = channel.filter(|channel| !channel.listed);
    let mut findings = events(settings);
    findings.extend(availability(settings, has_buttons));
    findings.push(files(settings));
    findings.extend(identity(settings));
    for (code, path, message) in [
        (LS101, "legacy.sneakPeek", "sneak peek is lost: agents see a message once it is sent"),
        (LS101, "legacy.geoLocation", "geolocation is lost: nothing stands for it"),
        (LS101, "legacy.breadcrumb", "breadcrumbs are lost: visited pages reach nobody"),
        (LS101, "legacy.customEvent", "custom events are lost: agents' consoles get none"),
        (LS102, "legacy.postChatUrl", "the post-chat page is lost: MIAW names none"),
        (LS103, "legacy.switchServer", "SwitchServer is emulated: the address never changes"),
        (
            LS104,
            "legacy.sensitiveDataRules",
            "sensitive data rules moved: LiveChatSensitiveDataRule does not hold for messaging",
        ),
        (LS105, "ChasitorInit.agentId", "agentId, doFallback and buttonOverrides have no effect"),
        (LS106, "ChasitorInit.userAgent", "userAgent and screenResolution reach nobody"),
        (LS107, "System/Messages", "six message types never come, AgentDisconnect among them"),
        (LS108, "ChatEnded.attachedRecords", "attachedRecords and its like are always empty"),
        (OB160, "LiveChatTranscript", "reports, triggers and flows on it see no new records"),
        (OB161, "MessagingSession", "a failing trigger or flow can keep a session from ending"),
    ] {
        findings.push(code.at(path, message));
    }
    findings
}

fn events(settings: Option<&Channel>) -> Vec<Finding> {
    let on = |name: &str| settings.and_then(|s| s.on(name));
    let both = (on("isQueuePositionEnabled"), on("isEstimatedWaitTimeEnabled"));
    let (message, heavy) = match both {
        (Some(true), Some(true)) => ("both switches are on; MIAW sends only one", true),
        (Some(true), _) => ("queue position is on; wait times are answered -1", true),
        (_, Some(true)) => ("wait time is on; queue positions are not sent", true),
        (Some(false), Some(false)) => ("both are off: clients get neither", true),
        _ => ("which one is on is not known: no channel metadata", false),
    };
    let weighed = |finding: Finding, heavy: bool| match heavy {
        true => finding,
        false => finding.with_severity(Severity::Note),
    };
    let path = "channel.isQueuePositionEnabled";
    let mut findings = vec![weighed(EV401.at(path, message), heavy)];
    findings.push(EV402.at("event.agentEnd", "an agent's end arrives as a session status"));
    findings.push(EV403.at("event.transfer", "a transfer looks as if the agent left"));
    let idle = settings.and_then(|s| s.number("endUserIdleTimeOut"));
    let by_session = on("isSynchronousChatEnabled") == Some(true);
    let (message, heavy) = match (settings, idle) {
        (None, _) => ("whether an idle time-out is set is not known".to_owned(), false),
        (Some(_), _) if by_session => ("session-based chat is on: as in legacy".to_owned(), false),
        (Some(_), Some(n)) => (format!("endUserIdleTimeOut is {n}"), false),
        (Some(_), None) => {
            ("no idle time-out and no session-based chat: sessions stay open".to_owned(), true)
        }
    };
    findings.push(weighed(EV404.at("channel.endUserIdleTimeOut", message), heavy));
    findings.push(EV405.at("event.agentName", "what visitors see as the name is set in the org"));
    findings
}

fn availability(settings: Option<&Channel>, has_buttons: bool) -> [Finding; 2] {
    let message = match has_buttons {
        true => "legacy answered Visitor/Availability for the buttons given; MIAW does not",
        false => "clients that ask Visitor/Availability get the bridge's own answer",
    };
    let asked = AV501.at("availability", message);
    let asked = if has_buttons { asked } else { asked.with_severity(Severity::Note) };
    let (message, heavy) = match settings.map(|s| s.on("isAgentAvlCheckEnabled")) {
        Some(Some(true)) => ("isAgentAvlCheckEnabled is on", false),
        Some(_) => ("isAgentAvlCheckEnabled is off or not set: a chat may wait for ever", true),
        None => ("whether isAgentAvlCheckEnabled is on is not known", false),
    };
    let nobody = AV502.at("channel.isAgentAvlCheckEnabled", message);
    [asked, if heavy { nobody } else { nobody.with_severity(Severity::Note) }]
}

/// What visitors may send, as far as the channel's file tells.
fn files(settings: Option<&Channel>) -> Finding {
    /// The largest file a known legacy client sends is 2.3 MB.
    const LEGACY_MB: u64 = 3;
    let Some(channel) = settings else {
        let message = "whether files are on is not known: no channel metadata";
        return FL701
            .at("channel.isAttachmentUploadEnabled", message)
            .with_severity(Severity::Note);
    };
    if channel.on("isAttachmentUploadEnabled") != Some(true) {
        let message = "isAttachmentUploadEnabled is off or not set: visitors send no files";
        return FL701.at("channel.isAttachmentUploadEnabled", message);
    }
    let size = channel.number("maxFileSize");
    let types = channel.embedded.joined("allowedFileTypes");
    let message = format!(
        "files are on; maxFileSize {}, allowedFileTypes {}; legacy named no types, and agents had \
         to ask",
        size.map_or_else(|| "not set (5 MB)".to_owned(), |size| format!("is {size} MB")),
        types.as_deref().unwrap_or("not set")
    );
    let finding = FL701.at("channel.allowedFileTypes", message);
    let wide = types.is_none() && size.is_none_or(|size| size >= LEGACY_MB);
    if wide { finding.with_severity(Severity::Note) } else { finding }
}

/// A channel that verifies users, against chats that begin as guests.
fn identity(settings: Option<&Channel>) -> Option<Finding> {
    let mode = settings?.get("authMode").filter(|mode| mode.eq_ignore_ascii_case("Auth"))?;
    let message = format!(
        "authMode is {mode}: a chat without a valid identity token is refused or anonymous; only \
         `check --live` can see which"
    );
    Some(TK602.at("channel.authMode", message).with_severity(Severity::Warning))
}

/// How a chat counts for agents: routing configurations and service channels.
#[must_use]
pub fn capacity(metadata: &Metadata) -> Vec<Finding> {
    let mut findings = Vec::new();
    let nothing = |text: &str| text.parse::<f64>().is_ok_and(|n| n <= 0.0);
    for config in metadata.of(Kind::QueueRoutingConfig) {
        let found = ["capacityWeight", "capacityPercentage"];
        let set: Vec<(&str, &str)> = found
            .iter()
            .filter_map(|name| Some((*name, config.get(name)?.value.as_str())))
            .filter(|(_, text)| !text.is_empty())
            .collect();
        let path = format!("QueueRoutingConfig.{}", config.developer_name);
        let all: Vec<String> = set.iter().map(|(name, text)| format!("{name} {text}")).collect();
        let finding = match set.iter().all(|(_, text)| nothing(text)) {
            true if set.is_empty() => OM101.at(path, "neither weight nor percentage is set"),
            true => OM101.at(path, format!("{}: chats count nothing", all.join(", "))),
            false => {
                let finding = OM101.at(path, all.join(", "));
                findings.push(finding.with_todo("Nothing, if that many chats at once are meant."));
                continue;
            }
        };
        findings.push(finding.with_severity(Severity::Warning));
    }
    for channel in metadata.of(Kind::ServiceChannel) {
        let Some(model) = channel.get("capacityModel").map(|found| found.value.as_str()) else {
            continue;
        };
        let path = format!("ServiceChannel.{}", channel.developer_name);
        let finding = OM102.at(path, format!("capacityModel is {model}"));
        findings.push(match model.eq_ignore_ascii_case("StatusBased") {
            true => finding.with_severity(Severity::Warning),
            false => finding.with_todo("Nothing."),
        });
    }
    for (code, kind) in [(OM101, Kind::QueueRoutingConfig), (OM102, Kind::ServiceChannel)] {
        if metadata.of(kind).next().is_none() {
            let message = format!("not known: no {} metadata", kind.name());
            findings.push(code.at(kind.name(), message));
        }
    }
    findings
}
