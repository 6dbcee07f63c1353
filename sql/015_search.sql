-- Searches in a history of ten million calls, among a million customers.

-- Calls that reached nobody are every leader's; what ended otherwise than by an answer is looked for among much that did
-- not; and the longest talks.
create index cdr_nobody on cdr (started_at desc, contact_id desc) where agent is null and queue is null;
create index cdr_result on cdr (result, started_at desc, contact_id desc) where result <> 'answered';
create index cdr_talk on cdr ((talk_s + hold_s));

-- A search reads the list of what is pending in a GIN index from end to end: there is none, as for customers.
alter index cdr_numbers set (fastupdate = off);
select gin_clean_pending_list('cdr_numbers');

-- calls by the codes that they were given, lately
create index agent_interval_coded on agent_interval (code, started_at) where code is not null;

-- Of these words those that the grams of a text do not prove: longer than a pair, or of nothing but punctuation.
create function lcall_unproven(text[]) returns text[]
language sql immutable strict parallel safe
as $$
    select coalesce(array_agg(word), '{}') from unnest($1) as word where char_length(lcall_folded(word)) not in (1, 2)
$$;
