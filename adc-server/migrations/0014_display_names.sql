-- By what a search compares display names: their key, as names have one; empty where there is none. NULL in a row of a version
-- before, until the control plane's next start: no SQL that both databases know makes such a key.
ALTER TABLE users ADD COLUMN display_key TEXT;
CREATE INDEX users_without_display_key ON users (account_id, id) WHERE display_key IS NULL;
ALTER TABLE changes ADD COLUMN next_display_key TEXT;
