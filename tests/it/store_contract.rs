//! The store contract, run over every implementation, and what SQLite promises beyond it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use liveagent_bridge::clock::Clock;
use liveagent_bridge::observe::counted::Counted;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::store::seal::{KeyRing, RingError};
use liveagent_bridge::store::sqlite::{OpenError, Ring, SqliteStore};
use liveagent_bridge::store::{Commit, Store};
use liveagent_bridge::time::Wall;
use tempfile::TempDir;

#[path = "../store/rules.rs"]
mod rules;

use rules::*;

macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $rule() {
                super::rules::$rule(&super::MemoryStore::new()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $rule() {
                let place = super::Disk::new();
                super::rules::$rule(&place.open()).await;
            })*
        }
    };
}

rules::every_rule!(contract);

macro_rules! wrapped_contract {
    ($($rule:ident),* $(,)?) => {
        mod of_one_node {
            $(#[tokio::test(start_paused = true)]
            async fn $rule() {
                let node = crate::owned_stage::node(std::sync::Arc::new(super::MemoryStore::new()));
                super::rules::$rule(&node.await.store).await;
            })*
        }
        mod counted {
            $(#[tokio::test(start_paused = true)]
            async fn $rule() {
                super::rules::$rule(&super::counted(super::MemoryStore::new())).await;
            })*
        }
    };
}

rules::every_rule!(wrapped_contract);

fn counted(store: MemoryStore) -> Counted<dyn Store> {
    Counted::new(Arc::new(store), Arc::default(), Clock::system())
}

#[tokio::test(start_paused = true)]
async fn what_wraps_a_store_passes_its_doubts_on() {
    let memory = MemoryStore::new();
    let store = counted(memory.clone());
    memory.doubt_lease(true);
    assert!(!store.may_act());
    memory.doubt_lease(false);
    assert!(store.may_act());
    // A node that cannot beat is in doubt after four seconds, and no more once it could again.
    let node = crate::owned_stage::node(Arc::new(memory.clone())).await;
    let store: Counted<dyn Store> =
        Counted::new(Arc::new(node.store), Arc::default(), Clock::system());
    memory.stop_writes();
    let clock = Clock::system();
    let pass = async |seconds| {
        clock.until(clock.now().mono.plus(Duration::from_secs(seconds))).await;
    };
    for (seconds, may) in [(3, true), (3, false)] {
        pass(seconds).await;
        assert_eq!(store.may_act(), may);
    }
    memory.resume_writes();
    pass(1).await;
    assert!(store.may_act());
}

macro_rules! owners_contract {
    ($($rule:ident),* $(,)?) => {
        mod memory_with_owners {
            $(#[tokio::test(start_paused = true)]
            async fn $rule() {
                super::rules::owners::$rule(&super::MemoryStore::new()).await;
            })*
        }
    };
}

rules::owners::every_owner_rule!(owners_contract);

/// A folder with a database in it.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("chats.db")
    }

    fn ring(&self) -> PathBuf {
        self.folder.path().join("chats.db.keys")
    }

    fn open(&self) -> SqliteStore {
        self.try_open(Ring::Beside).expect("the store opens")
    }

    fn try_open(&self, ring: Ring) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&self.database(), ring)
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

fn refusal(result: Result<SqliteStore, OpenError>) -> String {
    result.expect_err("refused").to_string()
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_reopen() {
    let disk = Disk::new();
    let store = disk.open();
    open(&store, 1).await;
    store.commit(ended(1, 2, 50)).await.unwrap();
    store.append_change(Wall::from_millis(3), b"latch".to_vec(), 0).await.unwrap();
    let before = load(&store, 1).await;
    drop(store);
    let store = disk.open();
    assert_eq!(load(&store, 1).await, before);
    assert_eq!(store.changes_after(0, 9).await.unwrap()[0].body, b"latch");
    store.commit(delta(1, 3, "three")).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_the_files_taken_while_it_runs_holds_every_answered_write() {
    let disk = Disk::new();
    let store = disk.open();
    open(&store, 1).await;
    for number in 2..=30 {
        store.commit(delta(1, number, "x")).await.unwrap();
    }
    // What a kill -9 would leave behind: the database, its log, and no closing of either.
    let crashed = Disk::new();
    for (path, bytes) in disk.files() {
        fs::write(crashed.folder.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    assert_eq!(load(&crashed.open(), 1).await, load(&store, 1).await);
}

#[tokio::test]
async fn no_text_is_found_in_clear_in_any_file() {
    let disk = Disk::new();
    let store = disk.open();
    store.open(new_chat(1), CANARY.into()).await.unwrap();
    store.commit(delta(1, 2, CANARY)).await.unwrap();
    let snapshot = Commit { snapshot: Some(CANARY.into()), ..delta(1, 3, CANARY) };
    store.commit(snapshot).await.unwrap();
    store.commit(delta(1, 4, CANARY)).await.unwrap();
    store.append_change(Wall::from_millis(1), CANARY.into(), 0).await.unwrap();
    let clear = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|seen| seen == CANARY.as_bytes());
    let files = disk.files();
    assert!(files.iter().any(|(path, _)| path.to_string_lossy().ends_with("-wal")));
    drop(store);
    for (path, bytes) in files.into_iter().chain(disk.files()) {
        assert!(!clear(&bytes), "{}", path.display());
    }
}

#[tokio::test]
async fn concurrent_commits_share_transactions() {
    const CHATS: u128 = 256;
    let disk = Disk::new();
    let store = disk.open();
    join_all((0..CHATS).map(|n| open(&store, n))).await;
    let opened = store.stats();
    assert_eq!(opened.requests, CHATS as u64);
    join_all((0..CHATS).map(|n| store.commit(delta(n, 2, "two")))).await;
    store.writable().await.unwrap();
    let stats = store.stats();
    assert_eq!(stats.requests, 2 * CHATS as u64);
    let transactions = stats.transactions - opened.transactions;
    assert!(transactions < CHATS as u64 / 2, "{transactions} transactions for {CHATS} commits");
}

#[tokio::test]
async fn one_commit_after_the_other_is_one_transaction_each() {
    let disk = Disk::new();
    let store = disk.open();
    open(&store, 1).await;
    for number in 2..=10 {
        store.commit(delta(1, number, "x")).await.unwrap();
    }
    assert!(store.commit(delta(1, 2, "x")).await.is_err());
    load(&store, 1).await;
    assert_eq!((store.stats().transactions, store.stats().requests), (10, 10));
}

#[test]
fn a_second_open_of_the_same_file_is_refused() {
    let disk = Disk::new();
    let store = disk.open();
    let error = refusal(disk.try_open(Ring::Beside));
    assert!(error.contains("already open by another process"), "{error}");
    drop(store);
    disk.open();
}

#[tokio::test]
async fn a_store_whose_ring_is_missing_or_wrong_is_refused_and_left_alone() {
    let disk = Disk::new();
    open(&disk.open(), 1).await;
    let kept = fs::read(disk.ring()).unwrap();

    fs::remove_file(disk.ring()).unwrap();
    let error = refusal(disk.try_open(Ring::Beside));
    assert!(error.contains("key ring") && error.contains("is missing"), "{error}");
    assert!(!disk.ring().exists(), "no new ring for old data");

    let other = KeyRing::generate().unwrap();
    let error = refusal(disk.try_open(Ring::Given(other)));
    assert!(error.contains("does not fit") && error.contains("does not hold"), "{error}");

    let text = String::from_utf8(kept.clone()).unwrap();
    let id = KeyRing::from_secret(&text).unwrap().sealing_id().to_owned();
    let impostor = format!("seal {id} AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let error = refusal(disk.try_open(Ring::Given(KeyRing::from_secret(&impostor).unwrap())));
    assert!(error.contains("another one of that name"), "{error}");

    fs::write(disk.ring(), "seal what").unwrap();
    let error = disk.try_open(Ring::Beside).err().unwrap();
    assert!(matches!(&error, OpenError::Ring(RingError::Line { line: 1, .. })), "{error}");

    fs::write(disk.ring(), kept).unwrap();
    assert_eq!(load(&disk.open(), 1).await.next_number, 2);
}

#[tokio::test]
async fn a_ring_is_rotated_and_the_old_key_retired_after_its_last_chat() {
    let disk = Disk::new();
    let old = KeyRing::generate().unwrap();
    let new = old.rotated().unwrap();
    let only_new = new.to_text().lines().take(3).collect::<Vec<_>>().join("\n");
    let only_new = KeyRing::from_secret(&only_new).unwrap();

    let store = disk.try_open(Ring::Given(old)).unwrap();
    open(&store, 1).await;
    store.append_change(Wall::from_millis(1), b"a".to_vec(), 0).await.unwrap();
    drop(store);
    let store = disk.try_open(Ring::Given(new.clone())).unwrap();
    assert_eq!(load(&store, 1).await.deltas, [b"one".to_vec()]);
    store.commit(ended(1, 2, 5)).await.unwrap();
    open(&store, 2).await;
    drop(store);

    let error = refusal(disk.try_open(Ring::Given(only_new.clone())));
    assert!(error.contains("does not hold"), "{error}");
    let store = disk.try_open(Ring::Given(new)).unwrap();
    assert_eq!(store.purge(Wall::from_millis(6)).await, Ok(1));
    drop(store);
    let store = disk.try_open(Ring::Given(only_new)).unwrap();
    assert_eq!(load(&store, 2).await.next_number, 2);
    assert_eq!(store.changes_after(0, 9).await.unwrap()[0].body, b"a");
}

#[cfg(unix)]
#[test]
fn what_is_created_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let disk = Disk::new();
    let store = disk.open();
    for entry in fs::read_dir(disk.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
    drop(store);
}

#[test]
fn other_files_are_refused_with_a_clear_message() {
    let disk = Disk::new();
    fs::write(disk.database(), "this is no database, it is a text of some length ".repeat(9))
        .unwrap();
    let error = refusal(disk.try_open(Ring::Beside));
    assert!(error.contains("is not an SQLite database"), "{error}");
    assert!(!disk.ring().exists());

    let nowhere = disk.folder.path().join("missing").join("chats.db");
    let error = refusal(SqliteStore::open(&nowhere, Ring::Beside));
    assert!(error.contains("the folder must exist"), "{error}");

    let error = refusal(SqliteStore::open(disk.folder.path(), Ring::Beside));
    assert!(error.contains("cannot open the store"), "{error}");
}
