//! The translation of a ChasitorInit by its tenant's mapping: the functions that the dry run and
//! the admin API's try-it use too.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::text::{Secret, Text};
use crate::chat::visitor::{Begin, VerifiedUser};
use crate::config::Tenant;
use crate::facade::Translate;
use crate::mapping::read::ReadError;
use crate::mapping::{Mapping, Translation, translate};
use crate::shadow::Examine;
use crate::wire::liveagent::BadRequest;
use crate::wire::liveagent::request::ChasitorInit;

/// What the translation of a ChasitorInit would notice.
pub(super) fn examiner() -> Examine {
    Arc::new(move |tenant: &Tenant, text: &str| {
        Some(translated(tenant, None, text).ok()?.0.findings)
    })
}

/// What a pre-chat document becomes for a tenant: the one way for live chats and for trying. With
/// `mapping` that one is used, else the tenant's own, else the built-in rules alone.
pub(super) fn translated(
    tenant: &Tenant,
    mapping: Option<&Mapping>,
    text: &str,
) -> Result<(Translation, Option<VerifiedUser>), ReadError> {
    let built_in = Mapping::default();
    let own = tenant.mapping.as_ref().map(|file| &file.mapping);
    let mapping = mapping.or(own).unwrap_or(&built_in);
    let legacy = tenant.legacy.as_ref();
    let button_id = legacy.and_then(|l| l.button_id.as_deref()).unwrap_or_default();
    let deployment_id = legacy.map_or("", |l| l.deployment_id.as_str());
    let (user, without) = verified_user(tenant, text);
    let text = without.as_deref().unwrap_or(text);
    Ok((translate(mapping, text, button_id, deployment_id)?, user))
}

/// Turns ChasitorInits into what the machine begins with.
pub(super) fn translator() -> Translate {
    Arc::new(move |tenant: &Tenant, init: &ChasitorInit, text: &str| {
        let (translation, user) = translated(tenant, None, text).map_err(|error| BadRequest {
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
            user,
            routed: None,
        })
    })
}

/// One pre-chat detail, as far as it is looked at here.
#[derive(Deserialize)]
struct Detail {
    label: Option<String>,
    value: Option<serde_json::Value>,
}

/// Who the visitor is, by the pre-chat detail that the tenant names for it, and the request without
/// an identity token, which is a secret and no routing attribute. Values keep their digits: what is
/// not taken out is not read.
fn verified_user(tenant: &Tenant, text: &str) -> (Option<VerifiedUser>, Option<String>) {
    let token_label = tenant.miaw.identity_detail.as_deref();
    let identity = tenant.miaw.identity.as_ref();
    let id_label = identity.and_then(|identity| identity.subject_detail.as_deref());
    if token_label.is_none() && id_label.is_none() {
        return (None, None);
    }
    let Ok(mut init) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) else {
        return (None, None);
    };
    let details = init.get("prechatDetails").map(|raw| raw.get()).unwrap_or_default();
    let Ok(mut details) = serde_json::from_str::<Vec<Box<RawValue>>>(details) else {
        return (None, None);
    };
    let labelled = |raw: &RawValue, label: Option<&str>| -> Option<String> {
        let detail: Detail = serde_json::from_str(raw.get()).ok()?;
        let value =
            detail.value.filter(|_| detail.label.is_some() && detail.label.as_deref() == label);
        match value? {
            serde_json::Value::String(value) if !value.trim().is_empty() => Some(value),
            serde_json::Value::Number(value) => Some(value.to_string()),
            _ => None,
        }
    };
    let id = details.iter().find_map(|raw| labelled(raw, id_label));
    let token = details.iter().find_map(|raw| labelled(raw, token_label));
    let user = match (token, id) {
        (Some(token), _) => Some(VerifiedUser::Token(Secret(token))),
        (None, Some(id)) => Some(VerifiedUser::Id(Text(id))),
        (None, None) => None,
    };
    details.retain(|raw| token_label.is_none() || labelled(raw, token_label).is_none());
    let without = serde_json::value::to_raw_value(&details).ok().and_then(|details| {
        init.insert("prechatDetails".to_owned(), details);
        serde_json::to_string(&init).ok()
    });
    (user, without)
}
