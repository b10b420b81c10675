//! The chats of this process, without a word of what was said.
//!
//! Promised: a chat of a tenant outside the token's scope does not exist. Not here: chats that are
//! relayed to legacy.

use std::sync::Arc;

use serde_json::{Value, json};

use super::probes::{PHASES, listed, phase, phase_code};
use super::problem::{Code, Problem};
use super::{Admin, Answer, Call, Reply, unavailable};
use crate::adapter::miaw::registry::End;
use crate::adapter::miaw::summary::{Listed, Summary};
use crate::chat::ids::ChatId;
use crate::chat::visitor::Routed;
use crate::observe::decisions::routed;

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
    let fits = |one: &&Listed| {
        call.sees(&one.tenant)
            && after.is_none_or(|after| one.chat > after)
            && tenant.is_none_or(|tenant| one.tenant == tenant)
            && wanted.is_none_or(|wanted| phase(one) == wanted)
    };
    let all = admin.parts.chats.list();
    let mut found: Vec<&Listed> = all.iter().filter(fits).take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.chat.to_string());
    let chats: Vec<Value> = found
        .into_iter()
        .map(|one| {
            let why = admin.parts.decisions.of(one.chat);
            let mut body = listed(one);
            body["reason"] = why.as_ref().map(|why| routed(why).sentence).into();
            body
        })
        .collect();
    Reply::ok(&json!({ "chats": chats, "next": next }))
}

pub(super) async fn one(admin: Arc<Admin>, call: Call) -> Answer {
    let chat = asked(&call)?;
    let summary = find(&admin, &call, chat).await?;
    Reply::ok(&described(&admin, &summary))
}

/// Why a chat is where it is: from the chat itself, else from what this process remembers.
pub(super) async fn decision(admin: Arc<Admin>, call: Call) -> Answer {
    let chat = asked(&call)?;
    let known = admin.parts.chats.describe(chat).await.map_err(|error| unavailable(&error))?;
    let remembered = admin.parts.decisions.of(chat);
    let stored = known.as_ref().and_then(|known| known.routed.clone());
    let tenant = known.as_ref().map(|known| known.tenant.as_str());
    let tenant = tenant.or(remembered.as_ref().map(|decided| decided.tenant.as_str()));
    let tenant = tenant.filter(|tenant| call.sees(tenant)).ok_or_else(none)?;
    let why = remembered.as_ref().map(routed).or(stored);
    let Some(why) = why else {
        let detail = "the chat is known, but the reason for its route was not written down";
        return Err(Problem::new(Code::NoSuchChat, detail));
    };
    let mut body = explained(&why);
    body["chat"] = chat.to_string().into();
    body["tenant"] = tenant.into();
    Reply::ok(&body)
}

pub(super) async fn end(admin: Arc<Admin>, call: Call) -> Answer {
    let chat = asked(&call)?;
    let summary = find(&admin, &call, chat).await?;
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
    tracing::info!(tenant = summary.tenant, chat = %chat, outcome, "a chat was ended by an operator");
    Reply::ok(&json!({ "chat": chat.to_string(), "outcome": outcome }))
}

fn asked(call: &Call) -> Result<ChatId, Problem> {
    id(call.param(0)).map_err(|_| none())
}

fn id(text: &str) -> Result<ChatId, String> {
    let expected = || "expected the id of a chat".to_owned();
    uuid::Uuid::try_parse(text).map(ChatId).map_err(|_| expected())
}

async fn find(admin: &Admin, call: &Call, chat: ChatId) -> Result<Summary, Problem> {
    let known = admin.parts.chats.describe(chat).await.map_err(|error| unavailable(&error))?;
    known.filter(|known| call.sees(&known.tenant)).ok_or_else(none)
}

fn none() -> Problem {
    let detail = "no chat with this id is known; ended chats are kept for `retention_hours`, and \
                  chats on legacy are not listed";
    Problem::new(Code::NoSuchChat, detail)
}

fn described(admin: &Admin, summary: &Summary) -> Value {
    let one =
        Listed { chat: summary.chat, tenant: summary.tenant.clone(), glance: Some(summary.glance) };
    let mut body = listed(&one);
    let why = admin.parts.decisions.of(summary.chat);
    let why = why.as_ref().map(routed).or_else(|| summary.routed.clone());
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
