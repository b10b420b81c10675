//! The tenants' moves as this node knows them: plans, changes of the store, panic file.
//!
//! Reading order: this file (the handle), `state` (what is folded), `tasks` (what runs beside),
//! `report` (the dry run that a plan names), `budget` (roll-backs by the bridge itself).
//!
//! Promised: a change made here holds here at once, and one made on another node within 1 s; of two
//! changes that expect the same number one is taken; a sighting of the removal holds before it is
//! stored, and is stored as soon as the store can. Not here: what follows from plan and changes
//! (`router`), who may change them (the admin API).

pub mod budget;
mod report;
mod state;
mod tasks;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Tenant;
use crate::router::change::{Action, BRIDGE, Change, Effective, Evidence, Proposal, Refused};
use crate::router::decide::{Decision, Draw, PastRemoval, decide};
use crate::store::{Store, StoreError};
use crate::time::Wall;
use state::State;

/// Changes read at a time.
const PAGE: u32 = 1_000;
/// How often a change is written again after somebody else's came between.
const ATTEMPTS: usize = 8;
/// How often the store is asked for changes of other nodes.
pub const POLL_EVERY: Duration = Duration::from_millis(500);

/// The handle; clones are the same.
#[derive(Clone)]
pub struct Cutover {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    state: Mutex<State>,
    /// A sighting waits to be stored.
    seen: Notify,
    /// The file that beats all.
    panic_file: Option<PathBuf>,
}

/// Why a change was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    NoSuchTenant(String),
    /// The change is not possible.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Somebody else's change came first.
    #[error(
        "the plan has changed meanwhile: its last change is number {last}; look at it and propose \
         again with `expected` {last}"
    )]
    Conflict {
        /// The number of the tenant's last change.
        last: u64,
    },
    /// The store failed; perhaps the change was made.
    #[error("the change could not be stored: {0}")]
    Store(#[from] StoreError),
}

impl Cutover {
    /// What the files declare, without changes; nothing is read and nothing runs yet.
    #[must_use]
    pub fn new(tenants: &[Tenant], store: Arc<dyn Store>, clock: Clock) -> Self {
        Self::with_panic_file(tenants, store, clock, None)
    }

    fn with_panic_file(
        tenants: &[Tenant],
        store: Arc<dyn Store>,
        clock: Clock,
        panic_file: Option<PathBuf>,
    ) -> Self {
        let state = Mutex::new(State::new(tenants));
        let seen = Notify::new();
        Self { inner: Arc::new(Inner { store, clock, state, seen, panic_file }) }
    }

    /// Reads the stored changes and the panic file, and follows both until `shutdown`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(
        tenants: &[Tenant],
        store: Arc<dyn Store>,
        clock: Clock,
        panic_file: Option<PathBuf>,
        shutdown: CancellationToken,
    ) -> Result<Self, StoreError> {
        let cutover = Self::with_panic_file(tenants, store, clock, panic_file);
        cutover.catch_up().await?;
        tasks::start(&cutover, shutdown).await;
        cutover.lock().tell_drift();
        Ok(cutover)
    }

    // No code panics while it holds the lock, and every change below is made in one go.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other tenants, or other plans, from now on; the changes stay.
    pub fn replace(&self, tenants: &[Tenant]) {
        let mut state = self.lock();
        state.replace(tenants);
        state.tell_drift();
    }

    /// The ids of the tenants.
    #[must_use]
    pub fn tenants(&self) -> Vec<String> {
        self.lock().tenants().map(str::to_owned).collect()
    }

    /// The plan that holds for a tenant; `None` for an unknown one.
    #[must_use]
    pub fn effective(&self, tenant: &str) -> Option<Arc<Effective>> {
        self.lock().effective(tenant)
    }

    /// The plan that holds for a tenant that somebody has the configuration of.
    #[must_use]
    pub fn of(&self, tenant: &Tenant) -> Arc<Effective> {
        match self.effective(&tenant.id) {
            // Somebody with an earlier configuration asks, for a chat that began under it.
            Some(now) if tenant.plan.has_legacy && !now.plan.has_legacy => {
                let mut earlier = Effective::clone(&now);
                earlier.plan.has_legacy = true;
                Arc::new(earlier)
            }
            Some(now) => now,
            None => Arc::new(Effective::from(&tenant.plan)),
        }
    }

    /// The plan as it held at an instant: without the changes that were made later.
    #[must_use]
    pub fn effective_at(&self, tenant: &str, at: Wall) -> Option<Effective> {
        self.lock().effective_at(tenant, at)
    }

    /// Whether the removal was seen to be past; seen now if `wall` is past it.
    #[must_use]
    pub fn latch(&self, tenant: &Tenant, wall: Wall) -> PastRemoval {
        let (latch, new) = self.lock().look(&tenant.id, wall);
        if new {
            let tenant = tenant.id.as_str();
            tracing::info!(tenant, at = %wall, "the removal is past; new chats go to MIAW from now on");
            self.inner.seen.notify_one();
        }
        latch
    }

    /// Where a chat of this button that starts now goes.
    #[must_use]
    pub fn decide(
        &self,
        tenant: &Tenant,
        button: Option<&str>,
        wall: Wall,
        draw: Draw,
    ) -> Decision {
        let latch = self.latch(tenant, wall);
        decide(&self.of(tenant), button, wall, latch, draw)
    }

    /// At most `limit` changes of a tenant numbered above `after`, in order.
    #[must_use]
    pub fn changes(&self, tenant: &str, after: u64, limit: usize) -> Vec<Change> {
        self.lock().changes(tenant, after, limit)
    }

    /// The sightings of a removal that are not stored yet.
    #[must_use]
    pub fn waiting(&self) -> Vec<(String, Wall)> {
        self.lock().waiting().to_vec()
    }

    /// Makes a change, if it is possible and nobody else's came first.
    ///
    /// # Errors
    /// Why it was not made.
    pub async fn propose(&self, tenant: &str, proposal: Proposal) -> Result<Change, ProposeError> {
        let (report, problem) = match self.report(tenant, &proposal.action).await {
            Some(Ok(report)) => (Some(report), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        for _ in 0..ATTEMPTS {
            self.catch_up().await?;
            let now = self.inner.clock.now().wall;
            let prepared = self.lock().prepare(tenant, &proposal, now, report.as_ref());
            let (change, after) = prepared.map_err(|error| explained(error, problem.as_deref()))?;
            match self.append(&change, after).await {
                Ok(change) => {
                    // Who made it is in the list: it may be an e-mail address.
                    let (number, kind) = (change.number, change.action.kind());
                    tracing::info!(tenant, number, kind, "a change was made");
                    return Ok(change);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let last = self.effective(tenant).map_or(0, |effective| effective.number);
        Err(ProposeError::Conflict { last })
    }

    /// What would hold if this change were made now; nothing is stored.
    ///
    /// # Errors
    /// Why it would not be made.
    pub async fn preview(&self, tenant: &str, action: Action) -> Result<Effective, ProposeError> {
        let (report, problem) = match self.report(tenant, &action).await {
            Some(Ok(report)) => (Some(report), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        let now = self.inner.clock.now().wall;
        let state = self.lock();
        let expected = state.effective(tenant).map_or(0, |effective| effective.number);
        let (who, why) = (BRIDGE.to_owned(), "a preview".to_owned());
        let proposal = Proposal { expected, who, why, action };
        let prepared = state.prepare(tenant, &proposal, now, report.as_ref());
        let (change, after) = prepared.map_err(|error| explained(error, problem.as_deref()))?;
        let change = Change { number: after.saturating_add(1), ..change };
        state.with(change).ok_or_else(|| ProposeError::NoSuchTenant(tenant.to_owned()))
    }

    /// The dry run whose report the file names, when the action may need one.
    async fn report(&self, tenant: &str, action: &Action) -> Option<Result<Evidence, String>> {
        if !matches!(action, Action::Stage { .. } | Action::Follow { .. }) {
            return None;
        }
        let path = self.effective(tenant)?.plan.evidence.report.clone()?;
        let (id, mapping) = (tenant.to_owned(), self.lock().mapping_files(tenant));
        let read = tokio::task::spawn_blocking(move || report::read(&path, &id, &mapping)).await;
        let read = read.map_err(|error| error.to_string()).and_then(|read| read);
        if let Err(problem) = &read {
            tracing::warn!(tenant, problem, "the report that the plan names shows nothing");
        }
        Some(read)
    }

    /// Stores a change after number `after` and lets it hold.
    async fn append(&self, change: &Change, after: u64) -> Result<Change, StoreError> {
        let change = Change { number: after.saturating_add(1), ..change.clone() };
        let body = serde_json::to_vec(&change)
            .map_err(|error| StoreError::Damaged { detail: error.to_string() })?;
        let number = self.inner.store.append_change(change.at, body, after).await?;
        let change = Change { number, ..change };
        self.lock().take(vec![(number, Some(change.clone()))]);
        Ok(change)
    }

    /// Reads what was stored since the last time.
    async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            let last = self.lock().last();
            let page = self.inner.store.changes_after(last, PAGE).await?;
            let full = page.len() >= PAGE as usize;
            let read = page.into_iter().map(|stored| {
                let change = Change::read(stored.number, stored.at, &stored.body);
                if let Err(error) = &change {
                    // The position alone: the text may quote what is stored.
                    let (number, column) = (stored.number, error.column());
                    tracing::error!(
                        number,
                        column,
                        "a stored change cannot be read; it is ignored"
                    );
                }
                (stored.number, change.ok())
            });
            self.lock().take(read.collect());
            if !full {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for Cutover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cutover").field("last", &self.lock().last()).finish_non_exhaustive()
    }
}

/// Who hears that there is no evidence hears as well why the report that the plan names is none.
fn explained(error: ProposeError, problem: Option<&str>) -> ProposeError {
    match (error, problem) {
        (ProposeError::Refused(mut refused), Some(problem))
            if matches!(refused.code, "no-evidence" | "stale-evidence") =>
        {
            refused.message.push_str("; the report that the plan names shows nothing: ");
            refused.message.push_str(problem);
            ProposeError::Refused(refused)
        }
        (error, _) => error,
    }
}
