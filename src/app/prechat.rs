//! The translation of a ChasitorInit by its tenant's mapping: the functions that the dry run uses
//! too.

use std::sync::Arc;

use crate::chat::text::Text;
use crate::chat::visitor::Begin;
use crate::config::Tenant;
use crate::facade::Translate;
use crate::mapping::{Mapping, translate};
use crate::wire::liveagent::BadRequest;
use crate::wire::liveagent::request::ChasitorInit;

/// Turns ChasitorInits into what the machine begins with.
pub(super) fn translator() -> Translate {
    let built_in = Mapping::default();
    Arc::new(move |tenant: &Tenant, init: &ChasitorInit, text: &str| {
        let mapping = tenant.mapping.as_ref().map_or(&built_in, |file| &file.mapping);
        let legacy = tenant.legacy.as_ref();
        let button_id = legacy.and_then(|l| l.button_id.as_deref()).unwrap_or_default();
        let deployment_id = legacy.map_or("", |l| l.deployment_id.as_str());
        let translation = translate(mapping, text, button_id, deployment_id);
        let translation = translation.map_err(|error| BadRequest {
            message: format!("The pre-chat details cannot be read: {error}"),
            details: Vec::new(),
        })?;
        tracing::debug!(
            tenant = tenant.id,
            attributes = translation.attributes.len(),
            findings = translation.findings.len(),
            "pre-chat was translated"
        );
        Ok(Begin {
            button_id: init.button_id.clone().unwrap_or_default(),
            opening: translation.opening_parts().into_iter().map(Text).collect(),
            attributes: translation.attributes,
            language: translation.language,
            queue_updates: init.receive_queue_updates.unwrap_or(false),
            routed: None,
        })
    })
}
