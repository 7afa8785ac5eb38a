-- Who refers to whom, asked by a delta of what was renamed, moved or removed. A full read finds that by itself.

CREATE INDEX members_by_member ON members (account_id, synchronization_id, member_key);
CREATE INDEX users_by_manager ON users (account_id, synchronization_id, manager_key)
    WHERE manager_key IS NOT NULL;

-- What the metrics count: whoever is not active, and runs by their state.
CREATE INDEX users_apart ON users (status) WHERE status <> 'active';
CREATE INDEX runs_by_state ON runs (state);
