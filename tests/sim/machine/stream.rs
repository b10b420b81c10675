//! The streams of events: each process may have one, and each breaks in its own time.

use crate::chat::happening::Happening;
use crate::chat::limits::BACKFILL_ATTEMPTS_MAX;
use crate::chat::{Input, Lost};
use crate::machine::bridge::EPOCH;
use crate::machine::service::{Entry, Stream};
use crate::machine::world::{Event, World};

/// What is younger than this is in a fresh stream, however short its memory (decision 0008).
const STARTS_WITH: u64 = 2_000;

impl World {
    pub fn stream_sends(&mut self, generation: u64, entry: usize) {
        if self.token_over() {
            return;
        }
        let delay = self.rng.range(1, self.plan.service.event_delay);
        let at = self.service.last_event_at.max(self.at + delay);
        self.service.last_event_at = at + 1;
        self.when(at, Event::StreamTells { generation, entry });
        if self.goes_wrong(self.plan.faults.stream) {
            self.when(at + 1, Event::StreamTells { generation, entry });
        }
        if self.goes_wrong(self.plan.faults.stream) {
            let when = self.at + self.rng.range(0, 6_000);
            self.when(when, Event::StreamDrops { generation });
        }
    }

    /// The bridge opens the stream.
    pub fn attach(&mut self, node: usize, after: Option<String>, late: u64) {
        let boot = self.nodes[node].boot;
        self.service.detach(boot);
        self.service.generation += 1;
        let generation = self.service.generation;
        self.service.streams.insert(generation, Stream { boot, open: false });
        let mut trip = self.trip() + late;
        if self.token_over() {
            let lost = Lost::Status(401);
            return self.after(trip, Event::StreamGone { generation, lost });
        }
        if self.goes_wrong(self.plan.faults.stream) {
            trip += self.rng.range(500, 8_000);
        }
        if self.outage() || self.goes_wrong(self.plan.faults.stream) {
            let lost = match self.rng.chance(500) {
                true => Lost::Broken,
                false => Lost::Status(503),
            };
            return self.after(trip, Event::StreamGone { generation, lost });
        }
        self.after(trip, Event::StreamOpens { generation, after });
    }

    pub fn stream_opens(&mut self, generation: u64, after: Option<String>) {
        let Some(stream) = self.service.streams.get_mut(&generation) else { return };
        stream.open = true;
        let boot = stream.boot;
        let Some(node) = self.nodes.iter().position(|node| node.boot == boot) else { return };
        if let Some(task) = &mut self.nodes[node].task {
            task.gap_failures = 0;
        }
        self.newest_only(generation);
        let count = self.service.entries.len();
        let asked = match &after {
            Some(id) => id.parse::<usize>().unwrap_or(0),
            None => count,
        };
        let mut kept = count.saturating_sub(self.plan.service.buffer);
        if asked == 0 {
            // Where a token's stream starts, it starts at least with what is this young.
            let young = |entry: &Entry| entry.at + STARTS_WITH >= self.at;
            let first = self.service.entries.iter().position(young);
            kept = kept.min(first.unwrap_or(count));
        }
        for index in asked.max(kept)..count {
            self.stream_sends(generation, index);
        }
        let suspends = self.plan.cluster.as_ref().is_some_and(|cluster| cluster.suspends);
        let missed = if after.is_none() { 0..count } else { asked..kept.max(asked) };
        for entry in &mut self.service.entries[missed] {
            entry.beyond_buffer = true;
            // A stopwatch that stood still did not tell that the stream opened late.
            entry.withheld |= suspends;
        }
        self.feed(node, Input::StreamOpen);
    }

    /// Some services keep one stream of a token.
    fn newest_only(&mut self, newest: u64) {
        if self.plan.cluster.as_ref().is_some_and(|cluster| cluster.one_stream) {
            let older: Vec<u64> = self.service.streams.range(..newest).map(|(k, _)| *k).collect();
            older.into_iter().for_each(|generation| self.stream_drops(generation));
        }
    }

    /// An answer for a gap reaches the bridge. When too many in a row bring nothing, what no stream
    /// supplies may come late or never.
    pub fn gap_unfilled(&mut self, node: usize, filled: bool) {
        let Some(task) = &mut self.nodes[node].task else { return };
        task.gap_failures = if filled { 0 } else { task.gap_failures + 1 };
        if task.gap_failures >= BACKFILL_ATTEMPTS_MAX {
            for entry in &mut self.service.entries {
                entry.withheld |= entry.beyond_buffer;
            }
        }
    }

    fn feed_listener(&mut self, generation: u64, input: Input) {
        let boot = self.service.listener(generation);
        if let Some(node) = self.nodes.iter().position(|node| Some(node.boot) == boot) {
            self.feed(node, input);
        }
    }

    pub fn stream_event(&mut self, generation: u64, entry: usize) {
        if !self.service.open(generation) {
            return;
        }
        let known = &self.service.entries[entry];
        let happening = Happening {
            event_id: Some((entry + 1).to_string()),
            entry: Some(known.id.clone()),
            at_millis: EPOCH + known.at as i64,
            what: known.what.clone(),
        };
        self.feed_listener(generation, Input::Upstream(happening));
    }

    pub fn stream_drops(&mut self, generation: u64) {
        if let Some(stream) = self.service.streams.get_mut(&generation).filter(|s| s.open) {
            stream.open = false;
            self.note(|| "the stream drops".to_owned());
            let wait = self.rng.range(1, 5_000);
            self.after(wait, Event::StreamGone { generation, lost: Lost::Broken });
        }
    }

    pub fn stream_gone(&mut self, generation: u64, lost: Lost) {
        if let Some(stream) = self.service.streams.remove(&generation)
            && let Some(node) = self.nodes.iter().position(|node| node.boot == stream.boot)
        {
            self.feed(node, Input::StreamLost(lost));
        }
    }
}
