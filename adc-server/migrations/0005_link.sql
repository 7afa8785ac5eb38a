-- A run that waits for an agent is a row like any other, in the state 'queued': at most one of a synchronization.
CREATE UNIQUE INDEX one_queued_run ON runs (account_id, synchronization_id) WHERE state = 'queued';
-- Somebody asked for it to read everything; that it does may have other reasons (full_because).
ALTER TABLE runs ADD COLUMN full_asked BIGINT NOT NULL DEFAULT 0;
-- The run before, whose agent vanished; and how many tries that makes, this one included.
ALTER TABLE runs ADD COLUMN takes_over TEXT;
ALTER TABLE runs ADD COLUMN attempt BIGINT NOT NULL DEFAULT 1;
