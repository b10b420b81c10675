//! The admin API under simulated time. Every answer that passes here is held against the OpenAPI
//! document.

mod chats;
mod cli;
mod cutover;
mod document;
mod mapping;
mod operations;
mod preview;
mod probes;
mod reports;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use jsonwebtoken::{Algorithm as Jwa, EncodingKey, Header};
use liveagent_bridge::adapter::transport::Transport;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::admin::{self, Admin};
use liveagent_bridge::app::{self, Opened, Options};
use liveagent_bridge::clock::Clock;
use liveagent_bridge::config::admin::{AdminKey, Algorithm, KeySource};
use liveagent_bridge::config::{
    AdminConfig, Config, DEFAULT_LISTEN, Egress, Limits, Secret, StoreConfig, Tenant,
};
use liveagent_bridge::facade::key::KeyRing;
use liveagent_bridge::router::plan::Plan;
use liveagent_bridge::store::Store;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::time::Wall;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::stage::{Got, SECRET, Seen, read, tenant};

const ADMIN_SECRET: &str = "a secret of forty bytes, for tests only!";

/// The section of a small installation.
fn admin_config() -> AdminConfig {
    AdminConfig {
        listen: DEFAULT_LISTEN,
        issuer: "https://id.example.test".to_owned(),
        audience: "bridge".to_owned(),
        leeway: std::time::Duration::from_secs(30),
        open_probes: true,
        console: true,
        reports: None,
        tls: None,
        keys: vec![AdminKey {
            id: Some("ops".to_owned()),
            algorithm: Algorithm::Hs256,
            source: KeySource::Secret(Secret::new(ADMIN_SECRET)),
        }],
    }
}

/// Good claims at an instant, for the whole of the bridge.
fn claims(now: Wall, role: &str) -> Value {
    let now = now.millis() / 1_000;
    json!({
        "iss": "https://id.example.test", "aud": "bridge", "sub": "pat@ops.example.test",
        "iat": now, "exp": now + 3_600, "role": role, "tenants": "*",
    })
}

fn signed(claims: &Value) -> String {
    let header = Header { kid: Some("ops".to_owned()), ..Header::new(Jwa::HS256) };
    let key = EncodingKey::from_secret(ADMIN_SECRET.as_bytes());
    jsonwebtoken::encode(&header, claims, &key).expect("a token")
}

/// The admin API of a bridge.
pub(crate) struct Api {
    service: Router,
    clock: Clock,
    parts: admin::Parts,
}

impl Api {
    pub(crate) fn new(parts: admin::Parts) -> Self {
        Self::with(parts, &admin_config(), Arc::new(InProcess::new()))
    }

    fn with(parts: admin::Parts, config: &AdminConfig, transport: Arc<InProcess>) -> Self {
        let transport: Arc<dyn Transport> = transport;
        let clock = parts.clock.clone();
        let service = Admin::new(parts.clone(), config, &transport).router();
        Self { service, clock, parts }
    }

    /// The same without the page for people.
    pub(crate) fn without_console(self) -> Self {
        let config = AdminConfig { console: false, ..admin_config() };
        Self::with(self.parts, &config, Arc::new(InProcess::new()))
    }

    pub(crate) fn token(&self, role: &str) -> String {
        signed(&claims(self.clock.now().wall, role))
    }

    /// A token for some tenants only.
    pub(crate) fn scoped(&self, role: &str, tenants: &[&str]) -> String {
        let mut claims = claims(self.clock.now().wall, role);
        claims["tenants"] = json!(tenants);
        signed(&claims)
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &str,
    ) -> Got {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        }
        self.send(method, path, headers, body).await
    }

    async fn send(&self, method: &str, path: &str, headers: HeaderMap, body: &str) -> Got {
        let mut request = Request::builder().method(method).uri(path);
        request.headers_mut().expect("headers").extend(headers);
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let got = read(self.service.clone().oneshot(request).await.expect("an answer")).await;
        if method != "HEAD" {
            document::hold(method, path, &got);
        }
        for (name, value) in [("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
        {
            assert_eq!(got.headers[name], value, "{method} {path}");
        }
        assert!(!got.headers.contains_key("access-control-allow-origin"), "{method} {path}");
        got
    }

    /// A request that the document does not know: for the console's files.
    pub(crate) async fn raw(&self, method: &str, path: &str) -> Got {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        let request = request.expect("a request");
        read(self.service.clone().oneshot(request).await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let got = self.ask("GET", path, Some(&self.token("read")), "").await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        got.json()
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        self.ask("POST", path, Some(&self.token("operate")), &body.to_string()).await
    }
}

#[track_caller]
pub(crate) fn problem(got: &Got, status: u16, code: &str) {
    assert_eq!(got.status, status, "{}", got.text);
    assert_eq!(got.headers["content-type"], "application/problem+json");
    assert_eq!(got.json()["code"], code, "{}", got.text);
}

/// A bridge without visitors: two tenants, at an instant before or after the removal.
async fn quiet(at: &str) -> Api {
    Api::new(quiet_parts(at, Arc::new(MemoryStore::new())).await)
}

pub(crate) async fn quiet_parts(at: &str, store: Arc<dyn Store>) -> admin::Parts {
    let clock = Clock::starting_at(Wall::parse(at).expect("an instant"));
    let plan = Plan { has_legacy: false, ..Plan::default() };
    let other = Tenant { legacy: None, plan, ..tenant("other") };
    let config = Config {
        listen: DEFAULT_LISTEN,
        admin: None,
        store: StoreConfig::Memory,
        tenants: vec![tenant("acme"), other],
        limits: Limits::default(),
        egress: Egress::default(),
        panic_file: None,
        tls: None,
    };
    quiet_with(config, clock, store).await
}

/// What the admin API of a bridge with this configuration is made of.
pub(crate) async fn quiet_bridge(config: Config) -> admin::Parts {
    let clock = Clock::starting_at(Wall::parse("2026-11-23T10:00:00Z").expect("an instant"));
    quiet_with(config, clock, Arc::new(MemoryStore::new())).await
}

async fn quiet_with(config: Config, clock: Clock, store: Arc<dyn Store>) -> admin::Parts {
    let options = Options {
        clock,
        transport: Arc::new(InProcess::new()),
        opened: Opened { store, keys: KeyRing::single(SECRET) },
        decisions: Arc::new(Seen::default()),
        shutdown: CancellationToken::new(),
    };
    app::build(config, options).await.expect("a bridge").admin
}
