-- Who has a member, for deltas: with the groups, or SQLite walks all memberships by the primary key, which covers the question.

DROP INDEX members_by_member;
CREATE INDEX members_by_member ON members (account_id, synchronization_id, member_key, group_source_id);
