//! What an engine gets to see: blobs sealed for their places, and how they are opened again.
//!
//! Promised: no engine is given a clear byte of a delta, snapshot or change. In clear: ids,
//! tenants, numbers, times, lengths.

use std::sync::Arc;

use uuid::Uuid;

use super::seal::{KeyRing, Place};
use super::{Change, Commit, Loaded, StoreError, within_limit};
use crate::time::Wall;

/// A [`Commit`] whose blob is sealed.
pub(super) struct SealedCommit {
    pub(super) chat: Uuid,
    pub(super) number: u64,
    pub(super) body: Body,
    pub(super) ended_at: Option<Wall>,
}

/// What a commit stores.
pub(super) enum Body {
    /// One more delta.
    Delta(Vec<u8>),
    /// A snapshot instead of all history.
    Snapshot(Vec<u8>),
}

/// A chat as it is stored; blobs with the number they are sealed for.
pub(super) struct SealedChat {
    pub(super) tenant: String,
    pub(super) snapshot: Option<(u64, Vec<u8>)>,
    pub(super) deltas: Vec<(u64, Vec<u8>)>,
    pub(super) ended_at: Option<Wall>,
}

impl SealedChat {
    /// Whether nothing is missing between the snapshot and the last delta.
    pub(super) fn is_whole(&self) -> bool {
        let before = self.snapshot.as_ref().map_or(0, |(number, _)| *number);
        let numbers = self.deltas.iter().zip(before + 1..);
        let dense = numbers.into_iter().all(|((number, _), expected)| *number == expected);
        dense && (!self.deltas.is_empty() || self.snapshot.is_some())
    }
}

/// A change as it is stored.
pub(super) struct SealedChange {
    pub(super) number: u64,
    pub(super) at: Wall,
    pub(super) body: Vec<u8>,
}

/// Seals and opens.
#[derive(Clone, Debug)]
pub(super) struct Sealer {
    ring: Arc<KeyRing>,
}

impl Sealer {
    pub(super) fn new(ring: KeyRing) -> Self {
        Self { ring: Arc::new(ring) }
    }

    pub(super) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    fn seal(&self, place: Place, clear: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.ring
            .seal(&place, clear)
            .map_err(|source| StoreError::Sealed { what: place.to_string(), source })
    }

    fn unseal(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.ring
            .open(&place, sealed)
            .map_err(|source| StoreError::Sealed { what: place.to_string(), source })
    }

    /// A chat's first delta.
    pub(super) fn first(&self, chat: Uuid, first: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        within_limit("delta", &first)?;
        self.seal(Place::delta(chat, 1), first)
    }

    pub(super) fn commit(&self, commit: Commit) -> Result<SealedCommit, StoreError> {
        within_limit("delta", &commit.delta)?;
        within_limit("snapshot", commit.snapshot.as_deref().unwrap_or_default())?;
        let Commit { chat, number, delta, snapshot, ended_at, epoch: _ } = commit;
        let body = match snapshot {
            // The snapshot includes the delta, which is therefore not stored.
            Some(snapshot) => Body::Snapshot(self.seal(Place::snapshot(chat, number), snapshot)?),
            None => Body::Delta(self.seal(Place::delta(chat, number), delta)?),
        };
        Ok(SealedCommit { chat, number, body, ended_at })
    }

    /// A change that is to get the number after `after`.
    pub(super) fn change(&self, after: u64, body: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        within_limit("change", &body)?;
        self.seal(Place::change(after.saturating_add(1)), body)
    }

    pub(super) fn open_chat(&self, chat: Uuid, sealed: SealedChat) -> Result<Loaded, StoreError> {
        let before = sealed.snapshot.as_ref().map_or(0, |(number, _)| *number);
        let next_number = sealed.deltas.last().map_or(before, |(number, _)| *number) + 1;
        let snapshot = sealed
            .snapshot
            .map(|(number, blob)| self.unseal(Place::snapshot(chat, number), &blob))
            .transpose()?;
        let deltas = sealed
            .deltas
            .into_iter()
            .map(|(number, blob)| self.unseal(Place::delta(chat, number), &blob))
            .collect::<Result<_, _>>()?;
        let (tenant, ended_at) = (sealed.tenant, sealed.ended_at);
        Ok(Loaded { tenant, snapshot, deltas, next_number, ended_at, epoch: None })
    }

    pub(super) fn open_change(&self, sealed: &SealedChange) -> Result<Change, StoreError> {
        let body = self.unseal(Place::change(sealed.number), &sealed.body)?;
        Ok(Change { number: sealed.number, at: sealed.at, body })
    }
}

/// Numbers count up from 1 by one; none comes near the end of `i64`. A caller's larger one is
/// simply beyond every stored number.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number)
        .map_err(|_| StoreError::Damaged { detail: "a number below zero".to_owned() })
}
