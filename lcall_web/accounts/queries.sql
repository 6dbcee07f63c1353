-- name: attempt
-- Written before the password is looked at, so that no number of simultaneous attempts gets past the limit.
with old as (delete from login_attempt where at < now() - interval '1 day')
insert into login_attempt (subject) values ($1), ($2)

-- name: attempts
select count(*) filter (where subject = $1) as account, count(*) filter (where subject = $2) as address
from login_attempt
where subject in ($1, $2) and at > now() - make_interval(mins => $3)

-- name: forgive
-- The right password: his account begins anew, and his address has one attempt less, for a whole shift may share it.
delete from login_attempt
where subject = $1 or ctid = (select ctid from login_attempt where subject = $2 order by at desc limit 1)

-- name: operator
select id, password_hash from operator where id = $1 and not disabled

-- name: rehash
update operator set password_hash = $2 where id = $1
