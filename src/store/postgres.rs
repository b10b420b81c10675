//! The store in PostgreSQL: where databases are kept by others.
//!
//! Promised: the contract of [`super`]; each write is one statement, committed before it is
//! answered; of two nodes that commit the same number to one chat exactly one succeeds, because the
//! number is compared on the chat's own row. Blobs are sealed before they leave the process. A
//! server that went away is connected to again with the next request, at whichever of the named
//! servers takes writes then; a request that the server does not answer in time is an error, never
//! a hang.
//!
//! Leases and owners for several nodes are `owners`; `alone` keeps a second bridge out where one is
//! meant to be alone.
//!
//! Not promised: durability beyond the server's own, of which `synchronous_commit` and replicas are
//! the operator's choice.

mod address;
mod alone;
mod open;
mod owners;
mod pool;
mod servers;
mod statements;
mod tls;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::error::{Error, SqlState};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

pub use self::address::look_at;
pub use self::alone::{Occupancy, Occupied};
pub use self::open::{OpenError, Purpose};
use self::pool::{CONNECTIONS, Pool, Session, Waits, chain};
use self::servers::Servers;
use self::statements::{LeaseStatements, Statements};
use super::seal::KeyRing;
use super::sealed::{Body, SealedChange, SealedChat, Sealer, signed, unsigned};
use super::shared::Fence;
use super::{Change, Commit, Loaded, NewChat, Store, StoreError, Unfinished};
use crate::time::Wall;

/// How many chats one purge statement deletes, so that commits need not wait long behind it.
const PURGE_CHATS: i64 = 200;

/// A set of connections to one database.
#[derive(Debug)]
pub struct PostgresStore {
    servers: Arc<Servers>,
    pool: Pool<Statements>,
    /// Leases have a connection of their own: a beat does not queue behind commits.
    leases: Pool<LeaseStatements>,
    sealer: Sealer,
}

impl PostgresStore {
    /// Connects to `url` (`postgres://user:password@host/database`, or several hosts with a comma
    /// between them), brings the tables up to date and makes sure that the ring opens what is
    /// stored. `extra_ca_file` is a PEM file of authorities that are trusted besides the system's.
    ///
    /// # Errors
    /// Says what was wrong and what to do; never shows the password.
    pub async fn open(
        url: &str,
        extra_ca_file: Option<&Path>,
        ring: KeyRing,
    ) -> Result<Self, OpenError> {
        Self::open_for(url, extra_ca_file, ring, Purpose::Serve).await
    }

    /// The same for one purpose.
    ///
    /// # Errors
    /// Those of [`PostgresStore::open`].
    pub async fn open_for(
        url: &str,
        extra_ca_file: Option<&Path>,
        ring: KeyRing,
        purpose: Purpose,
    ) -> Result<Self, OpenError> {
        let tls = tls::Connector::new(extra_ca_file)?;
        let each = address::read(url).map_err(|what| OpenError::Address { what })?;
        let servers = Arc::new(Servers::new(each, tls));
        servers.survey().await;
        open::prepare(&servers, &ring, purpose).await?;
        let pool = Pool::new(servers.clone(), CONNECTIONS, Waits::REQUESTS);
        let leases = Pool::new(servers.clone(), 1, Waits::BEATS);
        Ok(Self { servers, pool, leases, sealer: Sealer::new(ring) })
    }

    /// The ring that blobs are sealed with.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        self.sealer.ring()
    }

    async fn rows(
        &self,
        sql: fn(&Session<Statements>) -> &tokio_postgres::Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let session = self.pool.session().await?;
        self.pool.ask(&session, session.client().query(sql(&session), values)).await
    }

    /// Runs one writing statement; answers how many rows it wrote.
    async fn write(
        &self,
        sql: fn(&Session<Statements>) -> &tokio_postgres::Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let session = self.pool.session().await?;
        self.pool.ask(&session, session.client().execute(sql(&session), values)).await
    }

    async fn begin(
        &self,
        chat: NewChat,
        first: Vec<u8>,
        owner: Option<Uuid>,
    ) -> Result<(), StoreError> {
        let first = self.sealer.first(chat.id, first)?;
        let at = chat.at.millis();
        let values: [&(dyn ToSql + Sync); 5] = [&chat.id, &chat.tenant, &at, &first, &owner];
        match self.write(|s| &s.sql.open, &values).await? {
            0 => Err(StoreError::AlreadyThere { chat: chat.id }),
            _ => Ok(()),
        }
    }

    async fn commit_under(&self, commit: Commit, fence: Option<Fence>) -> Result<(), StoreError> {
        let sealed = self.sealer.commit(commit)?;
        let (chat, number) = (sealed.chat, signed(sealed.number));
        let ended_at = sealed.ended_at.map(Wall::millis);
        let owner = fence.map(|fence| fence.owner);
        let epoch = fence.map(|fence| signed(fence.epoch));
        let (Body::Delta(body) | Body::Snapshot(body)) = &sealed.body;
        let values: [&(dyn ToSql + Sync); 6] = [&chat, &number, body, &ended_at, &owner, &epoch];
        let written = match &sealed.body {
            Body::Delta(_) => self.write(|s| &s.sql.delta, &values).await?,
            Body::Snapshot(_) => self.write(|s| &s.sql.snapshot, &values).await?,
        };
        match written {
            0 => Err(self.not_next(chat, sealed.number, fence).await),
            _ => Ok(()),
        }
    }

    /// Why a commit found no row of its number and fence.
    async fn not_next(&self, chat: Uuid, got: u64, fence: Option<Fence>) -> StoreError {
        let row = match self.rows(|s| &s.sql.next, &[&chat]).await {
            Ok(mut rows) => rows.pop(),
            Err(error) => return error,
        };
        let Some(row) = row else { return StoreError::NoSuchChat { chat } };
        let read = unsigned(row.get(0)).and_then(|next| Ok((next, unsigned(row.get(2))?)));
        let (next, epoch) = match read {
            Ok(read) => read,
            Err(error) => return error,
        };
        let owner: Option<Uuid> = row.get(1);
        match fence {
            Some(fence) if owner != Some(fence.owner) || epoch != fence.epoch => {
                StoreError::Fenced { chat }
            }
            _ => StoreError::OutOfOrder { chat, got, next },
        }
    }

    /// Chats of rows as `load` gives them, or what is wrong with one of them.
    fn chats(&self, rows: &[Row]) -> Result<Vec<Unfinished>, StoreError> {
        let mut chats: Vec<(Uuid, u64, SealedChat)> = Vec::new();
        for row in rows {
            let (kind, number) = (row.get::<_, i32>(0), unsigned(row.get(1))?);
            match (kind, chats.last_mut()) {
                (0, _) => {
                    let ended_at = row.get::<_, Option<i64>>(4).map(Wall::from_millis);
                    let (tenant, deltas) = (row.get(3), Vec::new());
                    let sealed = SealedChat { tenant, snapshot: None, deltas, ended_at };
                    chats.push((row.get(5), number, sealed));
                }
                (1, Some((.., sealed))) => sealed.snapshot = Some((number, row.get(2))),
                (_, Some((.., sealed))) => sealed.deltas.push((number, row.get(2))),
                (_, None) => {}
            }
        }
        let opened = |chat: Uuid, next, sealed: SealedChat| {
            let whole = sealed.is_whole();
            let loaded = self.sealer.open_chat(chat, sealed)?;
            if !whole || loaded.next_number != next {
                let detail = format!("chat {chat} has gaps in its history");
                return Err(StoreError::Damaged { detail });
            }
            Ok(loaded)
        };
        Ok(chats.into_iter().map(|(id, next, sealed)| (id, opened(id, next, sealed))).collect())
    }

    async fn last_change(&self) -> Result<u64, StoreError> {
        let rows = self.rows(|s| &s.sql.last_change, &[]).await?;
        rows.first().map_or(Ok(0), |row| unsigned(row.get(0)))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn open(&self, chat: NewChat, first: Vec<u8>) -> Result<(), StoreError> {
        self.begin(chat, first, None).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.commit_under(commit, None).await
    }

    async fn load(&self, chat: Uuid) -> Result<Option<Loaded>, StoreError> {
        let rows = self.rows(|s| &s.sql.load, &[&chat]).await?;
        self.chats(&rows)?.pop().map(|(_, loaded)| loaded).transpose()
    }

    async fn unfinished(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.rows(|s| &s.sql.unfinished, &[&after, &i64::from(limit)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn unfinished_chats(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Unfinished>, StoreError> {
        let rows = self.rows(|s| &s.sql.unfinished_chats, &[&after, &i64::from(limit)]).await?;
        self.chats(&rows)
    }

    async fn stored(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.rows(|s| &s.sql.stored, &[&after, &i64::from(limit)]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn purge(&self, ended_before: Wall) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            let values: [&(dyn ToSql + Sync); 2] = [&ended_before.millis(), &PURGE_CHATS];
            let some = self.write(|s| &s.sql.purge, &values).await?;
            purged += some;
            if some < PURGE_CHATS.unsigned_abs() {
                return Ok(purged);
            }
        }
    }

    async fn erase(&self, chat: Uuid) -> Result<bool, StoreError> {
        Ok(self.write(|s| &s.sql.erase, &[&chat]).await? > 0)
    }

    async fn changes_after(&self, number: u64, limit: u32) -> Result<Vec<Change>, StoreError> {
        let values: [&(dyn ToSql + Sync); 2] = [&signed(number), &i64::from(limit)];
        let rows = self.rows(|s| &s.sql.changes, &values).await?;
        let each = rows.iter().map(|row| {
            let (number, at) = (unsigned(row.get(0))?, Wall::from_millis(row.get(1)));
            self.sealer.open_change(&SealedChange { number, at, body: row.get(2) })
        });
        each.collect()
    }

    async fn append_change(&self, at: Wall, body: Vec<u8>, after: u64) -> Result<u64, StoreError> {
        let body = self.sealer.change(after, body)?;
        let number = signed(after.saturating_add(1));
        let values: [&(dyn ToSql + Sync); 3] = [&number, &at.millis(), &body];
        let session = self.pool.session().await?;
        let asked = session.client().execute(&session.sql.append, &values);
        let appended = async {
            match asked.await {
                // Somebody appended the same number while this statement ran.
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Ok(0),
                other => other,
            }
        };
        match self.pool.ask(&session, appended).await? {
            0 => Err(StoreError::Conflict { last: self.last_change().await? }),
            _ => Ok(after + 1),
        }
    }

    async fn writable(&self) -> Result<(), StoreError> {
        self.write(|s| &s.sql.probe, &[]).await.map(drop)
    }
}

/// Translates the engine's error. Its message names tables and columns, never values: those are in
/// its detail, which is left out.
fn failed(error: &Error) -> StoreError {
    let Some(theirs) = error.as_db_error() else {
        return StoreError::Engine { detail: chain(error) };
    };
    let detail = format!("PostgreSQL {}: {}", theirs.code().code(), theirs.message());
    match theirs.code() {
        code if *code == SqlState::DISK_FULL => StoreError::Full,
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadOnly,
        code if *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED => {
            StoreError::Damaged { detail }
        }
        _ => StoreError::Engine { detail },
    }
}
