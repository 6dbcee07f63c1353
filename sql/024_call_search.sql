-- Calls by why they ended and by how long they waited: what is rare among ten million is found by an index.
create index cdr_cause on cdr (cause, started_at desc, contact_id desc) where cause <> 16;
create index cdr_wait on cdr (wait_s) where wait_s >= 30;
