-- The record of an object that a rule left out, or that was gone, for as long as the object is in conflict since: its own record does
-- not say then whether the rule still leaves it out. NULL for everything else.
ALTER TABLE mirror ADD COLUMN left_out_as TEXT;
