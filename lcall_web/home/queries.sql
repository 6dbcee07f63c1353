-- name: team_of
select team from operator where id = $1

-- name: teams
select id, name from team order by name

-- name: queues
select id, body->>'name' as name, coalesce(nullif(body->>'name_en', ''), body->>'name') as name_en
from config_document where kind = 'queues' order by id

-- name: current
-- What concerns $1 now: pinned first, then the newest.
select n.*, t.name as team_name, w.name as writer, c.name as changer, r.at as read_at, true as concerns,
       n.written_by <> me.id and coalesce(r.edition, 0) < n.edition as unread, now() as now
from notice_reader me
join notice n on lcall_concerns(n.audience, n.queues, n.team, me.team, me.queues)
left join notice_read r on r.notice = n.id and r.operator = me.id
left join team t on t.id = n.team
left join operator w on w.id = n.written_by
left join operator c on c.id = n.changed_by
where me.id = $1 and n.from_at <= now() and (n.until_at is null or n.until_at > now())
order by n.pinned desc, n.from_at desc, n.id desc
limit 200

-- name: past
-- What has concerned $1 and is over, before the notice $2; the latest first.
select n.*, t.name as team_name, w.name as writer, c.name as changer, r.at as read_at, true as concerns,
       false as unread, now() as now
from notice_reader me
join notice n on lcall_concerns(n.audience, n.queues, n.team, me.team, me.queues)
left join notice_read r on r.notice = n.id and r.operator = me.id
left join team t on t.id = n.team
left join operator w on w.id = n.written_by
left join operator c on c.id = n.changed_by
where me.id = $1 and n.id < $2 and n.until_at <= now() and n.from_at <= now()
order by n.id desc
limit $3

-- name: notice
-- One, as $1 stands to it.
select n.*, t.name as team_name, w.name as writer, c.name as changer, r.at as read_at, now() as now,
       coalesce(lcall_concerns(n.audience, n.queues, n.team, me.team, me.queues), false) as concerns,
       n.written_by <> $1 and coalesce(r.edition, 0) < n.edition as unread
from notice n
left join notice_reader me on me.id = $1
left join notice_read r on r.notice = n.id and r.operator = $1
left join team t on t.id = n.team
left join operator w on w.id = n.written_by
left join operator c on c.id = n.changed_by
where n.id = $2

-- name: managed
-- Those within the scope of one who writes (rules.Scope.holds: $1 everything, $2 his team, $3 its queues), before the
-- notice $4, the latest first; and of how many who read it how many have.
select n.*, t.name as team_name, w.name as writer, c.name as changer, null::timestamptz as read_at, now() as now,
       false as concerns, false as unread,
       (select count(*) from notice_reader p
        where p.id <> n.written_by and lcall_concerns(n.audience, n.queues, n.team, p.team, p.queues)) as people,
       (select count(*) from notice_reader p join notice_read r on r.operator = p.id and r.notice = n.id
        where p.id <> n.written_by and r.edition >= n.edition
          and lcall_concerns(n.audience, n.queues, n.team, p.team, p.queues)) as have_read
from notice n
left join team t on t.id = n.team
left join operator w on w.id = n.written_by
left join operator c on c.id = n.changed_by
where n.id < $4 and ($1 or (n.audience = 'team' and n.team = $2)
                        or (n.audience = 'queues' and n.queues <> '{}' and n.queues <@ $3::text[]))
order by n.id desc
limit $5

-- name: readers
-- Whom it concerns, without who wrote it: those who have not read its present edition first.
select p.id, p.name, r.at, coalesce(r.edition, 0) >= n.edition as done, r.edition is not null as once
from notice n
join notice_reader p on p.id <> n.written_by and lcall_concerns(n.audience, n.queues, n.team, p.team, p.queues)
left join notice_read r on r.notice = n.id and r.operator = p.id
where n.id = $1
order by done, case when coalesce(r.edition, 0) >= n.edition then r.at end desc, p.id

-- name: locked
select n.*, n.until_at is not null and n.until_at <= now() as over from notice n where n.id = $1 for update

-- name: write
insert into notice (key, written_by, changed_by, title, body, audience, queues, team, pinned, confirm, from_at, until_at)
values ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (key) do nothing
returning id

-- name: written
select id from notice where key = $1 and written_by = $2

-- name: change
update notice
set changed_by = $2, changed_at = now(), version = version + 1, edition = edition + $3::int, title = $4, body = $5,
    audience = $6, queues = $7, team = $8, pinned = $9, confirm = $10, from_at = $11, until_at = $12
where id = $1

-- name: end
-- One that has not begun never does.
update notice
set changed_by = $2, changed_at = now(), version = version + 1, until_at = now(), from_at = least(from_at, now())
where id = $1

-- name: who_read
select operator from notice_read where notice = $1 order by operator

-- name: delete
delete from notice where id = $1

-- name: read
-- He has read this edition, or the present one if a page has told him of none that there is. What he had read before
-- keeps its time. Held until it is written: of one that is being deleted nothing is.
insert into notice_read (notice, operator, edition)
select id, $2, least($3::int, edition) from notice where id = $1 for key share
on conflict (notice, operator) do update set edition = excluded.edition, at = now()
where notice_read.edition < excluded.edition
returning notice

-- name: news
update notice_news set version = version + 1

-- name: version
select version, now() as now from notice_news

-- name: told
-- What each of $1 is told of: every notice that concerns him now, and whether he still has to read it.
select p.id as operator, n.id, n.version,
       n.written_by <> p.id and coalesce(r.edition, 0) < n.edition as unread
from notice_reader p
join notice n on lcall_concerns(n.audience, n.queues, n.team, p.team, p.queues)
left join notice_read r on r.notice = n.id and r.operator = p.id
where p.id = any ($1) and n.from_at <= now() and (n.until_at is null or n.until_at > now())
order by p.id, n.pinned desc, n.from_at desc, n.id desc

-- name: to_confirm
select n.id, n.edition, n.title, n.body, coalesce(w.name, n.written_by) as writer
from notice n left join operator w on w.id = n.written_by
where n.confirm and n.from_at <= now() and (n.until_at is null or n.until_at > now())

-- name: next
-- When a notice begins or ends next after $1.
select least((select min(from_at) from notice where from_at > $1),
             (select min(until_at) from notice where until_at > $1)) as at

-- name: day
-- Of the agent $1 since $2: calls that he talked in, for how long, and calls whose last ring at him he did not take.
with his as (
    select contact_id, n, kind, reason, started_at, ended_at from segment where agent = $1 and started_at >= $2)
select count(distinct contact_id) filter (where kind in ('talk', 'conference')) as calls,
       coalesce(sum(extract(epoch from coalesce(ended_at, now()) - started_at))
                filter (where kind in ('talk', 'conference')), 0)::double precision as talk_s,
       (select count(*) from (
            select distinct on (contact_id) reason from his where kind = 'ring' order by contact_id, started_at desc, n desc
        ) rang where reason not in ('answered', 'taken_back', 'forwarded')) as missed
from his

-- name: notes
select id, body, colour, version, changed_at from sticky_note
where operator = $1 and deleted_at is null
order by changed_at desc, id desc
limit $2

-- name: note
select id, body, colour, version, deleted_at is not null as gone from sticky_note
where id = $1 and operator = $2
for update

-- name: note_of_key
select id, operator, body, colour, version, deleted_at is not null as gone from sticky_note where key = $1 for update

-- name: count_notes
select count(*) from sticky_note where operator = $1 and deleted_at is null

-- name: add_note
insert into sticky_note (key, operator, body, colour) values ($1, $2, $3, $4)
on conflict (key) do nothing
returning id, version

-- name: save_note
update sticky_note
set body = $2, colour = $3, version = version + 1, changed_at = now(), deleted_at = null
where id = $1
returning id, version

-- name: delete_note
update sticky_note set deleted_at = now(), version = version + 1 where id = $1 returning id, version

-- name: restore_note
update sticky_note set deleted_at = null, version = version + 1 where id = $1 returning id, version

-- name: forget_notes
delete from sticky_note where operator = $1 and deleted_at < now() - interval '30 days'
