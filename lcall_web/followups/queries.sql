-- name: lines
-- With the customer's numbers, the one that he called from first, and who has talked in the call that it came from.
select f.id, f.version, f.customer, f.contact, f.kind, f.body, f.owner, f.due_at, f.done_at, f.created_at,
       c.name as customer_name, c.kind as customer_kind, o.name as owner_name,
       coalesce(d.name, f.done_by) as done_by, coalesce(w.name, f.created_by) as created_by,
       h.agent, h.queue, h.contact_id is not null as over, p.ids, p.numbers,
       array(select a.agent from attended a where a.contact_id = f.contact) as agents,
       array(select s.queue from segment s
             where s.contact_id = f.contact and s.kind = 'queue' and s.queue is not null) as queues
from follow_up f
join customer c on c.id = f.customer and c.deleted_at is null
left join operator o on o.id = f.owner
left join operator d on d.id = f.done_by
left join operator w on w.id = f.created_by
left join cdr h on h.contact_id = f.contact
cross join lateral (
    select array_agg(n.id) as ids, array_agg(n.number) as numbers
    from (select t.id, t.number from customer_phone t where t.customer = f.customer
          order by coalesce(t.number = h.number, false) desc, t.place, t.id limit 3) n) p
where WHICH

-- name: open
-- Of these people ($1 null: of all), what is due first.
f.done_at is null and ($1::text[] is null or f.owner = any ($1))
order by f.due_at, f.id
limit $2

-- name: done
f.done_at > now() - $3::interval and ($1::text[] is null or f.owner = any ($1))
order by f.done_at desc, f.id desc
limit $2

-- name: customers_open
f.done_at is null and f.customer = $1
order by f.due_at, f.id
limit $2

-- name: customers_done
f.done_at is not null and f.customer = $1
order by f.done_at desc, f.id desc
limit $2

-- name: one
-- Nothing of a customer who is in the recycle bin.
select f.id, f.version, f.customer, f.kind, f.body, f.owner, f.due_at, f.done_at, f.changed_at,
       c.name as customer_name, coalesce(ch.name, f.changed_by) as changed_by
from follow_up f
join customer c on c.id = f.customer and c.deleted_at is null
left join operator ch on ch.id = f.changed_by
where f.id = $1

-- name: lock
select 1 from follow_up where id = $1 for update

-- name: customer
select id from customer where id = $1 and deleted_at is null

-- name: customer_held
-- Held until it is written: who merges or deletes him waits for it.
select id from customer where id = $1 and deleted_at is null for share

-- name: insert
insert into follow_up (key, customer, contact, kind, body, owner, due_at, remind_at, created_by, changed_by)
values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $8)
on conflict (key) do nothing
returning id

-- name: update
-- Who gets it, or gets another time for it, is told anew.
update follow_up
set kind = $2, body = $3, owner = $4, due_at = $5, changed_by = $6, changed_at = now(), version = version + 1,
    remind_at = case when owner = $4 and due_at = $5 then remind_at else $5 end
where id = $1

-- name: finish
update follow_up
set done_at = now(), done_by = $2, changed_by = $2, changed_at = now(), version = version + 1
where id = $1

-- name: reopen
update follow_up
set done_at = null, done_by = null, changed_by = $2, changed_at = now(), version = version + 1
where id = $1

-- name: put_off
update follow_up
set due_at = $3, remind_at = $3, changed_by = $2, changed_at = now(), version = version + 1
where id = $1

-- name: snooze
-- He is told again a while later; when it is due stays as it is.
update follow_up set remind_at = greatest(due_at, now() + $2::interval) where id = $1

-- name: owners
-- Who may have something to do, of those whom $1 (Viewer.reach; null: all) holds: who may $2 look at customers. $3: one
-- who has it already stays in the list, whatever became of him.
select o.id, o.name from operator o join role r on r.id = o.role
where ($1::text[] is null or o.id = any ($1))
  and (o.id = $3 or (not o.disabled and (o.role = 'admin' or $2 = any (r.permissions))))
order by o.id

-- name: reminders
-- Of each of these people: what is to be done before the end of the day ($2) or was, what he is told of by now, and in
-- how many seconds the next one is due.
select f.owner, count(*)::int as count, count(*) filter (where f.remind_at <= now())::int as waiting,
       extract(epoch from min(f.remind_at) filter (where f.remind_at > now()) - now())::double precision as next_s
from follow_up f
join customer c on c.id = f.customer and c.deleted_at is null
where f.owner = any ($1) and f.done_at is null and f.due_at < $2
group by f.owner

-- name: due
-- What they are told of, to each of them the latest first, with the number that the customer called from or his first.
select n.*, (select t.id from customer_phone t where t.customer = n.customer
             order by coalesce(t.number = h.number, false) desc, t.place, t.id limit 1) as phone
from (
    select f.id, f.version, f.customer, f.contact, f.kind, f.body, f.owner, f.due_at, f.remind_at, c.name,
           row_number() over (partition by f.owner order by f.remind_at desc, f.id desc) as place
    from follow_up f
    join customer c on c.id = f.customer and c.deleted_at is null
    where f.owner = any ($1) and f.done_at is null and f.due_at <= now() and f.remind_at <= now()) n
left join cdr h on h.contact_id = n.contact
where n.place <= $2
order by n.owner, n.place
