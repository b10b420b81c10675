//! What the business's side shows beyond words.

use serde_json::{Value, json};

use super::state::{From, Inner, agent, bot, supervisor, system};
use super::{FILES_PATH, Miaw, file};
use crate::emulator::desk::play::{By, Play};
use crate::emulator::desk::{Agent, next_agent};
use crate::random;
use crate::time::Now;
use crate::wire::miaw::entry::{
    EntryPayload, EstimatedWaitTime, FailureType, MessageEntry, ParticipantChange,
    ParticipantChanged, ParticipantOperation, RoutingResult, RoutingType, SessionStatus,
};
use crate::wire::miaw::message::AbstractMessage;
use crate::wire::miaw::rest::RoutingStatus;

impl Miaw {
    /// Shows the visitor something beyond words; the message's id where it is one.
    pub(in super::super) fn play(&self, id: &str, play: Play) -> Option<String> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let here = inner.conversations.get(id)?.agent.clone();
        let message = match play {
            Play::Say { by, text, automated } => {
                let line = random::uuid().to_string();
                let message = AbstractMessage::text(&line, &text);
                let reason = automated.then(|| "AutomatedResponse".to_owned());
                return Some(inner.says(id, now, speaker(by, here.as_ref()), message, reason));
            }
            Play::Choices { by, format, text, options } => (by, choices(&format, &text, &options)),
            Play::Form { title, fields } => (By::Bot, form(&title, &fields)),
            Play::Message { by, message } => (by, message),
            Play::File { name, text } => {
                let file = random::uuid().to_string();
                inner.files.insert(file.clone(), ("text/plain".to_owned(), text.into_bytes()));
                let url = format!("https://files.example.test{FILES_PATH}{file}");
                let line = random::uuid().to_string();
                let message = file::message(line, None, &file, name, "text/plain", url);
                return Some(inner.says(id, now, speaker(By::Agent, here.as_ref()), message, None));
            }
            other => {
                inner.people(id, now, &other, here);
                return None;
            }
        };
        let (by, members) = message;
        let mut message: AbstractMessage = serde_json::from_value(members).unwrap_or_default();
        message.id = random::uuid().to_string();
        Some(inner.says(id, now, speaker(by, here.as_ref()), message, None))
    }
}

impl Inner {
    fn says(
        &mut self,
        id: &str,
        now: Now,
        from: From,
        message: AbstractMessage,
        message_reason: Option<String>,
    ) -> String {
        let line = message.id.clone();
        let entry = MessageEntry { abstract_message: message, message_reason };
        self.publish(id, now, from, &EntryPayload::Message(Box::new(entry)), &line);
        line
    }

    /// Who comes and goes.
    fn people(&mut self, id: &str, now: Now, play: &Play, here: Option<Agent>) {
        let operation = |on: bool| match on {
            true => ParticipantOperation::Add,
            false => ParticipantOperation::Remove,
        };
        let (initial, transfer) = (RoutingType::Initial, RoutingType::Transfer);
        match play {
            Play::Bot { on } => self.participant(id, now, operation(*on), bot()),
            Play::BotWithMenu { menu } => self.bot_with_menu(id, now, menu),
            Play::Supervisor { on } => self.participant(id, now, operation(*on), supervisor()),
            Play::Conference { on } => {
                if *on {
                    let kind = RoutingType::Conference;
                    self.announce_routing(id, now, kind, FailureType::None, "");
                }
                let guest = next_agent(here.as_ref());
                self.announce_participant(id, now, operation(*on), &guest);
            }
            Play::TransferStarts => {
                self.routing_is(id, RoutingStatus::Transfer);
                self.announce_routing(id, now, transfer, FailureType::None, "");
                self.leaves(id, now, here);
            }
            Play::TransferAsked => {
                self.routing_is(id, RoutingStatus::Transfer);
                self.announce_routing(id, now, transfer, FailureType::None, "");
            }
            Play::TransferFails => {
                let nobody = here.is_none();
                let status =
                    if nobody { RoutingStatus::NeedsRouting } else { RoutingStatus::Routed };
                self.routing_is(id, status);
                let failure = FailureType::RoutingError;
                self.announce_routing(id, now, transfer, failure, "No agents are available");
            }
            Play::Leave => {
                self.routing_is(id, RoutingStatus::NeedsRouting);
                self.leaves(id, now, here);
            }
            Play::Join => {
                let next = next_agent(here.as_ref());
                self.routing_is(id, RoutingStatus::Routed);
                self.announce_participant(id, now, ParticipantOperation::Add, &next);
                if let Some(conversation) = self.conversations.get_mut(id) {
                    conversation.agent = Some(next);
                }
            }
            Play::Inactive => self.announce_status(id, now, SessionStatus::Inactive, None),
            Play::Wait { seconds } => {
                let estimated = EstimatedWaitTime {
                    estimated_wait_time_in_seconds: Some(*seconds),
                    is_requested: true,
                };
                let routing = RoutingResult {
                    routing_type: initial,
                    failure_type: FailureType::None,
                    estimated_wait_time: Some(estimated),
                    ..RoutingResult::default()
                };
                self.announce(id, now, &EntryPayload::RoutingResult(routing));
            }
            _ => {}
        }
    }

    fn leaves(&mut self, id: &str, now: Now, here: Option<Agent>) {
        if let Some(here) = here {
            self.announce_participant(id, now, ParticipantOperation::Remove, &here);
        }
        if let Some(conversation) = self.conversations.get_mut(id) {
            conversation.agent = None;
        }
    }

    fn routing_is(&mut self, id: &str, status: RoutingStatus) {
        if let Some(conversation) = self.conversations.get_mut(id) {
            conversation.routing = status;
        }
    }

    fn bot_with_menu(&mut self, id: &str, now: Now, titles: &[String]) {
        let option = |(nth, title): (usize, &String)| json!({ "title": title, "optionIdentifier": format!("m{}", nth + 1) });
        let options: Vec<Value> = titles.iter().enumerate().map(option).collect();
        let change = ParticipantChange {
            operation: ParticipantOperation::Add,
            menu_metadata: Some(json!({ "menuOptions": options })),
            participant: bot().participant,
            display_name: Some(bot().name),
        };
        let changed = ParticipantChanged { entries: vec![change] };
        self.announce(id, now, &EntryPayload::ParticipantChanged(changed));
    }

    fn participant(&mut self, id: &str, now: Now, operation: ParticipantOperation, who: From) {
        let change = ParticipantChange {
            operation,
            menu_metadata: None,
            participant: who.participant,
            display_name: Some(who.name),
        };
        let changed = ParticipantChanged { entries: vec![change] };
        self.announce(id, now, &EntryPayload::ParticipantChanged(changed));
    }
}

fn speaker(by: By, here: Option<&Agent>) -> From {
    match (by, here) {
        (By::System, _) => system(),
        (By::Supervisor, _) => supervisor(),
        (By::Agent, Some(here)) => agent(here),
        (By::Agent | By::Bot, _) => bot(),
    }
}

fn option(nth: usize, title: &str) -> Value {
    json!({ "itemType": "TitleOptionItem", "optionIdentifier": format!("o{}", nth + 1),
        "titleItem": { "itemType": "TitleItem", "title": title, "subTitle": null } })
}

fn options(titles: impl Iterator<Item = impl AsRef<str>>) -> Vec<Value> {
    titles.enumerate().map(|(nth, title)| option(nth, title.as_ref())).collect()
}

fn choices(format: &str, text: &str, titles: &[String]) -> Value {
    let items = options(titles.iter());
    let choices = match format {
        "ListPicker" => json!({ "formatType": format, "optionItems": items,
            "title": { "itemType": "TitleItem", "title": text } }),
        "Carousel" => {
            let card = |(title, option): (&String, &Value)| {
                json!({ "titleItem": { "itemType": "TitleItem", "title": title },
                    "interactionItems": [option] })
            };
            let cards: Vec<Value> = titles.iter().zip(&items).map(card).collect();
            json!({ "formatType": format, "items": cards, "images": [] })
        }
        _ => json!({ "formatType": format, "text": text, "optionItems": items, "images": [] }),
    };
    json!({ "messageType": "ChoicesMessage", "choices": choices })
}

fn form(title: &str, labels: &[String]) -> Value {
    let section = |(nth, label): (usize, &String)| {
        let id = format!("f{}", nth + 1);
        let input = match label.split_once('=') {
            Some((label, titles)) => json!({ "inputType": "SelectInput", "id": id, "label": label,
                "required": true, "optionItems": options(titles.split('|')) }),
            None => {
                json!({ "inputType": "TextInput", "id": id, "label": label, "required": true })
            }
        };
        json!({ "sectionType": "SingleInputSection", "input": input })
    };
    let sections: Vec<Value> = labels.iter().enumerate().map(section).collect();
    json!({ "messageType": "FormMessage",
        "form": { "formatType": "Inputs", "formTitle": title, "sections": sections } })
}
