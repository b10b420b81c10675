//! Questions to the visitor, and what answers them.
//!
//! The next words after a question answer it by number or title, the next words after a form's
//! question its field; everything else goes on as plain text, and what a form had collected goes
//! before it. So nothing that was answered `OK` stays here.

use super::super::agent::{AgentEvent, Person};
use super::super::content::{Answer, Ask, Choice, Field, Style, Value, chosen, listed, numbered};
use super::super::fact::Fact;
use super::super::pending::CommandKind;
use super::super::policy::Rich;
use super::super::text::Text;
use super::Session;

impl Session {
    /// Somebody asks the visitor.
    pub(super) fn asked(&mut self, from: Option<Person>, bot: bool, text: Text, ask: Ask) {
        // A bot that begins with a menu: clients that show menus get it with the beginning, too.
        if let Ask::Offer(offer) = &ask
            && (bot && offer.style == Style::Menu && !self.state.established)
        {
            self.record(Fact::Menu(Some(offer.clone())));
        }
        if !self.speaks(from.as_ref(), bot) {
            return;
        }
        self.flush_form();
        let awaits = from.is_some();
        match &ask {
            Ask::Offer(offer) => self.offer(from, text, offer.style, &offer.items),
            Ask::Form(form) => {
                let first = form.fields.first().map(Field::question).unwrap_or_default();
                let text = Text::from(joined(&[text.as_str().to_owned(), first]));
                self.tell(AgentEvent::Message { from, text });
            }
        }
        self.record(Fact::Asked(ask));
        if awaits {
            self.visitor_awaited();
        }
        self.typing_over();
    }

    fn offer(&mut self, from: Option<Person>, text: Text, style: Style, items: &[Choice]) {
        let rich = self.settings.content.rich;
        let before = text.as_str().to_owned();
        // Buttons have no header, and a header is one line.
        let header = style == Style::Menu && !before.contains('\n') && !before.is_empty();
        if rich != Rich::Message {
            let lines: Vec<String> =
                std::iter::once(before.clone()).chain(numbered(items)).collect();
            let text = Text::from(joined(&lines));
            self.tell(AgentEvent::Message { from: from.clone(), text });
        } else if !header && !before.is_empty() {
            self.tell(AgentEvent::Message { from: from.clone(), text });
        }
        if rich != Rich::NumberedText {
            let header = (header && rich == Rich::Message).then(|| Text::from(before));
            let items = items.iter().map(|item| item.title.clone()).collect();
            self.tell(AgentEvent::Options { from, style, header, items });
        }
    }

    /// The visitor says something: an answer, or not.
    pub(super) fn answer_or_say(&mut self, text: &Text) {
        let open = self.state.ask.clone().filter(|_| self.state.ask_open);
        match open {
            Some(Ask::Offer(offer)) => match chosen(&offer.items, text.as_str()) {
                Some(index) => self.pick(&offer.message, offer.items.get(index)),
                None => {
                    self.record(Fact::AskClosed);
                    self.say_or_pick_from_menu(text);
                }
            },
            Some(Ask::Form(form)) => {
                let field = form.fields.get(self.state.answered.len());
                let value = field.and_then(|field| field.read(text.as_str()));
                match (field, value) {
                    (Some(field), Some(value)) => {
                        let text = spelled(field, text);
                        let until = self.now.mono.plus(self.settings.content.form_wait);
                        self.record(Fact::FieldAnswered { value, text, until });
                        self.next_field();
                    }
                    _ => {
                        self.flush_form();
                        self.say_or_pick_from_menu(text);
                    }
                }
            }
            None => self.say_or_pick_from_menu(text),
        }
    }

    /// The visitor picks an entry of the last list, also of one that was answered before, or that
    /// an agent typed.
    pub(super) fn choose(&mut self, index: usize) {
        let told = self.state.transcript.iter().rev().filter(|line| line.from.is_some());
        let mut lists = told.map(|line| listed(line.text.as_str()));
        let list = lists.find(|titles| !titles.is_empty()).unwrap_or_default();
        let number = || Text::from(index.saturating_add(1).to_string());
        let text = list.get(index).map_or_else(number, |title| Text::from(*title));
        match self.state.ask.clone() {
            Some(Ask::Offer(offer)) => {
                let titles = offer.items.iter().map(|item| item.title.as_str());
                let item = offer.items.get(index);
                if item.is_some() && (list.is_empty() || titles.eq(list)) {
                    self.pick(&offer.message, item);
                } else {
                    self.say(&text);
                }
            }
            Some(Ask::Form(_)) if self.state.ask_open => self.answer_or_say(&number()),
            _ => self.say(&text),
        }
    }

    pub(super) fn pick(&mut self, message: &str, choice: Option<&Choice>) {
        let Some(choice) = choice.cloned() else { return };
        self.record(Fact::AskClosed);
        let Choice { id, title: text } = choice;
        let asked = !message.is_empty() || self.state.menu.as_ref().is_some_and(|m| m.has(&id));
        if id.is_empty() || !asked || self.settings.content.answers_as_text {
            self.say(&text);
            return;
        }
        let answer = Answer::Choice { message: message.to_owned(), id };
        self.queue(CommandKind::Answer { answer, text });
    }

    /// Asks for the next field, or sends the form.
    fn next_field(&mut self) {
        let Some(Ask::Form(form)) = self.state.ask.clone() else { return };
        let done = self.state.answered.len();
        if let Some(field) = form.fields.get(done) {
            let text = Text::from(field.question());
            self.tell(AgentEvent::Message { from: self.speaker(), text });
            return;
        }
        if self.settings.content.answers_as_text {
            self.flush_form();
            return;
        }
        let values = form.fields.iter().zip(&self.state.answered);
        let values = values.map(|(field, (value, _))| (field.id.clone(), value.clone())).collect();
        let text = self.collected();
        self.record(Fact::AskClosed);
        let answer = Answer::Form { message: form.message, values };
        self.queue(CommandKind::Answer { answer, text });
    }

    /// What a form collected goes on as plain text; there will be no more of it.
    pub(super) fn flush_form(&mut self) {
        if self.state.has_answers() {
            let text = self.collected();
            self.record(Fact::AskClosed);
            self.say(&text);
        } else if self.state.ask_open {
            self.record(Fact::AskClosed);
        }
    }

    /// The visitor left a form half answered.
    pub(super) fn form_due(&mut self) {
        if self.state.form_until.is_some_and(|until| until <= self.now.mono) && !self.ended() {
            self.flush_form();
        }
    }

    fn collected(&self) -> Text {
        let lines = self.state.answered.iter().map(|(_, text)| text.as_str().to_owned());
        Text::from(joined(&lines.collect::<Vec<_>>()))
    }

    /// Who asks on: whoever came last.
    fn speaker(&self) -> Option<Person> {
        self.state.people.last().cloned()
    }
}

/// A field and its answer as a person would write them.
fn spelled(field: &Field, text: &Text) -> Text {
    let (label, said) = (field.label.as_str(), text.as_str().trim());
    let said = match (&field.kind, field.read(said)) {
        (super::super::content::FieldKind::Options { choices, .. }, Some(Value::Options(ids))) => {
            let title = |id: &String| choices.iter().find(|choice| choice.id == *id);
            let titles = ids.iter().filter_map(title).map(|choice| choice.title.as_str());
            titles.collect::<Vec<_>>().join(", ")
        }
        _ => said.to_owned(),
    };
    Text::from(if label.is_empty() { said } else { format!("{label}: {said}") })
}

fn joined(lines: &[String]) -> String {
    let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|l| !l.is_empty()).collect();
    lines.join("\n")
}
