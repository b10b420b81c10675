//! The REST calls of MIAW v2 (miaw.md 3 to 5): one call in, one outcome out.
//!
//! Promised: an outcome tells whether the call can have happened; answers are read up to a limit;
//! nothing of a body is logged.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::token::lifetime;
use super::{Endpoint, files, identity};
use crate::adapter::transport::Transport;
use crate::chat::Outcome;
use crate::chat::content::{Answer, Value};
use crate::chat::happening::RoutingStatus;
use crate::chat::limits::FILE_LOST;
use crate::chat::pending::UpstreamCall;
use crate::chat::text::{Secret, Text};
use crate::chat::translate::read_entry;
use crate::clock::Clock;
use crate::wire::miaw::message::AbstractMessage;
use crate::wire::miaw::rest::{
    ClientContext, ConversationStatus, CreateConversation, EntriesList, SendMessage, TokenRequest,
    TokenResponse, TypingEntry,
};
use crate::wire::miaw::{BASE, ORG_ID};

/// The name this program gives itself in the token request (letters, digits, `_`, `.`).
const APP_NAME: &str = "liveagent_bridge";
/// Entries per page; the service allows no more (miaw.md 2.5).
const PAGE: usize = 50;
/// Pages read to fill one gap.
const PAGES_MAX: usize = 20;

/// Makes REST calls for one tenant.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    endpoint: Endpoint,
    clock: Clock,
    within: Duration,
    body_bytes_max: usize,
}

/// An identity token, and whom it names.
pub struct Identity {
    /// The token.
    pub token: Secret,
    /// The user, when known.
    pub user: Option<String>,
}

/// An answer with its body.
struct Answered {
    status: StatusCode,
    wait: Option<Duration>,
    body: Bytes,
}

impl Client {
    /// A client of this tenant; `within` bounds one call, `body_bytes_max` one answer.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        endpoint: Endpoint,
        clock: Clock,
        within: Duration,
        body_bytes_max: usize,
    ) -> Self {
        Self { transport, endpoint, clock, within, body_bytes_max }
    }

    /// Makes one call.
    pub async fn call(&self, bearer: Option<Secret>, call: UpstreamCall) -> Outcome {
        match call {
            UpstreamCall::MintToken => self.mint(None, true).await,
            UpstreamCall::ContinueToken => {
                let path = "/authorization/continuation-access-token";
                let answer = self.send::<()>(Method::GET, path, bearer.as_ref(), None).await;
                self.granted(answer)
            }
            UpstreamCall::RevokeToken => {
                let path = "/authorization/token";
                done(self.send::<()>(Method::DELETE, path, bearer.as_ref(), None).await)
            }
            UpstreamCall::SendFile { .. } => Outcome::Refused { status: FILE_LOST, wait: None },
            UpstreamCall::ListEntries { conversation, since_millis } => {
                let path = format!("/conversation/{conversation}/entries");
                self.entries(bearer.as_ref(), &path, since_millis).await
            }
            UpstreamCall::RoutingStatus { conversation } => {
                let path = format!("/conversation/{conversation}");
                let answer = self.send::<()>(Method::GET, &path, bearer.as_ref(), None).await;
                read(answer, |status: ConversationStatus| {
                    Outcome::Routing(match status.routing_status.as_str() {
                        "INITIAL" => RoutingStatus::Initial,
                        "ROUTED" => RoutingStatus::Routed,
                        "TRANSFER" => RoutingStatus::Transfer,
                        "NEEDS_ROUTING" => RoutingStatus::NeedsRouting,
                        _ => RoutingStatus::Unknown,
                    })
                })
            }
            call => self.write(bearer.as_ref(), call).await,
        }
    }

    /// Asks for an access token: a guest's, or with `identity` that of the user whom it names. With
    /// `strict` an answer for a guest in place of that user counts as a refusal.
    pub async fn mint(&self, identity: Option<Identity>, strict: bool) -> Outcome {
        let mut request = TokenRequest {
            org_id: self.endpoint.org_id.clone(),
            es_developer_name: self.endpoint.developer_name.clone(),
            capabilities_version: self.endpoint.capabilities_version.clone(),
            platform: "Web".to_owned(),
            context: Some(ClientContext {
                app_name: APP_NAME.to_owned(),
                client_version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            ..TokenRequest::default()
        };
        let Some(Identity { token: Secret(token), user }) = identity else {
            let path = "/authorization/unauthenticated/access-token";
            return self.granted(self.send(Method::POST, path, None, Some(&request)).await);
        };
        request.authorization_type = Some("JWT".to_owned());
        request.customer_identity_token = Some(token);
        let path = "/authorization/authenticated/access-token";
        let answer = self.send(Method::POST, path, None, Some(&request)).await;
        let verified = answer.as_ref().is_ok_and(|answer| is_for(&answer.body, user.as_deref()));
        let granted = self.granted(answer);
        if matches!(granted, Outcome::Token { .. }) && !verified {
            tracing::warn!(strict, "a verified user was answered with a guest's token");
            if strict {
                return Outcome::Refused { status: 401, wait: None };
            }
        }
        granted
    }

    fn granted(&self, answer: Result<Answered, Outcome>) -> Outcome {
        let received = self.clock.now().wall;
        read(answer, |token: TokenResponse| Outcome::Token {
            lifetime: lifetime(&token.access_token, received),
            bearer: Secret(token.access_token),
            last_event_id: token.last_event_id,
            files: token.context.and_then(|context| files::rules(&context)),
        })
    }

    /// Sends a file of the visitor.
    pub async fn send_file(
        &self,
        bearer: Option<Secret>,
        call: UpstreamCall,
        bytes: Option<Bytes>,
    ) -> Outcome {
        let UpstreamCall::SendFile { conversation, id, file_id, file, new_session, .. } = call
        else {
            return Outcome::NotSent;
        };
        let Some(bytes) = bytes else {
            return Outcome::Refused { status: FILE_LOST, wait: None };
        };
        let mut entry = json!({
            "message": { "id": id, "fileId": file_id },
            "esDeveloperName": self.endpoint.developer_name,
        });
        if let Some((attributes, language)) = new_session {
            entry["isNewMessagingSession"] = json!(true);
            entry["routingAttributes"] = json!(attributes);
            entry["language"] = json!(language);
        }
        let boundary = file_id.simple().to_string();
        let entry = entry.to_string();
        let (body, kind) =
            files::form(&boundary, entry.as_bytes(), file.name.as_str(), &file.kind, &bytes);
        let path = format!("/conversation/{conversation}/file");
        let request = self.request(Method::POST, &path, bearer.as_ref());
        done(self.exchange(request.header(header::CONTENT_TYPE, kind), body).await)
    }

    async fn write(&self, bearer: Option<&Secret>, call: UpstreamCall) -> Outcome {
        let name = self.endpoint.developer_name.clone();
        let answer = match call {
            UpstreamCall::CreateConversation { id, attributes, language } => {
                let body = CreateConversation {
                    conversation_id: id.to_string(),
                    es_developer_name: name,
                    routing_attributes: Some(attributes),
                    language,
                };
                self.send(Method::POST, "/conversation", bearer, Some(&body)).await
            }
            UpstreamCall::SendMessage { conversation, id, text, answer, new_session } => {
                let (again, attributes, language) = match new_session {
                    Some((attributes, language)) => (Some(true), Some(attributes), language),
                    None => (None, None, None),
                };
                let body = SendMessage {
                    message: message(&id.to_string(), &text, answer),
                    es_developer_name: name,
                    is_new_messaging_session: again,
                    routing_attributes: attributes,
                    language,
                };
                let path = format!("/conversation/{conversation}/message");
                self.send(Method::POST, &path, bearer, Some(&body)).await
            }
            UpstreamCall::Typing { conversation, id, started } => {
                let kind =
                    if started { "TypingStartedIndicator" } else { "TypingStoppedIndicator" };
                let body = TypingEntry { entry_type: kind.to_owned(), id: id.to_string() };
                let path = format!("/conversation/{conversation}/entry");
                self.send(Method::POST, &path, bearer, Some(&body)).await
            }
            UpstreamCall::CloseConversation { conversation } => {
                let path = format!("/conversation/{conversation}?esDeveloperName={name}");
                self.send::<()>(Method::DELETE, &path, bearer, None).await
            }
            UpstreamCall::MintToken
            | UpstreamCall::SendFile { .. }
            | UpstreamCall::ContinueToken
            | UpstreamCall::RevokeToken
            | UpstreamCall::ListEntries { .. }
            | UpstreamCall::RoutingStatus { .. } => return Outcome::Unknown,
        };
        done(answer)
    }

    /// Every entry since then, oldest first; the service lists the newest first, in pages.
    async fn entries(&self, bearer: Option<&Secret>, path: &str, since: i64) -> Outcome {
        let mut newest_first: Vec<crate::wire::miaw::entry::ConversationEntry> = Vec::new();
        let mut until = String::new();
        for _ in 0..PAGES_MAX {
            let page = format!("{path}?limit={PAGE}&startTimestamp={since}{until}");
            let answer = self.send::<()>(Method::GET, &page, bearer, None).await;
            let answer = match answer {
                Ok(answer) if answer.status.is_success() => answer,
                failed => return done(failed),
            };
            let Ok(list) = serde_json::from_slice::<EntriesList>(&answer.body) else {
                return Outcome::Unknown;
            };
            let full = list.conversation_entries.len() >= PAGE;
            let before = newest_first.len();
            for entry in list.conversation_entries {
                if !newest_first.iter().any(|known| known.identifier == entry.identifier) {
                    newest_first.push(entry);
                }
            }
            let oldest = newest_first.last().and_then(|entry| entry.transcripted_timestamp);
            match oldest.filter(|_| full && newest_first.len() > before) {
                Some(oldest) => until = format!("&endTimestamp={oldest}"),
                None => break,
            }
        }
        newest_first.reverse();
        newest_first.sort_by_key(|entry| entry.transcripted_timestamp.unwrap_or(0));
        Outcome::Entries(newest_first.iter().flat_map(|entry| read_entry(entry, None)).collect())
    }

    async fn send<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&Secret>,
        body: Option<&T>,
    ) -> Result<Answered, Outcome> {
        let mut request = self.request(method, path, bearer);
        let bytes = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                serde_json::to_vec(body).map_err(|_| Outcome::NotSent)?
            }
            None => Vec::new(),
        };
        self.exchange(request, Bytes::from(bytes)).await
    }

    fn request(&self, method: Method, path: &str, bearer: Option<&Secret>) -> Builder {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{BASE}{path}", self.endpoint.base_url))
            .header(header::ACCEPT, "application/json")
            .header(ORG_ID, &self.endpoint.org_id);
        match bearer {
            Some(Secret(token)) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    async fn exchange(&self, request: Builder, body: Bytes) -> Result<Answered, Outcome> {
        let request = request.body(body).map_err(|_| Outcome::NotSent)?;
        let answer = self.transport.send(request, self.within).await.map_err(|error| {
            tracing::debug!(sent = error.sent, cause = %error, "a MIAW call got no answer");
            if error.sent { Outcome::Unknown } else { Outcome::NotSent }
        })?;
        let (head, body) = answer.into_parts();
        let wait = head.headers.get(header::RETRY_AFTER).and_then(|value| {
            value.to_str().ok()?.trim().parse::<u32>().ok().map(|s| Duration::from_secs(s.into()))
        });
        let limited = Limited::new(body, self.body_bytes_max);
        let read = tokio::time::timeout(self.within, limited.collect());
        let body = match read.await {
            Ok(Ok(body)) => body.to_bytes(),
            // The status says enough where it is an error; a success without its body is in doubt.
            _ if !head.status.is_success() => Bytes::new(),
            _ => return Err(Outcome::Unknown),
        };
        Ok(Answered { status: head.status, wait, body })
    }
}

/// A text, or the answer that it spells out.
fn message(id: &str, text: &Text, answer: Option<Answer>) -> AbstractMessage {
    match answer {
        None => AbstractMessage::text(id, text.as_str()),
        Some(Answer::Choice { message, id: option }) => {
            AbstractMessage::selection(id, &message, &option, text.as_str())
        }
        Some(Answer::Form { message, values }) => {
            let values = values.into_iter().filter_map(|(input, value)| input_value(&input, value));
            AbstractMessage::form_response(id, &message, &values.collect::<Vec<_>>())
        }
    }
}

/// What a field was answered, as miaw.md 7.4 has it.
fn input_value(input: &str, value: Value) -> Option<serde_json::Value> {
    let single = |value: serde_json::Value| json!({ "inputValueType": "SingleInputValue", "inputId": input, "value": value });
    Some(match value {
        Value::Text(text) => single(json!({ "valueType": "TextValue", "textValue": text.0 })),
        Value::Date(day) => single(json!({ "valueType": "DateValue", "dateValue": day })),
        Value::DateTime(at) => single(json!({ "valueType": "DateTimeValue", "dateTimeValue": at })),
        Value::Options(ids) => {
            let option = |id: &String| json!({ "optionIdentifier": id });
            let options: Vec<_> = ids.iter().map(option).collect();
            let kind = "SelectedOptionsInputValue";
            json!({ "inputValueType": kind, "inputId": input, "selectedOptions": options })
        }
        Value::Skipped => return None,
    })
}

/// Whether an access token is this verified user's.
fn is_for(answer: &[u8], user: Option<&str>) -> bool {
    let token = serde_json::from_slice::<TokenResponse>(answer).ok();
    let subject = token.and_then(|token| token.context?.end_user?.subject).unwrap_or_default();
    match user {
        Some(user) => identity::is_verified(&subject, user),
        None => subject.contains("/AUTH/"),
    }
}

fn done(answer: Result<Answered, Outcome>) -> Outcome {
    match answer {
        Ok(answer) if answer.status.is_success() => Outcome::Done,
        Ok(answer) => Outcome::Refused { status: answer.status.as_u16(), wait: answer.wait },
        Err(outcome) => outcome,
    }
}

fn read<T: DeserializeOwned>(
    answer: Result<Answered, Outcome>,
    mean: impl FnOnce(T) -> Outcome,
) -> Outcome {
    match answer {
        Ok(answer) if answer.status.is_success() => {
            serde_json::from_slice(&answer.body).map_or(Outcome::Unknown, mean)
        }
        other => done(other),
    }
}
