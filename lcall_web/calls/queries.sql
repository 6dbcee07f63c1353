-- name: conditions
-- $1 to $8: what is looked for, null where it does not matter. $9, $10: whose calls, as Viewer.reach has it: calls that
-- these agents talked in, that waited in these queues, and with queues what reached nobody.
($1::timestamptz is null or c.started_at >= $1)
and ($2::timestamptz is null or c.started_at < $2)
and ($3::text[] is null or c.number like any ($3) or c.number_published like any ($3) or c.called_published like any ($3))
and ($4::text is null or c.agent = $4 or c.agent in (select id from operator where name like '%' || $5 || '%'))
and ($6::text is null or c.queue = $6)
and ($7::text is null or c.direction = $7)
and ($8::text is null or c.result = $8)
and ($9::text[] is null or c.agent = any ($9) or c.queue = any ($10)
    or ($10::text[] is not null and c.agent is null and c.queue is null)
    or exists (
        select from segment s
        where s.contact_id = c.contact_id
          and (s.agent = any ($9) and s.kind in ('talk', 'conference') or s.queue = any ($10))))

-- name: page
-- Calls that are over, latest first, behind the last one of the page before.
select c.contact_id, c.direction, c.number, c.number_published, c.called_published, c.called, c.queue, c.agent,
       o.name as agent_name, q.body->>'name' as queue_name, q.body->>'name_en' as queue_name_en,
       c.started_at, c.answered_at, c.ended_at, c.wait_s, c.talk_s, c.hold_s, c.result, r.state as recording_state
from cdr c
left join operator o on o.id = c.agent
left join config_document q on q.kind = 'queues' and q.id = c.queue
left join recording r on r.id = c.recording_id
where :conditions and ($11::timestamptz is null or (c.started_at, c.contact_id) < ($11, $12))
order by c.started_at desc, c.contact_id desc
limit $13

-- name: totals
-- Over all that is found. Each duration is as the ledger's fold defines it.
select count(*) as calls, count(c.answered_at) as answered, count(*) filter (where c.result = 'abandoned') as abandoned,
       coalesce(sum(c.talk_s), 0) as talk_s, avg(c.talk_s) filter (where c.answered_at is not null) as mean_talk_s,
       avg(c.wait_s) filter (where c.queued_at is not null) as mean_wait_s
from cdr c
where :conditions

-- name: queues
select id, body->>'name' as name, body->>'name_en' as name_en from config_document where kind = 'queues' order by id

-- name: contact
select body, called, called_raw, called_published, trunk, ended_at is not null as over from contact where id = $1

-- name: record
select wait_s, ring_s, talk_s, hold_s, wrap_up_s, result, ended_by, cause, sip, answered_at, ended_at, recording_id
from cdr where contact_id = $1

-- name: events
select type, at, subject, data from event
where subject = $1 or (contact = $1 and type like 'recording%')
order by at, seq

-- name: names
select id, name from operator where id = any ($1)
