//! The way between a process and the store: slow, cut, and at times without an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::dice::Dice;
use super::gate::Gate;
use super::world::World;
use crate::store::memory::MemoryStore;
use crate::store::shared::{Beat, Claim, Fence, Node, Owner, Shared};
use crate::store::{Change, Commit, Loaded, NewChat, Store, StoreError};
use crate::time::Wall;

/// No answer comes for this long before it is clear that none will.
const NO_ANSWER: (u64, u64) = (100, 2_500);
/// So often a chat gets no answer within the time that a POST waits, cuts included, where a client
/// dies of any error: more is an outage, and a POST may be answered 500.
const UNANSWERED_MAX: (usize, u64) = (2, 10_000);

/// The store, as one process reaches it.
pub struct Reached {
    memory: MemoryStore,
    gate: Gate,
    world: Arc<World>,
    node: usize,
    dice: Dice,
    /// When a chat got no answer, of late.
    unanswered: Mutex<BTreeMap<Uuid, Vec<u64>>>,
}

/// What is asked for, as far as faults go.
#[derive(Clone, Copy)]
enum About {
    /// A chat: something may befall the process here.
    Chat(&'static str, Uuid),
    /// The node's own upkeep.
    Upkeep(&'static str),
}

impl Reached {
    pub fn new(world: &Arc<World>, gate: &Gate, node: usize, boot: u64) -> Self {
        let memory = world.memory.clone();
        let dice = world.dice(&format!("store {node} {boot}"));
        let unanswered = Mutex::default();
        Self { memory, gate: gate.clone(), world: world.clone(), node, dice, unanswered }
    }

    /// Whether a chat got as few answers as its clients bear.
    fn is_spared(&self, about: About) -> bool {
        let About::Chat(_, chat) = about else { return false };
        if !self.world.plan.visitors.iter().any(|visitor| visitor.fragile) {
            return false;
        }
        let mut unanswered = self.unanswered.lock().unwrap();
        let Some(times) = unanswered.get_mut(&chat) else { return false };
        let (most, within) = UNANSWERED_MAX;
        times.retain(|at| at + within > self.world.at());
        times.len() >= most
    }

    fn leaves_unanswered(&self, about: About) {
        if let About::Chat(_, chat) = about {
            self.unanswered.lock().unwrap().entry(chat).or_default().push(self.world.at());
        }
    }

    async fn through<T: Send>(
        &self,
        about: About,
        ask: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let subject = match about {
            About::Chat(what, chat) => format!("{what} {chat}"),
            About::Upkeep(what) => what.to_owned(),
        };
        let of_chat = matches!(about, About::Chat(..));
        if of_chat {
            self.gate.pass_point().await;
        } else {
            self.gate.pass().await;
        }
        let permille = self.world.plan.faults.store;
        let faulty = self.world.faulty();
        let (there, back, fails, silent, unheard) = self.dice.draw(&subject, |r| {
            let (there, back) = (r.range(0, 4), r.range(0, 4));
            let silent = r.range(NO_ANSWER.0, NO_ANSWER.1);
            (there, back, r.chance(permille) && faulty, silent, r.chance(500))
        });
        let node = self.node;
        self.world.note(|| format!("node {node} asks the store: {subject}"));
        let lost = self.world.store_is_away(self.node) || fails && !self.is_spared(about);
        if lost {
            self.leaves_unanswered(about);
        }
        if lost && unheard {
            return self.silence(silent).await;
        }
        self.world.pass(there).await;
        let told = if self.world.store_is_away(self.node) { None } else { Some(ask.await) };
        if of_chat {
            self.gate.pass_point().await;
        }
        self.world.pass(back).await;
        self.gate.pass().await;
        match told {
            Some(told) if !lost => told,
            _ => self.silence(silent).await,
        }
    }

    async fn silence<T>(&self, millis: u64) -> Result<T, StoreError> {
        self.world.pass(millis).await;
        self.gate.pass().await;
        Err(StoreError::Engine { detail: "no answer".to_owned() })
    }
}

#[async_trait]
impl Store for Reached {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        self.through(About::Chat("open", chat.id), self.memory.open(chat, first)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.through(About::Chat("commit", commit.chat), self.memory.commit(commit)).await
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        self.through(About::Chat("load", chat), self.memory.load(chat)).await
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.through(About::Upkeep("unfinished"), self.memory.unfinished(after, limit)).await
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.through(About::Upkeep("stored"), self.memory.stored(after, limit)).await
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        self.through(About::Upkeep("purge"), self.memory.purge(ended_before)).await
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        self.through(About::Upkeep("erase"), self.memory.erase(chat)).await
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.through(About::Upkeep("changes_after"), self.memory.changes_after(number, limit)).await
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        self.through(About::Upkeep("append_change"), self.memory.append_change(at, body, after))
            .await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.through(About::Upkeep("writable"), self.memory.writable()).await
    }
}

#[async_trait]
impl Shared for Reached {
    async fn beat(&self, beat: &Beat, lease: Duration) -> Result<Vec<Node>, StoreError> {
        self.through(About::Upkeep("beat"), self.memory.beat(beat, lease)).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.through(About::Upkeep("nodes"), self.memory.nodes()).await
    }

    async fn leave(&self, incarnation: Uuid) -> Result<(), StoreError> {
        self.through(About::Upkeep("leave"), self.memory.leave(incarnation)).await
    }

    async fn open_as(&self, chat: NewChat, first: Vec<u8>, owner: Uuid) -> Result<(), StoreError> {
        self.through(About::Chat("open_as", chat.id), self.memory.open_as(chat, first, owner)).await
    }

    async fn commit_as(&self, commit: Commit, fence: Fence) -> Result<(), StoreError> {
        let told = self
            .through(About::Chat("commit_as", commit.chat), self.memory.commit_as(commit, fence))
            .await;
        if matches!(told, Err(StoreError::Fenced { .. })) {
            self.world.count(|counts| counts.fenced += 1);
        }
        told
    }

    async fn claim(&self, chat: Uuid, claimant: Uuid) -> Result<Claim, StoreError> {
        let before = self.memory.owner(chat).await?;
        let told =
            self.through(About::Chat("claim", chat), self.memory.claim(chat, claimant)).await;
        let others = before.and_then(|owner| owner.incarnation).is_some_and(|own| own != claimant);
        if others && matches!(told, Ok(Claim::Taken { .. })) {
            self.world.count(|counts| counts.takeovers += 1);
        }
        told
    }

    async fn claim_orphans(
        &self,
        claimant: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let told = self
            .through(About::Upkeep("claim_orphans"), self.memory.claim_orphans(claimant, limit))
            .await;
        let taken = told.as_ref().map_or(0, Vec::len) as u64;
        self.world.count(|counts| counts.takeovers += taken);
        told
    }

    async fn owner(&self, chat: Uuid) -> Result<Option<Owner>, StoreError> {
        self.through(About::Chat("owner", chat), self.memory.owner(chat)).await
    }

    async fn owned(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, StoreError> {
        self.through(About::Upkeep("owned"), self.memory.owned(owner)).await
    }
}
