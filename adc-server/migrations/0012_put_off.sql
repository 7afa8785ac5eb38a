-- Whose removal was put off by no-delete or a protection: 0 where they left under a configuration and rules that somebody had vouched
-- for, or that were vouched for since; 1 where it may be the configuration that removes them, which is not vouched for as long as they
-- wait; NULL for everybody else. Who left before this column was there is in doubt where what is in force is.
ALTER TABLE mirror ADD COLUMN in_doubt BIGINT;
UPDATE mirror SET in_doubt = (SELECT CASE WHEN s.vouched_fingerprint = s.fingerprint AND s.vouched_decided_on = s.decided_on
                                          THEN 0 ELSE 1 END
                              FROM synchronizations s
                              WHERE s.account_id = mirror.account_id AND s.id = mirror.synchronization_id)
WHERE status <> 'synced' AND status = 'pending' AND reason IN ('setting-no-delete', 'account-owner', 'owns-resources');
CREATE INDEX mirror_put_off ON mirror (account_id, synchronization_id) WHERE in_doubt IS NOT NULL;
