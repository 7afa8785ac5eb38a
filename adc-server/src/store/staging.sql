-- What runs have sent and nobody sees yet. On SQLite it lies in a file of its own (attached as `staging`), so that a
-- big apply, which writes the main file, does not keep other agents' batches waiting. Losing it loses no more than
-- the runs that were under way.

CREATE TABLE IF NOT EXISTS staging.batches (
    run_id      TEXT    NOT NULL,
    channel     TEXT    NOT NULL,   -- touched, digests or records
    seq         BIGINT  NOT NULL,
    body_digest TEXT    NOT NULL,
    body        TEXT,               -- of names: what was touched or seen, to be replayed after a restart
    answer      TEXT    NOT NULL,
    PRIMARY KEY (run_id, channel, seq)
);

CREATE TABLE IF NOT EXISTS staging.objects (
    run_id      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    source_id   TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,   -- present, gone or out-of-scope
    origin      TEXT    NOT NULL,   -- read, confirm (looked up) or mirror (planned again, though not touched)
    digest      TEXT    NOT NULL,
    dn          TEXT    NOT NULL,
    dn_key      TEXT    NOT NULL,
    container_key TEXT  NOT NULL,   -- as the mirror's
    name_key    TEXT,
    active      BIGINT NOT NULL,
    expires_at  BIGINT,
    record      TEXT    NOT NULL,
    left_out_showing TEXT,          -- of whom the record says that rules leave them out, as the mirror's
    PRIMARY KEY (run_id, kind, source_id)
);

-- Few are absent, and they are asked for alone.
CREATE INDEX IF NOT EXISTS staging.absent_objects ON objects (run_id, outcome) WHERE outcome <> 'present';

CREATE TABLE IF NOT EXISTS staging.members (
    run_id      TEXT    NOT NULL,
    source_id   TEXT    NOT NULL,
    part        BIGINT  NOT NULL,
    members     TEXT    NOT NULL,   -- JSON list of DNs
    PRIMARY KEY (run_id, source_id, part)
);

CREATE TABLE IF NOT EXISTS staging.claims (
    run_id      TEXT    NOT NULL,
    source_id   TEXT    NOT NULL,
    field       TEXT    NOT NULL,
    value_key   TEXT    NOT NULL,
    PRIMARY KEY (run_id, source_id, field)
);

-- What look-ups found as the mirror has it: nothing of it was sent.
CREATE TABLE IF NOT EXISTS staging.unchanged (
    run_id      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    source_id   TEXT    NOT NULL,
    PRIMARY KEY (run_id, kind, source_id)
);

-- Containers in which people were missed, and whether they still exist.
CREATE TABLE IF NOT EXISTS staging.containers (
    run_id      TEXT    NOT NULL,
    dn          TEXT    NOT NULL,
    is_there    BIGINT NOT NULL,
    PRIMARY KEY (run_id, dn)
);

-- What becomes of objects, where it is not simply `synced`.
CREATE TABLE IF NOT EXISTS staging.outcomes (
    run_id      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    source_id   TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    reason      TEXT,
    active      BIGINT,
    doubt_from  BIGINT,             -- as the mirror's
    doubt_until BIGINT,
    PRIMARY KEY (run_id, kind, source_id)
);
