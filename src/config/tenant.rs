//! `[[tenant]]`: one customer's org, its plan and its behavior.
//!
//! Promised: a loaded tenant can always start a chat on MIAW; `legacy` is there whenever the plan
//! can send a chat to legacy.

use std::path::PathBuf;

use super::behaviour::Behaviour;
use crate::router::plan::Plan;

/// One customer's org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Lower-case letters, digits, `-` and `_`: the name in `/t/{id}`, logs and metrics.
    pub id: String,
    /// The `Host` names that mean this tenant, lower case, without port.
    pub hosts: Vec<String>,
    /// The mapping file; relative paths count from the folder of the file that names it.
    pub mapping_path: Option<PathBuf>,
    /// The legacy provider page; `None` once it is of no use.
    pub legacy: Option<Legacy>,
    /// The MIAW provider page.
    pub miaw: Miaw,
    /// The move from one to the other.
    pub plan: Plan,
    /// How its chats behave.
    pub behaviour: Behaviour,
}

/// The fields of the legacy provider page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// Scheme, host and perhaps a port and a prefix: without `/chat/rest` and final slash.
    pub live_agent_base_url: String,
    /// The value of `X-LIVEAGENT-API-VERSION`.
    pub api_version: String,
    /// 15 or 18 characters, as written.
    pub organization_id: String,
    /// 15 or 18 characters, as written.
    pub deployment_id: String,
    /// 15 or 18 characters, as written; absent when every client names its own.
    pub button_id: Option<String>,
}

/// The fields of the MIAW provider page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miaw {
    /// Scheme, host and perhaps a port, without path and final slash.
    pub base_url: String,
    /// The 15-character form, which is what Salesforce compares.
    pub organization_id: String,
    /// The `DeveloperName` of the Embedded Service deployment.
    pub embedded_service_developer_name: String,
    /// Documented value: `1`.
    pub capabilities_version: String,
}
