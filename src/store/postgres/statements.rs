//! The tables and every statement, prepared once per connection.
//!
//! Promised: each statement is a transaction of its own. A commit compares the chat's next number
//! on the chat's row: a second writer waits for the row, then finds another number and writes
//! nothing.

use tokio_postgres::{Client, Error, Statement};

/// Number n + 1 brings a database from version n to n + 1. A migration is never edited once
/// released.
pub(super) const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE chat (
        id          uuid PRIMARY KEY,
        tenant      text NOT NULL,
        opened_at   bigint NOT NULL,
        ended_at    bigint,
        next_number bigint NOT NULL
    ) WITH (fillfactor = 70);
    CREATE INDEX chat_ended ON chat (ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX chat_unfinished ON chat (id) WHERE ended_at IS NULL;

    CREATE TABLE delta (
        chat   uuid NOT NULL REFERENCES chat (id) ON DELETE CASCADE,
        number bigint NOT NULL,
        body   bytea NOT NULL,
        PRIMARY KEY (chat, number)
    );

    CREATE TABLE snapshot (
        chat   uuid PRIMARY KEY REFERENCES chat (id) ON DELETE CASCADE,
        number bigint NOT NULL,
        body   bytea NOT NULL
    );
    -- What is sealed does not compress.
    ALTER TABLE delta ALTER COLUMN body SET STORAGE EXTERNAL;
    ALTER TABLE snapshot ALTER COLUMN body SET STORAGE EXTERNAL;

    CREATE TABLE change (
        number bigint PRIMARY KEY,
        at     bigint NOT NULL,
        body   bytea NOT NULL
    );

    -- One row for each key that anything may be sealed with.
    CREATE TABLE canary (
        key_id text PRIMARY KEY,
        body   bytea NOT NULL
    );

    -- What readiness writes to.
    CREATE TABLE probe (
        id    integer PRIMARY KEY CHECK (id = 1),
        times bigint NOT NULL
    );
"];

const OPEN: &str = "WITH new AS (
        INSERT INTO chat (id, tenant, opened_at, next_number) VALUES ($1, $2, $3, 2)
        ON CONFLICT DO NOTHING RETURNING id)
    INSERT INTO delta (chat, number, body) SELECT id, 1, $4 FROM new";

const DELTA: &str = "WITH mine AS (
        UPDATE chat SET next_number = next_number + 1, ended_at = coalesce(ended_at, $4)
        WHERE id = $1 AND next_number = $2 RETURNING id)
    INSERT INTO delta (chat, number, body) SELECT id, $2, $3 FROM mine";

const SNAPSHOT: &str = "WITH mine AS (
        UPDATE chat SET next_number = next_number + 1, ended_at = coalesce(ended_at, $4)
        WHERE id = $1 AND next_number = $2 RETURNING id),
    gone AS (DELETE FROM delta USING mine WHERE chat = mine.id)
    INSERT INTO snapshot (chat, number, body) SELECT id, $2, $3 FROM mine
    ON CONFLICT (chat) DO UPDATE SET number = excluded.number, body = excluded.body";

const NEXT: &str = "SELECT next_number FROM chat WHERE id = $1";

// One statement, so that all rows are of one instant.
const LOAD: &str = "
    SELECT 0, next_number, NULL::bytea, tenant, ended_at FROM chat WHERE id = $1
    UNION ALL SELECT 1, number, body, NULL, NULL FROM snapshot WHERE chat = $1
    UNION ALL SELECT 2, number, body, NULL, NULL FROM delta WHERE chat = $1
    ORDER BY 1, 2";

const UNFINISHED: &str = "SELECT id FROM chat
    WHERE ended_at IS NULL AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2";

const PURGE: &str = "DELETE FROM chat WHERE id IN (
    SELECT id FROM chat WHERE ended_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

const ERASE: &str = "DELETE FROM chat WHERE id = $1";

const CHANGES: &str =
    "SELECT number, at, body FROM change WHERE number > $1 ORDER BY number LIMIT $2";

const APPEND: &str = "INSERT INTO change (number, at, body)
    SELECT $1::bigint, $2::bigint, $3::bytea
    WHERE $1 - 1 = coalesce((SELECT max(number) FROM change), 0)";

const LAST_CHANGE: &str = "SELECT coalesce(max(number), 0) FROM change";

const PROBE: &str = "INSERT INTO probe (id, times) VALUES (1, 1)
    ON CONFLICT (id) DO UPDATE SET times = probe.times + 1";

/// The statements of one connection.
pub(super) struct Statements {
    pub(super) open: Statement,
    pub(super) delta: Statement,
    pub(super) snapshot: Statement,
    pub(super) next: Statement,
    pub(super) load: Statement,
    pub(super) unfinished: Statement,
    pub(super) purge: Statement,
    pub(super) erase: Statement,
    pub(super) changes: Statement,
    pub(super) append: Statement,
    pub(super) last_change: Statement,
    pub(super) probe: Statement,
}

impl Statements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            open: client.prepare(OPEN).await?,
            delta: client.prepare(DELTA).await?,
            snapshot: client.prepare(SNAPSHOT).await?,
            next: client.prepare(NEXT).await?,
            load: client.prepare(LOAD).await?,
            unfinished: client.prepare(UNFINISHED).await?,
            purge: client.prepare(PURGE).await?,
            erase: client.prepare(ERASE).await?,
            changes: client.prepare(CHANGES).await?,
            append: client.prepare(APPEND).await?,
            last_change: client.prepare(LAST_CHANGE).await?,
            probe: client.prepare(PROBE).await?,
        })
    }
}
