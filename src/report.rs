//! Findings, and the migration dry run as data, Markdown and one HTML page.
//!
//! Promised: pure and deterministic; every code has a slug, a meaning and advice; nothing here
//! quotes a visitor's value unless the caller asks for values.

pub mod captured;
pub mod codes;
pub mod evidence;
pub mod finding;
pub mod shadow;
pub mod sources;
pub mod traffic;

pub mod agent_view;
pub mod channel;
pub mod forecast;
pub mod platform;

mod accept;
pub mod dry_run;
mod groups;
pub mod html;
pub mod markdown;
pub mod outlook;
mod redact;
pub mod schema;
