//! What the visitor's program asks for.

use super::super::agent::{AgentEvent, EndReason};
use super::super::fact::Fact;
use super::super::limits::{PENDING_MAX, RETRY_WINDOW, Sequence};
use super::super::outbox::Heard;
use super::super::pending::{Command, CommandKind, split};
use super::super::replay::{Seen, Verdict};
use super::super::text::Text;
use super::super::visitor::{Begin, Post, VisitorCommand};
use super::super::{Reply, ReplyTo};
use super::Session;

/// POSTs whose answers may be on their way at once.
const ANSWERING_MAX: usize = 256;

impl Session {
    pub(super) fn post(&mut self, post: Post, reply: ReplyTo) {
        let verdict = self.state.replay.judge(self.now.mono, &post);
        if verdict == Verdict::Retry {
            // Its answer is that of the first attempt too: once it was read, no retry is to come.
            if self.state.replay.owes_answer(&post) {
                self.awaits_answer(reply, post.fingerprint);
            }
            self.reply(reply, Reply::Ok);
            return;
        }
        if let Some(refusal) = self.refusal(&post.command) {
            self.reply(reply, refusal);
            return;
        }
        let strict = self.settings.sequence == Sequence::Strict;
        if let (Some(sent), Some(last)) = (post.sequence, self.state.replay.out_of_sync(&post))
            && strict
        {
            self.reply(reply, Reply::OutOfSync { sent, last });
            return;
        }
        if verdict == Verdict::NewUnnumbered {
            self.record(Fact::NumbersDistrusted);
        }
        // A strict counter counts typing too; any, what is counted first after a reconnect.
        let counted = strict && post.sequence.is_some() || self.state.replay.counts_anew(&post);
        if counted || !Self::ephemeral(&post.command) {
            self.record(Fact::Accepted(Seen {
                sequence: post.sequence,
                fingerprint: post.fingerprint,
                until: self.now.mono.plus(RETRY_WINDOW),
                answered: false,
                before: None,
            }));
            self.awaits_answer(reply, post.fingerprint);
        }
        match post.command {
            VisitorCommand::Begin(begin) => self.begin(*begin),
            VisitorCommand::Say(text) => {
                self.visitor_heard();
                self.answer_or_say(&text);
            }
            VisitorCommand::Upload(file) => {
                self.visitor_heard();
                self.upload(file, post.fingerprint);
            }
            VisitorCommand::Typing => {
                self.visitor_stirs();
                self.typing(true);
            }
            VisitorCommand::NotTyping => self.typing(false),
            VisitorCommand::IdleWarning { cleared: true } => self.visitor_stirs(),
            VisitorCommand::End => self.visitor_ends(EndReason::Client),
            VisitorCommand::EndIdle => self.visitor_ends(EndReason::Idle),
            VisitorCommand::Choose { index } => {
                self.visitor_heard();
                self.choose(index);
            }
            VisitorCommand::ChooseFromMenu { index } => {
                self.visitor_heard();
                self.choose_from_menu(index);
            }
            VisitorCommand::IdleWarning { .. } | VisitorCommand::Ignored => {}
        }
        self.reply(reply, Reply::Ok);
    }

    /// It is of interest whether this answer reaches the client.
    fn awaits_answer(&mut self, reply: ReplyTo, fingerprint: u64) {
        if self.answering.len() == ANSWERING_MAX {
            self.answering.pop_front();
        }
        self.answering.push_back((reply, fingerprint));
    }

    /// Typing and the like: not worth a write.
    const fn ephemeral(command: &VisitorCommand) -> bool {
        matches!(
            command,
            VisitorCommand::Typing
                | VisitorCommand::NotTyping
                | VisitorCommand::IdleWarning { .. }
                | VisitorCommand::Ignored
        )
    }

    fn refusal(&self, command: &VisitorCommand) -> Option<Reply> {
        let begun = self.state.next_command > 1;
        if self.ended() || (!begun && !matches!(command, VisitorCommand::Begin(_))) {
            return Some(Reply::Gone);
        }
        match command {
            VisitorCommand::Begin(_) if begun => {
                Some(Reply::BadRequest("The chat of this session was already requested"))
            }
            VisitorCommand::Upload(file) if !self.takes_file(file) => {
                Some(Reply::BadRequest("No file of this kind is awaited"))
            }
            VisitorCommand::Choose { .. }
            | VisitorCommand::ChooseFromMenu { .. }
            | VisitorCommand::Upload(_) => {
                let full = self.state.pending.len() >= PENDING_MAX;
                full.then_some(Reply::Overloaded)
            }
            VisitorCommand::Say(text) => {
                let parts = text.as_str().len() / self.settings.text_limit.max(1) + 1;
                let full = self.state.pending.len() + parts > PENDING_MAX;
                full.then_some(Reply::Overloaded)
            }
            _ => None,
        }
    }

    fn begin(&mut self, begin: Begin) {
        let opening = begin.opening.clone();
        let success_by = self.now.mono.plus(self.settings.success_after);
        let accept_by = self.settings.life.accept_timeout.map(|wait| self.now.mono.plus(wait));
        let at = Some(self.now.wall);
        let begin = Box::new(begin);
        self.record(Fact::Began { begin, success_by, accept_by, at });
        self.queue(CommandKind::Mint);
        self.queue(CommandKind::Create);
        for text in opening {
            self.say(&text);
        }
    }

    pub(super) fn say(&mut self, text: &Text) {
        for (at, part) in split(text.as_str(), self.settings.text_limit).into_iter().enumerate() {
            self.queue_part(CommandKind::Say(part), at > 0);
        }
    }

    pub(super) fn queue(&mut self, kind: CommandKind) {
        self.queue_part(kind, false);
    }

    fn queue_part(&mut self, kind: CommandKind, continues: bool) {
        let number = self.state.next_command;
        self.record(Fact::Queued(Command { number, kind, continues }));
    }

    fn visitor_ends(&mut self, reason: EndReason) {
        self.tell(AgentEvent::Ended { reason });
        self.close();
    }

    pub(super) fn answer_written(&mut self, reply: ReplyTo) {
        self.poll_written(reply);
        if let Some(at) = self.answering.iter().position(|(to, _)| *to == reply)
            && let Some((_, fingerprint)) = self.answering.remove(at)
        {
            self.record(Fact::Answered { fingerprint });
        }
    }

    /// A client went away: a POST stays open to its retry; a poll's answer will be wanted again.
    pub(super) fn answer_lost(&mut self, reply: ReplyTo) {
        self.answering.retain(|(to, _)| *to != reply);
        if self.poll_lost(reply) {
            self.record(Fact::SendAgain { counted: false });
        }
    }

    pub(super) fn reconnect(&mut self, offset: Option<i64>, reply: ReplyTo) {
        if self.ended() && self.all_consumed() {
            self.reply(reply, Reply::Gone);
            return;
        }
        self.hear(self.state.outbox.read_offset(offset));
        self.record(Fact::NumbersRestarted);
        self.record(Fact::SessionDataDue(true));
        self.reply(reply, Reply::Reconnected);
    }

    pub(super) fn hear(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            self.record(match heard {
                Heard::Style(style) => Fact::AckIs(style),
                Heard::Consumed(through) => Fact::Consumed { through },
                Heard::Again { counted } => Fact::SendAgain { counted },
            });
        }
    }
}
