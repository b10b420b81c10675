//! What a dry run may look at beside mapping and pre-chat documents.
//!
//! Promised: plain data; whoever reads the files fills it. Everything is optional, and what is
//! missing is named in the report as not looked at.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::finding::Finding;
use super::shadow::Shadow;
use super::traffic::Traffic;
use crate::metadata::Metadata;
use crate::router::plan::Plan;

/// Further sources of a dry run.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Channel and legacy metadata.
    pub metadata: Metadata,
    /// What the configuration says, by tenant id.
    pub setups: BTreeMap<String, Setup>,
    /// Captured chats, by tenant id.
    pub traffic: BTreeMap<String, Traffic>,
    /// Shadow counts, by tenant id.
    pub shadow: BTreeMap<String, Vec<Shadow>>,
    /// What reading captured chats and shadow counts found, by tenant id.
    pub found: Vec<(String, Finding)>,
    /// The files behind all this, configuration and mappings included.
    pub evidence: Vec<Evidence>,
}

/// What the configuration says about a tenant's move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The declared move.
    pub plan: Plan,
    /// The org, 15 characters: rate limits are shared within it.
    pub organization_id: String,
    /// The deployment's developer name.
    pub deployment: String,
    /// A chat is ended this long before its token expires, in seconds.
    pub token_grace_s: u64,
    /// The hash of its mapping files; `None` for the built-in rules alone.
    pub mapping_sha256: Option<String>,
}
