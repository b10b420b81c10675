//! Agents who act by themselves, for whoever wants to play the visitor only.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::emulator::{Chat, ChatState, Command, Desk, Speaker};

/// How long an agent seems to type.
const TYPES_FOR: Duration = Duration::from_millis(900);
/// How much of a visitor's message an agent repeats, in characters.
const REPEATED_CHARS: usize = 80;

/// Accepts, greets and answers while `auto` says so, all chats at once. Runs until the desk is
/// gone.
pub(super) async fn act_by_themselves(
    desk: Arc<Desk>,
    clock: Clock,
    mut auto: watch::Receiver<bool>,
) {
    let mut changes = desk.changes();
    let mut busy = HashSet::new();
    let mut acting: JoinSet<String> = JoinSet::new();
    loop {
        if *auto.borrow_and_update() {
            for chat in desk.chats() {
                if waits_for_an_agent(&chat) && busy.insert(chat.id.clone()) {
                    let (desk, clock) = (desk.clone(), clock.clone());
                    acting.spawn(async move {
                        act(&desk, &clock, &chat).await;
                        chat.id
                    });
                }
            }
        }
        tokio::select! {
            change = changes.recv() => if matches!(change, Err(RecvError::Closed)) { return },
            changed = auto.changed() => if changed.is_err() { return },
            // What changed in the chat meanwhile is looked at then.
            Some(done) = acting.join_next() => if let Ok(id) = done { busy.remove(&id); },
        }
    }
}

fn waits_for_an_agent(chat: &Chat) -> bool {
    let asked = chat.lines.last().is_some_and(|line| line.from == Speaker::Visitor);
    chat.state == ChatState::Waiting || chat.state == ChatState::Active && asked
}

/// What the agent of one chat does next, if anything. A command that comes too late is nobody's
/// loss.
async fn act(desk: &Desk, clock: &Clock, chat: &Chat) {
    if chat.state == ChatState::Waiting && desk.act(&chat.id, Command::Accept).is_err() {
        return;
    }
    let _ = desk.act(&chat.id, Command::Typing { on: true });
    clock.until(clock.now().mono.plus(TYPES_FOR)).await;
    // The visitor may have written meanwhile.
    let lines = desk.chat(&chat.id).map(|chat| chat.lines).unwrap_or_default();
    let text = match lines.last() {
        Some(line) if line.from == Speaker::Visitor => Some(answer(&line.text)),
        Some(_) => None,
        None => Some("Hello, how can I help you?".to_owned()),
    };
    if let Some(text) = text {
        let _ = desk.act(&chat.id, Command::Say { text });
    }
    let _ = desk.act(&chat.id, Command::Typing { on: false });
}

fn answer(text: &str) -> String {
    let mut repeated: String = text.chars().take(REPEATED_CHARS).collect();
    if repeated.len() < text.len() {
        repeated.push('…');
    }
    format!("You wrote “{repeated}”. Let me look into that for you.")
}
