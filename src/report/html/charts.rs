//! The report's charts as inline SVG: the calendar as a timeline, fields flowing to attributes.
//!
//! Promised: no script and no colour of their own: classes follow the page's light, dark and print
//! colours. Every chart has a text that says what it shows.

use std::fmt::Write;

use super::escape;
use crate::mapping::translation::{Fate, Field};
use crate::report::forecast::Day;
use crate::report::outlook::Outlook;
use crate::time::Wall;

const WIDTH: i64 = 960;
/// The most fields one chart holds.
const MAX_FIELDS: usize = 60;
/// The longest text in a chart, in characters.
const MAX_TEXT: usize = 44;

/// T−30 to T+7 as one band: what share of new chats goes where, and the instants that matter.
pub(super) fn timeline(outlook: &Outlook, as_of: &str, out: &mut String) -> std::fmt::Result {
    let at = |day: &Day| Wall::parse(&day.utc).map(Wall::millis).ok();
    let days: Vec<(i64, &Day)> =
        outlook.calendar.iter().filter_map(|day| Some((at(day)?, day))).collect();
    let (Some((from, _)), Some((to, _))) = (days.first(), days.last()) else { return Ok(()) };
    let (from, to) = (*from, *to);
    let x = |instant: i64| (instant - from).saturating_mul(WIDTH) / (to - from).max(1);
    write!(
        out,
        "<figure class=\"chart\">\n<svg viewBox=\"0 0 {WIDTH} 96\" role=\"img\" aria-label=\"Where \
         new chats go, from 30 days before the removal to 7 days after it\">\n"
    )?;
    band(&days, &x, out)?;
    for (instant, day) in days.iter().filter(|(_, day)| day.utc.ends_with("T00:00:00Z")) {
        let name = day.day.as_str();
        if matches!(name, "T-30" | "T-20" | "T-10" | "T+0" | "T+7") {
            let anchor = if name == "T-30" { "start" } else { "end" };
            let (x, name) = (x(*instant), name.replace("T+0", "removal").replace('-', "−"));
            writeln!(out, "<line class=\"tick\" x1=\"{x}\" x2=\"{x}\" y1=\"68\" y2=\"76\"/>")?;
            writeln!(out, "<text x=\"{x}\" y=\"90\" text-anchor=\"{anchor}\">{name}</text>")?;
        }
    }
    let last_safe = outlook.straddle.as_ref().map(|s| s.last_safe_legacy_start.as_str());
    let marks = [(last_safe, "last safe legacy start"), (Some(as_of), "this report")];
    for (row, (instant, name)) in marks.into_iter().enumerate() {
        let Some(instant) = instant.and_then(|i| Wall::parse(i).ok()).map(Wall::millis) else {
            continue;
        };
        if (from..=to).contains(&instant) {
            let (x, y) = (x(instant), 12 + 14 * row);
            let (anchor, shift) = if x > WIDTH / 2 { ("end", -5) } else { ("start", 5) };
            writeln!(
                out,
                "<line class=\"mark\" x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"68\"/>\
                 <text class=\"strong\" x=\"{}\" y=\"{y}\" text-anchor=\"{anchor}\">{name}</text>",
                y - 10,
                x + shift
            )?;
        }
    }
    out.push_str(
        "</svg>\n<figcaption><span class=\"key legacy\"></span>legacy <span class=\"key miaw\">\
         </span>MIAW; a ramp shows both by their share</figcaption>\n</figure>\n",
    );
    Ok(())
}

/// The band itself, one piece for each stretch of equal answers.
fn band(days: &[(i64, &Day)], x: &dyn Fn(i64) -> i64, out: &mut String) -> std::fmt::Result {
    const TOP: i64 = 34;
    const HEIGHT: i64 = 34;
    let mut at = 0;
    while let Some((start, day)) = days.get(at) {
        let same = |(_, next): &&(i64, &Day)| {
            (next.miaw_percent, next.refused_percent) == (day.miaw_percent, day.refused_percent)
        };
        let run = days[at..].iter().take_while(same).count();
        let end = days.get(at + run).or(days.last()).map_or(*start, |(end, _)| *end);
        let (left, right) = (x(*start), x(end).max(x(*start) + 1));
        let miaw = HEIGHT * i64::from(day.miaw_percent) / 100;
        let refused = HEIGHT * i64::from(day.refused_percent) / 100;
        let mut piece = |class: &str, y: i64, height: i64, what: &str| {
            if height == 0 {
                return Ok(());
            }
            let (width, from) = (right - left, &day.local);
            writeln!(
                out,
                "<rect class=\"{class}\" x=\"{left}\" y=\"{y}\" width=\"{width}\" \
                 height=\"{height}\"><title>from {}: {what}</title></rect>",
                escape(from)
            )
        };
        let share = u16::from(day.miaw_percent);
        let turned_away = u16::from(day.refused_percent);
        let legacy = 100_u16.saturating_sub(share + turned_away);
        piece("refused", TOP, refused, &format!("{turned_away} % refused"))?;
        piece("legacy", TOP + refused, HEIGHT - miaw - refused, &format!("{legacy} % legacy"))?;
        piece("miaw", TOP + HEIGHT - miaw, miaw, &format!("{share} % MIAW"))?;
        at += run.max(1);
    }
    Ok(())
}

/// From the label to the attribute, one curve each.
pub(super) fn flow(fields: &[Field], out: &mut String) -> std::fmt::Result {
    const STEP: usize = 26;
    let shown = &fields[..fields.len().min(MAX_FIELDS)];
    if shown.is_empty() {
        return Ok(());
    }
    let mut keys: Vec<&str> = Vec::new();
    for key in shown.iter().filter_map(|f| f.key.as_deref()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let lost = shown.iter().any(|f| f.key.is_none());
    let height = STEP * shown.len().max(keys.len() + usize::from(lost)) + 30;
    writeln!(
        out,
        "<figure class=\"chart\">\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Field flow: {} fields, {} attributes\">\n<text class=\"head\" x=\"300\" \
         y=\"14\" text-anchor=\"end\">pre-chat label</text><text class=\"head\" x=\"620\" \
         y=\"14\">routing attribute</text>",
        shown.len(),
        keys.len()
    )?;
    let y = |row: usize| 36 + STEP * row;
    for (row, field) in shown.iter().enumerate() {
        let class = class(field.fate);
        let to = field.key.as_deref().and_then(|key| keys.iter().position(|k| *k == key));
        let (from_y, to_y) = (y(row), y(to.unwrap_or(keys.len())));
        writeln!(
            out,
            "<text class=\"{class}\" x=\"300\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <path class=\"{class}\" d=\"M312 {from_y} C460 {from_y} 460 {to_y} 608 {to_y}\"/>",
            from_y + 4,
            escape(&short(&field.source))
        )?;
    }
    for (row, key) in keys.iter().enumerate() {
        writeln!(
            out,
            "<text class=\"mono\" x=\"620\" y=\"{}\">{}</text>",
            y(row) + 4,
            escape(key)
        )?;
    }
    if lost {
        let y = y(keys.len()) + 4;
        writeln!(out, "<text class=\"out\" x=\"620\" y=\"{y}\">not sent</text>")?;
    }
    out.push_str("</svg>\n");
    if fields.len() > MAX_FIELDS {
        let more = fields.len() - MAX_FIELDS;
        writeln!(out, "<figcaption>{more} more fields are in the table</figcaption>")?;
    }
    out.push_str("</figure>\n");
    Ok(())
}

const fn class(fate: Fate) -> &'static str {
    match fate {
        Fate::Sent => "sent",
        Fate::Cut | Fate::Unplaced => "bad",
        Fate::Collapsed | Fate::Empty | Fate::Dropped => "out",
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= MAX_TEXT {
        return text.to_owned();
    }
    text.chars().take(MAX_TEXT - 1).chain(['…']).collect()
}
