//! Bodies of the visitor's POSTs: bytes to commands.
//!
//! Promised: read by content, whatever the headers say; an error names property, line and column
//! and never quotes what was sent.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::Translate;
use super::call::Noun;
use super::reply::{self, Refusal};
use crate::chat::text::Text;
use crate::chat::visitor::VisitorCommand;
use crate::config::{Limits, Tenant};
use crate::wire::liveagent::{BadProperty, BadRequest, CHAT_END_REASON, FOOTER_MENU, request};

/// Requests that one MultiNoun may batch.
const BATCH_MAX: usize = 32;

/// The whole body, bounded in size and time.
pub(super) async fn read(body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let whole = Limited::new(body, limits.request_body_bytes).collect();
    let within = Duration::from_secs(limits.request_body_seconds as u64);
    match tokio::time::timeout(within, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let problem = format!("the body is larger than {} bytes", limits.request_body_bytes);
            let refusal = BadRequest { message: problem, details: Vec::new() };
            Err(Box::new(reply::json(StatusCode::PAYLOAD_TOO_LARGE, &refusal)))
        }
        Ok(Err(_)) => Err(refuse("the body could not be read to its end", "")),
        Err(_) => {
            let problem = "the body did not arrive in time";
            Err(Box::new(reply::text(StatusCode::REQUEST_TIMEOUT, problem)))
        }
    }
}

/// UTF-8, or else ISO-8859-1, which every byte is (client-hazards.md 2).
pub(crate) fn decode(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// 64 bits of a hash over all parts.
pub(super) fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finish().as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// What a POST asks for: one command, or those of a batch.
pub(super) fn commands(
    tenant: &Tenant,
    translate: &Translate,
    noun: Noun,
    body: &str,
) -> Result<Vec<VisitorCommand>, Refusal> {
    if noun != Noun::Batch {
        return Ok(vec![command(tenant, translate, noun, body, Lone(true))?]);
    }
    let batch: request::MultiNoun = match body.trim_start().starts_with('[') {
        true => parse(&format!("{{\"nouns\":{body}}}"))?,
        false => parse(body)?,
    };
    if batch.nouns.len() > BATCH_MAX {
        return Err(refuse(&format!("a batch holds at most {BATCH_MAX} requests"), "nouns"));
    }
    let mut commands = Vec::new();
    for wrapper in &batch.nouns {
        // Prefixes that one client invents are skipped (live-agent.md 3.9).
        let visitors = wrapper.prefix.as_deref().is_none_or(|prefix| prefix == "Chasitor");
        let noun = wrapper.noun.as_deref().and_then(Noun::of_visitor);
        if let Some(noun) = noun.filter(|_| visitors) {
            commands.push(command(tenant, translate, noun, &wrapper.body(), Lone(false))?);
        }
    }
    if commands.is_empty() {
        commands.push(VisitorCommand::Ignored);
    }
    Ok(commands)
}

/// The reason of a client whose idle timer ran out.
const IDLE_REASON: &str = "clientIdleTimeout";

/// Whether a request came by itself, not in a batch.
#[derive(Clone, Copy)]
struct Lone(bool);

fn command(
    tenant: &Tenant,
    translate: &Translate,
    noun: Noun,
    body: &str,
    lone: Lone,
) -> Result<VisitorCommand, Refusal> {
    Ok(match noun {
        Noun::ChasitorInit => {
            let init: request::ChasitorInit = parse(body)?;
            let begin = translate(tenant, &init, body)
                .map_err(|refusal| Box::new(reply::json(StatusCode::BAD_REQUEST, &refusal)))?;
            VisitorCommand::Begin(Box::new(begin))
        }
        Noun::ChatMessage => {
            let message: request::ChatMessage = parse(body)?;
            match message.text {
                // Salesforce's answer is unknown; MIAW takes no empty text.
                Some(text) if text.is_empty() => VisitorCommand::Ignored,
                Some(text) => VisitorCommand::Say(Text::from(text)),
                None => return Err(refuse("ChatMessage requires a text", "text")),
            }
        }
        Noun::ChatEnd => {
            // The guide's own batch ends without a reason.
            if lone.0 && !has_reason(body) {
                return Err(Box::new(reply::text(StatusCode::BAD_REQUEST, CHAT_END_REASON)));
            }
            if body.contains(IDLE_REASON) { VisitorCommand::EndIdle } else { VisitorCommand::End }
        }
        Noun::ChasitorIdleTimeoutWarningEvent => {
            VisitorCommand::IdleWarning { cleared: body.contains("\"cleared\"") }
        }
        Noun::ChatCancel => VisitorCommand::End,
        Noun::RichMessage if !body.trim().is_empty() => {
            let picked: request::RichMessage = parse(body)?;
            let action = picked.actions.iter().find(|action| action.index.is_some());
            let menu = action.is_some_and(|action| action.kind.as_deref() == Some(FOOTER_MENU));
            let index = action.and_then(|action| usize::try_from(action.index?).ok());
            match index {
                Some(index) if menu => VisitorCommand::ChooseFromMenu { index },
                Some(index) => VisitorCommand::Choose { index },
                None => VisitorCommand::Ignored,
            }
        }
        // MIAW shows no unsent text, but that something is being written.
        Noun::ChasitorSneakPeek if !body.trim().is_empty() => {
            let peek: request::ChatMessage = parse(body)?;
            match peek.text.is_some_and(|text| !text.is_empty()) {
                true => VisitorCommand::Typing,
                false => VisitorCommand::NotTyping,
            }
        }
        Noun::ChasitorTyping => VisitorCommand::Typing,
        Noun::ChasitorNotTyping => VisitorCommand::NotTyping,
        _ => VisitorCommand::Ignored,
    })
}

/// Whether a ChatEnd names its reason, in any form that real clients use: plain, wrapped in
/// `ChatEndReason`, or with the member's name unquoted.
fn has_reason(body: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Wrapped {
        #[serde(rename = "ChatEndReason")]
        inner: Inner,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Inner {
        Whole(request::ChatEnd),
        Bare(String),
    }
    match serde_json::from_str::<request::ChatEnd>(body) {
        Ok(end) if end.reason.is_some() => true,
        Ok(_) => match serde_json::from_str::<Wrapped>(body) {
            Ok(Wrapped { inner: Inner::Whole(end) }) => end.reason.is_some(),
            Ok(Wrapped { inner: Inner::Bare(reason) }) => !reason.is_empty(),
            Err(_) => false,
        },
        Err(_) => unquoted_reason(body),
    }
}

/// `{reason:"client"}`, which is no JSON and works with the real service.
fn unquoted_reason(body: &str) -> bool {
    let inner = body.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some((name, value)) = inner.and_then(|inner| inner.split_once(':')) else { return false };
    let value = value.trim();
    name.trim().trim_matches(['\'', '"']) == "reason" && !value.is_empty() && value != "null"
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    if body.trim().is_empty() {
        return Err(refuse("the request requires a body", ""));
    }
    let mut reader = serde_json::Deserializer::from_str(body);
    let read = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| (error.path().to_string(), error.into_inner()));
    read.and_then(|value| reader.end().map(|()| value).map_err(|error| (String::new(), error)))
        .map_err(|(path, error)| {
            let what = match error.classify() {
                // The parser's own sentence would quote the value.
                Category::Data => "a value is not of the expected type",
                Category::Eof => "the JSON ends too early",
                Category::Syntax | Category::Io => "the JSON is not well formed",
            };
            // Only a wrong type is found at a member of ours; other names are the client's words.
            let property = if error.is_data() && path != "." { path.as_str() } else { "" };
            let (line, column) = (error.line(), error.column());
            refuse(&format!("{what} at line {line} column {column}"), property)
        })
}

/// 400 in the form of live-agent.md 1.5.
fn refuse(problem: &str, property: &str) -> Refusal {
    let message = problem.to_owned();
    let detail = BadProperty { property: property.to_owned(), message: message.clone() };
    let refusal = BadRequest { message, details: vec![detail] };
    Box::new(reply::json(StatusCode::BAD_REQUEST, &refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_in_every_form() {
        for (body, found) in [
            (r#"{"reason":"client"}"#, true),
            (r#"{"type":"ChatEndReason","reason":"client"}"#, true),
            (r#"{"reason":"client ended chat"}"#, true),
            (r#"{"ChatEndReason":{"reason":"client"}}"#, true),
            (r#"{"ChatEndReason":"client"}"#, true),
            (r#"{reason:"client"}"#, true),
            ("{ reason : 'client' }", true),
            (r#"{"reason":null}"#, false),
            (r#"{"ChatEndReason":{}}"#, false),
            (r#"{"ChatEndReason":{"reason":null}}"#, false),
            ("{reason:null}", false),
            ("{}", false),
            ("", false),
            ("client", false),
        ] {
            assert_eq!(has_reason(body), found, "{body}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_latin_1() {
        assert_eq!(decode(b"\xef\xbb\xbf{}"), "{}");
        assert_eq!(decode("Grüße".as_bytes()), "Grüße");
        assert_eq!(decode(b"Gr\xfc\xdfe"), "Grüße");
    }
}
