//! The chats of this process, without a word of what was said.
//!
//! Promised: a chat of a tenant outside the token's scope does not exist; chats are in the order of
//! their ids, those under Salesforce's own key last. Relayed chats are shown as far as this process
//! saw them pass by, and never ended.

use std::sync::Arc;

use serde_json::{Value, json};

use super::probes::{PHASES, listed, phase, phase_code};
use super::problem::{Code, Problem};
use super::{Admin, Answer, Call, Reply, unavailable};
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

pub(super) async fn list(admin: Arc<Admin>, call: Call) -> Answer {
    let limit = call.query.limit(PAGE, PAGE_MAX)?;
    let after = call.query.read_as("after", id)?;
    let wanted = call.query.read_as("phase", |text| {
        let known = PHASES.into_iter().find(|known| *known == text);
        known.ok_or_else(|| format!("expected one of {}", PHASES.join(", ")))
    })?;
    let tenant = call.query.text("tenant");
    let (all, relayed) = (admin.parts.chats.list(), admin.parts.relay.passing());
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
    let chats: Vec<Value> = found.iter().map(|(_, one)| one.json(&admin)).collect();
    Reply::ok(&json!({ "chats": chats, "next": next }))
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

    fn json(&self, admin: &Admin) -> Value {
        match self {
            Self::Translated(one) => {
                let why = admin.parts.decisions.of(one.chat);
                let mut body = listed(one);
                body["reason"] = why.map(|why| why.routed().sentence).into();
                body
            }
            Self::Relayed(one) => passing(one),
        }
    }
}

pub(super) async fn one(admin: Arc<Admin>, call: Call) -> Answer {
    let chat = asked(&call)?;
    if let Some(relayed) = relayed(&admin, &call, chat) {
        let mut body = passing(&relayed);
        body["decision"] = relayed.routed.as_ref().map(explained).into();
        return Reply::ok(&body);
    }
    let summary = find(&admin, &call, chat).await?;
    Reply::ok(&described(&admin, &summary))
}

/// Why a chat is where it is: from the chat itself, else from what this process remembers.
pub(super) async fn decision(admin: Arc<Admin>, call: Call) -> Answer {
    let id = asked(&call)?;
    let relayed = relayed(&admin, &call, id);
    let mut tenant = relayed.as_ref().map(|relayed| relayed.tenant.clone());
    let mut why = relayed.and_then(|relayed| relayed.routed);
    if let PassingId::Chat(chat) = id
        && why.is_none()
    {
        let known = admin.parts.chats.describe(chat).await.map_err(|error| unavailable(&error))?;
        let remembered = admin.parts.decisions.of(chat);
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
pub(super) async fn messages(admin: Arc<Admin>, call: Call) -> Answer {
    let chat = asked(&call)?;
    if relayed(&admin, &call, chat).is_some() {
        let detail = "the chat is relayed to the legacy service: its messages pass by and are not \
                      kept, so the bridge knows no check-points of theirs";
        return Err(Problem::new(Code::Refused, detail).with("reason", "relayed"));
    }
    let summary = find(&admin, &call, chat).await?;
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

pub(super) async fn end(admin: Arc<Admin>, call: Call) -> Answer {
    let chat = asked(&call)?;
    if relayed(&admin, &call, chat).is_some() {
        let detail = "the chat is relayed to the legacy service, and only its visitor or its agent \
                      ends it there; the bridge ends chats on MIAW";
        return Err(Problem::new(Code::Refused, detail).with("reason", "relayed"));
    }
    let summary = find(&admin, &call, chat).await?;
    let chat = summary.chat;
    let ended = admin.parts.chats.end(&summary.tenant, chat).await;
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

fn asked(call: &Call) -> Result<PassingId, Problem> {
    id(call.param(0)).map_err(|_| none())
}

fn id(text: &str) -> Result<PassingId, String> {
    PassingId::parse(text).ok_or_else(|| "expected the id of a chat".to_owned())
}

/// A relayed chat that this process remembers.
fn relayed(admin: &Admin, call: &Call, chat: PassingId) -> Option<Passing> {
    admin.parts.relay.find(chat).filter(|known| call.sees(&known.tenant))
}

async fn find(admin: &Admin, call: &Call, chat: PassingId) -> Result<Summary, Problem> {
    let PassingId::Chat(chat) = chat else { return Err(none()) };
    let known = admin.parts.chats.describe(chat).await.map_err(|error| unavailable(&error))?;
    known.filter(|known| call.sees(&known.tenant)).ok_or_else(none)
}

fn none() -> Problem {
    let detail = "no chat with this id is known; ended chats are kept for `retention_hours`, and \
                  of chats on legacy this process knows those that passed by since it started";
    Problem::new(Code::NoSuchChat, detail)
}

/// How a relayed chat looks as JSON.
fn passing(one: &Passing) -> Value {
    json!({
        "id": one.id.to_string(),
        "tenant": one.tenant,
        "backend": "legacy",
        "phase": one.phase.map(phase_code),
        "began": one.routed.as_ref().map(|routed| routed.at.to_string()),
        "sequence": one.sequence,
        "because": one.routed.as_ref().map(|routed| routed.because.as_str()),
        "reason": one.routed.as_ref().map(|routed| routed.sentence.as_str()),
    })
}

fn described(admin: &Admin, summary: &Summary) -> Value {
    let one =
        Listed { chat: summary.chat, tenant: summary.tenant.clone(), glance: Some(summary.glance) };
    let mut body = listed(&one);
    let why = admin.parts.decisions.of(summary.chat);
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

fn explained(why: &Routed) -> Value {
    json!({
        "at": why.at.to_string(),
        "route": why.route,
        "because": why.because,
        "sentence": why.sentence,
    })
}
