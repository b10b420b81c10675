//! K3: the power goes in the middle of a write. Of the log, or while the log is moved into the
//! database of the database itself, only a part of the new pages reaches the disk.
//!
//! Each step makes one write through the store and keeps the files as they were before and after
//! it. Then every page boundary of what changed is where the power goes; both with the file's end
//! cut off there and with the old bytes standing behind it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use liveagent_bridge::clock::Clock;
use liveagent_bridge::store::seal::KeyRing;
use liveagent_bridge::store::sqlite::{Ring, SqliteStore};
use liveagent_bridge::store::{Commit, Loaded, NewChat, Store};
use liveagent_bridge::time::Wall;
use tempfile::TempDir;
use uuid::Uuid;

const PAGE: usize = 4_096;
/// The log's header, and that of each of its pages.
const LOG_HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// Boundaries of one write, in the long run and in the short one: of a write with more of them
/// every so many is taken.
const BOUNDARIES: (usize, usize) = (40, 10);
const RING: &str = "seal first q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

/// The database and its log.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

type Chats = Vec<(Uuid, Loaded)>;

fn open(folder: &Path) -> SqliteStore {
    let ring = Ring::Given(KeyRing::from_secret(RING).unwrap());
    SqliteStore::open(&folder.join("chats.db"), ring).expect("it opens")
}

fn files(folder: &Path) -> Files {
    let read = |name: &str| fs::read(folder.join(name)).unwrap_or_default();
    Files { database: read("chats.db"), log: read("chats.db-wal") }
}

/// All that a reader finds.
async fn chats(store: &SqliteStore) -> Chats {
    let mut all = Vec::new();
    for id in store.stored(None, 1_000).await.unwrap() {
        all.push((id, store.load(id).await.unwrap().expect("it is there")));
    }
    all
}

/// How many writes there are in it.
fn writes_in(chats: &Chats) -> u64 {
    chats.iter().map(|(_, chat)| chat.next_number - 1).sum()
}

/// What became of writes, over all cuts.
#[derive(Default)]
struct Figures {
    cuts: usize,
    lost: u64,
    repeated: u64,
    /// The longest time from a cut to a store that takes writes.
    longest: Duration,
}

impl Figures {
    /// One cut: at least these writes had been answered, at most these had been begun.
    async fn cut(&mut self, files: &Files, answered: &Chats, begun: &Chats) -> Chats {
        let clock = Clock::system();
        let began = clock.now().mono;
        let seen = found(files).await;
        self.longest = self.longest.max(clock.now().mono.since(began));
        self.cuts += 1;
        self.lost += writes_in(answered).saturating_sub(writes_in(&seen));
        self.repeated += writes_in(&seen).saturating_sub(writes_in(begun));
        seen
    }
}

/// What a process finds that starts after the cut.
async fn found(files: &Files) -> Chats {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("chats.db"), &files.database).unwrap();
    fs::write(folder.path().join("chats.db-wal"), &files.log).unwrap();
    let store = open(folder.path());
    let found = chats(&store).await;
    assert_eq!(store.writable().await, Ok(()));
    found
}

/// The boundaries from the first byte that differs to the last, sampled when there are many.
fn boundaries(before: &[u8], after: &[u8], frames: bool, most: usize) -> Vec<usize> {
    let differs = |at: &usize| before.get(*at) != after.get(*at);
    let Some(first) = (0..after.len()).find(differs) else { return Vec::new() };
    let last = (0..after.len()).rev().find(differs).unwrap() + 1;
    let mut all: Vec<usize> = (first / PAGE..=last / PAGE).map(|page| page * PAGE).collect();
    if frames {
        let frame = FRAME_HEAD + PAGE;
        let ends = (0..=after.len() / frame).map(|n| LOG_HEAD + n * frame);
        all.extend(ends.flat_map(|end| [end, end + FRAME_HEAD]));
    }
    all.extend([first, last - 1, last]);
    all.retain(|at| (first..=last).contains(at));
    all.sort_unstable();
    all.dedup();
    let every = all.len().div_ceil(most);
    let kept = all.iter().enumerate().filter(|(n, at)| n % every == 0 || **at == last);
    kept.map(|(_, at)| *at).collect()
}

/// The new bytes up to the cut; behind it nothing, or what was there before.
fn torn(before: &[u8], after: &[u8], at: usize, old_behind: bool) -> Vec<u8> {
    let new = &after[..at.min(after.len())];
    let old = if old_behind { before.get(at..).unwrap_or_default() } else { &[] };
    [new, old].concat()
}

/// Number n of the writes: chats that begin, small and large deltas, snapshots, ends.
async fn write(store: &SqliteStore, n: u64) {
    let chat = Uuid::from_u128(u128::from(n % 5));
    let Some(loaded) = store.load(chat).await.unwrap() else {
        let new = NewChat { id: chat, tenant: "acme".to_owned(), at: Wall::from_millis(1) };
        return store.open(new, format!("first of {n}").into()).await.unwrap();
    };
    let size = [40, 700, 9_000, 1_500_000][(n / 5 % 4) as usize];
    let body = vec![n as u8; size];
    let snapshot = (n % 7 == 6).then(|| body.clone());
    let ended_at = (n % 11 == 10).then(|| Wall::from_millis(n as i64));
    let number = loaded.next_number;
    store
        .commit(Commit { chat, number, delta: body, snapshot, ended_at, epoch: None })
        .await
        .unwrap();
}

/// The files once the writer's thread leaves them alone: it moves the log after its answers.
async fn rest(store: &SqliteStore, folder: &TempDir) -> (Files, Chats) {
    let mut last = files(folder.path());
    loop {
        let state = chats(store).await;
        let now = files(folder.path());
        if now == last {
            return (now, state);
        }
        last = now;
    }
}

#[tokio::test]
async fn a_power_cut_at_any_page_of_a_write_loses_nothing_that_was_answered() {
    let long = std::env::var_os("LONG").is_some_and(|set| set == "1");
    let (writes, most): (u64, _) = if long { (300, BOUNDARIES.0) } else { (24, BOUNDARIES.1) };
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (mut before, mut state) = rest(&store, &folder).await;
    let (mut figures, mut moved, mut kept) = (Figures::default(), 0_usize, 0_usize);
    for n in 0..writes {
        write(&store, n).await;
        let (after, new) = rest(&store, &folder).await;
        // A log that begins anew was moved whole before, be it only just now.
        let anew = before.log.get(..LOG_HEAD) != after.log.get(..LOG_HEAD);
        let database = if anew { &after.database } else { &before.database };
        for at in boundaries(&before.log, &after.log, true, most) {
            for old_behind in [false, true] {
                let log = torn(&before.log, &after.log, at, old_behind);
                let whole = torn(&before.log, &after.log, after.log.len(), old_behind) == log;
                let files = Files { database: database.clone(), log };
                let answered = if whole { &new } else { &state };
                let seen = figures.cut(&files, answered, &new).await;
                let case = format!("write {n}, log cut at {at}, old bytes behind: {old_behind}");
                assert!(seen == new || (seen == state && !whole), "{case}");
                kept += usize::from(seen == new);
            }
        }
        let pages = boundaries(&before.database, &after.database, false, most);
        moved += usize::from(!pages.is_empty());
        for at in pages {
            let database = torn(&before.database, &after.database, at, true);
            let (log, due) = if anew { (&before.log, &state) } else { (&after.log, &new) };
            let files = Files { database, log: log.clone() };
            let seen = figures.cut(&files, due, due).await;
            assert!(seen == *due, "write {n}, log moved up to {at}");
        }
        (before, state) = (after, new);
    }
    assert!(moved > 0, "the log was never moved");
    let Figures { cuts, lost, repeated, longest } = figures;
    assert!(kept > 0 && cuts > writes as usize, "{cuts} cuts, {kept} with the new state");
    let (delivered, longest) = (writes_in(&state), longest.as_millis());
    let line = format!(
        "K3 power cut, {cuts} cuts in {writes} writes, log moved {moved} times: sent {writes}, \
         delivered {delivered}, lost {lost}, repeated {repeated}, longest gap {longest} ms"
    );
    let _ = writeln!(std::io::stderr().lock(), "{line}");
    assert_eq!((delivered, lost, repeated), (writes, 0, 0));
}
