-- When a synchronization runs by itself; null means never.
ALTER TABLE synchronizations ADD COLUMN schedule TEXT;
-- What was due until then became a run, or was due before the schedule was set: never looked at again.
ALTER TABLE synchronizations ADD COLUMN schedule_handled_until BIGINT;
-- The last time that was due and became a run, and that run. Written with the run, in one transaction.
ALTER TABLE synchronizations ADD COLUMN schedule_last_due BIGINT;
ALTER TABLE synchronizations ADD COLUMN schedule_last_run TEXT;
