//! Business hours: whether a zone's wall clock is within them at an instant.
//!
//! Promised: pure. A span belongs to the day it begins on and may run past midnight; a special day
//! replaces the hours that its weekday would begin, a closed one begins none. An hour that a clock
//! change repeats counts twice, one that it skips not at all.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::{Date, Weekday};

use super::plan::Zone;
use crate::time::Wall;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Spans that one day may have.
pub const SPANS_MAX: usize = 8;

/// From one minute of a day to another; the end is not within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: u16,
    /// After midnight when past 24:00.
    to: u16,
}

impl Span {
    /// Reads `09:00-17:30`; `22:00-06:00` runs past midnight, `00:00-24:00` is the whole day.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a span of hours", text.trim());
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, mut to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
        if from == DAY || from == to {
            return Err(format!("`{}` has no length", text.trim()));
        }
        if to < from {
            to += DAY;
        }
        Ok(Self { from, to })
    }

    /// Reads spans with commas between them; `closed` or nothing is none.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        if matches!(text.trim(), "" | "closed") {
            return Ok(Vec::new());
        }
        let spans: Result<Vec<Self>, String> = text.split(',').map(Self::parse).collect();
        match spans {
            Ok(spans) if spans.len() > SPANS_MAX => {
                Err(format!("`{}` has more than {SPANS_MAX} spans", text.trim()))
            }
            other => other,
        }
    }

    const fn holds(self, minute: u16) -> bool {
        self.from <= minute && minute < self.to
    }
}

/// `09:00`, `9:00` or `24:00` as minutes.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || minutes.len() != 2 || !digits(minutes) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

/// A day that is unlike its weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Special {
    /// This date only.
    Once(Date),
    /// This month and day of every year.
    Yearly(i8, i8),
}

impl Special {
    /// Reads `2026-12-24`, or `12-25` for every year.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("`{text}` is not a date");
        // Any leap year, so that 29 February may be meant.
        let (full, yearly) = match text.len() {
            5 => (format!("2024-{text}"), true),
            _ => (text.to_owned(), false),
        };
        let date: Date = full.parse().map_err(|_| wrong())?;
        Ok(if yearly { Self::Yearly(date.month(), date.day()) } else { Self::Once(date) })
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(date) => write!(f, "{date}"),
            Self::Yearly(month, day) => write!(f, "{month:02}-{day:02}"),
        }
    }
}

/// When somebody is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    zone: Zone,
    /// From Monday on.
    week: Box<[Vec<Span>; 7]>,
    special: BTreeMap<Special, Vec<Span>>,
}

impl Hours {
    /// Hours by weekday, Monday first, and the days that are unlike theirs.
    #[must_use]
    pub fn new(zone: Zone, week: [Vec<Span>; 7], special: BTreeMap<Special, Vec<Span>>) -> Self {
        Self { zone, week: Box::new(week), special }
    }

    /// Whether an instant is within the hours.
    #[must_use]
    pub fn open_at(&self, wall: Wall) -> bool {
        let Some(local) = self.zone.civil(wall) else { return false };
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = self.spans(local.date()).iter().any(|span| span.holds(minute));
        let yesterday = local.date().yesterday().ok();
        let late = |date: Date| self.spans(date).iter().any(|span| span.holds(minute + DAY));
        today || yesterday.is_some_and(late)
    }

    /// What begins on a day; a date goes before the same day of every year.
    fn spans(&self, date: Date) -> &[Span] {
        let once = self.special.get(&Special::Once(date));
        let special = once.or_else(|| self.special.get(&yearly(date)));
        special.map_or_else(|| self.week[weekday(date.weekday())].as_slice(), Vec::as_slice)
    }
}

fn yearly(date: Date) -> Special {
    Special::Yearly(date.month(), date.day())
}

const fn weekday(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<Span> {
        Span::parse_all(text).expect("spans")
    }

    fn hours(zone: &str, days: &str, special: &[(&str, &str)]) -> Hours {
        let special = special
            .iter()
            .map(|(day, text)| (Special::parse(day).expect("a date"), spans(text)))
            .collect();
        let week = std::array::from_fn(|day| if day < 5 { spans(days) } else { Vec::new() });
        Hours::new(Zone::named(zone).expect("a zone"), week, special)
    }

    #[track_caller]
    fn open(hours: &Hours, expected: &[(&str, bool)]) {
        for (at, open) in expected {
            assert_eq!(hours.open_at(Wall::parse(at).expect("an instant")), *open, "{at}");
        }
    }

    #[test]
    fn the_zones_wall_clock_decides_over_a_change_of_clocks() {
        let berlin = hours("Europe/Berlin", "09:00-12:30, 13:00-17:00", &[]);
        // In winter Berlin is an hour ahead of UTC, in summer two.
        open(
            &berlin,
            &[
                ("2026-03-27T07:59:59Z", false),
                ("2026-03-27T08:00:00Z", true),
                ("2026-03-27T11:29:59Z", true),
                ("2026-03-27T11:30:00Z", false),
                ("2026-03-27T12:00:00Z", true),
                ("2026-03-27T15:59:59Z", true),
                ("2026-03-27T16:00:00Z", false),
                ("2026-03-28T10:00:00Z", false),
                ("2026-03-30T06:59:59Z", false),
                ("2026-03-30T07:00:00Z", true),
                ("2026-03-30T15:00:00Z", false),
            ],
        );
    }

    #[test]
    fn an_hour_that_happens_twice_counts_twice_and_a_skipped_one_never() {
        let every = |text: &str| {
            let week = std::array::from_fn(|_| spans(text));
            Hours::new(Zone::named("Europe/Berlin").expect("a zone"), week, BTreeMap::new())
        };
        // On 29 March 2026 there is no 02:30; on 25 October there are two.
        let small = every("02:00-03:00");
        open(
            &small,
            &[
                ("2026-03-29T00:59:59Z", false),
                ("2026-03-29T01:00:00Z", false),
                ("2026-10-25T00:30:00Z", true),
                ("2026-10-25T01:30:00Z", true),
                ("2026-10-25T02:00:00Z", false),
            ],
        );
        open(&every("00:00-24:00"), &[("2026-10-25T01:30:00Z", true)]);
    }

    #[test]
    fn a_span_past_midnight_belongs_to_the_day_it_begins() {
        let night = hours("UTC", "22:00-06:00", &[("2026-12-24", "closed")]);
        open(
            &night,
            &[
                ("2026-12-21T05:59:00Z", false), // Monday morning: Sunday begins nothing
                ("2026-12-21T22:00:00Z", true),
                ("2026-12-22T05:59:59Z", true),
                ("2026-12-22T06:00:00Z", false),
                ("2026-12-24T03:00:00Z", true), // begun on the 23rd
                ("2026-12-24T23:00:00Z", false),
                ("2026-12-26T05:00:00Z", true), // Saturday: begun on Friday
            ],
        );
    }

    #[test]
    fn special_days_replace_their_weekday() {
        let shop = hours(
            "America/New_York",
            "09:00-17:00",
            &[("12-25", "closed"), ("2026-12-24", "09:00-12:00"), ("2027-12-25", "10:00-11:00")],
        );
        open(
            &shop,
            &[
                ("2026-12-24T16:59:00Z", true),
                ("2026-12-24T17:00:00Z", false),
                ("2026-12-25T15:00:00Z", false),
                ("2028-12-25T15:00:00Z", false),
                ("2027-12-25T15:30:00Z", true),
            ],
        );
    }

    #[test]
    fn what_is_no_span_or_date_is_said() {
        for text in ["9-17", "09:00", "09:00-09:00", "24:00-25:00", "09:60-10:00", "a:00-b:00"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
        assert!(Span::parse_all(&["09:00-10:00"; 9].join(",")).is_err());
        for text in ["2026-02-29", "13-01", "christmas", "", "02-30"] {
            assert!(Special::parse(text).is_err(), "{text}");
        }
        assert_eq!(Special::parse("02-29").map(|day| day.to_string()), Ok("02-29".to_owned()));
    }
}
