//! The dialect of script tags: `Visitor/*.jsonp`, `System/MultiNoun.jsonp`,
//! `EmbeddedService/EmbeddedServiceConfig.jsonp`.
//!
//! Promised: the callback is a dotted name or the request is refused; what is called back with is
//! JSON on one line that ends neither the script nor its tag; no browser takes it for anything but
//! JavaScript.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

use super::call::{Call, Lookup, Script};
use super::{Facade, reply, visitor};
use crate::wire::liveagent::message::Warning;
use crate::wire::liveagent::{Message, MessagesPayload};

/// The longest callback, in bytes.
const CALLBACK_MAX: usize = 128;
/// Nouns that one request may name.
const NOUNS_MAX: usize = 8;
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Who is there changes; and the name of the callback is the asker's.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The answer to a script tag.
pub(super) async fn answer(facade: &Facade, call: &Call<'_>, script: Script) -> Response<Body> {
    if callback(call).is_none() {
        return uncallable();
    }
    let messages = match script {
        Script::One(noun) => visitor::message(facade, call, noun).await.into_iter().collect(),
        Script::Many => many(facade, call).await,
    };
    calling(call, &MessagesPayload { messages, sequence: None, offset: None })
}

/// The function that is to be called.
fn callback(call: &Call<'_>) -> Option<String> {
    call.parameter("callback").filter(|name| is_callback(name))
}

fn uncallable() -> Response<Body> {
    let problem = "The parameter callback must be the name of a function";
    let mut refusal = reply::text(StatusCode::BAD_REQUEST, problem);
    refusal.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    refusal
}

/// A call of the asker's function with these messages.
pub(super) fn calling(call: &Call<'_>, payload: &MessagesPayload) -> Response<Body> {
    let Some(callback) = callback(call) else { return uncallable() };
    let Ok(json) = serde_json::to_string(payload) else { return reply::failed() };
    let mut response = reply::script(format!("{callback}({});", harmless(&json)));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// One message for each noun that is named.
async fn many(facade: &Facade, call: &Call<'_>) -> Vec<Message> {
    let mut messages = Vec::new();
    for name in call.list("nouns").into_iter().take(NOUNS_MAX) {
        let prefix = call.parameter(&format!("{name}.prefix"));
        match Lookup::find(prefix.as_deref().unwrap_or("Visitor"), &name) {
            Some(noun) => messages.extend(visitor::message(facade, call, noun).await),
            None => {
                let text = "No such resource".to_owned();
                messages.push(Message::new(&Warning { text }));
            }
        }
    }
    messages
}

/// A dotted name, and nothing that could be more.
fn is_callback(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'.');
    starts && name.len() <= CALLBACK_MAX && name.bytes().all(fits)
}

/// JSON that is JavaScript too, in old browsers and within a page.
fn harmless(json: &str) -> String {
    let mut script = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{2028}' => script.push_str("\\u2028"),
            '\u{2029}' => script.push_str("\\u2029"),
            '<' => script.push_str("\\u003c"),
            c => script.push(c),
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_functions_are_called_back() {
        for good in ["cb", "$", "_x", "liveagent._.handlePing", "a.b$.c9"] {
            assert!(is_callback(good), "{good}");
        }
        let long = "a".repeat(CALLBACK_MAX + 1);
        for bad in ["", "9a", ".a", "a(b", "a;b", "a b", "a[0]", "a\n", "ä", "alert(1)//", &long] {
            assert!(!is_callback(bad), "{bad}");
        }
    }

    #[test]
    fn no_character_ends_the_script() {
        assert_eq!(
            harmless("\"</script>\u{2028}\u{2029}é\""),
            "\"\\u003c/script>\\u2028\\u2029é\""
        );
    }
}
