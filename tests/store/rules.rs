//! The rules of the store contract, each over any implementation: `tests/it` holds memory and
//! SQLite to them, `tests/postgres` a real server.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeSet;

use futures_util::future::join_all;
use liveagent_bridge::store::{
    BLOB_BYTES_MAX, Change, Commit, Loaded, NewChat, Retry, Store, StoreError,
};
use liveagent_bridge::time::Wall;
use uuid::Uuid;

#[path = "owners.rs"]
pub mod owners;

/// A text that must never be seen in clear.
pub const CANARY: &str = "canary-my-name-is-Ada-Lovelace";

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn new_chat(n: u128) -> NewChat {
    NewChat { id: id(n), tenant: "acme".to_owned(), at: Wall::from_millis(1_000) }
}

pub fn delta(n: u128, number: u64, text: &str) -> Commit {
    let delta = text.into();
    Commit { chat: id(n), number, delta, snapshot: None, ended_at: None, epoch: None }
}

pub fn ended(n: u128, number: u64, at: i64) -> Commit {
    Commit { ended_at: Some(Wall::from_millis(at)), ..delta(n, number, "ended") }
}

pub async fn open(store: &dyn Store, n: u128) {
    store.open(new_chat(n), b"one".to_vec()).await.expect("opened");
}

pub async fn load(store: &dyn Store, n: u128) -> Loaded {
    store.load(id(n)).await.expect("readable").expect("there")
}

pub async fn history_is_kept_in_order(store: &dyn Store) {
    open(store, 1).await;
    store.commit(delta(1, 2, "two")).await.unwrap();
    store.commit(delta(1, 3, "")).await.unwrap();
    let expected = Loaded {
        tenant: "acme".to_owned(),
        snapshot: None,
        deltas: vec![b"one".to_vec(), b"two".to_vec(), Vec::new()],
        next_number: 4,
        ended_at: None,
        epoch: None,
    };
    assert_eq!(load(store, 1).await, expected);
    assert_eq!(store.load(id(2)).await, Ok(None));
}

pub async fn wrong_numbers_and_ids_are_refused_and_change_nothing(store: &dyn Store) {
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

pub async fn a_snapshot_replaces_the_history_up_to_it(store: &dyn Store) {
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

pub async fn unfinished_chats_are_paged_in_id_order(store: &dyn Store) {
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

pub async fn unfinished_chats_come_with_all_that_is_stored_of_them(store: &dyn Store) {
    for n in [6, 5, 1, 4, 2, 3] {
        open(store, n).await;
    }
    // Only deltas, a snapshot alone, a snapshot and deltas; what has ended is passed over.
    store.commit(delta(1, 2, "two")).await.unwrap();
    let snapshot = Some(b"state".to_vec());
    store.commit(Commit { snapshot: snapshot.clone(), ..delta(2, 2, "two") }).await.unwrap();
    store.commit(ended(3, 2, 9)).await.unwrap();
    store.commit(Commit { snapshot, ..delta(5, 2, "two") }).await.unwrap();
    store.commit(delta(5, 3, "three")).await.unwrap();
    let mut chats = Vec::new();
    loop {
        let after = chats.last().map(|(id, _): &(Uuid, Loaded)| *id);
        let page = store.unfinished_chats(after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        chats.extend(page.into_iter().map(|(id, loaded)| (id, loaded.unwrap())));
    }
    let ids: Vec<Uuid> = chats.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 4, 5, 6].map(id));
    for (chat, loaded) in chats {
        assert!(loaded == store.load(chat).await.unwrap().unwrap(), "{chat}: {loaded:?}");
    }
}

pub async fn stored_chats_are_paged_ended_ones_too(store: &dyn Store) {
    for n in [5, 1, 4, 2, 3] {
        open(store, n).await;
    }
    store.commit(ended(3, 2, 9)).await.unwrap();
    store.erase(id(4)).await.unwrap();
    assert_eq!(store.stored(None, 3).await.unwrap(), [id(1), id(2), id(3)]);
    assert_eq!(store.stored(Some(id(3)), 3).await.unwrap(), [id(5)]);
    assert_eq!(store.stored(Some(id(5)), 3).await, Ok(Vec::new()));
    assert_eq!(store.stored(None, 0).await, Ok(Vec::new()));
}

pub async fn an_ended_chat_is_loadable_and_takes_deltas_until_purged(store: &dyn Store) {
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

pub async fn many_chats_are_purged_at_once(store: &dyn Store) {
    let chats = 450;
    for n in 0..chats {
        open(store, n).await;
        store.commit(ended(n, 2, 1)).await.unwrap();
    }
    assert_eq!(store.purge(Wall::from_millis(2)).await, Ok(chats as u64));
    assert_eq!(store.purge(Wall::from_millis(2)).await, Ok(0));
}

pub async fn erasing_forgets_one_chat_running_or_not(store: &dyn Store) {
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

pub async fn changes_are_compared_and_set(store: &dyn Store) {
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

pub async fn of_two_writers_with_one_number_exactly_one_wins(store: &dyn Store) {
    open(store, 1).await;
    let rivals = (0..8).map(|n| store.commit(delta(1, 2, &format!("rival {n}"))));
    let won = join_all(rivals).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((won, load(store, 1).await.deltas.len()), (1, 2));
    let rivals = (0..8u8).map(|n| store.append_change(Wall::from_millis(0), vec![n], 0));
    let won = join_all(rivals).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((won, store.changes_after(0, 99).await.unwrap().len()), (1, 1));
}

pub async fn sixty_four_writers_get_along(store: &dyn Store) {
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

pub async fn a_healthy_store_is_writable(store: &dyn Store) {
    assert_eq!(store.writable().await, Ok(()));
    assert_eq!(store.writable().await, Ok(()));
}

pub async fn taking_answers_what_loading_does(store: &dyn Store) {
    open(store, 1).await;
    store.commit(delta(1, 2, "two")).await.unwrap();
    let looked = load(store, 1).await;
    let taken = store.take(id(1)).await.unwrap().expect("there");
    assert_eq!(looked.epoch, None, "nothing was taken");
    assert_eq!(Loaded { epoch: None, ..taken.clone() }, looked);
    store.commit(Commit { epoch: taken.epoch, ..delta(1, 3, "three") }).await.unwrap();
    assert_eq!(load(store, 1).await.next_number, 4);
    assert_eq!(store.take(id(2)).await, Ok(None));
    // One that is over can be worked on too: late words, a question about its end.
    store.commit(ended(1, 4, 9)).await.unwrap();
    let taken = store.take(id(1)).await.unwrap().expect("there");
    assert_eq!(taken.ended_at, Some(Wall::from_millis(9)));
}

pub async fn what_nobody_else_can_have_may_be_acted_on(store: &dyn Store) {
    assert!(store.may_act());
    open(store, 1).await;
    assert!(store.may_act());
}

/// Calls `$each` with the names of all rules.
macro_rules! every_rule {
    ($each:ident) => {
        $each!(
            history_is_kept_in_order,
            wrong_numbers_and_ids_are_refused_and_change_nothing,
            a_snapshot_replaces_the_history_up_to_it,
            unfinished_chats_are_paged_in_id_order,
            unfinished_chats_come_with_all_that_is_stored_of_them,
            stored_chats_are_paged_ended_ones_too,
            an_ended_chat_is_loadable_and_takes_deltas_until_purged,
            many_chats_are_purged_at_once,
            erasing_forgets_one_chat_running_or_not,
            changes_are_compared_and_set,
            of_two_writers_with_one_number_exactly_one_wins,
            sixty_four_writers_get_along,
            a_healthy_store_is_writable,
            taking_answers_what_loading_does,
            what_nobody_else_can_have_may_be_acted_on,
        );
    };
}
pub(crate) use every_rule;
