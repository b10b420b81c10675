//! `[tenant.shadow]`: where the counts of shadowed chats are written.
//!
//! Promised: without the section they go beside the store, and nowhere when that is in memory.

use std::path::PathBuf;

use super::section::Section;
use super::{Config, StoreConfig, Tenant};

/// The folder beside the store unless the section says otherwise.
const FOLDER: &str = "shadow";

/// Where shadow counts go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowConfig {
    /// The folder; relative paths in a file count from that file's folder.
    pub folder: Option<PathBuf>,
}

impl ShadowConfig {
    /// Reads the section.
    pub(super) fn read(section: Section<'_>) -> Self {
        let folder = section.text("folder").map(|text| text.value);
        let folder = folder.map(|folder| section.cx.source.folder().join(folder));
        section.finish();
        Self { folder }
    }
}

impl Config {
    /// The folder that holds a tenant's shadow counts; `None` when they are kept in memory alone.
    #[must_use]
    pub fn shadow_folder(&self, tenant: &Tenant) -> Option<PathBuf> {
        let beside = || match &self.store {
            StoreConfig::Sqlite { path, .. } => Some(path.with_file_name(FOLDER)),
            _ => None,
        };
        tenant.shadow.folder.clone().or_else(beside)
    }
}
