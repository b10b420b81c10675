//! Asks a tenant's own service whether somebody is there.
//!
//! Promised: one request per button and cache time, whoever asks; without a good answer the
//! fallback holds for as long, so that a dead service costs one time-out. Only ids of Salesforce's
//! form are asked about, and not too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;

use super::Presence;
use crate::adapter::transport::Transport;
use crate::clock::Clock;
use crate::config::availability::{Fallback, Hook};
use crate::time::Mono;

/// Buttons whose answers are kept; others get the fallback.
const BUTTONS_MAX: usize = 2_000;
/// Requests to hooks at once; who comes on top waits, within the time-out.
const REQUESTS_MAX: usize = 16;
/// The largest answer that is read, in bytes.
const ANSWER_MAX: usize = 4_096;
/// Failures of hooks are logged at most this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

type Slot = Arc<tokio::sync::Mutex<Option<(Mono, Told)>>>;

/// What a hook said.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    is_available: bool,
    estimated_wait_time: Option<i64>,
}

/// The hooks of all tenants.
pub(super) struct Hooks {
    transport: Arc<dyn Transport>,
    clock: Clock,
    slots: Mutex<HashMap<String, Slot>>,
    requests: tokio::sync::Semaphore,
    complained: Mutex<Option<Mono>>,
}

impl Hooks {
    pub(super) fn new(transport: Arc<dyn Transport>, clock: Clock) -> Self {
        Self {
            transport,
            clock,
            slots: Mutex::default(),
            requests: tokio::sync::Semaphore::new(REQUESTS_MAX),
            complained: Mutex::default(),
        }
    }

    /// What the hook says about a button, or what holds without it.
    pub(super) async fn ask(&self, tenant: &str, hook: &Hook, button: &str) -> Presence {
        let told = match self.slot(tenant, hook, button) {
            Some(slot) => self.fresh(tenant, hook, button, &slot).await,
            None => self.fallback(hook),
        };
        Presence { available: told.is_available, wait_seconds: told.estimated_wait_time }
    }

    fn slot(&self, tenant: &str, hook: &Hook, button: &str) -> Option<Slot> {
        if button.len() != 15 || !button.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let key = format!("{tenant}/{button}/{}", hook.url);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= BUTTONS_MAX && !slots.contains_key(&key) {
            let now = self.clock.now().mono;
            let holds = |known: &Option<(Mono, Told)>| known.is_some_and(|(until, _)| now < until);
            // One that is locked is being asked about.
            slots.retain(|_, slot| slot.try_lock().map_or(true, |known| holds(&known)));
        }
        if slots.len() >= BUTTONS_MAX && !slots.contains_key(&key) {
            return None;
        }
        Some(slots.entry(key).or_default().clone())
    }

    async fn fresh(&self, tenant: &str, hook: &Hook, button: &str, slot: &Slot) -> Told {
        // Who waits for another's request waits no longer than for one of their own.
        let Ok(mut known) = tokio::time::timeout(hook.timeout, slot.lock()).await else {
            return self.fallback(hook);
        };
        if let Some((until, told)) = *known
            && self.clock.now().mono < until
        {
            return told;
        }
        let request = async {
            let _turn = self.requests.acquire().await;
            self.request(tenant, hook, button).await
        };
        let asked = tokio::time::timeout(hook.timeout, request).await;
        let told = match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(told) => told,
            Err(cause) => {
                self.complain(tenant, &cause);
                self.fallback(hook)
            }
        };
        *known = Some((self.clock.now().mono.plus(hook.cache), told));
        told
    }

    async fn request(&self, tenant: &str, hook: &Hook, button: &str) -> Result<Told, String> {
        let mut url = url::Url::parse(&hook.url).map_err(|_| "its address is wrong".to_owned())?;
        url.query_pairs_mut().append_pair("tenant", tenant).append_pair("button_id", button);
        let mut request = Request::get(url.as_str()).header(header::ACCEPT, "application/json");
        if let Some(token) = &hook.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|_| "its token is no header value".to_owned())?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(Bytes::new()).map_err(|_| "its address is wrong".to_owned())?;
        let sent = self.transport.send(request, hook.timeout).await;
        let response = sent.map_err(|error| error.cause)?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answered {}", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        let body =
            body.map_err(|_| format!("its answer is over {ANSWER_MAX} bytes or broke off"))?;
        serde_json::from_slice(&body.to_bytes())
            .map_err(|_| "its answer is not {\"isAvailable\": true or false}".to_owned())
    }

    fn fallback(&self, hook: &Hook) -> Told {
        let is_available = match &hook.fallback {
            Fallback::Available => true,
            Fallback::Unavailable => false,
            Fallback::Schedule(hours) => hours.open_at(self.clock.now().wall),
        };
        Told { is_available, estimated_wait_time: None }
    }

    fn complain(&self, tenant: &str, cause: &str) {
        let now = self.clock.now().mono;
        let mut last = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|at| now.since(at) >= COMPLAIN_EVERY) {
            *last = Some(now);
            tracing::warn!(tenant, "the availability hook gave no answer: {cause}");
        }
    }
}
