-- name: attempt
with old as (delete from login_attempt where at < now() - interval '1 day')
insert into login_attempt (subject) values ($1), ($2)

-- name: attempts
select count(*) filter (where subject = $1) as account, count(*) filter (where subject = $2) as address
from login_attempt
where subject in ($1, $2) and at > now() - make_interval(mins => $3)

-- name: forgive
-- He is in: his account begins anew, and his address has one attempt less, for a whole shift may share it. Of many who
-- come in at the same moment each takes back one.
delete from login_attempt
where subject = $1
   or ctid = (select ctid from login_attempt where subject = $2 order by at desc limit 1 for update skip locked)

-- name: forgive_address
-- His password was right and a code is asked for, which is an attempt of its own: one in all stays with the address until
-- he is in, both with the account.
delete from login_attempt
where ctid = (select ctid from login_attempt where subject = $1 order by at desc limit 1 for update skip locked)

-- name: operator
select id, password_hash, must_change, totp_secret is not null as totp from operator where id = $1 and not disabled

-- name: rehash
update operator set password_hash = $2 where id = $1 and password_hash = $3

-- name: keep_step
insert into login_step (token_sha256, operator, step) values ($1, $2, $3)

-- name: forget_steps
delete from login_step where expires_at < now()

-- name: step
select s.operator, s.step, o.name, o.password_hash, o.totp_secret
from login_step s join operator o on o.id = s.operator
where s.token_sha256 = $1 and s.expires_at > now() and not o.disabled

-- name: end_step
-- Of two requests with the same token one goes on.
delete from login_step where token_sha256 = $1 and expires_at > now() returning operator

-- name: use_totp
-- A code works once, and none that is older than one that was used.
update operator set totp_step = $2 where id = $1 and totp_step < $2 returning id

-- name: use_recovery
delete from recovery_code where operator = $1 and sha256 = $2 returning operator

-- name: logged_in
update operator set logged_in_at = now() where id = $1

-- name: set_password
update operator set password_hash = $2, must_change = $3, changed_at = now(), version = version + 1 where id = $1

-- name: end_others
-- All sessions of this operator but one, and what he had begun of logging in.
with steps as (delete from login_step where operator = $1)
delete from web_session where operator = $1 and token_sha256 <> $2 returning token_sha256

-- name: me
select o.id, o.name, o.role, r.name as role_name, t.name as team, o.password_hash, o.totp_secret, o.totp_offered,
       (select count(*) from recovery_code c where c.operator = o.id) as recovery_codes
from operator o join role r on r.id = o.role left join team t on t.id = o.team
where o.id = $1

-- name: offer_totp
update operator set totp_offered = $2 where id = $1

-- name: confirm_totp
update operator set totp_secret = totp_offered, totp_offered = null, totp_step = $3
where id = $1 and totp_offered = $2 returning id

-- name: totp_off
with codes as (delete from recovery_code where operator = $1)
update operator set totp_secret = null, totp_offered = null where id = $1

-- name: drop_codes
delete from recovery_code where operator = $1

-- name: keep_codes
insert into recovery_code (operator, sha256) select $1, unnest($2::bytea[])

-- name: sessions
-- Who is in, latest seen first; of one operator, or of all. `mine`: the one that asks.
select s.id, s.operator, o.name, o.role, s.created_at, s.seen_at, s.address, s.browser, s.token_sha256 = $2 as mine
from web_session s join operator o on o.id = s.operator
where s.expires_at > now() and not o.disabled and ($1::text is null or s.operator = $1)
  and ($3 = '' or s.operator = $3 or o.name like '%' || $4 || '%' or s.address = $3)
order by s.seen_at desc, s.id
limit 500

-- name: end_session
-- Of one operator, or of anybody.
delete from web_session where id = $1 and ($2::text is null or operator = $2) returning operator, token_sha256

-- name: end_all_sessions
-- Of everybody but who asks for it: $2 the roles, $3 the people whose accounts he may change, null for all.
with others as (
    select id from operator where id <> $1 and role = any ($2) and ($3::text[] is null or id = any ($3))),
steps as (delete from login_step where operator in (select id from others))
delete from web_session where operator in (select id from others) returning operator, token_sha256

-- name: operators
-- $1: a number or a part of a name, $2: as LIKE takes it; $3 a role, $4 a team, $5 whether disabled; behind $6.
select o.id, o.name, o.role, r.name as role_name, t.name as team, o.disabled, o.must_change, o.totp_secret is not null as totp,
       o.logged_in_at, exists (select from web_session s where s.operator = o.id and s.expires_at > now()) as here
from operator o join role r on r.id = o.role left join team t on t.id = o.team
where ($1 = '' or o.id like $2 || '%' or o.name like '%' || $2 || '%')
  and ($3 = '' or o.role = $3) and ($4::bigint is null or o.team = $4) and ($5::boolean is null or o.disabled = $5)
  and ($6 = '' or o.id > $6)
order by o.id
limit $7

-- name: count_operators
select count(*) as people, count(*) filter (where disabled) as disabled, count(*) filter (where totp_secret is not null) as totp,
       (select count(distinct operator) from web_session where expires_at > now()) as here
from operator

-- name: account
select o.id, o.name, o.role, o.team, o.disabled, o.must_change, o.totp_secret is not null as totp, o.logged_in_at,
       o.created_at, o.version, exists (select from config_document a where a.kind = 'agents' and a.id = o.id) as agent
from operator o where o.id = $1

-- name: agent
-- The name of an agent, whether or not he has an account.
select body->>'name' as name from config_document where kind = 'agents' and id = $1

-- name: one_at_a_time
-- Whoever changes accounts or roles: so that no two of them remove the last administrators together.
select pg_advisory_xact_lock(hashtext('lcall accounts'))

-- name: create_operator
insert into operator (id, name, role, team, password_hash, must_change) values ($1, $2, $3, $4, $5, true)
on conflict do nothing returning id

-- name: change_operator
update operator set name = $3, role = $4, team = $5, changed_at = now(), version = version + 1
where id = $1 and version = $2 returning id

-- name: disable
update operator set disabled = $3, changed_at = now(), version = version + 1 where id = $1 and version = $2 returning id

-- name: reset_password
update operator set password_hash = $3, must_change = true, changed_at = now(), version = version + 1
where id = $1 and version = $2 returning id

-- name: forgive_account
delete from login_attempt where subject = 'account:' || $1

-- name: end_sessions
with steps as (delete from login_step where operator = $1)
delete from web_session where operator = $1 returning token_sha256

-- name: administrators
-- Those who can still let others in.
select count(*) from operator o join role r on r.id = o.role
where not o.disabled and (r.id = 'admin' or 'accounts' = any (r.permissions))

-- name: roles
select r.id, r.name, r.built_in, r.scope, r.permissions, r.changed_at,
       (select count(*) from operator o where o.role = r.id) as people
from role r
order by not r.built_in, array_position(array['agent', 'leader', 'manager', 'inspector', 'admin'], r.id), r.name, r.id

-- name: create_role
insert into role (id, name, scope, permissions) values ($1, $2, $3, $4)

-- name: change_role
-- The names of those built in are ours; the administrator may always do everything.
update role set name = case when built_in then name else $2 end, scope = $3, permissions = $4, changed_at = now()
where id = $1 and id <> 'admin' and changed_at = $5 returning id

-- name: delete_role
delete from role where id = $1 and not built_in and not exists (select from operator where role = $1) returning id

-- name: teams
select t.id, t.name, t.queues, t.changed_at, (select count(*) from operator o where o.team = t.id) as people from team t order by t.name, t.id

-- name: create_team
insert into team (name, queues) values ($1, $2) returning id

-- name: change_team
update team set name = $2, queues = $3, changed_at = now() where id = $1 and changed_at = $4 returning id

-- name: delete_team
delete from team where id = $1 returning id

-- name: queues
select id, body->>'name' as name, body->>'name_en' as name_en from config_document where kind = 'queues' order by id

-- name: audit_log
-- $1, $2: times; $3: a number, $4: a part of a name or number as LIKE takes it; $5 an action; $6: a part of the object or
-- the detail; behind $7, latest first.
select a.id, a.at, a.operator, o.name, a.action, a.object, a.address, a.detail::text as detail
from audit a left join operator o on o.id = a.operator
where ($1::timestamptz is null or a.at >= $1) and ($2::timestamptz is null or a.at < $2)
  and ($3 = '' or a.operator = $3 or a.operator in (select id from operator where name like '%' || $4 || '%'))
  and ($5 = '' or a.action = $5)
  and ($6 = '' or a.object ilike '%' || $6 || '%' or a.detail::text ilike '%' || $6 || '%')
  and ($7::bigint is null or a.id < $7)
order by a.id desc
limit $8

-- name: actions
-- The distinct ones, by steps along the index.
with recursive found as (
    (select action from audit order by action limit 1)
    union all
    select (select action from audit where action > found.action order by action limit 1) from found where found.action is not null)
select action from found where action is not null

-- name: let_in
insert into operator (id, name, role, password_hash, must_change) values ($1, $1, 'admin', $2, true)
on conflict (id) do update set role = 'admin', password_hash = excluded.password_hash, must_change = true, disabled = false,
    changed_at = now(), version = operator.version + 1
