-- name: mine
-- The $3 latest calls of this agent since $2.
select c.contact_id, c.direction, c.number, c.number_published, c.called, c.called_published, c.started_at, c.result,
       c.talk_s + c.hold_s as talk_s
from cdr c
where c.started_at >= $2 and c.contact_id in (
    select m.contact_id from cdr m where m.agent = $1 and m.started_at >= $2
    union all
    select a.contact_id from attended a where a.agent = $1 and a.started_at >= $2)
order by c.started_at desc, c.contact_id desc
limit $3

-- name: missed
-- The $3 latest calls that rang at him since $2 without his answer, the latest ring of each; and whether anybody has
-- talked with them.
select distinct on (s.started_at, c.contact_id)
       c.contact_id, c.direction, c.number, c.number_published, c.called, c.called_published, s.started_at, c.result,
       s.reason, c.agent is not null and c.answered_at is not null as served
from segment s join cdr c on c.contact_id = s.contact_id
where s.agent = $1 and s.started_at >= $2 and s.kind = 'ring' and s.reason not in ('answered', 'taken_back', 'forwarded')
  and not exists (select from segment later where later.contact_id = s.contact_id and later.agent = $1
                  and later.kind = 'ring' and later.started_at > s.started_at)
order by s.started_at desc, c.contact_id desc
limit $3

-- name: callers
-- Which customer each contact of $1, with its number in $2, is about: the one chosen in it, else who has the number; of
-- several the one whom the pop shows first, and how many they are.
select asked.contact, asked.number, coalesce(chosen.name, found.name) as name,
       case when chosen.name is null then found.customers else 1 end as customers
from unnest($1::text[], $2::text[]) as asked (contact, number)
left join contact_customer x on x.contact = asked.contact
left join customer chosen on chosen.id = x.customer and chosen.deleted_at is null
left join lateral (
    select (array_agg(c.name order by c.kind desc, c.changed_at desc, c.id desc))[1] as name, count(*)::int as customers
    from customer_phone p join customer c on c.id = p.customer and c.deleted_at is null
    where p.number = asked.number
) found on true
where chosen.name is not null or found.customers > 0

-- name: number
-- Whom a call was with: for who sees that call in the list of calls ($3, $4: Viewer.reach; the rule is of_these in
-- calls/queries.sql), and for whom it has rung at ($2).
select c.direction, c.number, c.number_published, c.called, c.called_published
from cdr c
where c.contact_id = $1
and ($3::text[] is null or c.agent = any ($3) or ($4::text[] is not null and (
    c.queue = any ($4) or (c.agent is null and c.queue is null)))
or exists (select from attended a where a.contact_id = c.contact_id and a.agent = any ($3))
or exists (
    select from segment s
    where s.contact_id = c.contact_id and (s.agent = $2 or $4::text[] is not null and s.queue = any ($4))))

-- name: customers_number
select p.number from customer_phone p join customer c on c.id = p.customer where p.id = $1 and c.deleted_at is null
