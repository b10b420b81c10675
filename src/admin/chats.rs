//! The chats of this node, without a word of what was said; `elsewhere` asks the others.
//!
//! Promised: a chat of a tenant outside the token's scope does not exist; chats are in the order of
//! their ids, those under Salesforce's own key last. Relayed chats are shown as far as this process
//! saw them pass by, and never ended.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::probes::{PHASES, listed, phase, phase_code};
use super::problem::{Code, Problem};
use super::{Answer, Call, Parts, Reply, unavailable};
use crate::adapter::liveagent::{Passing, PassingId};
use crate::adapter::miaw::registry::End;
use crate::adapter::miaw::summary::{Listed, Summary};
use crate::chat::checkpoints::{Checkpoint, Fate, From};
use crate::chat::visitor::Routed;
use crate::facade::Decided;
use crate::time::Wall;

/// Chats on a page unless the request says otherwise.
const PAGE: usize = 100;
/// The most chats on a page.
const PAGE_MAX: usize = 1_000;

/// Every answer about chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum What {
    List,
    One,
    Decision,
    Messages,
    End,
}

/// What this node knows, and what becomes of its own chats.
pub(super) async fn here(parts: &Parts, what: What, call: &Call) -> Answer {
    match what {
        What::List => Reply::ok(&page(parts, call)?),
        What::One => one(parts, call).await,
        What::Decision => decision(parts, call).await,
        What::Messages => messages(parts, call).await,
        What::End => end(parts, call).await,
    }
}

/// How many chats are wanted.
pub(super) fn limit(call: &Call) -> Result<usize, Problem> {
    call.query.limit(PAGE, PAGE_MAX)
}

/// A page of this node's chats.
pub(super) fn page(parts: &Parts, call: &Call) -> Result<Page, Problem> {
    let limit = limit(call)?;
    let after = call.query.read_as("after", id)?;
    let wanted = call.query.read_as("phase", |text| {
        let known = PHASES.into_iter().find(|known| *known == text);
        known.ok_or_else(|| format!("expected one of {}", PHASES.join(", ")))
    })?;
    let tenant = call.query.text("tenant");
    let (all, relayed) = (parts.chats.list(), parts.relay.passing());
    let here = all.iter().map(|one| (PassingId::Chat(one.chat), One::Translated(one)));
    let there = relayed.values().map(|one| (one.id, One::Relayed(one)));
    let mut found: Vec<(PassingId, One<'_>)> = here
        .chain(there)
        .filter(|(id, one)| {
            call.sees(one.tenant())
                && after.is_none_or(|after| *id > after)
                && tenant.is_none_or(|tenant| one.tenant() == tenant)
                && wanted.is_none_or(|wanted| one.phase() == Some(wanted))
        })
        .collect();
    found.sort_by_key(|(id, _)| *id);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(last, _)| last.to_string());
    let chats = found.iter().map(|(_, one)| one.json(parts)).collect();
    Ok(Page { chats, next, silent_nodes: Vec::new() })
}

/// Chats in the order of their ids.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) chats: Vec<Value>,
    /// The last one's id, when there are more.
    pub(super) next: Option<String>,
    /// Nodes whose chats are missing, by name.
    #[serde(default)]
    pub(super) silent_nodes: Vec<String>,
}

impl Page {
    /// This page with the chats of other nodes, cut to so many.
    pub(super) fn with(self, others: Vec<Self>, limit: usize) -> Self {
        let Self { mut chats, next, silent_nodes } = self;
        let mut more = next.is_some();
        for other in others {
            more |= other.next.is_some();
            chats.extend(other.chats);
        }
        // One that is about to begin may be at two nodes: the poll that came early at one of them.
        let place = |chat: &Value| {
            let id = chat["id"].as_str().and_then(PassingId::parse);
            (id, chat["began"].is_null())
        };
        chats.sort_by_key(place);
        chats.dedup_by_key(|chat| place(chat).0);
        more |= chats.len() > limit;
        chats.truncate(limit);
        let last = chats.last().and_then(|chat| chat["id"].as_str().map(str::to_owned));
        Self { chats, next: last.filter(|_| more), silent_nodes }
    }
}

/// A chat in the list.
enum One<'a> {
    Translated(&'a Listed),
    Relayed(&'a Passing),
}

impl One<'_> {
    fn tenant(&self) -> &str {
        match self {
            Self::Translated(one) => &one.tenant,
            Self::Relayed(one) => &one.tenant,
        }
    }

    fn phase(&self) -> Option<&'static str> {
        match self {
            Self::Translated(one) => Some(phase(one)),
            Self::Relayed(one) => one.phase.map(phase_code),
        }
    }

    fn json(&self, parts: &Parts) -> Value {
        match self {
            Self::Translated(one) => {
                let why = parts.decisions.of(one.chat);
                let mut body = listed(one);
                body["node"] = node(parts);
                body["reason"] = why.map(|why| why.routed().sentence).into();
                body
            }
            Self::Relayed(one) => passing(parts, one),
        }
    }
}

async fn one(parts: &Parts, call: &Call) -> Answer {
    let chat = asked(call)?;
    if let Some(relayed) = relayed(parts, call, chat) {
        let mut body = passing(parts, &relayed);
        body["decision"] = relayed.routed.as_ref().map(explained).into();
        return Reply::ok(&body);
    }
    let summary = find(parts, call, chat).await?;
    Reply::ok(&described(parts, &summary))
}

/// Why a chat is where it is: from the chat itself, else from what this process remembers.
async fn decision(parts: &Parts, call: &Call) -> Answer {
    let id = asked(call)?;
    let relayed = relayed(parts, call, id);
    let mut tenant = relayed.as_ref().map(|relayed| relayed.tenant.clone());
    let mut why = relayed.and_then(|relayed| relayed.routed);
    if let PassingId::Chat(chat) = id
        && why.is_none()
    {
        let known = parts.chats.describe(chat).await.map_err(|error| unavailable(&error))?;
        let remembered = parts.decisions.of(chat);
        why = remembered.as_ref().map(Decided::routed);
        why = why.or(known.as_ref().and_then(|known| known.routed.clone()));
        let of = known.map(|known| known.tenant).or(remembered.map(|decided| decided.tenant));
        tenant = tenant.or(of);
    }
    let tenant = tenant.filter(|tenant| call.sees(tenant)).ok_or_else(none)?;
    let Some(why) = why else {
        let detail = "the chat is known, but the reason for its route was not written down";
        return Err(Problem::new(Code::NoSuchChat, detail));
    };
    let mut body = explained(&why);
    body["chat"] = id.to_string().into();
    body["tenant"] = tenant.into();
    Reply::ok(&body)
}

/// How far the newest messages of a translated chat have come.
async fn messages(parts: &Parts, call: &Call) -> Answer {
    let chat = asked(call)?;
    if relayed(parts, call, chat).is_some() {
        let detail = "the chat is relayed to the legacy service: its messages pass by and are not \
                      kept, so the bridge knows no check-points of theirs";
        return Err(Problem::new(Code::Refused, detail).with("reason", "relayed"));
    }
    let summary = find(parts, call, chat).await?;
    let messages: Vec<Value> = summary.messages.iter().map(checkpoint).collect();
    Reply::ok(&json!({ "chat": summary.chat.to_string(), "messages": messages }))
}

fn checkpoint(one: &Checkpoint) -> Value {
    let at = |wall: Option<Wall>| wall.map(|at| at.to_string());
    json!({
        "from": match one.from {
            From::Visitor => "visitor",
            From::Agent => "agent",
        },
        "number": one.number,
        "kind": one.kind,
        "id": one.id,
        "received": at(one.received),
        "stored": at(one.stored),
        "sent": at(one.sent),
        "accepted": at(one.accepted),
        "delivered": at(one.delivered),
        "acked": at(one.acked),
        "fate": match one.fate {
            Fate::Open => "open",
            Fate::Done => "done",
            Fate::GivenUp => "givenUp",
            Fate::Unknown => "unknown",
        },
    })
}

async fn end(parts: &Parts, call: &Call) -> Answer {
    let chat = asked(call)?;
    if relayed(parts, call, chat).is_some() {
        let detail = "the chat is relayed to the legacy service, and only its visitor or its agent \
                      ends it there; the bridge ends chats on MIAW";
        return Err(Problem::new(Code::Refused, detail).with("reason", "relayed"));
    }
    let summary = find(parts, call, chat).await?;
    let chat = summary.chat;
    let ended = parts.chats.end(&summary.tenant, chat).await;
    let outcome = match ended.map_err(|error| unavailable(&error))? {
        End::Done => "ended",
        End::WasOver => "wasOver",
        End::NoSuchChat => return Err(none()),
        End::NoAnswer => {
            let detail = "the chat did not answer in time; look whether it has ended, then retry";
            return Err(Problem::new(Code::Overloaded, detail));
        }
    };
    let tenant = summary.tenant;
    tracing::info!(tenant, %chat, outcome, "a chat was ended by an operator");
    Reply::ok(&json!({ "chat": chat.to_string(), "outcome": outcome }))
}

pub(super) fn asked(call: &Call) -> Result<PassingId, Problem> {
    id(call.param(0)).map_err(|_| none())
}

fn id(text: &str) -> Result<PassingId, String> {
    PassingId::parse(text).ok_or_else(|| "expected the id of a chat".to_owned())
}

/// A relayed chat that this process remembers.
fn relayed(parts: &Parts, call: &Call, chat: PassingId) -> Option<Passing> {
    parts.relay.find(chat).filter(|known| call.sees(&known.tenant))
}

async fn find(parts: &Parts, call: &Call, chat: PassingId) -> Result<Summary, Problem> {
    let PassingId::Chat(chat) = chat else { return Err(none()) };
    let known = parts.chats.describe(chat).await.map_err(|error| unavailable(&error))?;
    known.filter(|known| call.sees(&known.tenant)).ok_or_else(none)
}

fn none() -> Problem {
    let detail = "no chat with this id is known; ended chats are kept for `retention_hours`, and \
                  of chats on legacy this process knows those that passed by since it started";
    Problem::new(Code::NoSuchChat, detail)
}

/// How a relayed chat looks as JSON.
fn passing(parts: &Parts, one: &Passing) -> Value {
    json!({
        "id": one.id.to_string(),
        "tenant": one.tenant,
        "node": node(parts),
        "backend": "legacy",
        "phase": one.phase.map(phase_code),
        "began": one.routed.as_ref().map(|routed| routed.at.to_string()),
        "sequence": one.sequence,
        "because": one.routed.as_ref().map(|routed| routed.because.as_str()),
        "reason": one.routed.as_ref().map(|routed| routed.sentence.as_str()),
    })
}

fn described(parts: &Parts, summary: &Summary) -> Value {
    let one =
        Listed { chat: summary.chat, tenant: summary.tenant.clone(), glance: Some(summary.glance) };
    let mut body = listed(&one);
    body["node"] = node(parts);
    let why = parts.decisions.of(summary.chat);
    let why = why.as_ref().map(Decided::routed).or_else(|| summary.routed.clone());
    body["phase"] = phase_code(summary.glance.phase).into();
    body["button"] = summary.button.as_str().into();
    body["decision"] = why.as_ref().map(explained).into();
    body["pendingOperations"] = summary.pending.clone().into();
    body["tokenEnds"] = summary.token_ends.map(|at| at.to_string()).into();
    body["streamOpen"] = summary.streaming.into();
    body["live"] = summary.live.into();
    body
}

/// What people call this node; null where there is only one.
fn node(parts: &Parts) -> Value {
    parts.cluster.as_ref().map(|cluster| cluster.identity().name).into()
}

fn explained(why: &Routed) -> Value {
    json!({
        "at": why.at.to_string(),
        "route": why.route,
        "because": why.because,
        "sentence": why.sentence,
    })
}
