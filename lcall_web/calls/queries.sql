-- name: conditions
-- What is looked for, null where it does not matter. What asks another table stands below by itself, for behind an `or`
-- PostgreSQL asks it for every call.
(:start::timestamptz is null or c.started_at >= :start)
and (:end::timestamptz is null or c.started_at < :end)
and (:patterns::text[] is null or c.number like any (:patterns) or c.number_published like any (:patterns)
    or c.called_published like any (:patterns))
and (:direction::text is null or c.direction = :direction)
and (:result::text is null or c.result = :result)
and (:trunk::text is null or c.trunk = :trunk)
and (:least::double precision is null or c.talk_s + c.hold_s >= :least)
and (:most::double precision is null or c.talk_s + c.hold_s <= :most)
and (:recorded::boolean is null or (c.recording_id is not null) = :recorded)
and (:ended_by::text is null or c.ended_by = :ended_by)
and (:cause::int is null or c.cause = :cause)
and (:waited::double precision is null or c.wait_s >= :waited)
and (:call::text is null or c.contact_id = :call)

-- name: with_code
-- An agent is in the wrap-up of a call soon after it began: no call takes days.
c.contact_id in (
    select i.contact from agent_interval i
    where i.code = any (:codes)
    and (:start::timestamptz is null or i.started_at >= :start::timestamptz - interval '1 hour')
    and (:end::timestamptz is null or i.started_at < :end::timestamptz + interval '2 days'))

-- name: with_agent
-- Had by one of these agents last, or before: handed on, in a conference. Not whoever was beside him (attended): that a
-- leader has listened is for leaders to know.
c.contact_id in (
    select m.contact_id from cdr m
    where m.agent = any (:agents)
    and (:start::timestamptz is null or m.started_at >= :start) and (:end::timestamptz is null or m.started_at < :end)
    union all
    select s.contact_id from segment s
    where s.agent = any (:agents) and s.kind in ('talk', 'consult', 'conference')
    and (:start::timestamptz is null or s.started_at >= :start)
    and (:end::timestamptz is null or s.started_at < :end::timestamptz + interval '2 days'))

-- name: agent_of_these
-- The same of few calls, one by one.
(c.agent = any (:agents) or exists (
    select from segment s
    where s.contact_id = c.contact_id and s.agent = any (:agents) and s.kind in ('talk', 'consult', 'conference')))

-- name: with_queue
-- Waited in this queue last, or before.
c.contact_id in (
    select m.contact_id from cdr m
    where m.queue = :queue
    and (:start::timestamptz is null or m.started_at >= :start) and (:end::timestamptz is null or m.started_at < :end)
    union all
    select s.contact_id from segment s
    where s.queue = :queue and s.kind = 'queue'
    and (:start::timestamptz is null or s.started_at >= :start)
    and (:end::timestamptz is null or s.started_at < :end::timestamptz + interval '2 days'))

-- name: queue_of_these
(c.queue = :queue or exists (
    select from segment s where s.contact_id = c.contact_id and s.queue = :queue and s.kind = 'queue'))

-- name: with_hours
-- At this time of the day. Where the days are gone through one by one (found_within) it is so already.
case when :hours_first::time <= :hours_last::time
    then (c.started_at at time zone :zone::text)::time between :hours_first and :hours_last
    else (c.started_at at time zone :zone::text)::time >= :hours_first or (c.started_at at time zone :zone::text)::time <= :hours_last
end

-- name: with_customer
-- Of these customers: with a number that is theirs, unless it was said to be about somebody else; said to be about them.
c.contact_id in (
    select m.contact_id from cdr m
    where m.number = any (:numbers)
    and not exists (select from contact_customer x where x.contact = m.contact_id and x.customer <> all (:customers))
    union all
    select x.contact from contact_customer x where x.customer = any (:customers))

-- name: talked
-- Calls that these agents (Viewer.reach) have talked in: had last, before somebody else, or beside him.
c.contact_id in (
    select m.contact_id from cdr m
    where m.agent = any (:people)
    and (:start::timestamptz is null or m.started_at >= :start) and (:end::timestamptz is null or m.started_at < :end)
    union all
    select s.contact_id from attended s
    where s.agent = any (:people)
    and (:start::timestamptz is null or s.started_at >= :start)
    and (:end::timestamptz is null or s.started_at < :end::timestamptz + interval '2 days'))

-- name: led
-- … or that waited in these queues, last or before; and what reached nobody.
c.contact_id in (
    select m.contact_id from cdr m
    where m.agent = any (:people)
    and (:start::timestamptz is null or m.started_at >= :start) and (:end::timestamptz is null or m.started_at < :end)
    union all
    select m.contact_id from cdr m
    where m.queue = any (:lines)
    and (:start::timestamptz is null or m.started_at >= :start) and (:end::timestamptz is null or m.started_at < :end)
    union all
    select m.contact_id from cdr m
    where m.agent is null and m.queue is null
    and (:start::timestamptz is null or m.started_at >= :start) and (:end::timestamptz is null or m.started_at < :end)
    union all
    select s.contact_id from attended s
    where s.agent = any (:people)
    and (:start::timestamptz is null or s.started_at >= :start)
    and (:end::timestamptz is null or s.started_at < :end::timestamptz + interval '2 days')
    union all
    select s.contact_id from segment s
    where s.queue = any (:lines) and s.kind = 'queue'
    and (:start::timestamptz is null or s.started_at >= :start)
    and (:end::timestamptz is null or s.started_at < :end::timestamptz + interval '2 days'))

-- name: of_these
-- The same of few calls, one by one: those of a number.
(c.agent = any (:people) or (:lines::text[] is not null and (
    c.queue = any (:lines) or (c.agent is null and c.queue is null)))
or exists (select from attended s where s.contact_id = c.contact_id and s.agent = any (:people))
or :lines::text[] is not null and exists (
    select from segment s where s.contact_id = c.contact_id and s.queue = any (:lines)))

-- name: page
-- Calls that are over, latest first, behind the last one of the page before.
select c.contact_id, c.direction, c.number, c.number_published, c.called_published, c.called, c.queue, c.agent,
       o.name as agent_name, q.body->>'name' as queue_name, q.body->>'name_en' as queue_name_en,
       c.started_at, c.answered_at, c.ended_at, c.wait_s, c.ring_s, c.talk_s, c.hold_s, c.wrap_up_s, c.result, c.ended_by,
       c.cause, c.trunk, r.state as recording_state,
       array(select last.code from (
           select distinct on (i.agent) i.code, i.started_at from agent_interval i
           where i.contact = c.contact_id and i.code is not null
           order by i.agent, i.seq desc) last order by last.started_at, last.code) as codes
from CALLS c
left join operator o on o.id = c.agent
left join config_document q on q.kind = 'queues' and q.id = c.queue
left join recording r on r.id = c.recording_id
order by c.started_at desc, c.contact_id desc
limit :limit

-- name: found
(select c.* from cdr c
where CONDITIONS and (:after_at::timestamptz is null or (c.started_at, c.contact_id) < (:after_at, :after_id::text))
order by c.started_at desc, c.contact_id desc
limit :limit)

-- name: found_within
-- The same in each of these windows of time: an hour of every day, the nights.
unnest(:firsts::timestamptz[], :lasts::timestamptz[]) as w (first, last) cross join lateral (select c.* from cdr c
where c.started_at >= w.first and c.started_at < w.last
and CONDITIONS and (:after_at::timestamptz is null or (c.started_at, c.contact_id) < (:after_at, :after_id::text))
order by c.started_at desc, c.contact_id desc
limit :limit)

-- name: counted
(select c.* from cdr c where CONDITIONS)

-- name: counted_within
unnest(:firsts::timestamptz[], :lasts::timestamptz[]) as w (first, last) cross join lateral (select c.* from cdr c
where c.started_at >= w.first and c.started_at < w.last and CONDITIONS
offset 0)

-- name: earliest
select min(started_at) as at from cdr

-- name: totals
-- Over all that is found. Talk is with what was on hold in it, as in every row.
select count(*) as calls, count(c.answered_at) as answered, count(*) filter (where c.result = 'abandoned') as abandoned,
       coalesce(sum(c.talk_s + c.hold_s), 0) as talk_s,
       coalesce(sum(c.talk_s + c.hold_s) filter (where c.answered_at is not null), 0) as talked_s,
       count(c.queued_at) as queued, coalesce(sum(c.wait_s) filter (where c.queued_at is not null), 0) as wait_s
from CALLS c

-- name: agents_named
-- An agent is looked for by his number or a part of his name.
select id from operator where name like '%' || :name || '%'

-- name: customers_named
-- Customers in whose name all of these words stand, with their numbers; latest change first.
select c.id, array(select p.number from customer_phone p where p.customer = c.id) as numbers
from customer c
where c.deleted_at is null and lcall_wanted_grams(:words) <> '{}' and c.grams @> lcall_wanted_grams(:words)
and lcall_holds(c.name, :words)
order by c.changed_at desc, c.id desc
limit :most

-- name: codes_below
with recursive below as (
    select :code::text as id
    union select d.id from config_document d join below b on d.body->>'parent' = b.id
    where d.kind = 'wrap_up_codes')
select id from below

-- name: queues
select id, body->>'name' as name, body->>'name_en' as name_en from config_document where kind = 'queues' order by id

-- name: trunks
select id from config_document where kind = 'trunks' order by id

-- name: contact
select body, called, called_raw, called_published, trunk, ended_at is not null as over,
       array(select a.agent from attended a where a.contact_id = $1) as attended
from contact where id = $1

-- name: record
select wait_s, ring_s, talk_s, hold_s, wrap_up_s, result, ended_by, cause, sip, answered_at, ended_at, recording_id
from cdr where contact_id = $1

-- name: codes_of
-- What its agents said that it was about: each one's last word.
select last.agent, last.code from (
    select distinct on (i.agent) i.agent, i.code, i.started_at from agent_interval i
    where i.contact = $1 and i.code is not null
    order by i.agent, i.seq desc) last
order by last.started_at, last.agent

-- name: events
select type, at, subject, data from event
where subject = $1 or (contact = $1 and type like 'recording%')
order by at, stream_ms, stream_n -- what happened in one millisecond: as it was told, for each subject counts its own seq

-- name: names
select id, name from operator where id = any ($1)
