-- The attributes for which rules of the policy left an object out since it was in step last (Record::shows), wherever it is, and of each
-- whether it is shown still, as a JSON object. NULL for everything else, and for whom a version before saw last, which did not know.
ALTER TABLE mirror ADD COLUMN left_out_showing TEXT;
