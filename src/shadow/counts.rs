//! Sightings folded into counts: those since the start, and those that are not written yet.
//!
//! Promised: only codes and numbers are kept, never a value; a repeated init counts once; memory is
//! bounded. Counts that cannot be written wait, and are written when that is possible again.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Examine, Session, Sighting, files, is_shadowed};
use crate::config::Tenant;
use crate::facade;
use crate::report::finding::Finding;
use crate::report::shadow::Shadow;
use crate::wire::liveagent::request::{ChasitorInit, MultiNoun};

/// Sessions remembered, so that a retry is not another chat.
const SESSIONS_MAX: usize = 10_000;
/// Mappings of a tenant that are told apart since the start; the one that was not used the longest
/// is forgotten.
const MAPPINGS_MAX: usize = 8;
/// Documents that wait for a folder that cannot be written.
const WAITING_MAX: usize = 1_000;

/// A tenant and the hash of its mapping.
type Key = (String, Option<String>);

/// Everything since the start of the process.
pub(super) type Totals = Arc<Mutex<BTreeMap<Key, Shadow>>>;

pub(super) struct Counts {
    examine: Examine,
    totals: Totals,
    /// Not written yet, by folder, tenant, day and mapping.
    waiting: BTreeMap<(PathBuf, String, i64, Option<String>), Shadow>,
    sessions: HashSet<Session>,
    oldest_first: VecDeque<Session>,
    failed: bool,
}

impl Counts {
    pub(super) fn new(examine: Examine, totals: Totals) -> Self {
        let (waiting, sessions) = (BTreeMap::new(), HashSet::new());
        Self { examine, totals, waiting, sessions, oldest_first: VecDeque::new(), failed: false }
    }

    pub(super) fn take(&mut self, sighting: &Sighting) {
        let text = facade::decode(&sighting.body);
        if !sighting.batch {
            self.init(sighting, &text);
            return;
        }
        let Ok(batch) = serde_json::from_str::<MultiNoun>(&text) else { return };
        let init = batch.nouns.iter().find(|one| one.noun.as_deref() == Some("ChasitorInit"));
        if let Some(init) = init {
            self.init(sighting, &init.body());
        }
    }

    fn init(&mut self, sighting: &Sighting, text: &str) {
        let Some(tenant) = sighting.config.tenant(&sighting.tenant) else { return };
        let init = serde_json::from_str::<ChasitorInit>(text).ok();
        let button = init.as_ref().and_then(|init| {
            let button = init.button_id.as_deref().filter(|id| !id.is_empty());
            button.or_else(|| init.button_overrides.first().map(String::as_str))
        });
        let stage = sighting.plan.stage(button, sighting.at);
        if !is_shadowed(stage) || !self.is_new(sighting.session) {
            return;
        }
        let found = init.and_then(|_| (self.examine)(tenant, text));
        self.count(sighting, tenant, found.as_deref());
    }

    fn is_new(&mut self, session: Session) -> bool {
        if !self.sessions.insert(session) {
            return false;
        }
        self.oldest_first.push_back(session);
        if self.oldest_first.len() > SESSIONS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.sessions.remove(&oldest);
        }
        true
    }

    fn count(&mut self, sighting: &Sighting, tenant: &Tenant, found: Option<&[Finding]>) {
        let sha256 = tenant.mapping.as_ref().map(|file| file.sha256.clone());
        let empty = || Shadow::new(&tenant.id, sha256.as_deref());
        let add = |shadow: &mut Shadow| match found {
            Some(findings) => shadow.add(sighting.at, findings),
            None => shadow.add_unreadable(sighting.at),
        };
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        add(totals.entry((tenant.id.clone(), sha256.clone())).or_insert_with(empty));
        forget_one_too_many(&mut totals, &tenant.id);
        drop(totals);
        if let Some(folder) = sighting.config.shadow_folder(tenant) {
            let key = (folder, tenant.id.clone(), files::day(sighting.at), sha256.clone());
            add(self.waiting.entry(key).or_insert_with(empty));
            if self.waiting.len() > WAITING_MAX {
                self.waiting.pop_first();
            }
        }
    }

    /// Writes what waits. A failure is logged once, and what could not be written waits on.
    pub(super) fn write(&mut self) {
        for (key, shadow) in std::mem::take(&mut self.waiting) {
            let (folder, tenant, day, _) = &key;
            match files::append(folder, tenant, *day, &(shadow.to_line() + "\n")) {
                Ok(()) => self.failed = false,
                Err(error) => {
                    if !std::mem::replace(&mut self.failed, true) {
                        let path = folder.display();
                        tracing::error!(
                            tenant,
                            "shadow counts cannot be written to {path}: {error}"
                        );
                    }
                    self.waiting.insert(key, shadow);
                }
            }
        }
    }
}

fn forget_one_too_many(totals: &mut BTreeMap<Key, Shadow>, tenant: &str) {
    let own = totals.iter().filter(|((id, _), _)| id == tenant);
    if own.clone().count() <= MAPPINGS_MAX {
        return;
    }
    // RFC 3339 in UTC, as these are written, sorts as time does.
    let oldest = own.min_by_key(|(_, shadow)| shadow.until.clone()).map(|(key, _)| key.clone());
    if let Some(key) = oldest {
        totals.remove(&key);
    }
}
