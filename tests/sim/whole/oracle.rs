//! The judge: what the desk heard and said, against what each client did and read.
//!
//! It never looks at the bridge. What the promises leave open (`docs/reliability.md`, Corners) is
//! allowed here, exactly there, and counted.

use super::desk::{chats, lines};
use super::node::{own_words, undeliverable};
use super::plan::{Acks, ENDING, Plan, SETTLE, Visitor, Way};
use super::saw::{Said, Saw};
use super::world::World;
use crate::emulator::{Chat, ChatState, RepeatedIds, Speaker};
use crate::time::Wall;

/// A chat is over by itself when it ends this long before anybody ended it.
const EARLY: u64 = 500;
/// What the agent says so shortly before the visitor ends the chat may be on its way still.
const LAST_WORDS: u64 = 2_000;

/// What a run comes to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub violations: Vec<String>,
    pub messages: u64,
    pub lost: u64,
    pub repeated: u64,
    pub misordered: u64,
    /// The longest time from when something was said to when it was heard.
    pub longest_gap: u64,
}

/// One chat before the judge.
struct Case<'a> {
    world: &'a World,
    plan: &'a Plan,
    visitor: &'a Visitor,
    saw: &'a Saw,
    verdict: &'a mut Verdict,
}

pub fn judge(world: &World, all: &[(Visitor, Saw)]) -> Verdict {
    let mut verdict = Verdict::default();
    for (visitor, saw) in all {
        Case { world, plan: &world.plan, visitor, saw, verdict: &mut verdict }.judge();
    }
    verdict
}

impl Case<'_> {
    fn wrong(&mut self, what: String) {
        self.verdict.violations.push(format!("{}: {what}", self.visitor.name));
    }

    fn judge(&mut self) {
        for what in self.saw.wrong.clone() {
            self.wrong(what);
        }
        let chats = chats(self.world, self.visitor);
        match chats.as_slice() {
            [] if !self.saw.began || self.failed() => {}
            [] => self.wrong("nobody at the desk ever saw the chat".to_owned()),
            [chat] => self.judge_chat(chat),
            _ => self.wrong(format!("{} chats at the desk for one", chats.len())),
        }
        self.judge_kinds();
    }

    /// The request failed, and might.
    fn failed(&self) -> bool {
        self.saw.failed() && self.plan.hurts_calls()
    }

    /// Nobody ended it, and it was told to be over.
    fn ended_early(&self) -> bool {
        self.saw.ended_at.is_some_and(|at| at + EARLY < self.visitor.ends())
    }

    fn judge_chat(&mut self, chat: &Chat) {
        let early = self.ended_early();
        if early && !(self.plan.hurts_calls() && self.visitor.way == Way::Translated) {
            self.wrong("the chat ended although nobody ended it".to_owned());
        }
        self.judge_visitor(chat, early);
        self.judge_agent(chat, early);
        self.judge_end(chat, early);
    }

    /// When a line of the desk was there.
    fn at(&self, line: i64) -> u64 {
        let start = Wall::parse(self.plan.starts).expect("an instant").millis();
        (line - start).unsigned_abs()
    }

    fn judge_visitor(&mut self, chat: &Chat, early: bool) {
        let heard: Vec<(&str, u64)> = chat
            .lines
            .iter()
            .filter(|line| line.from == Speaker::Visitor)
            .map(|line| (line.text.as_str(), self.at(line.at)))
            .collect();
        let notices = self.saw.notices(&undeliverable());
        if notices > 0 && !self.plan.hurts_calls() {
            self.wrong("undeliverable, although nothing was wrong".to_owned());
        }
        let twice = self.plan.service.repeated_ids == RepeatedIds::AcceptTwice
            && self.visitor.way == Way::Translated
            && (self.plan.hurts_calls() || self.plan.hurts_nodes());
        let twice = twice || (!self.visitor.numbered && self.plan.calendars_differ());
        let mut reached = (0, 0);
        for said in self.saw.said.clone() {
            let places = places(&heard, &said.text);
            match (places.as_slice(), said.taken_at) {
                ([], None) => {}
                ([], Some(_)) if early || notices > 0 => self.verdict.lost += 1,
                ([], Some(_)) => {
                    self.wrong(format!("{:?} is lost and nobody was told", said.text));
                }
                ([first, more @ ..], _) => {
                    self.verdict.messages += 1;
                    self.verdict.repeated += more.len() as u64;
                    if !more.is_empty() && !twice && !said.unknowable {
                        self.wrong(format!("{:?} reached the desk twice", said.text));
                    }
                    let ordered = *first >= reached;
                    self.verdict.misordered += u64::from(!ordered);
                    if !ordered && !twice && notices == 0 {
                        self.wrong(format!("{:?} is out of order", said.text));
                    }
                    reached = reached.max(*first);
                    self.in_time(&said, heard[first.0].1);
                }
            }
        }
        let mut rest: String = heard.iter().map(|(text, _)| format!("{text}\n")).collect();
        for said in &self.saw.said {
            rest = rest.replace(&said.text, "");
        }
        if !rest.trim().is_empty() {
            self.wrong(format!("the desk heard {:?}, which nobody said", rest.trim()));
        }
    }

    fn in_time(&mut self, said: &Said, arrived: u64) {
        let gap = arrived.saturating_sub(said.first_at);
        self.verdict.longest_gap = self.verdict.longest_gap.max(gap);
        let Some(taken) = said.taken_at else { return };
        let from = taken.max(self.plan.faults_until);
        if arrived > from + SETTLE && !self.plan.paced() {
            let late = arrived - from;
            self.wrong(format!("{:?} took {late} ms after the faults were over", said.text));
        }
    }

    fn judge_agent(&mut self, chat: &Chat, early: bool) {
        let said: Vec<&str> = lines(chat, Speaker::Agent).collect();
        let own = own_words();
        let heard: Vec<&str> = self.saw.heard.iter().map(|heard| heard.text.as_str()).collect();
        let heard: Vec<&str> =
            heard.into_iter().filter(|text| !own.iter().any(|own| own == text)).collect();
        let proper = self.visitor.acks == Acks::Proper;
        let leaky = !proper && (self.saw.died > 0 || self.plan.loses_nodes());
        let last_words = self.last_words(chat);
        let mut wrong = Vec::new();
        let mut reached = 0;
        for text in &said {
            let at: Vec<usize> = (0..heard.len()).filter(|at| heard[*at] == *text).collect();
            match at.as_slice() {
                [] if early => {}
                [] if leaky || last_words.contains(text) => self.verdict.lost += 1,
                [] => wrong.push(format!("the agent's {text:?} never came")),
                [first, more @ ..] => {
                    self.verdict.messages += 1;
                    self.verdict.repeated += more.len() as u64;
                    if !more.is_empty() && !leaky {
                        wrong.push(format!("the agent's {text:?} came twice"));
                    }
                    if *first < reached {
                        wrong.push(format!("the agent's {text:?} is out of order"));
                    }
                    reached = *first;
                }
            }
        }
        for line in chat.lines.iter().filter(|line| line.from == Speaker::Agent) {
            let heard = self.saw.heard.iter().find(|heard| heard.text == line.text);
            let gap = heard.map_or(0, |heard| heard.at.saturating_sub(self.at(line.at)));
            self.verdict.longest_gap = self.verdict.longest_gap.max(gap);
        }
        for text in heard.iter().filter(|text| !said.contains(text)) {
            wrong.push(format!("nobody said {text:?}"));
        }
        for what in wrong {
            self.wrong(what);
        }
    }

    /// What the agent said too shortly before the visitor ended the chat to pass (corner 9).
    fn last_words<'c>(&self, chat: &'c Chat) -> Vec<&'c str> {
        let Some(end) = self.saw.end_sent_at else { return Vec::new() };
        let last = chat.lines.iter().filter(|line| self.at(line.at) + LAST_WORDS > end);
        last.map(|line| line.text.as_str()).collect()
    }

    fn judge_end(&mut self, chat: &Chat, early: bool) {
        if chat.state != ChatState::Ended && !early {
            self.wrong("the conversation was never closed".to_owned());
        }
        let proper = self.visitor.acks == Acks::Proper;
        let by = self.visitor.ends() + ENDING;
        if proper && self.saw.ended_at.is_none_or(|at| at > by) {
            self.wrong("the client never read that the chat ended".to_owned());
        }
        if self.saw.gone_at.is_none() {
            self.wrong("no 403 after the end".to_owned());
        }
    }

    fn judge_kinds(&mut self) {
        if self.visitor.acks != Acks::Proper || self.saw.kinds.is_empty() {
            return;
        }
        let told = |kind: &&String| *kind != "ChasitorSessionData";
        let kinds: Vec<&String> = self.saw.kinds.iter().filter(told).collect();
        if kinds.is_empty() {
            return;
        }
        let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
        let outcome = count("ChatRequestSuccess") + count("ChatRequestFail");
        let ends = count("ChatEnded") + count("ChatRequestFail");
        let last = kinds.last().map(|kind| kind.as_str()).unwrap_or_default();
        let mut wrong = Vec::new();
        if outcome == 0 || !kinds[0].starts_with("ChatRequest") {
            wrong.push(format!("the first word was {}", kinds[0]));
        }
        if count("ChatRequestSuccess") > 1 || ends > 1 || count("ChatEstablished") > 1 {
            wrong.push(format!("told twice: {kinds:?}"));
        }
        if ends == 1 && !matches!(last, "ChatEnded" | "ChatRequestFail") {
            wrong.push(format!("{last} after the last word"));
        }
        if self.saw.gone_at.is_some() && ends == 0 {
            wrong.push("403 before the last word".to_owned());
        }
        for what in wrong {
            self.wrong(what);
        }
    }
}

/// Where a text stands in what was heard: which line, and where in it.
fn places(heard: &[(&str, u64)], text: &str) -> Vec<(usize, usize)> {
    let of = |(nth, (line, _)): (usize, &(&str, u64))| {
        line.match_indices(text).map(|(at, _)| (nth, at)).collect::<Vec<_>>()
    };
    heard.iter().enumerate().flat_map(of).collect()
}
