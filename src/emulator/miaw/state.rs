//! What MIAW remembers: subjects with their events, and conversations with their entries.
//!
//! Promised: event ids are unique and increasing over all subjects; an entry is on the stream and
//! in the list alike.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::knobs::Knobs;
use crate::emulator::desk::{Agent, NewChat, ServiceName};
use crate::random;
use crate::time::{Mono, Now};
use crate::wire::miaw::entry::{
    ConversationEntry, EntryPayload, EstimatedWaitTime, FailureType, Participant,
    ParticipantChange, ParticipantChanged, ParticipantOperation, Role, RoutingResult, RoutingType,
    RoutingWorkResult, SessionStatus, SessionStatusChanged, WorkType,
};
use crate::wire::miaw::event::{EventData, EventName};
use crate::wire::miaw::rest::{RoutingAttributes, RoutingStatus};

/// The most entries kept of one conversation.
const MAX_ENTRIES: usize = 10_000;
const CHANNEL: &str = "7f6c0000-0000-4000-8000-000000000001";
const QUEUE: &str = "00G000000000001";

/// An event as it goes out.
pub(super) struct Stored {
    pub(super) id: u64,
    pub(super) frame: String,
}

/// An end user: what a token stands for.
pub(super) struct Subject {
    pub(super) events: VecDeque<Stored>,
    pub(super) last_event: u64,
    pub(super) creates: RateWindow,
    pub(super) version: watch::Sender<u64>,
}

pub(super) struct Token {
    pub(super) subject: String,
    pub(super) org: String,
    pub(super) deployment: String,
    pub(super) expires: Mono,
}

pub(super) struct MessagingSession {
    pub(super) record: String,
    pub(super) status: SessionStatus,
    started: i64,
}

pub(super) struct Conversation {
    pub(super) subject: String,
    pub(super) attributes: RoutingAttributes,
    pub(super) open: bool,
    pub(super) routed: bool,
    pub(super) started: i64,
    pub(super) ended: i64,
    pub(super) routing: RoutingStatus,
    pub(super) session: Option<MessagingSession>,
    pub(super) agent: Option<Agent>,
    pub(super) entries: VecDeque<ConversationEntry>,
    pub(super) sent: HashSet<String>,
    pub(super) sends: RateWindow,
}

impl Conversation {
    pub(super) fn new(subject: &str, attributes: RoutingAttributes, now: Now) -> Self {
        Self {
            subject: subject.to_owned(),
            attributes,
            open: true,
            routed: false,
            started: now.wall.millis(),
            ended: 0,
            routing: RoutingStatus::Initial,
            session: None,
            agent: None,
            entries: VecDeque::new(),
            sent: HashSet::new(),
            sends: RateWindow::default(),
        }
    }

    /// Whether a session takes messages.
    pub(super) fn in_session(&self) -> bool {
        let status = self.session.as_ref().map(|session| &session.status);
        status.is_some_and(|s| !matches!(s, SessionStatus::Ended | SessionStatus::Error))
    }
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) knobs: Knobs,
    pub(super) subjects: HashMap<String, Subject>,
    pub(super) tokens: HashMap<String, Token>,
    /// How many were given, continuations not counted.
    pub(super) tokens_given: u64,
    pub(super) conversations: HashMap<String, Conversation>,
    pub(super) files: HashMap<String, (String, Vec<u8>)>,
    pub(super) minted: HashMap<String, RateWindow>,
    /// Counts the times that all streams were dropped.
    pub(super) stream_epoch: u64,
    pub(super) last_event: u64,
    pub(super) records: u64,
    pub(super) ends: usize,
}

/// Someone who makes entries.
pub(super) struct From {
    pub(super) participant: Participant,
    pub(super) name: String,
}

pub(super) fn system() -> From {
    from(Role::System, "conversation", "System", "Automated Process")
}

pub(super) fn end_user(subject: &str) -> From {
    from(Role::EndUser, "iamessage", subject, "Guest")
}

pub(super) fn agent(agent: &Agent) -> From {
    from(Role::Agent, "agent", &agent.id, &agent.name)
}

pub(super) fn bot() -> From {
    from(Role::Chatbot, "chatbot", "0Xx000000000001", "Bridget Bot")
}

pub(super) fn supervisor() -> From {
    from(Role::Supervisor, "agent", "005000000000008", "Sue Supervisor")
}

fn from(role: Role, app: &str, subject: &str, name: &str) -> From {
    let participant = Participant {
        role,
        app_type: Some(app.to_owned()),
        subject: Some(subject.to_owned()),
        client_identifier: Some(subject.to_owned()),
    };
    From { participant, name: name.to_owned() }
}

impl Inner {
    /// Makes an entry of a conversation and sends it to the subject's streams.
    pub(super) fn publish(
        &mut self,
        id: &str,
        now: Now,
        from: From,
        payload: &EntryPayload,
        entry: &str,
    ) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        let mut made = ConversationEntry {
            sender_display_name: Some(from.name),
            identifier: entry.to_owned(),
            entry_type: payload.entry_type().to_owned(),
            entry_payload: payload.to_value(entry),
            sender: from.participant,
            visibility_strategy: Some(String::new()),
            transcripted_timestamp: Some(now.wall.millis()),
            related_records: related(payload, conversation.session.as_ref()),
            client_timestamp: Some(now.wall.millis()),
            client_duration: Some(0),
            ..ConversationEntry::default()
        };
        if is_listed(payload) {
            if conversation.entries.len() == MAX_ENTRIES {
                conversation.entries.pop_front();
            }
            conversation.entries.push_back(made.clone());
        }
        made.entry_payload = Value::from(made.entry_payload.to_string());
        let data = EventData {
            channel_platform_key: Some(CHANNEL.to_owned()),
            channel_type: Some("embedded_messaging".to_owned()),
            channel_address_identifier: Some(CHANNEL.to_owned()),
            conversation_id: id.to_owned(),
            conversation_entry: Some(made),
        };
        let data = serde_json::to_string(&data).unwrap_or_default();
        self.last_event += 1;
        let Some(subject) = self.subjects.get_mut(&conversation.subject) else { return };
        let (event, event_id) = (event_name(payload), self.last_event);
        let frame = format!("id: {event_id}\nevent: {}\ndata: {data}\n\n", event.as_str());
        subject.events.push_back(Stored { id: event_id, frame });
        while subject.events.len() > self.knobs.replay_buffer.max(1) {
            subject.events.pop_front();
        }
        subject.last_event = event_id;
        subject.version.send_modify(|version| *version += 1);
    }

    /// An entry made by the platform.
    pub(super) fn announce(&mut self, id: &str, now: Now, payload: &EntryPayload) {
        let entry = random::uuid().to_string();
        self.publish(id, now, system(), payload, &entry);
    }

    /// Starts a messaging session, without routing it yet.
    pub(super) fn start_session(&mut self, id: &str, now: Now) {
        self.records += 1;
        let record = format!("0Mw{:012}", self.records);
        if let Some(conversation) = self.conversations.get_mut(id) {
            let started = now.wall.millis();
            conversation.session =
                Some(MessagingSession { record, status: SessionStatus::New, started });
            conversation.routed = false;
            conversation.agent = None;
        }
    }

    /// Routes the session; the chat for the desk, unless nobody is there.
    pub(super) fn route(&mut self, id: &str, now: Now) -> Option<NewChat> {
        let available = self.knobs.available;
        let conversation = self.conversations.get_mut(id)?;
        conversation.routed = true;
        let session = conversation.session.as_mut()?;
        session.status = if available { SessionStatus::Waiting } else { SessionStatus::Error };
        conversation.routing =
            if available { RoutingStatus::Initial } else { RoutingStatus::NeedsRouting };
        let attributes = conversation.attributes.clone();
        let failure = if available { FailureType::None } else { FailureType::RoutingError };
        let reason = if available { "" } else { "No agents are available" };
        self.announce_routing(id, now, RoutingType::Initial, failure, reason);
        let name = [attributes.get("_firstName"), attributes.get("_lastName")];
        let name: Vec<_> = name.into_iter().flatten().map(String::as_str).collect();
        let visitor = if name.is_empty() { "Guest".to_owned() } else { name.join(" ") };
        available.then(|| NewChat {
            id: id.to_owned(),
            service: ServiceName::Miaw,
            visitor,
            attributes: attributes.into_iter().collect(),
        })
    }

    pub(super) fn announce_routing(
        &mut self,
        id: &str,
        now: Now,
        routing_type: RoutingType,
        failure_type: FailureType,
        reason: &str,
    ) {
        let record_id = self.record(id);
        let routing = RoutingResult {
            pending_service_routing_id: record_id.as_ref().map(|id| id.replace("0Mw", "0JR")),
            record_id,
            routing_type,
            failure_type,
            failure_reason: Some(reason.to_owned()),
            estimated_wait_time: Some(EstimatedWaitTime::default()),
            routing_configuration_details: Some(serde_json::json!({
                "routingConfigurationType": "QueueRoutingType", "queueId": QUEUE
            })),
            ..RoutingResult::default()
        };
        self.announce(id, now, &EntryPayload::RoutingResult(routing));
    }

    pub(super) fn announce_work(&mut self, id: &str, now: Now, work_type: WorkType) {
        let work_target_id = self.record(id);
        let work = RoutingWorkResult {
            work_type,
            work_id: work_target_id.as_ref().map(|id| id.replace("0Mw", "0Bz")),
            work_target_id,
            queue_id: Some(QUEUE.to_owned()),
            ..RoutingWorkResult::default()
        };
        self.announce(id, now, &EntryPayload::RoutingWorkResult(work));
    }

    pub(super) fn announce_participant(
        &mut self,
        id: &str,
        now: Now,
        operation: ParticipantOperation,
        who: &Agent,
    ) {
        let who = agent(who);
        let change = ParticipantChange {
            operation,
            menu_metadata: None,
            participant: who.participant,
            display_name: Some(who.name),
        };
        let changed = ParticipantChanged { entries: vec![change] };
        self.announce(id, now, &EntryPayload::ParticipantChanged(changed));
    }

    /// Moves the session to `status` and says so.
    pub(super) fn announce_status(
        &mut self,
        id: &str,
        now: Now,
        status: SessionStatus,
        by: Option<Role>,
    ) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        let Some(session) = conversation.session.as_mut() else { return };
        let over = matches!(status, SessionStatus::Ended | SessionStatus::Error);
        let changed = SessionStatusChanged {
            conversation_identifier: Some(id.to_owned()),
            channel_address_identifier: Some(CHANNEL.to_owned()),
            session_id: Some(session.record.clone()),
            session_status_prev: Some(std::mem::replace(&mut session.status, status.clone())),
            session_status: status,
            session_start_time: Some(session.started),
            session_end_time: over.then(|| now.wall.millis()),
            session_ended_by_role: by,
        };
        self.announce(id, now, &EntryPayload::SessionStatusChanged(changed));
    }

    /// The events that end a session, in whichever order the knob asks for.
    pub(super) fn end_session(&mut self, id: &str, now: Now, by: &Role) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        if !conversation.in_session() {
            return;
        }
        conversation.routing = RoutingStatus::NeedsRouting;
        let agent = conversation.agent.take();
        let turn = if self.knobs.shuffle_end_events { self.ends + 1 } else { 0 };
        self.ends = turn;
        for step in 0..3 {
            match ((step + turn) % 3, &agent) {
                (0, Some(agent)) => {
                    self.announce_participant(id, now, ParticipantOperation::Remove, agent);
                }
                (1, _) => self.announce_status(id, now, SessionStatus::Ended, Some(by.clone())),
                (2, Some(_)) => self.announce_work(id, now, WorkType::Closed),
                _ => {}
            }
        }
    }

    /// Drops what nobody can reach any more: guests without a token, and all that is theirs.
    pub(super) fn forget_expired(&mut self, now: Now) {
        self.tokens.retain(|_, token| token.expires > now.mono);
        let live: HashSet<&str> = self.tokens.values().map(|t| t.subject.as_str()).collect();
        self.subjects.retain(|subject, _| live.contains(subject.as_str()));
        self.conversations.retain(|_, c| live.contains(c.subject.as_str()));
    }

    pub(super) fn record(&self, id: &str) -> Option<String> {
        let session = self.conversations.get(id)?.session.as_ref()?;
        Some(session.record.clone())
    }
}

fn related(payload: &EntryPayload, session: Option<&MessagingSession>) -> Vec<String> {
    match payload {
        EntryPayload::DeliveryAcknowledgement(ack) | EntryPayload::ReadAcknowledgement(ack) => {
            ack.acknowledged_conversation_entry_identifier.iter().cloned().collect()
        }
        _ => session.iter().map(|session| session.record.clone()).collect(),
    }
}

/// Typing and acknowledgements pass by; everything else stays in the entries list.
fn is_listed(payload: &EntryPayload) -> bool {
    !matches!(
        payload,
        EntryPayload::TypingStarted(_)
            | EntryPayload::TypingStopped(_)
            | EntryPayload::DeliveryAcknowledgement(_)
            | EntryPayload::ReadAcknowledgement(_)
    )
}

fn event_name(payload: &EntryPayload) -> EventName {
    match payload {
        EntryPayload::RoutingResult(_) => EventName::RoutingResult,
        EntryPayload::RoutingWorkResult(_) => EventName::RoutingWorkResult,
        EntryPayload::QueuePosition(_) => EventName::QueuePosition,
        EntryPayload::ParticipantChanged(_) => EventName::ParticipantChanged,
        EntryPayload::SessionStatusChanged(_) => EventName::SessionStatusChanged,
        EntryPayload::Message(_) => EventName::Message,
        EntryPayload::TypingStarted(_) => EventName::TypingStarted,
        EntryPayload::TypingStopped(_) => EventName::TypingStopped,
        EntryPayload::DeliveryAcknowledgement(_) => EventName::DeliveryAcknowledgement,
        EntryPayload::ReadAcknowledgement(_) => EventName::ReadAcknowledgement,
        EntryPayload::CloseConversation(_) => EventName::CloseConversation,
        EntryPayload::Unknown(kind, _) => EventName::Unknown(kind.clone()),
    }
}

/// When the recent requests of a kind came.
#[derive(Default)]
pub(super) struct RateWindow(VecDeque<Mono>);

impl RateWindow {
    /// Counts a request, unless `most` came in the last `window`; then the wait in seconds.
    pub(super) fn admit(&mut self, now: Now, most: usize, window: Duration) -> Result<(), u64> {
        while self.0.front().is_some_and(|at| now.mono.since(*at) >= window) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(first) if self.0.len() >= most => {
                Err((window - now.mono.since(*first)).as_secs().max(1))
            }
            _ => {
                self.0.push_back(now.mono);
                Ok(())
            }
        }
    }
}
