//! The panic file: one word per tenant that beats plan and changes, and needs no store.
//!
//! Promised: strict; whoever reads the file keeps the last good one. Not here: reading it from disk
//! (`cutover`), the calendar (`decide`: not even this file brings back a legacy service that is
//! removed).

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// The name that means every tenant that is not named.
const EVERYBODY: &str = "*";

/// What new chats do while the file says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Panic {
    /// All go to MIAW.
    Miaw,
    /// All go to legacy, as long as it is there.
    Legacy,
    /// All are refused.
    Refuse,
}

impl Panic {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Miaw => "miaw",
            Self::Legacy => "legacy",
            Self::Refuse => "refuse",
        }
    }
}

/// A panic file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panics(BTreeMap<String, Panic>);

impl Panics {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads lines such as `acme = "miaw"`; `"*" = "refuse"` means everybody else. An empty text
    /// means that nothing is wrong.
    ///
    /// # Errors
    /// Says where it is wrong and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map(Self).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
            });
            let what = error.message().trim();
            format!(
                "line {line}: {what}; expected lines such as acme = \"miaw\", with the words miaw, \
                 legacy or refuse"
            )
        })
    }

    /// What the file says about a tenant.
    #[must_use]
    pub fn of(&self, tenant: &str) -> Option<Panic> {
        self.0.get(tenant).or_else(|| self.0.get(EVERYBODY)).copied()
    }

    /// The tenants that the file names.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| *name != EVERYBODY)
    }
}

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (tenant, says)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{tenant} = {}", says.word())?;
        }
        Ok(())
    }
}
