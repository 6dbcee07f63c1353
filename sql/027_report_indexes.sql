-- The journal asks for the wrap-ups of the contacts of each batch, the leader's page for the talks of the day: without
-- these each of them reads the history of years, and at ten million calls in vain (command_timeout, statement_timeout).
create index agent_interval_wrap_up on agent_interval (contact) where state = 'wrap_up';
create index segment_talked on segment (started_at) include (agent, ended_at, contact_id)
    where kind in ('talk', 'conference') and agent is not null;
