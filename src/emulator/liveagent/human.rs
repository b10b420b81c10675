//! The agents' side of a session: what the desk does, and what a script does.
//!
//! Promised: a scripted chat is at the desk like any other, so that a person can step in.

use std::sync::Arc;
use std::time::Duration;

use super::knobs::{Act, Cue};
use super::session::{Phase, Session};
use super::{LiveAgent, nouns, upload};
use crate::emulator::desk::{Action, Agent, Command};
use crate::time::Mono;
use crate::wire::liveagent::message::{
    AgentDisconnect, AgentNotTyping, AgentTyping, ChatEstablished, ChatMessage, ChatTransferred,
    QueueUpdate, TranscriptEntry,
};

impl LiveAgent {
    /// Shows the visitor what an agent did.
    pub(in super::super) fn act(&self, id: &str, action: Action) {
        let at = self.clock.now().wall.millis();
        let mut inner = self.lock();
        let wait = inner.knobs.estimated_wait_time;
        let Some(session) = inner.sessions.get_mut(id) else { return };
        match action {
            Action::Accept(agent) => {
                session.phase = Phase::Engaged;
                if session.queue_updates {
                    session.push(&QueueUpdate { estimated_wait_time: 0, position: 0 });
                }
                let Agent { name, id: user_id, .. } = session.known_as(agent);
                session.push(&ChatEstablished { name, user_id, ..ChatEstablished::default() });
            }
            Action::Decline => session.fail("Unavailable"),
            Action::Say { agent, text, .. } => {
                let agent = session.known_as(agent);
                session.transcript.push(TranscriptEntry {
                    kind: "Agent".to_owned(),
                    name: agent.name.clone(),
                    content: text.clone(),
                    timestamp: at,
                    sequence: session.transcript.len() as i64,
                });
                let (name, agent_id) = (agent.name, Some(agent.id));
                session.push(&ChatMessage { text, name, agent_id, ..ChatMessage::default() });
            }
            Action::Typing { agent, on } => {
                let agent = session.known_as(agent);
                let (name, agent_id) = (Some(agent.name), Some(agent.session));
                if on {
                    session.push(&AgentTyping { name, agent_id });
                } else {
                    session.push(&AgentNotTyping { name, agent_id });
                }
            }
            Action::Transfer { to, .. } => {
                session.alias = None;
                let (name, user_id) = (to.name, to.id);
                session.push(&ChatTransferred { name, user_id, ..ChatTransferred::default() });
            }
            Action::End => {
                session.phase = Phase::Ended;
                session.push(&nouns::ended("agent"));
            }
            Action::Queue { position, wait: known } => {
                if session.queue_updates {
                    let estimated_wait_time = known.unwrap_or(wait);
                    session.push(&QueueUpdate { estimated_wait_time, position });
                }
            }
        }
    }

    /// Plays the script for a chat that was just asked for.
    pub(super) fn play(self: &Arc<Self>, id: &str) {
        let script = self.lock().knobs.script.clone();
        if script.is_empty() {
            return;
        }
        let (service, id, began) = (self.clone(), id.to_owned(), self.clock.now().mono);
        tokio::spawn(async move { service.run(&id, began, script).await });
    }

    async fn run(&self, id: &str, began: Mono, script: Vec<Cue>) {
        let mut due = began;
        for Cue { after_millis, act } in script {
            due = due.plus(Duration::from_millis(after_millis));
            self.clock.until(due).await;
            if self.lock().sessions.get(id).is_none_or(|session| session.phase == Phase::Ended) {
                return;
            }
            self.perform_act(id, act);
        }
    }

    fn perform_act(&self, id: &str, act: Act) {
        let command = match act {
            Act::Queue { position, wait } => Command::Queue { position, wait },
            Act::Accept { name, user_id } => {
                if let Some(session) = self.lock().sessions.get_mut(id) {
                    session.alias = name.zip(user_id);
                }
                Command::Accept
            }
            Act::Decline => Command::Decline,
            Act::Say { text } => Command::Say { text },
            Act::Typing { on } => Command::Typing { on },
            Act::Transfer => Command::Transfer,
            Act::End => Command::End,
            Act::Disconnect => {
                let agent = self.desk.chat(id).and_then(|chat| chat.agent);
                if let (Some(agent), Some(session)) = (agent, self.lock().sessions.get_mut(id)) {
                    let agent = session.known_as(agent);
                    let (name, agent_id) = (Some(agent.name), Some(agent.session));
                    session.push(&AgentDisconnect { name, agent_id });
                }
                return;
            }
            Act::RequestFile => {
                if let Some(session) = self.lock().sessions.get_mut(id) {
                    upload::request(session);
                }
                return;
            }
        };
        // A person at the desk may have been faster.
        if let Err(error) = self.desk.act(id, command) {
            tracing::debug!(chat = id, %error, "a cue of the script was not for now");
        }
    }
}

impl Session {
    /// The agent under the script's name, if it gave one.
    fn known_as(&self, agent: Agent) -> Agent {
        match &self.alias {
            Some((name, id)) => Agent { name: name.clone(), id: id.clone(), ..agent },
            None => agent,
        }
    }
}
