-- name: session
-- Who a cookie belongs to; `stale`: it was last noted as seen more than a minute ago; `agent`: he is one.
-- `people`, `queues`: of his team, where his role sees that far.
select s.operator, o.name, o.role, r.name as role_name, r.scope, r.permissions, s.csrf, t.queues,
       case when t.id is not null then array(select id from operator where team = t.id) end as people,
       s.seen_at < now() - interval '1 minute' as stale,
       exists (select from config_document a where a.kind = 'agents' and a.id = s.operator) as agent
from web_session s
join operator o on o.id = s.operator
join role r on r.id = o.role
left join team t on t.id = o.team and r.scope = 'team'
where s.token_sha256 = $1 and s.expires_at > now() and not o.disabled

-- name: seen
-- A session in use goes on for twelve hours more, but not beyond a week.
update web_session
set seen_at = now(), expires_at = least(created_at + interval '7 days', now() + interval '12 hours')
where token_sha256 = $1

-- name: begin
insert into web_session (token_sha256, operator, csrf, expires_at, address, browser)
values ($1, $2, $3, now() + interval '12 hours', $4, $5)

-- name: end
delete from web_session where token_sha256 = $1

-- name: forget_expired
delete from web_session where expires_at < now()

-- name: audit
insert into audit (operator, action, object, address, detail) values ($1, $2, $3, $4, $5)

-- name: center
-- What the center's settings say of its name, its time zone, and whether it holds the demo world; its own logo.
select body, (select version from center_logo) as logo from config_document where kind = 'settings' and id = 'center'

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
