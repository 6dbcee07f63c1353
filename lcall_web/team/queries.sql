-- name: work
-- Of each agent since $1: talks that he was in, and for how long; one that goes on counts up to now.
select s.agent, count(distinct s.contact_id) as calls,
       coalesce(sum(extract(epoch from coalesce(s.ended_at, now()) - s.started_at)), 0)::double precision as talk_s
from segment s
where s.agent is not null and s.kind in ('talk', 'conference') and s.started_at >= $1
group by s.agent

-- name: quarters
-- What came into these queues ($3 null: into all) since $1 and before $2, by the quarter of an hour.
select started_at, sum(answered + abandoned + overflowed + waiting)::int as offered, sum(answered)::int as answered,
       sum(abandoned)::int as abandoned
from queue_interval
where started_at >= $1 and started_at < $2 and ($3::text[] is null or queue = any ($3))
group by started_at

-- name: reasons
-- Why agents pause, in the order in which they are offered.
select id, body->>'name' as name, coalesce(body->>'name_en', '') as name_en
from config_document
where kind = 'pause_reasons' and coalesce((body->>'enabled')::boolean, true)
order by coalesce((body->>'order')::int, 0), id
