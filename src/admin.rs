//! The admin API on a listener of its own: what operators see and change at run time.
//!
//! Reading order: this file (what a request meets), `routes` (every path), `auth` and `keys` (who
//! calls), `problem` (errors), `tenants`, `changes`, `chats`, `elsewhere` (chats of other nodes),
//! `mapping`, `reports`, `operations`, `probes` (the answers), `views` (how plans look), `token`
//! (makes tokens), `console` (the page for people). A test holds it all to `docs/openapi.json`.
//!
//! Promised: but for the probes, a good token is needed; nothing that anybody said, no name, token
//! or key is ever answered, but for what the very request brought to be tried; bodies are bounded;
//! no other origin's page is let in. Not promised: to be safe on a public network without TLS.

mod auth;
mod changes;
mod chats;
pub mod console;
mod elsewhere;
mod keys;
mod mapping;
mod nodes;
mod operations;
mod probes;
pub mod problem;
mod query;
pub mod reports;
pub mod routes;
mod tenants;
pub mod token;
mod views;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::adapter::liveagent::LiveAgent;
use crate::adapter::miaw::registry::Registry;
use crate::adapter::transport::Transport;
use crate::availability::Availability;
use crate::capture::Capture;
use crate::chat::visitor::VerifiedUser;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::{AdminConfig, Config, Tenant};
use crate::cutover::Cutover;
use crate::mapping::read::ReadError;
use crate::mapping::{Mapping, Translation};
use crate::observe::decisions::Watched;
use crate::observe::history::History;
use crate::observe::metrics::Metrics;
use crate::shadow::Shadows;
use crate::store::shared::Shared;
use crate::store::{Store, StoreError};
use crate::time::Wall;
pub use auth::{Auth, Caller, Role, SUBJECT_CHARS_MAX, Scope, TOKEN_BYTES_MAX};
pub use elsewhere::for_nodes;
pub use keys::{JWKS_BYTES_MAX, JWKS_FRESH_FOR, JWKS_KEYS_MAX, JWKS_READ_EVERY};
use problem::{Code, Problem};
use query::Query;
use reports::kept::Reports;
use routes::{Access, Route};

/// The longest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 65_536;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The document that describes this API.
pub const OPENAPI: &str = include_str!("../docs/openapi.json");

/// What a reload answers: the differences as lines, or every problem as text.
pub type Reloaded = Result<Vec<String>, String>;
/// Reads the configuration again.
pub type Reload =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Reloaded> + Send>> + Send + Sync + 'static>;

/// Translates a pre-chat document for a tenant, by a mapping or by its own.
pub type Translated =
    fn(&Tenant, Option<&Mapping>, &str) -> Result<(Translation, Option<VerifiedUser>), ReadError>;

/// Everything the admin API shows or changes.
#[derive(Clone)]
pub struct Parts {
    /// The configuration of now.
    pub config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// The time.
    pub clock: Clock,
    /// Where changes are kept.
    pub store: Arc<dyn Store>,
    /// What is known of who is there, and of the error budgets.
    pub availability: Arc<Availability>,
    /// The translated chats.
    pub chats: Registry,
    /// The plans that hold, and their changes.
    pub cutover: Cutover,
    /// The relay to legacy.
    pub relay: Arc<LiveAgent>,
    /// The newest decisions.
    pub decisions: Arc<Watched>,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// Writes captured traffic, where a tenant opted in.
    pub capture: Arc<dyn Fn() -> Option<Capture> + Send + Sync>,
    /// Counts what MIAW would make of relayed chats.
    pub shadow: Shadows,
    /// How many chats of an earlier process were taken up.
    pub recovered: usize,
    /// Cancelled when the process is about to stop.
    pub draining: CancellationToken,
    /// What a pre-chat document becomes, exactly as for live chats.
    pub translated: Translated,
    /// The other nodes, where this one is one of several.
    pub cluster: Option<Cluster>,
}

/// The admin API.
pub struct Admin {
    parts: Parts,
    auth: Auth,
    open_probes: bool,
    with_console: bool,
    reload: Option<Reload>,
    shared: Option<Arc<dyn Shared>>,
    readiness: probes::Readiness,
    reports: Reports,
    history: History,
    since: Wall,
}

/// One request, let in.
pub(crate) struct Call {
    caller: Option<Caller>,
    /// What stands in the place of the path's parameters.
    params: Vec<String>,
    query: Query,
    body: Bytes,
}

/// The answer to a request that was let in.
pub(crate) struct Reply {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
}

pub(crate) type Answer = Result<Reply, Problem>;

impl Admin {
    /// The API over these parts; `transport` fetches key sets.
    #[must_use]
    pub fn new(parts: Parts, config: &AdminConfig, transport: &Arc<dyn Transport>) -> Self {
        Self {
            since: parts.clock.now().wall,
            auth: Auth::new(config, &parts.clock, transport),
            open_probes: config.open_probes,
            with_console: config.console,
            parts,
            reload: None,
            shared: None,
            readiness: probes::Readiness::default(),
            reports: Reports::open(config.reports.as_deref()),
            history: History::default(),
        }
    }

    /// Offers `POST /admin/v1/reload`.
    #[must_use]
    pub fn with_reload(mut self, reload: Reload) -> Self {
        self.reload = Some(reload);
        self
    }

    /// Shows the nodes that the store knows, not this process alone.
    #[must_use]
    pub fn with_nodes(mut self, store: Arc<dyn Shared>) -> Self {
        self.shared = Some(store);
        self
    }

    /// The API as a service; for as long as it is there, the last hour is remembered.
    pub fn router(self) -> Router {
        let admin = Arc::new(self);
        tokio::spawn(operations::sample_for_ever(Arc::downgrade(&admin)));
        Router::new().fallback(handle).with_state(admin)
    }

    async fn answer(self: Arc<Self>, request: Request) -> Answer {
        let (head, body) = request.into_parts();
        let method = if head.method == Method::HEAD { Method::GET } else { head.method };
        let (route, params) = routes::find(&method, head.uri.path())?;
        let caller = match route.access {
            Access::Open => None,
            Access::Probe if self.open_probes => None,
            Access::Probe | Access::Role(_) => Some(self.auth.caller(&head.headers).await?),
        };
        if let (Some(caller), Access::Role(role)) = (&caller, route.access)
            && caller.role < role
        {
            let detail = format!("this needs the role `{}`", role.code());
            return Err(Problem::new(Code::RoleTooLow, detail));
        }
        let tenant = params.first().filter(|_| route.names_tenant());
        if let (Some(caller), Some(tenant)) = (&caller, tenant)
            && !caller.scope.has(tenant)
        {
            let detail = format!("the token's `tenants` do not include `{tenant}`");
            return Err(Problem::new(Code::TenantOutOfScope, detail));
        }
        let query = Query::read(head.uri.query(), route.query)?;
        let most = route.body_bytes_max();
        let body = if method == Method::POST { read(body, most).await? } else { Bytes::new() };
        (route.handler)(self, Call { caller, params, query, body }).await
    }
}

async fn handle(State(admin): State<Arc<Admin>>, request: Request) -> Response<Body> {
    let metrics = admin.parts.metrics.clone();
    let (method, path) = (request.method(), request.uri().path());
    let file = admin.with_console.then(|| console::answer(method, path)).flatten();
    let mut response = match file {
        Some(file) => file,
        None => match admin.answer(request).await {
            Ok(reply) => reply.response(),
            Err(problem) => problem.response(),
        },
    };
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        // The console's files have a policy of their own.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    metrics.admin.add([response.status().as_str()]);
    response
}

async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = Limited::new(body, most).collect();
    match tokio::time::timeout(BODY_WITHIN, read).await {
        Ok(Ok(all)) => Ok(all.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("at most {most} bytes are read");
            Err(Problem::new(Code::BodyTooLarge, detail))
        }
        Ok(Err(_)) => Err(Problem::new(Code::BadRequest, "the body broke off")),
        Err(_) => Err(Problem::new(Code::BadRequest, "the body did not arrive in time")),
    }
}

impl Reply {
    fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let kind = HeaderValue::from_static(self.kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    fn json(status: StatusCode, value: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(value).map_err(|error| {
            Problem::new(Code::Overloaded, format!("the answer could not be written: {error}"))
        })?;
        Ok(Self { status, kind: "application/json", body })
    }

    fn ok(value: &impl Serialize) -> Answer {
        Self::json(StatusCode::OK, value)
    }
}

impl Call {
    /// The path parameter at a place; every route has as many as its handler asks for.
    fn param(&self, at: usize) -> &str {
        self.params.get(at).map(String::as_str).unwrap_or_default()
    }

    /// Whether the caller may see what belongs to a tenant.
    fn sees(&self, tenant: &str) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.scope.has(tenant))
    }

    /// The caller's name, for the change list.
    fn who(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| &caller.subject)
    }

    /// The body as a document; unknown members are mistakes.
    fn document<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        let reader = &mut serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let at = error.path().to_string();
            let place = if at == "." { String::new() } else { format!(" at `{at}`") };
            let detail = format!("the body is not what is expected{place}: {}", error.inner());
            Problem::new(Code::BadRequest, detail)
        })
    }
}

/// What a store that failed means to an operator.
fn unavailable(error: &StoreError) -> Problem {
    Problem::new(Code::StoreUnavailable, error.to_string())
}

async fn openapi(_: Arc<Admin>, _: Call) -> Answer {
    let body = OPENAPI.as_bytes().to_vec();
    Ok(Reply { status: StatusCode::OK, kind: "application/json", body })
}

async fn reload(admin: Arc<Admin>, call: Call) -> Answer {
    let whole = call.caller.as_ref().is_some_and(|caller| caller.scope == Scope::All);
    if !whole {
        let detail = "a reload concerns every tenant, so the token's `tenants` must be `*`";
        return Err(Problem::new(Code::TenantOutOfScope, detail));
    }
    let Some(reload) = &admin.reload else {
        return Err(Problem::new(Code::NoSuchPath, "this process was not started from a file"));
    };
    match reload().await {
        Ok(differences) => Reply::ok(&serde_json::json!({ "differences": differences })),
        Err(problems) => {
            let detail = "nothing was changed; `problems` says what is wrong with the files";
            let problem = Problem::new(Code::ConfigurationWrong, detail);
            Err(problem.with("problems", Value::from(problems)))
        }
    }
}

impl Route {
    fn names_tenant(&self) -> bool {
        self.path.contains("{tenant}")
    }

    /// The longest body that is read here.
    fn body_bytes_max(&self) -> usize {
        if self.path.ends_with("/reports") { reports::BODY_BYTES_MAX } else { BODY_BYTES_MAX }
    }
}
