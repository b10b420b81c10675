//! This machine's clock against Salesforce's: the `Date` of an answer, and when its token began.
//!
//! Promised: half a round trip is not counted as skew, for `Date` has whole seconds anyway; where a
//! proxy writes `Date`, the token's own `iat` tells.

use http::{HeaderMap, header};
use serde::Deserialize;

use super::{Findings, Live, Told};

/// A clock that is further off is worth a note.
const NOTE_SECONDS: u64 = 5;
/// A clock that is further off is a problem.
const MAX_SECONDS: u64 = 60;

#[derive(Deserialize)]
struct Claims {
    iat: Option<i64>,
}

/// By the `Date` header.
pub(super) fn compare(live: &Live, headers: &HeaderMap, found: &mut Findings) {
    let Some(theirs) = date(headers) else { return };
    let off = live.clock.now().wall.millis().div_euclid(1_000) - theirs;
    found.saw("clock", format!("{off:+} s against Salesforce's"));
    tell(off, "by the Date of its answer", found);
}

/// By the token's `iat`, where that tells something else than `Date`.
pub(super) fn issued(live: &Live, headers: &HeaderMap, token: &str, found: &mut Findings) {
    let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(token).ok();
    let Some(iat) = claims.and_then(|token| token.claims.iat) else { return };
    let off = live.clock.now().wall.millis().div_euclid(1_000) - iat;
    match date(headers) {
        Some(date) if date.abs_diff(iat) <= NOTE_SECONDS => return,
        Some(_) => found.saw("clock by the token", format!("{off:+} s; Date says otherwise")),
        None => found.saw("clock", format!("{off:+} s against Salesforce's")),
    }
    tell(off, "by its new token", found);
}

/// Seconds since 1970.
fn date(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second())
}

fn tell(off: i64, by: &str, found: &mut Findings) {
    if off.unsigned_abs() <= NOTE_SECONDS {
        return;
    }
    let told = Told {
        key: "plan",
        code: Some("CU010"),
        message: format!("this machine's clock is {off:+} s off Salesforce's, {by}"),
        expected: "a clock that is right to the second: the cutover goes by it",
        help: "let NTP set the clock".to_owned(),
    };
    if off.unsigned_abs() > MAX_SECONDS { found.problem(told) } else { found.note(told) }
}
