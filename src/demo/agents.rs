//! Agents who act by themselves, for whoever wants to play the visitor only.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::emulator::{Chat, ChatState, Command, Desk, Speaker};

/// How long an agent seems to type.
const TYPES_FOR: Duration = Duration::from_millis(900);
/// How much of a visitor's message an agent repeats, in characters.
const REPEATED_CHARS: usize = 80;

/// Accepts, greets and answers while `auto` says so. Runs until the desk is gone.
pub(super) async fn act_by_themselves(
    desk: Arc<Desk>,
    clock: Clock,
    mut auto: watch::Receiver<bool>,
) {
    let mut changes = desk.changes();
    loop {
        if *auto.borrow_and_update() {
            for chat in desk.chats() {
                act(&desk, &clock, &chat).await;
            }
        }
        tokio::select! {
            change = changes.recv() => if matches!(change, Err(RecvError::Closed)) { return },
            changed = auto.changed() => if changed.is_err() { return },
        }
    }
}

/// What the agent of one chat does next, if anything. A command that comes too late is nobody's
/// loss.
async fn act(desk: &Desk, clock: &Clock, chat: &Chat) {
    if chat.state == ChatState::Waiting && desk.act(&chat.id, Command::Accept).is_err() {
        return;
    }
    let answer = match (chat.state, chat.lines.last()) {
        (ChatState::Ended, _) => return,
        (_, Some(line)) if line.from == Speaker::Visitor => answer(&line.text),
        (ChatState::Waiting, _) => "Hello, how can I help you?".to_owned(),
        _ => return,
    };
    let _ = desk.act(&chat.id, Command::Typing { on: true });
    clock.until(clock.now().mono.plus(TYPES_FOR)).await;
    let _ = desk.act(&chat.id, Command::Say { text: answer });
    let _ = desk.act(&chat.id, Command::Typing { on: false });
}

fn answer(text: &str) -> String {
    let mut repeated: String = text.chars().take(REPEATED_CHARS).collect();
    if repeated.len() < text.len() {
        repeated.push('…');
    }
    format!("You wrote “{repeated}”. Let me look into that for you.")
}
