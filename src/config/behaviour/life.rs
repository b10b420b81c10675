//! The keys of `[tenant.behaviour]` about how chats live and end.

use std::time::Duration;

use super::super::section::Section;
use super::super::values::{self, DURATION, SWITCH};
use super::{HOUR, SECOND, optional_text, word};
use crate::chat::policy::{AgentLeave, Idle, Life, Revoke};
use crate::chat::text::Text;

const REVOKE: [(&str, Revoke); 3] =
    [("verified", Revoke::Verified), ("always", Revoke::Always), ("never", Revoke::Never)];
/// `ChatRequestSuccess` stays small: some clients read it into a fixed buffer.
const LONGEST_URL: usize = 400;

/// Reads them; what is absent keeps its default.
pub(super) fn read(section: &Section<'_>) -> Life {
    let d = Life::default();
    let expected = "\"ask\", \"hold\" or \"end\"";
    let agent_leave = section.read("agent_leave", d.agent_leave, expected, |text| match text {
        "ask" => Ok(AgentLeave::Ask),
        "hold" => Ok(AgentLeave::Hold),
        "end" => Ok(AgentLeave::End),
        _ => Err(format!("`{text}` is not what may become of a chat")),
    });
    Life {
        agent_leave,
        accept_timeout: span(section, "accept_timeout", HOUR * 24),
        idle: idle(section),
        inactive_text: optional_text(section, "inactive_text").map(Text::from),
        transfer_events: section.read("transfer_events", d.transfer_events, SWITCH, values::switch),
        revoke: word(section, "revoke_token", &REVOKE),
        post_chat_url: section.optional("post_chat_url", "an absolute address", url),
    }
}

fn span(section: &Section<'_>, key: &'static str, most: Duration) -> Option<Duration> {
    section.optional(key, DURATION, |text| values::duration(text, SECOND, most))
}

fn idle(section: &Section<'_>) -> Option<Idle> {
    let timeout = span(section, "idle_timeout", HOUR * 24);
    let warning = span(section, "idle_warning", HOUR * 24);
    let warning_text = optional_text(section, "idle_warning_text").map(Text::from);
    let Some(timeout) = timeout else {
        if warning.is_some() || warning_text.is_some() {
            let problem = section.at_key("idle_timeout").says("is missing, but a warning is set");
            section.cx.found.problem(problem.expected("how long a silent visitor may stay"));
        }
        return None;
    };
    let warning = warning.unwrap_or(timeout * 3 / 4);
    if warning >= timeout {
        let problem = section.at_key("idle_warning").says("is not shorter than `idle_timeout`");
        section.cx.found.problem(problem.expected("a time before the end of the chat"));
    }
    Some(Idle { timeout, warning: warning.min(timeout), warning_text })
}

/// Clients demand an absolute address (client-hazards.md 8).
pub(super) fn url(text: &str) -> Result<String, String> {
    let web = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    match url::Url::parse(text) {
        Ok(url) if web(&url) && url.as_str().len() <= LONGEST_URL => Ok(url.to_string()),
        Ok(url) if web(&url) => Err(format!("is longer than {LONGEST_URL} characters")),
        _ => Err(format!("`{text}` is not an absolute web address")),
    }
}
