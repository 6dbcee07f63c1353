-- name: contact
-- Whose recording it is: who talked in that call, and where it waited. Null, while the call is not known yet: nobody's.
select r.contact_id, r.state, r.reason, c.id is not null as known,
       array(select a.agent from attended a where a.contact_id = c.id) || c.agent as talked,
       array(select s.queue from segment s where s.contact_id = c.id) || c.queue as waited
from recording r left join contact c on c.id = r.contact_id
where r.id = $1

-- name: downloaded
insert into audit (operator, action, object, address) values ($1, 'recording_downloaded', $2, $3)

-- name: comments
select k.id, k.at_ms, k.operator, o.name, k.text, k.created_at
from recording_comment k left join operator o on o.id = k.operator
where k.recording = $1 and k.removed_at is null
order by k.at_ms, k.id

-- name: comment
insert into recording_comment (recording, at_ms, operator, text, key) values ($1, $2, $3, $4, $5)
on conflict (operator, key) do nothing

-- name: remove_comment
-- Only his own.
update recording_comment set removed_at = now()
where id = $1 and recording = $2 and operator = $3 and removed_at is null

-- name: played
-- Noted once in five minutes, for a player asks for a recording in many parts.
insert into audit (operator, action, object, address)
select $1, 'recording_played', $2, $3
where not exists (
    select from audit
    where object = $2 and operator = $1 and action = 'recording_played' and at > now() - interval '5 minutes')
