//! One request of a client, as it is asked of other nodes.
//!
//! Promised: it is the same request however often it is asked; the node whose answer is handed over
//! is told what became of that, and one that was asked in vain that nobody waits any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use uuid::Uuid;

use super::super::receipted::receipted;
use crate::adapter::Receipt;
use crate::chat::ReplyTo;
use crate::chat::ids::ChatId;
use crate::cluster::forward::Forwarded;
use crate::cluster::told::Told;
use crate::cluster::{Cluster, Peer};

/// A request and who works on it. Dropped, it tells that node that nobody waits.
pub(super) struct Asking {
    cluster: Cluster,
    chat: ChatId,
    id: Uuid,
    /// The node that may be at work.
    asked: Mutex<Option<Peer>>,
    /// Whether this process stood still meanwhile.
    slept: AtomicBool,
}

impl Asking {
    pub(super) fn new(cluster: Cluster, chat: ChatId) -> Self {
        let (id, slept) = (crate::random::uuid(), AtomicBool::new(false));
        Self { cluster, chat, id, asked: Mutex::default(), slept }
    }

    /// This process turns out to have stood still.
    pub(super) fn sleeps(&self) {
        self.slept.store(true, Ordering::Relaxed);
    }

    /// Whether it did, since the client asked.
    pub(super) fn slept(&self) -> bool {
        self.slept.load(Ordering::Relaxed)
    }

    /// Asks a node; `None` when it has not got the chat, or does not answer.
    pub(super) async fn ask(
        &self,
        peer: &Peer,
        parts: &Parts,
        body: &Bytes,
        within: Duration,
    ) -> Option<Response<Body>> {
        *self.asked() = Some(peer.clone());
        match self.cluster.forward((peer, self.chat, self.id), parts, body, within).await {
            Forwarded::Answer(answer) => {
                *self.asked() = None;
                Some(receipted(answer, vec![self.receipt(peer.clone())]))
            }
            Forwarded::NotThere => {
                *self.asked() = None;
                None
            }
            Forwarded::Broken => None,
        }
    }

    /// Nobody waits any more. Returns once the node that may be at work knows it, if it is to be
    /// reached: what the client asks next must not come before.
    pub(super) async fn gives_up(&self) {
        let asked = self.asked().take();
        if let Some(peer) = asked {
            let told = Told { id: self.id, written: false };
            self.cluster.tell_first(&peer, self.chat, told).await;
        }
    }

    /// Tells the node that answered.
    fn receipt(&self, peer: Peer) -> Receipt {
        let (cluster, chat, id) = (self.cluster.clone(), self.chat, self.id);
        let tell = move |_, written| cluster.tell(&peer, chat, Told { id, written });
        Receipt::new(ReplyTo(0), tell)
    }

    fn asked(&self) -> MutexGuard<'_, Option<Peer>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let asked = self.asked().take();
        if let Some(peer) = asked {
            self.cluster.tell(&peer, self.chat, Told { id: self.id, written: false });
        }
    }
}
