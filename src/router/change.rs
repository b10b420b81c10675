//! What operators, and the bridge itself, decide at run time: the entries of the change list.
//!
//! Promised: entries written by earlier versions are read; a kind of a later version is kept as
//! [`Action::Unknown`] and changes nothing. Not here: what follows from a list of changes
//! (`effective`) and which changes are taken (`propose`).

use serde::{Deserialize, Serialize};

pub use super::effective::{Effective, Evidence, fold};
pub use super::propose::{Circumstances, Refused, propose};
use super::stage::Stage;
use crate::time::Wall;

/// The author of what the bridge writes by itself.
pub const BRIDGE: &str = "bridge";

/// One entry of the change list. The list is append-only: it is the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its number in the list of all tenants.
    #[serde(default)]
    pub number: u64,
    /// When it was made.
    #[serde(default)]
    pub at: Wall,
    /// Whose plan it changes.
    pub tenant: String,
    /// Who made it.
    #[serde(default = "bridge")]
    pub who: String,
    /// Why.
    #[serde(default)]
    pub why: String,
    /// The fingerprint of the plan in the files at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_plan: Option<String>,
    /// What was decided.
    #[serde(flatten)]
    pub action: Action,
}

fn bridge() -> String {
    BRIDGE.to_owned()
}

impl Change {
    /// Reads a stored entry; number and instant are the store's.
    ///
    /// # Errors
    /// When it is no entry at all.
    pub fn read(number: u64, at: Wall, body: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(Self { number, at, ..serde_json::from_slice(body)? })
    }
}

/// What a change decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Action {
    /// New chats follow this stage until another change says otherwise.
    Stage {
        /// The stage.
        stage: Stage,
        /// For chats of this button alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        button: Option<String>,
        /// Taken without fresh evidence; `why` is the written reason.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_evidence: bool,
        /// Vouches that legacy still answers until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged_until: Option<Wall>,
    },
    /// What stands is lifted: new chats follow the file's steps again.
    Follow {
        /// For chats of this button alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        button: Option<String>,
        /// Taken without fresh evidence; `why` is the written reason.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_evidence: bool,
    },
    /// New chats go to legacy again; for the whole tenant it also ends what stands for buttons.
    RollBack {
        /// For chats of this button alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        button: Option<String>,
        /// Vouches that legacy still answers until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged_until: Option<Wall>,
    },
    /// No moves; steps of the file that would begin later do not.
    Freeze,
    /// Moves again; steps that were held back begin now.
    Unfreeze,
    /// Legacy starts no chats in this window.
    Brownout {
        /// Its first instant.
        from: Wall,
        /// The first instant after it.
        until: Wall,
    },
    /// The running window is over, and those that changes have planned are dropped.
    EndBrownout,
    /// Somebody vouches that legacy still answers until then.
    Acknowledge {
        /// The statement holds before this instant.
        until: Wall,
    },
    /// Nobody vouches any more, the file neither.
    WithdrawAcknowledgement,
    /// A dry run's result.
    Evidence(Evidence),
    /// The removal was seen to be past.
    PastRemoval {
        /// The calendar's instant.
        seen: Wall,
    },
    /// The sighting was wrong: the clock had been set forward.
    UndoPastRemoval,
    /// Something that a later version wrote.
    #[serde(other)]
    Unknown,
}

impl Action {
    /// The word in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Stage { .. } => "stage",
            Self::Follow { .. } => "follow",
            Self::RollBack { .. } => "rollBack",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Brownout { .. } => "brownout",
            Self::EndBrownout => "endBrownout",
            Self::Acknowledge { .. } => "acknowledge",
            Self::WithdrawAcknowledgement => "withdrawAcknowledgement",
            Self::Evidence(_) => "evidence",
            Self::PastRemoval { .. } => "pastRemoval",
            Self::UndoPastRemoval => "undoPastRemoval",
            Self::Unknown => "unknown",
        }
    }
}

/// What somebody wants to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// The number of the tenant's last change that they have seen; 0 for none.
    pub expected: u64,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}
