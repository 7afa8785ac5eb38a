-- Whether the lines of a run's plan are kept: 'kept', 'going' while they are being deleted, 'gone'. See store/forgotten.rs.
ALTER TABLE runs ADD COLUMN lines TEXT NOT NULL DEFAULT 'kept';
-- Of which runs lines may go, and of which they are going: few of many.
CREATE INDEX runs_never_applied ON runs (account_id, synchronization_id, finished_at)
    WHERE lines = 'kept' AND state NOT IN ('queued', 'running', 'held', 'applied');
CREATE INDEX runs_losing_lines ON runs (account_id, id) WHERE lines = 'going';
