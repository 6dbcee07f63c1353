-- Ids of contacts compare as bytes everywhere. Where a column had the database's own collation its index was of no use to
-- a join with one that had not: a page of the call list read every interval of every agent. (Indexes are made anew, the
-- rows stay.)
alter table agent_interval alter column contact type text collate "C";
alter table recording alter column contact_id type text collate "C";
