-- When a key was taken back: it stays for audit, as the ledger names who did what by the key's id.
ALTER TABLE api_keys ADD COLUMN revoked_at BIGINT;
