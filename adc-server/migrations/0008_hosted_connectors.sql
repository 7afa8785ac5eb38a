-- Where a connector that the control plane runs itself finds the directory, and as whom (JSON); null where none is hosted.
ALTER TABLE synchronizations ADD COLUMN connection TEXT;
-- Its password, sealed with a key that is not in the database, to this synchronization and to where the connection leads.
ALTER TABLE synchronizations ADD COLUMN connection_password TEXT;
