//! `SwitchServer`: the service says that an org, or a chat, lives on another host.
//!
//! Promised: the client never learns of it, so it stays on the bridge; only hosts that belong to
//! the configured service are followed; what is remembered is bounded. Not promised: that the
//! memory of relayed chats and tenants outlives the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::de::IgnoredAny;
use url::{Host, Url};

use crate::wire::liveagent::MessagesPayload;
use crate::wire::liveagent::message::SwitchServer;

/// Tenants whose service has moved; past it nothing more is remembered.
const MOVED_MAX: usize = 4_096;
/// Hosts of Salesforce that serve Live Agent and its uploads, whatever host was configured.
const FAMILIES: [&str; 4] =
    [".salesforceliveagent.com", ".my.salesforcescrt.com", ".salesforce.com", ".force.com"];

/// Where the services of tenants went.
#[derive(Debug, Default)]
pub(super) struct Moved(Mutex<HashMap<String, (String, String)>>);

impl Moved {
    /// Where new requests of a tenant go, as long as its configured base is still `from`.
    pub(super) fn to(&self, tenant: &str, from: &str) -> Option<String> {
        let moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        moved.get(tenant).filter(|(base, _)| base == from).map(|(_, to)| to.clone())
    }

    pub(super) fn remember(&self, tenant: &str, from: &str, to: &str) {
        let mut moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.len() < MOVED_MAX || moved.contains_key(tenant) {
            moved.insert(tenant.to_owned(), (from.to_owned(), to.to_owned()));
        }
    }

    /// The new host is gone: the configured one is asked again.
    pub(super) fn forget(&self, tenant: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}

/// An answer that told the client to go elsewhere.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    /// Where to, as it was told.
    pub(super) new_url: String,
    /// The answer without it; `None` when nothing else was in it.
    pub(super) rest: Option<Bytes>,
    /// The number of the last message of the answer.
    pub(super) sequence: Option<i64>,
}

/// Takes `SwitchServer` out of an answer; `None` when there is none in it.
pub(super) fn take(body: &[u8]) -> Option<Told> {
    let name = b"\"SwitchServer\"";
    if !body.windows(name.len()).any(|window| window == name) {
        return None;
    }
    // A script's answer is wrapped in a call; it is asked for anew, whatever else is in it.
    let script = serde_json::from_slice::<IgnoredAny>(body).is_err();
    let start = body.iter().position(|byte| *byte == b'{')?;
    let end = body.iter().rposition(|byte| *byte == b'}')?;
    let mut payload: MessagesPayload = serde_json::from_slice(body.get(start..=end)?).ok()?;
    let switch = payload.messages.iter().rev().find_map(|m| m.read::<SwitchServer>())?;
    payload.messages.retain(|message| message.kind != "SwitchServer");
    let rest = match script || payload.messages.is_empty() {
        true => None,
        false => Some(Bytes::from(serde_json::to_vec(&payload).ok()?)),
    };
    Some(Told { new_url: switch.new_url, rest, sequence: payload.sequence })
}

/// The base address that `new_url` names, if a service that was configured as `base` may send
/// its clients there.
pub(super) fn base_of(new_url: &str, base: &str) -> Option<String> {
    let url = allowed(new_url, base)?;
    let mut path = url.path().trim_end_matches('/');
    for tail in ["/chat/rest", "/chat"] {
        path = path.strip_suffix(tail).unwrap_or(path).trim_end_matches('/');
    }
    Some(format!("{}{path}", url.origin().ascii_serialization()))
}

/// An address that the service of `base` gave, if its host belongs to that service: the same host,
/// a sibling of it, or one of Salesforce's families.
pub(super) fn allowed(text: &str, base: &str) -> Option<Url> {
    let (url, base) = (Url::parse(text).ok()?, Url::parse(base).ok()?);
    let secure = url.scheme() == "https" || url.scheme() == "http" && base.scheme() == "http";
    let bare = url.username().is_empty() && url.password().is_none();
    let known = match (url.host()?, base.host()?) {
        (Host::Domain(to), Host::Domain(from)) => {
            let parent = from.split_once('.').map(|(_, parent)| parent);
            let sibling = parent.filter(|parent| parent.contains('.')).is_some_and(|parent| {
                to.strip_suffix(parent).is_some_and(|label| label.ends_with('.'))
            });
            to == from || sibling || FAMILIES.iter().any(|family| to.ends_with(family))
        }
        (to, from) => to == from,
    };
    (secure && bare && known).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_service_are_followed() {
        let base = "https://d.la1-c1-iad.salesforceliveagent.com";
        for (url, to) in [
            ("https://d.la2-c1-ph2.salesforceliveagent.com/chat", true),
            ("https://d.la2-c1-ph2.salesforceliveagent.com/chat/rest/", true),
            ("https://acme.my.salesforcescrt.com/chat", true),
            ("http://d.la2-c1-ph2.salesforceliveagent.com/chat", false),
            ("https://salesforceliveagent.com.evil.test/chat", false),
            ("https://evilsalesforceliveagent.com/chat", false),
            ("https://me:x@d.la2-c1-ph2.salesforceliveagent.com/chat", false),
            ("https://127.0.0.1/chat", false),
            ("file:///chat", false),
            ("/chat", false),
        ] {
            let host = url.trim_end_matches('/').trim_end_matches("/rest");
            let host = host.trim_end_matches("/chat");
            assert_eq!(base_of(url, base), to.then(|| host.to_owned()), "{url}");
        }
        let at_home = base_of("http://127.0.0.1:9/chat", "http://127.0.0.1:8/la");
        assert_eq!(at_home.as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(
            base_of("https://b.example.test/x/chat", "https://a.example.test").as_deref(),
            Some("https://b.example.test/x")
        );
    }

    #[test]
    fn it_is_taken_out_of_an_answer() {
        let switch = r#"{"type":"SwitchServer","message":{"newUrl":"https://b/chat"}}"#;
        let other = r#"{"type":"X","message":{"a":"SwitchServer"}}"#;
        assert_eq!(take(format!(r#"{{"messages":[{other}]}}"#).as_bytes()), None);
        assert_eq!(take(b"not JSON \"SwitchServer\""), None);
        let script = take(format!(r#"f({{"messages":[{other},{switch}]}});"#).as_bytes());
        assert_eq!(script.expect("told").rest, None);
        let told = take(format!(r#"{{"messages":[{switch}],"sequence":4}}"#).as_bytes());
        let told = told.expect("told");
        assert_eq!((&*told.new_url, told.rest, told.sequence), ("https://b/chat", None, Some(4)));
        let told = take(format!(r#"{{"messages":[{other},{switch}],"sequence":4}}"#).as_bytes());
        let rest = told.expect("told").rest.expect("a rest");
        assert_eq!(rest, format!(r#"{{"messages":[{other}],"sequence":4}}"#));
    }
}
