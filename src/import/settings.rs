//! Legacy setting by legacy setting: carried, changed, lost, or without an equivalent.
//!
//! Promised: *carried* is said only where this import or the channel's own metadata shows it.

use serde::Serialize;

use super::fact::Place;
use super::id;
use crate::metadata::{Channel, Component};

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It holds in MIAW already.
    Carried,
    /// It exists in MIAW in another place or unit; somebody must set it.
    Changed,
    /// What it did ends.
    Lost,
    /// Nothing in MIAW corresponds to it.
    NoEquivalent,
}

impl Fate {
    /// For tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Carried => "carried",
            Self::Changed => "changed",
            Self::Lost => "lost",
            Self::NoEquivalent => "no equivalent",
        }
    }
}

/// One legacy setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its element in the metadata.
    pub name: String,
    /// Its value, on one line and not long.
    pub value: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Where it lives in MIAW, or what ends.
    pub miaw: String,
    /// Where it stands.
    pub place: Place,
}

impl Setting {
    /// Does the mapping file deal with it, so that nobody has to move it?
    pub(super) fn is_mapped(&self) -> bool {
        self.miaw.ends_with("see the mapping file")
    }
}

type Row = (&'static str, Fate, &'static str);

use Fate::{Carried, Changed, Lost, NoEquivalent};

const BUTTON: &[Row] = &[
    ("enableQueue", Changed, "chats wait in the queue that the flow's Route Work names"),
    ("overallQueueLength", Changed, "queue threshold of the channel, or a check in the flow"),
    ("perAgentQueueLength", Changed, "capacity in the agents' presence configuration"),
    ("routingType", Changed, "routing model of the queue's routing configuration"),
    ("skills.skill", Changed, "Add Skill Requirements in the flow, or one queue for each skill"),
    ("pushTimeOut", Changed, "push time-out of the routing configuration, in seconds"),
    ("numberOfReroutingAttempts", NoEquivalent, "Omni-Channel offers declined work again itself"),
    ("optionsHasRerouteDeclinedRequest", NoEquivalent, "Omni-Channel offers declined work again"),
    ("optionsCustomRoutingIsEnabled", NoEquivalent, "the flow routes"),
    ("optionsIsAutoAccept", Changed, "automatic accept in the presence configuration"),
    ("chasitorIdleTimeout", Changed, "end-user idle time-out of the channel, in minutes"),
    ("chasitorIdleTimeoutWarning", Lost, "no warning comes before the idle time-out"),
    ("optionsHasChasitorIdleTimeout", Changed, "end-user idle time-out of the channel"),
    ("autoGreeting", Changed, "automated response of the channel when an agent joins"),
    ("customAgentName", Lost, "the visitor sees the agent's own messaging name"),
    ("preChatFormUrl", Lost, "the client asks before the chat; see the mapping file"),
    ("preChatFormPage", Lost, "the client asks before the chat; see the mapping file"),
    ("postChatUrl", Lost, "no page opens after the chat; the channel can send a survey link"),
    ("postChatPage", Lost, "no page opens after the chat; the channel can send a survey link"),
    ("chatPage", NoEquivalent, "the client has its own window"),
    ("windowLanguage", Changed, "the bridge passes the language of the chat's start on"),
];
const DEPLOYMENT: &[Row] = &[
    ("connectionTimeoutDuration", Changed, "connection_timeout in [behaviour], 1 s to 1 h"),
    ("connectionWarningDuration", Lost, "no warning comes before the connection is given up"),
    ("displayQueuePosition", Changed, "queue position switch of the channel"),
    ("enableTranscriptSave", Changed, "transcript switch of the channel"),
    ("domainWhiteList.domain", Changed, "cors_origins in [behaviour], if browsers call the bridge"),
];
const LIVE_AGENT: &[Row] = &[
    ("isOfflineCaseEnabled", Lost, "no case is made while nobody is there; the flow can"),
    ("isQueuePositionEnabled", Changed, "queue position switch of the channel"),
    ("prechatEnabled", Changed, "the client asks; see the mapping file"),
    ("prechatJson", Changed, "see the mapping file"),
    ("offlineCaseBackgroundImg", NoEquivalent, "the client draws its own window"),
    ("customPrechatComponent", Lost, "the client asks before the chat"),
    ("customMinimizedComponent", NoEquivalent, "the client draws its own window"),
];
/// Names and links, not settings.
const IDENTITY: &[&str] = &[
    "fullName",
    "label",
    "masterLabel",
    "deployments",
    "deployments.deployment",
    "skills",
    "type",
    "isActive",
    "enabled",
    "embeddedServiceConfig",
    "liveChatButton",
    "liveChatDeployment",
    "liveAgentChatUrl",
    "liveAgentContentUrl",
];

pub(super) fn button(component: &Component, channel: Option<&Channel>) -> Vec<Setting> {
    judge(component, BUTTON, channel)
}

pub(super) fn deployment(component: &Component, channel: Option<&Channel>) -> Vec<Setting> {
    let mut settings = judge(component, DEPLOYMENT, channel);
    let timeout = connection_timeout(component);
    for setting in settings.iter_mut().filter(|s| s.name == "connectionTimeoutDuration") {
        if timeout.is_some() {
            setting.fate = Carried;
            setting.miaw = "connection_timeout in the tenant file".to_owned();
        }
    }
    settings
}

pub(super) fn live_agent(component: &Component, channel: Option<&Channel>) -> Vec<Setting> {
    judge(component, LIVE_AGENT, channel)
}

/// `connectionTimeoutDuration` in seconds, if the bridge can hold it.
pub(super) fn connection_timeout(component: &Component) -> Option<u32> {
    const ALLOWED_SECONDS: std::ops::RangeInclusive<u32> = 1..=3600;
    let seconds = component.get("connectionTimeoutDuration")?.value.parse().ok()?;
    ALLOWED_SECONDS.contains(&seconds).then_some(seconds)
}

fn judge(component: &Component, rows: &[Row], channel: Option<&Channel>) -> Vec<Setting> {
    let set = component.settings.iter().filter(|(name, value)| {
        // What is off asks for nothing, except a queue that MIAW has and legacy had not.
        let off = value.value.is_empty() || value.value == "false" && name != "enableQueue";
        !IDENTITY.contains(&name.as_str()) && !off
    });
    let each = set.map(|(name, value)| {
        let row = rows.iter().find(|(known, _, _)| known == name);
        let (mut fate, mut miaw) = row.map_or_else(
            || (NoEquivalent, "none known; look at it by hand".to_owned()),
            |(_, fate, miaw)| (*fate, (*miaw).to_owned()),
        );
        if name == "enableQueue" && value.value == "false" {
            (fate, miaw) = (Lost, "chats wait in a queue; the flow can refuse them".to_owned());
        }
        if looks(name) {
            (fate, miaw) = (NoEquivalent, "the client draws its own window".to_owned());
        }
        if let Some(found) = channel.and_then(|c| on_channel(name, &value.value, c)) {
            (fate, miaw) = found;
        }
        let value_text = if name == "prechatJson" {
            format!("{} characters", value.value.chars().count())
        } else {
            id::plain(&value.value)
        };
        Setting { name: name.clone(), value: value_text, fate, miaw, place: value.place.clone() }
    });
    each.collect()
}

/// Pictures, colours and invitations of a window that the client draws itself.
fn looks(name: &str) -> bool {
    let parts = ["Image", "Img", "invite", "Invite", "animation", "Color", "font", "windowTitle"];
    parts.iter().any(|part| name.contains(part)) || matches!(name, "site" | "width" | "height")
}

/// What the channel's metadata already says about a setting.
fn on_channel(name: &str, value: &str, channel: &Channel) -> Option<(Fate, String)> {
    let on = |key: &str| channel.embedded.get(key);
    let switch = |key: &'static str| {
        let found = on(key).filter(|found| found.value == value)?;
        Some((Carried, format!("{key} is {value} ({})", found.place)))
    };
    match name {
        "displayQueuePosition" | "isQueuePositionEnabled" => switch("isQueuePositionEnabled"),
        "enableTranscriptSave" => switch("isSaveTranscriptEnabled"),
        "overallQueueLength" => switch("queueThreshold"),
        "chasitorIdleTimeout" => {
            let found = on("endUserIdleTimeOut")?;
            let seconds: u32 = value.parse().ok()?;
            let minutes: u32 = found.value.parse().ok()?;
            let text = format!("endUserIdleTimeOut is {minutes} ({})", found.place);
            let fate = if minutes.checked_mul(60) == Some(seconds) { Carried } else { Changed };
            Some((fate, text))
        }
        "autoGreeting" => {
            let text = "automatedResponses.response";
            let same = channel
                .component
                .settings
                .iter()
                .find(|(key, response)| key == text && response.value == value);
            same.map(|(_, found)| (Carried, format!("automated response ({})", found.place)))
        }
        _ => None,
    }
}
