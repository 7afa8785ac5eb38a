-- Groups that a run removed: without approval they add up over a day, as people do.
ALTER TABLE runs ADD COLUMN group_removals BIGINT NOT NULL DEFAULT 0;
