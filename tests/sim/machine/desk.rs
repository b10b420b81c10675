//! The agent's side of the conversation.

use crate::chat::agent::Person;
use crate::chat::content::{Ask, Field, numbered};
use crate::chat::happening::What;
use crate::machine::plan::DeskAct;
use crate::machine::world::{Event, World};

fn person(subject: &str) -> Person {
    Person { subject: subject.to_owned(), name: subject.into() }
}

impl World {
    /// The agent's side does what is next, once there is a conversation.
    pub fn desk_acts(&mut self) {
        let mut desk = match self.service.desk.take() {
            Some(desk) => desk,
            None => self.plan.desk.clone().into(),
        };
        let mut wait = 500;
        if self.service.conversation.is_some() && !self.service.closed {
            if desk.front().is_some_and(|(at, _)| *at <= self.at)
                && let Some((_, act)) = desk.pop_front()
            {
                self.desk_act(act);
            }
            wait = match desk.front() {
                Some((at, _)) => at.saturating_sub(self.at).max(40),
                None => u64::MAX,
            };
        }
        self.service.desk = Some(desk);
        if wait < u64::MAX {
            self.after(wait, Event::Desk);
        }
    }

    fn desk_act(&mut self, act: DeskAct) {
        self.note(|| format!("desk: {act:?}"));
        let here = self.service.people.last().copied().unwrap_or("anna");
        let what = match act {
            DeskAct::Routed => What::Routed { wait_seconds: None },
            DeskAct::Join(who) => {
                self.service.people.push(who);
                self.service.transferring = false;
                What::Joined { who: person(who), bot: false }
            }
            DeskAct::Type => What::Typing(person(here)),
            DeskAct::Say => {
                self.service.said += 1;
                let text = format!("a{} zwei\nZeilen ß", self.service.said);
                let index = self.service.entries.len();
                self.ledger.said.push((text.clone(), index));
                let said = self.service.said;
                self.note(|| format!("desk: a{said} is entry {index}"));
                What::Said { from: Some(person(here)), bot: false, text: text.into() }
            }
            DeskAct::Ask(ask) => {
                let text = format!("q{}", self.service.entries.len());
                match &ask {
                    Ask::Offer(offer) => {
                        let lines = numbered(&offer.items).collect::<Vec<_>>().join("\n");
                        self.ledger.asked.insert(format!("{text}\n{lines}"));
                    }
                    Ask::Form(form) => {
                        let questions = form.fields.iter().map(Field::question);
                        let questions: Vec<String> = questions.collect();
                        self.ledger.asked.insert(format!("{text}\n{}", questions[0]));
                        self.ledger.asked.insert(text.clone());
                        self.ledger.asked.extend(questions);
                    }
                }
                let from = Some(person(here));
                What::Asked { from, bot: false, text: text.into(), ask }
            }
            DeskAct::TransferStarts => {
                self.service.transferring = true;
                What::TransferStarted
            }
            DeskAct::Leave(who) => {
                self.service.people.retain(|known| *known != who);
                if self.service.people.is_empty() {
                    self.ledger.nobody_there = true;
                }
                What::Left { subject: who.to_owned() }
            }
            DeskAct::End => {
                self.service.closed = true;
                self.ledger.agent_ended_at = Some(self.at);
                What::SessionEnded
            }
            DeskAct::Unknown => What::Nothing,
        };
        let id = format!("Entry:{}", self.service.entries.len());
        self.append(what, id);
    }
}
