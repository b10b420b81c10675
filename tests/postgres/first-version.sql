-- The tables as version 1 of the schema made them, which no migration may change any more.
SET search_path = liveagent_bridge;
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
