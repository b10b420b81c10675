//! Translates legacy pre-chat into MIAW routing attributes.
//!
//! Promised: `read` and `apply` are pure, total and deterministic, and every input is bounded
//! (`limits`). The same two calls serve live chats, the dry run and the console, so what a report
//! shows is what a chat gets. Rules are cited by their codes: R reading, K keys, V values.
//! Not promised: that the org's channel declares the keys; only its metadata can tell.

pub mod limits;
pub mod node;
mod notes;
pub mod script;

mod join;
pub mod prechat;
pub mod read;

pub mod file;
pub mod load;
pub mod problem;

pub mod apply;
pub mod keys;
mod losses;
mod place;
pub mod translation;
pub mod values;

pub use apply::apply;
pub use file::Mapping;
pub use prechat::Prechat;
pub use read::read;
pub use translation::{Context, Translation};
