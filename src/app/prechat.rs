//! The translation of a ChasitorInit by its tenant's mapping: the functions that the dry run uses
//! too.

use std::sync::Arc;

use crate::chat::text::Text;
use crate::chat::visitor::Begin;
use crate::config::Tenant;
use crate::facade::Translate;
use crate::mapping::{Context, Mapping, apply, read};
use crate::wire::liveagent::BadRequest;
use crate::wire::liveagent::request::ChasitorInit;

/// Turns ChasitorInits into what the machine begins with.
pub(super) fn translator() -> Translate {
    let built_in = Mapping::default();
    Arc::new(move |tenant: &Tenant, init: &ChasitorInit, text: &str| {
        let prechat = read(text).map_err(|error| BadRequest {
            message: format!("The pre-chat details cannot be read: {error}"),
            details: Vec::new(),
        })?;
        let mapping = tenant.mapping.as_ref().map_or(&built_in, |file| &file.mapping);
        let translation = apply(mapping, &prechat, &Context::of(&prechat.init));
        tracing::debug!(
            tenant = tenant.id,
            attributes = translation.attributes.len(),
            findings = translation.findings.len(),
            "pre-chat was translated"
        );
        Ok(Begin {
            button_id: init.button_id.clone().unwrap_or_default(),
            attributes: translation.attributes,
            language: translation.language,
            opening: translation.opening_message.into_iter().map(Text).collect(),
            queue_updates: init.receive_queue_updates.unwrap_or(false),
        })
    })
}
