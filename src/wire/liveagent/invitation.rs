//! The members that `Visitor/Settings` has for an invitation (live-agent.md 3.13).
//!
//! Promised: all of them, so that a script that reads one finds it. Not promised: that an
//! invitation is ever shown; its rules were Salesforce's.

use serde::{Deserialize, Serialize};

/// An invitation without a picture and without rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// The picture.
    pub invite_image_url: String,
    /// Its width.
    pub invite_image_width: i64,
    /// Its height.
    pub invite_image_height: i64,
    /// `Slide`, `Fade`, `Appear` or `Custom`.
    pub invite_renderer: String,
    /// Where it comes from.
    pub invite_start_position: String,
    /// Where it goes.
    pub invite_end_position: String,
    /// Whether it comes again after it was accepted.
    pub has_invite_after_accept: bool,
    /// Whether it comes again after it was rejected.
    pub has_invite_after_reject: bool,
    /// Seconds until it goes by itself; -1 is never.
    pub invite_reject_time: i64,
    /// JSON as a text, which is what scripts parse.
    pub invite_rules: String,
}

impl Default for Invitation {
    fn default() -> Self {
        Self {
            invite_image_url: String::new(),
            invite_image_width: 0,
            invite_image_height: 0,
            // Only the page itself shows one of these.
            invite_renderer: "Custom".to_owned(),
            invite_start_position: "TopLeft".to_owned(),
            invite_end_position: "Center".to_owned(),
            has_invite_after_accept: false,
            has_invite_after_reject: false,
            invite_reject_time: -1,
            invite_rules: r#"{"rules":{},"filter":""}"#.to_owned(),
        }
    }
}
