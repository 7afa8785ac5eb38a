-- What a run emptied: of how many groups all members, and each field for how many people (`{"groups": 1, "fields": {"title": 2}}`);
-- NULL where it emptied nothing. Without approval it adds up over a day, as removals do.
ALTER TABLE runs ADD COLUMN emptied TEXT;
