//! The statements, over sealed bytes. Each function runs inside a savepoint of the writer's, so an
//! error halfway leaves nothing behind.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::sealed::{Body, SealedChange, SealedChat, SealedCommit, signed, unsigned};
use super::super::{NewChat, StoreError};
use crate::time::Wall;

/// How many chats one purge statement deletes, so that commits need not wait long behind it.
pub(super) const PURGE_CHATS: u32 = 200;

pub(super) fn open(db: &Connection, chat: &NewChat, first: &[u8]) -> Result<(), StoreError> {
    let id = chat.id.as_bytes();
    let inserted = db
        .prepare_cached(
            "INSERT INTO chat (id, tenant, opened_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut sql| sql.execute(params![id, chat.tenant, chat.at.millis()]))
        .map_err(failed)?;
    if inserted == 0 {
        return Err(StoreError::AlreadyThere { chat: chat.id });
    }
    insert_delta(db, chat.id, 1, first)
}

pub(super) fn commit(db: &Connection, commit: &SealedCommit) -> Result<(), StoreError> {
    let chat = commit.chat;
    let next = next_number(db, chat)?.ok_or(StoreError::NoSuchChat { chat })?;
    if commit.number != next {
        return Err(StoreError::OutOfOrder { chat, got: commit.number, next });
    }
    match &commit.body {
        Body::Delta(delta) => insert_delta(db, chat, next, delta)?,
        Body::Snapshot(snapshot) => replace_history(db, chat, next, snapshot)?,
    }
    if let Some(ended_at) = commit.ended_at {
        db.prepare_cached("UPDATE chat SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL")
            .and_then(|mut sql| sql.execute(params![chat.as_bytes(), ended_at.millis()]))
            .map_err(failed)?;
    }
    Ok(())
}

fn insert_delta(db: &Connection, chat: Uuid, number: u64, body: &[u8]) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO delta (chat, number, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut sql| sql.execute(params![chat.as_bytes(), signed(number), body]))
        .map(drop)
        .map_err(failed)
}

fn replace_history(db: &Connection, chat: Uuid, last: u64, body: &[u8]) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM delta WHERE chat = ?1")
        .and_then(|mut sql| sql.execute([chat.as_bytes()]))
        .map_err(failed)?;
    db.prepare_cached("INSERT OR REPLACE INTO snapshot (chat, number, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut sql| sql.execute(params![chat.as_bytes(), signed(last), body]))
        .map(drop)
        .map_err(failed)
}

/// Read off the history itself, so that an ordinary commit is one insert and nothing else.
fn next_number(db: &Connection, chat: Uuid) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT 1 + max(
            coalesce((SELECT max(number) FROM delta WHERE chat = ?1), 0),
            coalesce((SELECT number FROM snapshot WHERE chat = ?1), 0))
        FROM chat WHERE id = ?1";
    let next = db
        .prepare_cached(sql)
        .and_then(|mut sql| sql.query_row([chat.as_bytes()], |row| row.get::<_, i64>(0)).optional())
        .map_err(failed)?;
    next.map(unsigned).transpose()
}

pub(super) fn load(db: &Connection, chat: Uuid) -> Result<Option<SealedChat>, StoreError> {
    let id = chat.as_bytes();
    let found: Option<(String, Option<i64>)> = db
        .prepare_cached("SELECT tenant, ended_at FROM chat WHERE id = ?1")
        .and_then(|mut sql| sql.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(failed)?;
    let Some((tenant, ended_at)) = found else { return Ok(None) };
    let snapshot = numbered(db, "SELECT number, body FROM snapshot WHERE chat = ?1", chat)?.pop();
    let sql = "SELECT number, body FROM delta WHERE chat = ?1 ORDER BY number";
    let deltas = numbered(db, sql, chat)?;
    let ended_at = ended_at.map(Wall::from_millis);
    whole(chat, SealedChat { tenant, snapshot, deltas, ended_at }).map(Some)
}

fn whole(chat: Uuid, sealed: SealedChat) -> Result<SealedChat, StoreError> {
    if !sealed.is_whole() {
        return Err(StoreError::Damaged { detail: format!("chat {chat} has gaps in its history") });
    }
    Ok(sealed)
}

fn numbered(db: &Connection, sql: &str, chat: Uuid) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut sql = db.prepare_cached(sql).map_err(failed)?;
    let rows = sql.query_map([chat.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.map_err(failed)?
        .map(|row| row.map_err(failed).and_then(|(n, body)| Ok((unsigned(n)?, body))))
        .collect()
}

pub(super) fn unfinished(
    db: &Connection,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Uuid>, StoreError> {
    let sql = "SELECT id FROM chat INDEXED BY chat_unfinished
        WHERE ended_at IS NULL AND id > ?1 ORDER BY id LIMIT ?2";
    ids(db, sql, after, limit)
}

/// All that is stored of a chat, or what is missing.
type Whole = Result<SealedChat, StoreError>;

/// The same with all that is stored of each: three statements for a page, not for a chat.
pub(super) fn unfinished_chats(
    db: &Connection,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<(Uuid, Whole)>, StoreError> {
    let after = start(after.as_ref());
    let mut chats = tenants(db, after, limit)?;
    let Some(last) = chats.last().map(|(id, _)| *id) else { return Ok(Vec::new()) };
    let last = last.as_bytes();
    let snapshots = "SELECT part.chat, part.number, part.body
        FROM chat INDEXED BY chat_unfinished CROSS JOIN snapshot AS part ON part.chat = chat.id
        WHERE chat.ended_at IS NULL AND chat.id > ?1 AND chat.id <= ?2 ORDER BY chat.id";
    parts(db, snapshots, (after, last), &mut chats, |chat, part| chat.snapshot = Some(part))?;
    let deltas = "SELECT part.chat, part.number, part.body
        FROM chat INDEXED BY chat_unfinished CROSS JOIN delta AS part ON part.chat = chat.id
        WHERE chat.ended_at IS NULL AND chat.id > ?1 AND chat.id <= ?2
        ORDER BY chat.id, part.number";
    parts(db, deltas, (after, last), &mut chats, |chat, part| chat.deltas.push(part))?;
    Ok(chats.into_iter().map(|(id, sealed)| (id, whole(id, sealed))).collect())
}

/// A page of chats that have not ended, without their history.
fn tenants(
    db: &Connection,
    after: &[u8],
    limit: u32,
) -> Result<Vec<(Uuid, SealedChat)>, StoreError> {
    let sql = "SELECT id, tenant FROM chat INDEXED BY chat_unfinished
        WHERE ended_at IS NULL AND id > ?1 ORDER BY id LIMIT ?2";
    let mut sql = db.prepare_cached(sql).map_err(failed)?;
    let rows = sql.query_map(params![after, limit], |row| {
        let (snapshot, deltas, ended_at) = (None, Vec::new(), None);
        let sealed = SealedChat { tenant: row.get(1)?, snapshot, deltas, ended_at };
        Ok((Uuid::from_bytes(row.get(0)?), sealed))
    });
    rows.map_err(failed)?.map(|row| row.map_err(failed)).collect()
}

/// Gives each part to its chat. Both come in the order of ids.
fn parts(
    db: &Connection,
    sql: &str,
    (after, last): (&[u8], &[u8; 16]),
    chats: &mut [(Uuid, SealedChat)],
    give: impl Fn(&mut SealedChat, (u64, Vec<u8>)),
) -> Result<(), StoreError> {
    let mut sql = db.prepare_cached(sql).map_err(failed)?;
    let mut rows = sql.query(params![after, last]).map_err(failed)?;
    let mut chats = chats.iter_mut().peekable();
    while let Some(row) = rows.next().map_err(failed)? {
        let id = Uuid::from_bytes(row.get(0).map_err(failed)?);
        let part = (unsigned(row.get(1).map_err(failed)?)?, row.get(2).map_err(failed)?);
        while chats.next_if(|(chat, _)| *chat < id).is_some() {}
        if let Some((_, chat)) = chats.peek_mut().filter(|(chat, _)| *chat == id) {
            give(chat, part);
        }
    }
    Ok(())
}

pub(super) fn stored(
    db: &Connection,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Uuid>, StoreError> {
    ids(db, "SELECT id FROM chat WHERE id > ?1 ORDER BY id LIMIT ?2", after, limit)
}

fn ids(
    db: &Connection,
    sql: &str,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Uuid>, StoreError> {
    let after = start(after.as_ref());
    let mut sql = db.prepare_cached(sql).map_err(failed)?;
    let rows = sql.query_map(params![after, limit], |row| row.get::<_, [u8; 16]>(0));
    rows.map_err(failed)?.map(|id| id.map(Uuid::from_bytes).map_err(failed)).collect()
}

/// What a page begins after. No id is shorter than the empty blob, so it stands for "from the
/// beginning".
fn start(after: Option<&Uuid>) -> &[u8] {
    after.map_or(&[], |id| id.as_bytes())
}

/// Deletes at most [`PURGE_CHATS`] chats.
pub(super) fn purge(db: &Connection, ended_before: Wall) -> Result<u32, StoreError> {
    let sql = "DELETE FROM chat WHERE id IN
        (SELECT id FROM chat WHERE ended_at IS NOT NULL AND ended_at < ?1 LIMIT ?2)";
    let deleted = db
        .prepare_cached(sql)
        .and_then(|mut sql| sql.execute(params![ended_before.millis(), PURGE_CHATS]))
        .map_err(failed)?;
    Ok(deleted as u32)
}

pub(super) fn erase(db: &Connection, chat: Uuid) -> Result<bool, StoreError> {
    db.prepare_cached("DELETE FROM chat WHERE id = ?1")
        .and_then(|mut sql| sql.execute([chat.as_bytes()]))
        .map(|deleted| deleted > 0)
        .map_err(failed)
}

pub(super) fn changes_after(
    db: &Connection,
    number: u64,
    limit: u32,
) -> Result<Vec<SealedChange>, StoreError> {
    let sql = "SELECT number, at, body FROM change WHERE number > ?1 ORDER BY number LIMIT ?2";
    let mut sql = db.prepare_cached(sql).map_err(failed)?;
    let rows = sql.query_map(params![signed(number), limit], |row| {
        Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
    });
    rows.map_err(failed)?
        .map(|row| {
            let (number, at, body) = row.map_err(failed)?;
            Ok(SealedChange { number: unsigned(number)?, at: Wall::from_millis(at), body })
        })
        .collect()
}

/// `body` is sealed for number `after + 1`.
pub(super) fn append_change(
    db: &Connection,
    at: Wall,
    body: &[u8],
    after: u64,
) -> Result<u64, StoreError> {
    let last = db
        .prepare_cached("SELECT coalesce(max(number), 0) FROM change")
        .and_then(|mut sql| sql.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    let last = unsigned(last)?;
    if after != last {
        return Err(StoreError::Conflict { last });
    }
    db.prepare_cached("INSERT INTO change (number, at, body) VALUES (?1, ?2, ?3)")
        .and_then(|mut sql| sql.execute(params![signed(last + 1), at.millis(), body]))
        .map_err(failed)?;
    Ok(last + 1)
}

pub(super) fn probe(db: &Connection) -> Result<(), StoreError> {
    let sql = "INSERT INTO probe (id, times) VALUES (1, 1)
        ON CONFLICT DO UPDATE SET times = times + 1";
    db.prepare_cached(sql).and_then(|mut sql| sql.execute([])).map(drop).map_err(failed)
}

/// Translates the engine's error. Its texts name tables and columns, never values.
#[expect(clippy::needless_pass_by_value, reason = "so that it fits map_err")]
pub(super) fn failed(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { detail }
        }
        _ => StoreError::Engine { detail },
    }
}
