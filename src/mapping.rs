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
pub mod template;

mod join;
pub mod prechat;
pub mod read;

pub mod file;
pub mod load;
pub mod problem;
pub mod schema;

pub mod example;
pub mod suggest;

pub mod apply;
pub mod keys;
mod losses;
mod opening;
mod place;
mod transcript;
pub mod translation;
pub mod values;

pub use apply::apply;
pub use file::Mapping;
pub(crate) use notes::did_you_mean;
pub use prechat::Prechat;
pub use read::read;
pub use translation::{Context, Translation};

/// The whole way of one pre-chat document, for live chats, dry run, tests and try-outs alike.
/// `button_id` and `deployment_id` hold where the document names none.
///
/// # Errors
/// A document that is not JSON, too large or too deep.
pub fn translate(
    mapping: &Mapping,
    text: &str,
    button_id: &str,
    deployment_id: &str,
) -> Result<Translation, read::ReadError> {
    let prechat = read(text)?;
    let context = Context::of(&prechat.init).or_ids(button_id, deployment_id);
    Ok(apply(mapping, &prechat, &context))
}
