//! The judge of the visitor's messages: each at the desk, once, in order, or the visitor was told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use uuid::Uuid;

use crate::chat::text::Text;
use crate::machine::client::is_file;
use crate::machine::oracle::FIRST_SPECIAL;
use crate::machine::plan::{Posts, Traits};
use crate::machine::world::World;

/// A message is given up no earlier than this after its first attempt.
const GIVES_UP: u64 = 60_000;
/// The same, where a step of the wall clock may count as downtime: then since it was posted, for
/// the attempt may have died with its process.
const GIVES_UP_AFTER_STEP: u64 = 15_000;

impl World {
    pub fn judge_visitor(&mut self, finally: bool) {
        let desk: String = self.ledger.at_desk.iter().map(Text::as_str).collect();
        let mut rest = desk.clone();
        let mut reached = 0;
        let mut newest = None;
        let mut may_be_late = 0;
        let mut missing = Vec::new();
        let items: Vec<u64> = self.ledger.posted.range(..FIRST_SPECIAL).map(|(k, _)| *k).collect();
        // Without what may have come late, between the parts of another.
        let late = items.iter().filter(|item| self.may_be_late(**item));
        let calm = late.fold(desk.clone(), |desk, item| desk.replace(&self.text_of(*item), ""));
        for item in items.iter().copied() {
            let text = self.text_of(item);
            let places: Vec<usize> = desk.match_indices(&text).map(|(at, _)| at).collect();
            rest = rest.replace(&text, "");
            if self.may_be_late(item) {
                // Its head arrived after it had been given up, and its tail was not sent then.
                for head in self.ledger.heads_of(&text) {
                    rest = rest.replacen(&head, "", 1);
                }
            }
            if places.len() > 1 {
                self.came_twice(item);
            } else if let (1, Some(again)) = (places.len(), self.began_again(&rest, &text)) {
                rest.replace_range(again, "");
                self.came_twice(item);
            }
            let around = || calm.find(&text);
            match places.first().copied().or_else(around) {
                Some(_) if self.ledger.overloaded.contains(&item) => {}
                Some(_) if self.may_be_late(item) => {
                    may_be_late += 1;
                    newest = Some(item);
                }
                Some(_) if places.is_empty() => newest = Some(item),
                Some(at) if at < reached => {
                    self.violation(format!("visitor's message {item} overtook or was overtaken"));
                }
                Some(at) => {
                    reached = at;
                    newest = Some(item);
                }
                None if self.ledger.accepted.contains(&item) => missing.push(item),
                None => {}
            }
        }
        let whole = missing.is_empty() && items.iter().all(|k| self.ledger.accepted.contains(k));
        if whole && rest.chars().any(|c| c != '\n') {
            self.violation(format!("the desk saw what nobody wrote: {rest:?}"));
        }
        let over = self.ledger.visitor_ended_at.is_some() || self.client.busy();
        let over = over || self.plan.paced();
        let untold = self.untold(&missing, newest);
        if finally {
            self.ledger.lost += missing.len() as u64;
            self.ledger.misordered += may_be_late;
        }
        if finally || !over {
            for item in untold {
                self.violation(format!("visitor's message {item} is lost and nobody was told"));
            }
        }
    }

    /// Where the first parts of a text that came whole stand once more: the chat was over before
    /// the last ones could follow.
    fn began_again(&self, rest: &str, text: &str) -> Option<Range<usize>> {
        self.ledger.last_word?;
        let heads = self.ledger.heads_of(text);
        let at = heads.iter().find_map(|head| rest.find(head.as_str()))?;
        let same = rest[at..].chars().zip(text.chars()).take_while(|(one, other)| one == other);
        let length: usize = same.map(|(one, _)| one.len_utf8()).sum();
        Some(at..at + length)
    }

    /// The lost messages that no notice accounts for.
    ///
    /// A notice accounts for one message upstream that was attempted long enough before (the
    /// attempt may have died in a crash before it was seen: then since it was posted), or, with the
    /// last word behind it, for what still waited then; so does the news that the request failed.
    /// What still waited cannot be older than what arrived.
    fn untold(&self, missing: &[u64], newest: Option<u64>) -> Vec<u64> {
        let ledger = &self.ledger;
        let hopeless = ledger.ended_with_notice() || self.failed();
        let hurt = self.plan.hurts_calls() || self.token_over();
        let silent = ledger.visitor_ended_at.is_some() && hurt;
        let mut lost: BTreeMap<u64, BTreeSet<Uuid>> = BTreeMap::new();
        for item in missing {
            // Its bytes died with a process, which is told at once.
            if is_file(&self.text_of(*item)) && ledger.lives > 0 && !ledger.notices.is_empty() {
                continue;
            }
            if hopeless && newest.is_none_or(|newest| *item > newest) {
                continue;
            }
            let mut ids = ledger.ids_of(&self.text_of(*item));
            ids.retain(|id| !self.service.took(id));
            // Or the chat's start was given up before any could be.
            let begun = !ledger.attempts.is_empty();
            let attempted = !ids.is_empty() || self.token_over() || !begun;
            if !silent || !attempted {
                lost.insert(*item, ids);
            }
        }
        let mut due: Vec<(u64, Option<Uuid>, u64)> = Vec::new();
        // Messages whose attempt died unseen may have been one upstream.
        let mut merged: BTreeMap<u64, u64> = BTreeMap::new();
        for (item, ids) in &lost {
            let stepped = ledger.wall_steps > 0;
            let since = |id: &Uuid| match stepped {
                true => ledger.posted[item].min(ledger.attempts[id].first_at),
                false => ledger.attempts[id].first_at,
            };
            due.extend(ids.iter().map(|id| (since(id), Some(*id), 0)));
            if ids.is_empty() && ledger.lives > 0 {
                let with = item.checked_sub(1).and_then(|before| merged.get(&before));
                let with = with.copied().filter(|_| self.plan.paced()).unwrap_or(*item);
                merged.insert(*item, with);
                due.push((ledger.posted[&with], None, with));
            }
        }
        due.sort_unstable();
        due.dedup();
        let mut notices: Vec<u64> = ledger.notices.values().copied().collect();
        notices.sort_unstable();
        let mut told = BTreeSet::new();
        for (from, id, item) in due {
            let from = from + self.gives_up_after();
            if let Some(at) = notices.iter().position(|at| *at >= from) {
                notices.remove(at);
                told.insert((id, item));
            }
        }
        let known = |(item, ids): &(u64, BTreeSet<Uuid>)| match ids.is_empty() {
            true => merged.get(item).is_some_and(|with| told.contains(&(None, *with))),
            false => ids.iter().all(|id| told.contains(&(Some(*id), 0))),
        };
        let untold = lost.into_iter().filter(|lost| !known(lost));
        untold.map(|(item, _)| item).collect()
    }

    const fn gives_up_after(&self) -> u64 {
        if self.ledger.wall_steps > 0 { GIVES_UP_AFTER_STEP } else { GIVES_UP }
    }

    /// Whether it may have been given up, and arrived all the same.
    fn may_be_late(&self, item: u64) -> bool {
        let ledger = &self.ledger;
        let first = ledger.ids_of(&self.text_of(item)).into_iter().map(|id| &ledger.attempts[&id]);
        let first = first.map(|attempt| attempt.first_at).min();
        let after = self.gives_up_after();
        first.is_some_and(|first| ledger.notices.values().any(|told| *told >= first + after))
    }

    fn came_twice(&mut self, item: u64) {
        let ledger = &self.ledger;
        let Traits { posts, reconnects, .. } = self.plan.traits;
        let unnumbered = posts == Posts::Unnumbered || reconnects;
        let vanished = ledger.answer_vanished.contains(&item)
            || ledger.late_retry.contains(&item)
            || ledger.renumbered.contains(&item);
        let stepped = ledger.wall_steps > 0;
        if unnumbered && (vanished || stepped) {
            self.ledger.repeated += 1;
        } else {
            self.violation(format!("visitor's message {item} reached the desk twice"));
        }
    }
}
