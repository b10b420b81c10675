//! Whether other nodes live and answer, for those who wait for them.
//!
//! Promised: who waits for a node's answer learns within [`LOOK_EVERY`] that its lease lapsed; a
//! node that broke a connection is asked again by one probe for all, at most every
//! [`PROBE_PAUSE`], and by nobody else until it answered that or its lease lapsed. Not promised:
//! that a node which answers nobody and renews its lease is noticed; anything of it once this node
//! has left, whose last requests ask the store and each other node for themselves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use uuid::Uuid;

use super::awaited::Awaited;
use super::{Cluster, Peer};
use crate::store::shared::Node;
use crate::time::Mono;

/// How often the nodes are looked at, besides with each beat.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer is given up.
const LOOK_WITHIN: Duration = Duration::from_secs(1);
/// The pause before a node that broke a connection is probed, and the longest one.
const PROBE_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// A node that takes longer to answer a probe is in doubt still.
const PROBE_WITHIN: Duration = Duration::from_secs(1);
/// What a probe asks for.
pub const PATH: &str = "/cluster/v1/alive";

/// The nodes as they were seen last, and those that broke a connection since they answered.
#[derive(Debug)]
pub(super) struct Seen(Awaited<State>);

#[derive(Debug, Default)]
struct State {
    /// When it was asked who lives.
    asked: Mono,
    nodes: Arc<Vec<Node>>,
    doubted: BTreeSet<Uuid>,
}

impl Default for Seen {
    fn default() -> Self {
        Self(Awaited::new(State::default()))
    }
}

impl Seen {
    /// Every node as it was seen last.
    pub(super) fn nodes(&self) -> Arc<Vec<Node>> {
        self.0.now(|state| state.nodes.clone())
    }

    /// Takes the answer to a question that was asked at `began`, unless that to a later one came
    /// first; whether it was taken.
    pub(super) fn put(&self, began: Mono, nodes: Arc<Vec<Node>>) -> bool {
        self.0.change(|state| {
            let newer = began >= state.asked;
            if newer {
                (state.asked, state.nodes) = (began, nodes);
            }
            newer
        })
    }

    /// Whether that is new.
    fn doubt(&self, node: Uuid) -> bool {
        self.0.change(|state| state.doubted.insert(node))
    }

    fn trust(&self, node: Uuid) {
        self.0.change(|state| state.doubted.remove(&node));
    }

    fn doubts(&self, node: Uuid) -> bool {
        self.0.now(|state| state.doubted.contains(&node))
    }

    /// Waits until it is so.
    async fn until(&self, mut so: impl FnMut(&State) -> bool) {
        self.0.until(|state| so(state).then_some(())).await;
    }
}

impl Cluster {
    /// Looks at the nodes between the beats.
    pub(super) async fn keep_looking(self) {
        loop {
            self.wait(LOOK_EVERY).await;
            let began = self.now();
            let asked = tokio::time::timeout(LOOK_WITHIN, self.inner.store.nodes());
            // That the store is away is told by the beat.
            if let Ok(Ok(nodes)) = asked.await {
                self.seen(began, nodes);
            }
        }
    }

    /// Returns when a node turns out not to live any more.
    pub async fn gone(&self, peer: &Peer) {
        let began = self.now();
        let gone = |state: &State| {
            let mut nodes = state.nodes.iter();
            let known = nodes.find(|node| node.told.incarnation == peer.incarnation);
            // One that was not seen yet may be new, but not to who looked since.
            known.map_or(state.asked > began, |node| !node.live)
        };
        self.inner.seen.until(gone).await;
    }

    /// Whether a node broke a connection and has not answered since.
    #[must_use]
    pub fn doubts(&self, peer: &Peer) -> bool {
        self.inner.seen.doubts(peer.incarnation)
    }

    /// Returns when a node is not in doubt: it answers, or it is gone.
    pub async fn trusted(&self, peer: &Peer) {
        self.inner.seen.until(|state| !state.doubted.contains(&peer.incarnation)).await;
    }

    /// A node broke a connection, or is not the run that it was.
    pub(super) fn doubt(&self, peer: &Peer) {
        if self.inner.left.is_cancelled() {
            // It is probed by nobody any more.
            self.look_up_anew(peer);
            return;
        }
        if self.inner.seen.doubt(peer.incarnation) {
            tracing::debug!(address = peer.address, "a node is in doubt; requests wait for it");
            tokio::spawn(self.clone().probe(peer.clone()));
        }
    }

    async fn probe(self, peer: Peer) {
        tokio::select! {
            biased;
            () = self.inner.left.cancelled() => {}
            () = self.answers(&peer) => {}
            () = self.gone(&peer) => self.look_up_anew(&peer),
        }
        self.inner.seen.trust(peer.incarnation);
    }

    /// Whose the chats are that a node had is not known any more.
    fn look_up_anew(&self, peer: &Peer) {
        self.known().retain(|_, known| known.incarnation != peer.incarnation);
    }

    /// Returns when this very run of a node answers.
    async fn answers(&self, peer: &Peer) {
        let nothing = Bytes::new();
        let mut pause = PROBE_PAUSE.0;
        loop {
            self.wait(pause).await;
            pause = (pause * 2).min(PROBE_PAUSE.1);
            let answer = self.ask_for(peer, PATH, &nothing, Vec::new(), PROBE_WITHIN).await;
            if answer.is_some_and(|answer| answer.status() == StatusCode::NO_CONTENT) {
                return;
            }
        }
    }
}
