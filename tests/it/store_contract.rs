//! The store contract, run over every implementation, and what SQLite promises beyond it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use futures_util::future::join_all;
use liveagent_bridge::store::memory::MemoryStore;
use liveagent_bridge::store::seal::{KeyRing, RingError};
use liveagent_bridge::store::sqlite::{OpenError, Ring, SqliteStore};
use liveagent_bridge::store::{
    BLOB_BYTES_MAX, Change, Commit, Loaded, NewChat, Retry, Store, StoreError,
};
use liveagent_bridge::time::Wall;
use tempfile::TempDir;
use uuid::Uuid;

/// A text that must never be seen in clear.
const CANARY: &str = "canary-my-name-is-Ada-Lovelace";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn new_chat(n: u128) -> NewChat {
    NewChat { id: id(n), tenant: "acme".to_owned(), at: Wall::from_millis(1_000) }
}

fn delta(n: u128, number: u64, text: &str) -> Commit {
    Commit { chat: id(n), number, delta: text.into(), snapshot: None, ended_at: None }
}

fn ended(n: u128, number: u64, at: i64) -> Commit {
    Commit { ended_at: Some(Wall::from_millis(at)), ..delta(n, number, "ended") }
}

async fn open(store: &dyn Store, n: u128) {
    store.open(new_chat(n), b"one".to_vec()).await.expect("opened");
}

async fn load(store: &dyn Store, n: u128) -> Loaded {
    store.load(id(n)).await.expect("readable").expect("there")
}

async fn history_is_kept_in_order(store: &dyn Store) {
    open(store, 1).await;
    store.commit(delta(1, 2, "two")).await.unwrap();
    store.commit(delta(1, 3, "")).await.unwrap();
    let expected = Loaded {
        tenant: "acme".to_owned(),
        snapshot: None,
        deltas: vec![b"one".to_vec(), b"two".to_vec(), Vec::new()],
        next_number: 4,
        ended_at: None,
    };
    assert_eq!(load(store, 1).await, expected);
    assert_eq!(store.load(id(2)).await, Ok(None));
}

async fn wrong_numbers_and_ids_are_refused_and_change_nothing(store: &dyn Store) {
    open(store, 1).await;
    let twice = store.open(new_chat(1), b"again".to_vec()).await.unwrap_err();
    assert_eq!(twice, StoreError::AlreadyThere { chat: id(1) });
    for got in [0, 1, 3, u64::MAX] {
        let error = store.commit(delta(1, got, CANARY)).await.unwrap_err();
        assert_eq!(error, StoreError::OutOfOrder { chat: id(1), got, next: 2 });
        assert_eq!(error.retry(), Retry::AfterLoad);
        assert!(!format!("{error} {error:?}").contains(CANARY));
    }
    let unknown = store.commit(delta(2, 1, "x")).await.unwrap_err();
    assert_eq!(unknown, StoreError::NoSuchChat { chat: id(2) });
    let long = Commit { delta: vec![0; BLOB_BYTES_MAX + 1], ..delta(1, 2, "") };
    let bytes = BLOB_BYTES_MAX + 1;
    assert_eq!(store.commit(long).await, Err(StoreError::TooLong { what: "delta", bytes }));
    let loaded = load(store, 1).await;
    assert_eq!((loaded.deltas, loaded.next_number), (vec![b"one".to_vec()], 2));
}

async fn a_snapshot_replaces_the_history_up_to_it(store: &dyn Store) {
    open(store, 1).await;
    store.commit(delta(1, 2, "two")).await.unwrap();
    let snapshot = |number, text: &str| Commit {
        snapshot: Some(text.into()),
        ..delta(1, number, "in the snapshot")
    };
    store.commit(snapshot(3, "state 3")).await.unwrap();
    let loaded = load(store, 1).await;
    assert_eq!(loaded.snapshot.as_deref(), Some(&b"state 3"[..]));
    assert_eq!((loaded.deltas.len(), loaded.next_number), (0, 4));

    store.commit(delta(1, 4, "four")).await.unwrap();
    let late = store.commit(snapshot(4, "state 4")).await.unwrap_err();
    assert_eq!(late, StoreError::OutOfOrder { chat: id(1), got: 4, next: 5 });
    store.commit(snapshot(5, "state 5")).await.unwrap();
    store.commit(delta(1, 6, "six")).await.unwrap();
    let loaded = load(store, 1).await;
    assert_eq!(loaded.snapshot.as_deref(), Some(&b"state 5"[..]));
    assert_eq!((loaded.deltas, loaded.next_number), (vec![b"six".to_vec()], 7));
}

async fn unfinished_chats_are_paged_in_id_order(store: &dyn Store) {
    for n in [5, 1, 4, 2, 3] {
        open(store, n).await;
    }
    store.commit(ended(3, 2, 9)).await.unwrap();
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = store.unfinished(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        pages.push(page);
    }
    assert_eq!(pages, [vec![id(1), id(2)], vec![id(4), id(5)]]);
    assert_eq!(store.unfinished(Some(id(u128::MAX)), 2).await, Ok(Vec::new()));
    assert_eq!(store.unfinished(None, 0).await, Ok(Vec::new()));
}

async fn an_ended_chat_is_loadable_and_takes_deltas_until_purged(store: &dyn Store) {
    for n in [1, 2, 3] {
        open(store, n).await;
    }
    store.commit(ended(1, 2, 100)).await.unwrap();
    store.commit(ended(2, 2, 200)).await.unwrap();
    store.commit(ended(1, 3, 900)).await.unwrap();
    let loaded = load(store, 1).await;
    assert_eq!(loaded.ended_at, Some(Wall::from_millis(100)), "the first end stays");
    assert_eq!(loaded.next_number, 4);

    assert_eq!(store.purge(Wall::from_millis(100)).await, Ok(0));
    assert_eq!(store.purge(Wall::from_millis(101)).await, Ok(1));
    assert_eq!(store.load(id(1)).await, Ok(None));
    assert!(matches!(store.commit(delta(1, 4, "x")).await, Err(StoreError::NoSuchChat { .. })));
    assert_eq!(store.purge(Wall::from_millis(i64::MAX)).await, Ok(1));
    assert_eq!(store.unfinished(None, 9).await.unwrap(), [id(3)], "running chats stay");
    open(store, 1).await;
    assert_eq!(load(store, 1).await.deltas, [b"one".to_vec()], "nothing of the old one is left");
}

async fn many_chats_are_purged_at_once(store: &dyn Store) {
    let chats = 450;
    for n in 0..chats {
        open(store, n).await;
        store.commit(ended(n, 2, 1)).await.unwrap();
    }
    assert_eq!(store.purge(Wall::from_millis(2)).await, Ok(chats as u64));
    assert_eq!(store.purge(Wall::from_millis(2)).await, Ok(0));
}

async fn erasing_forgets_one_chat_running_or_not(store: &dyn Store) {
    for n in [1, 2, 3] {
        open(store, n).await;
    }
    let snapshot = Commit { snapshot: Some(b"state".to_vec()), ..ended(2, 2, 9) };
    store.commit(snapshot).await.unwrap();
    for n in [1, 2] {
        assert_eq!(store.erase(id(n)).await, Ok(true));
        assert_eq!(store.erase(id(n)).await, Ok(false));
        assert_eq!(store.load(id(n)).await, Ok(None));
    }
    open(store, 2).await;
    assert_eq!(load(store, 2).await.snapshot, None);
    assert_eq!(load(store, 3).await.next_number, 2);
}

async fn changes_are_compared_and_set(store: &dyn Store) {
    let append =
        |text: &'static str, after| store.append_change(Wall::from_millis(7), text.into(), after);
    assert_eq!(store.changes_after(0, 10).await, Ok(Vec::new()));
    assert_eq!(append("early", 1).await, Err(StoreError::Conflict { last: 0 }));
    assert_eq!(append("a", 0).await, Ok(1));
    assert_eq!(append("b", 1).await, Ok(2));
    assert_eq!(append("late", 1).await, Err(StoreError::Conflict { last: 2 }));
    assert_eq!(append("far", u64::MAX).await, Err(StoreError::Conflict { last: 2 }));
    assert_eq!(append("c", 2).await, Ok(3));
    let change =
        |number, text: &str| Change { number, at: Wall::from_millis(7), body: text.into() };
    assert_eq!(store.changes_after(0, 2).await.unwrap(), [change(1, "a"), change(2, "b")]);
    assert_eq!(store.changes_after(2, 9).await.unwrap(), [change(3, "c")]);
    assert_eq!(store.changes_after(u64::MAX, 9).await.unwrap(), []);
}

async fn of_two_writers_with_one_number_exactly_one_wins(store: &dyn Store) {
    open(store, 1).await;
    let rivals = (0..8).map(|n| store.commit(delta(1, 2, &format!("rival {n}"))));
    let won = join_all(rivals).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((won, load(store, 1).await.deltas.len()), (1, 2));
    let rivals = (0..8u8).map(|n| store.append_change(Wall::from_millis(0), vec![n], 0));
    let won = join_all(rivals).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((won, store.changes_after(0, 99).await.unwrap().len()), (1, 1));
}

async fn sixty_four_writers_get_along(store: &dyn Store) {
    let writer = |n: u128| async move {
        open(store, n).await;
        for number in 2..=20 {
            let snapshot = number % 7 == 0;
            let commit = Commit {
                snapshot: snapshot.then(|| format!("{n} state {number}").into()),
                ..delta(n, number, &format!("{n} delta {number}"))
            };
            store.commit(commit).await.expect("committed");
        }
    };
    join_all((0..64).map(writer)).await;
    for n in 0..64 {
        let loaded = load(store, n).await;
        assert_eq!(loaded.snapshot, Some(format!("{n} state 14").into()));
        let deltas: Vec<Vec<u8>> = (15..=20).map(|k| format!("{n} delta {k}").into()).collect();
        assert_eq!((loaded.deltas, loaded.next_number), (deltas, 21));
    }
    let all: BTreeSet<Uuid> = store.unfinished(None, 100).await.unwrap().into_iter().collect();
    assert_eq!(all, (0..64).map(id).collect());
}

async fn a_healthy_store_is_writable(store: &dyn Store) {
    assert_eq!(store.writable().await, Ok(()));
    assert_eq!(store.writable().await, Ok(()));
}

macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $rule() {
                super::$rule(&super::MemoryStore::new()).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $rule() {
                let place = super::Disk::new();
                super::$rule(&place.open()).await;
            })*
        }
    };
}

contract!(
    history_is_kept_in_order,
    wrong_numbers_and_ids_are_refused_and_change_nothing,
    a_snapshot_replaces_the_history_up_to_it,
    unfinished_chats_are_paged_in_id_order,
    an_ended_chat_is_loadable_and_takes_deltas_until_purged,
    many_chats_are_purged_at_once,
    erasing_forgets_one_chat_running_or_not,
    changes_are_compared_and_set,
    of_two_writers_with_one_number_exactly_one_wins,
    sixty_four_writers_get_along,
    a_healthy_store_is_writable,
);

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
