-- name: conditions
-- Null where it does not matter. What asks another table stands below by itself, for behind an `or` PostgreSQL asks it
-- for every customer.
c.deleted_at is null
and (:words::text[] is null or (lcall_wanted_grams(:words) <> '{}' and c.grams @> lcall_wanted_grams(:words)
    and (lcall_unproven(:words) = '{}' or lcall_holds(concat_ws(E'\n',
        lcall_customer_text(c.name, c.position, c.email, c.address, c.tags),
        (select string_agg(e.value, E'\n') from jsonb_each_text(c.own) e where e.key = any (:texts::text[]))),
        lcall_unproven(:words)))))
and (:kind::text is null or c.kind = :kind)
and (:level::text is null or (c.level = :level and (:level = 'normal' or c.level <> 'normal')))
and (:tag::text is null or c.tags @> array[:tag])
and (:owner::text is null or c.owner = :owner)
and (:own::jsonb is null or (c.own <> '{}' and c.own @> :own))
and (:after_at::timestamptz is null or (c.changed_at, c.id) < (:after_at, :after_id::bigint))

-- name: with_shown
-- The grams know the fields that are retired, too: each word stands in something that is shown.
lcall_holds(concat_ws(E'\n', lcall_customer_text(c.name, c.position, c.email, c.address, c.tags),
    (select string_agg(e.value, E'\n') from jsonb_each_text(c.own) e where e.key = any (:texts::text[]))), :words)

-- name: with_text
-- Digits that stand in a text: longer than a pair, so that the grams alone prove none of them.
lcall_wanted_grams(:digits) <> '{}' and c.grams @> lcall_wanted_grams(:digits) and lcall_holds(
    concat_ws(E'\n', lcall_customer_text(c.name, c.position, c.email, c.address, c.tags),
    (select string_agg(e.value, E'\n') from jsonb_each_text(c.own) e where e.key = any (:texts::text[]))), :digits)

-- name: either
-- The first of either kind hold the first of both: so each is found by its own index, in the order of the list where
-- there are many. With an `or` between them all customers would be read.
c.id in (
    (select c.id from customer c where NUMBER order by c.changed_at desc, c.id desc limit :limit)
    union (select c.id from customer c where TEXT order by c.changed_at desc, c.id desc limit :limit))

-- name: with_parts
-- A number of his has one of these parts.
c.id in (select p.customer from customer_phone p where p.number like any (:parts))

-- name: with_number
-- … or is one of these, or ends in these four digits.
c.id in (select p.customer from customer_phone p where p.number = any (:exact) or right(p.number, 4) = :last)

-- name: page
-- Latest change first, behind the last one of the page before.
select c.id, c.kind, c.name, c.position, c.level, c.tags, c.own, c.changed_at, k.name as company, o.name as owner_name,
       c.owner,
       array(select p.number from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as numbers,
       array(select p.id from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as phones
from customer c
left join customer k on k.id = c.company and k.deleted_at is null
left join operator o on o.id = c.owner
where CONDITIONS
order by c.changed_at desc, c.id desc
limit :limit

-- name: sheet
-- What is taken away as a file.
select c.id, c.kind, c.name, c.position, c.level, c.tags, c.email, c.address, c.remark, c.owner, c.own, c.changed_at,
       k.name as company,
       array(select p.number from customer_phone p where p.customer = c.id order by p.place, p.id) as numbers
from customer c
left join customer k on k.id = c.company and k.deleted_at is null
where CONDITIONS
order by c.changed_at desc, c.id desc
limit :limit

-- name: bin
select c.id, c.kind, c.name, c.deleted_at, coalesce(o.name, c.deleted_by) as deleted_by, c.merged_into, m.name as merged_name
from customer c
left join operator o on o.id = c.deleted_by
left join customer m on m.id = c.merged_into
where c.deleted_at is not null and ($1::timestamptz is null or (c.deleted_at, c.id) < ($1, $2))
order by c.deleted_at desc, c.id desc
limit $3

-- name: customer
select c.id, c.kind, c.name, c.position, c.level, c.tags, c.email, c.address, c.remark, c.owner, c.own, c.version,
       c.created_at, c.changed_at, c.deleted_at, c.merged_into, c.company as company_id, k.name as company,
       o.name as owner_name, coalesce(cr.name, c.created_by) as created_by, coalesce(ch.name, c.changed_by) as changed_by
from customer c
left join customer k on k.id = c.company and k.deleted_at is null
left join operator o on o.id = c.owner
left join operator cr on cr.id = c.created_by
left join operator ch on ch.id = c.changed_by
where c.id = $1

-- name: lock
select version, deleted_at, merged_into from customer where id = any ($1) order by id for update

-- name: held
-- Until what belongs to him is written, who merges or deletes him waits. Nothing of one who has been merged.
select deleted_at from customer where id = $1 and merged_into is null for share

-- name: merged_into
select merged_into from customer where id = $1

-- name: phones
select id, number, label from customer_phone where customer = $1 order by place, id

-- name: phone
select number from customer_phone where id = $2 and customer = $1

-- name: by_key
select id from customer where key = $1

-- name: insert
insert into customer (key, kind, name, company, position, level, tags, email, address, remark, owner, own, created_by, changed_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
returning id

-- name: update
update customer
set kind = $2, name = $3, company = $4, position = $5, level = $6, tags = $7, email = $8, address = $9, remark = $10,
    owner = $11, own = $12, changed_by = $13, changed_at = now(), version = version + 1
where id = $1

-- name: drop_phones
delete from customer_phone where customer = $1 and number <> all ($2)

-- name: put_phone
insert into customer_phone (customer, number, label, place) values ($1, $2, $3, $4)
on conflict (customer, number) do update set label = excluded.label, place = excluded.place

-- name: company_named
select id from customer
where kind = 'company' and deleted_at is null and name = $1
order by changed_at desc, id desc
limit 1

-- name: companies
select c.name from customer c
where c.kind = 'company' and c.deleted_at is null and lcall_wanted_grams($1) <> '{}' and c.grams @> lcall_wanted_grams($1)
and lcall_holds(c.name, $1)
order by c.changed_at desc, c.id desc
limit 10

-- name: fields
-- Those that the center has added, in their order; retired ones too.
select id, kind, whose, name, name_en, required, listed, choices, version, retired_at is not null as retired
from customer_field order by place, id

-- name: field_by_key
select id from customer_field where key = $1

-- name: field_insert
insert into customer_field (key, kind, whose, name, name_en, required, listed, choices, place)
values ($1, $2, $3, $4, $5, $6, $7, $8, (select coalesce(max(place), 0) + 1 from customer_field))
returning id

-- name: field_update
update customer_field
set whose = $2, name = $3, name_en = $4, required = $5, listed = $6, choices = $7, version = version + 1
where id = $1

-- name: field_retire
update customer_field set retired_at = now(), version = version + 1 where id = $1 and retired_at is null

-- name: field_restore
-- At the end of the others.
update customer_field
set retired_at = null, version = version + 1, place = (select max(place) + 1 from customer_field)
where id = $1 and retired_at is not null

-- name: field_place
update customer_field set place = $2 where id = $1

-- name: field_filled
-- How many have something in it; with $2, by what it is.
select case when $2::boolean then c.own->>$1 end as value, count(*)::int as count
from customer c where c.deleted_at is null and c.own <> '{}' and c.own ? $1
group by 1

-- name: kinds_count
select kind, count(*)::int as count from customer where deleted_at is null group by kind

-- name: holders
-- Who has one of these numbers already.
select distinct c.id, c.name, c.kind from customer_phone p join customer c on c.id = p.customer
where p.number = any ($1) and c.deleted_at is null and c.id <> $2
order by c.id
limit 20

-- name: people
-- $2: one more than are shown.
select c.id, c.name, c.position, c.level,
       array(select p.number from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as numbers,
       array(select p.id from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as phones,
       array(select p.label from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as labels
from customer c where c.company = $1 and c.deleted_at is null
order by c.name, c.id
limit $2

-- name: notes
-- Of a customer, and of a call: written in it before it was known whose it is. Behind the last one of the page before.
select n.id, n.body, n.at, n.contact, coalesce(o.name, n.author) as author
from customer_note n left join operator o on o.id = n.author
where (n.customer = $1 or ($2::text is not null and n.contact = $2))
and ($4::timestamptz is null or (n.at, n.id) < ($4, $5::bigint))
order by n.at desc, n.id desc
limit $3

-- name: note
insert into customer_note (key, customer, contact, body, author) values ($1, $2, $3, $4, $5)
on conflict (key) do nothing
returning id

-- name: history
-- Calls with these numbers; of a number that several have, not those that were said to be about another one. And those
-- that were said to be about him, whatever number they came from: one that he has no more, somebody else's. Latest first,
-- behind the last one of the page before.
with his as (
    select found.contact_id from unnest($1::text[]) as number, lateral (
        select c.contact_id from cdr c
        where c.number = number.number and ($4::timestamptz is null or (c.started_at, c.contact_id) < ($4, $5::text))
        and not exists (select from contact_customer x where x.contact = c.contact_id and x.customer <> $2)
        order by c.started_at desc, c.contact_id desc
        limit $3) as found
    union
    select x.contact from contact_customer x where x.customer = $2
), h as (
    select c.* from his join cdr c on c.contact_id = his.contact_id
    where $4::timestamptz is null or (c.started_at, c.contact_id) < ($4, $5::text)
    order by c.started_at desc, c.contact_id desc
    limit $3
)
select h.contact_id, h.direction, h.agent, o.name as agent_name,
       h.queue, q.body->>'name' as queue_name, q.body->>'name_en' as queue_name_en,
       h.started_at, h.talk_s + h.hold_s as talk_s, h.result, r.state as recording_state,
       array(select a.agent from attended a where a.contact_id = h.contact_id) as agents,
       array(select s.queue from segment s
             where s.contact_id = h.contact_id and s.kind = 'queue' and s.queue is not null) as queues,
       array(select last.code from (
           select distinct on (i.agent) i.code, i.started_at from agent_interval i
           where i.contact = h.contact_id and i.code is not null
           order by i.agent, i.seq desc) last order by last.started_at, last.code) as codes
from h
left join operator o on o.id = h.agent
left join config_document q on q.kind = 'queues' and q.id = h.queue
left join recording r on r.id = h.recording_id
order by h.started_at desc, h.contact_id desc

-- name: owners
-- $1: one who is named already stays in the list, whatever became of him.
select id, name from operator where not disabled or id = $1 order by id

-- name: delete
update customer set deleted_at = now(), deleted_by = $2, version = version + 1 where id = $1 and deleted_at is null

-- name: restore
update customer
set deleted_at = null, deleted_by = null, changed_at = now(), changed_by = $2, version = version + 1
where id = $1 and deleted_at is not null and merged_into is null

-- name: alike
-- Who may be the same: one of the numbers, or the same name.
select c.id, c.kind, c.name, c.level, k.name as company,
       array(select p.number from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as numbers,
       array(select p.id from customer_phone p where p.customer = c.id order by p.place, p.id limit 3) as phones
from customer c left join customer k on k.id = c.company and k.deleted_at is null
where c.deleted_at is null and c.id <> $1 and c.id in (
    select p.customer from customer_phone p where p.number = any ($2)
    union select w.id from customer w where w.deleted_at is null and w.name = $3)
order by c.changed_at desc, c.id desc
limit 10

-- name: move_phones
delete from customer_phone p where p.customer = $2
and exists (select from customer_phone k where k.customer = $1 and k.number = p.number)

-- name: move_rest
update customer_phone set customer = $1 where customer = $2

-- name: move_notes
update customer_note set customer = $1 where customer = $2

-- name: move_follow_ups
update follow_up set customer = $1 where customer = $2

-- name: move_contacts
update contact_customer set customer = $1 where customer = $2

-- name: move_people
update customer set company = $1 where company = $2 and id <> $1

-- name: move_merged
update customer set merged_into = $1 where merged_into = $2

-- name: bury
update customer
set deleted_at = now(), deleted_by = $3, merged_into = $1, company = null, version = version + 1
where id = $2

-- name: contact
select body, ended_at is not null as over from contact where id = $1

-- name: queue
select body->>'name' as name, body->>'name_en' as name_en, body->>'script' as script
from config_document where kind = 'queues' and id = $1

-- name: black_lists
-- The lists of callers who are not served, and whether this number stands in them now.
select d.id, coalesce(nullif(d.body->>'name', ''), d.id) as name,
       exists (select from list_entry e where e.list = d.id and e.number = $1 and not e.gone
               and (e.expires_at is null or e.expires_at > now())) as holds
from config_document d
where d.kind = 'lists' and d.body->>'kind' = 'black' and coalesce((d.body->>'enabled')::boolean, true)
order by d.id

-- name: chosen
-- Whose call it is said to be, unless that customer has gone.
select x.customer from contact_customer x join customer c on c.id = x.customer
where x.contact = $1 and c.deleted_at is null

-- name: callers
-- The customers of a number, those with most to say of them first.
select c.id, c.kind, c.name, c.level, c.position, k.name as company
from customer_phone p
join customer c on c.id = p.customer and c.deleted_at is null
left join customer k on k.id = c.company and k.deleted_at is null
where p.number = $1
order by c.kind desc, c.changed_at desc, c.id desc
limit 20

-- name: choose
insert into contact_customer (contact, customer, chosen_by) values ($1, $2, $3)
on conflict (contact) do update set customer = excluded.customer, chosen_by = excluded.chosen_by, chosen_at = now()
where contact_customer.customer <> excluded.customer

-- name: first_choice
insert into contact_customer (contact, customer, chosen_by) values ($1, $2, $3) on conflict (contact) do nothing

-- name: give_notes
update customer_note set customer = $2 where contact = $1 and customer is distinct from $2

-- name: give_follow_ups
update follow_up set customer = $2 where contact = $1 and customer <> $2

-- name: one_at_a_time
-- Two clicks on one form, two people who enter the caller of one contact or somebody of one company, do it one after
-- the other.
select pg_advisory_xact_lock(hashtextextended($1, 10))

-- name: import_begin
insert into customer_import (id, operator, file, total, bad, unread) values ($1, $2, $3, $4, $5, $6)
on conflict (id) do nothing

-- name: import_row
insert into customer_import_row (import, n, body, errors, place) values ($1, $2, $3, $4, $5)

-- name: import
select i.id, i.operator, o.name as operator_name, i.file, i.state, i.total, i.bad, i.done, i.taken, i.known, i.unread, i.created_at,
       i.changed_at < now() - interval '15 seconds' as still
from customer_import i left join operator o on o.id = i.operator
where i.id = $1

-- name: import_bad
select n, body, errors from customer_import_row where import = $1 and errors <> '{}' order by n limit $2

-- name: import_good
select n, body from customer_import_row where import = $1 and errors = '{}' order by n limit $2

-- name: import_start
update customer_import set state = 'running', changed_at = now() where id = $1 and state <> 'done'

-- name: import_lock
-- Nothing while a piece of it is being done: nobody waits for that.
select operator, file, total, state, done from customer_import where id = $1 for update skip locked

-- name: import_piece
-- Of a file from before they had a place: as they stand.
select n, body, errors, coalesce(place, n) as place from customer_import_row
where import = $1 and coalesce(place, n) > $2
order by coalesce(place, n)
limit $3

-- name: import_wrong
update customer_import_row set errors = $3 where import = $1 and n = $2

-- name: import_step
update customer_import
set done = $2, taken = taken + $3, known = known + $4, bad = bad + $5, changed_at = now(), state = $6
where id = $1

-- name: import_forget
-- The rows of what is done, and of what nobody went on with for a day.
delete from customer_import_row r using customer_import i
where i.id = r.import and (i.state = 'done' and r.errors = '{}' or i.state = 'shown' and i.created_at < now() - interval '1 day'
    or i.created_at < now() - interval '30 days')

-- name: named
-- Whether there is one of this name.
select exists (select from customer where deleted_at is null and name = $1)
