//! Plans, changes and sightings of all tenants, folded.
//!
//! Promised: changes are taken in the order of their numbers, each once; nothing here waits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::ProposeError;
use crate::config::Tenant;
use crate::router::change::{
    Action, BRIDGE, Change, Circumstances, Effective, Evidence, Proposal, fold, propose,
};
use crate::router::decide::{Because, Draw, PastRemoval, decide};
use crate::router::panic::Panics;
use crate::router::plan::Plan;
use crate::time::Wall;

pub(super) struct State {
    tenants: BTreeMap<String, Known>,
    /// By tenant, also of tenants that are not configured (any more).
    changes: BTreeMap<String, Vec<Change>>,
    /// The number of the last change of the list.
    last: u64,
    panics: Panics,
    /// Sightings that are not stored yet.
    waiting: Vec<(String, Wall)>,
}

/// A configured tenant.
struct Known {
    plan: Plan,
    button: Option<String>,
    mapped: Vec<String>,
    mapping_files: Vec<PathBuf>,
    mappings: Vec<String>,
    effective: Arc<Effective>,
    /// The stored latch, or a sighting that is newer.
    latch: PastRemoval,
    /// The removal whose margin was told to have begun.
    margin_told: Option<Wall>,
}

impl Known {
    fn of(tenant: &Tenant) -> Self {
        let files = tenant.mapping.iter().flat_map(|named| named.mapping.files());
        let buttons: Vec<&[String]> = files.map(|file| file.matching.buttons.as_slice()).collect();
        // A file that names no button is for all.
        let every = buttons.iter().any(|buttons| buttons.is_empty());
        Self {
            plan: tenant.plan.clone(),
            button: tenant.legacy.as_ref().and_then(|legacy| legacy.button_id.clone()),
            mapped: if every { Vec::new() } else { buttons.concat() },
            mappings: tenant.mapping.as_ref().map_or_else(Vec::new, |map| map.each.clone()),
            mapping_files: tenant.mapping.as_ref().map_or_else(Vec::new, |map| map.paths.clone()),
            effective: Arc::new(Effective::from(&tenant.plan)),
            latch: PastRemoval::NOT_YET,
            margin_told: None,
        }
    }

    /// Whether the margin keeps a chat off legacy that would have begun there.
    fn is_within_margin(&self, wall: Wall) -> bool {
        let buttons = self.plan.buttons.iter().map(|own| Some(own.button.as_str()));
        std::iter::once(None).chain(buttons).any(|button| {
            let decision = decide(&self.effective, button, wall, self.latch, Draw::LAST);
            matches!(decision.because, Because::WithinMargin { .. })
        })
    }

    fn fold(&mut self, changes: &[Change], panics: &Panics, id: &str) {
        self.effective = Arc::new(Effective { panic: panics.of(id), ..fold(&self.plan, changes) });
    }
}

impl State {
    pub(super) fn new(tenants: &[Tenant]) -> Self {
        Self {
            tenants: tenants.iter().map(|tenant| (tenant.id.clone(), Known::of(tenant))).collect(),
            changes: BTreeMap::new(),
            last: 0,
            panics: Panics::default(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn replace(&mut self, tenants: &[Tenant]) {
        let fresh = tenants.iter().map(|tenant| {
            let before = self.tenants.get(&tenant.id);
            let latch = before.map(|known| known.latch).unwrap_or_default();
            let margin_told = before.and_then(|known| known.margin_told);
            (tenant.id.clone(), Known { latch, margin_told, ..Known::of(tenant) })
        });
        self.tenants = fresh.collect();
        self.fold_all();
        for (id, known) in &mut self.tenants {
            // A tenant that is new here may have been seen by another node.
            if known.latch == PastRemoval::NOT_YET
                && !self.waiting.iter().any(|(tenant, _)| tenant == id)
            {
                known.latch = known.effective.latch;
            }
        }
    }

    fn fold_all(&mut self) {
        for (id, known) in &mut self.tenants {
            let changes = self.changes.get(id).map(Vec::as_slice).unwrap_or_default();
            known.fold(changes, &self.panics, id);
        }
    }

    pub(super) fn set_panics(&mut self, panics: Panics) {
        self.panics = panics;
        self.fold_all();
    }

    pub(super) fn panics(&self) -> &Panics {
        &self.panics
    }

    pub(super) fn has(&self, tenant: &str) -> bool {
        self.tenants.contains_key(tenant)
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn effective(&self, tenant: &str) -> Option<Arc<Effective>> {
        self.tenants.get(tenant).map(|known| known.effective.clone())
    }

    pub(super) fn mapping_files(&self, tenant: &str) -> Vec<PathBuf> {
        self.tenants.get(tenant).map_or_else(Vec::new, |known| known.mapping_files.clone())
    }

    pub(super) fn effective_at(&self, tenant: &str, at: Wall) -> Option<Effective> {
        let known = self.tenants.get(tenant)?;
        let mut changes = self.changes.get(tenant).cloned().unwrap_or_default();
        changes.retain(|change| change.at <= at);
        Some(fold(&known.plan, &changes))
    }

    /// What would hold with one more change.
    pub(super) fn with(&self, change: Change) -> Option<Effective> {
        let known = self.tenants.get(&change.tenant)?;
        let mut changes = self.changes.get(&change.tenant).cloned().unwrap_or_default();
        let panic = self.panics.of(&change.tenant);
        changes.push(change);
        Some(Effective { panic, ..fold(&known.plan, &changes) })
    }

    pub(super) fn changes(&self, tenant: &str, after: u64, limit: usize) -> Vec<Change> {
        let all = self.changes.get(tenant).map(Vec::as_slice).unwrap_or_default();
        let from = all.partition_point(|change| change.number <= after);
        all.iter().skip(from).take(limit).cloned().collect()
    }

    /// Takes entries of the list in order; those that cannot be read only count.
    pub(super) fn take(&mut self, entries: Vec<(u64, Option<Change>)>) {
        let mut touched = Vec::new();
        for (number, change) in entries {
            // Numbers have no gaps: what is not the next was taken, or comes with the next page.
            if number != self.last.saturating_add(1) {
                continue;
            }
            self.last = number;
            let Some(change) = change else { continue };
            if let Some(known) = self.tenants.get_mut(&change.tenant) {
                match change.action {
                    Action::PastRemoval { seen } => {
                        let before = known.latch.instant().unwrap_or(seen);
                        known.latch = PastRemoval::seen(before.max(seen));
                    }
                    Action::UndoPastRemoval => known.latch = PastRemoval::NOT_YET,
                    _ => {}
                }
            }
            touched.push(change.tenant.clone());
            self.changes.entry(change.tenant.clone()).or_default().push(change);
        }
        touched.sort_unstable();
        touched.dedup();
        for id in touched {
            let changes = self.changes.get(&id).map(Vec::as_slice).unwrap_or_default();
            if let Some(known) = self.tenants.get_mut(&id) {
                known.fold(changes, &self.panics, &id);
            }
        }
    }

    /// Tenants whose margin has begun since this was asked before, and when legacy is removed.
    pub(super) fn margins_begun(&mut self, wall: Wall) -> Vec<(String, Wall)> {
        let mut begun = Vec::new();
        for (id, known) in &mut self.tenants {
            let removal = known.plan.removal;
            if known.margin_told != Some(removal) && known.is_within_margin(wall) {
                known.margin_told = Some(removal);
                begun.push((id.clone(), removal));
            }
        }
        begun
    }

    /// The latch at `wall`, and whether this is a new sighting.
    pub(super) fn look(&mut self, tenant: &str, wall: Wall) -> (PastRemoval, bool) {
        let Some(known) = self.tenants.get_mut(tenant) else {
            return (PastRemoval::NOT_YET, false);
        };
        let new = known.latch.observe(&known.plan, wall);
        if new {
            self.waiting.push((tenant.to_owned(), wall));
        }
        (known.latch, new)
    }

    pub(super) fn waiting(&self) -> &[(String, Wall)] {
        &self.waiting
    }

    /// The next sighting to be stored, as a change after a number; one that another node has stored
    /// is dropped.
    pub(super) fn sighting(&mut self) -> Option<(Change, u64)> {
        loop {
            let (tenant, seen) = self.waiting.first()?.clone();
            let known = self.tenants.get(&tenant);
            let wanted = known.filter(|known| !known.effective.latch.holds(&known.plan));
            let Some(known) = wanted else {
                self.waiting.remove(0);
                continue;
            };
            let change = Change {
                number: 0,
                at: seen,
                tenant,
                who: BRIDGE.to_owned(),
                why: format!("the removal at {} was seen to be past", known.plan.removal),
                file_plan: Some(known.plan.fingerprint()),
                action: Action::PastRemoval { seen },
            };
            return Some((change, self.last));
        }
    }

    /// The change that a proposal asks for, and the number it has to come after.
    pub(super) fn prepare(
        &self,
        tenant: &str,
        proposal: &Proposal,
        now: Wall,
        report: Option<&Evidence>,
    ) -> Result<(Change, u64), ProposeError> {
        let Some(known) = self.tenants.get(tenant) else {
            return Err(ProposeError::NoSuchTenant(tenant.to_owned()));
        };
        let last = known.effective.number;
        if proposal.expected != last {
            return Err(ProposeError::Conflict { last });
        }
        let circumstances = Circumstances {
            now,
            latch: known.latch,
            button: known.button.as_deref(),
            mapped: &known.mapped,
            mappings: &known.mappings,
            report,
        };
        let action = propose(&known.effective, &circumstances, proposal)?;
        let change = Change {
            number: 0,
            at: now,
            tenant: tenant.to_owned(),
            who: proposal.who.trim().to_owned(),
            why: proposal.why.trim().to_owned(),
            file_plan: Some(known.plan.fingerprint()),
            action,
        };
        Ok((change, self.last))
    }

    /// A line in the log for each tenant whose standing changes knew another file.
    pub(super) fn tell_drift(&self) {
        for (tenant, known) in &self.tenants {
            if let Some(drift) = &known.effective.drift {
                tracing::warn!(
                    tenant,
                    change = drift.number,
                    recorded = drift.recorded,
                    file = drift.file,
                    "the plan in the file was edited while a change stands; the change holds"
                );
            }
        }
    }
}
