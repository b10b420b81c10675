//! The tables and every statement, prepared once per connection.
//!
//! Promised: each statement is a transaction of its own. A commit compares the chat's next number,
//! and under a fence its owner and epoch, on the chat's row: a second writer waits for the row,
//! then finds other values and writes nothing. Leases are compared with the server's clock, as it
//! runs on within a statement.

use tokio_postgres::{Client, Error, Statement};

/// Number n + 1 brings a database from version n to n + 1. A migration is never edited once
/// released.
pub(super) const MIGRATIONS: [&str; 2] = [
    "
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
",
    "
    -- Whose a chat is: a node, in an epoch that goes up each time it is given to somebody. The
    -- column without an owner is of a bridge that was alone.
    ALTER TABLE chat ADD COLUMN owner uuid, ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
    CREATE INDEX chat_owner ON chat (owner) WHERE ended_at IS NULL;

    -- One row per run of the program.
    CREATE TABLE node (
        incarnation uuid PRIMARY KEY,
        name        text NOT NULL,
        address     text NOT NULL,
        fingerprint text NOT NULL,
        chats       bigint NOT NULL,
        since       timestamptz NOT NULL,
        expires_at  timestamptz NOT NULL
    );
",
];

const OPEN: &str = "WITH new AS (
        INSERT INTO chat (id, tenant, opened_at, next_number, owner, epoch)
        VALUES ($1, $2, $3, 2, $5::uuid, CASE WHEN $5::uuid IS NULL THEN 0 ELSE 1 END)
        ON CONFLICT DO NOTHING RETURNING id)
    INSERT INTO delta (chat, number, body) SELECT id, 1, $4 FROM new";

const DELTA: &str = "WITH mine AS (
        UPDATE chat SET next_number = next_number + 1, ended_at = coalesce(ended_at, $4)
        WHERE id = $1 AND next_number = $2
        AND ($5::uuid IS NULL OR (owner = $5 AND epoch = $6::bigint)) RETURNING id)
    INSERT INTO delta (chat, number, body) SELECT id, $2, $3 FROM mine";

const SNAPSHOT: &str = "WITH mine AS (
        UPDATE chat SET next_number = next_number + 1, ended_at = coalesce(ended_at, $4)
        WHERE id = $1 AND next_number = $2
        AND ($5::uuid IS NULL OR (owner = $5 AND epoch = $6::bigint)) RETURNING id),
    gone AS (DELETE FROM delta USING mine WHERE chat = mine.id)
    INSERT INTO snapshot (chat, number, body) SELECT id, $2, $3 FROM mine
    ON CONFLICT (chat) DO UPDATE SET number = excluded.number, body = excluded.body";

const NEXT: &str = "SELECT next_number, owner, epoch FROM chat WHERE id = $1";

// One statement, so that all rows are of one instant: of each chat its own row, its snapshot if it
// has one, and its deltas in order.
const LOAD: &str = "
    SELECT 0, next_number, NULL::bytea, tenant, ended_at, id FROM chat WHERE id = $1
    UNION ALL SELECT 1, number, body, NULL, NULL, chat FROM snapshot WHERE chat = $1
    UNION ALL SELECT 2, number, body, NULL, NULL, chat FROM delta WHERE chat = $1
    ORDER BY 1, 2";

const UNFINISHED_CHATS: &str = "WITH page AS MATERIALIZED (
        SELECT id, tenant, next_number FROM chat
        WHERE ended_at IS NULL AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2)
    SELECT 0, next_number, NULL::bytea, tenant, NULL::bigint, id FROM page
    UNION ALL SELECT 1, part.number, part.body, NULL, NULL, part.chat
        FROM page JOIN snapshot AS part ON part.chat = page.id
    UNION ALL SELECT 2, part.number, part.body, NULL, NULL, part.chat
        FROM page JOIN delta AS part ON part.chat = page.id
    ORDER BY 6, 1, 2";

const UNFINISHED: &str = "SELECT id FROM chat
    WHERE ended_at IS NULL AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2";

const STORED: &str = "SELECT id FROM chat WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2";

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

// A lapsed node is shown for an hour. `since` and the lease are of the server's clock.
const BEAT: &str = "WITH gone AS (
        DELETE FROM node WHERE incarnation <> $1
        AND expires_at < clock_timestamp() - interval '1 hour')
    INSERT INTO node (incarnation, name, address, fingerprint, chats, since, expires_at)
    VALUES ($1, $2, $3, $4, $5, clock_timestamp(),
        clock_timestamp() + $6::bigint * interval '1 millisecond')
    ON CONFLICT (incarnation) DO UPDATE SET name = excluded.name, address = excluded.address,
        fingerprint = excluded.fingerprint, chats = excluded.chats,
        expires_at = excluded.expires_at";

const NODES: &str = "SELECT incarnation, name, address, fingerprint, chats,
        (extract(epoch FROM since) * 1000)::bigint, expires_at > clock_timestamp()
    FROM node ORDER BY incarnation";

const LEAVE: &str = "DELETE FROM node WHERE incarnation = $1";

// The chat's row is locked first, then its owner's: a statement sees the tables as they were when
// it began, but a row that it locks as it is now, and whoever waited for the one may have missed a
// beat of the other. No beat comes in between from then on.
const CLAIM: &str = "WITH wanted AS MATERIALIZED (
        SELECT id, owner FROM chat WHERE id = $1 FOR UPDATE),
    holder AS MATERIALIZED (
        SELECT incarnation, expires_at FROM node
        WHERE incarnation = (SELECT owner FROM wanted) AND incarnation <> $2 FOR SHARE)
    UPDATE chat SET owner = $2, epoch = epoch + 1
    FROM wanted LEFT JOIN holder ON holder.incarnation = wanted.owner
    WHERE chat.id = wanted.id
    AND EXISTS (SELECT 1 FROM node WHERE incarnation = $2 AND expires_at > clock_timestamp())
    AND (holder.incarnation IS NULL OR holder.expires_at <= clock_timestamp())
    RETURNING chat.epoch, wanted.owner";

// Rows that another claimant is about to take are left to it. Owners as above.
const CLAIM_ORPHANS: &str = "WITH wanted AS MATERIALIZED (
        SELECT id, owner FROM chat WHERE ended_at IS NULL AND (owner IS NULL OR NOT EXISTS (
            SELECT 1 FROM node WHERE incarnation = chat.owner AND expires_at > clock_timestamp()))
        LIMIT $2 FOR UPDATE SKIP LOCKED),
    holder AS MATERIALIZED (
        SELECT incarnation, expires_at FROM node
        WHERE incarnation IN (SELECT owner FROM wanted) ORDER BY incarnation FOR SHARE)
    UPDATE chat SET owner = $1, epoch = epoch + 1
    FROM wanted LEFT JOIN holder ON holder.incarnation = wanted.owner
    WHERE chat.id = wanted.id
    AND EXISTS (SELECT 1 FROM node WHERE incarnation = $1 AND expires_at > clock_timestamp())
    AND (holder.incarnation IS NULL OR holder.expires_at <= clock_timestamp())
    RETURNING chat.id, chat.epoch";

const OWNER: &str = "SELECT owner, epoch, (SELECT address FROM node
        WHERE incarnation = chat.owner AND expires_at > clock_timestamp())
    FROM chat WHERE id = $1";

const OWNED: &str = "SELECT id, epoch FROM chat WHERE owner = $1 AND ended_at IS NULL";

/// Statements that a connection knows before it is used.
pub(super) trait Prepared: Sized + Send + Sync + 'static {
    /// Prepares all of them in about the time of one.
    fn prepare(client: &Client) -> impl Future<Output = Result<Self, Error>> + Send;
}

macro_rules! prepared {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $sql:ident),* $(,)? }) => {
        $(#[$doc])*
        pub(super) struct $name {
            $(pub(super) $field: Statement,)*
        }

        impl Prepared for $name {
            async fn prepare(client: &Client) -> Result<Self, Error> {
                // Sent one behind the other, without waiting for answers in between.
                let ($($field,)*) = tokio::try_join!($(client.prepare($sql)),*)?;
                Ok(Self { $($field),* })
            }
        }
    };
}

prepared! {
    /// What chats need.
    Statements {
        open: OPEN,
        delta: DELTA,
        snapshot: SNAPSHOT,
        next: NEXT,
        load: LOAD,
        unfinished: UNFINISHED,
        unfinished_chats: UNFINISHED_CHATS,
        stored: STORED,
        purge: PURGE,
        erase: ERASE,
        changes: CHANGES,
        append: APPEND,
        last_change: LAST_CHANGE,
        probe: PROBE,
        claim: CLAIM,
        claim_orphans: CLAIM_ORPHANS,
        owner: OWNER,
        owned: OWNED,
    }
}

prepared! {
    /// What leases need.
    LeaseStatements {
        beat: BEAT,
        nodes: NODES,
        leave: LEAVE,
    }
}
