-- The key of the name right above an object's: whoever lies in a container is found without walking everybody. Empty at the root;
-- NULL in a row of a version before, until the control plane's next start: no SQL that both databases know makes such a key.
ALTER TABLE mirror ADD COLUMN container_key TEXT;
CREATE INDEX mirror_by_container ON mirror (account_id, synchronization_id, container_key, source_id);
CREATE INDEX mirror_without_container ON mirror (account_id, synchronization_id, kind, source_id) WHERE container_key IS NULL;
