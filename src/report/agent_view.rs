//! What an agent saw of each value in legacy and sees in MIAW, and how much is lost by that.
//!
//! Promised: MIAW's side counts what the bridge sends by itself; what the org's flow adds is named
//! as work, never counted as done. The score is made of whole numbers that are all shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dry_run::Sample;
use crate::mapping::Mapping;
use crate::mapping::file::{Opening, Overflow};
use crate::mapping::translation::{Fate, Field, Ground};

/// One value before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The label.
    pub source: String,
    /// Where the agent saw it in legacy.
    pub legacy: String,
    /// Where the agent sees it in MIAW without work in the org.
    pub miaw: String,
    /// What brings it back.
    pub by_flow: String,
    /// Is something lost without that work?
    pub lost: bool,
}

/// How much is lost, with everything it was reckoned from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lossiness {
    /// 0 nothing, 100 everything.
    pub score: u64,
    /// The formula in words.
    pub formula: &'static str,
    /// Values that had something to send.
    pub values: u64,
    /// Of these, left out or with nowhere to go.
    pub values_lost: u64,
    /// Of these, cut.
    pub values_cut: u64,
    /// Entity fields legacy filled or searched by.
    pub record_fields: u64,
    /// Transcript fields legacy filled.
    pub transcript_fields: u64,
    /// Values agents saw in the pre-chat panel.
    pub seen: u64,
    /// Of these, not in the opening message.
    pub seen_lost: u64,
}

const FORMULA: &str = "100 × (values lost + ½ values cut + record fields + transcript fields + seen \
                       lost) ÷ (values + record fields + transcript fields + seen), rounded down";

/// Over all documents of a tenant; a label of several documents counts once.
#[must_use]
pub fn view(mapping: &Mapping, samples: &[Sample]) -> (Vec<Seen>, Lossiness) {
    let mut fields: BTreeMap<(&str, Vec<&str>), &Field> = BTreeMap::new();
    let mut order = Vec::new();
    for field in samples.iter().flat_map(|s| &s.fields) {
        if matches!(field.ground, Ground::Constant | Ground::VisitorName) {
            continue;
        }
        let targets = field.targets.iter().map(String::as_str).collect();
        let key = (field.source.as_str(), targets);
        match fields.get_mut(&key) {
            // The heavier fate of two documents is the one to show.
            Some(known) if weight(field) > weight(known) => *known = field,
            Some(_) => {}
            None => {
                order.push(key.clone());
                fields.insert(key, field);
            }
        }
    }
    let fields: Vec<&Field> = order.iter().filter_map(|key| fields.get(key).copied()).collect();
    let rows: Vec<Seen> = fields.iter().map(|field| seen(mapping, field)).collect();
    (rows, lossiness(mapping, &fields))
}

const fn weight(field: &Field) -> u8 {
    match field.fate {
        Fate::Empty => 0,
        Fate::Collapsed => 1,
        Fate::Sent => 2,
        Fate::Cut => 3,
        Fate::Dropped => 4,
        Fate::Unplaced => 5,
    }
}

/// Is the value, or its full text, in the opening message?
fn in_opening(mapping: &Mapping, field: &Field) -> bool {
    let defaults = &mapping.defaults;
    let placed = matches!(field.fate, Fate::Sent | Fate::Cut);
    let overflowed = field.fate == Fate::Cut && defaults.overflow == Overflow::FirstMessage;
    placed && field.display_to_agent && (defaults.opening_message == Opening::Details || overflowed)
}

fn seen(mapping: &Mapping, field: &Field) -> Seen {
    let mut legacy = Vec::new();
    if field.display_to_agent {
        legacy.push("pre-chat panel".to_owned());
    }
    legacy.extend(field.targets.iter().map(|target| format!("record {target}")));
    legacy.extend(field.transcript_fields.iter().map(|name| format!("transcript {name}")));
    let opening = in_opening(mapping, field);
    let key = field.key.as_deref();
    let miaw = match (opening, key) {
        (true, _) => "opening message",
        (false, Some(_)) => "nowhere; the flow receives it",
        (false, None) => "nowhere",
    };
    let by_flow = match (key, legacy.is_empty()) {
        (_, true) => "nothing to bring back".to_owned(),
        (Some(key), false) => format!("store {key} on MessagingSession and place the field"),
        (None, false) => "send it first: give it a key by a rule".to_owned(),
    };
    let lost = !(legacy.is_empty() || opening && legacy.len() == 1);
    let legacy = if legacy.is_empty() { "not shown".to_owned() } else { legacy.join(", ") };
    Seen { source: field.source.clone(), legacy, miaw: miaw.to_owned(), by_flow, lost }
}

fn lossiness(mapping: &Mapping, fields: &[&Field]) -> Lossiness {
    let count =
        |keep: &dyn Fn(&Field) -> bool| fields.iter().filter(|field| keep(field)).count() as u64;
    let sum = |of: &dyn Fn(&Field) -> usize| fields.iter().map(|f| of(f) as u64).sum::<u64>();
    let mut loss = Lossiness {
        formula: FORMULA,
        values: count(&|f| f.fate != Fate::Empty),
        values_lost: count(&|f| matches!(f.fate, Fate::Dropped | Fate::Unplaced)),
        values_cut: count(&|f| f.fate == Fate::Cut && !in_opening(mapping, f)),
        record_fields: sum(&|f| f.targets.len()),
        transcript_fields: sum(&|f| f.transcript_fields.len()),
        seen: count(&|f| f.display_to_agent && f.fate != Fate::Empty),
        seen_lost: count(&|f| {
            f.display_to_agent && f.fate != Fate::Empty && !in_opening(mapping, f)
        }),
        score: 0,
    };
    let side = loss.record_fields + loss.transcript_fields;
    let whole = loss.values + side + loss.seen;
    let halves = 2 * (loss.values_lost + side + loss.seen_lost) + loss.values_cut;
    loss.score = (100 * halves).checked_div(2 * whole).unwrap_or_default();
    loss
}
