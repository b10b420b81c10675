//! Counters of the process, and how OpenMetrics writes them.
//!
//! Promised: no label names a chat or a person; the values of labels come from the configuration or
//! from fixed lists, and the number of series is bounded anyway.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Series of one family; further ones are counted together under `other`.
pub const SERIES_MAX: usize = 50_000;

/// Upper bounds of the buckets of durations, in milliseconds.
const BUCKETS_MILLIS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers of the facade, by noun and class of status.
    pub requests: Counter<2>,
    /// Decisions for new chats, by tenant, route and reason.
    pub decisions: Counter<3>,
    /// Calls to Salesforce and others, by backend, operation and outcome.
    pub upstream: Counter<3>,
    /// How long the head of an answer of MIAW took, streams excepted.
    pub upstream_time: Histogram,
    /// Writes to the store, by kind and outcome.
    pub store: Counter<2>,
    /// How long a write to the store took.
    pub store_time: Histogram,
    /// Answers of the admin API, by status.
    pub admin: Counter<1>,
}

/// A family of counters with `N` labels.
#[derive(Debug)]
pub struct Counter<const N: usize>(Mutex<BTreeMap<[String; N], u64>>);

impl<const N: usize> Default for Counter<N> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<const N: usize> Counter<N> {
    /// Counts one.
    pub fn add(&self, labels: [&str; N]) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = labels.map(str::to_owned);
        if series.len() >= SERIES_MAX && !series.contains_key(&key) {
            key = labels.map(|_| "other".to_owned());
        }
        *series.entry(key).or_default() += 1;
    }

    /// Every series with its value.
    pub fn each(&self, mut look: impl FnMut(&[String; N], u64)) {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().for_each(|(labels, value)| look(labels, *value));
    }

    fn all(&self) -> Vec<([String; N], u64)> {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.iter().map(|(labels, value)| (labels.clone(), *value)).collect()
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_MILLIS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// How many durations there are, and what they are together in microseconds.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.micros.load(Ordering::Relaxed))
    }

    /// Takes one duration in.
    pub fn observe(&self, took: Duration) {
        let millis = took.as_millis() as u64;
        for (bucket, bound) in self.buckets.iter().zip(BUCKETS_MILLIS) {
            if millis <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A page of OpenMetrics text, written family by family.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// The content type of the text.
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// A family that only grows; its samples get the suffix `_total`.
    pub fn counter<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        of: &Counter<N>,
    ) {
        self.head(name, "counter", help);
        for (values, value) in of.all() {
            let pairs = labels.iter().copied().zip(values.iter().map(String::as_str));
            self.sample(&format!("{name}_total"), pairs, &value.to_string());
        }
    }

    /// A single value that only grows.
    pub fn count(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.sample(&format!("{name}_total"), std::iter::empty(), &value.to_string());
    }

    /// A family of values that go up and down.
    pub fn gauge<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = ([String; N], u64)>,
    ) {
        self.head(name, "gauge", help);
        for (values, value) in samples {
            let pairs = labels.iter().copied().zip(values.iter().map(String::as_str));
            self.sample(name, pairs, &value.to_string());
        }
    }

    /// Facts about the process, as labels of a constant.
    pub fn info<const N: usize>(&mut self, name: &str, help: &str, labels: [(&str, &str); N]) {
        self.head(name, "info", help);
        self.sample(&format!("{name}_info"), labels.into_iter(), "1");
    }

    /// Durations; the name ends in `_seconds`.
    pub fn histogram(&mut self, name: &str, help: &str, of: &Histogram) {
        self.head(name, "histogram", help);
        let _ = writeln!(self.0, "# UNIT {name} seconds");
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        // Read first: a duration that is taken in meanwhile must not make a bucket exceed it.
        let buckets: Vec<u64> = of.buckets.iter().map(load).collect();
        let (micros, count) = (load(&of.micros), load(&of.count));
        let bucket = format!("{name}_bucket");
        for (held, bound) in buckets.into_iter().zip(BUCKETS_MILLIS) {
            let bound = format!("{:?}", bound as f64 / 1_000.0);
            self.sample(&bucket, [("le", bound.as_str())].into_iter(), &held.to_string());
        }
        self.sample(&bucket, [("le", "+Inf")].into_iter(), &count.to_string());
        self.sample(&format!("{name}_count"), std::iter::empty(), &count.to_string());
        let seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        self.sample(&format!("{name}_sum"), std::iter::empty(), &seconds);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.push_str("# EOF\n");
        self.0
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn sample<'a>(
        &mut self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: &str,
    ) {
        self.0.push_str(name);
        let mut open = false;
        for (label, text) in labels {
            self.0.push(if open { ',' } else { '{' });
            open = true;
            let _ = write!(self.0, "{label}=\"{}\"", escaped(text));
        }
        if open {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_open_metrics() {
        let metrics = Metrics::default();
        metrics.admin.add(["200"]);
        metrics.admin.add(["200"]);
        metrics.store_time.observe(Duration::from_millis(3));
        let mut page = Page::default();
        page.counter("bridge_admin_requests", "Answers.", ["status"], &metrics.admin);
        page.gauge("bridge_chats", "Chats.", ["tenant"], [(["a\"b".to_owned()], 1)]);
        page.histogram("bridge_store_write_seconds", "Writes.", &metrics.store_time);
        page.info("bridge_build", "This program.", [("version", "1")]);
        let text = page.finish();
        assert!(text.starts_with("# TYPE bridge_admin_requests counter\n"), "{text}");
        for line in [
            "bridge_admin_requests_total{status=\"200\"} 2",
            "bridge_chats{tenant=\"a\\\"b\"} 1",
            "# UNIT bridge_store_write_seconds seconds",
            "bridge_store_write_seconds_bucket{le=\"0.002\"} 0",
            "bridge_store_write_seconds_bucket{le=\"0.005\"} 1",
            "bridge_store_write_seconds_bucket{le=\"1.0\"} 1",
            "bridge_store_write_seconds_bucket{le=\"+Inf\"} 1",
            "bridge_store_write_seconds_sum 0.003000",
            "bridge_build_info{version=\"1\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(text.ends_with("\n# EOF\n"));
    }

    #[test]
    fn series_are_bounded() {
        let counter = Counter::<1>::default();
        for number in 0..SERIES_MAX + 10 {
            counter.add([&number.to_string()]);
        }
        assert_eq!(counter.all().len(), SERIES_MAX + 1);
        assert!(counter.all().contains(&(["other".to_owned()], 10)));
    }
}
