//! The stages of a move, and which of them may follow which.
//!
//! Promised: [`Stage::may_become`] is the whole table; `docs/cutover.md` prints it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What new chats do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Stage {
    /// All go to the legacy service.
    Legacy,
    /// All go to the legacy service; what MIAW would make of them is looked at and counted.
    Shadow,
    /// A share goes to MIAW, the others to legacy.
    Ramp {
        /// The share that goes to MIAW, 0 to 100.
        percent: u8,
    },
    /// All go to MIAW.
    Miaw,
    /// All go to MIAW, and the move is signed off.
    Complete,
}

impl Stage {
    /// Reads `legacy`, `shadow`, `miaw`, `complete` or `ramp 10 %` (spaces and the sign may be
    /// missing).
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected `legacy`, `shadow`, `ramp 10 %` (0 to 100), `miaw` \
            or `complete`";
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "legacy" => return Ok(Self::Legacy),
            "shadow" => return Ok(Self::Shadow),
            "miaw" => return Ok(Self::Miaw),
            "complete" => return Ok(Self::Complete),
            _ => {}
        }
        let Some(share) = lower.strip_prefix("ramp") else {
            return Err(format!("`{text}` is not a stage; {EXPECTED}"));
        };
        let share = share.trim();
        let share = share.strip_suffix('%').unwrap_or(share).trim_end();
        match share.parse::<u8>() {
            Ok(percent) if percent <= 100 => Ok(Self::Ramp { percent }),
            _ => Err(format!("`{text}` has no share from 0 to 100; {EXPECTED}")),
        }
    }

    /// How many of 100 new chats go to MIAW.
    #[must_use]
    pub const fn share(self) -> u8 {
        match self {
            Self::Legacy | Self::Shadow => 0,
            Self::Ramp { percent } => percent,
            Self::Miaw | Self::Complete => 100,
        }
    }

    /// Whether some chats of this stage go to the legacy service.
    #[must_use]
    pub const fn uses_legacy(self) -> bool {
        self.share() < 100
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy => f.write_str("legacy"),
            Self::Ramp { percent } => write!(f, "ramp {percent} %"),
            Self::Shadow => f.write_str("shadow"),
            Self::Miaw => f.write_str("miaw"),
            Self::Complete => f.write_str("complete"),
        }
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> Self {
        stage.to_string()
    }
}

impl TryFrom<String> for Stage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl Stage {
    /// Whether an operator may move from this stage to `next`. The way back to legacy is a
    /// roll-back, which is an action of its own; after one (`rolled_back`) everything begins again.
    #[must_use]
    pub const fn may_become(self, next: Self, rolled_back: bool) -> bool {
        use Stage::{Complete, Legacy, Miaw, Ramp, Shadow};
        match (self, next) {
            (Legacy, Legacy) => rolled_back,
            (Legacy, Shadow | Ramp { .. } | Miaw) => true,
            (Shadow, Legacy | Ramp { .. } | Miaw) => true,
            (Ramp { percent: was }, Ramp { percent }) => was != percent,
            (Ramp { .. }, Miaw) => true,
            (Miaw, Ramp { .. } | Complete) => true,
            (Complete, Miaw) => true,
            _ => false,
        }
    }
}
