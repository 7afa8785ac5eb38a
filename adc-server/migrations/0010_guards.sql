-- The agent's configuration and the policy under which last nobody waited to be removed, or whose removals were approved. The
-- guard compares a run's with these: a switch that put removals off for a while vouches for nothing.
ALTER TABLE synchronizations ADD COLUMN vouched_fingerprint TEXT;
ALTER TABLE synchronizations ADD COLUMN vouched_decided_on TEXT;
UPDATE synchronizations SET vouched_fingerprint = fingerprint, vouched_decided_on = decided_on;

-- Org units that a run removed: without approval they add up over a day, as people and groups do.
ALTER TABLE runs ADD COLUMN org_unit_removals BIGINT NOT NULL DEFAULT 0;

-- Whoever left and is kept: few, and each may hold a value that somebody else claims.
CREATE INDEX mirror_absent ON mirror (account_id, synchronization_id) WHERE present = 0;
