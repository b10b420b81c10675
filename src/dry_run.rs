//! Reads what a dry run looks at beside the configuration, for the command line and for the admin
//! API alike.
//!
//! Promised: a line that cannot be read is reported by its number and left out. Not here: what a
//! dry run is told of a tenant (`app::rehearsal`), the report itself (`report`), and where files
//! come from.

pub mod captured;
pub mod shadow;
