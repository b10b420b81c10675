//! Chats of all nodes, whichever is asked: what another node knows or does is asked of it on its
//! private listener.
//!
//! Promised: token and role are judged by the node that was asked, the token's tenants by each; a
//! list waits at most [`LIST_WITHIN`] for any node and names those that did not answer; of each no
//! more than one page is read. A chat that its node does not tell of is read from the store; ended
//! is it only by the node that has it. Not promised: one moment for all nodes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};

use super::auth::{Caller, Role, Scope};
use super::chats::{self, Page, What};
use super::problem::{self, Code, Problem};
use super::query::Query;
use super::{Admin, Answer, BODY_BYTES_MAX, Call, Parts, Reply, read};
use crate::adapter::liveagent::PassingId;
use crate::chat::ids::ChatId;
use crate::cluster::forward::{Refused, not_here};
use crate::cluster::{Cluster, Peer, Place};

/// Where nodes ask each other.
const PATH: &str = "/cluster/v1/chats";
/// The longest wait for a node's part of a list.
const LIST_WITHIN: Duration = Duration::from_secs(2);
/// The longest wait for what a node says of one chat: longer than a chat may take to answer it.
const ONE_WITHIN: Duration = Duration::from_secs(8);
/// A chat that goes from node to node is followed at most so often.
const TRIES: usize = 2;

/// What a node asks of another one.
#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    what: What,
    chat: Option<String>,
    query: Query,
    /// Who asked, and for which tenants; `None`: for all.
    subject: String,
    tenants: Option<Vec<String>>,
}

impl Wanted {
    fn of(what: What, call: &Call) -> Option<Self> {
        let caller = call.caller.as_ref()?;
        let tenants = match &caller.scope {
            Scope::All => None,
            Scope::Only(tenants) => Some(tenants.clone()),
        };
        let (chat, query) = (call.params.first().cloned(), call.query.clone());
        Some(Self { what, chat, query, subject: caller.subject.clone(), tenants })
    }

    fn call(self) -> (What, Call) {
        let scope = self.tenants.map_or(Scope::All, Scope::Only);
        // That the role suffices was found by the node that asks.
        let caller = Caller { subject: self.subject, role: Role::Operate, scope };
        let params = self.chat.into_iter().collect();
        let (caller, query, body) = (Some(caller), self.query, Bytes::new());
        (self.what, Call { caller, params, query, body })
    }
}

/// The chats of all nodes.
pub(super) async fn list(admin: Arc<Admin>, call: Call) -> Answer {
    let limit = chats::limit(&call)?;
    let mut page = chats::page(&admin.parts, &call)?;
    let Some(cluster) = &admin.parts.cluster else { return Reply::ok(&page) };
    let others = cluster.others();
    let asked = others.iter().map(async |(name, peer)| {
        let answer = ask(cluster, peer, What::List, &call, LIST_WITHIN).await;
        let read = answer.filter(|answer| answer.status == StatusCode::OK);
        (name.clone(), read.and_then(|answer| serde_json::from_slice::<Page>(&answer.body).ok()))
    });
    let mut pages = Vec::new();
    for (name, answer) in join_all(asked).await {
        match answer {
            Some(answer) => pages.push(answer),
            None => page.silent_nodes.push(name),
        }
    }
    Reply::ok(&page.with(pages, limit))
}

/// What is known of one chat, or done with it, by the node that has it.
pub(super) async fn one(admin: Arc<Admin>, what: What, call: Call) -> Answer {
    let parts = &admin.parts;
    if let Some(cluster) = &parts.cluster {
        let found = match chats::asked(&call)? {
            PassingId::Chat(chat) => at_owner(cluster, chat, what, &call).await?,
            // Its id is known to one node alone.
            id if parts.relay.find(id).is_none() => anywhere(cluster, what, &call).await,
            PassingId::Verbatim(_) => None,
        };
        if let Some(reply) = found {
            return Ok(reply);
        }
    }
    chats::here(parts, what, &call).await
}

/// The answer of the node that has the chat; `None` when this one may answer.
async fn at_owner(
    cluster: &Cluster,
    chat: ChatId,
    what: What,
    call: &Call,
) -> Result<Option<Reply>, Problem> {
    for _ in 0..TRIES {
        let Ok(Place::At(peer)) = cluster.place(chat).await else { return Ok(None) };
        match ask(cluster, &peer, what, call, ONE_WITHIN).await {
            Some(reply) if reply.status == StatusCode::MISDIRECTED_REQUEST => {
                cluster.not_there(chat);
            }
            Some(reply) => return Ok(Some(reply)),
            // What is stored can be told by anybody.
            None if what != What::End => return Ok(None),
            None => {
                let address = peer.address;
                let detail = format!(
                    "the node at {address}, which has the chat, does not answer; look whether the \
                     chat has ended, then retry"
                );
                return Err(Problem::new(Code::Overloaded, detail));
            }
        }
    }
    Ok(None)
}

/// The answer of whichever node knows the chat.
async fn anywhere(cluster: &Cluster, what: What, call: &Call) -> Option<Reply> {
    let others = cluster.others();
    let asked = others.iter().map(|(_, peer)| ask(cluster, peer, what, call, LIST_WITHIN));
    let answers = join_all(asked).await.into_iter().flatten();
    let known = |reply: &Reply| reply.status.is_success() || reply.status.as_u16() == 422;
    answers.into_iter().find(known)
}

async fn ask(
    cluster: &Cluster,
    peer: &Peer,
    what: What,
    call: &Call,
    within: Duration,
) -> Option<Reply> {
    let body = Bytes::from(serde_json::to_vec(&Wanted::of(what, call)?).ok()?);
    let answer = cluster.ask_for(peer, PATH, &body, Vec::new(), within).await?;
    let kind = match answer.status().is_success() {
        true => "application/json",
        false => problem::KIND,
    };
    let status = answer.status();
    let body = answer.into_body().collect().await.ok()?.to_bytes().to_vec();
    Some(Reply { status, kind, body })
}

/// The private listener with what nodes ask each other about chats.
pub fn for_nodes(parts: &Parts, cluster: Cluster, others: Router) -> Router {
    let parts = parts.clone();
    let asked = move |request| answer(parts.clone(), cluster.clone(), request);
    Router::new().route(PATH, post(asked)).fallback_service(others)
}

async fn answer(parts: Parts, cluster: Cluster, request: Request) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let passed = match cluster.let_in(&mut head) {
        Ok(passed) => passed,
        Err(refused) => return refused.answer(),
    };
    let body = match read(body, BODY_BYTES_MAX).await {
        Ok(body) if passed.is_of(&body) => body,
        Ok(_) => return Refused::Stranger.answer(),
        Err(problem) => return problem.response(),
    };
    let Ok(wanted) = serde_json::from_slice::<Wanted>(&body) else {
        let detail = "the nodes are of different versions";
        return Problem::new(Code::BadRequest, detail).response();
    };
    let (what, call) = wanted.call();
    if what != What::List
        && let Ok(PassingId::Chat(chat)) = chats::asked(&call)
        && !matches!(cluster.place(chat).await, Ok(Place::Here))
    {
        return not_here();
    }
    match chats::here(&parts, what, &call).await {
        Ok(reply) => reply.response(),
        Err(problem) => problem.response(),
    }
}
