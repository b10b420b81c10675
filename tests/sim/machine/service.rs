//! Messaging for In-App and Web as far as the bridge can tell, and the agent behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use uuid::Uuid;

use crate::chat::happening::{Happening, RoutingStatus, What};
use crate::chat::limits::FILE_LOST;
use crate::chat::pending::UpstreamCall;
use crate::chat::text::{Secret, Text};
use crate::chat::{CallId, Effect, Input, Outcome};
use crate::machine::bridge::{Act, EPOCH, Node};
use crate::machine::cluster::Cluster;
use crate::machine::plan::DeskAct;
use crate::machine::world::{Event, Fate, World};

/// Calls of one kind that may fail in a row: beyond it nobody could promise anything.
const LIST_FAILURES_MAX: u32 = 2;

/// The service.
#[derive(Default)]
pub struct Service {
    pub conversation: Option<Uuid>,
    pub closed: bool,
    pub session_renewed: bool,
    pub entries: Vec<Entry>,
    pub accepted: BTreeMap<Uuid, (Text, Sent)>,
    /// Answers of the entries list: when they reached the bridge, and what they held.
    pub looks: Vec<Look>,
    pub list_failures: u32,
    pub generation: u64,
    /// Streams asked for, by generation, oldest first.
    pub streams: BTreeMap<u64, Stream>,
    pub last_event_at: u64,
    pub desk: Option<VecDeque<(u64, DeskAct)>>,
    pub people: Vec<&'static str>,
    pub transferring: bool,
    pub said: u64,
    /// When the bridge's token is due to be given up politely, and when it ends.
    pub token_due: u64,
    pub token_ends: Option<u64>,
}

/// How a call left the bridge.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    at: u64,
    /// Its process believed in a lease that it had lost.
    deceived: bool,
}

/// A stream of events.
pub struct Stream {
    /// Which process reads it.
    pub boot: u64,
    pub open: bool,
}

/// One entry of the conversation.
pub struct Entry {
    pub at: u64,
    listed_at: u64,
    pub what: What,
    pub id: String,
    /// No stream can supply it any more.
    pub beyond_buffer: bool,
    /// Nor did the list when it was asked.
    pub withheld: bool,
}

pub struct Look {
    at: Option<u64>,
    held: BTreeSet<Uuid>,
}

impl Service {
    /// The streams of a process are gone for good, or until the next attach.
    pub fn detach(&mut self, boot: u64) {
        self.streams.retain(|_, stream| stream.boot != boot);
    }

    /// Which process reads a stream.
    pub fn listener(&self, generation: u64) -> Option<u64> {
        self.streams.get(&generation).map(|stream| stream.boot)
    }

    pub fn open(&self, generation: u64) -> bool {
        self.streams.get(&generation).is_some_and(|stream| stream.open)
    }

    /// Whether a message with this id was taken.
    pub fn took(&self, id: &Uuid) -> bool {
        self.accepted.contains_key(id)
    }

    /// Whether news of someone's coming could not be had any more.
    pub fn coming_withheld(&self) -> bool {
        self.entries.iter().any(|entry| entry.withheld && matches!(entry.what, What::Joined { .. }))
    }

    /// Whether news of the agent's end could not be had any more.
    pub fn end_withheld(&self) -> bool {
        self.entries.iter().any(|entry| entry.withheld && entry.what == What::SessionEnded)
    }

    /// Whether the chat was to end for the token's sake by then; what the clock of who takes a chat
    /// up is ahead (`skipped`) counts as downtime.
    pub fn token_was_due(&self, at: u64, skipped: u64) -> bool {
        self.token_ends.is_some() && at + skipped >= self.token_due
    }
}

impl World {
    /// What the owner of the chat has decided to do.
    pub fn decided(&mut self, node: usize, acts: &VecDeque<Act>) {
        let calls = || {
            acts.iter().filter_map(|act| match act {
                Act::Perform(Effect::Call(_, call)) => Some(call),
                _ => None,
            })
        };
        for call in calls() {
            if let UpstreamCall::SendMessage { id, .. } | UpstreamCall::SendFile { id, .. } = call {
                self.ledger.decided.entry(*id).or_insert(self.at);
            }
        }
        if self.plan.cluster.is_none() {
            return;
        }
        let owner = self.store.owned_by(self.nodes[node].boot);
        if !owner || !self.ledger.creating {
            return;
        }
        if calls().any(|call| matches!(call, UpstreamCall::MintToken)) {
            self.violation("a second token for a running chat".to_owned());
        }
    }

    /// The bridge starts a call.
    pub fn call(&mut self, node: usize, id: CallId, call: UpstreamCall, late: u64) {
        let boot = self.nodes[node].boot;
        let sent_at = self.at;
        let deceives = self.plan.cluster.as_ref().is_some_and(Cluster::deceives);
        let sent = Sent { at: sent_at, deceived: deceives && !self.store.owned_by(boot) };
        let mut trip = self.trip() + late;
        match &call {
            UpstreamCall::MintToken if self.ledger.creating && self.plan.cluster.is_none() => {
                self.violation("a second token for a running chat".to_owned());
            }
            UpstreamCall::CreateConversation { .. } => self.ledger.creating = true,
            UpstreamCall::SendFile { id, number, file, .. }
                if self.nodes[node].files.contains(number) =>
            {
                self.ledger.attempted(*id, &file.name, sent_at);
            }
            UpstreamCall::SendMessage { id, text, .. } => {
                self.ledger.attempted(*id, text, sent_at);
            }
            _ => {}
        }
        if self.outage() {
            let outcome = self.rng.pick(&[0, 1]);
            let outcome = if outcome == 0 { Outcome::NotSent } else { Outcome::Unknown };
            let wait = self.rng.range(1, 5_000);
            return self.after(wait, Event::Outcome { boot, id, outcome, look: None });
        }
        let mut fate = Fate::Done;
        let list = matches!(call, UpstreamCall::ListEntries { .. });
        let spared = list && self.service.list_failures >= LIST_FAILURES_MAX;
        if self.goes_wrong(self.plan.faults.calls) && !spared {
            self.service.list_failures += u32::from(list);
            match self.rng.range(0, 9) {
                0 => return self.fails(boot, id, Outcome::NotSent, 300),
                1 => return self.fails(boot, id, Outcome::Unknown, 8_000),
                2 | 3 => fate = Fate::AnswerLost,
                4 => fate = Fate::Refused(429, None),
                5 => fate = Fate::Refused(429, Some(self.rng.range(500, 9_000))),
                6 => fate = Fate::Refused(503, None),
                7 => fate = Fate::DoneThen5xx,
                8 => fate = Fate::Late,
                _ => trip += self.rng.range(500, 8_000),
            }
        } else if list {
            self.service.list_failures = 0;
        }
        if fate == Fate::Late {
            let wait = self.rng.range(500, 4_000);
            self.after(wait, Event::Outcome { boot, id, outcome: Outcome::Unknown, look: None });
            trip += wait + self.rng.range(0, 5_000);
        }
        self.after(trip, Event::Reaches { boot, id, call, fate, sent });
    }

    fn fails(&mut self, boot: u64, id: CallId, outcome: Outcome, longest: u64) {
        let wait = self.rng.range(1, longest);
        self.after(wait, Event::Outcome { boot, id, outcome, look: None });
    }

    /// A call reaches the service.
    pub fn service_gets(
        &mut self,
        boot: u64,
        id: CallId,
        call: UpstreamCall,
        fate: Fate,
        sent: Sent,
    ) {
        if !self.nodes.iter().any(|node| node.boot == boot) && self.rng.chance(300) {
            return; // It died with the process that sent it.
        }
        let (outcome, look) = match fate {
            Fate::Refused(status, wait) => {
                let wait = wait.map(Duration::from_millis);
                (Outcome::Refused { status, wait }, None)
            }
            _ => self.serve(boot, call, sent),
        };
        let outcome = match fate {
            Fate::DoneThen5xx => Outcome::Refused { status: 502, wait: None },
            Fate::AnswerLost => Outcome::Unknown,
            Fate::Late => return,
            _ => outcome,
        };
        let wait = if fate == Fate::AnswerLost { 4_000 } else { 0 };
        let trip = self.trip() + if wait > 0 { self.rng.range(0, wait) } else { 0 };
        self.after(trip, Event::Outcome { boot, id, outcome, look });
    }

    fn serve(&mut self, boot: u64, call: UpstreamCall, sent: Sent) -> (Outcome, Option<usize>) {
        let right = match &call {
            UpstreamCall::MintToken | UpstreamCall::ContinueToken | UpstreamCall::RevokeToken => {
                true
            }
            UpstreamCall::CreateConversation { id, .. } => *id == self.conversation(),
            UpstreamCall::SendMessage { conversation, .. }
            | UpstreamCall::SendFile { conversation, .. }
            | UpstreamCall::Typing { conversation, .. }
            | UpstreamCall::ListEntries { conversation, .. }
            | UpstreamCall::RoutingStatus { conversation }
            | UpstreamCall::CloseConversation { conversation } => {
                *conversation == self.conversation()
            }
        };
        if !right {
            self.violation(format!("a call for another conversation: {call:?}"));
        }
        if self.token_over() && call != UpstreamCall::MintToken {
            return (Outcome::Refused { status: 401, wait: None }, None);
        }
        let outcome = match call {
            UpstreamCall::MintToken => {
                let tells = self.plan.service.token_tells_start;
                Outcome::Token {
                    bearer: Secret("token".into()),
                    last_event_id: tells.then(|| "0".to_owned()),
                    lifetime: Some(Duration::from_millis(self.plan.service.token_life)),
                    files: None,
                }
            }
            UpstreamCall::ContinueToken => continued(),
            UpstreamCall::RevokeToken => Outcome::Done,
            UpstreamCall::SendFile { id, number, file, new_session, .. } => {
                let holds = |node: &Node| node.boot == boot && node.files.contains(&number);
                if self.nodes.iter().any(holds) {
                    self.message(id, file.name, new_session.is_some(), sent)
                } else {
                    Outcome::Refused { status: FILE_LOST, wait: None }
                }
            }
            UpstreamCall::CreateConversation { id, .. } => {
                if self.service.conversation.replace(id).is_some() {
                    Outcome::Refused { status: 409, wait: None }
                } else {
                    Outcome::Done
                }
            }
            UpstreamCall::SendMessage { id, text, new_session, .. } => {
                self.message(id, text, new_session.is_some(), sent)
            }
            UpstreamCall::ListEntries { since_millis, .. } => return self.list(since_millis),
            UpstreamCall::RoutingStatus { .. } => Outcome::Routing(
                match (self.service.people.is_empty(), self.service.transferring) {
                    (_, true) => RoutingStatus::Transfer,
                    (true, false) => RoutingStatus::NeedsRouting,
                    (false, false) => RoutingStatus::Routed,
                },
            ),
            UpstreamCall::Typing { .. } => Outcome::Done,
            UpstreamCall::CloseConversation { .. } => {
                self.service.closed = true;
                Outcome::Done
            }
        };
        (outcome, None)
    }

    /// Whether the token has ended.
    pub fn token_over(&self) -> bool {
        self.service.token_ends.is_some_and(|ends| ends <= self.at)
    }

    fn conversation(&self) -> Uuid {
        self.chat().conversation()
    }

    fn message(&mut self, id: Uuid, text: Text, new_session: bool, sent: Sent) -> Outcome {
        if self.service.conversation.is_none() {
            self.violation("a message before the conversation".to_owned());
        }
        if self.service.closed {
            return Outcome::Refused { status: 403, wait: None };
        }
        if self.plan.service.wants_new_session && !self.service.session_renewed {
            if !new_session {
                return Outcome::Refused { status: 417, wait: None };
            }
            self.service.session_renewed = true;
        }
        if let Some((known, first)) = self.service.accepted.get(&id).cloned() {
            if known != text {
                self.violation(format!("id {id} was used again for another text"));
            }
            if !self.plan.service.accepts_twice {
                return match self.plan.service.conflict {
                    true => Outcome::Refused { status: 409, wait: None },
                    false => Outcome::Done,
                };
            }
            let looked = self.service.looks.iter().any(|look| {
                // Attempts may arrive in another order than they were sent in.
                let (from, to) = (first.at.min(sent.at), first.at.max(sent.at));
                let between = look.at.is_some_and(|at| from <= at && at <= to);
                between && !look.held.contains(&id)
            });
            if !looked && !sent.deceived && !first.deceived {
                self.violation(format!("id {id} was sent again, and repeated, without a look"));
            }
            self.ledger.repeated += 1;
            self.note(|| format!("desk sees {} again", text.as_str()));
        } else {
            self.note(|| format!("desk sees {}", text.as_str()));
            self.service.accepted.insert(id, (text.clone(), sent));
            self.ledger.at_desk.push(text);
        }
        self.append(What::Echo(id.to_string()), format!("Message:{id}"));
        Outcome::Done
    }

    fn list(&mut self, since_millis: i64) -> (Outcome, Option<usize>) {
        if self.service.conversation.is_none() {
            return (Outcome::Refused { status: 404, wait: None }, None);
        }
        let now = self.at;
        let mut held = BTreeSet::new();
        let mut entries = Vec::new();
        for entry in &mut self.service.entries {
            if entry.listed_at > now {
                entry.withheld |= entry.beyond_buffer;
                continue;
            }
            if let What::Echo(id) = &entry.what {
                held.extend(Uuid::parse_str(id));
            }
            let at_millis = EPOCH + entry.at as i64;
            if at_millis >= since_millis {
                entries.push(Happening {
                    event_id: None,
                    entry: Some(entry.id.clone()),
                    at_millis,
                    what: entry.what.clone(),
                });
            }
        }
        self.service.looks.push(Look { at: None, held });
        (Outcome::Entries(entries), Some(self.service.looks.len() - 1))
    }

    /// A call's outcome reaches the bridge.
    pub fn service_answered(
        &mut self,
        boot: u64,
        id: CallId,
        outcome: Outcome,
        look: Option<usize>,
    ) {
        let node = self.nodes.iter().position(|node| node.boot == boot);
        let Some(node) = node else { return };
        if let Some(look) = look {
            self.service.looks[look].at = Some(self.at);
        }
        if let Outcome::Token { lifetime: Some(life), .. } = &outcome
            && self.store.owned_by(boot)
        {
            let life = life.as_millis() as u64;
            self.service.token_due = self.at + life * 3 / 4;
            self.service.token_ends = Some(self.at + life);
        }
        if id == CallId::Backfill {
            self.gap_unfilled(node, matches!(outcome, Outcome::Entries(_)));
        }
        self.feed(node, Input::Called { call: id, outcome });
    }

    /// Something happened in the conversation.
    pub fn append(&mut self, what: What, id: String) {
        let lag = self.plan.service.list_lag;
        let lag = if lag > 0 { self.rng.range(0, lag) } else { 0 };
        let before = self.service.entries.last().map_or(0, |entry| entry.listed_at);
        let listed_at = before.max(self.at + lag);
        let at = self.at;
        let entry = Entry { at, listed_at, what, id, beyond_buffer: false, withheld: false };
        self.service.entries.push(entry);
        let index = self.service.entries.len() - 1;
        let open = self.service.streams.iter().filter(|(_, stream)| stream.open);
        let open: Vec<u64> = open.map(|(generation, _)| *generation).collect();
        for generation in open {
            self.stream_sends(generation, index);
        }
    }
}

/// The same person's other token.
fn continued() -> Outcome {
    let bearer = Secret("token".into());
    Outcome::Token { bearer, last_event_id: None, lifetime: None, files: None }
}
