-- One text for SQLite and PostgreSQL. Ids and JSON are TEXT, times BIGINT milliseconds since 1970 UTC, truth values
-- BIGINT 0 and 1. Every primary key starts with the account, so that rows can be distributed by account.

CREATE TABLE accounts (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    -- The ledger's sequence and the fence of every change of the account's people: see store/ledger.rs.
    ledger_seq  BIGINT  NOT NULL DEFAULT 0,
    created_at  BIGINT  NOT NULL
);

CREATE TABLE api_keys (
    account_id  TEXT    NOT NULL,   -- empty for a key of the whole system
    id          TEXT    NOT NULL,
    key_hash    TEXT    NOT NULL UNIQUE,
    role        TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE synchronizations (
    account_id      TEXT    NOT NULL,
    id              TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    application_id  TEXT    NOT NULL UNIQUE,
    secret_hash     TEXT    NOT NULL,
    settings        TEXT    NOT NULL,
    policy          TEXT,               -- null means the default
    version         BIGINT  NOT NULL,   -- raised by every change of settings or policy
    -- Set by applied runs only (invariant 8).
    checkpoint      TEXT,               -- the mark, with the server it belongs to
    fingerprint     TEXT,               -- what the agent read, and with what
    decided_on      TEXT,               -- the settings and the policy it was decided with
    last_applied_run TEXT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);

CREATE TABLE runs (
    account_id          TEXT    NOT NULL,
    id                  TEXT    NOT NULL,   -- chosen by the agent
    synchronization_id  TEXT    NOT NULL,
    triggered_by        TEXT    NOT NULL,
    mode                TEXT    NOT NULL,
    full_because        TEXT,
    state               TEXT    NOT NULL,
    dry_run             BIGINT NOT NULL,
    settings            TEXT    NOT NULL,   -- effective, with origins
    policy              TEXT    NOT NULL,
    sync_version        BIGINT  NOT NULL,   -- of the synchronization, when the run opened
    fingerprint         TEXT    NOT NULL,
    agent               TEXT    NOT NULL,
    receipt             TEXT,
    counts              TEXT,
    needs_attention     BIGINT  NOT NULL DEFAULT 0,
    held_because        TEXT,
    plan_digest         TEXT,
    removals            BIGINT  NOT NULL DEFAULT 0,
    approved_at         BIGINT,
    error               TEXT,
    created_at          BIGINT  NOT NULL,
    finished_at         BIGINT,
    PRIMARY KEY (account_id, id)
);
-- Agents choose the ids; what a run has staged, and its lease, are known by the id alone.
CREATE UNIQUE INDEX runs_by_id ON runs (id);
CREATE INDEX runs_by_time ON runs (account_id, synchronization_id, created_at, id);
CREATE UNIQUE INDEX one_active_run ON runs (account_id, synchronization_id) WHERE state = 'running';
CREATE UNIQUE INDEX one_held_run ON runs (account_id, synchronization_id) WHERE state = 'held';

-- A run's plan: preview, held plan and report are these rows, and the applied ones are the ledger.
CREATE TABLE changes (
    account_id      TEXT    NOT NULL,
    run_id          TEXT    NOT NULL,
    seq             BIGINT  NOT NULL,
    kind            TEXT    NOT NULL,
    source_id       TEXT    NOT NULL,
    dn              TEXT    NOT NULL,
    username        TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    detail          TEXT,
    before_state    TEXT,
    after_state     TEXT,               -- null for the creation of a user: it would say again what next_* says
    target_id       TEXT,               -- the user or unit; null where nothing is changed
    next_name       TEXT,               -- null means username
    next_name_key   TEXT,               -- null means username
    next_email      TEXT,
    next_status     TEXT,
    next_status_by  TEXT,
    next_dn         TEXT,               -- null means dn
    next_fields     TEXT,
    next_manager_key TEXT,
    next_group_kind TEXT,
    PRIMARY KEY (account_id, run_id, seq)
);

-- The applied changes in commit order: an applied run (its effective rows of `changes`), or one change made here.
CREATE TABLE ledger (
    account_id  TEXT    NOT NULL,
    seq         BIGINT  NOT NULL,
    run_id      TEXT,
    change      TEXT,
    at          BIGINT  NOT NULL,
    PRIMARY KEY (account_id, seq)
);

CREATE TABLE users (
    account_id          TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    username            TEXT    NOT NULL,
    username_key        TEXT    NOT NULL,
    email               TEXT,
    status              TEXT    NOT NULL,
    status_by           TEXT    NOT NULL,
    synchronization_id  TEXT,               -- null for local users
    source_id           TEXT,
    dn                  TEXT    NOT NULL,
    fields              TEXT    NOT NULL,
    manager_key         TEXT,               -- the manager's DN key; joined with mirror.dn_key when read
    account_owner       BIGINT NOT NULL DEFAULT 0,
    administrator       BIGINT NOT NULL DEFAULT 0,
    owns                TEXT    NOT NULL DEFAULT '[]',
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    deleted_at          BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX users_by_name ON users (account_id, username_key) WHERE status <> 'deleted';
CREATE UNIQUE INDEX users_by_source ON users (account_id, synchronization_id, source_id)
    WHERE synchronization_id IS NOT NULL;

-- Groups and org units.
CREATE TABLE units (
    account_id          TEXT    NOT NULL,
    id                  TEXT    NOT NULL,
    kind                TEXT    NOT NULL,
    synchronization_id  TEXT    NOT NULL,
    source_id           TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    email               TEXT,
    group_kind          TEXT,
    dn                  TEXT    NOT NULL,
    dn_key              TEXT    NOT NULL,
    fields              TEXT    NOT NULL,
    created_at          BIGINT  NOT NULL,
    updated_at          BIGINT  NOT NULL,
    deleted_at          BIGINT,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX units_by_source ON units (account_id, synchronization_id, kind, source_id);
CREATE INDEX units_by_name ON units (account_id, kind, name, id);
CREATE INDEX units_by_place ON units (account_id, synchronization_id, dn_key);

-- Who a group of the directory lists: as last seen, and as the account holds it. In step both are 1.
CREATE TABLE members (
    account_id          TEXT    NOT NULL,
    synchronization_id  TEXT    NOT NULL,
    group_source_id     TEXT    NOT NULL,
    member_key          TEXT    NOT NULL,   -- the DN key; joined with mirror.dn_key when read
    dn                  TEXT    NOT NULL,   -- as read
    seen                BIGINT NOT NULL,
    applied             BIGINT NOT NULL,
    PRIMARY KEY (account_id, synchronization_id, group_source_id, member_key)
);

CREATE TABLE mirror (
    account_id          TEXT    NOT NULL,
    synchronization_id  TEXT    NOT NULL,
    kind                TEXT    NOT NULL,
    source_id           TEXT    NOT NULL,
    digest              TEXT    NOT NULL,
    dn                  TEXT    NOT NULL,
    dn_key              TEXT    NOT NULL,
    name_key            TEXT,               -- the user name it claims; null where it claims none
    record              TEXT    NOT NULL,
    expires_at          BIGINT,
    present             BIGINT NOT NULL,
    status              TEXT    NOT NULL,
    reason              TEXT,
    active              BIGINT,           -- as last synchronized
    PRIMARY KEY (account_id, synchronization_id, kind, source_id)
);
CREATE INDEX mirror_by_place ON mirror (account_id, synchronization_id, dn_key);
CREATE INDEX mirror_unsettled ON mirror (account_id, synchronization_id, status) WHERE status <> 'synced';
CREATE INDEX mirror_expiring ON mirror (account_id, synchronization_id, expires_at) WHERE expires_at IS NOT NULL;

-- The values of fields that the policy calls unique, of the objects of the mirror.
CREATE TABLE claims (
    account_id          TEXT    NOT NULL,
    synchronization_id  TEXT    NOT NULL,
    source_id           TEXT    NOT NULL,
    field               TEXT    NOT NULL,
    value_key           TEXT    NOT NULL,
    PRIMARY KEY (account_id, synchronization_id, source_id, field)
);
CREATE INDEX claims_by_value ON claims (account_id, synchronization_id, field, value_key);
