//! The small languages of values: durations, instants, ids, addresses.
//!
//! Promised: pure; each error says what was wrong with the text, the caller says what was expected.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::source::nearest;
use crate::time::Wall;

pub(super) const DURATION: &str = "a number with its unit, e.g. \"24s\", \"5m\", \"2h\"";
pub(super) const INSTANT: &str = "an instant with its offset or zone, e.g. \"2026-02-14T00:00:00Z\" or \
     \"2026-02-14T00:00:00[Europe/Berlin]\"";
pub(super) const SWITCH: &str = "true or false";
pub(super) const LISTEN: &str = "an address and port, e.g. \"127.0.0.1:8080\", or a port alone";

/// A duration with its unit, within bounds.
pub(crate) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let number_alone = text.trim().bytes().all(|b| b.is_ascii_digit());
    let parsed = text.trim().parse::<jiff::SignedDuration>().ok();
    let Some(value) = parsed.and_then(|d| Duration::try_from(d).ok()) else {
        let what = if number_alone { "has no unit" } else { "is not a duration" };
        return Err(format!("`{text}` {what}"));
    };
    if value < least || value > most {
        return Err(format!("`{text}` is not between {least:?} and {most:?}"));
    }
    Ok(value)
}

/// A whole number within bounds.
pub(super) fn number(text: &str, least: usize, most: usize) -> Result<usize, String> {
    match text.trim().replace('_', "").parse::<usize>() {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        Ok(_) => Err(format!("`{text}` is not between {least} and {most}")),
        Err(_) => Err(format!("`{text}` is not a whole number")),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text.trim() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// `22/min`, or the number alone.
pub(super) fn per_minute(text: &str) -> Result<u32, String> {
    let bare = text.trim();
    let bare = bare.strip_suffix("/min").unwrap_or(bare).trim_end();
    let value = number(bare, 1, 10_000)?;
    u32::try_from(value).map_err(|_| format!("`{text}` is too large"))
}

/// An instant of the calendar. Unlike a plain timestamp a zone is held against the offset, and a
/// local time that a clock change makes ambiguous or skips is refused.
///
/// # Errors
/// Says what is wrong with the text.
pub(crate) fn instant(text: &str) -> Result<Wall, String> {
    let text = text.trim();
    let Some((local, zone)) = text.strip_suffix(']').and_then(|t| t.split_once('[')) else {
        return match text.parse::<jiff::Timestamp>() {
            Ok(instant) => Ok(Wall::from_millis(instant.as_millisecond())),
            Err(_) if text.parse::<civil::DateTime>().is_ok() => {
                Err(format!("`{text}` has no offset and no zone, so it is no instant"))
            }
            Err(_) => Err(format!("`{text}` is not an instant")),
        };
    };
    let rules = zone_rules(zone)?;
    if let Ok(instant) = local.parse::<jiff::Timestamp>() {
        let zoned = text.parse::<jiff::Zoned>();
        return match zoned {
            Ok(zoned) => Ok(Wall::from_millis(zoned.timestamp().as_millisecond())),
            Err(_) => {
                let right = instant.to_zoned(rules).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
                Err(format!("`{text}`: {zone} has another offset then; that instant is {right}"))
            }
        };
    }
    let Ok(civil) = local.parse::<civil::DateTime>() else {
        return Err(format!("`{local}` is not a date and time"));
    };
    match rules.to_ambiguous_timestamp(civil) {
        once if !once.is_ambiguous() => once
            .unambiguous()
            .map(|t| Wall::from_millis(t.as_millisecond()))
            .map_err(|error| error.to_string()),
        other if matches!(other.offset(), AmbiguousOffset::Gap { .. }) => {
            Err(format!("`{local}` does not exist in {zone}: the clocks go forward then"))
        }
        _ => Err(format!(
            "`{local}` happens twice in {zone}: the clocks go back then; write the offset"
        )),
    }
}

/// The rules of an IANA zone name.
pub(super) fn zone_rules(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let all: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
        match nearest(name, all.iter().map(String::as_str)) {
            Some(near) => format!("`{name}` is not a known zone; did you mean `{near}`?"),
            None => format!("`{name}` is not a known zone"),
        }
    })
}

/// The address to listen at; a port alone means this machine only.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let numeric = text.replacen("localhost:", "127.0.0.1:", 1);
    numeric.parse().map_err(|_| format!("`{text}` is not an address with a port"))
}

/// A Salesforce id: 15 characters, or 18 with its checksum.
pub(crate) fn salesforce_id(text: &str, prefix: &str) -> Result<(), String> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(format!("`{text}` has characters other than letters and digits"));
    }
    if text.len() != 15 && text.len() != 18 {
        return Err(format!("`{text}` has {} characters", text.len()));
    }
    if !text.starts_with(prefix) {
        return Err(format!("`{text}` does not begin with {prefix}"));
    }
    match (text.get(..15), text.get(15..)) {
        (Some(body), Some(end)) if !end.is_empty() && !end.eq_ignore_ascii_case(&suffix(body)) => {
            Err(format!("`{text}` is mistyped: its last three should be {}", suffix(body)))
        }
        _ => Ok(()),
    }
}

/// The form Salesforce compares: the first 15 characters.
pub(super) fn id15(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// The three characters that say which of the fifteen are capitals, five at a time.
fn suffix(body: &str) -> String {
    let bytes = body.as_bytes();
    let letter = |five: &[u8]| {
        let capitals = five.iter().enumerate().filter(|(_, b)| b.is_ascii_uppercase());
        let index = capitals.fold(0_u8, |sum, (i, _)| sum | 1 << i);
        char::from(if index < 26 { b'A' + index } else { b'0' + index - 26 })
    };
    bytes.chunks(5).map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert_eq!(suffix("00D000000000062"), "EAA");
        assert_eq!(salesforce_id("00D000000000062EAA", "00D"), Ok(()));
        assert_eq!(salesforce_id("00D000000000062", "00D"), Ok(()));
        for (wrong, needle) in [
            ("00D000000000062EAB", "should be EAA"),
            ("00D00000000006", "14 characters"),
            ("572000000000062", "begin with 00D"),
            ("00D-00000000062", "other than"),
        ] {
            let message = salesforce_id(wrong, "00D").unwrap_err();
            assert!(message.contains(needle), "{message}");
        }
    }

    #[test]
    fn instants_know_their_zones() {
        for (text, utc) in [
            ("2026-02-14T00:00:00Z", "2026-02-14T00:00:00Z"),
            ("2026-02-14 00:00:00+01:00", "2026-02-13T23:00:00Z"),
            ("2026-02-14T00:00:00[Europe/Berlin]", "2026-02-13T23:00:00Z"),
            ("2026-02-14T00:00:00+13:00[Pacific/Auckland]", "2026-02-13T11:00:00Z"),
            ("2026-10-25T02:30:00+01:00[Europe/Berlin]", "2026-10-25T01:30:00Z"),
            ("2026-02-14T00:00[UTC]", "2026-02-14T00:00:00Z"),
        ] {
            assert_eq!(instant(text).map(|w| w.to_string()), Ok(utc.to_owned()), "{text}");
        }
        for (text, needle) in [
            ("2026-02-14T00:00:00", "no offset"),
            ("tomorrow", "not an instant"),
            ("2026-02-14T00:00:00+05:00[Europe/Berlin]", "another offset"),
            ("2026-02-14T00:00:00[Europe/Berln]", "did you mean `Europe/Berlin`"),
            ("2026-03-29T02:30:00[Europe/Berlin]", "does not exist"),
            ("2026-10-25T02:30:00[Europe/Berlin]", "happens twice"),
        ] {
            let message = instant(text).unwrap_err();
            assert!(message.contains(needle), "{text}: {message}");
        }
    }

    #[test]
    fn durations_need_units() {
        let read = |text| duration(text, Duration::ZERO, Duration::from_secs(7_200));
        assert_eq!(read("24s"), Ok(Duration::from_secs(24)));
        assert_eq!(read("150 s"), Ok(Duration::from_secs(150)));
        assert_eq!(read("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert!(read("24").unwrap_err().contains("no unit"));
        assert!(read("-1s").unwrap_err().contains("not a duration"));
        assert!(read("3h").unwrap_err().contains("not between"));
    }
}
