-- When an agent opened the run: created_at stays when it was asked for, so that the time it waited can be told from the time it took.
ALTER TABLE runs ADD COLUMN started_at BIGINT;
UPDATE runs SET started_at = created_at WHERE state <> 'queued';
