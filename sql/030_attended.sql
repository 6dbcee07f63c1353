-- Who was in a call: with the customer, or beside whoever had him: asked for advice, a third one, a leader.
-- The one place that says so; what somebody sees of his calls is by this (lcall_web: Viewer.reach).
create view attended as
    select s.contact_id, s.agent, s.started_at from segment s where s.agent is not null and s.kind in ('talk', 'conference')
    union all
    select i.contact, i.agent, i.started_at from agent_interval i where i.state = 'talking' and i.contact is not null;

create index agent_interval_talked on agent_interval (agent, started_at) include (contact)
    where state = 'talking' and contact is not null;
create index agent_interval_with on agent_interval (contact) include (agent)
    where state = 'talking' and contact is not null;
