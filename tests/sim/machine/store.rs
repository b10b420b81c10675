//! The store behind the nodes: one chat's row, the leases of processes, and a clock of its own.
//!
//! Promised: what `src/store.rs` promises, with the fence: a commit of a process that does not own
//! the chat at this epoch changes nothing. Leases are told by the store's clock alone.

use std::collections::BTreeMap;
use std::fmt;

use crate::chat::mutation::{self, Mutation};
use crate::cluster::lease::LEASE;
use crate::time::Mono;

/// The store.
#[derive(Default)]
pub struct Store {
    pub snapshot: Option<String>,
    pub deltas: Vec<String>,
    /// How far ahead the calendar was of who wrote last.
    pub wall_offset: i64,
    row: Option<Row>,
    leases: BTreeMap<u64, i64>,
}

struct Row {
    owner: u64,
    epoch: u64,
    next_number: u64,
    ended: bool,
}

/// A write of one delta.
#[derive(Clone, Debug)]
pub struct Commit {
    pub epoch: u64,
    pub number: u64,
    pub delta: String,
    /// How far ahead the writer's calendar is.
    pub wall_offset: i64,
    pub snapshot: Option<String>,
    pub ended: bool,
}

/// What a process asks the store.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Prolongs its lease; `began` is when it asked, by its own stopwatch.
    Beat {
        began: Mono,
    },
    /// Asks what is still its own.
    Mine,
    /// Asks for the chat; `sweep`: only when its owner is dead.
    Claim {
        sweep: bool,
    },
    Commit(Commit),
    /// It stops: its lease ends.
    Release,
}

/// The chat as it is stored.
#[derive(Clone)]
pub struct Loaded {
    pub snapshot: Option<String>,
    pub deltas: Vec<String>,
    pub next_number: u64,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "next number {}", self.next_number)
    }
}

/// What the store answers.
#[derive(Clone, Debug)]
pub enum Told {
    /// The lease is prolonged; `lapsed`: it had run out, and others may have claimed meanwhile.
    Beaten {
        began: Mono,
        lapsed: bool,
    },
    /// The epoch of the chat, if it is the asker's.
    Mine(Option<u64>),
    NoSuchChat,
    /// Somebody else has it.
    Owned(u64),
    /// The asker has it now, at this epoch, and somebody else had it before.
    Yours {
        epoch: u64,
        from: u64,
        loaded: Loaded,
    },
    /// The asker's own lease has run out.
    NoLease,
    Written,
    /// Somebody else has the chat.
    Fenced,
}

impl Store {
    /// Whether the chat is this process's.
    pub fn owned_by(&self, boot: u64) -> bool {
        self.row.as_ref().is_none_or(|row| row.owner == boot)
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.row.is_none()
    }

    fn alive(&self, boot: u64, now: i64) -> bool {
        self.leases.get(&boot).is_some_and(|until| now < *until)
    }

    /// Does what it is asked, now by its own clock.
    pub fn serve(&mut self, boot: u64, now: i64, ask: Ask) -> Told {
        match ask {
            Ask::Mine => {
                let mine = self.row.as_ref().filter(|row| row.owner == boot);
                Told::Mine(mine.map(|row| row.epoch))
            }
            Ask::Beat { began } => {
                let lapsed = !self.alive(boot, now);
                self.leases.insert(boot, now + LEASE.as_millis() as i64);
                Told::Beaten { began, lapsed }
            }
            Ask::Release => {
                self.leases.remove(&boot);
                Told::Written
            }
            Ask::Claim { sweep } => self.claim(boot, now, sweep),
            Ask::Commit(commit) => self.commit(boot, commit),
        }
    }

    fn claim(&mut self, boot: u64, now: i64, sweep: bool) -> Told {
        let Some(row) = &self.row else { return Told::NoSuchChat };
        let (owner, ended) = (row.owner, row.ended);
        if !self.alive(boot, now) {
            return Told::NoLease;
        }
        let theirs = owner != boot && self.alive(owner, now);
        if theirs || sweep && ended {
            return Told::Owned(owner);
        }
        let Some(row) = &mut self.row else { return Told::NoSuchChat };
        row.owner = boot;
        row.epoch += 1;
        let loaded = Loaded {
            snapshot: self.snapshot.clone(),
            deltas: self.deltas.clone(),
            next_number: row.next_number,
        };
        Told::Yours { epoch: row.epoch, from: owner, loaded }
    }

    fn commit(&mut self, boot: u64, commit: Commit) -> Told {
        let fenceless = mutation::on(Mutation::Fencing);
        let row = match &mut self.row {
            None => {
                let owner = boot;
                self.row.insert(Row { owner, epoch: 1, next_number: 1, ended: false })
            }
            Some(row) => row,
        };
        let ours = row.owner == boot && row.epoch == commit.epoch;
        if ours && commit.number + 1 == row.next_number {
            return Told::Written; // An earlier copy of it was.
        }
        if !fenceless && (!ours || commit.number != row.next_number) {
            return Told::Fenced;
        }
        row.next_number += 1;
        row.ended |= commit.ended;
        self.wall_offset = commit.wall_offset;
        self.deltas.push(commit.delta);
        if commit.snapshot.is_some() {
            self.snapshot = commit.snapshot;
            self.deltas.clear();
        }
        Told::Written
    }
}
