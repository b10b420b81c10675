//! The legacy Live Agent REST API as callers know it.
//!
//! Reading order: this file (what a request meets), `call` (one request, read), `route` (who
//! answers it), `legacy` (the relay and its end), `relayed` (what a key of ours leads to), `chat`
//! (translated chats), `visitor` (nouns without a session), `jsonp` (the same for script tags),
//! `upload` (files), `body` and `reply` (bytes in and out), `receipted` (who is told that an answer
//! was handed over), `marks` (what every answer carries), `key`, `affinity`, `live` (the
//! configuration of now), `placed` (chats that are at another node).
//!
//! Promised: every answer has the status, content type and text that real clients depend on; a
//! session key of ours never leaves; nothing is stored here. Not promised: delivery, order and
//! duplicates, which are the chat's ([`Chats`]).

pub mod affinity;
mod body;
mod buttons;
mod call;
mod chat;
mod cors;
mod deprecation;
pub mod gate;
mod jsonp;
pub mod key;
mod legacy;
pub mod live;
mod marks;
pub mod placed;
mod receipted;
mod relayed;
mod reply;
mod route;
mod upload;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::{Response, StatusCode};

use crate::adapter::liveagent::LiveAgent;
use crate::adapter::{Chats, Uploads};
use crate::availability::Availability;
use crate::capture::{self, Capture};
use crate::chat::ids::ChatId;
use crate::chat::visitor::{Begin, Routed};
use crate::clock::Clock;
use crate::config::{Config, Tenant};
use crate::cutover::Cutover;
use crate::router::decide::{Because, Route};
use crate::shadow::{Shadows, Watch};
use crate::time::Wall;
use crate::wire::liveagent::BadRequest;
use crate::wire::liveagent::request::ChasitorInit;
use affinity::Affinity;
pub(crate) use body::decode;
use call::Call;
use gate::{Gate, Inside};
use key::KeyRing;
use live::Live;
use marks::Marks;

/// Turns a ChasitorInit, and the text it was read from, into what the machine begins with; or says
/// what is wrong with it.
pub type Translate =
    Arc<dyn Fn(&Tenant, &ChasitorInit, &str) -> Result<Begin, BadRequest> + Send + Sync>;

/// Everything the facade needs.
#[derive(Clone)]
pub struct Facade {
    /// Tenants and limits.
    pub config: Arc<Config>,
    /// Signs and recognizes session keys.
    pub keys: KeyRing,
    /// The time.
    pub clock: Clock,
    /// The translated chats.
    pub chats: Arc<dyn Chats>,
    /// The way to the real Live Agent service.
    pub relay: Arc<LiveAgent>,
    /// The pre-chat mapping.
    pub translate: Translate,
    /// Is told every decision for a new chat.
    pub decisions: Arc<dyn Decisions>,
    /// The tenants' plans and changes.
    pub cutover: Cutover,
    /// What is known about who is there.
    pub availability: Arc<Availability>,
    /// Who takes the files of visitors.
    pub uploads: Arc<dyn Uploads>,
    /// Gives out the affinity tokens.
    pub affinity: Affinity,
    /// Counts what is under way.
    pub gate: Gate,
    /// How strictly requests are taken.
    pub strictness: Strictness,
    /// Writes captured traffic for the tenants that opted in.
    pub capture: Option<Capture>,
    /// Counts what MIAW would make of relayed chats.
    pub shadow: Option<Shadows>,
}

/// Where the facade may be stricter or more lenient than its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strictness {
    /// A request without `X-LIVEAGENT-API-VERSION` is answered 400, like the real service does.
    pub version_required: bool,
}

impl Default for Strictness {
    fn default() -> Self {
        Self { version_required: true }
    }
}

/// A decision for a new chat.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The tenant's id.
    pub tenant: String,
    /// The chat. On legacy Salesforce gives it another id; this one is what the draw was made from.
    pub chat: ChatId,
    /// When, by the calendar that decided.
    pub at: Wall,
    /// Where it goes.
    pub route: Route,
    /// Why.
    pub because: Because,
}

impl Decided {
    /// In the words that are kept with the chat.
    #[must_use]
    pub fn routed(&self) -> Routed {
        Routed {
            at: self.at,
            route: self.route.code().to_owned(),
            because: self.because.code().to_owned(),
            sentence: self.because.to_string(),
        }
    }
}

/// Whom to tell of decisions: the log, metrics, the demo. Must return at once.
pub trait Decisions: Send + Sync + 'static {
    /// A new chat was decided about.
    fn decided(&self, decided: Decided);
}

/// In the extensions of an answer: the noun that was asked for. For metrics.
#[derive(Clone, Debug)]
pub struct Asked(pub String);

/// The facade as a service. Any path is taken, so that every form of base URL works.
pub fn router(facade: Facade) -> Router {
    live_router(Live::new(facade))
}

/// The same with a facade that can be exchanged.
pub fn live_router(live: Live) -> Router {
    Router::new().fallback(handle).with_state(live)
}

async fn handle(State(live): State<Live>, request: Request) -> Response<Body> {
    answer(&live, request).await
}

/// The answer of this node, whatever others know.
async fn answer(live: &Live, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let facade = live.of(&parts);
    let Ok(call) = Call::read(&facade.config, &parts) else {
        return reply::text(StatusCode::NOT_FOUND, "No tenant has this host or path");
    };
    let marks = Marks::of(&call);
    if let Some(preflight) = marks.preflight(&call) {
        return preflight;
    }
    let inside = (!call.counted).then(|| facade.enter(&call.tenant.id)).transpose();
    let _inside = match inside {
        Ok(inside) => inside,
        Err(refusal) => return marks.on(*refusal),
    };
    let asked = call.captured().zip(facade.capture.as_ref());
    let shadow = shadowed(&facade, &call);
    let body = shadow.iter().fold(body, |body, shadow| shadow.request(body));
    let watch = asked.and_then(|(asked, to)| to.watch(&call.tenant.id, call.key(), asked));
    let body = watch.iter().fold(body, |body, watch| watch.request(body));
    let mut response = route::answer(&facade, &call, body).await;
    if let Some(shadow) = shadow {
        shadow.answered(&response, &facade.config, &call.tenant.id);
    }
    if let Some(watch) = watch {
        response = watch.response(response);
    }
    marks.on(response)
}

impl Facade {
    /// Lets a request in, unless its tenant has too many under way.
    fn enter(&self, tenant: &str) -> Result<Inside, reply::Refusal> {
        let inside = self.gate.enter(tenant, &self.config.limits);
        inside.ok_or_else(|| Box::new(reply::too_many("Too many requests at once")))
    }
}

/// A watch over what may begin a chat, when its tenant's stage asks for one.
fn shadowed(facade: &Facade, call: &Call<'_>) -> Option<Watch> {
    let begins = |asked: &_| matches!(asked, capture::Asked::Init | capture::Asked::Batch);
    let asked = call.captured().filter(begins)?;
    let (plan, now) = (facade.cutover.of(call.tenant), facade.clock.now().wall);
    facade.shadow.as_ref()?.watch(call.tenant, plan, now, call.key(), asked)
}
