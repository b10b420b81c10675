//! What became of an answer of another node that this one was to hand to a client.
//!
//! Promised: it is told soon, in its own request, and with every request about the same chat until
//! it is known to have arrived; nobody's answer waits for it. Not promised: that it arrives. Who is
//! told nothing takes the answer for lost, as of a connection that broke.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use uuid::Uuid;

use super::{Cluster, Peer};
use crate::chat::ids::ChatId;
use crate::time::Mono;

/// Where it is told when nothing else is to be asked.
pub const PATH: &str = "/cluster/v1/told";
/// Told at once.
const TOLD_MAX: usize = 32;
/// To be told to one node; past it the oldest are forgotten, which means lost.
const WAITING_MAX: usize = 10_000;
/// It is told for so long; later nobody waits for it.
pub const TELL_FOR: Duration = Duration::from_secs(15);
/// One try.
const TELL_WITHIN: Duration = Duration::from_secs(2);
/// The pause after one that failed, and the longest one.
const TELL_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How often it is looked whether it is told, by who must wait for that.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The end of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The request that it answers.
    pub id: Uuid,
    /// Whether the client's connection took all of it.
    pub written: bool,
}

impl Told {
    /// `None` for nothing.
    pub(super) fn write(all: &[Self]) -> Option<HeaderValue> {
        let one = |told: &Self| format!("{}={}", told.id.simple(), u8::from(told.written));
        let all: Vec<String> = all.iter().map(one).collect();
        HeaderValue::from_str(&all.join(",")).ok().filter(|value| !value.is_empty())
    }

    /// What cannot be read is passed over.
    pub(super) fn read(value: &HeaderValue) -> Vec<Self> {
        let one = |text: &str| {
            let (id, written) = text.split_once('=')?;
            Some(Self { id: Uuid::try_parse(id).ok()?, written: written == "1" })
        };
        let text = value.to_str().unwrap_or_default();
        text.split(',').take(TOLD_MAX).filter_map(one).collect()
    }
}

/// What is still to be told, by node.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<Uuid, Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    oldest_first: VecDeque<(Mono, ChatId, Told)>,
    /// Whether a task tells them.
    tells: bool,
}

impl Cluster {
    /// Tells a node what became of its answer about a chat. Returns at once.
    pub fn tell(&self, peer: &Peer, chat: ChatId, told: Told) {
        // Outside a runtime the process ends.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut telling = self.telling();
        let waiting = telling.0.entry(peer.incarnation).or_default();
        if waiting.oldest_first.len() >= WAITING_MAX {
            waiting.oldest_first.pop_front();
        }
        waiting.oldest_first.push_back((self.now(), chat, told));
        if !std::mem::replace(&mut waiting.tells, true) {
            drop(telling);
            let telling = self.clone().keep_telling(peer.clone());
            runtime.spawn(telling);
        }
    }

    /// What a node is still to be told about a chat.
    pub(super) fn to_tell(&self, peer: &Peer, chat: ChatId) -> Vec<Told> {
        let telling = self.telling();
        let Some(waiting) = telling.0.get(&peer.incarnation) else { return Vec::new() };
        let of_chat = waiting.oldest_first.iter().filter(|(_, of, _)| *of == chat);
        of_chat.map(|(_, _, told)| *told).take(TOLD_MAX).collect()
    }

    /// Forgets what nodes are to be told that are gone.
    pub(super) fn tell_only(&self, live: impl Fn(Uuid) -> bool) {
        self.telling().0.retain(|peer, waiting| waiting.tells || live(*peer));
    }

    /// The same, and waits until the node knows, no longer than for one try.
    pub async fn tell_first(&self, peer: &Peer, chat: ChatId, told: Told) {
        self.tell(peer, chat, told);
        let left = |telling: &Telling| {
            let waiting = telling.0.get(&peer.incarnation);
            waiting.is_some_and(|waiting| waiting.oldest_first.iter().any(|one| one.2 == told))
        };
        self.while_left(left).await;
    }

    /// Waits until nothing is left to be told, no longer than for one try.
    pub async fn all_told(&self) {
        self.while_left(|telling| !telling.0.is_empty()).await;
    }

    async fn while_left(&self, left: impl Fn(&Telling) -> bool) {
        let until = self.now().plus(TELL_WITHIN);
        while left(&self.telling()) && self.now() < until {
            self.wait(LOOK_EVERY).await;
        }
    }

    async fn keep_telling(self, peer: Peer) {
        let mut pause = TELL_AGAIN.0;
        while let Some(some) = self.next_to_tell(peer.incarnation) {
            let none = Bytes::new();
            let asked = self.ask_for(&peer, PATH, &none, some.clone(), TELL_WITHIN).await;
            // Another run of that node, or one with other keys, will not want it later either.
            let over = asked.is_some_and(|answer| {
                let known = [StatusCode::MISDIRECTED_REQUEST, StatusCode::FORBIDDEN];
                answer.status().is_success() || known.contains(&answer.status())
            });
            if over {
                pause = TELL_AGAIN.0;
                self.told(peer.incarnation, &some);
            } else {
                self.wait(pause).await;
                pause = (pause * 2).min(TELL_AGAIN.1);
            }
        }
    }

    /// The next ones; `None`, and nobody tells any more, when there are none.
    fn next_to_tell(&self, peer: Uuid) -> Option<Vec<Told>> {
        let now = self.now();
        let mut telling = self.telling();
        let waiting = telling.0.get_mut(&peer)?;
        waiting.oldest_first.retain(|(at, ..)| now.since(*at) < TELL_FOR);
        if waiting.oldest_first.is_empty() {
            telling.0.remove(&peer);
            return None;
        }
        let next = waiting.oldest_first.iter().take(TOLD_MAX);
        Some(next.map(|(_, _, told)| *told).collect())
    }

    fn told(&self, peer: Uuid, some: &[Told]) {
        let mut telling = self.telling();
        if let Some(waiting) = telling.0.get_mut(&peer) {
            waiting.oldest_first.retain(|(_, _, told)| !some.contains(told));
        }
    }

    fn telling(&self) -> MutexGuard<'_, Telling> {
        self.inner.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let one = |id, written| Told { id: Uuid::from_u128(id), written };
        let all = vec![one(1, true), one(u128::MAX, false)];
        assert_eq!(Told::read(&Told::write(&all).expect("a value")), all);
        assert_eq!(Told::write(&[]), None);
        let odd = HeaderValue::from_static("x=1,,=,00000000000000000000000000000001=1");
        assert_eq!(Told::read(&odd), [one(1, true)]);
        let many: Vec<Told> = (0..100).map(|id| one(id, true)).collect();
        assert_eq!(Told::read(&Told::write(&many).expect("a value")).len(), TOLD_MAX);
    }
}
