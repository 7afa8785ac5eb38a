-- The key of the name right above an object's: whoever lies in a container is found without walking everybody. Empty at the root;
-- NULL in a row of a version before, until the control plane's next start: no SQL that both databases know makes such a key.
ALTER TABLE mirror ADD COLUMN container_key TEXT;
CREATE INDEX mirror_by_container ON mirror (account_id, synchronization_id, container_key, source_id);
CREATE INDEX mirror_without_container ON mirror (account_id, synchronization_id, kind, source_id) WHERE container_key IS NULL;

-- Of several indexes SQLite takes the one of which a query names most columns: those of few have to have more of them than those of all.
DROP INDEX mirror_absent;
CREATE INDEX mirror_absent ON mirror (account_id, synchronization_id, present, kind) WHERE present = 0;
DROP INDEX mirror_unsettled;
CREATE INDEX mirror_unsettled ON mirror (account_id, synchronization_id, status, kind) WHERE status <> 'synced';
DROP INDEX mirror_put_off;
CREATE INDEX mirror_put_off ON mirror (account_id, synchronization_id, in_doubt) WHERE in_doubt IS NOT NULL;
