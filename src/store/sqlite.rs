//! The store in one SQLite file: the default, for one process.
//!
//! Promised: the contract of [`super`], with `fsync` before every answer; blobs sealed before they
//! reach the engine, so neither the file nor its log shows them (ids, tenants, times and lengths
//! are in clear); one process at a time; group commit (see `writer`).
//!
//! Not promised: paused tokio time. Answers come from another thread, so a paused clock runs ahead
//! to the next timer while one is awaited; such tests use [`super::memory`].

mod open;
mod rows;
mod writer;

use std::path::Path;

use async_trait::async_trait;
use uuid::Uuid;

pub use self::open::{OpenError, Ring};
pub use self::writer::Stats;
use self::writer::{Kind, Writer};
use super::seal::KeyRing;
use super::sealed::Sealer;
use super::{Change, Commit, Loaded, NewChat, Store, StoreError, Unfinished};
use crate::time::Wall;

/// An open database. Dropping it finishes what is queued and closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    sealer: Sealer,
}

impl SqliteStore {
    /// Opens the database, creating it (mode 0600) when absent, and brings it up to date. Blocks
    /// for a moment: meant for the start of the process.
    ///
    /// # Errors
    /// Says which file, what was wrong and what to do.
    pub fn open(path: &Path, ring: Ring) -> Result<Self, OpenError> {
        let (db, ring) = open::open(path, ring)?;
        let writer = Writer::start(db)
            .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        Ok(Self { writer, sealer: Sealer::new(ring) })
    }

    /// How many transactions and requests have been written since the store was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.writer.stats()
    }

    /// The ring that blobs are sealed with.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        self.sealer.ring()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        let first = self.sealer.first(chat.id, first)?;
        self.writer.call(Kind::Write, move |db| rows::open(db, &chat, &first)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let sealed = self.sealer.commit(commit)?;
        self.writer.call(Kind::Write, move |db| rows::commit(db, &sealed)).await
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        let sealed = self.writer.call(Kind::Read, move |db| rows::load(db, chat)).await?;
        sealed.map(|sealed| self.sealer.open_chat(chat, sealed)).transpose()
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.writer.call(Kind::Read, move |db| rows::unfinished(db, after, limit)).await
    }

    async fn unfinished_chats(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Unfinished>, StoreError> {
        let work = move |db: &_| rows::unfinished_chats(db, after, limit);
        let page = self.writer.call(Kind::Read, work).await?;
        let open = |chat, sealed: Result<_, _>| self.sealer.open_chat(chat, sealed?);
        Ok(page.into_iter().map(|(chat, sealed)| (chat, open(chat, sealed))).collect())
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        self.writer.call(Kind::Read, move |db| rows::stored(db, after, limit)).await
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            let work = move |db: &_| rows::purge(db, ended_before);
            let some = self.writer.call(Kind::Forget, work).await?;
            purged += u64::from(some);
            if some < rows::PURGE_CHATS {
                return Ok(purged);
            }
        }
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        self.writer.call(Kind::Forget, move |db| rows::erase(db, chat)).await
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let work = move |db: &_| rows::changes_after(db, number, limit);
        let sealed = self.writer.call(Kind::Read, work).await?;
        sealed.iter().map(|change| self.sealer.open_change(change)).collect()
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        let body = self.sealer.change(after, body)?;
        self.writer.call(Kind::Write, move |db| rows::append_change(db, at, &body, after)).await
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.writer.call(Kind::Probe, rows::probe).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(id: u128) -> NewChat {
        let at = Wall::from_millis(0);
        NewChat { id: Uuid::from_u128(id), tenant: "acme".to_owned(), at }
    }

    #[tokio::test]
    async fn a_full_disk_is_an_error_and_goes_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("chats.db"), Ring::Beside).unwrap();
        store.open(chat(1), b"first".to_vec()).await.unwrap();
        let pages = |limit: i64| {
            let sql = format!("PRAGMA max_page_count = {limit}");
            let work = move |db: &rusqlite::Connection| {
                db.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(rows::failed)
            };
            store.writer.call(Kind::Read, work)
        };
        pages(1).await.unwrap(); // SQLite makes that: as many as there are
        let big = store.open(chat(2), vec![0; 1 << 20]).await;
        assert_eq!(big, Err(StoreError::Full));
        assert!(store.load(Uuid::from_u128(2)).await.unwrap().is_none());
        assert!(store.load(Uuid::from_u128(1)).await.unwrap().is_some());
        pages(1 << 20).await.unwrap();
        store.open(chat(2), vec![0; 1 << 20]).await.unwrap();
    }

    #[tokio::test]
    async fn one_refused_request_does_not_harm_its_group() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("chats.db"), Ring::Beside).unwrap();
        // The first request keeps the thread until the others are queued behind it. They come
        // only when it runs: before that the thread may still be gathering its group.
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (running, runs) = tokio::sync::oneshot::channel::<()>();
        let first = store.writer.call(Kind::Read, move |_| {
            let _ = running.send(());
            let _ = wait.recv();
            Ok(())
        });
        let queued = futures_util::future::join_all([1, 2, 1, 3].map(|id| {
            let store = &store;
            async move { Store::open(store, chat(id), b"x".to_vec()).await }
        }));
        let others = async {
            runs.await.expect("the first request runs");
            let go = async move { drop(go) };
            tokio::join!(queued, go).0
        };
        let (first, others) = tokio::join!(first, others);
        first.unwrap();
        let twice = Err(StoreError::AlreadyThere { chat: Uuid::from_u128(1) });
        assert_eq!(others, [Ok(()), Ok(()), twice, Ok(())]);
        assert_eq!(store.stats(), Stats { transactions: 1, requests: 3 });
        assert_eq!(store.unfinished(None, 10).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_long_log_is_moved_into_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chats.db");
        let store = SqliteStore::open(&path, Ring::Beside).unwrap();
        store.open(chat(1), vec![7; 8 << 20]).await.unwrap();
        // The checkpoint comes after an answer, when nobody waits: ask until that was so.
        let moved = async {
            while std::fs::metadata(&path).unwrap().len() < 8 << 20 {
                store.unfinished(None, 1).await.unwrap();
            }
        };
        let deadline = std::time::Duration::from_secs(20);
        tokio::time::timeout(deadline, moved).await.expect("the log was moved");
    }
}
