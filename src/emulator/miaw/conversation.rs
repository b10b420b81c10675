//! The REST operations on conversations.

use std::collections::HashSet;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

use super::knobs::{FormDisplay, RepeatedIds, RoutingStart};
use super::reply::{bad_request, error, json, read, too_many};
use super::state::{Conversation, Inner, agent, end_user};
use super::token::Caller;
use super::{Effect, MINUTE, Miaw};
use crate::emulator::desk::{ChatState, Speaker};
use crate::random;
use crate::time::Now;
use crate::wire::miaw::entry::{
    Acknowledgement, CloseConversation, EntryPayload, MessageEntry, Role,
};
use crate::wire::miaw::message::{AbstractMessage, MessageType};
use crate::wire::miaw::rest::{
    AcknowledgeEntries, ConversationList, ConversationStatus, CreateConversation, EntriesList,
    ListedConversation, RoutingAttributes, SendMessage, Sent, SentEntry, TypingEntry,
};
use crate::wire::miaw::{CONVERSATION_ID_FORMAT, is_lower_v4};

/// The most conversations at a time; beyond it create meets 412.
const MAX_CONVERSATIONS: usize = 50_000;

const MESSAGE_MEMBERS: [&str; 12] = [
    "message",
    "esDeveloperName",
    "isNewMessagingSession",
    "routingAttributes",
    "language",
    "message.id",
    "message.messageType",
    "message.inReplyToMessageId",
    "message.staticContent",
    "message.choicesResponse",
    "message.formResponse",
    "message.references",
];

impl Miaw {
    pub(super) fn create(&self, caller: &Caller, body: &[u8]) -> Result<Response, Response> {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let id = {
            let inner = &mut *self.lock();
            let known = ["conversationId", "esDeveloperName", "routingAttributes", "language"];
            let request: CreateConversation = read(&inner.knobs, body, &known)?;
            if !is_lower_v4(&request.conversation_id) {
                return Err(bad_request(CONVERSATION_ID_FORMAT));
            }
            deployment(caller, &request.es_developer_name)?;
            if inner.conversations.contains_key(&request.conversation_id) {
                let message = "The conversationId is already in use.";
                return Err(error(StatusCode::CONFLICT, message, "CONFLICT"));
            }
            if inner.conversations.len() >= MAX_CONVERSATIONS {
                let message = "Conversation Precondition failed";
                return Err(error(StatusCode::PRECONDITION_FAILED, message, "PRECONDITION_FAILED"));
            }
            if inner.knobs.rate_limits
                && let Some(subject) = inner.subjects.get_mut(&caller.subject)
            {
                let admitted = subject.creates.admit(now, 3, Duration::from_secs(30));
                admitted.map_err(|wait| too_many(&inner.knobs, wait))?;
            }
            let id = request.conversation_id;
            let attributes = mapped(inner, request.routing_attributes);
            let conversation = Conversation::new(&caller.subject, attributes, now);
            inner.conversations.insert(id.clone(), conversation);
            inner.start_session(&id, now);
            if inner.knobs.routing == RoutingStart::Create {
                effects.extend(inner.route(&id, now).map(Effect::Opened));
            }
            id
        };
        self.perform(&id, effects);
        Ok(StatusCode::CREATED.into_response())
    }

    pub(super) fn message(
        &self,
        caller: &Caller,
        id: &str,
        body: &[u8],
    ) -> Result<Response, Response> {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let sent = {
            let inner = &mut *self.lock();
            let request: SendMessage = read(&inner.knobs, body, &MESSAGE_MEMBERS)?;
            deployment(caller, &request.es_developer_name)?;
            check(&request.message, inner.knobs.refuse_responses)?;
            self.send(inner, caller, id, request, now, &mut effects)?
        };
        self.perform(id, effects);
        Ok(json(StatusCode::ACCEPTED, &sent))
    }

    /// Takes a message: the session it belongs to, its echo, and what the desk is told.
    pub(super) fn send(
        &self,
        inner: &mut Inner,
        caller: &Caller,
        id: &str,
        request: SendMessage,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<Sent, Response> {
        let conversation = owned(inner, caller, id)?;
        if !conversation.open {
            return Err(bad_request("The conversation is closed."));
        }
        let in_session = conversation.in_session();
        let repeated = conversation.sent.contains(&request.message.id);
        let fresh = request.is_new_messaging_session == Some(true);
        let entry = |id: String| SentEntry { id, client_timestamp: Some(now.wall.millis()) };
        if repeated {
            match inner.knobs.repeated_ids {
                RepeatedIds::AcceptTwice => {}
                RepeatedIds::Ignore => {
                    return Ok(Sent { conversation_entries: vec![entry(request.message.id)] });
                }
                RepeatedIds::Conflict409 => {
                    let message = "The message id is already in use.";
                    return Err(error(StatusCode::CONFLICT, message, "CONFLICT"));
                }
            }
        }
        if !in_session && !fresh && inner.knobs.form == FormDisplay::Session {
            let message = "There is no messaging session; start one.";
            return Err(error(StatusCode::EXPECTATION_FAILED, message, "EXPECTATION_FAILED"));
        }
        if inner.knobs.rate_limits
            && let Some(conversation) = inner.conversations.get_mut(id)
        {
            let admitted = conversation.sends.admit(now, 22, MINUTE);
            admitted.map_err(|wait| too_many(&inner.knobs, wait))?;
        }
        let attributes = request.routing_attributes.map(|a| mapped(inner, Some(a)));
        if !in_session {
            inner.start_session(id, now);
        }
        let first = request.message.id.clone();
        let Some(conversation) = inner.conversations.get_mut(id) else { return Err(not_found()) };
        conversation.sent.insert(first);
        if let Some(attributes) = attributes.filter(|_| fresh) {
            conversation.attributes.extend(attributes);
        }
        if !conversation.routed {
            effects.extend(inner.route(id, now).map(Effect::Opened));
        }
        let mut entries = Vec::new();
        let split = (inner.knobs.split_urls, inner.knobs.split_ids);
        for message in parts(request.message, split) {
            entries.push(entry(message.id.clone()));
            effects.push(Effect::Said { line: message.id.clone(), text: shown(&message) });
            self.echo(inner, caller, id, message, now);
        }
        Ok(Sent { conversation_entries: entries })
    }

    /// The sender's own message on the stream, and that it arrived when an agent is there.
    fn echo(&self, inner: &mut Inner, by: &Caller, id: &str, message: AbstractMessage, now: Now) {
        let message_id = message.id.clone();
        let entry = MessageEntry { abstract_message: message, message_reason: None };
        let payload = EntryPayload::Message(Box::new(entry));
        inner.publish(id, now, end_user(&by.subject), &payload, &message_id);
        let reader = inner.conversations.get(id).and_then(|c| c.agent.clone());
        if let Some(reader) = reader.filter(|_| inner.knobs.acknowledge) {
            let payload = EntryPayload::DeliveryAcknowledgement(Acknowledgement {
                acknowledged_conversation_entry_identifier: Some(message_id),
                acknowledgement_timestamp: Some(self.clock.now().wall.millis()),
            });
            inner.publish(id, now, agent(&reader), &payload, &random::uuid().to_string());
        }
    }

    pub(super) fn typing(
        &self,
        caller: &Caller,
        id: &str,
        body: &[u8],
    ) -> Result<Response, Response> {
        let on = {
            let inner = &mut *self.lock();
            owned(inner, caller, id)?;
            let entry: TypingEntry = read(&inner.knobs, body, &["entryType", "id"])?;
            match entry.entry_type.as_str() {
                "TypingStartedIndicator" => true,
                "TypingStoppedIndicator" => false,
                _ => return Err(bad_request("Specify a valid entryType.")),
            }
        };
        self.perform(id, vec![Effect::Typing(on)]);
        Ok(StatusCode::OK.into_response())
    }

    pub(super) fn acknowledge(
        &self,
        caller: &Caller,
        id: &str,
        body: &[u8],
    ) -> Result<Response, Response> {
        let inner = &mut *self.lock();
        owned(inner, caller, id)?;
        let request: AcknowledgeEntries = read(&inner.knobs, body, &["acks"])?;
        let kinds = ["Delivery", "Read", "DeliveryAcknowledgement", "ReadAcknowledgement"];
        if request.acks.iter().any(|ack| !kinds.contains(&ack.entry_type.as_str())) {
            return Err(bad_request("Specify a valid entryType."));
        }
        Ok(StatusCode::OK.into_response())
    }

    pub(super) fn status(&self, caller: &Caller, id: &str) -> Result<Response, Response> {
        let mut inner = self.lock();
        let conversation = owned(&mut inner, caller, id)?;
        let routing_status = conversation.routing.clone();
        let status = ConversationStatus { conversation_id: id.to_owned(), routing_status };
        Ok(json(StatusCode::OK, &status))
    }

    pub(super) fn list(&self, caller: &Caller, query: &[(String, String)]) -> Response {
        let closed_too = get(query, "inclClosedConvs") == Some("true");
        let limit = number(query, "limit").unwrap_or(20).clamp(1, 50) as usize;
        let inner = self.lock();
        let own = || inner.conversations.iter().filter(|(_, c)| c.subject == caller.subject);
        let mut conversations: Vec<_> = own()
            .filter(|(_, conversation)| conversation.open || closed_too)
            .map(|(id, conversation)| ListedConversation {
                conversation_id: id.clone(),
                start_timestamp: Some(conversation.started),
                end_timestamp: Some(conversation.ended),
            })
            .collect();
        conversations.sort_by_key(|listed| std::cmp::Reverse(listed.start_timestamp));
        conversations.truncate(limit);
        let open = own().filter(|(_, conversation)| conversation.open).count() as i64;
        let closed = if closed_too { own().count() as i64 - open } else { 0 };
        json(
            StatusCode::OK,
            &ConversationList {
                open_conversations_found: open,
                closed_conversations_found: closed,
                conversations,
            },
        )
    }

    pub(super) fn entries(
        &self,
        caller: &Caller,
        id: &str,
        query: &[(String, String)],
    ) -> Result<Response, Response> {
        let limit = number(query, "limit").unwrap_or(20);
        if !(1..=50).contains(&limit) {
            return Err(bad_request("Specify a limit from 1 to 50."));
        }
        let from = number(query, "startTimestamp").unwrap_or(i64::MIN);
        let to = number(query, "endTimestamp").unwrap_or(i64::MAX);
        let kinds: Option<HashSet<&str>> =
            get(query, "entryTypeFilter").map(|kinds| kinds.split(',').map(str::trim).collect());
        let from_start = get(query, "direction") == Some("FromStart");
        let mut inner = self.lock();
        let conversation = owned(&mut inner, caller, id)?;
        let wanted = conversation.entries.iter().filter(|entry| {
            let at = entry.transcripted_timestamp.unwrap_or_default();
            let kind = kinds.as_ref().is_none_or(|k| k.contains(entry.entry_type.as_str()));
            (from..=to).contains(&at) && kind
        });
        // Which end the page is cut from differs; the order in it does not: newest first.
        let conversation_entries = if from_start {
            let page: Vec<_> = wanted.take(limit as usize).cloned().collect();
            page.into_iter().rev().collect()
        } else {
            wanted.rev().take(limit as usize).cloned().collect()
        };
        Ok(json(StatusCode::OK, &EntriesList { conversation_entries }))
    }

    /// Ends the session, and with `all` the conversation.
    pub(super) fn close(
        &self,
        caller: &Caller,
        id: &str,
        query: &[(String, String)],
        all: bool,
    ) -> Result<Response, Response> {
        let now = self.clock.now();
        {
            let mut inner = self.lock();
            deployment(caller, get(query, "esDeveloperName").unwrap_or_default())?;
            let conversation = owned(&mut inner, caller, id)?;
            if !conversation.open {
                return Err(bad_request("The conversation is closed."));
            }
            if all {
                conversation.open = false;
                conversation.ended = now.wall.millis();
            }
            inner.end_session(id, now, &Role::EndUser);
            if all {
                let close = CloseConversation { conversation_identifier: Some(id.to_owned()) };
                inner.announce(id, now, &EntryPayload::CloseConversation(close));
            }
        }
        if self.desk.chat(id).is_some_and(|chat| chat.state != ChatState::Ended) {
            self.perform(id, vec![Effect::Ended(Speaker::Visitor)]);
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }
}

/// The caller's own conversation; 404 when there is none, 403 when it is another's.
pub(super) fn owned<'i>(
    inner: &'i mut Inner,
    caller: &Caller,
    id: &str,
) -> Result<&'i mut Conversation, Response> {
    match inner.conversations.get_mut(id) {
        None => Err(not_found()),
        Some(conversation) if conversation.subject != caller.subject => {
            let message = "The end user is not a participant of the conversation.";
            Err(error(StatusCode::FORBIDDEN, message, "FORBIDDEN"))
        }
        Some(conversation) => Ok(conversation),
    }
}

fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "The conversation was not found.", "NOT_FOUND")
}

pub(super) fn deployment(caller: &Caller, name: &str) -> Result<(), Response> {
    if name == caller.deployment {
        return Ok(());
    }
    Err(bad_request("Specify the esDeveloperName that the access token was issued for."))
}

fn check(message: &AbstractMessage, refuse_responses: bool) -> Result<(), Response> {
    if !is_lower_v4(&message.id) {
        return Err(bad_request("Specify the message id in UUID format."));
    }
    let content = match message.message_type {
        MessageType::StaticContent => message.static_content.is_some(),
        MessageType::ChoicesResponse => message.choices_response.is_some(),
        MessageType::FormResponse => message.form_response.is_some(),
        _ => return Err(bad_request("Specify a valid messageType.")),
    };
    let answers = message.message_type != MessageType::StaticContent;
    // An empty one was seen to be taken (miaw.md 5.4); a bot's menu is no message.
    if answers && (refuse_responses || message.in_reply_to_message_id.is_none()) {
        return Err(bad_request("Specify the inReplyToMessageId of an open question."));
    }
    if content { Ok(()) } else { Err(bad_request("Specify the content of the messageType.")) }
}

/// Attributes that the channel does not have are dropped without a word, as in a real org.
fn mapped(inner: &Inner, attributes: Option<RoutingAttributes>) -> RoutingAttributes {
    let mut attributes = attributes.unwrap_or_default();
    if let Some(known) = &inner.knobs.known_attributes {
        attributes.retain(|name, _| known.contains(name));
    }
    attributes
}

/// A text with a URL at its start or end becomes two messages; the second id is the server's.
fn parts(message: AbstractMessage, (split, ids): (bool, bool)) -> Vec<AbstractMessage> {
    let text = message.static_content.as_ref().and_then(|content| content.text.clone());
    let words: Option<(String, String)> = text.filter(|_| split).and_then(|text| {
        let is_url = |word: &str| word.starts_with("http://") || word.starts_with("https://");
        let (head, tail) = text.split_once(char::is_whitespace)?;
        if is_url(head) {
            return Some((head.to_owned(), tail.to_owned()));
        }
        let (head, tail) = text.rsplit_once(char::is_whitespace)?;
        is_url(tail).then(|| (head.to_owned(), tail.to_owned()))
    });
    match words {
        None => vec![message],
        Some((head, tail)) => vec![
            match ids {
                true => AbstractMessage::text(&random::uuid().to_string(), &head),
                false => AbstractMessage::text(&message.id, &head),
            },
            AbstractMessage::text(&random::uuid().to_string(), &tail),
        ],
    }
}

/// What the agent sees of a message.
fn shown(message: &AbstractMessage) -> String {
    if let Some(content) = &message.static_content {
        let files = content.attachments.iter().flatten().filter_map(|file| file.name.as_deref());
        let files = files.map(|name| format!("[file {name}]"));
        return content.text.iter().cloned().chain(files).collect::<Vec<_>>().join(" ");
    }
    let options = message.choices_response.iter().flat_map(|choice| &choice.selected_options);
    let title = |value: &Value| match value {
        Value::String(title) => Some(title.clone()),
        other => other["title"].as_str().map(str::to_owned),
    };
    let shown: Vec<_> = options
        .filter_map(|option| {
            option.option_title.as_ref().and_then(title).or(option.option_identifier.clone())
        })
        .collect();
    let values = message.form_response.as_ref().and_then(|form| form["inputValues"].as_array());
    let values = values.into_iter().flatten().map(input);
    shown.into_iter().chain(values).collect::<Vec<_>>().join(", ")
}

/// One field of a form, as the agent sees it.
fn input(value: &Value) -> String {
    let id = value["inputId"].as_str().unwrap_or("?");
    let single = ["textValue", "dateValue", "dateTimeValue"];
    let text = single.iter().find_map(|kind| value["value"][kind].as_str());
    let options = value["selectedOptions"].as_array().into_iter().flatten();
    let options = options.filter_map(|option| option["optionIdentifier"].as_str());
    let text = text.map_or_else(|| options.collect::<Vec<_>>().join("+"), str::to_owned);
    format!("{id}={text}")
}

fn get<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn number(query: &[(String, String)], name: &str) -> Option<i64> {
    get(query, name)?.parse().ok()
}
