//! A bot's menu (miaw.md 6.8): told with the bot's coming, there until the bot leaves.
//!
//! Clients that show menus get it as `items`; all others as a text with numbered lines. An entry is
//! picked by its place, by its title at any time, and by its number while nothing else was asked.

use super::super::agent::{AgentEvent, Person};
use super::super::content::{Ask, Choice, Offer, Style, chosen_by_title, numbered};
use super::super::fact::Fact;
use super::super::policy::Rich;
use super::super::text::Text;
use super::Session;

impl Session {
    pub(super) fn menu_changed(&mut self, items: Vec<Choice>, joining: bool) {
        if items.is_empty() {
            self.no_menu();
            return;
        }
        let menu = Offer { message: String::new(), style: Style::Menu, items };
        if self.state.menu.as_ref() != Some(&menu) {
            self.record(Fact::Menu(Some(menu)));
            if !joining {
                self.show_menu(self.state.people.last().cloned());
            }
        }
    }

    /// Who has no menu takes the place of who had one.
    pub(super) fn no_menu(&mut self) {
        let Some(menu) = self.state.menu.clone() else { return };
        self.record(Fact::Menu(None));
        if self.state.ask_open && self.state.ask == Some(Ask::Offer(menu)) {
            self.record(Fact::AskClosed);
        }
    }

    /// The entries for clients that show a menu; strict ones that do not know it read a list of
    /// texts (live-agent.md 8).
    pub(super) fn menu_items(&self) -> Vec<Choice> {
        let shows = self.settings.content.rich != Rich::NumberedText;
        let menu = self.state.menu.as_ref().filter(|_| shows);
        menu.map(|menu| menu.items.clone()).unwrap_or_default()
    }

    /// Tells the menu as a text where the tenant's clients show none.
    pub(super) fn show_menu(&mut self, from: Option<Person>) {
        let Some(menu) = self.state.menu.clone().filter(|menu| menu.message.is_empty()) else {
            return;
        };
        if self.settings.content.rich == Rich::Message {
            return;
        }
        let lines: Vec<String> = numbered(&menu.items).collect();
        let text = Text::from(lines.join("\n"));
        self.tell(AgentEvent::Message { from, text });
        self.record(Fact::Asked(Ask::Offer(menu)));
    }

    /// The visitor says something that answers no question. A menu stays, a question is answered
    /// once.
    pub(super) fn say_or_pick_from_menu(&mut self, text: &Text) {
        let menu = self.state.menu.clone().filter(|menu| menu.message.is_empty());
        match menu.and_then(|menu| Some((chosen_by_title(&menu.items, text.as_str())?, menu))) {
            Some((index, menu)) => self.pick(&menu.message, menu.items.get(index)),
            None => self.say(text),
        }
    }

    /// The visitor picks the entry at this place.
    pub(super) fn choose_from_menu(&mut self, index: usize) {
        match self.state.menu.clone().filter(|menu| index < menu.items.len()) {
            Some(menu) => self.pick(&menu.message, menu.items.get(index)),
            None => self.choose(index),
        }
    }
}
