//! A bridge that is one of several nodes: what works on its chats, and what it is opened with.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{BuildError, Opened};
use crate::adapter::liveagent::LiveAgent;
use crate::adapter::miaw::registry::Registry;
use crate::adapter::transport::Transport;
use crate::chat::ids::ChatId;
use crate::clock::Clock;
use crate::cluster::{Cluster, Identity, Residents};
use crate::config::{ClusterConfig, StoreConfig, Written};
use crate::store::postgres::{Occupancy, Occupied, Purpose};
use crate::store::seal::KeyRing;
use crate::store::shared::Shared;
use crate::store::{Loaded, Store, StoreError};

/// What the nodes' requests to each other are sealed for.
const PASS_PURPOSE: &str = "cluster-pass";
/// What a configuration's fingerprint is made for.
const FINGERPRINT_PURPOSE: &str = "cluster-fingerprint";

/// A store that is opened to serve from, and the right to.
pub struct ToServe {
    /// The store and its keys.
    pub opened: Opened,
    /// What it takes to be one of several.
    pub membership: Option<Membership>,
    /// Held while the process serves; `None` where the store itself keeps others out.
    pub occupied: Option<Occupied>,
}

/// What a node needs besides its own bridge.
pub struct Membership {
    config: ClusterConfig,
    store: Arc<dyn Shared>,
    ring: KeyRing,
}

/// Opens what the configuration names, and keeps out whoever must not use it at the same time.
///
/// # Errors
/// Says which file or server, what was wrong and what to do.
pub async fn open_to_serve(config: &StoreConfig) -> Result<ToServe, BuildError> {
    let (opened, server) = super::open(config, Purpose::Serve).await?;
    let (Some((store, ring)), StoreConfig::Postgres { cluster, .. }) = (server, config) else {
        return Ok(ToServe { opened, membership: None, occupied: None });
    };
    let occupancy = match cluster {
        Some(_) => Occupancy::Cluster,
        None => Occupancy::Alone,
    };
    let occupied = store.occupy(occupancy).await?;
    let membership = cluster.clone().map(|config| Membership { config, store, ring });
    Ok(ToServe { opened, membership, occupied: Some(occupied) })
}

impl Membership {
    /// This node's own configuration.
    #[must_use]
    pub const fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// How a configuration is told from another one.
    pub fn fingerprint(&self) -> impl Fn(&Written) -> String + Send + Sync + use<> {
        let keys = self.ring.derive(FINGERPRINT_PURPOSE);
        let secret = keys.first().map_or([0; 32], |(_, key)| *key);
        move |written| written.fingerprint(&secret)
    }

    /// The node; `link` reaches the others.
    #[must_use]
    pub fn join(self, written: &Written, link: Arc<dyn Transport>, clock: Clock) -> Cluster {
        let fingerprint = self.fingerprint()(written);
        let ClusterConfig { name, address, .. } = self.config;
        let secrets = self.ring.derive(PASS_PURPOSE);
        let secrets: Vec<[u8; 32]> = secrets.into_iter().map(|(_, key)| key).collect();
        let identity = Identity { name, address, fingerprint };
        Cluster::new(identity, self.store, link, &secrets, clock)
    }
}

/// The chats of this node: translated ones and re-keyed ones.
struct Inhabitants {
    chats: Registry,
    relay: Arc<LiveAgent>,
    store: Arc<dyn Store>,
}

#[async_trait]
impl Residents for Inhabitants {
    fn lost(&self, chat: ChatId, epoch: u64) {
        self.chats.let_go(chat, epoch);
        self.relay.let_go(chat, epoch);
    }

    async fn take_up(&self, chat: ChatId, epoch: u64) -> Result<(), StoreError> {
        let loaded = match self.store.load(chat.0).await {
            Err(StoreError::Fenced { .. }) => return Ok(()),
            loaded => loaded?,
        };
        let Some(loaded) = loaded.filter(|loaded| loaded.ended_at.is_none()) else { return Ok(()) };
        let loaded = Loaded { epoch: Some(epoch), ..loaded };
        let tenant = loaded.tenant.clone();
        if !self.relay.take_up(chat.0, &loaded) && !self.chats.take_up(chat, loaded) {
            tracing::warn!(%chat, tenant, "a stored chat's tenant is not configured here");
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.chats.len()
    }

    fn holds(&self, chat: ChatId) -> bool {
        self.chats.holds(chat) || self.relay.holds(chat)
    }

    fn live_nodes(&self, nodes: usize) {
        self.chats.share_tokens(nodes);
    }
}

/// Begins to live in the cluster.
pub(super) async fn move_in(
    cluster: &Cluster,
    chats: &Registry,
    relay: &Arc<LiveAgent>,
    store: &Arc<dyn Store>,
    shutdown: CancellationToken,
) -> Result<(), StoreError> {
    let (chats, relay, store) = (chats.clone(), relay.clone(), store.clone());
    cluster.run(Arc::new(Inhabitants { chats, relay, store }), shutdown).await
}
