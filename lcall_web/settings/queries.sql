-- name: last_change
-- Who changed a document last, and when.
select coalesce(o.name, a.operator) as name, a.at
from audit a left join operator o on o.id = a.operator
where a.object = $1 and a.action = 'config_put' order by a.id desc limit 1 -- at is when he began

-- name: entry_place
-- An entry of a list without its number, which not everybody may see: the number of its last change.
select changed from list_entry where list = $1 and number = $2

-- name: entry_number
select number from list_entry where list = $1 and changed = $2

-- name: put_logo
insert into center_logo (type, body, version, changed_by) values ($1, $2, $3, $4)
on conflict (one) do update set type = excluded.type, body = excluded.body, version = excluded.version,
    changed_by = excluded.changed_by, changed_at = now()

-- name: drop_logo
delete from center_logo

-- name: logo
select type, body, version from center_logo

-- name: variables
select name, name_en from customer_field where retired_at is null
