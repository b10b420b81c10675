//! What is to be expected around the removal: calendar, chats that run into it, token life, rates.
//!
//! Promised: the calendar is the router's own answer; every figure comes from captured chats and
//! says so. Not promised: that tomorrow's chats are like the captured ones.

use std::collections::BTreeMap;

use serde::Serialize;

use super::codes::platform::{CU010, CU011, RL901, TK601};
use super::finding::{Finding, Severity};
use super::sources::{Setup, Sources};
use super::traffic::{self, Figures, Traffic};
use crate::router::decide::{Draw, PastRemoval, Route, decide};
use crate::router::effective::Effective;
use crate::router::plan::{DEFAULT_REMOVAL, Plan};
use crate::time::Wall;

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// The token's life in seconds where no metadata names it: the shortest documented default.
pub const ASSUMED_TOKEN_LIFE_S: u64 = 60 * 60;
/// A rate counts as near its limit from this share on, in percent.
const NEAR_PERCENT: u64 = 80;

/// One row of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// `T-30` to `T+7`, the days since the removal.
    pub day: String,
    /// The instant in UTC.
    pub utc: String,
    /// The instant in the tenant's zone.
    pub local: String,
    /// Is it an instant at which the answer changes, or the day's beginning?
    pub change: bool,
    /// How many of 100 new chats go to MIAW.
    pub miaw_percent: u8,
    /// How many are refused, in a brown-out.
    pub refused_percent: u8,
    /// Why, for the chat that goes to MIAW last.
    pub because: String,
}

impl Day {
    /// The share for a table: `30 %`, or `0 %, 100 % refused`.
    #[must_use]
    pub fn share(&self) -> String {
        match self.refused_percent {
            0 => format!("{} %", self.miaw_percent),
            refused => format!("{} %, {refused} % refused", self.miaw_percent),
        }
    }
}

/// How chats and the removal meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Straddle {
    /// When legacy stops.
    pub removal: String,
    /// From this instant on the plan starts no legacy chat.
    pub last_legacy_start: String,
    /// The removal less the 99th percentile of captured durations.
    pub last_safe_legacy_start: String,
    /// The removal less the longest captured chat.
    pub last_safe_for_longest: String,
    /// The removal less the longest chat that MIAW's token would allow.
    pub last_safe_by_token_life: String,
    /// Chats that were longer than the plan's distance from the removal.
    pub longer_than_margin: usize,
    /// The most chats of one captured day that a removal at that time would have cut.
    pub cut_on_the_worst_day: usize,
    /// Is the plan's last legacy start early enough for 99 of 100 chats?
    pub safe: bool,
}

/// One rate of an org against its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The org.
    pub organization_id: String,
    /// The tenants that share it.
    pub tenants: Vec<String>,
    /// What is counted.
    pub what: &'static str,
    /// The captured peak, in hundredths.
    pub peak_hundredths: u64,
    /// When it was; absent for what has no instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The limit.
    pub limit: u64,
    /// The peak's share of the limit.
    pub percent: u64,
}

/// Where new chats go at an instant, in shares of 100.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    miaw: u8,
    refused: u8,
    /// Of the lot that a ramp moves last.
    because: String,
}

/// A button whose chats do not go where the tenant's others go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ButtonCalendar {
    /// The button's id, 15 characters.
    pub button: String,
    /// Its rows.
    pub calendar: Vec<Day>,
}

/// T−30 to T+7, each day, each change and the report's own instant. Without a button, for the
/// chats whose button has no steps of its own.
#[must_use]
pub fn calendar(plan: &Plan, button: Option<&str>, as_of: Wall) -> Vec<Day> {
    let effective = Effective::from(plan);
    let (from, to) = (plan.removal.plus_millis(-30 * DAY), plan.removal.plus_millis(7 * DAY));
    let inside = |at: &Wall| (from..=to).contains(at);
    let mut marks: BTreeMap<Wall, bool> =
        (-30..=7).map(|day| (plan.removal.plus_millis(day * DAY), false)).collect();
    marks.extend(Some(as_of).filter(inside).map(|at| (at, false)));
    for at in plan.instants().into_iter().filter(inside) {
        let before = answer(&effective, button, at.plus_millis(-1));
        let now = answer(&effective, button, at);
        if (before.miaw, before.refused) != (now.miaw, now.refused) {
            marks.insert(at, true);
        } else if before != now {
            marks.entry(at).or_insert(false);
        }
    }
    let row = |(at, change): (Wall, bool)| {
        let Answer { miaw, refused, because } = answer(&effective, button, at);
        let days = at.millis_since(plan.removal).div_euclid(DAY);
        Day {
            day: format!("T{days:+}"),
            utc: at.to_string(),
            local: plan.zone.print(at),
            change,
            miaw_percent: miaw,
            refused_percent: refused,
            because,
        }
    };
    marks.into_iter().map(row).collect()
}

/// The calendars of buttons that differ from the tenant's.
#[must_use]
pub fn button_calendars(plan: &Plan, as_of: Wall) -> Vec<ButtonCalendar> {
    let effective = Effective::from(plan);
    let own = plan.buttons.iter().filter(|own| {
        let button = Some(own.button.as_str());
        let mut instants = plan.instants().into_iter().chain([as_of]);
        let shares = |button, at| {
            let Answer { miaw, refused, .. } = answer(&effective, button, at);
            (miaw, refused)
        };
        instants.any(|at| shares(button, at) != shares(None, at))
    });
    own.map(|own| ButtonCalendar {
        button: own.button.clone(),
        calendar: calendar(plan, Some(&own.button), as_of),
    })
    .collect()
}

/// The lot that a ramp moves last.
fn last_draw() -> Option<Draw> {
    Draw::new(Draw::LOTS - 1)
}

fn answer(effective: &Effective, button: Option<&str>, at: Wall) -> Answer {
    let asked = |draw| decide(effective, button, at, PastRemoval::NOT_YET, draw);
    let count = |route| -> u8 {
        let lots = (0..100_u16).filter_map(|percent| Draw::new(percent * 100));
        lots.filter(|draw| asked(*draw).route == route).count().try_into().unwrap_or(100)
    };
    let because = last_draw().map(|draw| asked(draw).because.to_string()).unwrap_or_default();
    Answer { miaw: count(Route::Miaw), refused: count(Route::Refused), because }
}

/// From when on the plan starts no legacy chat of any button before legacy stops, and when that is;
/// `None` when it never starts one.
fn last_legacy_start(plan: &Plan) -> Option<(Wall, Wall)> {
    let draw = last_draw()?;
    let effective = Effective::from(plan);
    let last = |button: Option<&str>| {
        let decide = |at| decide(&effective, button, at, PastRemoval::NOT_YET, draw);
        let legacy = |at: &Wall| decide(at.plus_millis(-1)).route == Route::Legacy;
        plan.instants().into_iter().rev().find(legacy)
    };
    let buttons = plan.buttons.iter().map(|own| Some(own.button.as_str()));
    let ends = std::iter::once(None).chain(buttons).filter_map(last).max()?;
    Some((ends, plan.removal.max(ends)))
}

/// Chats that would run into the removal.
#[must_use]
pub fn straddle(
    setup: &Setup,
    traffic: &Traffic,
    max_chat_s: u64,
) -> Option<(Straddle, Vec<Finding>)> {
    let durations = traffic.durations();
    let (last, removal) = last_legacy_start(&setup.plan).filter(|_| durations.count > 0)?;
    let less = |seconds: u64| {
        let millis = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
        removal.plus_millis(millis.saturating_neg())
    };
    let margin_s = u64::try_from(removal.millis_since(last) / 1_000).unwrap_or_default();
    let safe_start = less(durations.p99);
    let longer = traffic.longer_than(margin_s);
    let cut = traffic.cut_at(removal, margin_s);
    let safe = last <= safe_start;
    let straddle = Straddle {
        removal: removal.to_string(),
        last_legacy_start: last.to_string(),
        last_safe_legacy_start: safe_start.to_string(),
        last_safe_for_longest: less(durations.max).to_string(),
        last_safe_by_token_life: less(max_chat_s).to_string(),
        longer_than_margin: longer,
        cut_on_the_worst_day: cut,
        safe,
    };
    let mut findings = Vec::new();
    if longer > 0 {
        let message = format!(
            "{longer} of {} captured chats lasted longer than the {} between the last legacy \
             start and the removal; on the worst captured day {cut} would have been cut",
            durations.count,
            duration(margin_s)
        );
        let finding = CU011.at("plan.margin", message).with_todo(format!(
            "Stop legacy starts at {safe_start} at the latest (99 of 100 chats), or at {} for the \
             longest: set margin = \"{}\" or more.",
            less(durations.max),
            duration(durations.p99)
        ));
        findings.push(if safe { finding.with_severity(Severity::Warning) } else { finding });
    }
    Some((straddle, findings))
}

/// The cutover's zone (`CU010`).
#[must_use]
pub fn zone(plan: &Plan) -> Option<Finding> {
    let undeclared = plan.zone.name() == "UTC" && plan.removal == DEFAULT_REMOVAL;
    undeclared.then(|| {
        let message = format!(
            "neither a zone nor a removal of its own is declared; {} is assumed",
            plan.removal
        );
        CU010.at("plan.zone", message).with_severity(Severity::Note)
    })
}

/// The token's life in seconds, and whether it is assumed.
#[must_use]
pub fn token_life(setup: &Setup, sources: &Sources) -> (u64, bool) {
    let channel = sources.metadata.channel_of(&setup.deployment);
    let known = channel.and_then(crate::metadata::Channel::token_life_s);
    (known.unwrap_or(ASSUMED_TOKEN_LIFE_S), known.is_none())
}

/// Chats against the token's life (`TK601`).
#[must_use]
pub fn token(setup: &Setup, sources: &Sources, traffic: Option<&Traffic>) -> Finding {
    let (life, assumed) = token_life(setup, sources);
    let longest = life.saturating_sub(setup.token_grace_s);
    let how = if assumed { ", assumed since no metadata names it" } else { "" };
    let limit = format!(
        "a chat lasts {} at most (token life {}{how}, less {} grace)",
        duration(longest),
        duration(life),
        duration(setup.token_grace_s)
    );
    let Some(durations) = traffic.map(Traffic::durations).filter(|d| d.count > 0) else {
        let message = format!("{limit}; no captured durations to compare with");
        return TK601.at("channel.tokenLife", message).with_severity(Severity::Note);
    };
    let over = traffic.map(|t| t.longer_than(longest)).unwrap_or_default();
    let message = format!(
        "{limit}; captured: p99 {}, longest {}, {over} of {} longer",
        duration(durations.p99),
        duration(durations.max),
        durations.count
    );
    let finding = TK601.at("channel.tokenLife", message);
    if over > 0 { finding } else { finding.with_severity(Severity::Note) }
}

/// Peaks of each org against MIAW's limits, and what is near one (`RL901`), by its first tenant.
#[must_use]
pub fn rates(sources: &Sources) -> (Vec<Rate>, Vec<(String, Finding)>) {
    let mut orgs: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for (tenant, setup) in &sources.setups {
        if sources.traffic.contains_key(tenant) {
            orgs.entry(&setup.organization_id).or_default().push(tenant);
        }
    }
    let (mut rates, mut findings) = (Vec::new(), Vec::new());
    for (org, tenants) in orgs {
        let traffics: Vec<&Traffic> =
            tenants.iter().filter_map(|t| sources.traffic.get(*t)).collect();
        let peaks = traffic::peaks(&traffics);
        let messages: Figures =
            traffics.iter().map(|t| t.message_rates()).max_by_key(|f| f.max).unwrap_or_default();
        let whole = |(count, at): (u64, Wall)| (count.saturating_mul(100), Some(at));
        for (what, (peak, at), limit) in [
            ("token requests per minute", whole(peaks.starts_per_minute), 200),
            ("new sessions per second", whole(peaks.starts_per_second), 50),
            ("sessions at once", whole(peaks.at_once), 11_000),
            ("messages per minute of one chat", (messages.max, None), 22),
        ] {
            let rate = Rate {
                organization_id: org.to_owned(),
                tenants: tenants.iter().map(ToString::to_string).collect(),
                what,
                peak_hundredths: peak,
                at: at.filter(|_| peak > 0).map(|at| at.to_string()),
                limit,
                percent: peak / limit,
            };
            if rate.percent >= NEAR_PERCENT {
                findings.extend(tenants.first().map(|t| ((*t).clone(), near_limit(&rate))));
            }
            rates.push(rate);
        }
    }
    (rates, findings)
}

fn near_limit(rate: &Rate) -> Finding {
    let at = rate.at.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
    let message = format!(
        "{}: captured peak {}{at}, {} % of {}",
        rate.what,
        hundredths(rate.peak_hundredths),
        rate.percent,
        rate.limit
    );
    RL901.at(format!("org.{}", rate.organization_id), message)
}

/// `1.5` for 150, `2` for 200.
#[must_use]
pub fn hundredths(number: u64) -> String {
    let (whole, rest) = (number / 100, number % 100);
    match (rest, rest % 10) {
        (0, _) => whole.to_string(),
        (_, 0) => format!("{whole}.{}", rest / 10),
        _ => format!("{whole}.{rest:02}"),
    }
}

/// `1h 20m 5s`, without parts that are zero.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let parts = [(seconds / 3_600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}"));
    let text = parts.collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0s".to_owned() } else { text }
}
