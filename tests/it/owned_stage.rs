//! A store of one node whose answers a test holds back or loses, and the node on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use liveagent_bridge::adapter::transport::in_process::InProcess;
use liveagent_bridge::chat::ids::ChatId;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::cluster::owned::Owned;
use liveagent_bridge::cluster::{Cluster, Identity, Residents};
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::store::shared::{Beat, Claim, Fence, Node, Owner, Shared};
use liveagent_bridge::store::{Change, Commit, Loaded, NewChat, Store, StoreError};
use liveagent_bridge::time::Wall;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What becomes of the next answer to a write.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is lost: an error says that it is unclear what happened.
    Lost,
    /// It is said that it was made, and comes when the test lets it.
    Waits(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// The memory, behind a connection that is not always there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unclear {
    pub(crate) memory: MemoryStore,
    next: Arc<Mutex<Option<Answer>>>,
}

impl Unclear {
    pub(crate) fn next(&self, answer: Answer) {
        *self.next.lock().unwrap() = Some(answer);
    }

    async fn answer(&self, told: Result<(), StoreError>) -> Result<(), StoreError> {
        let next = self.next.lock().unwrap().take();
        match next {
            None => told,
            Some(Answer::Lost) => {
                Err(StoreError::Engine { detail: "the connection broke".to_owned() })
            }
            Some(Answer::Waits(made, come)) => {
                let _ = made.send(());
                let _ = come.await;
                told
            }
        }
    }
}

#[async_trait]
impl Store for Unclear {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        self.answer(self.memory.open(chat, first).await).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.answer(self.memory.commit(commit).await).await
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        self.memory.load(chat).await
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.memory.unfinished(after, limit).await
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.memory.stored(after, limit).await
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        self.memory.purge(ended_before).await
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        self.memory.erase(chat).await
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.memory.changes_after(number, limit).await
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        self.memory.append_change(at, body, after).await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.memory.writable().await
    }
}

#[async_trait]
impl Shared for Unclear {
    async fn beat(&self, beat: &Beat, lease: Duration) -> Result<Vec<Node>, StoreError> {
        self.memory.beat(beat, lease).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.memory.nodes().await
    }

    async fn leave(&self, incarnation: Uuid) -> Result<(), StoreError> {
        self.memory.leave(incarnation).await
    }

    async fn open_as(&self, chat: NewChat, first: Vec<u8>, owner: Uuid) -> Result<(), StoreError> {
        self.answer(self.memory.open_as(chat, first, owner).await).await
    }

    async fn commit_as(&self, commit: Commit, fence: Fence) -> Result<(), StoreError> {
        self.answer(self.memory.commit_as(commit, fence).await).await
    }

    async fn claim(&self, chat: Uuid, claimant: Uuid) -> Result<Claim, StoreError> {
        self.memory.claim(chat, claimant).await
    }

    async fn claim_orphans(
        &self,
        claimant: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        self.memory.claim_orphans(claimant, limit).await
    }

    async fn owner(&self, chat: Uuid) -> Result<Option<Owner>, StoreError> {
        self.memory.owner(chat).await
    }

    async fn owned(&self, owner: Uuid) -> Result<Vec<(Uuid, u64)>, StoreError> {
        self.memory.owned(owner).await
    }
}

/// Works on nothing, and remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) lost: Mutex<Vec<(ChatId, u64)>>,
    pub(crate) taken_up: Mutex<Vec<(ChatId, u64)>>,
}

#[async_trait]
impl Residents for Told {
    fn lost(&self, chat: ChatId, epoch: u64) {
        self.lost.lock().unwrap().push((chat, epoch));
    }

    async fn take_up(&self, chat: ChatId, epoch: u64) -> Result<(), StoreError> {
        self.taken_up.lock().unwrap().push((chat, epoch));
        Ok(())
    }

    fn count(&self) -> usize {
        0
    }

    fn holds(&self, _: ChatId) -> bool {
        false
    }

    fn live_nodes(&self, _: usize) {}
}

/// A node, and its store as its chats see it.
pub(crate) struct OneNode {
    pub(crate) cluster: Cluster,
    pub(crate) store: Owned,
    pub(crate) told: Arc<Told>,
}

/// A node over this store that has begun to beat.
pub(crate) async fn node(store: Arc<dyn Shared>) -> OneNode {
    let identity = Identity {
        name: "one".to_owned(),
        address: "one.test".to_owned(),
        fingerprint: "same".to_owned(),
    };
    let link = Arc::new(InProcess::new());
    let cluster = Cluster::new(identity, store, link, &[[7; 32]], Clock::system());
    let told = Arc::new(Told::default());
    cluster.run(told.clone(), CancellationToken::new()).await.expect("a beat");
    OneNode { store: Owned::new(cluster.clone()), cluster, told }
}
