//! What runs beside: renewing the lease, finding out what is ours after a gap, taking up the chats
//! of nodes that died.
//!
//! Promised: a beat that the store does not take in time counts as not made; after a gap nothing is
//! served before it is known what was lost; orphans are taken up at a bounded pace, each by one
//! node. When the process stops, it beats until its chats are stored, then releases its lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::lease::{BEAT_EVERY, LEASE, Lease, Renewed};
use super::{Cluster, Residents};
use crate::chat::ids::ChatId;
use crate::store::StoreError;
use crate::store::shared::{FIRST_EPOCH, Node};
use crate::time::Mono;

/// A beat that takes longer is given up and made again.
const BEAT_WITHIN: Duration = Duration::from_millis(1_500);
/// The wait after a beat that failed.
const BEAT_AGAIN: Duration = Duration::from_millis(300);
/// How often orphans are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The pause while there are more of them than one look takes.
const SWEEP_PAUSE: Duration = Duration::from_millis(250);
/// Orphans that are taken up at a time.
const ORPHANS: u32 = 100;
/// How often it is looked whether all that is ours is worked on, and what need not be remembered.
const TIDY_EVERY: Duration = Duration::from_secs(10);
/// The longest wait for the store to take the release of the lease.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

impl Cluster {
    /// Begins to beat and to take up orphans; returns after the first beat.
    ///
    /// # Errors
    /// When the store does not take the first beat.
    pub async fn run(
        &self,
        residents: Arc<dyn Residents>,
        shutdown: CancellationToken,
    ) -> Result<(), StoreError> {
        // Of two calls the second would change nothing.
        let _ = self.inner.residents.set(Arc::downgrade(&residents));
        self.renew(&*residents).await?;
        let looking = self.clone().keep_looking();
        tokio::spawn(self.inner.left.clone().run_until_cancelled_owned(looking));
        let beating = self.clone().keep_beating(residents.clone());
        tokio::spawn(self.inner.left.clone().run_until_cancelled_owned(beating));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(self.clone().sweep(residents)));
        Ok(())
    }

    /// Releases the lease: others claim what is still ours at once. Call it when every chat's task
    /// has left; one that has not does nothing from now on.
    pub async fn leave(&self) {
        self.inner.left.cancel();
        *self.lease() = Lease::new();
        // Who still asks here is asked to look for it.
        self.held().clear();
        let left = tokio::time::timeout(LEAVE_WITHIN, self.inner.store.leave(self.incarnation()));
        match left.await {
            Ok(Ok(())) => tracing::info!("this node has left the cluster"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not released; it will lapse"),
            Err(_) => tracing::warn!("the lease was not released in time; it will lapse"),
        }
    }

    async fn keep_beating(self, residents: Arc<dyn Residents>) {
        let mut failing = false;
        loop {
            self.wait(if failing { BEAT_AGAIN } else { BEAT_EVERY }).await;
            match self.renew(&*residents).await {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("the lease is renewed again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the lease cannot be renewed; chats wait for it");
                    }
                }
            }
        }
    }

    /// One beat, and what follows from it.
    async fn renew(&self, residents: &dyn Residents) -> Result<(), StoreError> {
        let began = self.now();
        let beat = self.beat(residents.count());
        let asked = self.inner.store.beat(&beat, LEASE);
        let nodes = in_time(asked).await?;
        let renewed = self.lease().answered(began, self.now());
        self.seen(began, nodes);
        if renewed == Renewed::AfterGap {
            self.settle().await?;
            self.lease().settled();
        }
        Ok(())
    }

    /// The store's answer to the question, asked at `began`, who lives.
    pub(super) fn seen(&self, began: Mono, nodes: Vec<Node>) {
        let (before, nodes) = (self.nodes(), Arc::new(nodes));
        if !self.inner.seen.put(began, nodes.clone()) {
            return;
        }
        if let Some(residents) = self.residents() {
            residents.live_nodes(nodes.iter().filter(|node| node.live).count());
        }
        self.tell_changes(&before, &nodes);
        let live = |id: Uuid| nodes.iter().any(|node| node.live && node.told.incarnation == id);
        self.known().retain(|_, peer| live(peer.incarnation));
        self.tell_only(live);
    }

    /// Who came, who went, and who is configured otherwise: each once.
    fn tell_changes(&self, before: &[Node], after: &[Node]) {
        let mine = self.identity().fingerprint;
        for node in after.iter().filter(|node| node.told.incarnation != self.incarnation()) {
            let (name, address) = (&node.told.name, &node.told.address);
            let was = before.iter().find(|was| was.told.incarnation == node.told.incarnation);
            match (was.is_some_and(|was| was.live), node.live) {
                (false, true) => tracing::info!(name, address, "a node is in the cluster"),
                (true, false) => tracing::warn!(name, address, "a node's lease has lapsed"),
                _ => {}
            }
            let told = was.is_some_and(|was| was.told.fingerprint == node.told.fingerprint);
            if node.live && !told && node.told.fingerprint != mine {
                tracing::error!(
                    name,
                    address,
                    theirs = node.told.fingerprint,
                    ours = mine,
                    "a node is configured otherwise; give all nodes the same files"
                );
            }
        }
        for gone in before.iter().filter(|was| was.live) {
            if after.iter().all(|node| node.told.incarnation != gone.told.incarnation) {
                tracing::info!(name = gone.told.name, "a node has left the cluster");
            }
        }
    }

    /// Lets go what others took while our lease may have lapsed.
    async fn settle(&self) -> Result<(), StoreError> {
        let held: Vec<(Uuid, u64)> =
            self.held().iter().map(|(chat, epoch)| (*chat, *epoch)).collect();
        if held.is_empty() {
            return Ok(());
        }
        let ours = in_time(self.inner.store.owned(self.incarnation())).await?;
        let ours: BTreeMap<Uuid, u64> = ours.into_iter().collect();
        for (chat, epoch) in held {
            // One that is over is let go too: whoever asks for it reads it again.
            if ours.get(&chat) != Some(&epoch) {
                self.lost(chat, epoch);
            }
        }
        Ok(())
    }

    /// Takes up the chats of nodes that died.
    async fn sweep(self, residents: Arc<dyn Residents>) {
        let mut tidy_at = self.now();
        let mut tried = BTreeMap::new();
        loop {
            let full = match self.sweep_once(&*residents).await {
                Ok(taken) => taken >= ORPHANS as usize,
                // That the store is away is told by the beat.
                Err(_) => false,
            };
            if self.now() >= tidy_at {
                tidy_at = self.now().plus(TIDY_EVERY);
                let _ = self.tidy(&*residents, &mut tried).await;
            }
            self.wait(if full { SWEEP_PAUSE } else { SWEEP_EVERY }).await;
        }
    }

    async fn sweep_once(&self, residents: &dyn Residents) -> Result<usize, StoreError> {
        if !self.may_serve() {
            return Ok(0);
        }
        let taken = self.inner.store.claim_orphans(self.incarnation(), ORPHANS).await?;
        if !taken.is_empty() {
            tracing::info!(chats = taken.len(), "chats of a node that is gone are taken up");
        }
        self.hold(&taken);
        // One of a bridge that was alone had no epoch before.
        let lost = taken.iter().filter(|(_, epoch)| *epoch > FIRST_EPOCH).count();
        self.inner.taken_over.fetch_add(lost as u64, Ordering::Relaxed);
        for (chat, epoch) in &taken {
            self.not_there(ChatId(*chat));
            self.take_up(residents, *chat, *epoch).await;
        }
        Ok(taken.len())
    }

    /// Answers whether the chat could be read.
    async fn take_up(&self, residents: &dyn Residents, chat: Uuid, epoch: u64) -> bool {
        let taken = residents.take_up(ChatId(chat), epoch).await;
        if let Err(error) = &taken {
            tracing::error!(%chat, %error, "a chat cannot be taken up; tried again");
            // As one that nobody knows to be ours: found by the next look, or who asks for it.
            self.forget(chat, epoch);
        }
        taken.is_ok()
    }

    /// Takes up what is ours and nobody works on (an answer of the store was lost, or a task left
    /// what it could not read: that once in an epoch, `tried` says when), and forgets what is over.
    async fn tidy(
        &self,
        residents: &dyn Residents,
        tried: &mut BTreeMap<Uuid, u64>,
    ) -> Result<(), StoreError> {
        let held: Vec<Uuid> = self.held().keys().copied().collect();
        let ours = self.inner.store.owned(self.incarnation()).await?;
        let ours: BTreeMap<Uuid, u64> = ours.into_iter().collect();
        tried.retain(|chat, epoch| ours.get(chat) == Some(epoch));
        for (chat, epoch) in &ours {
            let idle = !self.holds(ChatId(*chat)) || !residents.holds(ChatId(*chat));
            if idle && tried.get(chat) != Some(epoch) {
                self.hold(&[(*chat, *epoch)]);
                if self.take_up(residents, *chat, *epoch).await {
                    tried.insert(*chat, *epoch);
                }
            }
        }
        // Only what was held before the store was asked: a newer one it may not have shown yet.
        let over = |chat: &Uuid| !ours.contains_key(chat) && !residents.holds(ChatId(*chat));
        let over: BTreeSet<Uuid> = held.into_iter().filter(over).collect();
        let mut held = self.held();
        held.retain(|chat, _| !over.contains(chat));
        Ok(())
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(BEAT_WITHIN, asked).await {
        Ok(answer) => answer,
        Err(_) => {
            let waited = BEAT_WITHIN.as_millis();
            Err(StoreError::Engine { detail: format!("no answer within {waited} ms") })
        }
    }
}
