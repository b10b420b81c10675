//! What captured chats tell about a tenant: shapes of pre-chat, lengths, durations, peaks.
//!
//! Promised: memory is bounded by distinct pre-chat shapes and by one number per chat and detail;
//! the order of lines does not change any figure, only which shapes are kept when there are more
//! than `MAX_SHAPES`. Percentiles are nearest rank: a value that really occurred.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use super::captured::{CapturedDetail, CapturedEnd, CapturedInit};
use crate::time::Wall;

/// The most distinct pre-chat shapes that are translated per tenant.
pub const MAX_SHAPES: usize = 500;
/// The most chats that are read per tenant.
pub const MAX_CHATS: usize = 1_000_000;

/// Captured chats of one tenant.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Start in milliseconds and duration in seconds, one per chat.
    chats: Vec<(i64, Option<u64>)>,
    /// Chats by button.
    pub buttons: BTreeMap<String, usize>,
    /// Messages of a visitor per minute, times 100, one per chat that tells.
    message_rates: Vec<u64>,
    shapes: BTreeSet<(String, Vec<Named>)>,
    lengths: BTreeMap<Named, Vec<u64>>,
    /// Where chats are whose end was not read yet, and ends whose chat was not.
    running: HashMap<u64, usize>,
    ended: HashMap<u64, CapturedEnd>,
    /// Chats whose shape came after `MAX_SHAPES` others.
    pub shapes_left_out: usize,
}

/// A detail by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The label.
    pub label: String,
    /// The entity and the field it fed.
    pub target: Option<(String, String)>,
    /// The transcript fields it filled.
    pub transcript_fields: Vec<String>,
}

/// Figures of a list of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// How many.
    pub count: usize,
    /// The median.
    pub p50: u64,
    /// 95 of 100 are not larger.
    pub p95: u64,
    /// 99 of 100 are not larger.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Figures {
    /// Of these numbers, in any order.
    #[must_use]
    pub fn of(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        let rank = |percent: usize| {
            let at = (numbers.len() * percent).div_ceil(100).max(1) - 1;
            numbers.get(at).copied().unwrap_or_default()
        };
        let (p50, p95, p99, max) = (rank(50), rank(95), rank(99), rank(100));
        Self { count: numbers.len(), p50, p95, p99, max }
    }
}

impl From<&CapturedDetail> for Named {
    fn from(detail: &CapturedDetail) -> Self {
        Self {
            label: detail.label.clone(),
            target: detail.entity.clone().zip(detail.field.clone()),
            transcript_fields: detail.transcript_fields.clone(),
        }
    }
}

impl Traffic {
    /// Counts one chat; one beyond `MAX_CHATS` is left out and `false` returned.
    pub fn add(&mut self, init: &CapturedInit) -> bool {
        if self.chats.len() >= MAX_CHATS {
            return false;
        }
        self.chats.push((init.instant().millis(), None));
        let told = init.duration_seconds.map(|duration_seconds| CapturedEnd {
            duration_seconds,
            messages: init.messages,
            ..CapturedEnd::default()
        });
        let number = init.chat.as_deref().and_then(number);
        let end = told.or_else(|| self.ended.remove(&number?));
        match (end, number) {
            (Some(end), _) => self.close(self.chats.len() - 1, &end),
            (None, Some(number)) => {
                self.running.insert(number, self.chats.len() - 1);
            }
            (None, None) => {}
        }
        let button = init.button_id.clone().unwrap_or_default();
        *self.buttons.entry(button.clone()).or_default() += 1;
        let shape: Vec<Named> = init.details.iter().map(Named::from).collect();
        for (named, detail) in shape.iter().zip(&init.details) {
            let length = u64::try_from(detail.length_utf16).unwrap_or(u64::MAX);
            match self.lengths.get_mut(named) {
                Some(lengths) => lengths.push(length),
                None => {
                    self.lengths.insert(named.clone(), vec![length]);
                }
            }
        }
        let key = (button, shape);
        if !self.shapes.contains(&key) {
            if self.shapes.len() < MAX_SHAPES {
                self.shapes.insert(key);
            } else {
                self.shapes_left_out += 1;
            }
        }
        true
    }

    /// Ends a chat, whether its init was read before or comes later.
    pub fn end(&mut self, end: &CapturedEnd) {
        let Some(number) = number(&end.end) else { return };
        match self.running.remove(&number) {
            Some(at) => self.close(at, end),
            None if self.ended.len() < MAX_CHATS => {
                self.ended.insert(number, end.clone());
            }
            None => {}
        }
    }

    fn close(&mut self, at: usize, end: &CapturedEnd) {
        let seconds = end.duration_seconds;
        if let Some((_, duration)) = self.chats.get_mut(at) {
            *duration = Some(seconds);
        }
        if let Some(messages) = end.messages {
            // Anything shorter than a minute may be sent within it.
            self.message_rates.push(messages.saturating_mul(6_000) / seconds.max(60));
        }
    }

    /// How many chats.
    #[must_use]
    pub const fn chats(&self) -> usize {
        self.chats.len()
    }

    /// The first and the last start.
    #[must_use]
    pub fn span(&self) -> Option<(Wall, Wall)> {
        let starts = || self.chats.iter().map(|(at, _)| *at);
        Some((Wall::from_millis(starts().min()?), Wall::from_millis(starts().max()?)))
    }

    /// Durations in seconds, of the chats whose end was seen.
    #[must_use]
    pub fn durations(&self) -> Figures {
        Figures::of(self.chats.iter().filter_map(|(_, seconds)| *seconds).collect())
    }

    /// How many chats lasted longer than this.
    #[must_use]
    pub fn longer_than(&self, seconds: u64) -> usize {
        self.chats.iter().filter(|(_, s)| s.is_some_and(|s| s > seconds)).count()
    }

    /// Chats that a removal at this time of each captured day would have cut, when legacy starts
    /// none within `margin_s` before it: the most of any day, and that day's instant.
    #[must_use]
    pub fn cut_at(&self, time_of_day: Wall, margin_s: u64) -> usize {
        const DAY: i64 = 24 * 60 * 60 * 1_000;
        let phase = time_of_day.millis().rem_euclid(DAY);
        let margin = i64::try_from(margin_s.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let mut by_day: BTreeMap<i64, usize> = BTreeMap::new();
        for (start, seconds) in &self.chats {
            let Some(seconds) = seconds else { continue };
            let length = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
            // The first such instant whose margin this chat began before.
            let earliest = start.saturating_add(margin);
            let day = (earliest - phase).div_euclid(DAY) + 1;
            if start.saturating_add(length) > day * DAY + phase {
                *by_day.entry(day).or_default() += 1;
            }
        }
        by_day.into_values().max().unwrap_or_default()
    }

    /// The distinct pre-chats, each with its button, as documents with placeholder values.
    #[must_use]
    pub fn documents(&self) -> Vec<(String, Vec<Named>)> {
        self.shapes.iter().cloned().collect()
    }

    /// Lengths of a detail's values, in UTF-16 units.
    #[must_use]
    pub fn lengths(&self, named: &Named) -> &[u64] {
        self.lengths.get(named).map_or(&[], Vec::as_slice)
    }

    /// Every detail that was seen.
    pub fn named(&self) -> impl Iterator<Item = &Named> {
        self.lengths.keys()
    }

    /// A visitor's messages per minute, times 100.
    #[must_use]
    pub fn message_rates(&self) -> Figures {
        Figures::of(self.message_rates.clone())
    }
}

/// The number that init and end of a chat share.
fn number(chat: &str) -> Option<u64> {
    u64::from_str_radix(chat, 16).ok()
}

/// A pre-chat document of these details whose values are placeholders.
#[must_use]
pub fn document(shape: &[Named]) -> String {
    let details: Vec<Value> = shape
        .iter()
        .map(|named| {
            let maps: Vec<Value> = named
                .target
                .iter()
                .map(|(entity, field)| json!({"entityName": entity, "fieldName": field}))
                .collect();
            json!({
                "label": named.label, "value": format!("value of {}", named.label),
                "entityMaps": maps, "transcriptFields": named.transcript_fields,
                "displayToAgent": true,
            })
        })
        .collect();
    json!({ "prechatDetails": details }).to_string()
}

/// Peaks of several tenants that share an org.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Most starts in one minute, and that minute.
    pub starts_per_minute: (u64, Wall),
    /// Most starts in one second, and that second.
    pub starts_per_second: (u64, Wall),
    /// Most chats at once, and since when.
    pub at_once: (u64, Wall),
}

/// The peaks of all these chats together.
#[must_use]
pub fn peaks(traffics: &[&Traffic]) -> Peaks {
    let chats = || traffics.iter().flat_map(|t| t.chats.iter());
    let most = |unit: i64| {
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        for (at, _) in chats() {
            *counts.entry(at.div_euclid(unit)).or_default() += 1;
        }
        let peak = counts.into_iter().max_by_key(|(at, count)| (*count, -at));
        peak.map_or((0, Wall::default()), |(at, n)| (n, Wall::from_millis(at * unit)))
    };
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for (at, seconds) in chats() {
        let length = i64::try_from(seconds.unwrap_or(0).saturating_mul(1_000)).unwrap_or(i64::MAX);
        changes.push((*at, 1));
        changes.push((at.saturating_add(length), -1));
    }
    // An end goes before a start of the same instant.
    changes.sort_unstable();
    let (mut now, mut peak) = (0_i64, (0_u64, Wall::default()));
    for (at, change) in changes {
        now += change;
        let count = u64::try_from(now).unwrap_or_default();
        if count > peak.0 {
            peak = (count, Wall::from_millis(at));
        }
    }
    Peaks { starts_per_minute: most(60_000), starts_per_second: most(1_000), at_once: peak }
}
