-- People who sign in are looked for by name; whom of that name the account has deleted is found without reading everybody.
CREATE INDEX users_deleted_by_name ON users (account_id, username_key) WHERE status = 'deleted';
