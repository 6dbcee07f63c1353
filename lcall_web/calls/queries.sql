-- name: conditions
-- $1 to $8, $11 to $15: what is looked for, null where it does not matter. $9, $10: whose calls, as Viewer.reach has it: calls that
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
and ($11::text is null or c.trunk = $11)
and ($12::double precision is null or c.talk_s + c.hold_s >= $12)
and ($13::double precision is null or c.talk_s + c.hold_s <= $13)
and ($14::text is null or exists (
    select from agent_interval i
    where i.contact = c.contact_id and i.code is not null and i.code in (
        with recursive below as (
            select $14::text as id
            union select d.id from config_document d join below b on d.body->>'parent' = b.id
            where d.kind = 'wrap_up_codes')
        select id from below)))
and ($15::boolean is null or (c.recording_id is not null) = $15)

-- name: page
-- Calls that are over, latest first, behind the last one of the page before.
select c.contact_id, c.direction, c.number, c.number_published, c.called_published, c.called, c.queue, c.agent,
       o.name as agent_name, q.body->>'name' as queue_name, q.body->>'name_en' as queue_name_en,
       c.started_at, c.answered_at, c.ended_at, c.wait_s, c.ring_s, c.talk_s, c.hold_s, c.wrap_up_s, c.result, c.ended_by,
       c.cause, c.trunk, r.state as recording_state
from cdr c
left join operator o on o.id = c.agent
left join config_document q on q.kind = 'queues' and q.id = c.queue
left join recording r on r.id = c.recording_id
where :conditions and ($16::timestamptz is null or (c.started_at, c.contact_id) < ($16, $17))
order by c.started_at desc, c.contact_id desc
limit $18

-- name: totals
-- Over all that is found. Each duration is as the ledger's fold defines it.
select count(*) as calls, count(c.answered_at) as answered, count(*) filter (where c.result = 'abandoned') as abandoned,
       coalesce(sum(c.talk_s), 0) as talk_s, avg(c.talk_s) filter (where c.answered_at is not null) as mean_talk_s,
       avg(c.wait_s) filter (where c.queued_at is not null) as mean_wait_s
from cdr c
where :conditions

-- name: queues
select id, body->>'name' as name, body->>'name_en' as name_en from config_document where kind = 'queues' order by id

-- name: trunks
select id from config_document where kind = 'trunks' order by id

-- name: codes
-- The tree of wrap-up codes, each below its parent.
with recursive tree as (
    select d.id, d.body, 0 as depth, array[lpad(coalesce(d.body->>'order', '0'), 9, '0'), d.id] as place
    from config_document d where d.kind = 'wrap_up_codes' and coalesce(d.body->>'parent', '') = ''
    union all
    select d.id, d.body, t.depth + 1, t.place || array[lpad(coalesce(d.body->>'order', '0'), 9, '0'), d.id]
    from config_document d join tree t on d.body->>'parent' = t.id where d.kind = 'wrap_up_codes' and t.depth < 3
)
select id, depth, body->>'name' as name, coalesce(body->>'name_en', '') as name_en from tree order by place

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
