//! Shadow counts: the live translation run beside live legacy traffic, with only what it found
//! counted, and what such counts tell a dry run.
//!
//! Promised: no value, name or label gets in; what writes the document and what reads it are one
//! type. A document is one JSON object on one line and speaks of one tenant, one mapping and one
//! stretch of time; a file holds any number of them. Members that are not known are ignored.
//!
//! ```json
//! {"tenant":"acme","since":"2026-01-20T00:00:00Z","until":"2026-01-20T23:59:58Z",
//!  "inits":812,"unreadable":0,"mappingSha256":"6b…",
//!  "findings":{"PC110":{"inits":7,"findings":9},"PC120":{"inits":812,"findings":2436}}}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::codes;
use super::codes::platform::{RP105, RP106};
use super::finding::{Finding, Severity};
use crate::time::Wall;

/// The longest line that is read, in bytes.
pub const LONGEST_LINE: usize = 256 * 1024;
/// The most codes one document may count.
const MAX_CODES: usize = 1_000;
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// What was found in one tenant's chats during a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shadow {
    /// The tenant's id.
    pub tenant: String,
    /// The first chat's start, RFC 3339.
    pub since: String,
    /// The last chat's start.
    pub until: String,
    /// How many `ChasitorInit`s were translated.
    pub inits: u64,
    /// How many more could not be read.
    #[serde(default)]
    pub unreadable: u64,
    /// The mapping they were translated with; absent for the built-in rules alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_sha256: Option<String>,
    /// By code.
    #[serde(default)]
    pub findings: BTreeMap<String, Count>,
}

/// How often a code was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// In how many chats.
    pub inits: u64,
    /// How many times in all.
    pub findings: u64,
}

impl Shadow {
    /// An empty document.
    #[must_use]
    pub fn new(tenant: &str, mapping_sha256: Option<&str>) -> Self {
        let mapping_sha256 = mapping_sha256.map(str::to_owned);
        Self { tenant: tenant.to_owned(), mapping_sha256, ..Self::default() }
    }

    /// Counts one translated chat.
    pub fn add(&mut self, at: Wall, findings: &[Finding]) {
        self.at(at);
        self.inits += 1;
        let mut seen = BTreeSet::new();
        for code in findings.iter().map(|finding| finding.code) {
            let count = self.findings.entry(code.entry().id.to_owned()).or_default();
            count.findings += 1;
            count.inits += u64::from(seen.insert(code));
        }
    }

    /// Counts one chat whose pre-chat could not be read.
    pub fn add_unreadable(&mut self, at: Wall) {
        self.at(at);
        self.unreadable += 1;
    }

    fn at(&mut self, at: Wall) {
        let at = at.to_string();
        let earlier = Wall::parse(&self.since).ok().zip(Wall::parse(&at).ok());
        if earlier.is_none_or(|(since, at)| at < since) {
            self.since.clone_from(&at);
        }
        let later = Wall::parse(&self.until).ok().zip(Wall::parse(&at).ok());
        if later.is_none_or(|(until, at)| at > until) {
            self.until = at;
        }
    }

    /// Reads one line.
    ///
    /// # Errors
    /// Says what was wrong and in which column; quotes nothing of the line.
    pub fn read(line: &str) -> Result<Self, String> {
        if line.len() > LONGEST_LINE {
            return Err(format!("the line is longer than {LONGEST_LINE} bytes"));
        }
        let shadow: Self = serde_json::from_str(line).map_err(|error| {
            format!("not shadow counts, column {}; expected what the bridge writes", error.column())
        })?;
        if shadow.findings.len() > MAX_CODES {
            return Err(format!("it counts more than {MAX_CODES} codes"));
        }
        let empty = shadow.inits == 0 && shadow.unreadable == 0;
        for at in [&shadow.since, &shadow.until] {
            if Wall::parse(at).is_err() && !empty {
                let expected = "an instant such as 2026-02-14T00:00:00Z";
                return Err(format!("`since` and `until` are {expected}"));
            }
        }
        Ok(shadow)
    }

    /// The line, without a line feed.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Only maps with non-text keys could fail, and there are none.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// All shadow counts of a tenant, as the report shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shadowed {
    /// Chats translated with the mapping of this report.
    pub inits: u64,
    /// Chats that could not be read.
    pub unreadable: u64,
    /// The first of them.
    pub since: String,
    /// The last of them.
    pub until: String,
    /// Days from the last one to the report's instant; negative when that is earlier.
    pub age_days: i64,
    /// Chats translated with another mapping, which are not counted below.
    pub other_mapping: u64,
    /// By code, heaviest first.
    pub codes: Vec<Counted>,
}

/// One code's count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The code's id.
    pub code: String,
    /// Its slug; empty for a code that this version does not know.
    pub slug: &'static str,
    /// Its usual severity; a note for a code that this version does not know.
    pub severity: Severity,
    /// In how many chats.
    pub inits: u64,
    /// How many times in all.
    pub findings: u64,
    /// Chats of 1,000.
    pub per_mille: u64,
}

impl Shadowed {
    /// What was counted, in one or two sentences.
    #[must_use]
    pub fn headline(&self) -> String {
        let mut text = match self.inits {
            0 => "No chat was translated with the mapping of this report.".to_owned(),
            n => format!(
                "{n} live chats, {} to {}, {} days old, translated with the mapping of this \
                 report; {} more could not be read.",
                self.since, self.until, self.age_days, self.unreadable
            ),
        };
        if self.other_mapping > 0 {
            let other = format!(" {} more had another mapping.", self.other_mapping);
            text.push_str(&other);
        }
        text
    }
}

/// Sums a tenant's documents; `None` without any.
#[must_use]
pub fn sum(all: &[Shadow], mapping_sha256: Option<&str>, as_of: Wall) -> Option<Shadowed> {
    let mut sum = Shadowed::default();
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let (mut since, mut until): (Option<Wall>, Option<Wall>) = (None, None);
    for one in all {
        if one.mapping_sha256.as_deref() != mapping_sha256 {
            sum.other_mapping = sum.other_mapping.saturating_add(one.inits);
            continue;
        }
        sum.inits = sum.inits.saturating_add(one.inits);
        sum.unreadable = sum.unreadable.saturating_add(one.unreadable);
        let (from, to) = (Wall::parse(&one.since).ok(), Wall::parse(&one.until).ok());
        since = [since, from].into_iter().flatten().min();
        until = [until, to].into_iter().flatten().max();
        for (code, count) in &one.findings {
            let total = counts.entry(code).or_default();
            total.inits = total.inits.saturating_add(count.inits);
            total.findings = total.findings.saturating_add(count.findings);
        }
    }
    let print = |at: Option<Wall>| at.map(|at| at.to_string()).unwrap_or_default();
    (sum.since, sum.until) = (print(since), print(until));
    sum.age_days = until.map(|until| as_of.millis_since(until).div_euclid(DAY)).unwrap_or_default();
    let chats = sum.inits.max(1);
    let counted = counts.into_iter().map(|(id, count)| {
        let known = codes::find(id).map(super::finding::Code::entry);
        Counted {
            code: id.to_owned(),
            slug: known.map_or("", |entry| entry.slug),
            severity: known.map_or(Severity::Note, |entry| entry.severity),
            inits: count.inits,
            findings: count.findings,
            per_mille: count.inits.saturating_mul(1_000) / chats,
        }
    });
    sum.codes = counted.collect();
    sum.codes.sort_by(|a, b| (a.severity, &a.code).cmp(&(b.severity, &b.code)));
    (!all.is_empty()).then_some(sum)
}

/// What the counts show beyond the other evidence.
#[must_use]
pub fn findings(sum: &Shadowed, known: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if sum.other_mapping > 0 {
        let message = format!(
            "{} chats were translated with another mapping than this report's",
            sum.other_mapping
        );
        findings.push(RP105.at("shadow.mappingSha256", message));
    }
    let heavy = sum.codes.iter().filter(|c| c.severity != Severity::Note);
    for counted in heavy.filter(|c| !known.contains(c.code.as_str())) {
        let message = format!(
            "{} {} in {} of {} chats; no document and no captured chat shows it",
            counted.code, counted.slug, counted.inits, sum.inits
        );
        let finding = RP106.at(format!("shadow.findings.{}", counted.code), message);
        findings.push(finding.with_severity(counted.severity));
    }
    findings
}
