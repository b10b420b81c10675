//! One agent desk for both services: what the agents see, and what they do.
//!
//! Promised: a transcript holds every visitor message in the order the service took it, with its
//! id. The lock is never held while a service is called, and services call without theirs.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::{Agents, liveagent::LiveAgent, miaw::Miaw};
use crate::clock::Clock;
use crate::random;

pub(super) mod api;
pub(super) mod play;

use play::Play;

/// The most chats kept; beyond it the oldest ended one is forgotten.
const MAX_CHATS: usize = 5_000;
/// The most lines kept of one chat.
const MAX_LINES: usize = 10_000;
/// How many changes a slow watcher of the desk may be behind.
const MAX_PENDING_CHANGES: usize = 256;

const ROSTER: [(&str, &str); 3] = [
    ("Ada Agent", "005000000000001"),
    ("Ben Agent", "005000000000002"),
    ("Cleo Agent", "005000000000003"),
];

/// Which service a chat came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceName {
    /// The legacy service.
    LiveAgent,
    /// Messaging for In-App and Web.
    Miaw,
}

/// A person at the desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// The display name.
    pub name: String,
    /// The `005` id.
    pub id: String,
    /// The agent's own session, a uuid.
    pub session: String,
}

/// Where a chat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatState {
    /// In the queue.
    Waiting,
    /// With an agent.
    Active,
    /// Over.
    Ended,
}

/// Who spoke, or who ended a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The visitor.
    Visitor,
    /// An agent.
    Agent,
    /// The service.
    System,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The message's id.
    pub id: String,
    /// Who spoke.
    pub from: Speaker,
    /// The speaker's name.
    pub name: String,
    /// What was said.
    pub text: String,
    /// Milliseconds since 1970.
    pub at: i64,
}

/// A chat as the agent sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// The conversation's or session's id.
    pub id: String,
    /// How it came.
    pub service: ServiceName,
    /// Where it stands.
    pub state: ChatState,
    /// Who ended it.
    pub ended_by: Option<Speaker>,
    /// The visitor's name.
    pub visitor: String,
    /// Pre-chat: labels or attribute names, and values.
    pub attributes: Vec<(String, String)>,
    /// The agent, while there is one.
    pub agent: Option<Agent>,
    /// The place in the queue, when one was announced.
    pub queue_position: Option<i64>,
    /// Whether the visitor types.
    pub visitor_typing: bool,
    /// Whether the agent types.
    pub agent_typing: bool,
    /// Everything said.
    pub lines: Vec<Line>,
}

/// What an agent can do with a chat.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", tag = "action")]
pub enum Command {
    /// Take it.
    Accept,
    /// Refuse it; nobody else is there.
    Decline,
    /// Say something.
    Say {
        /// What.
        text: String,
    },
    /// Begin or stop typing.
    Typing {
        /// Whether typing.
        on: bool,
    },
    /// Hand it to the next agent.
    Transfer,
    /// Show something beyond words.
    Play(Play),
    /// End it.
    End,
    /// Announce a place in the queue.
    Queue {
        /// The place.
        position: i64,
        /// Seconds, when known.
        #[serde(default)]
        wait: Option<i64>,
    },
}

/// Why an agent could not do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// No chat has that id.
    #[error("there is no such chat; GET /desk/chats lists them")]
    NoSuchChat,
    /// The chat is in another state.
    #[error("the chat is {0:?}, so that cannot be done; accept comes first, end comes last")]
    NotNow(ChatState),
    /// The service has nothing of the kind.
    #[error("the legacy service has nothing of the kind; only MIAW chats do")]
    NotHere,
}

/// What a service is told to show the visitor.
pub(super) enum Action {
    Accept(Agent),
    Decline,
    Say { id: String, agent: Agent, text: String },
    Typing { agent: Agent, on: bool },
    Transfer { from: Agent, to: Agent },
    End,
    Queue { position: i64, wait: Option<i64> },
}

/// A chat that a service brings.
pub(super) struct NewChat {
    pub(super) id: String,
    pub(super) service: ServiceName,
    pub(super) visitor: String,
    pub(super) attributes: Vec<(String, String)>,
}

/// The desk.
pub struct Desk {
    clock: Clock,
    agents: Agents,
    chats: Mutex<Vec<Chat>>,
    services: OnceLock<(Weak<LiveAgent>, Weak<Miaw>)>,
    changes: broadcast::Sender<String>,
}

impl Desk {
    pub(super) fn new(clock: Clock, agents: Agents) -> Self {
        Self {
            clock,
            agents,
            chats: Mutex::default(),
            services: OnceLock::new(),
            changes: broadcast::Sender::new(MAX_PENDING_CHANGES),
        }
    }

    pub(super) fn connect(&self, liveagent: &Arc<LiveAgent>, miaw: &Arc<Miaw>) {
        // Set once, by the constructor of the emulators.
        let _ = self.services.set((Arc::downgrade(liveagent), Arc::downgrade(miaw)));
    }

    /// Every chat, oldest first.
    #[must_use]
    pub fn chats(&self) -> Vec<Chat> {
        self.lock().clone()
    }

    /// One chat.
    #[must_use]
    pub fn chat(&self, id: &str) -> Option<Chat> {
        self.lock().iter().find(|chat| chat.id == id).cloned()
    }

    /// The ids of chats as they change, for whoever waits for something to appear.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<String> {
        self.changes.subscribe()
    }

    /// Does what an agent asks.
    ///
    /// # Errors
    /// There is no such chat, or its state does not allow it.
    pub fn act(&self, id: &str, command: Command) -> Result<(), DeskError> {
        let command = match command {
            Command::Play(play) => return self.play(id, play),
            command => command,
        };
        let (service, action) = self.decide(id, command)?;
        self.tell(service, id, action);
        self.changed(id);
        Ok(())
    }

    /// Shows something beyond words in a MIAW chat that is not over.
    fn play(&self, id: &str, play: Play) -> Result<(), DeskError> {
        let chat = self.chat(id).ok_or(DeskError::NoSuchChat)?;
        if chat.state == ChatState::Ended {
            return Err(DeskError::NotNow(chat.state));
        }
        let (Some((_, miaw)), ServiceName::Miaw) = (self.services.get(), chat.service) else {
            return Err(DeskError::NotHere);
        };
        let shown = miaw.upgrade().and_then(|miaw| miaw.play(id, play));
        if let Some(line) = shown {
            self.change(id, |chat, at| {
                let (name, text) = ("Shown".to_owned(), "[shown]".to_owned());
                push(chat, Line { id: line, from: Speaker::System, name, text, at });
            });
        }
        self.changed(id);
        Ok(())
    }

    pub(super) fn opened(&self, new: NewChat) {
        let id = new.id.clone();
        {
            let mut chats = self.lock();
            if let Some(known) = chats.iter_mut().find(|chat| chat.id == new.id) {
                known.state = ChatState::Waiting;
                known.ended_by = None;
                known.agent = None;
                known.attributes = new.attributes;
            } else {
                make_room(&mut chats);
                chats.push(Chat {
                    id: new.id,
                    service: new.service,
                    state: ChatState::Waiting,
                    ended_by: None,
                    visitor: new.visitor,
                    attributes: new.attributes,
                    agent: None,
                    queue_position: None,
                    visitor_typing: false,
                    agent_typing: false,
                    lines: Vec::new(),
                });
            }
        }
        self.changed(&id);
        if self.agents == Agents::Echo {
            let _ = self.act(&id, Command::Accept);
            self.echo(&id, "Hello, how can I help you?");
        }
    }

    pub(super) fn visitor_said(&self, id: &str, line: &str, text: &str) {
        self.change(id, |chat, at| {
            chat.visitor_typing = false;
            let name = chat.visitor.clone();
            push(
                chat,
                Line {
                    id: line.to_owned(),
                    from: Speaker::Visitor,
                    name,
                    text: text.to_owned(),
                    at,
                },
            );
        });
        let active = self.chat(id).is_some_and(|chat| chat.state == ChatState::Active);
        if self.agents == Agents::Echo && active {
            if text == "agent_end" {
                let _ = self.act(id, Command::End);
            } else {
                self.echo(id, &format!("echo: {text}"));
            }
        }
    }

    pub(super) fn visitor_typing(&self, id: &str, on: bool) {
        self.change(id, |chat, _| chat.visitor_typing = on);
    }

    pub(super) fn ended(&self, id: &str, by: Speaker) {
        self.change(id, |chat, _| end(chat, by));
    }

    fn echo(&self, id: &str, text: &str) {
        let _ = self.act(id, Command::Typing { on: true });
        let _ = self.act(id, Command::Say { text: text.to_owned() });
        let _ = self.act(id, Command::Typing { on: false });
    }

    fn decide(&self, id: &str, command: Command) -> Result<(ServiceName, Action), DeskError> {
        let at = self.clock.now().wall.millis();
        let mut chats = self.lock();
        let nth = chats.iter().position(|chat| chat.id == id).ok_or(DeskError::NoSuchChat)?;
        let chat = &mut chats[nth];
        let not_now = DeskError::NotNow(chat.state);
        let service = chat.service;
        let action = match (command, chat.state, chat.agent.clone()) {
            (Command::Accept, ChatState::Waiting, _) => {
                let agent = self.agent(nth);
                chat.state = ChatState::Active;
                chat.agent = Some(agent.clone());
                Action::Accept(agent)
            }
            (Command::Decline, ChatState::Waiting, _) => {
                end(chat, Speaker::System);
                Action::Decline
            }
            (Command::Queue { position, wait }, ChatState::Waiting, _) => {
                chat.queue_position = Some(position);
                Action::Queue { position, wait }
            }
            (Command::Say { text }, ChatState::Active, Some(agent)) => {
                let id = random::uuid().to_string();
                let name = agent.name.clone();
                let line =
                    Line { id: id.clone(), from: Speaker::Agent, name, text: text.clone(), at };
                push(chat, line);
                Action::Say { id, agent, text }
            }
            (Command::Typing { on }, ChatState::Active, Some(agent)) => {
                chat.agent_typing = on;
                Action::Typing { agent, on }
            }
            (Command::Transfer, ChatState::Active, Some(from)) => {
                let to = next_agent(Some(&from));
                chat.agent = Some(to.clone());
                chat.agent_typing = false;
                Action::Transfer { from, to }
            }
            (Command::End, ChatState::Active, _) => {
                end(chat, Speaker::Agent);
                Action::End
            }
            _ => return Err(not_now),
        };
        Ok((service, action))
    }

    fn agent(&self, nth: usize) -> Agent {
        match self.agents {
            Agents::Echo => person(("Echo Agent", "005000000000009")),
            Agents::None => person(ROSTER[nth % ROSTER.len()]),
        }
    }

    fn tell(&self, service: ServiceName, id: &str, action: Action) {
        let Some((liveagent, miaw)) = self.services.get() else { return };
        match service {
            ServiceName::LiveAgent => {
                if let Some(service) = liveagent.upgrade() {
                    service.act(id, action);
                }
            }
            ServiceName::Miaw => {
                if let Some(service) = miaw.upgrade() {
                    service.act(id, action);
                }
            }
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Chat, i64)) {
        let at = self.clock.now().wall.millis();
        if let Some(chat) = self.lock().iter_mut().find(|chat| chat.id == id) {
            change(chat, at);
        }
        self.changed(id);
    }

    fn changed(&self, id: &str) {
        // Fails only while nobody watches.
        let _ = self.changes.send(id.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Chat>> {
        self.chats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who comes after this one.
pub(super) fn next_agent(from: Option<&Agent>) -> Agent {
    let known = from.and_then(|from| ROSTER.iter().position(|(_, id)| *id == from.id));
    person(ROSTER[known.map_or(0, |n| n + 1) % ROSTER.len()])
}

fn person((name, id): (&str, &str)) -> Agent {
    // One session per agent, whatever the chat, as on the real service.
    let session = format!("{}-0000-4000-8000-000000000000", &id[id.len() - 8..]);
    Agent { name: name.to_owned(), id: id.to_owned(), session }
}

fn end(chat: &mut Chat, by: Speaker) {
    if chat.state != ChatState::Ended {
        chat.state = ChatState::Ended;
        chat.ended_by = Some(by);
        chat.visitor_typing = false;
        chat.agent_typing = false;
    }
}

fn push(chat: &mut Chat, line: Line) {
    if chat.lines.len() == MAX_LINES {
        chat.lines.remove(0);
    }
    chat.lines.push(line);
}

fn make_room(chats: &mut Vec<Chat>) {
    if chats.len() >= MAX_CHATS {
        let ended = chats.iter().position(|chat| chat.state == ChatState::Ended);
        chats.remove(ended.unwrap_or(0));
    }
}
