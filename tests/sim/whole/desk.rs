//! The agents, each with a chat and a script.

use std::sync::Arc;

use super::plan::{DeskAct, Visitor};
use super::world::World;
use crate::emulator::{Chat, Command, Speaker};

/// How often it is looked whether a chat has come.
const LOOK: u64 = 20;

/// The chats that came from this visitor, oldest first.
pub fn chats(world: &World, visitor: &Visitor) -> Vec<Chat> {
    let email = format!("{}@example.test", visitor.name);
    let is_it = |chat: &Chat| chat.attributes.iter().any(|(_, value)| *value == email);
    world.emulators.desk().chats().into_iter().filter(is_it).collect()
}

/// What was said in a chat by one side.
pub fn lines(chat: &Chat, from: Speaker) -> impl Iterator<Item = &str> {
    let said = chat.lines.iter().filter(move |line| line.from == from);
    said.map(|line| line.text.as_str())
}

/// Plays the agent of this visitor.
pub async fn attend(world: Arc<World>, visitor: Visitor) {
    let id = loop {
        if let Some(chat) = chats(&world, &visitor).first() {
            break chat.id.clone();
        }
        if world.at() >= world.plan.end() {
            return;
        }
        world.pass(LOOK).await;
    };
    let came = world.at();
    for (at, act) in visitor.desk {
        let at = if act == DeskAct::End { at } else { came + at };
        world.until(at).await;
        let name = &visitor.name;
        world.note(|| format!("the agent of {name}: {act:?}"));
        let commands = match act {
            DeskAct::Accept => vec![Command::Accept],
            DeskAct::Type => vec![Command::Typing { on: true }],
            DeskAct::Say(text) => vec![Command::Typing { on: false }, Command::Say { text }],
            DeskAct::Transfer => vec![Command::Transfer],
            DeskAct::End => vec![Command::End],
        };
        for command in commands {
            // The chat may be over by now.
            let _ = world.emulators.desk().act(&id, command);
        }
    }
}
