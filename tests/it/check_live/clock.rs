//! The clock against Salesforce's: by the answer's date, and by the token.

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;

use super::{AT, checked_at, one};

/// A service, or a proxy before it, that dates its answers.
fn dated(date: &'static str) -> impl FnOnce(Router) -> Option<Router> {
    move |router: Router| {
        Some(router.layer(map_response(move |mut answer: Response| async move {
            answer.headers_mut().insert("date", date.parse().unwrap());
            answer
        })))
    }
}

const ON_TIME: &str = "Sun, 01 Mar 2026 09:00:00 GMT";

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_told_with_its_sign() {
    let none = |_: &mut _, _: &_| {};
    let right = checked_at(AT, none, dated(ON_TIME)).await;
    assert!(right.problems.is_empty() && right.notes.is_empty(), "{right}");
    assert!(right.to_string().contains("clock: +0 s"), "{right}");
    let little = checked_at("2026-03-01T08:59:50Z", none, dated(ON_TIME)).await;
    assert!(little.problems.is_empty(), "{little}");
    let note = little.notes[0].to_string();
    assert!(note.contains("-10 s off") && note.contains("[CU010]"), "{note}");
    let far = checked_at("2026-03-01T09:02:00Z", none, dated(ON_TIME)).await;
    let text = one(&far);
    assert!(text.contains("+120 s off") && text.contains("NTP"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_token_tells_where_the_date_does_not() {
    let none = |_: &mut _, _: &_| {};
    let text = one(&checked_at("2026-03-01T09:02:00Z", none, Some).await);
    assert!(text.contains("+120 s off") && text.contains("by its new token"), "{text}");
    // A proxy that dates answers by a clock as wrong as ours.
    let proxy = dated("Sun, 01 Mar 2026 09:02:00 GMT");
    let text = one(&checked_at("2026-03-01T09:02:00Z", none, proxy).await);
    assert!(text.contains("by its new token"), "{text}");
}
