//! The session-less `Visitor` nouns: Availability, Settings, VisitorId.

use super::knobs::Knobs;
use crate::random;
use crate::wire::liveagent::MessagesPayload;
use crate::wire::liveagent::message::{
    Availability, AvailabilityResult, ButtonSettings, Settings, VisitorId,
};

/// The answer of a `Visitor` noun, `None` when there is no such noun.
pub(super) fn answer(
    noun: &str,
    query: &[(String, String)],
    knobs: &Knobs,
) -> Option<MessagesPayload> {
    let wait = |parameter: &str| {
        let asked = query.iter().any(|(name, value)| name == parameter && value == "1");
        asked.then_some(knobs.estimated_wait_time)
    };
    // Absent means no; that is what the real service sends.
    let is_available = knobs.available.then_some(true);
    Some(match noun {
        "Availability" => {
            let estimated_wait_time = wait("Availability.needEstimatedWaitTime");
            let results = ids(query, "Availability.ids");
            let results =
                results.map(|id| AvailabilityResult { id, is_available, estimated_wait_time });
            MessagesPayload::single(&Availability { results: results.collect() })
        }
        "Settings" => {
            let estimated_wait_time = wait("Settings.needEstimatedWaitTime");
            let buttons = ids(query, "Settings.buttonIds").map(|id| ButtonSettings {
                id,
                kind: "Standard".to_owned(),
                language: "en_US".to_owned(),
                is_available,
                estimated_wait_time,
                ..ButtonSettings::default()
            });
            MessagesPayload::single(&Settings {
                ping_rate: 50_000,
                content_server_url: "https://content.example.test/content".to_owned(),
                buttons: buttons.collect(),
            })
        }
        "VisitorId" => {
            MessagesPayload::single(&VisitorId { session_id: random::uuid().to_string() })
        }
        _ => return None,
    })
}

/// Ids as `a`, `a,b`, `[a]`, `[a,b]` or a repeated parameter, exactly as asked.
fn ids(query: &[(String, String)], parameter: &str) -> impl Iterator<Item = String> {
    let values = query.iter().filter(move |(name, _)| name == parameter);
    values
        .flat_map(|(_, value)| value.trim_start_matches('[').trim_end_matches(']').split(','))
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
}
