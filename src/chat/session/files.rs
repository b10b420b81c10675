//! Files of the visitor and of the agent, and messages that come back in parts.
//!
//! The bytes of a file stay in the shell's memory. A file that is lost with its process is told to
//! the visitor like a message that could not be delivered.

use super::super::agent::{AgentEvent, FileStep, Person};
use super::super::pending::CommandKind;
use super::super::policy::{AgentFiles, Uploads};
use super::super::text::Text;
use super::super::visitor::FileInfo;
use super::Session;

impl Session {
    /// Whether the visitor may send this file now.
    pub(super) fn takes_file(&self, file: &FileInfo) -> bool {
        let told = self.state.file_rules.and_then(|rules| rules.bytes_max);
        let most = self.settings.content.file_bytes_max.min(told.unwrap_or(u64::MAX));
        (1..=most).contains(&file.bytes) && self.state.file_open && self.state.established
    }

    /// Whether the deployment takes files at all, as far as it says.
    fn takes_files(&self) -> bool {
        self.state.file_rules.is_none_or(|rules| rules.allowed)
    }

    /// The visitor sent a file.
    pub(super) fn upload(&mut self, file: FileInfo, fingerprint: u64) {
        self.flush_form();
        self.queue(CommandKind::File { file, fingerprint });
    }

    /// Asks for a file where the tenant wants that.
    pub(super) fn offer_upload(&mut self) {
        if self.settings.content.uploads == Uploads::Offer {
            self.request_file();
        }
    }

    /// One file at a time.
    fn request_file(&mut self) {
        let one_comes =
            self.state.pending.iter().any(|c| matches!(c.kind, CommandKind::File { .. }));
        if !self.state.file_open && !one_comes && !self.ended() && self.takes_files() {
            self.tell(AgentEvent::FileTransfer(FileStep::Requested));
        }
    }

    /// Whether these words of an agent ask for a file; then they are not told.
    pub(super) fn asks_for_file(&mut self, from: Option<&Person>, text: &Text) -> bool {
        let Uploads::OnRequest(words) = &self.settings.content.uploads else { return false };
        // Where no file is taken, the words are told as they are.
        let words = Some(words.as_str()).filter(|_| from.is_some() && self.takes_files());
        let said = Some(text.as_str().trim());
        if said == words {
            self.request_file();
            return true;
        }
        let takes_back = self.settings.content.file_cancel_text.as_ref().map(Text::as_str);
        let cancels = from.is_some() && said == takes_back;
        if cancels {
            self.cancel_request();
        }
        cancels
    }

    /// Nobody waits for the file any more.
    pub(super) fn cancel_request(&mut self) {
        let asked_for = matches!(self.settings.content.uploads, Uploads::OnRequest(_));
        if asked_for && self.state.file_open && !self.ended() {
            self.tell(AgentEvent::FileTransfer(FileStep::Canceled));
        }
    }

    /// What became of the file of this command, if it is one.
    pub(super) fn file_step(&mut self, number: u64, step: FileStep) {
        let is_file = self.state.pending.iter().any(|command| {
            command.number == number && matches!(command.kind, CommandKind::File { .. })
        });
        if !is_file || self.ended() {
            return;
        }
        self.tell(AgentEvent::FileTransfer(step));
        if self.settings.content.uploads == Uploads::Offer {
            self.tell(AgentEvent::FileTransfer(FileStep::Requested));
        }
    }

    /// Files of the business's side.
    pub(super) fn shared(&mut self, from: Option<Person>, bot: bool, text: Text) {
        self.said(from, bot, text);
        let told = self.settings.content.agent_files == AgentFiles::FileTransfer;
        // It would close the request for a file of the visitor's.
        if told && self.state.established && !self.state.file_open && !self.ended() {
            self.tell(AgentEvent::FileTransfer(FileStep::Success));
        }
    }

    /// A message of the visitor's side came back. The service splits a text that begins or ends
    /// with an address in two, and may give both parts ids of its own.
    pub(super) fn echoed_as(&mut self, id: &str, text: &Text) {
        self.echoed(id);
        let Some(first) = self.state.pending.front().cloned() else { return };
        let CommandKind::Say(ours) = &first.kind else { return };
        let attempted = self.state.give_up.is_some_and(|(number, _)| number == first.number);
        if !attempted || !splits(ours.as_str()) {
            return;
        }
        let (whole, part) = (bare(ours.as_str()), bare(text.as_str()));
        if part.is_empty() || !(whole.starts_with(&part) || whole.ends_with(&part)) {
            return;
        }
        let parts = &mut self.calls.split;
        let fits =
            |other: &String| whole == format!("{other}{part}") || whole == format!("{part}{other}");
        if parts.iter().any(fits) {
            self.sent(first.number);
        } else if parts.len() < PARTS_MAX {
            parts.push(part);
        }
    }
}

/// Echoes remembered while the other part is awaited.
const PARTS_MAX: usize = 8;

/// Whether the service may split this text.
fn splits(text: &str) -> bool {
    let is_url = |word: &str| word.starts_with("http://") || word.starts_with("https://");
    let mut words = text.split_whitespace();
    let (first, last) = (words.next(), words.next_back());
    last.is_some() && first.into_iter().chain(last).any(is_url)
}

/// A text without its blanks.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::splits;

    #[test]
    fn only_a_text_with_an_address_at_an_end_is_split() {
        for (text, want) in [
            ("see https://x.test", true),
            ("https://x.test is it", true),
            ("https://x.test", false),
            ("see https://x.test there", false),
            ("", false),
            ("httpsx y", false),
        ] {
            assert_eq!(splits(text), want, "{text}");
        }
    }
}
