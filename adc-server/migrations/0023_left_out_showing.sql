-- The attributes, as a JSON list, for which rules of the policy left an object out when that could be told last (Record::shows): until
-- it is in step again, wherever it is. NULL for everything else, and for whom a version before saw last, which did not know.
ALTER TABLE mirror ADD COLUMN left_out_showing TEXT;
