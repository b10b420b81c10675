//! The nouns that need no session: Availability, Settings, VisitorId, EmbeddedServiceConfig.
//!
//! Promised: ids come back exactly as asked for, in the order asked, and every one is answered.
//! MIAW tells nothing about availability before a conversation exists; what is answered instead is
//! the tenant's choice ([`crate::availability`]).

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::call::{Call, Lookup};
use super::{Facade, reply};
use crate::availability::{Presence, button_of};
use crate::config::availability::Button;
use crate::random;
use crate::wire::liveagent::invitation::Invitation;
use crate::wire::liveagent::message::{
    Availability, AvailabilityResult, ButtonSettings, EmbeddedServiceError, Settings, VisitorId,
};
use crate::wire::liveagent::{Message, MessagesPayload};

/// Ids that are answered at most.
const IDS_MAX: usize = 200;
/// The estimated wait in seconds while none is known.
const UNKNOWN_WAIT: i64 = -1;
/// What a browser script is told where no configuration was given.
const NO_CONFIG: &str = "No configuration of an embedded service is known here";

/// The answer to one of them.
pub(super) async fn answer(facade: &Facade, call: &Call<'_>, noun: Lookup) -> Response<Body> {
    match message(facade, call, noun).await {
        Some(message) => {
            let payload = MessagesPayload { messages: vec![message], sequence: None, offset: None };
            reply::json(StatusCode::OK, &payload)
        }
        None => reply::ok(),
    }
}

/// The message that answers it, when it answers with one.
pub(super) async fn message(facade: &Facade, call: &Call<'_>, noun: Lookup) -> Option<Message> {
    Some(match noun {
        Lookup::Availability => Message::new(&availability(facade, call).await),
        Lookup::Settings => Message::new(&settings(facade, call).await),
        Lookup::VisitorId => {
            // A visitor that is known keeps its id.
            let known = call.parameter("sid").and_then(|sid| Uuid::try_parse(sid.trim()).ok());
            let session_id = known.unwrap_or_else(random::uuid).to_string();
            Message::new(&VisitorId { session_id })
        }
        Lookup::EmbeddedServiceConfig => embedded_service_config(call),
        Lookup::Breadcrumb => return None,
    })
}

async fn availability(facade: &Facade, call: &Call<'_>) -> Availability {
    let ids = ids(call, "Availability.ids");
    let wait = wanted(call, "Availability.needEstimatedWaitTime");
    let known = facade.availability.presence(call.tenant, &ids).await;
    let results = ids.into_iter().zip(known).map(|(id, known)| AvailabilityResult {
        id,
        is_available: Some(known.available),
        estimated_wait_time: wait.then(|| seconds(known)),
    });
    Availability { results: results.collect() }
}

async fn settings(facade: &Facade, call: &Call<'_>) -> Settings {
    let config = &call.tenant.availability;
    let ids = ids(call, "Settings.buttonIds");
    let wait = wanted(call, "Settings.needEstimatedWaitTime");
    let known = facade.availability.presence(call.tenant, &ids).await;
    let buttons = ids.into_iter().zip(known).map(|(id, known)| {
        let own = config.buttons.get(button_of(&id));
        ButtonSettings {
            kind: own.map_or(Button::KIND, |own| own.kind).to_owned(),
            language: own.map_or(Button::LANGUAGE, |own| &own.language).to_owned(),
            endpoint_url: own.and_then(|own| own.endpoint_url.clone()),
            prechat_url: own.and_then(|own| own.prechat_url.clone()),
            is_available: Some(known.available),
            estimated_wait_time: wait.then(|| seconds(known)),
            invitation: own.filter(|own| own.kind == "Invite").map(|_| Invitation::default()),
            id,
        }
    });
    Settings {
        ping_rate: config.ping_rate.as_millis() as i64,
        content_server_url: config.content_server_url.clone(),
        buttons: buttons.collect(),
    }
}

fn embedded_service_config(call: &Call<'_>) -> Message {
    let text = call.tenant.availability.embedded_service_config.as_deref();
    match text.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        Some(body) => Message { kind: "EmbeddedServiceConfig".to_owned(), body },
        None => {
            Message::new(&EmbeddedServiceError { text: NO_CONFIG.to_owned(), should_retry: false })
        }
    }
}

fn ids(call: &Call<'_>, name: &str) -> Vec<String> {
    let mut ids = call.list(name);
    ids.truncate(IDS_MAX);
    ids
}

/// Whether the wait was asked for.
fn wanted(call: &Call<'_>, name: &str) -> bool {
    call.parameter(name).is_some_and(|asked| matches!(asked.trim(), "1" | "true"))
}

fn seconds(known: Presence) -> i64 {
    known.wait_seconds.unwrap_or(UNKNOWN_WAIT)
}
