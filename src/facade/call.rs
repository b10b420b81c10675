//! One request, read: which tenant, which noun, whose session.
//!
//! Promised: base URLs with or without `/chat`, `/chat/rest`, doubled and trailing slashes name the
//! same nouns; nothing about the content type or about unknown headers and parameters is judged.

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};
use percent_encoding::percent_decode_str;

use super::gate::Counted;
use crate::capture::Asked;
use crate::config::{Config, Tenant};
use crate::serve::Peer;
use crate::wire::liveagent;

/// A request of the legacy API, without its body.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// Whose org it is for.
    pub(super) tenant: &'a Tenant,
    /// Whether the path named the tenant.
    by_path: bool,
    /// As sent.
    pub(super) method: &'a Method,
    /// As sent.
    pub(super) headers: &'a HeaderMap,
    /// The path from the noun's prefix on, as sent.
    tail: &'a str,
    /// The query, as sent.
    query: Option<&'a str>,
    /// Where it came from, if it came over a connection.
    pub(super) peer: Option<Peer>,
    /// Whether its tenant's requests are counted with it already.
    pub(super) counted: bool,
    /// What is asked for; `None` when the API has no such noun.
    pub(super) noun: Option<Noun>,
    /// What follows the noun in the path, decoded.
    pub(super) rest: String,
}

/// The documented nouns of the visitor's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noun {
    SessionId,
    Messages,
    ReconnectSession,
    ResyncSession,
    /// `MultiNoun`.
    Batch,
    /// A noun asked for by a script tag.
    Script(Script),
    /// Where files go that were asked for.
    Upload,
    ChasitorInit,
    ChatMessage,
    ChasitorTyping,
    ChasitorNotTyping,
    ChatEnd,
    ChatCancel,
    /// Documented, and changes nothing here.
    Acknowledged,
    /// The same, from clients that name no session.
    AcknowledgedAlone,
    RichMessage,
    ChasitorIdleTimeoutWarningEvent,
    ChasitorSneakPeek,
    /// One that answers with a message and needs no session.
    Lookup(Lookup),
}

/// What answers with a message and needs no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Settings,
    Availability,
    VisitorId,
    EmbeddedServiceConfig,
    /// Acknowledged, without a message.
    Breadcrumb,
}

impl Lookup {
    /// The noun of this name.
    pub(super) fn find(prefix: &str, noun: &str) -> Option<Self> {
        Some(match (prefix, noun) {
            ("Visitor", "Settings") => Self::Settings,
            ("Visitor", "Availability") => Self::Availability,
            ("Visitor", "VisitorId") => Self::VisitorId,
            ("Visitor", "Breadcrumb") => Self::Breadcrumb,
            ("EmbeddedService", "EmbeddedServiceConfig") => Self::EmbeddedServiceConfig,
            _ => return None,
        })
    }
}

/// What a script tag asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    One(Lookup),
    /// `MultiNoun.jsonp`: those that `nouns` names.
    Many,
}

impl Noun {
    /// The noun of a path; spelled exactly, as the guide does.
    pub(super) fn find(prefix: &str, noun: &str) -> Option<Self> {
        Some(match (prefix, noun) {
            ("System", "SessionId") => Self::SessionId,
            ("System", "Messages") => Self::Messages,
            ("System", "ReconnectSession") => Self::ReconnectSession,
            ("System", "ResyncSession") => Self::ResyncSession,
            ("System", "MultiNoun") => Self::Batch,
            ("System", "MultiNoun.jsonp") => Self::Script(Script::Many),
            // The agent's side of it is the one noun of theirs that the guide lists.
            ("Visitor", "Breadcrumb" | "WebEvent")
            | ("WebEvent", "BatchedEvents")
            | ("Agent", "SensitiveDataRuleTriggered") => Self::AcknowledgedAlone,
            ("Chasitor", noun) => return Self::of_visitor(noun),
            ("upload", "") => Self::Upload,
            (prefix, noun) => {
                return match noun.strip_suffix(".jsonp") {
                    Some(noun) => {
                        Lookup::find(prefix, noun).map(|noun| Self::Script(Script::One(noun)))
                    }
                    None => Lookup::find(prefix, noun).map(Self::Lookup),
                };
            }
        })
    }

    /// The POST nouns that may be batched in a MultiNoun.
    pub(super) fn of_visitor(noun: &str) -> Option<Self> {
        Some(match noun {
            "ChasitorInit" => Self::ChasitorInit,
            "ChatMessage" => Self::ChatMessage,
            "ChasitorTyping" => Self::ChasitorTyping,
            "ChasitorNotTyping" => Self::ChasitorNotTyping,
            "ChatEnd" => Self::ChatEnd,
            "ChatCancel" => Self::ChatCancel,
            "RichMessage" => Self::RichMessage,
            "ChasitorIdleTimeoutWarningEvent" => Self::ChasitorIdleTimeoutWarningEvent,
            "ChasitorSneakPeek" => Self::ChasitorSneakPeek,
            "CustomEvent" => Self::Acknowledged,
            // The guide asks for no session here, and one client forgets it (live-agent.md 1.2).
            "ChasitorResyncState" | "SensitiveDataRuleTriggered" => Self::AcknowledgedAlone,
            _ => return None,
        })
    }

    /// The methods this noun knows, for `Allow`.
    pub(super) const fn methods(self) -> &'static str {
        match self {
            Self::SessionId => "GET, DELETE",
            Self::Messages | Self::ReconnectSession | Self::ResyncSession => "GET",
            Self::Lookup(_) | Self::Script(_) => "GET",
            // One client asks for ChasitorResyncState by GET, with a body (live-agent.md 1.2).
            Self::AcknowledgedAlone => "GET, POST",
            _ => "POST",
        }
    }

    /// Whether the version header belongs to it: scripts and forms cannot send any.
    pub(super) const fn wants_version(self) -> bool {
        !matches!(
            self,
            Self::Script(_) | Self::Upload | Self::Lookup(Lookup::EmbeddedServiceConfig)
        )
    }

    pub(super) fn allows(self, method: &Method) -> bool {
        self.methods().split(", ").any(|allowed| method == allowed)
    }
}

/// Why a request is for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoTenant;

impl<'a> Call<'a> {
    pub(super) fn read(config: &'a Config, parts: &'a Parts) -> Result<Self, NoTenant> {
        let path = parts.uri.path();
        let mut tail = path.trim_start_matches('/');
        let mut by_path = false;
        let tenant = if let ("t", after) = first(tail) {
            let (id, after) = first(after);
            (tail, by_path) = (after, true);
            config.tenant(id)
        } else {
            let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            config.tenant_for_host(host.or_else(|| parts.uri.host()).unwrap_or_default())
        };
        let tenant = tenant.ok_or(NoTenant)?;
        for part in ["chat", "rest"] {
            if let (name, after) = first(tail)
                && name == part
            {
                tail = after;
            }
        }
        let (prefix, after) = first(tail);
        let (noun, rest) = first(after);
        Ok(Self {
            tenant,
            by_path,
            method: &parts.method,
            headers: &parts.headers,
            tail,
            query: parts.uri.query(),
            peer: parts.extensions.get().copied(),
            counted: parts.extensions.get::<Counted>().is_some(),
            noun: Noun::find(prefix, noun),
            rest: percent_decode_str(rest.trim_end_matches('/')).decode_utf8_lossy().into_owned(),
        })
    }

    /// The same request with other headers.
    pub(super) fn with_headers<'b>(&'b self, headers: &'b HeaderMap) -> Call<'b> {
        Call { headers, rest: self.rest.clone(), ..*self }
    }

    /// Whether the path or the host names this tenant, not only that there is no other.
    pub(super) fn names(&self, tenant: &Tenant) -> bool {
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.by_path || host.is_some_and(|host| tenant.is_at(host))
    }

    /// What capturing makes of it, when it is of interest there.
    pub(super) fn captured(&self) -> Option<Asked> {
        Some(match (self.noun?, self.method) {
            (Noun::ChasitorInit, &Method::POST) => Asked::Init,
            (Noun::Batch, &Method::POST) => Asked::Batch,
            (Noun::ChatMessage, &Method::POST) => Asked::Say,
            (Noun::ChatEnd | Noun::ChatCancel, &Method::POST) => Asked::End,
            (Noun::SessionId, &Method::DELETE) => Asked::End,
            (Noun::Messages, &Method::GET) => Asked::Poll,
            _ => return None,
        })
    }

    /// Path and query below the base URL, as Salesforce wants them; what the client sent after the
    /// base is not touched.
    pub(super) fn path_and_query(&self) -> String {
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("/chat/rest/{}{query}", self.tail)
    }

    /// The session key: from the header, or where a noun carries it in the path.
    pub(super) fn key(&self) -> Option<&str> {
        let in_path = self.noun == Some(Noun::SessionId) && self.method == Method::DELETE;
        let key = if in_path && !self.rest.is_empty() {
            Some(self.rest.as_str())
        } else {
            self.header(liveagent::SESSION_KEY)
        };
        key.map(str::trim).filter(|key| !key.is_empty())
    }

    /// The session key of the header alone.
    pub(super) fn header_key(&self) -> Option<&str> {
        self.header(liveagent::SESSION_KEY).map(str::trim).filter(|key| !key.is_empty())
    }

    /// The query, as sent.
    pub(super) const fn query(&self) -> Option<&str> {
        self.query
    }

    /// `X-LIVEAGENT-SEQUENCE`, when it is a number.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.header(liveagent::SEQUENCE)?.trim().parse().ok()
    }

    /// `X-LIVEAGENT-AFFINITY`, as far as it names a server.
    pub(super) fn affinity(&self) -> Option<&str> {
        let token = self.header(liveagent::AFFINITY)?.trim();
        (!token.is_empty() && token != liveagent::NO_AFFINITY).then_some(token)
    }

    /// Whether the version header is there; its value is not judged.
    pub(super) fn has_version(&self) -> bool {
        self.header(liveagent::API_VERSION).is_some_and(|version| !version.trim().is_empty())
    }

    /// A query parameter's first value.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).next()
    }

    /// All values of a query parameter.
    pub(super) fn parameters(&self, name: &str) -> impl Iterator<Item = String> {
        url::form_urlencoded::parse(self.query.unwrap_or_default().as_bytes())
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A query parameter that is an integer.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.parameter(name)?.trim().parse().ok()
    }

    /// The members of a list parameter in all encodings of live-agent.md 3.12, as asked for.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let mut members = Vec::new();
        for value in self.parameters(name) {
            let inner = value.trim().trim_start_matches('[').trim_end_matches(']').to_owned();
            let texts = inner.split(',').map(|id| id.trim().trim_matches('"').to_owned());
            members.extend(texts.filter(|id| !id.is_empty()));
        }
        members
    }

    fn header(&self, name: &'static str) -> Option<&'a str> {
        self.headers.get(HeaderName::from_static(name))?.to_str().ok()
    }
}

/// The first segment of a path and what follows it; doubled slashes count once.
fn first(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    match path.split_once('/') {
        Some((segment, rest)) => (segment, rest.trim_start_matches('/')),
        None => (path, ""),
    }
}
