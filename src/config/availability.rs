//! `[tenant.availability]`: what `Visitor/Availability` and `Visitor/Settings` answer where MIAW
//! has no call for them.
//!
//! Promised: without the section every button is available; a mode that is loaded has everything it
//! needs. What a button does not say, it takes from its tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use super::behaviour::word;
use super::secrets::Secret;
use super::section::{Section, Text};
use super::values::{self, DURATION};
use crate::router::hours::{Hours, Span, Special};
use crate::router::outcomes::Rule;
use crate::router::plan::Zone;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Failures in a row that may be asked for.
const FAILURES: (usize, usize) = (1, 32);
/// The longest text that is handed to browser scripts, in bytes.
const LONGEST_TEXT: usize = 64 * 1024;
/// Special days that one schedule may have.
const SPECIAL_MAX: usize = 400;
/// Buttons that one tenant may describe.
const BUTTONS_MAX: usize = 1_000;
const HOURS: &str = "spans of hours, e.g. \"09:00-12:30, 13:00-17:00\", or \"closed\"";
const DATE: &str = "a date, e.g. \"2026-12-24\", or \"12-25\" for every year";
const WEEK: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// What a tenant's `Visitor` nouns answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailabilityConfig {
    /// How it is known whether somebody is there.
    pub source: Source,
    /// What is different for a button, by the first 15 characters of its id.
    pub buttons: BTreeMap<String, Button>,
    /// The wait between two pings of a browser script.
    pub ping_rate: Duration,
    /// Where hosted pages live; empty when nowhere.
    pub content_server_url: String,
    /// The JSON object that `EmbeddedServiceConfig` answers.
    pub embedded_service_config: Option<String>,
}

impl AvailabilityConfig {
    /// How it is known for a button, by the first 15 characters of its id.
    #[must_use]
    pub fn of(&self, button: &str) -> &Source {
        self.buttons.get(button).map_or(&self.source, |own| &own.source)
    }
}

impl Default for AvailabilityConfig {
    fn default() -> Self {
        Self {
            source: Source::Always,
            buttons: BTreeMap::new(),
            // What Salesforce's own script uses.
            ping_rate: SECOND * 50,
            content_server_url: String::new(),
            embedded_service_config: None,
        }
    }
}

/// How it is known whether somebody is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Somebody always is.
    Always,
    /// By the clock.
    Schedule(Hours),
    /// Somebody else knows.
    Http(Box<Hook>),
    /// From what became of the last chat requests.
    Observed(Rule),
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Where; `button_id` and `tenant` are added to its query.
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// The wait for the whole answer.
    pub timeout: Duration,
    /// How long an answer, or its absence, holds.
    pub cache: Duration,
    /// What holds without an answer.
    pub fallback: Fallback,
}

/// What holds when the hook does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Somebody is there.
    Available,
    /// Nobody is.
    Unavailable,
    /// By the clock.
    Schedule(Hours),
}

/// One button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    /// How it is known whether somebody is there.
    pub source: Source,
    /// `Standard`, `Invite` or `ToAgent`.
    pub kind: &'static str,
    /// As Salesforce writes it: `en_US`.
    pub language: String,
    /// The address of the chat window.
    pub endpoint_url: Option<String>,
    /// The address of the pre-chat page.
    pub prechat_url: Option<String>,
}

impl Button {
    /// The language of a button that nobody described.
    pub const LANGUAGE: &'static str = "en_US";
    /// The type of a button that nobody described.
    pub const KIND: &'static str = "Standard";
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Always,
    Schedule,
    Http,
    Observed,
}

const MODES: [(&str, Mode); 4] = [
    ("always", Mode::Always),
    ("schedule", Mode::Schedule),
    ("http", Mode::Http),
    ("observed", Mode::Observed),
];

/// The sections that modes need, of a tenant or of a button.
#[derive(Clone, Default)]
struct Parts {
    schedule: Option<Hours>,
    http: Option<(Hook, bool)>,
    observed: Option<Rule>,
}

impl Parts {
    fn read(section: &Section<'_>) -> Self {
        Self {
            schedule: section.section("schedule").and_then(schedule),
            http: section.section("http").and_then(hook),
            observed: section.section("observed").map(observed),
        }
    }

    fn or(self, other: &Self) -> Self {
        Self {
            schedule: self.schedule.or_else(|| other.schedule.clone()),
            http: self.http.or_else(|| other.http.clone()),
            observed: self.observed.or(other.observed),
        }
    }

    /// What a mode means with these sections; says what is missing.
    fn source(self, section: &Section<'_>, mode: Mode) -> Source {
        let lacks = |what: &'static str| {
            let problem = section.at_key("mode").says(format!("needs a section `{what}`"));
            section
                .cx
                .found
                .problem(problem.help(format!("see `{what}` in docs/configuration.md")));
            Source::Always
        };
        match (mode, self.http) {
            (Mode::Always, _) => Source::Always,
            (Mode::Observed, _) => Source::Observed(self.observed.unwrap_or(OBSERVED)),
            (Mode::Schedule, _) => {
                self.schedule.map_or_else(|| lacks("schedule"), Source::Schedule)
            }
            (Mode::Http, None) => lacks("http"),
            (Mode::Http, Some((mut hook, by_clock))) => {
                match self.schedule {
                    Some(hours) if by_clock => hook.fallback = Fallback::Schedule(hours),
                    None if by_clock => return lacks("schedule"),
                    _ => {}
                }
                Source::Http(Box::new(hook))
            }
        }
    }
}

const OBSERVED: Rule = Rule { failures: 3, window: Duration::from_secs(10 * 60) };

/// Reads the section; what is absent keeps its default.
pub(super) fn read(section: Section<'_>) -> AvailabilityConfig {
    let d = AvailabilityConfig::default();
    let mode = word(&section, "mode", &MODES);
    let parts = Parts::read(&section);
    let mut buttons = BTreeMap::new();
    for one in section.sections("button") {
        let at = one.at_key("id");
        let Some((id, read)) = button(one, mode, &parts) else { continue };
        if buttons.len() >= BUTTONS_MAX {
            let message = format!("is one more than the {BUTTONS_MAX} buttons of a tenant");
            section.cx.found.problem(at.says(message));
        } else if buttons.insert(id.clone(), read).is_some() {
            section.cx.found.problem(at.says(format!("`{id}` was described before")));
        }
    }
    let rate = |text: &str| values::duration(text, SECOND * 5, HOUR);
    let config = AvailabilityConfig {
        source: parts.source(&section, mode),
        buttons,
        ping_rate: section.read("ping_rate", d.ping_rate, DURATION, rate),
        content_server_url: url(&section, "content_server_url").unwrap_or_default(),
        embedded_service_config: object(&section, "embedded_service_config"),
    };
    section.finish();
    config
}

fn button(section: Section<'_>, mode: Mode, parts: &Parts) -> Option<(String, Button)> {
    let expected = "15 or 18 characters that begin with 573";
    let id = section.required("id", expected).filter(|text| {
        let checked = values::salesforce_id(&text.value, "573");
        if let Err(message) = &checked {
            let problem = text.at.says(message.clone()).code("CF002");
            section.cx.found.problem(problem.expected(expected));
        }
        checked.is_ok()
    });
    let own = section.text("mode").is_some();
    let mode = if own { word(&section, "mode", &MODES) } else { mode };
    let source = Parts::read(&section).or(parts).source(&section, mode);
    let kinds = [("Standard", "Standard"), ("Invite", "Invite"), ("ToAgent", "ToAgent")];
    let language = section.read(
        "language",
        Button::LANGUAGE.to_owned(),
        "a language as Salesforce writes it, e.g. \"en_US\"",
        |text| match text.len() {
            2..=16 if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                Ok(text.to_owned())
            }
            _ => Err(format!("`{text}` is not a language")),
        },
    );
    let button = Button {
        source,
        kind: word(&section, "type", &kinds),
        language,
        endpoint_url: url(&section, "endpoint_url"),
        prechat_url: url(&section, "prechat_url"),
    };
    section.finish();
    Some((values::id15(&id?.value).to_owned(), button))
}

fn schedule(section: Section<'_>) -> Option<Hours> {
    let zone = section.required("zone", "an IANA time zone, e.g. \"Europe/Berlin\"");
    let zone = zone.and_then(|text| match values::zone_rules(&text.value) {
        Ok(_) => Zone::named(&text.value),
        Err(message) => {
            let problem = text.at.says(message);
            section.cx.found.problem(problem.expected("an IANA time zone"));
            None
        }
    });
    let daily = section.optional("weekdays", HOURS, Span::parse_all);
    let week = std::array::from_fn(|day| {
        let own = section.optional(WEEK[day], HOURS, Span::parse_all);
        own.or_else(|| daily.clone().filter(|_| day < 5)).unwrap_or_default()
    });
    let mut special = BTreeMap::new();
    let mut add = |day: &Text, spans: Vec<Span>| match Special::parse(&day.value) {
        Err(message) => section.cx.found.problem(day.at.says(message).expected(DATE)),
        Ok(date) if special.insert(date, spans).is_some() => {
            section.cx.found.problem(day.at.says(format!("`{date}` is written twice")));
        }
        Ok(_) if special.len() > SPECIAL_MAX => {
            let message = format!("is one more than the {SPECIAL_MAX} special days of a schedule");
            section.cx.found.problem(day.at.says(message));
        }
        Ok(_) => {}
    };
    for day in section.texts("closed").unwrap_or_default() {
        add(&day, Vec::new());
    }
    for one in section.sections("special") {
        let date = one.required("date", DATE);
        let hours = one.read("hours", Vec::new(), HOURS, Span::parse_all);
        if let Some(date) = date {
            add(&date, hours);
        }
        one.finish();
    }
    if week.iter().all(Vec::is_empty) && special.values().all(Vec::is_empty) {
        let problem = section.at().says("has no hours: nobody would ever be there");
        section.cx.found.problem(problem.expected("`weekdays` or a day of the week"));
    }
    section.finish();
    Some(Hours::new(zone?, week, special))
}

/// The hook, and whether its fallback is the schedule.
fn hook(section: Section<'_>) -> Option<(Hook, bool)> {
    let written = section.required("url", "an http or https address").is_some();
    let url = url(&section, "url").filter(|_| written);
    let within = |key, fallback, least, most| {
        section.read(key, fallback, DURATION, |text| values::duration(text, least, most))
    };
    let fallbacks = [("available", 0), ("unavailable", 1), ("schedule", 2)];
    let fallback = word(&section, "fallback", &fallbacks);
    let hook = Hook {
        url: url.clone().unwrap_or_default(),
        token: section.secret("token").map(|(token, _)| token),
        timeout: within("timeout", SECOND * 2, SECOND / 10, SECOND * 10),
        cache: within("cache", SECOND * 15, SECOND, HOUR),
        fallback: if fallback == 1 { Fallback::Unavailable } else { Fallback::Available },
    };
    section.finish();
    url.map(|_| (hook, fallback == 2))
}

fn observed(section: Section<'_>) -> Rule {
    let (least, most) = FAILURES;
    let expected = format!("a whole number from {least} to {most}");
    let failures = section
        .read("failures", OBSERVED.failures, &expected, |text| values::number(text, least, most));
    let window = section.read("window", OBSERVED.window, DURATION, |text| {
        values::duration(text, SECOND * 10, HOUR * 24)
    });
    section.finish();
    Rule { failures, window }
}

/// An address of the web.
fn url(section: &Section<'_>, key: &'static str) -> Option<String> {
    section.optional(key, "an http or https address", |text| {
        let url = url::Url::parse(text.trim()).ok();
        match url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            Some(_) if text.len() <= 2_000 => Ok(text.trim().to_owned()),
            _ => Err(format!("`{text}` is not an address of the web")),
        }
    })
}

/// The text of a JSON object.
fn object(section: &Section<'_>, key: &'static str) -> Option<String> {
    section.optional(key, "a JSON object as text, at most 64 KiB", |text| {
        if text.len() > LONGEST_TEXT {
            return Err(format!("has {} bytes", text.len()));
        }
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
            Ok(object) => Ok(serde_json::Value::Object(object).to_string()),
            Err(error) => Err(format!("is not a JSON object: line {}", error.line())),
        }
    })
}
