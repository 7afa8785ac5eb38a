-- Whoever is missing may be an entry without a usable identity that came when they went ('unproven-absence'). Of whoever is missing: in
-- which turn they went, in both; of such an entry: in which turns somebody went who it may be, the first and the last. Turns count the
-- runs in which somebody went who is still in doubt. NULL of whom there is no doubt. Doubts of before are as one turn.
ALTER TABLE mirror ADD COLUMN doubt_from BIGINT;
ALTER TABLE mirror ADD COLUMN doubt_until BIGINT;
UPDATE mirror SET doubt_from = 0, doubt_until = 0 WHERE status <> 'synced' AND reason = 'unproven-absence';
