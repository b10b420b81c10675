//! The table of finding codes: `prechat` holds what a pre-chat document can show, `platform` what
//! configuration, channel and platform can show.
//!
//! Promised: ids and slugs are unique and stable; a code that is retired is never given away again.

use super::finding::Code;
use crate::mapping::did_you_mean;

pub mod platform;
pub mod prechat;
pub mod values;

/// Declares codes as constants and collects them in `ALL`.
macro_rules! codes {
    ($(
        $name:ident $slug:literal $severity:ident $title:literal
        $means:literal
        $todo:literal;
    )*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code::new(&Entry {
                id: stringify!($name),
                slug: $slug,
                severity: Severity::$severity,
                title: $title,
                means: $means,
                todo: $todo,
            });
        )*
        /// Every code of this table.
        pub const ALL: &[Code] = &[$($name),*];
    };
}
use codes;

/// Every code there is, by id.
#[must_use]
pub fn all() -> Vec<Code> {
    let mut all = [prechat::ALL, values::ALL, platform::ALL].concat();
    all.sort();
    all
}

/// The code of this id or slug.
#[must_use]
pub fn find(name: &str) -> Option<Code> {
    all().into_iter().find(|code| code.is_named(name))
}

/// The id or slug that was probably meant.
#[must_use]
pub fn near(name: &str) -> Option<&'static str> {
    let all = all();
    let ids: Vec<&str> = all.iter().flat_map(|c| [c.entry().id, c.entry().slug]).collect();
    did_you_mean(&name.trim().to_lowercase(), &ids)
}
